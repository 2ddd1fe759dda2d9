// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the tables of policies and rules, and whom each policy picks.
 */
#include "fixture.h"

static void test_policy_table(void **state)
{
	static const struct {
		const char *name;
		enum irqhop_return_rule rule;
	} want[] = {
		{ "summon", IRQHOP_RULE_LAZY },
		{ "recent", IRQHOP_RULE_LAZY },
		{ "donate", IRQHOP_RULE_LAZY },
		{ "spread", IRQHOP_RULE_LAZY },
		{ "sticky", IRQHOP_RULE_NEVER },
		{ "home", IRQHOP_RULE_LAZY },
#ifdef IRQHOP_TEST
		{ "storm", IRQHOP_RULE_NEVER },
#endif
	};
	u32 k;

	(void)state;
	assert_int_equal(irqhop_policy_count(), ARRAY_SIZE(want));
	for (k = 0; k < ARRAY_SIZE(want); k++) {
		assert_string_equal(irqhop_policy_get(k)->name, want[k].name);
		assert_int_equal(irqhop_policy_get(k)->rule, want[k].rule);
		assert_ptr_equal(irqhop_policy_find(want[k].name),
				 irqhop_policy_get(k));
	}
	assert_null(irqhop_policy_get(k));
	assert_null(irqhop_policy_find(""));
	assert_null(irqhop_policy_find("recen"));
	assert_null(irqhop_policy_find("recent2"));
#ifndef IRQHOP_TEST
	assert_null(irqhop_policy_find("storm"));
#endif
}

static void test_rule_table(void **state)
{
	static const char * const want[] = { "lazy", "eager", "never" };
	enum irqhop_return_rule rule = IRQHOP_RULE_NEVER;
	u32 k;

	(void)state;
	assert_int_equal(ARRAY_SIZE(want), IRQHOP_NR_RULES);
	assert_false(irqhop_return_rule_find("", &rule));
	assert_false(irqhop_return_rule_find("laz", &rule));
	assert_int_equal(rule, IRQHOP_RULE_NEVER);
	for (k = 0; k < IRQHOP_NR_RULES; k++) {
		assert_string_equal(irqhop_return_rule_name(k), want[k]);
		assert_true(irqhop_return_rule_find(want[k], &rule));
		assert_int_equal(rule, k);
	}
}

static void test_halted_table(void **state)
{
	static const char * const want[] = { "wake", "hop" };
	enum irqhop_halted_rule rule = IRQHOP_HALTED_HOP;
	u32 k;

	(void)state;
	assert_int_equal(ARRAY_SIZE(want), IRQHOP_NR_HALTED);
	assert_false(irqhop_halted_rule_find("", &rule));
	assert_false(irqhop_halted_rule_find("lazy", &rule));
	assert_int_equal(rule, IRQHOP_HALTED_HOP);
	for (k = 0; k < IRQHOP_NR_HALTED; k++) {
		assert_string_equal(irqhop_halted_rule_name(k), want[k]);
		assert_true(irqhop_halted_rule_find(want[k], &rule));
		assert_int_equal(rule, k);
	}
}

/* A policy brings its rules along; one that is set lasts until the next. */
static void test_policy_sets_rules(void **state)
{
	(void)state;
	vcpus_start("sticky", 4, "RR");
	assert_int_equal(e.rule, IRQHOP_RULE_NEVER);
	rule_set("eager");
	assert_int_equal(e.rule, IRQHOP_RULE_EAGER);
	rule_set(irqhop_halted_rule_name(!e.halted));
	irqhop_engine_policy_set(&e, irqhop_policy_find("spread"));
	assert_int_equal(e.rule, IRQHOP_RULE_LAZY);
	assert_int_equal(e.halted, irqhop_policy_find("spread")->halted);
}

