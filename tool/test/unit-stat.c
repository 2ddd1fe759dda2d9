// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../stat.h"

#define LAST (IRQHOP_COST_BUCKETS - 1)

static void test_median_empty(void **state)
{
	struct stat_vm stat = { .cost_max = 7 };

	(void)state;
	assert_int_equal(stat_median(&stat), 0);
	assert_false(stat_median_open(&stat));
}

static void test_median(void **state)
{
	struct stat_vm stat = { .cost_max = 100000 };

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
	struct stat_vm stat = { .cost_max = 130 };

	(void)state;
	stat.cost_hist[2] = 5;
	assert_int_equal(stat_median(&stat), 130);
}

static void test_since(void **state)
{
	struct stat_vm old = {
		.hops = 1, .returns = 2, .failed = 3, .stranded = 4,
		.in_handler = 5, .held_back = 6, .preemptions = 7,
		.over_bound = 8,
		.cost_max = 50, .cost_sum = 9,
	}, now = {
		.hops = 11, .returns = 22, .failed = 33, .stranded = 44,
		.in_handler = 55, .held_back = 66, .preemptions = 77,
		.over_bound = 88,
		.cost_max = 60, .cost_sum = 99,
	}, since;

	(void)state;
	old.cost_hist[4] = 100;
	now.cost_hist[4] = 101;
	now.cost_hist[LAST] = 2;
	since = stat_since(&now, &old);
	assert_int_equal(since.hops, 10);
	assert_int_equal(since.returns, 20);
	assert_int_equal(since.failed, 30);
	assert_int_equal(since.stranded, 40);
	assert_int_equal(since.in_handler, 50);
	assert_int_equal(since.held_back, 60);
	assert_int_equal(since.preemptions, 70);
	assert_int_equal(since.over_bound, 80);
	assert_int_equal(since.cost_sum, 90);
	assert_int_equal(since.cost_max, 60);
	assert_int_equal(stat_moves(&since), 3);
	assert_true(stat_median_open(&since));
}

static void test_since_anew(void **state)
{
	struct stat_vm old = { .hops = 10, .returns = 1 };
	struct stat_vm now = { .hops = 4, .returns = 3 }, since;

	(void)state;
	since = stat_since(&now, &old);
	assert_int_equal(since.hops, 4);
	assert_int_equal(since.returns, 3);
	now.hops = 14;
	old.over_bound = 1;
	since = stat_since(&now, &old);
	assert_int_equal(since.hops, 14);
	old.over_bound = 0;
	now.hops = 10;
	old.cost_hist[LAST] = 1;
	since = stat_since(&now, &old);
	assert_int_equal(since.hops, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median_empty),
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_median_max),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_since_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
