/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what the engine's tests share: one engine, and short words for what
 * is done to it.
 */
#ifndef _IRQHOP_TEST_FIXTURE_H
#define _IRQHOP_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MS		1000000ULL

extern struct irqhop_engine e;
extern u64 now;

/**
 * vcpus_start - an engine with one vCPU for each letter
 * @policy: its name
 * @max_irqs: most interrupts
 * @states: as for vcpu_become(); this is the order in which they come in
 */
void vcpus_start(const char *policy, u16 max_irqs, const char *states);

/**
 * vcpu_become - a vCPU changes, later than all that was before
 * @v: which
 * @state: Running, Preempted, Halted, Blocked, User, Off, Leaving, X for
 *	unknown; small if in a handler. D runs with interrupts disabled.
 */
void vcpu_become(u16 v, char state);

/* A direct interrupt. */
u16 irq_add(u16 home, u16 target);

void no_todo(void);

/* Does everything that wants to be done; returns how many moves that took. */
u32 settle(void);

void expect(u16 irq, enum irqhop_action action, u16 target);

/* Sets the return rule by its name, NULL for the policy's own. */
void rule_set(const char *name);

const char *engine_check_all(void);

/* A group frees the engine at its end. */
int group_end(void **state);

int policy_tests(void);
int decide_tests(void);
int event_tests(void);
int bound_tests(void);
int check_tests(void);
int property_tests(void);

#endif /* _IRQHOP_TEST_FIXTURE_H */