static void test_recent(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PXXX");
	i = irq_add(0, 0);
	vcpu_become(1, 'R');
	vcpu_become(3, 'R');
	vcpu_become(2, 'R');
	expect(i, IRQHOP_HOP, 2);
	vcpu_become(2, 'P');
	expect(i, IRQHOP_HOP, 3);
	vcpu_become(2, 'R');
	expect(i, IRQHOP_HOP, 2);
}

static void test_recent_tie_is_lowest(void **state)
{
	static const u16 order[] = { 3, 1, 2 };
	u16 i, k;

	(void)state;
	vcpus_start("recent", 4, "PXXX");
	i = irq_add(0, 0);
	for (k = 0; k < ARRAY_SIZE(order); k++)
		irqhop_engine_vcpu_set(&e, order[k], IRQHOP_VS_RUNNING, false, 7);
	expect(i, IRQHOP_HOP, 1);
}

/* What is said late about an earlier time does not count as the latest. */
static void test_recent_by_time_not_by_call(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PXX");
	i = irq_add(0, 0);
	irqhop_engine_vcpu_set(&e, 1, IRQHOP_VS_RUNNING, false, 50);
	irqhop_engine_vcpu_set(&e, 2, IRQHOP_VS_RUNNING, false, 40);
	expect(i, IRQHOP_HOP, 1);
}

static void test_spread(void **state)
{
	u16 i, k;

	(void)state;
	vcpus_start("spread", 16, "RRRR");
	for (k = 0; k < 6; k++)
		irq_add(1 + k % 3, 1 + k % 3);
	i = irq_add(0, 0);
	/* Two each on 1, 2 and 3; with one less, 2 is it. */
	irqhop_engine_irq_del(&e, 1);
	vcpu_become(0, 'P');
	expect(i, IRQHOP_HOP, 2);
	irqhop_engine_moved(&e, i, 2);
	/* Two each: the one that has had its number longest. */
	i = irq_add(0, 0);
	expect(i, IRQHOP_HOP, 1);
	/* Scheduled in later than its equals. */
	vcpu_become(3, 'P');
	vcpu_become(3, 'R');
	expect(i, IRQHOP_HOP, 3);
	/* The guest moves two of its own there. */
	irqhop_engine_irq_seen(&e, 0, 3, 3);
	expect(i, IRQHOP_HOP, 1);
	assert_null(engine_check_all());
}

/* Equally many more than are told apart: they take turns. */
static void test_spread_beyond_the_last_list(void **state)
{
	u32 on[3] = { 0 };
	u16 k;

	(void)state;
	vcpus_start("spread", 400, "PRRR");
	for (k = 0; k < 390; k++)
		irq_add(0, 0);
	assert_int_equal(settle(), 390);
	for (k = 0; k < 390; k++)
		on[e.irq[k].target - 1]++;
	for (k = 0; k < 3; k++)
		assert_int_equal(on[k], 130);
}

/* It counts from the moment it is chosen on, and only then. */
static void test_spread_set_later(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 8, "PRR");
	irq_add(2, 2);
	i = irq_add(0, 0);
	assert_int_equal(e.least, IRQHOP_NONE);
	expect(i, IRQHOP_HOP, 2);
	irqhop_engine_policy_set(&e, irqhop_policy_find("spread"));
	expect(i, IRQHOP_HOP, 1);
	assert_null(engine_check_all());
	irqhop_engine_policy_set(&e, irqhop_policy_find("recent"));
	assert_int_equal(e.least, IRQHOP_NONE);
	assert_null(engine_check_all());
}

