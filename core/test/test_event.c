// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what happens to vCPUs and interrupts, and who gets a look for it.
 */
#include "fixture.h"

static void test_init_refuses(void **state)
{
	char small[16];
	const struct irqhop_policy *p = irqhop_policy_get(0);

	(void)state;
	assert_false(irqhop_engine_init(&e, small, sizeof(small), 4, 4, p));
	assert_false(irqhop_engine_init(&e, small, SIZE_MAX, 0, 4, p));
	assert_false(irqhop_engine_init(&e, small, SIZE_MAX, 4, 0, p));
	assert_false(irqhop_engine_init(&e, small, SIZE_MAX, 4, 4, NULL));
	assert_false(irqhop_engine_init(&e, small, SIZE_MAX,
					IRQHOP_MAX_VCPUS + 1, 4, p));
	assert_false(irqhop_engine_init(&e, small, SIZE_MAX, 4,
					IRQHOP_MAX_IRQS + 1, p));
}

static void test_room(void **state)
{
	(void)state;
	vcpus_start("recent", 2, "RR");
	assert_int_equal(irq_add(0, 0), 0);
	assert_int_equal(irq_add(0, 1), 1);
	assert_int_equal(irq_add(0, 0), IRQHOP_NONE);
	irqhop_engine_irq_del(&e, 0);
	assert_int_equal(irq_add(1, 1), 0);
	assert_int_equal(e.nr_irqs, 2);
	assert_int_equal(e.nr_away, 1);
	assert_null(engine_check_all());
}

static void test_largest(void **state)
{
	static char letters[IRQHOP_MAX_VCPUS + 1];
	u32 k;

	(void)state;
	memset(letters, 'R', IRQHOP_MAX_VCPUS);
	vcpus_start("spread", IRQHOP_MAX_IRQS, letters);
	for (k = 0; k < IRQHOP_MAX_IRQS; k++)
		irq_add((u16)(k % 7), (u16)(k % IRQHOP_MAX_VCPUS));
	assert_int_equal(irq_add(0, 0), IRQHOP_NONE);
	vcpu_become(IRQHOP_MAX_VCPUS - 1, 'P');
	assert_int_equal(settle(), IRQHOP_MAX_IRQS / IRQHOP_MAX_VCPUS);
}

/* One event, and which of four interrupts get a look. */
static void test_who_gets_a_look(void **state)
{
	static const struct {
		const char *what, *policy, *rule, *before;
		u16 v;
		char after;
		const char *looks;	/* numbers of those that do */
	} cases[] = {
		/* 0: 0 at home; 1: home 0, at 1; 2: 2 at home; 3: home 2, at 1 */
		{ "target goes", "recent", NULL, "RRR", 1, 'P', "13" },
		{ "home goes", "recent", NULL, "RRR", 0, 'P', "01" },
		{ "in a handler", "recent", NULL, "RRR", 0, 'p', "" },
		{ "leaving", "recent", NULL, "RRR", 0, 'L', "" },
		{ "halts, wake", "recent", "wake", "RRR", 0, 'H', "" },
		{ "halts, hop", "recent", "hop", "RRR", 0, 'H', "01" },
		{ "halts, policy home", "home", NULL, "RRR", 1, 'H', "13" },
		{ "through, and out", "recent", NULL, "pRR", 0, 'P', "01" },
		{ "comes in", "recent", "lazy", "HRR", 0, 'R', "" },
		{ "comes in, never", "recent", "never", "HRR", 0, 'R', "" },
		{ "home in, eager", "recent", "eager", "HRR", 0, 'R', "1" },
		{ "home in, disabled", "recent", "eager", "HRR", 0, 'D', "" },
		{ "target out of handler", "recent", "eager", "RpR", 1, 'R',
		  "13" },
		{ "target halts", "recent", "eager", "RLR", 1, 'H', "13" },
		{ "quiet", "recent", NULL, "UUR", 2, 'U', "132" },
		{ "nearly quiet", "recent", NULL, "UBR", 2, 'U', "23" },
	};
	size_t k;
	const char *c;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(cases); k++) {
		u32 looks = 0, want = 0;
		u16 i;

		vcpus_start(cases[k].policy, 4, cases[k].before);
		rule_set(cases[k].rule);
		irq_add(0, 0);
		irq_add(0, 1);
		irq_add(2, 2);
		irq_add(2, 1);
		no_todo();
		vcpu_become(cases[k].v, cases[k].after);
		assert_int_equal(e.nr_todo, strlen(cases[k].looks));
		while ((i = irqhop_engine_todo_pop(&e)) != IRQHOP_NONE)
			looks |= 1U << i;
		for (c = cases[k].looks; *c; c++)
			want |= 1U << (*c - '0');
		if (looks != want)
			print_error("%s: %x\n", cases[k].what, looks);
		assert_int_equal(looks, want);
	}
}

