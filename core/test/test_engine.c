// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: unit tests of the engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine.h"

#define R	IRQHOP_VS_RUNNING
#define P	IRQHOP_VS_PREEMPTED
#define H	IRQHOP_VS_HALTED
#define B	IRQHOP_VS_BLOCKED
#define U	IRQHOP_VS_USER
#define O	IRQHOP_VS_OFF
#define L	IRQHOP_VS_LEAVING
#define X	IRQHOP_VS_UNKNOWN

static struct irqhop_engine e;
static void *mem;
static u64 now;

static void start(u16 nr_vcpus, u16 max_irqs, const char *policy)
{
	size_t size = irqhop_engine_size(nr_vcpus, max_irqs);
	u16 v;

	free(mem);
	mem = malloc(size);
	assert_non_null(mem);
	memset(mem, 0xa5, size);
	assert_true(irqhop_engine_init(&e, mem, size, nr_vcpus, max_irqs,
				       irqhop_policy_find(policy)));
	for (v = 0; v < nr_vcpus; v++)
		irqhop_engine_vcpu_enable(&e, v, true);
	now = 1000;
}

static int teardown(void **state)
{
	(void)state;
	free(mem);
	mem = NULL;
	return 0;
}

/* A vCPU comes in at its own time, later than all before it. */
static void set(u16 v, enum irqhop_vcpu_state s)
{
	irqhop_engine_vcpu_set(&e, v, s, false, ++now);
}

static void set_in_handler(u16 v, enum irqhop_vcpu_state s)
{
	irqhop_engine_vcpu_set(&e, v, s, true, ++now);
}

static void no_todo(void)
{
	while (irqhop_engine_todo_pop(&e) != IRQHOP_NONE)
		;
}

/* Do everything that wants to be done; return how many moves that took. */
static unsigned int settle(void)
{
	unsigned int moves = 0;
	u16 i;

	while ((i = irqhop_engine_todo_pop(&e)) != IRQHOP_NONE) {
		struct irqhop_decision d = irqhop_engine_decide(&e, i);

		switch (d.action) {
		case IRQHOP_STAY:
			irqhop_engine_stays(&e, i);
			break;
		case IRQHOP_STRAND:
			irqhop_engine_strand(&e, i);
			break;
		default:
			irqhop_engine_moved(&e, i, d.target);
			moves++;
		}
	}
	return moves;
}

static void expect(u16 irq, enum irqhop_action action, u16 target)
{
	struct irqhop_decision d = irqhop_engine_decide(&e, irq);

	assert_int_equal(d.action, action);
	assert_int_equal(d.target, target);
}

static void expect_stay(u16 irq)
{
	expect(irq, IRQHOP_STAY, IRQHOP_NONE);
}

static void test_policies(void **state)
{
	(void)state;
	assert_string_equal(irqhop_policy_get(0)->name, "recent");
	assert_ptr_equal(irqhop_policy_find("recent"), irqhop_policy_get(0));
	assert_non_null(irqhop_policy_find("home"));
	assert_null(irqhop_policy_find(""));
	assert_null(irqhop_policy_find("recen"));
	assert_null(irqhop_policy_find("recent2"));
	assert_null(irqhop_policy_get(irqhop_policy_count()));
#ifdef IRQHOP_TEST
	assert_non_null(irqhop_policy_find("storm"));
#else
	assert_null(irqhop_policy_find("storm"));
#endif
}

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
}

static void test_room(void **state)
{
	(void)state;
	start(2, 2, "recent");
	assert_int_equal(irqhop_engine_irq_add(&e, 0, 0), 0);
	assert_int_equal(irqhop_engine_irq_add(&e, 0, 1), 1);
	assert_int_equal(irqhop_engine_irq_add(&e, 0, 0), IRQHOP_NONE);
	irqhop_engine_irq_del(&e, 0);
	assert_int_equal(irqhop_engine_irq_add(&e, 1, 1), 0);
	assert_int_equal(e.nr_irqs, 2);
	assert_int_equal(e.nr_away, 1);
}

