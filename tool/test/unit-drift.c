// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../drift.h"

#define NONE	LPI_NO_VCPU
#define DIRECT	IRQHOP_IRQ_F_DIRECT

/* The kinds of drift that one LPI has. */
static unsigned int kinds(const struct lpi *lpi, bool enabled)
{
	const struct lpi_list lpis = { .nr = 1, .lpi = (struct lpi *)lpi };
	struct drift_list list;
	unsigned int found = 0;
	size_t i;

	assert_int_equal(drift_find(&list, &lpis, enabled), 0);
	for (i = 0; i < list.nr; i++)
		found |= 1 << list.drift[i].kind;
	drift_free(&list);
	return found;
}

static void test_kinds(void **state)
{
	static const struct {
		uint32_t home, target, engine_home, engine_target, flags;
		unsigned int enabled, not_enabled;
	} rows[] = {
		/* At home, away, with no target, nowhere. */
		{ 1, 1, 1, 1, DIRECT, 0, 0 },
		{ 1, 2, 1, 2, DIRECT, 0, 1 << DRIFT_AWAY },
		{ 1, NONE, NONE, NONE, 0, 0, 0 },
		{ NONE, NONE, NONE, NONE, 0, 0, 0 },
		{ 1, 2, 3, 2, DIRECT, 1 << DRIFT_HOME, 1 << DRIFT_AWAY },
		{ 1, 1, 1, 2, DIRECT, 1 << DRIFT_TARGET, 0 },
		{ 1, 2, 2, 1, DIRECT, 1 << DRIFT_HOME | 1 << DRIFT_TARGET,
		  1 << DRIFT_AWAY },
		{ 1, 1, NONE, NONE, DIRECT, 1 << DRIFT_UNKNOWN, 0 },
		{ 1, 1, 1, NONE, DIRECT, 1 << DRIFT_TARGET, 0 },
		/* Injected: at home, away, and each record that is wrong. */
		{ 1, 1, 1, 1, 0, 0, 0 },
		{ 1, 2, 1, 2, 0, 0, 1 << DRIFT_AWAY },
		{ 1, 2, 3, 2, 0, 1 << DRIFT_HOME, 1 << DRIFT_AWAY },
		{ 1, 1, 1, 2, 0, 1 << DRIFT_TARGET, 0 },
		{ 1, 1, NONE, NONE, 0, 1 << DRIFT_UNKNOWN, 0 },
		{ 0, 0, NONE, NONE, 0, 1 << DRIFT_UNKNOWN, 0 },
		/* Mapped no more, but still in the table. */
		{ NONE, NONE, 1, 1, 0, 1 << DRIFT_HOME | 1 << DRIFT_TARGET,
		  0 },
		{ 1, NONE, 1, 1, 0, 1 << DRIFT_TARGET, 0 },
		/* The guest has not said. */
		{ NONE, 2, NONE, NONE, DIRECT, 0, 0 },
		{ NONE, 2, 2, 2, DIRECT, 1 << DRIFT_HOME, 0 },
		/* vCPU 0 is not "none". */
		{ 0, 0, 0, 0, DIRECT, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct lpi lpi = {
			.intid = 8192, .home = rows[i].home,
			.target = rows[i].target,
			.engine_home = rows[i].engine_home,
			.engine_target = rows[i].engine_target,
			.flags = rows[i].flags,
		};

		if (kinds(&lpi, true) != rows[i].enabled ||
		    kinds(&lpi, false) != rows[i].not_enabled)
			fail_msg("row %zu: %#x, %#x", i, kinds(&lpi, true),
				 kinds(&lpi, false));
	}
}

/* Finds drift in three LPIs: the second is never wrong. */
static void find(struct drift_list *list, uint32_t first, uint32_t third)
{
	struct lpi lpi[] = {
		{ 8192, 1, 1, 1, first, 0, DIRECT },
		{ 8193, 1, 1, 1, 1, 0, DIRECT },
		{ 8194, 1, 1, 1, third, 0, DIRECT },
	};
	struct lpi_list lpis = { .nr = 3, .lpi = lpi };

	assert_int_equal(drift_find(list, &lpis, true), 0);
}

/* Compares two looks; what is left is one of 8192 and one of 8194, or not. */
static void keep(uint32_t first, uint32_t third, uint32_t first_now,
		 uint32_t third_now, size_t nr, uint32_t intid)
{
	struct drift_list list, now;

	find(&list, first, third);
	find(&now, first_now, third_now);
	drift_keep(&list, &now);
	assert_int_equal(list.nr, nr);
	if (nr)
		assert_int_equal(list.drift[0].lpi.intid, intid);
	drift_free(&list);
	drift_free(&now);
}

static void test_keep(void **state)
{
	(void)state;
	keep(2, 3, 2, 3, 2, 8192);
	keep(2, 3, 1, 3, 1, 8194);
	keep(2, 3, 2, 1, 1, 8192);
	/* With other values it is another drift. */
	keep(2, 3, 3, 2, 0, 0);
	/* What is new does not count. */
	keep(1, 1, 2, 3, 0, 0);
	keep(2, 1, 2, 3, 1, 8192);
	keep(2, 3, 1, 1, 0, 0);
}

/* Home in dispute while it is moved: the same drift, and no new one. */
static void test_keep_moved(void **state)
{
	struct lpi before = { 8192, 1, 2, 3, 2, 0, DIRECT };
	struct lpi after = { 8192, 1, 3, 3, 3, 0, DIRECT };
	struct lpi_list lpis = { .nr = 1, .lpi = &before };
	struct drift_list list, now;

	(void)state;
	assert_int_equal(drift_find(&list, &lpis, true), 0);
	lpis.lpi = &after;
	assert_int_equal(drift_find(&now, &lpis, true), 0);
	drift_keep(&list, &now);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.drift[0].kind, DRIFT_HOME);
	drift_free(&list);
	drift_free(&now);
}