/* The guest takes its device's direct path away, and gives it again. */
static void test_path_changes(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "uUU");
	i = irq_add(1, 0);
	settle();
	assert_int_equal(e.irq[i].target, 0);
	irqhop_engine_path_set(&e, i, IRQHOP_PATH_INJECTED);
	irqhop_engine_path_set(&e, i, IRQHOP_PATH_INJECTED);
	assert_int_equal(e.nr_injected, 1);
	irqhop_engine_irq_mark(&e, i);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	irqhop_engine_path_set(&e, i, IRQHOP_PATH_DIRECT);
	assert_int_equal(e.nr_injected, 0);
	irqhop_engine_path_set(&e, i, IRQHOP_PATH_INJECTED);
	irqhop_engine_irq_del(&e, i);
	assert_int_equal(e.nr_injected, 0);
}

/* The guest enables interrupts on a vCPU that runs. */
static void test_enable_is_coming_in(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PD");
	i = irq_add(0, 0);
	settle();
	assert_true(irqhop_engine_irq_stranded(&e, i));
	irqhop_engine_vcpu_enable(&e, 1, true);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	/* And on a home: eager. */
	rule_set("eager");
	vcpu_become(0, 'D');
	assert_int_equal(settle(), 0);
	irqhop_engine_vcpu_enable(&e, 0, true);
	assert_int_equal(settle(), 1);
}

/* The flag means nothing for one that runs or is not classified. */
static void test_in_handler_only_when_out(void **state)
{
	(void)state;
	vcpus_start("recent", 4, "XX");
	vcpu_become(0, 'r');
	assert_false(e.vcpu[0].in_handler);
	vcpu_become(0, 'l');
	assert_false(e.vcpu[0].in_handler);
	vcpu_become(0, 'p');
	assert_true(e.vcpu[0].in_handler);
	vcpu_become(0, 'R');
	assert_false(e.vcpu[0].in_handler);
}

static void test_stranded_goes_to_the_first_one_in(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PPP");
	i = irq_add(0, 0);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.nr_stranded, 1);
	assert_true(irqhop_engine_irq_stranded(&e, i));
	assert_false(irqhop_engine_strand(&e, i));
	vcpu_become(2, 'R');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 2);
	assert_int_equal(e.nr_stranded, 0);
	assert_false(irqhop_engine_irq_stranded(&e, i));
}

static void test_stranded_gets_another_look(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PP");
	i = irq_add(0, 0);
	settle();
	assert_int_equal(irqhop_engine_todo_pop(&e), IRQHOP_NONE);
	irqhop_engine_stranded_mark(&e);
	assert_int_equal(irqhop_engine_todo_pop(&e), i);
	assert_int_equal(irqhop_engine_todo_pop(&e), IRQHOP_NONE);
}

static void test_stranded_ends_when_its_target_is_back(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PP");
	i = irq_add(0, 0);
	settle();
	assert_int_equal(e.nr_stranded, 1);
	vcpu_become(0, 'R');
	assert_int_equal(settle(), 0);
	assert_int_equal(e.nr_stranded, 0);
	assert_int_equal(e.irq[i].target, 0);
}

/* Stranded first, and then its home halts. */
static void test_stranded_wakes_its_home(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "BPH");
	i = irq_add(0, 1);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.nr_stranded, 1);
	vcpu_become(0, 'H');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
	assert_false(irqhop_engine_irq_stranded(&e, i));
	vcpu_become(1, 'R');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
}

static void test_stranded_is_deleted(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PP");
	i = irq_add(0, 1);
	settle();
	irqhop_engine_irq_mark(&e, i);
	irqhop_engine_irq_del(&e, i);
	assert_int_equal(e.nr_stranded + e.nr_todo + e.nr_away + e.nr_irqs, 0);
	assert_null(engine_check_all());
}

static void test_all_in_user_space(void **state)
{
	u16 i, j;

	(void)state;
	vcpus_start("recent", 4, "ORR");
	i = irq_add(0, 1);
	j = irq_add(2, 1);
	settle();
	vcpu_become(2, 'U');
	assert_int_equal(settle(), 0);
	assert_false(irqhop_engine_quiet(&e));
	vcpu_become(1, 'U');
	assert_true(irqhop_engine_quiet(&e));
	assert_int_equal(settle(), 2);
	assert_int_equal(e.nr_away, 0);
	/* Nobody was there to take those at home, until somebody is. */
	vcpu_become(1, 'R');
	assert_int_equal(settle(), 2);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 1);
}

/* In-handler wins: going home could lose one in an older guest. */
static void test_all_in_user_space_but_in_handler(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "UR");
	i = irq_add(0, 1);
	settle();
	vcpu_become(1, 'u');
	assert_int_equal(settle(), 0);
	vcpu_become(1, 'R');
	vcpu_become(1, 'U');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

/* Switching to it takes what is away home, once that is safe. */
static void test_home_drains(void **state)
{
	static const char out[] = "PHBUO";
	const char *c;
	u16 i;

	(void)state;
	for (c = out; *c; c++) {
		vcpus_start("recent", 4, "PR");
		i = irq_add(0, 1);
		settle();
		irqhop_engine_policy_set(&e, irqhop_policy_find("home"));
		assert_int_equal(settle(), 0);
		vcpu_become(1, 'p');
		assert_int_equal(settle(), 0);
		vcpu_become(1, 'R');
		vcpu_become(1, *c);
		assert_int_equal(settle(), 1);
		assert_int_equal(e.irq[i].target, 0);
	}
}

