// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: an engine that is damaged says so, and how.
 */
#include "fixture.h"

/* One on each list, with neighbours. */
static void check_start(void)
{
	u16 k;

	vcpus_start("spread", 16, "PRRpH");
	for (k = 0; k < 12; k++)
		irq_add(k % 2, k % 3);
	no_todo();
	for (k = 0; k < 9; k++)
		if (k % 3 == 0)
			irqhop_engine_strand(&e, k);
		else if (k % 3 == 1)
			irqhop_engine_hold(&e, k);
		else
			irqhop_engine_irq_mark(&e, k);
}

/* What is wrong, and what makes it so. */
#define IRQ_DAMAGE(D) \
	D(home_wrong, e.irq[3].home = 2) \
	D(home_beyond, e.irq[3].home = 5) \
	D(target_wrong, e.irq[3].target = 4) \
	D(target_beyond, e.irq[3].target = 1000) \
	D(target_none, e.irq[3].target = IRQHOP_NONE) \
	D(prev_beyond, e.irq[3].prev = 77) \
	D(bit_gone, e.irq[3].on ^= IRQHOP_BIT(IRQHOP_L_STRANDED)) \
	D(both, e.irq[3].on |= IRQHOP_BIT(IRQHOP_L_HELD)) \
	D(away_gone, e.irq[3].on ^= IRQHOP_BIT(IRQHOP_L_AWAY)) \
	D(free_on_list, e.irq[14].on |= IRQHOP_BIT(IRQHOP_L_TODO)) \
	D(free_with_home, e.irq[14].home = 1) \
	D(dead, e.irq[3].live = false) \
	D(link_beyond, e.irq[3].link[IRQHOP_L_HOME].next = 16) \
	D(link_self, e.irq[5].link[IRQHOP_L_TODO].next = 5) \
	D(link_other, e.irq[5].link[IRQHOP_L_TODO].prev = 11) \
	D(link_head, e.irq[3].link[IRQHOP_L_TARGET].prev = -6) \
	D(head_wrong, e.irq[-1].link[IRQHOP_L_HELD].next = 7)

#define VCPU_DAMAGE(D) \
	D(state_beyond, e.vcpu[1].state = IRQHOP_NR_VS) \
	D(state_wrong, e.vcpu[0].state = IRQHOP_VS_BLOCKED) \
	D(handler_runs, e.vcpu[1].in_handler = true) \
	D(takes_out, e.vcpu[0].is = IRQHOP_TAKES) \
	D(quiet, e.quiet = true) \
	D(run_lost, e.vcpu[e.running].run_next = IRQHOP_NONE) \
	D(run_loop, e.vcpu[1].run_next = 2) \
	D(run_beyond, e.running = 600) \
	D(run_back, e.vcpu[1].run_prev = IRQHOP_NONE) \
	D(run_order, e.vcpu[1].since = now + 5) \
	D(load_bit, e.loads ^= 1) \
	D(load_nr, e.vcpu[1].nr++) \
	D(load_loop, e.load[1].next = 1) \
	D(load_lost, e.load[e.load[1].prev].next = e.load[1].prev) \
	D(least, e.least = 0) \
	D(nr_away, e.nr_away = 0) \
	D(nr_todo, e.nr_todo = 17) \
	D(nr_held, e.nr_held = 0) \
	D(nr_irqs, e.nr_irqs = 2) \
	D(nr_injected, e.nr_injected = 13)

#define DAMAGE_FUNCTION(name, how) \
static void damage_##name(void) \
{ \
	how; \
}

#define DAMAGE_ENTRY(name, how)	{ #name, damage_##name },

struct damage {
	const char *name;
	void (*make)(void);
};

IRQ_DAMAGE(DAMAGE_FUNCTION)
VCPU_DAMAGE(DAMAGE_FUNCTION)

static const struct damage irq_damage[] = { IRQ_DAMAGE(DAMAGE_ENTRY) };
static const struct damage vcpu_damage[] = { VCPU_DAMAGE(DAMAGE_ENTRY) };

static void test_damage_to_irqs(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(irq_damage); k++) {
		check_start();
		assert_null(engine_check_all());
		irq_damage[k].make();
		if (!irqhop_engine_check(&e, 0, e.max_irqs))
			fail_msg("%s was not noticed", irq_damage[k].name);
	}
}

static void test_damage_to_vcpus(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(vcpu_damage); k++) {
		check_start();
		vcpu_damage[k].make();
		if (!irqhop_engine_check_vcpus(&e))
			fail_msg("%s was not noticed", vcpu_damage[k].name);
	}
}

/* Only what was asked for, and nothing beyond the end. */
static void test_range(void **state)
{
	(void)state;
	check_start();
	damage_prev_beyond();
	assert_null(irqhop_engine_check(&e, 0, 3));
	assert_non_null(irqhop_engine_check(&e, 3, 1));
	assert_non_null(irqhop_engine_check(&e, 0, 0xffff));
	assert_null(irqhop_engine_check(&e, 12, 0xffff));
	assert_null(irqhop_engine_check(&e, 0xfff0, 0xffff));
}

int check_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_to_irqs),
		cmocka_unit_test(test_damage_to_vcpus),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, group_end);
}