static void test_recent_takes_latest(void **state)
{
	u16 i;

	(void)state;
	start(4, 4, "recent");
	set(1, R);
	set(3, R);
	set(2, R);
	set(0, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	expect_stay(i);
	set(0, P);
	expect(i, IRQHOP_HOP, 2);
	set(2, P);
	expect(i, IRQHOP_HOP, 3);
	set(2, R);
	expect(i, IRQHOP_HOP, 2);
}

static void test_recent_tie_is_lowest(void **state)
{
	u16 i, order[3] = { 3, 1, 2 };
	int k;

	(void)state;
	start(4, 4, "recent");
	for (k = 0; k < 3; k++)
		irqhop_engine_vcpu_set(&e, order[k], R, false, 7);
	i = irqhop_engine_irq_add(&e, 0, 0);
	set(0, P);
	expect(i, IRQHOP_HOP, 1);
}

/* What is said late about an earlier time does not count as the latest. */
static void test_recent_by_time_not_by_call(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	irqhop_engine_vcpu_set(&e, 1, R, false, 50);
	irqhop_engine_vcpu_set(&e, 2, R, false, 40);
	i = irqhop_engine_irq_add(&e, 0, 0);
	set(0, P);
	expect(i, IRQHOP_HOP, 1);
}

static void test_running_home_is_preferred(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, R);
	set(1, P);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	expect(i, IRQHOP_RETURN, 0);
	assert_true(irqhop_engine_decide(&e, i).must_run);
}

/* Lazy: home running is no reason to leave a target that runs. */
static void test_return_is_lazy(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, R);
	set(1, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	expect_stay(i);
	settle();
	set(0, P);
	set(0, R);
	assert_int_equal(settle(), 0);
	set(1, P);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

static void test_each_way_out(void **state)
{
	static const struct {
		enum irqhop_vcpu_state s;
		bool moves;
	} ways[] = {
		{ P, true }, { B, true }, { U, true }, { O, true },
		{ H, false }, { L, false }, { X, false }, { R, false },
	};
	size_t k;
	u16 i;

	(void)state;
	for (k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
		start(2, 4, "recent");
		set(0, R);
		set(1, R);
		i = irqhop_engine_irq_add(&e, 0, 0);
		no_todo();
		set(0, ways[k].s);
		assert_int_equal(settle(), ways[k].moves);
		assert_int_equal(e.irq[i].target, ways[k].moves ? 1 : 0);
	}
}

static void test_never_to_one_that_is_not_running(void **state)
{
	static const enum irqhop_vcpu_state not[] = { P, H, B, U, O, L, X };
	size_t k;
	u16 i;

	(void)state;
	for (k = 0; k < sizeof(not) / sizeof(not[0]); k++) {
		start(2, 4, "recent");
		set(1, not[k]);
		set(0, P);
		i = irqhop_engine_irq_add(&e, 0, 0);
		expect(i, IRQHOP_STRAND, IRQHOP_NONE);
	}
}

static void test_never_to_one_with_lpis_disabled(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, P);
	set(1, R);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	irqhop_engine_vcpu_enable(&e, 2, false);
	expect(i, IRQHOP_HOP, 1);
	irqhop_engine_vcpu_enable(&e, 1, false);
	expect(i, IRQHOP_STRAND, IRQHOP_NONE);
	settle();
	/* The guest enables them while the vCPU runs. */
	irqhop_engine_vcpu_enable(&e, 1, true);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	/* A home that cannot take it is not preferred. */
	irqhop_engine_vcpu_enable(&e, 0, false);
	set(0, R);
	set(2, R);
	irqhop_engine_vcpu_enable(&e, 2, true);
	set(1, P);
	expect(i, IRQHOP_HOP, 2);
}

/* A home in WFI is woken rather than left to wait for its next timer. */
static void test_nobody_runs_but_home_is_halted(void **state)
{
	static const enum irqhop_vcpu_state out[] = { P, B, U, O };
	size_t k;
	u16 i;

	(void)state;
	for (k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
		struct irqhop_decision d;

		start(3, 4, "recent");
		set(0, H);
		set(1, out[k]);
		set(2, H);
		i = irqhop_engine_irq_add(&e, 0, 1);
		d = irqhop_engine_decide(&e, i);
		assert_int_equal(d.action, IRQHOP_RETURN);
		assert_int_equal(d.target, 0);
		assert_false(d.must_run);
		assert_int_equal(settle(), 1);
		expect_stay(i);

		/* Stranded first, and then its home halts. */
		start(3, 4, "recent");
		set(0, B);
		set(1, out[k]);
		set(2, H);
		i = irqhop_engine_irq_add(&e, 0, 1);
		assert_int_equal(settle(), 0);
		assert_int_equal(e.nr_stranded, 1);
		set(0, H);
		assert_int_equal(settle(), 1);
		assert_int_equal(e.irq[i].target, 0);
		assert_int_equal(e.nr_stranded, 0);
	}
}

