// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what is decided for one interrupt, by the states of the vCPUs.
 */
#include "fixture.h"

#define NONE	IRQHOP_NONE

/* For the letters see vcpu_become(); of those that run the last is latest. */
struct decide_case {
	const char *what;
	const char *policy, *rule, *vcpus;
	u16 home, target;
	enum irqhop_action action;
	u16 to;
};

static const struct decide_case decide_cases[] = {
	/* Where the target is. */
	{ "runs", "recent", NULL, "RRR", 0, 0, IRQHOP_STAY, NONE },
	{ "runs, away", "recent", NULL, "RRR", 0, 1, IRQHOP_STAY, NONE },
	{ "preempted", "recent", NULL, "PRR", 0, 0, IRQHOP_HOP, 2 },
	{ "blocked", "recent", NULL, "BRR", 0, 0, IRQHOP_HOP, 2 },
	{ "user", "recent", NULL, "URR", 0, 0, IRQHOP_HOP, 2 },
	{ "off", "recent", NULL, "ORR", 0, 0, IRQHOP_HOP, 2 },
	{ "halted", "recent", "wake", "HRR", 0, 0, IRQHOP_STAY, NONE },
	{ "halted, away", "recent", "wake", "RHR", 0, 1, IRQHOP_STAY, NONE },
	{ "leaving", "recent", NULL, "LRR", 0, 0, IRQHOP_STAY, NONE },
	{ "unknown", "recent", NULL, "XRR", 0, 0, IRQHOP_STAY, NONE },
	{ "runs, disabled", "recent", NULL, "DRR", 0, 0, IRQHOP_STAY, NONE },
	{ "no home", "recent", NULL, "PRR", NONE, 0, IRQHOP_STAY, NONE },
	{ "no target", "recent", NULL, "PRR", 0, NONE, IRQHOP_STAY, NONE },

	/* In a handler it keeps what it has. */
	{ "handler", "recent", NULL, "pRR", 0, 0, IRQHOP_STAY, NONE },
	{ "handler, blocked", "recent", NULL, "bRR", 0, 0, IRQHOP_STAY, NONE },
	{ "handler, user", "recent", NULL, "uRR", 0, 0, IRQHOP_STAY, NONE },
	{ "handler, away", "recent", NULL, "RpR", 0, 1, IRQHOP_STAY, NONE },
	{ "handler, eager", "recent", "eager", "RpR", 0, 1, IRQHOP_STAY, NONE },
	{ "handler, all out", "recent", NULL, "UuU", 0, 1, IRQHOP_STAY, NONE },
	{ "handler, home", "home", NULL, "Rp", 0, 1, IRQHOP_STAY, NONE },
	{ "handler, never", "recent", "never", "pRR", 0, 0, IRQHOP_STAY, NONE },

	/* Only to one that runs and can take it. */
	{ "to preempted", "recent", NULL, "PP", 0, 0, IRQHOP_STRAND, NONE },
	{ "to halted", "recent", NULL, "PH", 0, 0, IRQHOP_STRAND, NONE },
	{ "to blocked", "recent", NULL, "PB", 0, 0, IRQHOP_STRAND, NONE },
	{ "to user", "recent", NULL, "PU", 0, 0, IRQHOP_STRAND, NONE },
	{ "to off", "recent", NULL, "PO", 0, 0, IRQHOP_STRAND, NONE },
	{ "to leaving", "recent", NULL, "PL", 0, 0, IRQHOP_STRAND, NONE },
	{ "to unknown", "recent", NULL, "PX", 0, 0, IRQHOP_STRAND, NONE },
	{ "to disabled", "recent", NULL, "PD", 0, 0, IRQHOP_STRAND, NONE },
	{ "past disabled", "recent", NULL, "PRD", 0, 0, IRQHOP_HOP, 1 },
	{ "home disabled", "recent", NULL, "DPR", 0, 1, IRQHOP_HOP, 2 },
	{ "spread, past disabled", "spread", NULL, "PRD", 0, 0, IRQHOP_HOP, 1 },

	/* Return rules. */
	{ "lazy", "recent", "lazy", "RPR", 0, 1, IRQHOP_RETURN, 0 },
	{ "lazy, spread", "spread", NULL, "RPR", 0, 1, IRQHOP_RETURN, 0 },
	{ "lazy, target runs", "recent", "lazy", "RRR", 0, 1, IRQHOP_STAY, NONE },
	{ "eager, runs", "recent", "eager", "RRR", 0, 1, IRQHOP_RETURN, 0 },
	{ "eager, halted", "recent", "eager", "RHR", 0, 1, IRQHOP_RETURN, 0 },
	{ "eager, preempted", "recent", "eager", "RPR", 0, 1, IRQHOP_RETURN, 0 },
	{ "eager, leaving", "recent", "eager", "RLR", 0, 1, IRQHOP_STAY, NONE },
	{ "eager, unknown", "recent", "eager", "RXR", 0, 1, IRQHOP_STAY, NONE },
	{ "eager, at home", "recent", "eager", "RRR", 0, 0, IRQHOP_STAY, NONE },
	{ "eager, home out", "recent", "eager", "PRR", 0, 1, IRQHOP_STAY, NONE },
	{ "eager, home halted", "recent", "eager", "HRR", 0, 1, IRQHOP_STAY, NONE },
	{ "eager, home disabled", "recent", "eager", "DRR", 0, 1,
	  IRQHOP_STAY, NONE },
	{ "never", "recent", "never", "RPR", 0, 1, IRQHOP_HOP, 2 },
	{ "never, home latest", "recent", "never", "PRR", 2, 0,
	  IRQHOP_RETURN, 2 },
	{ "never, runs", "recent", "never", "RRR", 0, 1, IRQHOP_STAY, NONE },

	/* Nobody runs: a home in WFI is woken. */
	{ "home halted, P", "recent", NULL, "HPH", 0, 1, IRQHOP_RETURN, 0 },
	{ "home halted, B", "recent", NULL, "HBH", 0, 1, IRQHOP_RETURN, 0 },
	{ "home halted, U", "recent", NULL, "HUH", 0, 1, IRQHOP_RETURN, 0 },
	{ "home halted, O", "recent", NULL, "HOH", 0, 1, IRQHOP_RETURN, 0 },
	{ "home halted, never", "recent", "never", "HPH", 0, 1,
	  IRQHOP_RETURN, 0 },
	{ "home halted, one runs", "recent", NULL, "HPR", 0, 1, IRQHOP_HOP, 2 },

	/* A target in WFI is spared, if somebody runs. */
	{ "hop", "recent", "hop", "HRR", 0, 0, IRQHOP_HOP, 2 },
	{ "hop, away", "recent", "hop", "PHR", 0, 1, IRQHOP_HOP, 2 },
	{ "hop, home runs", "recent", "hop", "RHR", 0, 1, IRQHOP_RETURN, 0 },
	{ "hop, nobody runs", "recent", "hop", "HPP", 0, 0, IRQHOP_WAIT, NONE },
	{ "hop, both halted", "recent", "hop", "HHP", 0, 1, IRQHOP_WAIT, NONE },
	{ "hop, disabled", "recent", "hop", "HD", 0, 0, IRQHOP_WAIT, NONE },
	{ "hop, preempted", "recent", "hop", "PPP", 0, 0, IRQHOP_STRAND, NONE },
	{ "hop, handler", "recent", "hop", "hRR", 0, 0, IRQHOP_STAY, NONE },
	{ "hop, policy home", "home", "hop", "HRR", 0, 0, IRQHOP_STAY, NONE },
	{ "hop, home, away", "home", "hop", "RHR", 0, 1, IRQHOP_RETURN, 0 },
	{ "wake", "spread", "wake", "HRR", 0, 0, IRQHOP_STAY, NONE },

	/* All in user space or off: home, under every rule. */
	{ "quiet", "recent", "lazy", "UOU", 0, 1, IRQHOP_RETURN, 0 },
	{ "quiet, eager", "recent", "eager", "UOU", 0, 1, IRQHOP_RETURN, 0 },
	{ "quiet, never", "recent", "never", "OUU", 0, 1, IRQHOP_RETURN, 0 },
	{ "quiet, sticky", "sticky", NULL, "OUU", 0, 1, IRQHOP_RETURN, 0 },
	{ "quiet, at home", "recent", NULL, "UOU", 0, 0, IRQHOP_STRAND, NONE },
	{ "not quiet", "recent", NULL, "UOB", 0, 1, IRQHOP_STRAND, NONE },

	/* The policy home. */
	{ "home, P", "home", NULL, "PR", 0, 0, IRQHOP_STAY, NONE },
	{ "home, B", "home", NULL, "BR", 0, 0, IRQHOP_STAY, NONE },
	{ "home, O", "home", NULL, "OR", 0, 0, IRQHOP_STAY, NONE },
	{ "home, quiet", "home", NULL, "UU", 0, 0, IRQHOP_STAY, NONE },
	{ "home, away, runs", "home", NULL, "RR", 0, 1, IRQHOP_STAY, NONE },
	{ "home, away, P", "home", NULL, "PP", 0, 1, IRQHOP_RETURN, 0 },
	{ "home, away, H", "home", NULL, "PH", 0, 1, IRQHOP_RETURN, 0 },
	{ "home, away, B", "home", NULL, "RB", 0, 1, IRQHOP_RETURN, 0 },
	{ "home, away, U", "home", NULL, "RU", 0, 1, IRQHOP_RETURN, 0 },
	{ "home, away, O", "home", NULL, "RO", 0, 1, IRQHOP_RETURN, 0 },
	{ "home, away, L", "home", NULL, "RL", 0, 1, IRQHOP_STAY, NONE },
	{ "home, away, X", "home", NULL, "RX", 0, 1, IRQHOP_STAY, NONE },
};

