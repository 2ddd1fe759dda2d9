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
	(void)irq;
	return e->running;
}

/* The vCPU with the fewest interrupts. */
static u16 policy_spread_pick(const struct irqhop_engine *e, u16 irq)
{
	(void)irq;
	return e->least;
}

/*
 * The vCPU that it came from: the guest's driver has been there, so its data
 * may still be in that pCPU's cache.
 */
static u16 policy_sticky_pick(const struct irqhop_engine *e, u16 irq)
{
	u16 prev = e->irq[irq].prev;

	if (prev != IRQHOP_NONE && irqhop_engine_vcpu_takes(e, prev))
		return prev;
	return e->running;
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

/*
 * The first one is the default. Which rules they have by themselves was chosen
 * by measurement (docs/results.md): under "wake" a guest that is not busy has
 * hardly any good of irqhop where its pCPUs are taken.
 */
static const struct irqhop_policy policies[] = {
	{ "summon", IRQHOP_POLICY_SUMMON, IRQHOP_RULE_LAZY, IRQHOP_HALTED_HOP,
	  policy_recent_pick },
	{ "recent", 0, IRQHOP_RULE_LAZY, IRQHOP_HALTED_HOP,
	  policy_recent_pick },
	{ "donate", IRQHOP_POLICY_SUMMON | IRQHOP_POLICY_DONATE,
	  IRQHOP_RULE_LAZY, IRQHOP_HALTED_HOP, policy_recent_pick },
	{ "spread", IRQHOP_POLICY_LEAST, IRQHOP_RULE_LAZY, IRQHOP_HALTED_HOP,
	  policy_spread_pick },
	{ "sticky", 0, IRQHOP_RULE_NEVER, IRQHOP_HALTED_HOP,
	  policy_sticky_pick },
	{ "home", IRQHOP_POLICY_HOME, IRQHOP_RULE_LAZY, IRQHOP_HALTED_WAKE,
	  policy_home_pick },
#ifdef IRQHOP_TEST
	{ "storm", IRQHOP_POLICY_STORM, IRQHOP_RULE_NEVER, IRQHOP_HALTED_HOP,
	  policy_storm_pick },
#endif
};

static const char * const rules[IRQHOP_NR_RULES] = {
	[IRQHOP_RULE_LAZY]	= "lazy",
	[IRQHOP_RULE_EAGER]	= "eager",
	[IRQHOP_RULE_NEVER]	= "never",
};

static const char * const halted_rules[IRQHOP_NR_HALTED] = {
	[IRQHOP_HALTED_WAKE]	= "wake",
	[IRQHOP_HALTED_HOP]	= "hop",
};

static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Return: its place, @nr if there is none of that name. */
static u32 name_find(const char * const *names, u32 nr, const char *name)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (same_name(names[i], name))
			break;
	return i;
}

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

	for (i = 0; i < irqhop_policy_count(); i++)
		if (same_name(policies[i].name, name))
			return &policies[i];
	return NULL;
}

/**
 * irqhop_return_rule_name - what the user calls a return rule
 * @rule: below %IRQHOP_NR_RULES
 *
 * Return: its name.
 */
const char *irqhop_return_rule_name(enum irqhop_return_rule rule)
{
	return rules[rule];
}

/**
 * irqhop_return_rule_find - a return rule by its name
 * @name: NUL-terminated
 * @rule: gets it
 *
 * Return: false if there is none of that name; @rule is left alone then.
 */
bool irqhop_return_rule_find(const char *name, enum irqhop_return_rule *rule)
{
	const u32 i = name_find(rules, IRQHOP_NR_RULES, name);

	if (i == IRQHOP_NR_RULES)
		return false;
	*rule = (enum irqhop_return_rule)i;
	return true;
}

/**
 * irqhop_halted_rule_name - what the user calls a halted rule
 * @rule: below %IRQHOP_NR_HALTED
 *
 * Return: its name.
 */
const char *irqhop_halted_rule_name(enum irqhop_halted_rule rule)
{
	return halted_rules[rule];
}

/**
 * irqhop_halted_rule_find - a halted rule by its name
 * @name: NUL-terminated
 * @rule: gets it
 *
 * Return: false if there is none of that name; @rule is left alone then.
 */
bool irqhop_halted_rule_find(const char *name, enum irqhop_halted_rule *rule)
{
	const u32 i = name_find(halted_rules, IRQHOP_NR_HALTED, name);

	if (i == IRQHOP_NR_HALTED)
		return false;
	*rule = (enum irqhop_halted_rule)i;
	return true;
}