static void test_count(void **state)
{
	struct lpi lpi[] = {
		{ 8192, 1, 1, 1, 1, 0, DIRECT },
		{ 8193, 1, 2, 1, 2, 0, DIRECT | IRQHOP_IRQ_F_STRANDED },
		{ 8194, 1, NONE, NONE, NONE, 0, 0 },
		{ 8195, NONE, 2, NONE, NONE, 0, DIRECT },
		{ 8196, 1, 3, 1, 3, 0, IRQHOP_IRQ_F_STRANDED },
		{ 8197, 3, 3, 3, 3, 0, 0 },
		{ 8198, NONE, NONE, NONE, NONE, 0, 0 },
	};
	struct lpi_list lpis = { .nr = 7, .lpi = lpi };
	struct drift_count count = drift_count(&lpis);

	(void)state;
	assert_int_equal(count.all, 7);
	assert_int_equal(count.direct, 3);
	assert_int_equal(count.injected, 4);
	assert_int_equal(count.away, 2);
	assert_int_equal(count.stranded, 2);
}

static void test_text(void **state)
{
	struct drift drift = {
		.lpi = { 8192, 1, NONE, 3, 4294967294, 0, DIRECT },
	};
	char text[DRIFT_TEXT_LEN];

	(void)state;
	drift.kind = DRIFT_HOME;
	drift_text(&drift, text);
	assert_string_equal(text, "interrupt 8192: home by KVM 1, by irqhop 3");
	drift.kind = DRIFT_TARGET;
	drift_text(&drift, text);
	assert_string_equal(text,
			    "interrupt 8192: target by the ITS driver none, by irqhop 4294967294");
	drift.lpi.flags = 0;
	drift_text(&drift, text);
	assert_string_equal(text,
			    "interrupt 8192: target by KVM none, by irqhop 4294967294");
	drift.kind = DRIFT_HOME;
	drift_text(&drift, text);
	assert_string_equal(text, "interrupt 8192: home by KVM 1, by irqhop 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_keep_moved),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