static bool decide_case_holds(const struct decide_case *c,
			      enum irqhop_path path)
{
	struct irqhop_decision d;
	u16 i;

	vcpus_start(c->policy, 4, c->vcpus);
	rule_set(c->rule);
	i = irqhop_engine_irq_add(&e, c->home, c->target, path);
	assert_null(engine_check_all());
	d = irqhop_engine_decide(&e, i);
	if (d.action == c->action && d.target == c->to)
		return true;
	print_error("%s: action %d, target %u\n", c->what, d.action, d.target);
	return false;
}

static void test_decide(void **state)
{
	size_t k;
	int bad = 0;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(decide_cases); k++)
		bad += !decide_case_holds(&decide_cases[k], IRQHOP_PATH_DIRECT);
	assert_int_equal(bad, 0);
}

/* An injected interrupt is treated as any other is, but for one case. */
static void test_injected(void **state)
{
	static const struct decide_case cases[] = {
		{ "handler, all out", "recent", NULL, "UuU", 0, 1,
		  IRQHOP_RETURN, 0 },
		{ "handler, quiet, never", "recent", "never", "OuU", 0, 1,
		  IRQHOP_RETURN, 0 },
		{ "handler, quiet, home", "home", NULL, "OuU", 0, 1,
		  IRQHOP_RETURN, 0 },
		{ "handler, at home", "recent", NULL, "OuU", 1, 1,
		  IRQHOP_STAY, NONE },
		{ "handler, one in", "recent", NULL, "RuU", 0, 1,
		  IRQHOP_STAY, NONE },
	};
	size_t k, bad = 0;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(cases); k++)
		bad += !decide_case_holds(&cases[k], IRQHOP_PATH_INJECTED);
	for (k = 0; k < ARRAY_SIZE(decide_cases); k++)
		if (strcmp(decide_cases[k].what, cases[0].what))
			bad += !decide_case_holds(&decide_cases[k],
						  IRQHOP_PATH_INJECTED);
	assert_int_equal(bad, 0);
}