static void test_in_handler_keeps(void **state)
{
	static const enum irqhop_vcpu_state out[] = { P, B, U };
	size_t k;
	u16 i;

	(void)state;
	for (k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
		start(2, 4, "recent");
		set(0, R);
		set(1, R);
		i = irqhop_engine_irq_add(&e, 0, 0);
		no_todo();
		set_in_handler(0, out[k]);
		assert_int_equal(settle(), 0);
		irqhop_engine_irq_mark(&e, i);
		assert_int_equal(settle(), 0);
		/* Back, done, and out again. */
		set(0, R);
		set(0, P);
		assert_int_equal(settle(), 1);
		assert_int_equal(e.irq[i].target, 1);
	}
}

/* The flag means nothing for one that runs or is not classified. */
static void test_in_handler_only_when_out(void **state)
{
	(void)state;
	start(2, 4, "recent");
	set_in_handler(0, R);
	assert_false(e.vcpu[0].in_handler);
	set_in_handler(0, L);
	assert_false(e.vcpu[0].in_handler);
	set_in_handler(0, P);
	assert_true(e.vcpu[0].in_handler);
	set(0, R);
	assert_false(e.vcpu[0].in_handler);
}

static void test_leaving_is_not_a_target_and_keeps(void **state)
{
	u16 i, j;

	(void)state;
	start(3, 4, "recent");
	set(0, R);
	set(1, R);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	j = irqhop_engine_irq_add(&e, 2, 2);
	settle();
	set(2, L);
	assert_int_equal(settle(), 0);
	expect_stay(j);
	set(0, P);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	set(2, P);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[j].target, 1);
}

static void test_stranded_goes_to_the_first_one_in(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	settle();
	set(1, P);
	set(2, P);
	set(0, P);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.nr_stranded, 1);
	assert_false(irqhop_engine_strand(&e, i));
	set(2, R);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 2);
	assert_int_equal(e.nr_stranded, 0);
}

static void test_stranded_ends_when_its_target_is_back(void **state)
{
	u16 i;

	(void)state;
	start(2, 4, "recent");
	set(0, R);
	set(1, P);
	i = irqhop_engine_irq_add(&e, 0, 0);
	settle();
	set(0, P);
	settle();
	assert_int_equal(e.nr_stranded, 1);
	set(0, R);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.nr_stranded, 0);
	assert_int_equal(e.irq[i].target, 0);
}

static void test_all_in_user_space_sends_all_home(void **state)
{
	static const enum irqhop_vcpu_state out[] = { U, O };
	u16 i, j;
	size_t k;

	(void)state;
	for (k = 0; k < 2; k++) {
		start(3, 4, "recent");
		set(0, O);
		set(1, R);
		set(2, R);
		i = irqhop_engine_irq_add(&e, 0, 1);
		j = irqhop_engine_irq_add(&e, 2, 1);
		settle();
		set(2, U);
		settle();
		assert_int_equal(e.irq[i].target, 1);
		assert_false(irqhop_engine_quiet(&e));
		set(1, out[k]);
		assert_true(irqhop_engine_quiet(&e));
		assert_int_equal(settle(), 2);
		assert_int_equal(e.nr_away, 0);
		assert_int_equal(e.irq[i].target, 0);
		assert_int_equal(e.irq[j].target, 2);
	}
}

/* ... even where the last one to go has nothing of its own. */
static void test_quiet_concerns_every_target(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, U);
	set(1, R);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	settle();
	set(1, U);
	no_todo();	/* as if it had been refused */
	set(2, U);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