/* The guest says where home is, and the hardware may point there at once. */
static void test_guest_moves_home(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PRR");
	i = irq_add(0, 1);
	settle();
	assert_false(irqhop_engine_irq_seen(&e, i, 0, 1));
	assert_true(irqhop_engine_irq_seen(&e, i, 2, 2));
	assert_int_equal(e.nr_away, 0);
	expect(i, IRQHOP_STAY, IRQHOP_NONE);
	vcpu_become(2, 'P');
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[i].home, 2);
}

/* Home again, said by the guest while we hold it away: look when home goes. */
static void test_home_goes_and_was_target(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "RR");
	i = irq_add(0, 1);
	settle();
	vcpu_become(0, 'P');
	assert_int_equal(irqhop_engine_todo_pop(&e), i);
	assert_true(irqhop_engine_irq_seen(&e, i, 0, 0));
	expect(i, IRQHOP_HOP, 1);
}

/* Nobody has moved it: no look. */
static void test_home_goes_without_doubt(void **state)
{
	u16 i, j;

	(void)state;
	vcpus_start("recent", 4, "RR");
	i = irq_add(0, 1);
	j = irq_add(1, 0);
	settle();
	irqhop_engine_doubt_set(&e, false);
	vcpu_become(0, 'P');
	assert_int_equal(irqhop_engine_todo_pop(&e), j);
	assert_int_equal(irqhop_engine_todo_pop(&e), IRQHOP_NONE);
	irqhop_engine_moved(&e, j, 1);
	irqhop_engine_doubt_set(&e, true);
	vcpu_become(0, 'R');
	vcpu_become(0, 'P');
	assert_int_equal(irqhop_engine_todo_pop(&e), i);
}

static void test_copy(void **state)
{
	static u64 room[8 * 1024];
	struct irqhop_engine big;
	u16 a, b, c, d;

	(void)state;
	vcpus_start("spread", 4, "PRp");
	irqhop_engine_bound_set(&e, 50, now);
	rule_set("eager");
	a = irqhop_engine_irq_add(&e, 0, 1, IRQHOP_PATH_INJECTED);
	b = irq_add(2, 2);
	c = irq_add(0, 0);
	no_todo();
	d = irq_add(0, 0);
	irqhop_engine_irq_del(&e, b);
	irqhop_engine_irq_seen(&e, a, 0, 0);
	irqhop_engine_moved(&e, a, 1);
	irqhop_engine_strand(&e, c);
	irqhop_engine_hold(&e, d);

	assert_true(irqhop_engine_init(&big, room, sizeof(room), 3, 8,
				       irqhop_policy_get(0)));
	irqhop_engine_copy(&big, &e);
	e = big;
	assert_null(engine_check_all());
	assert_string_equal(e.policy->name, "spread");
	assert_int_equal(e.rule, IRQHOP_RULE_EAGER);
	assert_int_equal(e.bound, 50);
	assert_int_equal(e.credit, 63 * (s64)e.hop_ns);
	assert_int_equal(e.clock, now);
	assert_int_equal(e.nr_irqs, 3);
	assert_int_equal(e.nr_away, 1);
	assert_true(irqhop_engine_irq_stranded(&e, c));
	assert_true(irqhop_engine_irq_on(&e, d, IRQHOP_L_HELD));
	assert_int_equal(irqhop_engine_todo_pop(&e), d);
	assert_int_equal(irqhop_engine_todo_pop(&e), IRQHOP_NONE);
	assert_int_equal(e.irq[a].target, 1);
	assert_int_equal(e.irq[a].prev, 0);
	assert_int_equal(e.irq[a].path, IRQHOP_PATH_INJECTED);
	assert_int_equal(e.running, 1);
	assert_int_equal(e.least, 1);
	assert_true(e.vcpu[2].in_handler);
	for (a = 0; a < 5; a++)
		assert_int_not_equal(irq_add(0, 0), IRQHOP_NONE);
	assert_int_equal(irq_add(0, 0), IRQHOP_NONE);
	assert_null(engine_check_all());
}

int event_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_refuses),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_who_gets_a_look),
		cmocka_unit_test(test_path_changes),
		cmocka_unit_test(test_enable_is_coming_in),
		cmocka_unit_test(test_in_handler_only_when_out),
		cmocka_unit_test(test_stranded_goes_to_the_first_one_in),
		cmocka_unit_test(test_stranded_gets_another_look),
		cmocka_unit_test(test_stranded_ends_when_its_target_is_back),
		cmocka_unit_test(test_stranded_wakes_its_home),
		cmocka_unit_test(test_stranded_is_deleted),
		cmocka_unit_test(test_all_in_user_space),
		cmocka_unit_test(test_all_in_user_space_but_in_handler),
		cmocka_unit_test(test_home_drains),
		cmocka_unit_test(test_guest_moves_home),
		cmocka_unit_test(test_home_goes_and_was_target),
		cmocka_unit_test(test_home_goes_without_doubt),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, group_end);
}