static void test_sticky(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("sticky", 4, "RRRR");
	i = irq_add(0, 0);
	settle();
	vcpu_become(0, 'P');
	/* It knows no other one yet. */
	expect(i, IRQHOP_HOP, 3);
	settle();
	/* Home runs again, and is where it came from. */
	vcpu_become(0, 'R');
	assert_int_equal(settle(), 0);
	vcpu_become(2, 'P');
	vcpu_become(2, 'R');
	vcpu_become(3, 'P');
	expect(i, IRQHOP_RETURN, 0);
	settle();
	/* Where it came from is out: as recent. */
	vcpu_become(0, 'P');
	expect(i, IRQHOP_HOP, 2);
	settle();
	/* Away from home, back to the one before. */
	vcpu_become(1, 'R');
	vcpu_become(0, 'R');
	vcpu_become(0, 'P');
	vcpu_become(2, 'P');
	expect(i, IRQHOP_HOP, 1);
	settle();
	vcpu_become(2, 'R');
	vcpu_become(0, 'R');
	vcpu_become(1, 'P');
	expect(i, IRQHOP_HOP, 2);
	/* The guest wants it elsewhere: what it knew counts no more. */
	irqhop_engine_irq_seen(&e, i, 1, 1);
	expect(i, IRQHOP_HOP, 0);
}

static void test_policy_change(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("home", 4, "PR");
	i = irq_add(0, 0);
	assert_int_equal(settle(), 0);
	irqhop_engine_policy_set(&e, irqhop_policy_find("recent"));
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	vcpu_become(0, 'R');
	assert_int_equal(settle(), 0);
	/* The new rule wants it home at once. */
	rule_set("eager");
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

static u16 number(char vcpu)
{
	return vcpu == '-' ? IRQHOP_NONE : (u16)(vcpu - '0');
}

/*
 * States as of vcpu_become(); @of: whose interrupt; @want, @then: '-' for nobody.
 */
static void test_summon(void **state)
{
	static const struct {
		const char *what, *states;
		u16 of;
		bool waits;
		char want, then;
	} rows[] = {
		{ "in order of coming in", "PPP", 1, true, '0', '1' },
		{ "somebody runs", "RPP", 1, true, '-', '-' },
		{ "one that runs takes nothing", "DPP", 1, true, '1', '2' },
		{ "its own, in a handler", "pp", 1, true, '1', '-' },
		{ "not one in a handler", "pPP", 2, true, '1', '2' },
		{ "not one that is off, or asleep", "OHBUP", 4, true, '4', '-' },
		{ "it runs", "RP", 0, false, '-', '-' },
		{ "it waits for it", "HP", 0, false, '-', '-' },
		{ "it sleeps", "BP", 0, false, '-', '-' },
		{ "nobody knows yet", "LP", 0, false, '-', '-' },
	};
	u32 k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(rows); k++) {
		const u16 of = rows[k].of;
		const u16 want = number(rows[k].want);

		print_message("%s\n", rows[k].what);
		vcpus_start("summon", 4, rows[k].states);
		assert_false(irqhop_engine_waits(&e, of));
		irq_add(0, of);
		assert_int_equal(irqhop_engine_waits(&e, of), rows[k].waits);
		assert_int_equal(irqhop_engine_summon(&e, of, IRQHOP_NONE),
				 want);
		if (want != IRQHOP_NONE)
			assert_int_equal(irqhop_engine_summon(&e, of, want),
					 number(rows[k].then));
		/* Only under this policy. */
		irqhop_engine_policy_set(&e, irqhop_policy_find("recent"));
		assert_false(irqhop_engine_waits(&e, of));
		assert_int_equal(irqhop_engine_summon(&e, of, IRQHOP_NONE),
				 IRQHOP_NONE);
	}
}

/*
 * Letters: what it was at when it left, Kernel, Idle, Other, aSleep; @aimed: some
 * interrupt points at it.
 */