/* What was chosen because it runs is said to have to. */
static void test_must_run(void **state)
{
	u16 i;

	(void)state;
	vcpus_start("recent", 4, "PRR");
	i = irq_add(0, 0);
	assert_int_equal(irqhop_engine_decide(&e, i).must_run, 1);
	vcpu_become(0, 'R');
	vcpu_become(1, 'P');
	irqhop_engine_irq_seen(&e, i, 0, 1);
	assert_int_equal(irqhop_engine_decide(&e, i).must_run, 1);
	rule_set("eager");
	vcpu_become(1, 'R');
	assert_int_equal(irqhop_engine_decide(&e, i).must_run, 1);
	vcpu_become(0, 'H');
	vcpu_become(1, 'P');
	vcpu_become(2, 'P');
	expect(i, IRQHOP_RETURN, 0);
	assert_int_equal(irqhop_engine_decide(&e, i).must_run, 0);
	vcpu_become(0, 'U');
	vcpu_become(1, 'U');
	vcpu_become(2, 'O');
	expect(i, IRQHOP_RETURN, 0);
	assert_int_equal(irqhop_engine_decide(&e, i).must_run, 0);
}

int decide_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide),
		cmocka_unit_test(test_injected),
		cmocka_unit_test(test_must_run),
	};

	return cmocka_run_group_tests_name("decide", tests, NULL, group_end);
}
