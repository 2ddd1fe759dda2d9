// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../stat.h"

#define LAST (IRQHOP_COST_BUCKETS - 1)

static struct stat_vm dearest(uint64_t cost)
{
	return (struct stat_vm){ .count[IRQHOP_STAT_COST_MAX] = cost };
}

static void test_median_empty(void **state)
{
	struct stat_vm stat = dearest(7);

	(void)state;
	assert_int_equal(stat_median(&stat), 0);
	assert_false(stat_median_open(&stat));
}

static void test_median(void **state)
{
	struct stat_vm stat = dearest(100000);

	(void)state;
	stat.cost_hist[2] = 1;
	assert_int_equal(stat_median(&stat), 160);
	/* Of two the lower one, of three the middle one. */
	stat.cost_hist[10] = 1;
	assert_int_equal(stat_median(&stat), 160);
	stat.cost_hist[LAST] = 1;
	assert_int_equal(stat_median(&stat), 672);
	stat.cost_hist[LAST] = 1000;
	assert_int_equal(stat_median(&stat), 16320);
	assert_true(stat_median_open(&stat));
	stat.cost_hist[0] = 1002;
	assert_int_equal(stat_median(&stat), 32);
	assert_false(stat_median_open(&stat));
	assert_int_equal(stat_moves(&stat), 2004);
}

/* A median above the maximum would be silly. */
static void test_median_max(void **state)
{
	struct stat_vm stat = dearest(130);

	(void)state;
	stat.cost_hist[2] = 5;
	assert_int_equal(stat_median(&stat), 130);
}

/* The counter that is i-th in the order shown grows from i + 1 to 11 i + 11. */
static void test_since(void **state)
{
	struct stat_vm old = { .time = 5 }, now = { .time = 105 }, since;
	uint64_t i;

	(void)state;
	for (i = 0; stat_counters[i].key; i++) {
		old.count[stat_counters[i].attr] = i + 1;
		now.count[stat_counters[i].attr] = 11 * i + 11;
		now.known[stat_counters[i].attr] = i % 2;
	}
	old.cost_hist[4] = 100;
	now.cost_hist[4] = 101;
	now.cost_hist[LAST] = 2;
	since = stat_since(&now, &old);
	for (i = 0; stat_counters[i].key; i++) {
		assert_int_equal(since.count[stat_counters[i].attr],
				 stat_counters[i].peak ? 11 * i + 11 :
				 10 * i + 10);
		assert_int_equal(since.known[stat_counters[i].attr], i % 2);
	}
	assert_int_equal(since.time, 100);
	assert_int_equal(stat_moves(&since), 3);
	assert_true(stat_median_open(&since));
}

/* Every attribute has its counter, but for the three that are none. */
static void test_counters(void **state)
{
	uint16_t attr;

	(void)state;
	for (attr = 0; attr <= IRQHOP_STAT_MAX; attr++)
		assert_int_equal(!stat_counter_find(attr),
				 attr == IRQHOP_STAT_UNSPEC ||
				 attr == IRQHOP_STAT_PAD ||
				 attr == IRQHOP_STAT_COST_HIST);
	assert_null(stat_counter_find(IRQHOP_STAT_MAX + 1));
	assert_true(stat_counter_find(IRQHOP_STAT_COST_MAX)->peak);
	assert_true(stat_counter_find(IRQHOP_STAT_IRQS_OFF_MAX)->peak);
	assert_false(stat_counter_find(IRQHOP_STAT_IRQS_OFF_SUM)->peak);
}

static void test_since_anew(void **state)
{
	struct stat_vm old = { .count[IRQHOP_STAT_HOPS] = 10, .time = 100 };
	struct stat_vm now = { .count[IRQHOP_STAT_HOPS] = 14, .time = 100 };
	size_t i;

	(void)state;
	assert_int_equal(stat_since(&now, &old).count[IRQHOP_STAT_HOPS], 4);
	/* Whichever of them fell. */
	for (i = 0; stat_counters[i].key; i++) {
		old.count[stat_counters[i].attr] += 20;
		assert_int_equal(stat_since(&now, &old).count[IRQHOP_STAT_HOPS],
				 14);
		old.count[stat_counters[i].attr] -= 20;
	}
	old.cost_hist[LAST] = 1;
	assert_int_equal(stat_since(&now, &old).count[IRQHOP_STAT_HOPS], 14);
	now.cost_hist[LAST] = 1;
	now.time = 99;
	assert_int_equal(stat_since(&now, &old).time, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median_empty),
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_median_max),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_since_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