static void test_donate(void **state)
{
	static const struct {
		const char *what, *left;
		bool aimed;
		bool wants, still_wants, spares, still_spares;
	} rows[] = {
		{ "nothing known", "", true, 0, 0, 0, 0 },
		{ "once", "K", true, 0, 1, 0, 0 },
		{ "three times", "KKK", true, 1, 1, 0, 0 },
		{ "for nobody's sake", "KKK", false, 0, 0, 0, 0 },
		{ "now and then idle", "KKIKK", true, 1, 1, 0, 0 },
		{ "at last idle", "KKKI", true, 0, 1, 0, 1 },
		{ "idle as often", "KKKIII", true, 0, 0, 1, 1 },
		{ "for long", "KKKKKKKKKKIII", true, 1, 1, 1, 1 },
		{ "idle for as long as counts", "KKKKKKKKKKIIIIII", true,
		  0, 0, 1, 1 },
		{ "something else", "KKKO", true, 0, 1, 0, 0 },
		{ "asleep", "KKKKS", true, 0, 0, 0, 0 },
		{ "idle", "II", true, 0, 0, 1, 1 },
		{ "idle, then busy", "IIK", true, 0, 1, 0, 1 },
		{ "idle, then something else", "IIOO", true, 0, 0, 0, 0 },
		{ "idle, then asleep", "IIS", true, 0, 0, 0, 0 },
	};
	static const char * const then[] = { "summon", "donate" };
	static const char letters[] = "KIOS";
	const char *c;
	u32 k, p;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(rows); k++) {
		print_message("%s\n", rows[k].what);
		vcpus_start("donate", 4, "PP");
		irq_add(0, rows[k].aimed ? 1 : 0);
		for (c = rows[k].left; *c; c++)
			irqhop_engine_left(&e, 1, (enum irqhop_left)
					   (strchr(letters, *c) - letters));
		assert_int_equal(irqhop_engine_wants(&e, 1, false),
				 rows[k].wants);
		assert_int_equal(irqhop_engine_wants(&e, 1, true),
				 rows[k].still_wants);
		assert_int_equal(irqhop_engine_spares(&e, 1, false),
				 rows[k].spares);
		assert_int_equal(irqhop_engine_spares(&e, 1, true),
				 rows[k].still_spares);
		/* Under another policy nobody does; back again it begins anew. */
		for (p = 0; p < ARRAY_SIZE(then); p++) {
			irqhop_engine_policy_set(&e, irqhop_policy_find(then[p]));
			assert_false(irqhop_engine_wants(&e, 1, true));
			assert_false(irqhop_engine_spares(&e, 1, true));
		}
	}
}

/* The first time is what counts. */
static void test_donate_interrupt_goes(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("donate", 4, "RP");
	i = irq_add(0, 1);
	irqhop_engine_left(&e, 1, IRQHOP_LEFT_KERNEL);
	irqhop_engine_moved(&e, i, 0);
	irqhop_engine_left(&e, 1, IRQHOP_LEFT_KERNEL);
	assert_false(irqhop_engine_wants(&e, 1, false));
	irqhop_engine_left(&e, 1, IRQHOP_LEFT_KERNEL);
	assert_true(irqhop_engine_wants(&e, 1, false));
}

#ifdef IRQHOP_TEST
static void test_storm(void **state)
{
	u16 i, j;

	(void)state;
	vcpus_start("storm", 4, "RRRR");
	i = irq_add(0, 0);
	j = irq_add(2, 2);
	no_todo();
	vcpu_become(3, 'P');
	assert_int_equal(settle(), 2);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 0);
	vcpu_become(3, 'R');
	vcpu_become(1, 'p');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 2);
	rule_set("wake");
	vcpu_become(0, 'H');
	vcpu_become(1, 'H');
	vcpu_become(3, 'L');
	irqhop_engine_irq_mark(&e, j);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.irq[j].target, 2);
}
#endif

int policy_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_table),
		cmocka_unit_test(test_rule_table),
		cmocka_unit_test(test_halted_table),
		cmocka_unit_test(test_policy_sets_rules),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_recent_tie_is_lowest),
		cmocka_unit_test(test_recent_by_time_not_by_call),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_spread_beyond_the_last_list),
		cmocka_unit_test(test_spread_set_later),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_policy_change),
		cmocka_unit_test(test_summon),
		cmocka_unit_test(test_donate),
		cmocka_unit_test(test_donate_interrupt_goes),
#ifdef IRQHOP_TEST
		cmocka_unit_test(test_storm),
#endif
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, group_end);
}
