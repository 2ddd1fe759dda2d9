/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the models' way to the engine. The very files of core/ are compiled
 * into the checker; all of their memory is in one object, which the checker
 * keeps as a part of each state. So nothing here may be allocated, and nothing
 * outside of @bridge may be remembered from one call to the next.
 */
#ifndef _IRQHOP_MODEL_BRIDGE_H
#define _IRQHOP_MODEL_BRIDGE_H

#include <string.h>

#include "engine.h"

#define BRIDGE_VCPUS	3
/* Of what irqhop_engine_size() asks for; too little shows in bridge_init(). */
#define BRIDGE_SIZE	1024

struct bridge {
	struct irqhop_engine e;
	u64 mem[BRIDGE_SIZE / sizeof(u64)];
	/* The state word that the engine was told about: irqhop_vcpu::seen. */
	u16 seen[BRIDGE_VCPUS];
};

static struct bridge bridge;

/* Return: false if the engine does not take these arguments. */
static bool bridge_init(int nr_vcpus, int nr_irqs, const char *policy,
			const char *rule, const char *halted)
{
	enum irqhop_return_rule r;
	enum irqhop_halted_rule h;

	memset(&bridge, 0, sizeof(bridge));
	if (nr_vcpus > BRIDGE_VCPUS ||
	    !irqhop_engine_init(&bridge.e, bridge.mem, sizeof(bridge.mem),
				(u16)nr_vcpus, (u16)nr_irqs,
				irqhop_policy_find(policy)) ||
	    !irqhop_return_rule_find(rule, &r) ||
	    !irqhop_halted_rule_find(halted, &h))
		return false;
	irqhop_engine_rule_set(&bridge.e, r);
	irqhop_engine_halted_set(&bridge.e, h);
	return true;
}

/* irqhop_look_vcpu() */
static void bridge_sync(int v, int state, int hand, int seq, int since,
			int enabled, int doubt)
{
	u16 word = (u16)(seq << 5 | hand << 4 | state);

	irqhop_engine_vcpu_enable(&bridge.e, (u16)v, enabled);
	if (word == bridge.seen[v])
		return;
	bridge.seen[v] = word;
	irqhop_engine_doubt_set(&bridge.e, doubt);
	irqhop_engine_vcpu_set(&bridge.e, (u16)v,
			       (enum irqhop_vcpu_state)state, hand,
			       (u64)since);
}

static void bridge_add(int home, int target)
{
	irqhop_engine_irq_add(&bridge.e, (u16)home, (u16)target,
			      IRQHOP_PATH_DIRECT);
}

static int bridge_todo(void)
{
	return bridge.e.nr_todo != 0;
}

static int bridge_pop(void)
{
	return irqhop_engine_todo_pop(&bridge.e);
}

static int bridge_takes(int v)
{
	return irqhop_engine_vcpu_takes(&bridge.e, (u16)v);
}

/* Does the engine contradict itself? */
static int bridge_sane(void)
{
	return !irqhop_engine_check(&bridge.e, 0, bridge.e.max_irqs) &&
	       !irqhop_engine_check_vcpus(&bridge.e);
}

#endif /* _IRQHOP_MODEL_BRIDGE_H */
