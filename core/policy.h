/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the tables of policies, of return rules and of halted rules.
 */
#ifndef _IRQHOP_CORE_POLICY_H
#define _IRQHOP_CORE_POLICY_H

#include "types.h"

struct irqhop_engine;

/**
 * enum irqhop_return_rule - when an interrupt that is away goes home
 * @IRQHOP_RULE_LAZY: when it has to move anyway and its home runs then
 * @IRQHOP_RULE_EAGER: as soon as its home runs, from a target that runs too
 * @IRQHOP_RULE_NEVER: its home is as good as any other vCPU
 * @IRQHOP_NR_RULES: number of rules
 *
 * Under each of them interrupts go home when the VM is quiet
 * (irqhop_engine_quiet()), and under the policy "home".
 */
enum irqhop_return_rule {
	IRQHOP_RULE_LAZY,
	IRQHOP_RULE_EAGER,
	IRQHOP_RULE_NEVER,
	IRQHOP_NR_RULES
};

/**
 * enum irqhop_halted_rule - an interrupt's target waits in WFI: what then
 * @IRQHOP_HALTED_WAKE: it stays, and wakes its target
 * @IRQHOP_HALTED_HOP: it moves to a vCPU that runs; if there is none it stays,
 *	and wakes its target
 * @IRQHOP_NR_HALTED: number of rules
 *
 * Where the host's pCPUs are taken, a vCPU that is woken waits for one.
 */
enum irqhop_halted_rule {
	IRQHOP_HALTED_WAKE,
	IRQHOP_HALTED_HOP,
	IRQHOP_NR_HALTED
};

/**
 * enum irqhop_policy_flags - what a policy asks of the engine
 * @IRQHOP_POLICY_HOME: interrupts only ever move towards their homes
 * @IRQHOP_POLICY_STORM: each preemption of any vCPU is a reason to look at
 *	every interrupt, and one whose target runs may be moved as well
 * @IRQHOP_POLICY_LEAST: keep @least of &struct irqhop_engine
 * @IRQHOP_POLICY_SUMMON: where no vCPU is there that has to be, ask the
 *	scheduler for one (irqhop_engine_summon())
 * @IRQHOP_POLICY_DONATE: where a vCPU has not enough of its pCPU for what its
 *	interrupts bring, let it have some of another one's
 *	(irqhop_engine_wants())
 */
enum irqhop_policy_flags {
	IRQHOP_POLICY_HOME	= 1 << 0,
	IRQHOP_POLICY_STORM	= 1 << 1,
	IRQHOP_POLICY_LEAST	= 1 << 2,
	IRQHOP_POLICY_SUMMON	= 1 << 3,
	IRQHOP_POLICY_DONATE	= 1 << 4,
};

/**
 * struct irqhop_policy - one way to choose
 * @name: what the user calls it
 * @flags: &enum irqhop_policy_flags
 * @rule: the return rule that goes with it, unless another one is set
 * @halted: the halted rule, likewise
 * @pick: which vCPU is to take this interrupt, %IRQHOP_NONE for none; never
 *	one that does not run, cannot take interrupts, or is the target now.
 *	Unless %IRQHOP_POLICY_STORM is set it is asked only for interrupts whose
 *	target is out, or waits in WFI under the rule %IRQHOP_HALTED_HOP.
 */
struct irqhop_policy {
	const char *name;
	u32 flags;
	enum irqhop_return_rule rule;
	enum irqhop_halted_rule halted;
	u16 (*pick)(const struct irqhop_engine *e, u16 irq);
};

u32 irqhop_policy_count(void);
const struct irqhop_policy *irqhop_policy_get(u32 i);
const struct irqhop_policy *irqhop_policy_find(const char *name);

const char *irqhop_return_rule_name(enum irqhop_return_rule rule);
bool irqhop_return_rule_find(const char *name, enum irqhop_return_rule *rule);
const char *irqhop_halted_rule_name(enum irqhop_halted_rule rule);
bool irqhop_halted_rule_find(const char *name, enum irqhop_halted_rule *rule);

#endif /* _IRQHOP_CORE_POLICY_H */
