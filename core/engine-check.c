// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: does the engine contradict itself? Its own links and bits, one
 * against the other; what the hardware says is for the caller to compare.
 */
#include "engine.h"

/* What each list is called where something is wrong with it. */
static const char * const broken_link[IRQHOP_NR_L] = {
	[IRQHOP_L_TARGET]	= "an interrupt is wrongly linked to its target",
	[IRQHOP_L_HOME]		= "an interrupt is wrongly linked to its home",
	[IRQHOP_L_AWAY]		= "one that is away is wrongly linked",
	[IRQHOP_L_STRANDED]	= "one that is stranded is wrongly linked",
	[IRQHOP_L_HELD]		= "one that is held back is wrongly linked",
	[IRQHOP_L_TODO]		= "one that wants a look is wrongly linked",
};

static bool in_range(const struct irqhop_engine *e, u16 v)
{
	return v < e->nr_vcpus || v == IRQHOP_NONE;
}

/* Where the head of the list is, on which an interrupt should be. */
static int head_of(const struct irqhop_engine *e, u16 i, u32 id)
{
	const struct irqhop_engine_irq *irq = &e->irq[i];

	if (id == IRQHOP_L_TARGET && irq->live)
		return irqhop_head(1 + irq->target);
	if (id == IRQHOP_L_HOME)
		return irqhop_head(1 + irq->home);
	return irqhop_head(0);
}

/* Is this a neighbour on that list, or its head? */
static bool on_same(const struct irqhop_engine *e, u16 i, int other, u32 id)
{
	const struct irqhop_engine_irq *a = &e->irq[i], *b;

	if (other < 0)
		return other == head_of(e, i, id);
	if (other >= e->max_irqs || other == i)
		return false;
	b = &e->irq[other];
	return (b->on & IRQHOP_BIT(id)) && a->live == b->live &&
	       (id != IRQHOP_L_TARGET || a->target == b->target) &&
	       (id != IRQHOP_L_HOME || a->home == b->home);
}

static bool linked(const struct irqhop_engine *e, u16 i, u32 id)
{
	const struct irqhop_link *link = &e->irq[i].link[id];

	return on_same(e, i, link->prev, id) && on_same(e, i, link->next, id) &&
	       e->irq[link->prev].link[id].next == i &&
	       e->irq[link->next].link[id].prev == i;
}

/* Does what is said of it agree with the lists that it says it is on? */
static const char *check_lists(const struct irqhop_engine_irq *irq)
{
	bool home = irq->on & IRQHOP_BIT(IRQHOP_L_HOME);
	bool target = irq->on & IRQHOP_BIT(IRQHOP_L_TARGET);
	bool away = irq->on & IRQHOP_BIT(IRQHOP_L_AWAY);
	u8 waits = irq->on & (IRQHOP_BIT(IRQHOP_L_STRANDED) |
			  IRQHOP_BIT(IRQHOP_L_HELD));

	if (!irq->live) {
		if (irq->on != IRQHOP_BIT(IRQHOP_L_TARGET))
			return "a free interrupt is on a list";
		if (irq->home != IRQHOP_NONE || irq->target != IRQHOP_NONE)
			return "a free interrupt has a home or a target";
		return NULL;
	}
	if (home ? irq->home == IRQHOP_NONE : irq->home != IRQHOP_NONE)
		return "an interrupt is not on the list of its home";
	if (target ? irq->target == IRQHOP_NONE : irq->target != IRQHOP_NONE)
		return "an interrupt is not on the list of its target";
	if (away != (home && target && irq->home != irq->target))
		return "an interrupt is away, or not, against home and target";
	if (waits & (waits - 1))
		return "an interrupt is both stranded and held back";
	return NULL;
}

/**
 * irqhop_engine_check - do some interrupts contradict themselves
 * @e: the engine
 * @first: number of the first one
 * @nr: how many; those beyond the end do not count
 *
 * Each one's home, target and lists, and its neighbours on these. Takes time
 * in proportion to @nr and trusts nothing but the sizes of the tables.
 *
 * Return: NULL, or what contradicts what.
 */
const char *irqhop_engine_check(const struct irqhop_engine *e, u16 first,
				u16 nr)
{
	const char *what;
	u32 i, id;

	for (i = first; i < e->max_irqs && i < (u32)first + nr; i++) {
		const struct irqhop_engine_irq *irq = &e->irq[i];

		if (!in_range(e, irq->home) || !in_range(e, irq->target) ||
		    !in_range(e, irq->prev))
			return "an interrupt's home or target does not exist";
		what = check_lists(irq);
		if (what)
			return what;
		for (id = 0; id < IRQHOP_NR_L; id++)
			if ((irq->on & IRQHOP_BIT(id)) && !linked(e, (u16)i, id))
				return broken_link[id];
	}
	return NULL;
}

/* Every vCPU that may be chosen, once, latest first. */
static const char *check_running(const struct irqhop_engine *e)
{
	u16 prev = IRQHOP_NONE;
	u32 nr = 0;
	u16 v;

	for (v = 0; v < e->nr_vcpus; v++)
		nr += irqhop_engine_vcpu_takes(e, v);
	for (v = e->running; v != IRQHOP_NONE; v = e->vcpu[v].run_next) {
		if (v >= e->nr_vcpus || !irqhop_engine_vcpu_takes(e, v))
			return "a vCPU is in the running order and does not run";
		if (!nr--)
			return "the running order has no end";
		if (e->vcpu[v].run_prev != prev)
			return "the running order is wrongly linked";
		if (prev != IRQHOP_NONE &&
		    (e->vcpu[prev].since < e->vcpu[v].since ||
		     (prev > v && e->vcpu[prev].since == e->vcpu[v].since)))
			return "the running order is not sorted";
		prev = v;
	}
	return nr ? "a vCPU runs and is not in the running order" : NULL;
}

