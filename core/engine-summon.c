// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the engine, whom to summon where no redirect helps. It reads what the
 * rest of the engine keeps, and changes nothing.
 */
#include "engine.h"

/**
 * irqhop_engine_waits - would an interrupt that comes now wait for a vCPU
 * @e: the engine
 * @v: the vCPU
 *
 * Return: true if @v is preempted, some interrupt points at it, and the policy
 * is one that summons.
 */
bool irqhop_engine_waits(const struct irqhop_engine *e, u16 v)
{
	return (e->policy->flags & IRQHOP_POLICY_SUMMON) &&
	       e->vcpu[v].state == IRQHOP_VS_PREEMPTED &&
	       e->irq[irqhop_head(1U + v)].link[IRQHOP_L_TARGET].next >= 0;
}

/* Of equals the lower number. */
static bool came_before(const struct irqhop_engine *e, u16 a, u16 b)
{
	if (e->vcpu[a].since != e->vcpu[b].since)
		return e->vcpu[a].since < e->vcpu[b].since;
	return a < b;
}

/**
 * irqhop_engine_summon - whom to summon for an interrupt that waits
 * @e: the engine
 * @v: the vCPU that it points at
 * @last: whom this has said before, should that one not come; %IRQHOP_NONE at
 *	first
 *
 * One that is inside a handler keeps its interrupts, so it has to come itself.
 * Otherwise any will do that can take interrupts, and the scheduler is most
 * likely to let the one have its way that it has let wait for longest: the one
 * that was scheduled in first.
 *
 * Return: the vCPU, %IRQHOP_NONE if nobody (else) is to be summoned.
 */
u16 irqhop_engine_summon(const struct irqhop_engine *e, u16 v, u16 last)
{
	u16 best = IRQHOP_NONE;
	u16 i;

	if (!(e->policy->flags & IRQHOP_POLICY_SUMMON) ||
	    e->vcpu[v].state != IRQHOP_VS_PREEMPTED)
		return IRQHOP_NONE;
	if ((e->vcpu[v].is & IRQHOP_KEEPS) && !irqhop_mutant(SUMMON_OWN))
		return last == IRQHOP_NONE ? v : IRQHOP_NONE;
	if (e->running != IRQHOP_NONE)
		return IRQHOP_NONE;
	for (i = 0; i < e->nr_vcpus; i++) {
		const struct irqhop_engine_vcpu *vc = &e->vcpu[i];

		if (vc->state != IRQHOP_VS_PREEMPTED || !vc->enabled ||
		    vc->in_handler ||
		    (last != IRQHOP_NONE && !came_before(e, last, i)))
			continue;
		if (best == IRQHOP_NONE || came_before(e, i, best))
			best = i;
	}
	return best;
}
