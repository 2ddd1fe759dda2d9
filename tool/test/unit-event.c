// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../event.h"

#define HEAD	"  task-1  [003] d.h1.  12.000034: "

static void is(const char *line, const char *name, const char *want)
{
	struct event event;
	char text[256];

	if (!event_parse(&event, line))
		fail_msg("not an event: %s", line);
	assert_string_equal(event.kind->name, name);
	assert_int_equal(event.vm, 77);
	event_text(&event, text, sizeof(text));
	assert_string_equal(text, want);
}

static void test_kinds(void **state)
{
	(void)state;
	is(HEAD "hop: vm=77 intid=8193 from=0 to=2 reason=preempted cost=412",
	   "hop", "interrupt 8193: vCPU 0 -> 2, preempted, 412 ns");
	is(HEAD "return: vm=77 intid=8193 from=2 to=0 reason=x cost=18446744073709551615",
	   "return", "interrupt 8193: vCPU 2 -> 0, x, 18446744073709551615 ns");
	is(HEAD "stranded: vm=77 intid=8192 vcpu=1 home=3", "stranded",
	   "interrupt 8192: target vCPU 1, home 3");
	is(HEAD "stranded: vm=77 intid=8192 vcpu=-1 home=-1", "stranded",
	   "interrupt 8192: target vCPU none, home none");
	is(HEAD "held_back: vm=77 intid=8192 reason=turn", "held_back",
	   "interrupt 8192: turn");
	is(HEAD "in_handler: vm=77 vcpu=1", "in_handler", "vCPU 1");
	is(HEAD "let_go: vm=77 reason=moves failed: cost=9 from=1", "let_go",
	   "moves failed: cost=9 from=1");
	is(HEAD "let_go: vm=77 reason=", "let_go", "");
	is(HEAD "turn: vm=77 moves=0 lag=18446744073709551615 time=0", "turn",
	   "0 moves, 0 ns, 18446744073709551615 ns after the context switch");
}

static void test_head(void **state)
{
	struct event event;

	(void)state;
	assert_true(event_parse(&event, HEAD "in_handler: vm=77 vcpu=1"));
	assert_int_equal(event.cpu, 3);
	assert_int_equal(event.time_us, 12000034);
	/* A task's name can be anything, and flags can be missing. */
	is("[1] x [000] 1.000000: in-9 [001] d.... 2.000000: in_handler: vm=77 vcpu=1",
	   "in_handler", "vCPU 1");
	is(" <...>-1 [001] 2.000000: in_handler: vm=77 vcpu=1", "in_handler",
	   "vCPU 1");
	is(" [ [] [a] x-1 (  12) [128] ..... 2.000000: in_handler: vm=77 vcpu=1",
	   "in_handler", "vCPU 1");
}

static void test_not(void **state)
{
	static const char * const lines[] = {
		"",
		"CPU:2 [LOST 17 EVENTS]",
		"hop: vm=77 intid=1 from=0 to=2 reason=x cost=1",
		HEAD "jump: vm=77",
		HEAD "hop:",
		HEAD "in_handler: vm=77",
		HEAD "in_handler: vm= vcpu=1",
		HEAD "in_handler: vm=-1 vcpu=1",
		HEAD "in_handler: vm=77 vcpu=1x",
		HEAD "in_handler: vm=77 vcpu=-1x",
		HEAD "in_handler: vm=77 vcpu=-2",
		HEAD "held_back: vm=77 intid=-1 reason=turn",
		HEAD "in_handler: vcpu=1 vm=77",
		HEAD "hop: vm=77 intid=8193 from=0 to=2 reason=x",
		HEAD "turn: vm=77 moves=1 lag=-1 time=1",
		HEAD "turn: vm=77 moves=1 time=1 lag=1",
		"  task-1  [003] d.h1.  12: in_handler: vm=77 vcpu=1",
	};
	struct event event;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (event_parse(&event, lines[i]))
			fail_msg("taken for an event: %s", lines[i]);
}

/* Nothing may be written beyond a buffer, or to a terminal as it is. */
static void test_long(void **state)
{
	char line[1024] = HEAD "let_go: vm=77 reason=\033[2J", text[8];
	struct event event;

	(void)state;
	memset(line + strlen(line), 'x', 500);
	assert_true(event_parse(&event, line));
	assert_int_equal(strlen(event.text[0]), EVENT_TEXT_LEN - 1);
	assert_int_equal(event.text[0][0], '?');
	memset(text, 'y', sizeof(text));
	event_text(&event, text, sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
	is(HEAD "in_handler: vm=77 vcpu=1", "in_handler", "vCPU 1");
}

static void test_lost(void **state)
{
	uint32_t cpu = 0;

	(void)state;
	assert_int_equal(event_lost("CPU:12 [LOST 17 EVENTS]", &cpu), 17);
	assert_int_equal(cpu, 12);
	assert_int_equal(event_lost(HEAD "in_handler: vm=77 vcpu=1", &cpu), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_not),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
