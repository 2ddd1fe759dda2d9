// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what the engine's tests share.
 */
#include <ctype.h>

#include "fixture.h"

struct irqhop_engine e;
u64 now;
static void *mem;

void vcpus_start(const char *policy, u16 max_irqs, const char *states)
{
	u16 nr_vcpus = (u16)strlen(states);
	size_t size = irqhop_engine_size(nr_vcpus, max_irqs);
	u16 v;

	free(mem);
	mem = malloc(size);
	assert_non_null(mem);
	memset(mem, 0xa5, size);
	assert_true(irqhop_engine_init(&e, mem, size, nr_vcpus, max_irqs,
				       irqhop_policy_find(policy)));
	now = 1000;
	for (v = 0; v < nr_vcpus; v++)
		vcpu_become(v, states[v]);
}

void vcpu_become(u16 v, char state)
{
	static const char letters[] = "XRPHBUOL";
	const char *at = strchr(letters, toupper(state == 'D' ? 'R' : state));

	assert_non_null(at);
	irqhop_engine_vcpu_enable(&e, v, state != 'D');
	irqhop_engine_vcpu_set(&e, v, (enum irqhop_vcpu_state)(at - letters),
			       islower(state), ++now);
}

u16 irq_add(u16 home, u16 target)
{
	return irqhop_engine_irq_add(&e, home, target, IRQHOP_PATH_DIRECT);
}

void no_todo(void)
{
	while (irqhop_engine_todo_pop(&e) != IRQHOP_NONE)
		;
}

u32 settle(void)
{
	u32 moves = 0;
	u16 i;

	while ((i = irqhop_engine_todo_pop(&e)) != IRQHOP_NONE) {
		struct irqhop_decision d = irqhop_engine_decide(&e, i);

		switch (d.action) {
		case IRQHOP_STAY:
			irqhop_engine_stays(&e, i);
			break;
		case IRQHOP_STRAND:
		case IRQHOP_WAIT:
			irqhop_engine_strand(&e, i);
			break;
		case IRQHOP_HOLD:
			irqhop_engine_hold(&e, i);
			break;
		default:
			irqhop_engine_moved(&e, i, d.target);
			moves++;
		}
	}
	assert_null(engine_check_all());
	return moves;
}

void expect(u16 irq, enum irqhop_action action, u16 target)
{
	struct irqhop_decision d = irqhop_engine_decide(&e, irq);

	assert_int_equal(d.action, action);
	assert_int_equal(d.target, target);
}

void rule_set(const char *name)
{
	enum irqhop_return_rule rule;
	enum irqhop_halted_rule halted;

	if (!name)
		return;
	if (irqhop_return_rule_find(name, &rule)) {
		irqhop_engine_rule_set(&e, rule);
		return;
	}
	assert_true(irqhop_halted_rule_find(name, &halted));
	irqhop_engine_halted_set(&e, halted);
}

const char *engine_check_all(void)
{
	const char *what = irqhop_engine_check(&e, 0, e.max_irqs);

	return what ? what : irqhop_engine_check_vcpus(&e);
}

int group_end(void **state)
{
	(void)state;
	free(mem);
	mem = NULL;
	return 0;
}