/* Nobody was there to take those that are at home, until somebody is. */
static void test_quiet_ends(void **state)
{
	u16 i, j;

	(void)state;
	start(3, 4, "recent");
	set(0, R);
	set(1, R);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	j = irqhop_engine_irq_add(&e, 2, 2);
	settle();
	set(0, U);
	set(2, U);
	set(1, U);
	settle();
	assert_int_equal(e.nr_away, 0);
	set(1, R);
	assert_int_equal(settle(), 2);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 1);
}

/* What the old policy left alone, the new one may want to move. */
static void test_policy_change(void **state)
{
	u16 i;

	(void)state;
	start(2, 4, "home");
	set(1, R);
	set(0, P);
	i = irqhop_engine_irq_add(&e, 0, 0);
	assert_int_equal(settle(), 0);
	irqhop_engine_policy_set(&e, irqhop_policy_find("recent"));
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
}

/* In-handler wins: going home could lose one in an older guest. */
static void test_quiet_leaves_in_handler_alone(void **state)
{
	u16 i;

	(void)state;
	start(2, 4, "recent");
	set(0, U);
	set(1, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	settle();
	set_in_handler(1, U);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.irq[i].target, 1);
	set(1, R);
	set(1, U);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

static void test_home_never_moves(void **state)
{
	static const enum irqhop_vcpu_state out[] = { P, H, B, U, O, L, X };
	size_t k;
	u16 i;

	(void)state;
	start(2, 4, "home");
	set(0, R);
	set(1, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	for (k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
		set(0, out[k]);
		irqhop_engine_irq_mark(&e, i);
		assert_int_equal(settle(), 0);
		assert_int_equal(e.nr_stranded, 0);
	}
}

/* Switching to it takes what is away home, once that is safe. */
static void test_home_drains(void **state)
{
	static const enum irqhop_vcpu_state out[] = { P, H, B, U, O };
	size_t k;
	u16 i;

	(void)state;
	for (k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
		start(2, 4, "recent");
		set(0, P);
		set(1, R);
		i = irqhop_engine_irq_add(&e, 0, 1);
		settle();
		irqhop_engine_policy_set(&e, irqhop_policy_find("home"));
		assert_int_equal(settle(), 0);
		set_in_handler(1, P);
		assert_int_equal(settle(), 0);
		set(1, R);
		set(1, out[k]);
		assert_int_equal(settle(), 1);
		assert_int_equal(e.irq[i].target, 0);
	}
	start(2, 4, "recent");
	set(0, P);
	set(1, H);
	i = irqhop_engine_irq_add(&e, 0, 1);
	settle();
	assert_int_equal(e.irq[i].target, 1);
	irqhop_engine_policy_set(&e, irqhop_policy_find("home"));
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 0);
}

/* The guest says where home is, and the hardware may point there at once. */
static void test_guest_moves_home(void **state)
{
	u16 i;

	(void)state;
	start(3, 4, "recent");
	set(0, P);
	set(1, R);
	set(2, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	settle();
	assert_false(irqhop_engine_irq_seen(&e, i, 0, 1));
	assert_true(irqhop_engine_irq_seen(&e, i, 2, 2));
	assert_int_equal(e.nr_away, 0);
	expect_stay(i);
	set(2, P);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[i].home, 2);
}

/* Home again, said by the guest while we hold it away: look when home goes. */
static void test_home_leaving_marks_those_away(void **state)
{
	u16 i;

	(void)state;
	start(2, 4, "recent");
	set(0, R);
	set(1, R);
	i = irqhop_engine_irq_add(&e, 0, 1);
	settle();
	set(0, P);
	assert_int_equal(irqhop_engine_todo_pop(&e), i);
	assert_true(irqhop_engine_irq_seen(&e, i, 0, 0));
	expect(i, IRQHOP_HOP, 1);
}

static void test_unknown_home_or_target_stays(void **state)
{
	u16 i;

	(void)state;
	start(2, 4, "recent");
	set(0, P);
	set(1, R);
	i = irqhop_engine_irq_add(&e, IRQHOP_NONE, 0);
	expect_stay(i);
	irqhop_engine_irq_seen(&e, i, 0, IRQHOP_NONE);
	expect_stay(i);
	assert_int_equal(e.nr_away, 0);
	irqhop_engine_irq_seen(&e, i, 0, 0);
	expect(i, IRQHOP_HOP, 1);
}

static void test_only_those_concerned_get_a_look(void **state)
{
	u16 i;

	(void)state;
	start(3, 8, "recent");
	set(0, R);
	set(1, R);
	set(2, R);
	for (i = 0; i < 6; i++)
		irqhop_engine_irq_add(&e, i % 3, i % 3);
	settle();
	set(1, P);
	assert_int_equal(e.nr_todo, 2);
	no_todo();
	set(1, R);
	assert_int_equal(e.nr_todo, 0);
	/* A halt is none of their business. */
	set(1, H);
	assert_int_equal(e.nr_todo, 0);
}

static void test_copy(void **state)
{
	struct irqhop_engine old;
	void *old_mem;
	size_t size = irqhop_engine_size(3, 8);
	u16 a, b, c;

	(void)state;
	start(3, 4, "home");
	set(0, P);
	set(1, R);
	set_in_handler(2, P);
	a = irqhop_engine_irq_add(&e, 0, 1);
	b = irqhop_engine_irq_add(&e, 2, 2);
	c = irqhop_engine_irq_add(&e, 0, 0);
	no_todo();
	irqhop_engine_irq_del(&e, b);
	irqhop_engine_strand(&e, c);
	irqhop_engine_irq_mark(&e, a);

	old = e;
	old_mem = mem;
	mem = malloc(size);
	assert_true(irqhop_engine_init(&e, mem, size, 3, 8,
				       irqhop_policy_get(0)));
	irqhop_engine_copy(&e, &old);
	free(old_mem);

	assert_string_equal(e.policy->name, "home");
	assert_int_equal(e.nr_irqs, 2);
	assert_int_equal(e.nr_away, 1);
	assert_int_equal(e.nr_stranded, 1);
	assert_int_equal(e.nr_todo, 1);
	assert_int_equal(irqhop_engine_todo_pop(&e), a);
	assert_int_equal(e.irq[a].target, 1);
	assert_int_equal(e.running, 1);
	assert_true(e.vcpu[2].in_handler);
	for (a = 0; a < 6; a++)
		assert_int_not_equal(irqhop_engine_irq_add(&e, 0, 0),
				     IRQHOP_NONE);
	assert_int_equal(irqhop_engine_irq_add(&e, 0, 0), IRQHOP_NONE);
}

#ifdef IRQHOP_TEST
static void test_storm(void **state)
{
	u16 i, j;

	(void)state;
	start(4, 4, "storm");
	set(0, R);
	set(1, R);
	set(2, R);
	set(3, R);
	i = irqhop_engine_irq_add(&e, 0, 0);
	j = irqhop_engine_irq_add(&e, 2, 2);
	no_todo();
	set(3, P);
	assert_int_equal(settle(), 2);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 0);
	set(3, R);
	set_in_handler(1, P);
	assert_int_equal(settle(), 1);
	assert_int_equal(e.irq[i].target, 1);
	assert_int_equal(e.irq[j].target, 2);
	set(0, H);
	set(1, H);
	set(3, L);
	irqhop_engine_irq_mark(&e, j);
	assert_int_equal(settle(), 0);
	assert_int_equal(e.irq[j].target, 2);
}
#endif

