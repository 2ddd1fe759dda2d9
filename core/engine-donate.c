// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the engine, which vCPU is short of CPU time for its interrupts' sake,
 * and which one has more than it makes use of.
 *
 * A driver that polls (NAPI) does so on one vCPU until nothing is left, with
 * its interrupt masked. Where more comes in than that vCPU's share of a pCPU
 * can deal with, it never ends, and no interrupt comes that could be sent
 * elsewhere. Such a vCPU is preempted in the guest's kernel again and again.
 */
#include "engine.h"

/* So often in a row, more or less, before anything follows from it. */
#define DONATE_POLLS	3
#define DONATE_IDLES	2
/* And up to so many are made up for one by one. */
#define DONATE_MAX	6

static void count(u8 *n, bool up)
{
	if (up && *n < DONATE_MAX)
		++*n;
	else if (!up && *n)
		--*n;
}

/**
 * irqhop_engine_left - note what a vCPU was at when it left its pCPU
 * @e: the engine
 * @v: the vCPU; its interrupts have not moved yet
 * @what: that
 *
 * It counts as one that polls from the time on that it is preempted in the
 * guest's kernel while some interrupt points at it. That goes elsewhere then,
 * and the device's stays masked, so that none need point at it later.
 */
void irqhop_engine_left(struct irqhop_engine *e, u16 v, enum irqhop_left what)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];
	const bool aimed =
		e->irq[irqhop_head(1U + v)].link[IRQHOP_L_TARGET].next >= 0;

	if (what == IRQHOP_LEFT_ASLEEP) {
		vc->polls = 0;
		vc->idles = 0;
		return;
	}
	if (vc->polls || aimed)
		count(&vc->polls, what == IRQHOP_LEFT_KERNEL);
	count(&vc->idles, what == IRQHOP_LEFT_IDLE);
}

/**
 * irqhop_engine_wants - ought a vCPU to have more CPU time
 * @e: the engine
 * @v: the vCPU
 * @gets: it does already
 *
 * Return: true if so.
 */
bool irqhop_engine_wants(const struct irqhop_engine *e, u16 v, bool gets)
{
	return (e->policy->flags & IRQHOP_POLICY_DONATE) &&
	       e->vcpu[v].polls >= (gets ? 1 : DONATE_POLLS);
}

/**
 * irqhop_engine_spares - could a vCPU do with less CPU time
 * @e: the engine
 * @v: the vCPU
 * @gives: it does already
 *
 * Return: true if so.
 */
bool irqhop_engine_spares(const struct irqhop_engine *e, u16 v, bool gives)
{
	return (e->policy->flags & IRQHOP_POLICY_DONATE) &&
	       e->vcpu[v].idles >= (gives ? 1 : DONATE_IDLES);
}