/* Those on one of the lists by load. Return: how many, negative for a fault. */
static int check_load_list(const struct irqhop_engine *e, u32 n)
{
	int prev = irqhop_head(n);
	int nr = 0;
	int v;

	for (v = e->load[prev].next; v >= 0; v = e->load[v].next) {
		if (v >= e->nr_vcpus || nr++ == e->nr_vcpus ||
		    !irqhop_engine_vcpu_takes(e, (u16)v) ||
		    e->load[v].prev != prev || e->vcpu[v].nr < n ||
		    (n < IRQHOP_NR_LOADS - 1 && e->vcpu[v].nr > n))
			return -1;
		prev = v;
	}
	return v == irqhop_head(n) && e->load[v].prev == prev ? nr : -1;
}

/* Every vCPU that may be chosen, once, by how many interrupts point at it. */
static const char *check_load(const struct irqhop_engine *e)
{
	u16 least = IRQHOP_NONE, v;
	u32 n, wanted = 0;
	int nr;

	if (e->policy->flags & IRQHOP_POLICY_LEAST)
		for (v = 0; v < e->nr_vcpus; v++)
			wanted += irqhop_engine_vcpu_takes(e, v);
	for (n = 0; n < IRQHOP_NR_LOADS; n++) {
		nr = check_load_list(e, n);
		if (nr < 0)
			return "a vCPU is wrongly linked to those with its load";
		if (!(e->loads >> n & 1) != !nr)
			return "a list by load is empty, or not, against its bit";
		if (nr && least == IRQHOP_NONE)
			least = (u16)e->load[irqhop_head(n)].next;
		wanted -= (u32)nr;
	}
	if (wanted)
		return "a vCPU runs and is on no list by load";
	return e->least == least ? NULL : "the least loaded vCPU is not the first";
}

static const char *check_counts(const struct irqhop_engine *e)
{
	const struct irqhop_link *own = e->irq[irqhop_head(0)].link;
	const u32 nr[IRQHOP_NR_L] = {
		[IRQHOP_L_TARGET]	= e->max_irqs - e->nr_irqs,
		[IRQHOP_L_AWAY]		= e->nr_away,
		[IRQHOP_L_STRANDED]	= e->nr_stranded,
		[IRQHOP_L_HELD]		= e->nr_held,
		[IRQHOP_L_TODO]		= e->nr_todo,
	};
	u32 id;

	for (id = 0; id < IRQHOP_NR_L; id++) {
		bool empty = own[id].next < 0;

		if (empty != !nr[id])
			return "a list is empty, or not, against its count";
		if (nr[id] > e->max_irqs)
			return "a count is larger than the table";
	}
	return e->nr_injected > e->nr_irqs ?
	       "a count is larger than the table" : NULL;
}

/* A vCPU by itself. */
static const char *check_vcpu(const struct irqhop_engine *e, u16 v)
{
	const struct irqhop_engine_vcpu *vc = &e->vcpu[v];
	const bool none = e->irq[irqhop_head(1 + v)].link[IRQHOP_L_TARGET].next < 0;

	if (vc->state >= IRQHOP_NR_VS)
		return "a vCPU's state does not exist";
	if (vc->in_handler && (vc->state == IRQHOP_VS_RUNNING ||
			       vc->state == IRQHOP_VS_LEAVING))
		return "a vCPU is in a handler and not out";
	if (irqhop_engine_vcpu_takes(e, v) && vc->state != IRQHOP_VS_RUNNING)
		return "a vCPU takes interrupts and does not run";
	if ((e->policy->flags & IRQHOP_POLICY_LEAST) && none != !vc->nr)
		return "a vCPU has interrupts, or not, against its count";
	return NULL;
}

/**
 * irqhop_engine_check_vcpus - do the vCPUs, or the counts, contradict each other
 * @e: the engine
 *
 * Takes time in proportion to the number of vCPUs.
 *
 * Return: NULL, or what contradicts what.
 */
const char *irqhop_engine_check_vcpus(const struct irqhop_engine *e)
{
	u32 in[IRQHOP_NR_VS] = { 0 };
	const char *what;
	u32 nr = 0;
	u16 v;

	for (v = 0; v < e->nr_vcpus; v++) {
		what = check_vcpu(e, v);
		if (what)
			return what;
		in[e->vcpu[v].state]++;
		nr += e->vcpu[v].nr;
	}
	for (v = 0; v < IRQHOP_NR_VS; v++)
		if (in[v] != e->nr_in[v])
			return "the number of vCPUs in a state is wrong";
	if (e->quiet != (in[IRQHOP_VS_USER] + in[IRQHOP_VS_OFF] == e->nr_vcpus))
		return "the VM is quiet, or not, against its vCPUs' states";
	if (nr > e->nr_irqs)
		return "more interrupts have targets than there are";
	what = check_counts(e);
	if (!what)
		what = check_running(e);
	return what ? what : check_load(e);
}