/* Every list and count against what a plain walk over the tables says. */
static void check_tables(void)
{
	u32 in[IRQHOP_NR_VS] = { 0 };
	u32 live = 0, away = 0, todo = 0, stranded = 0, n;
	u16 i, v, prev;

	for (i = 0; i < e.max_irqs; i++) {
		struct irqhop_engine_irq *irq = &e.irq[i];

		if (!irq->live)
			continue;
		live++;
		away += irq->home != irq->target;
		todo += !!(irq->on & (1 << IRQHOP_L_TODO));
		stranded += !!(irq->on & (1 << IRQHOP_L_STRANDED));
	}
	assert_int_equal(e.nr_irqs, live);
	assert_int_equal(e.nr_away, away);
	assert_int_equal(e.nr_todo, todo);
	assert_int_equal(e.nr_stranded, stranded);

	n = 0;
	for (v = 0; v < e.nr_vcpus; v++) {
		in[e.vcpu[v].state]++;
		for (i = e.vcpu[v].target.head; i != IRQHOP_NONE;
		     i = e.irq[i].link[IRQHOP_L_TARGET].next) {
			assert_int_equal(e.irq[i].target, v);
			n++;
		}
		for (i = e.vcpu[v].home.head; i != IRQHOP_NONE;
		     i = e.irq[i].link[IRQHOP_L_HOME].next) {
			assert_int_equal(e.irq[i].home, v);
			n++;
		}
	}
	assert_int_equal(n, 2 * live);
	for (v = 0; v < IRQHOP_NR_VS; v++)
		assert_int_equal(e.nr_in[v], in[v]);

	n = 0;
	prev = IRQHOP_NONE;
	for (v = e.running; v != IRQHOP_NONE; v = e.vcpu[v].run_next) {
		assert_true(irqhop_engine_vcpu_takes(&e, v));
		if (prev != IRQHOP_NONE)
			assert_true(e.vcpu[prev].since > e.vcpu[v].since ||
				    (e.vcpu[prev].since == e.vcpu[v].since &&
				     prev < v));
		prev = v;
		n++;
	}
	for (v = 0; v < e.nr_vcpus; v++)
		n -= irqhop_engine_vcpu_takes(&e, v);
	assert_int_equal(n, 0);
}

