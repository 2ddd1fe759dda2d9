/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the table of policies.
 */
#ifndef _IRQHOP_CORE_POLICY_H
#define _IRQHOP_CORE_POLICY_H

#include "types.h"

struct irqhop_engine;

/**
 * enum irqhop_policy_flags - what a policy asks of the engine
 * @IRQHOP_POLICY_HOME: interrupts only ever move towards their homes
 * @IRQHOP_POLICY_EAGER: each preemption of any vCPU is a reason to look at
 *	every interrupt, and one whose target runs may be moved as well
 */
enum irqhop_policy_flags {
	IRQHOP_POLICY_HOME	= 1 << 0,
	IRQHOP_POLICY_EAGER	= 1 << 1,
};

/**
 * struct irqhop_policy - one way to choose
 * @name: what the user calls it
 * @flags: &enum irqhop_policy_flags
 * @pick: which vCPU is to take this interrupt, %IRQHOP_NONE for none; never
 *	one that does not run, cannot take interrupts, or is the target now
 */
struct irqhop_policy {
	const char *name;
	u32 flags;
	u16 (*pick)(const struct irqhop_engine *e, u16 irq);
};

u32 irqhop_policy_count(void);
const struct irqhop_policy *irqhop_policy_get(u32 i);
const struct irqhop_policy *irqhop_policy_find(const char *name);

#endif /* _IRQHOP_CORE_POLICY_H */
