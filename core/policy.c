// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: which running vCPU takes an interrupt. One small function each.
 */
#include "engine.h"
#include "policy.h"

/*
 * The vCPU that was scheduled in last: it has most of its slice before it.
 * The engine's running order starts with it.
 */
static u16 policy_recent_pick(const struct irqhop_engine *e, u16 irq)
{
	u16 v = e->running;

	if (v != IRQHOP_NONE && v == e->irq[irq].target)
		v = e->vcpu[v].run_next;
	return v;
}

static u16 policy_home_pick(const struct irqhop_engine *e, u16 irq)
{
	(void)e;
	(void)irq;
	return IRQHOP_NONE;
}

#ifdef IRQHOP_TEST
/* The next running vCPU after the present target, round and round. */
static u16 policy_storm_pick(const struct irqhop_engine *e, u16 irq)
{
	u16 t = e->irq[irq].target;
	u32 i;

	for (i = 1; i < e->nr_vcpus; i++) {
		u16 v = (u16)((t + i) % e->nr_vcpus);

		if (irqhop_engine_vcpu_takes(e, v))
			return v;
	}
	return IRQHOP_NONE;
}
#endif

/* The first one is the default. */
static const struct irqhop_policy policies[] = {
	{ "recent", 0, policy_recent_pick },
	{ "home", IRQHOP_POLICY_HOME, policy_home_pick },
#ifdef IRQHOP_TEST
	{ "storm", IRQHOP_POLICY_EAGER, policy_storm_pick },
#endif
};

/**
 * irqhop_policy_count - how many policies there are
 *
 * Return: their number.
 */
u32 irqhop_policy_count(void)
{
	return sizeof(policies) / sizeof(policies[0]);
}

/**
 * irqhop_policy_get - a policy by its place in the table
 * @i: 0 is the default
 *
 * Return: the policy, NULL beyond the end.
 */
const struct irqhop_policy *irqhop_policy_get(u32 i)
{
	return i < irqhop_policy_count() ? &policies[i] : NULL;
}

/**
 * irqhop_policy_find - a policy by its name
 * @name: NUL-terminated
 *
 * Return: the policy, or NULL.
 */
const struct irqhop_policy *irqhop_policy_find(const char *name)
{
	u32 i;

	for (i = 0; i < irqhop_policy_count(); i++) {
		const char *a = policies[i].name;
		const char *b = name;

		while (*a && *a == *b) {
			a++;
			b++;
		}
		if (*a == *b)
			return &policies[i];
	}
	return NULL;
}