static u64 rnd_state;

static u32 rnd(u32 n)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(rnd_state >> 33) % n;
}

/* One look, with everything that must hold of it. */
static void look(u16 i)
{
	struct irqhop_engine_irq *irq = &e.irq[i];
	struct irqhop_decision d = irqhop_engine_decide(&e, i);
	struct irqhop_engine_vcpu *at = &e.vcpu[irq->target];
	bool home_only = e.policy->flags & IRQHOP_POLICY_HOME;

	switch (d.action) {
	case IRQHOP_STAY:
		/* Not in vain: it could not, or need not, go elsewhere. */
		if (!home_only && !irqhop_engine_quiet(&e))
			assert_true(at->in_handler || at->state == R ||
				    at->state == H || at->state == L ||
				    at->state == X);
		irqhop_engine_stays(&e, i);
		return;
	case IRQHOP_STRAND:
		assert_int_equal(e.running, IRQHOP_NONE);
		assert_int_not_equal(e.vcpu[irq->home].state, H);
		assert_false(home_only);
		if (irqhop_engine_quiet(&e))
			assert_int_equal(irq->home, irq->target);
		irqhop_engine_strand(&e, i);
		return;
	case IRQHOP_HOP:
		assert_false(home_only);
		assert_int_not_equal(d.target, irq->home);
		assert_true(d.must_run);
		break;
	case IRQHOP_RETURN:
		assert_int_equal(d.target, irq->home);
		assert_true(d.must_run || home_only ||
			    irqhop_engine_quiet(&e) ||
			    (e.running == IRQHOP_NONE &&
			     e.vcpu[d.target].state == H));
		break;
	}
	if (d.must_run)
		assert_true(irqhop_engine_vcpu_takes(&e, d.target));
	assert_int_not_equal(d.target, irq->target);
	assert_false(at->in_handler);
	assert_int_not_equal(at->state, L);
	irqhop_engine_moved(&e, i, d.target);
}

