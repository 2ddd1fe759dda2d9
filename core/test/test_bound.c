// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: at most so many hops.
 */
#include "fixture.h"

#define IRQS	200

/* Everything is at home on a vCPU that is out, and another one runs. */
static void bound_start(u32 hops_per_second)
{
	u16 k;

	vcpus_start("recent", IRQS, "PR");
	now = 1000 * MS;
	irqhop_engine_bound_set(&e, hops_per_second, now);
	for (k = 0; k < IRQS; k++)
		irq_add(0, 0);
}

static void test_no_bound(void **state)
{
	(void)state;
	bound_start(0);
	assert_int_equal(settle(), IRQS);
	assert_int_equal(e.nr_held, 0);
}

static void test_burst_then_rate(void **state)
{
	static const struct {
		u32 rate, burst;
		u64 gap;
	} cases[] = {
		{ 1, 64, 1000 * MS },
		{ 100, 64, 10 * MS },
		{ 700, 70, 1428572 },
		{ 1000, 100, MS },
		{ 1500000000, IRQS, 1 },
		{ 4294967295, IRQS, 1 },
	};
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(cases); k++) {
		bound_start(cases[k].rate);
		assert_int_equal(e.bound, cases[k].rate);
		assert_int_equal(settle(), cases[k].burst);
		assert_int_equal(e.nr_held, IRQS - cases[k].burst);
		if (cases[k].burst == IRQS)
			continue;
		now += cases[k].gap - 1;
		irqhop_engine_clock(&e, now);
		assert_int_equal(e.nr_todo, 0);
		irqhop_engine_clock(&e, ++now);
		assert_int_equal(settle(), 1);
		now += 5 * cases[k].gap;
		irqhop_engine_clock(&e, now);
		assert_int_equal(settle(), 5);
	}
}

/* However long it took: no more than the burst. */
static void test_burst_after_a_long_time(void **state)
{
	(void)state;
	bound_start(100);
	settle();
	irqhop_engine_clock(&e, UINT64_MAX);
	assert_int_equal(settle(), 64);
}

static void test_clock_goes_back(void **state)
{
	(void)state;
	bound_start(1000);
	settle();
	irqhop_engine_clock(&e, now - 100 * MS);
	assert_int_equal(settle(), 0);
	irqhop_engine_clock(&e, now);
	assert_int_equal(settle(), 0);
	irqhop_engine_clock(&e, now + MS);
	irqhop_engine_clock(&e, now);
	irqhop_engine_clock(&e, now + MS);
	assert_int_equal(settle(), 1);
}

/* The first one held back is the first to go. */
static void test_held_in_turn(void **state)
{
	u16 k;

	(void)state;
	bound_start(100);
	settle();
	for (k = 64; k < 70; k++) {
		irqhop_engine_clock(&e, now += 10 * MS);
		assert_int_equal(settle(), 1);
		assert_int_equal(e.irq[k].target, 1);
	}
	/* Held or not is said once. */
	assert_false(irqhop_engine_hold(&e, 70));
	assert_int_equal(e.nr_held, IRQS - 70);
	irqhop_engine_irq_del(&e, 70);
	assert_int_equal(e.nr_held, IRQS - 71);
	assert_null(engine_check_all());
}

/* A hop that was allowed is not lost on one that needs none any more. */
static void test_held_passes_it_on(void **state)
{
	(void)state;
	bound_start(100);
	settle();
	irqhop_engine_irq_seen(&e, 64, 1, 1);
	irqhop_engine_irq_del(&e, 65);
	irqhop_engine_clock(&e, now + 10 * MS);
	assert_int_equal(irqhop_engine_todo_first(&e), 64);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[66].target, 1);
}

static void test_return_is_free(void **state)
{
	u16 i;

	(void)state;
	bound_start(100);
	settle();
	i = irq_add(1, 0);
	assert_int_equal(i, IRQHOP_NONE);
	irqhop_engine_irq_del(&e, 0);
	i = irq_add(1, 0);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.nr_held, IRQS - 64);
	/* So is one held, when its home comes in. */
	vcpu_become(0, 'R');
	settle();
	assert_int_equal(e.nr_held, 0);
}

static void test_bound_is_raised(void **state)
{
	(void)state;
	bound_start(100);
	settle();
	irqhop_engine_bound_set(&e, 0, now);
	assert_int_equal(settle(), IRQS - 64);
	assert_int_equal(e.nr_held, 0);
}

/* Nobody is left to hop to: it is stranded, or wakes its home. */
static void test_held_and_nobody_runs(void **state)
{
	u16 k;

	(void)state;
	bound_start(100);
	settle();
	vcpu_become(1, 'P');
	settle();
	assert_int_equal(e.nr_held, 0);
	assert_int_equal(e.nr_stranded, IRQS);

	vcpus_start("recent", IRQS, "HPR");
	irqhop_engine_bound_set(&e, 100, now);
	for (k = 0; k < IRQS; k++)
		irq_add(0, 1);
	assert_int_equal(settle(), 64);
	vcpu_become(2, 'H');
	assert_int_equal(settle(), IRQS - 64);
	assert_int_equal(e.nr_held, 0);
}

int bound_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_bound),
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_burst_after_a_long_time),
		cmocka_unit_test(test_clock_goes_back),
		cmocka_unit_test(test_held_in_turn),
		cmocka_unit_test(test_held_passes_it_on),
		cmocka_unit_test(test_return_is_free),
		cmocka_unit_test(test_bound_is_raised),
		cmocka_unit_test(test_held_and_nobody_runs),
	};

	return cmocka_run_group_tests_name("bound", tests, NULL, group_end);
}