static void test_random(void **state)
{
	const char *env = getenv("IRQHOP_SEED");
	u64 seed = env ? strtoull(env, NULL, 0) : (u64)time(NULL);
	u32 round, step;

	(void)state;
	print_message("IRQHOP_SEED=%llu\n", (unsigned long long)seed);
	rnd_state = seed;
	for (round = 0; round < 100; round++) {
		u16 nr_vcpus = (u16)(1 + rnd(12));
		u16 max_irqs = (u16)(1 + rnd(20));

		start(nr_vcpus, max_irqs,
		      irqhop_policy_get(rnd(irqhop_policy_count()))->name);
		for (step = 0; step < 500; step++) {
			u16 v = (u16)rnd(nr_vcpus);
			u16 i = (u16)rnd(max_irqs);
			u32 looks = rnd(4);

			switch (rnd(16)) {
			case 0:
				irqhop_engine_irq_add(&e, v,
						      (u16)rnd(nr_vcpus));
				break;
			case 1:
				if (e.irq[i].live)
					irqhop_engine_irq_del(&e, i);
				break;
			case 2:
				if (e.irq[i].live &&
				    irqhop_engine_irq_seen(&e, i, v,
							   rnd(2) ? v : e.irq[i].target))
					irqhop_engine_irq_mark(&e, i);
				break;
			case 3:
				irqhop_engine_vcpu_enable(&e, v, rnd(4));
				break;
			case 4:
				if (!rnd(8))
					irqhop_engine_policy_set(&e, irqhop_policy_get(rnd(irqhop_policy_count())));
				break;
			case 5:
				if (rnd(4))
					break;
				/* The VM is paused: everything goes home. */
				for (v = 0; v < nr_vcpus; v++)
					set(v, rnd(4) ? U : O);
				while ((i = irqhop_engine_todo_pop(&e)) !=
				       IRQHOP_NONE)
					look(i);
				assert_int_equal(e.nr_away, 0);
				break;
			default:
				irqhop_engine_vcpu_set(&e, v, rnd(IRQHOP_NR_VS),
						       !rnd(3),
						       rnd(3) ? ++now : now);
			}
			while (looks--) {
				i = irqhop_engine_todo_pop(&e);
				if (i != IRQHOP_NONE)
					look(i);
			}
			check_tables();
		}
		/*
		 * Nothing is forgotten: with all work done, whatever is not
		 * where it should be is stranded.
		 */
		while (e.nr_todo)
			look(irqhop_engine_todo_pop(&e));
		for (u16 i = 0; i < max_irqs; i++) {
			struct irqhop_decision d;

			if (!e.irq[i].live)
				continue;
			if (e.policy->flags & IRQHOP_POLICY_EAGER)
				continue;
			d = irqhop_engine_decide(&e, i);
			if (d.action == IRQHOP_STRAND)
				assert_true(e.irq[i].on &
					    (1 << IRQHOP_L_STRANDED));
			else
				assert_int_equal(d.action, IRQHOP_STAY);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_policies, teardown),
		cmocka_unit_test_teardown(test_init_refuses, teardown),
		cmocka_unit_test_teardown(test_room, teardown),
		cmocka_unit_test_teardown(test_recent_takes_latest, teardown),
		cmocka_unit_test_teardown(test_recent_tie_is_lowest, teardown),
		cmocka_unit_test_teardown(test_recent_by_time_not_by_call, teardown),
		cmocka_unit_test_teardown(test_running_home_is_preferred, teardown),
		cmocka_unit_test_teardown(test_return_is_lazy, teardown),
		cmocka_unit_test_teardown(test_each_way_out, teardown),
		cmocka_unit_test_teardown(test_never_to_one_that_is_not_running, teardown),
		cmocka_unit_test_teardown(test_never_to_one_with_lpis_disabled, teardown),
		cmocka_unit_test_teardown(test_nobody_runs_but_home_is_halted, teardown),
		cmocka_unit_test_teardown(test_in_handler_keeps, teardown),
		cmocka_unit_test_teardown(test_in_handler_only_when_out, teardown),
		cmocka_unit_test_teardown(test_leaving_is_not_a_target_and_keeps, teardown),
		cmocka_unit_test_teardown(test_stranded_goes_to_the_first_one_in, teardown),
		cmocka_unit_test_teardown(test_stranded_ends_when_its_target_is_back, teardown),
		cmocka_unit_test_teardown(test_all_in_user_space_sends_all_home, teardown),
		cmocka_unit_test_teardown(test_quiet_concerns_every_target, teardown),
		cmocka_unit_test_teardown(test_quiet_ends, teardown),
		cmocka_unit_test_teardown(test_policy_change, teardown),
		cmocka_unit_test_teardown(test_quiet_leaves_in_handler_alone, teardown),
		cmocka_unit_test_teardown(test_home_never_moves, teardown),
		cmocka_unit_test_teardown(test_home_drains, teardown),
		cmocka_unit_test_teardown(test_guest_moves_home, teardown),
		cmocka_unit_test_teardown(test_home_leaving_marks_those_away, teardown),
		cmocka_unit_test_teardown(test_unknown_home_or_target_stays, teardown),
		cmocka_unit_test_teardown(test_only_those_concerned_get_a_look, teardown),
		cmocka_unit_test_teardown(test_copy, teardown),
#ifdef IRQHOP_TEST
		cmocka_unit_test_teardown(test_storm, teardown),
#endif
		cmocka_unit_test_teardown(test_random, teardown),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
