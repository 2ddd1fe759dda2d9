// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what a decision costs. cost.py runs this under Valgrind, once to
 * count instructions and once to see which words of the engine's memory are
 * read, and judges.
 *
 * Each scene, a policy in some circumstances, makes one decide by itself and
 * then one whole hop decision, each inside a function of its own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "engine.h"

#define R	IRQHOP_VS_RUNNING
#define P	IRQHOP_VS_PREEMPTED
#define H	IRQHOP_VS_HALTED

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* The interrupt that is measured has its home on vCPU 0, and may be on 1. */
#define HOME	0
#define AWAY	1

static struct irqhop_engine e, first;
static u64 mem[32 * 1024], first_mem[32 * 1024];
static u64 now;
static struct irqhop_decision answer;

/* cost.py sees these written, and so knows when decide is at work. */
static volatile u64 mark_begin, mark_end;

static void set(u16 v, enum irqhop_vcpu_state s)
{
	irqhop_engine_vcpu_set(&e, v, s, false, ++now);
}

static void no_todo(void)
{
	while (irqhop_engine_todo_pop(&e) != IRQHOP_NONE)
		;
}

/* Every vCPU runs, every interrupt is at home: what all scenes begin with. */
static void prepare(const char *policy, u16 nr_vcpus, u16 nr_irqs)
{
	size_t size = irqhop_engine_size(nr_vcpus, nr_irqs);
	u16 i;

	if (size > sizeof(mem) ||
	    !irqhop_engine_init(&e, mem, size, nr_vcpus, nr_irqs,
				irqhop_policy_find(policy)))
		abort();
	irqhop_engine_bound_set(&e, IRQHOP_MAX_HOPS_DEFAULT, ++now);
	for (i = 0; i < nr_vcpus; i++) {
		irqhop_engine_vcpu_enable(&e, i, true);
		set(i, R);
	}
	for (i = 0; i < nr_irqs; i++)
		irqhop_engine_irq_add(&e, i % nr_vcpus, i % nr_vcpus,
				      IRQHOP_PATH_DIRECT);
	no_todo();
	first = e;
	memcpy(first_mem, mem, size);
}

static void start(void)
{
	e = first;
	memcpy(mem, first_mem,
	       irqhop_engine_size(e.nr_vcpus, e.max_irqs));
}

/* Those of vCPU 0: the one in question is the second, so has neighbours. */
static u16 mine(u32 k)
{
	return (u16)(k * e.nr_vcpus);
}

/* The second is popped first. */
static void mark_mine(void)
{
	no_todo();
	irqhop_engine_irq_mark(&e, mine(1));
	irqhop_engine_irq_mark(&e, mine(0));
	irqhop_engine_irq_mark(&e, mine(2));
}

static void send_away(void)
{
	u32 k;

	set(HOME, P);
	for (k = 0; k < 3; k++)
		irqhop_engine_moved(&e, mine(k), AWAY);
}

static void all_out(void)
{
	u16 v;

	for (v = 0; v < e.nr_vcpus; v++)
		set(v, P);
}

static void scene_hop(void)
{
	set(HOME, P);
}

static void scene_hop_on(void)
{
	send_away();
	set(AWAY, P);
}

/* It knows another one than its home, and both are out. */
static void scene_hop_again(void)
{
	irqhop_engine_rule_set(&e, IRQHOP_RULE_LAZY);
	set(HOME, P);
	irqhop_engine_moved(&e, mine(1), 2);
	send_away();
	set(AWAY, P);
	set(2, P);
}

static void scene_return(void)
{
	send_away();
	set(HOME, R);
	set(AWAY, P);
}

static void scene_eager(void)
{
	irqhop_engine_rule_set(&e, IRQHOP_RULE_EAGER);
	send_away();
	set(HOME, R);
}

static void scene_stranded(void)
{
	u32 k;

	send_away();
	all_out();
	for (k = 0; k < 3; k++)
		irqhop_engine_strand(&e, mine(k));
	set(2, R);
	set(3, R);
}

static void scene_held(void)
{
	u32 k;

	send_away();
	set(AWAY, P);
	for (k = 0; k < 3; k++)
		irqhop_engine_hold(&e, mine(k));
}

static void scene_halted_home(void)
{
	send_away();
	all_out();
	set(HOME, H);
}

/* The guest has moved it to 1, which is out. */
static void scene_news(void)
{
	set(AWAY, P);
}

static const struct scene {
	const char *name;
	void (*prepare)(void);
	u16 home, target;	/* where it is found to be */
	enum irqhop_action action;
} scenes[] = {
	{ "hop", scene_hop, HOME, HOME, IRQHOP_HOP },
	{ "hop-on", scene_hop_on, HOME, AWAY, IRQHOP_HOP },
	{ "hop-again", scene_hop_again, HOME, AWAY, IRQHOP_HOP },
	{ "return", scene_return, HOME, AWAY, IRQHOP_RETURN },
	{ "eager", scene_eager, HOME, AWAY, IRQHOP_RETURN },
	{ "stranded", scene_stranded, HOME, AWAY, IRQHOP_HOP },
	{ "held", scene_held, HOME, AWAY, IRQHOP_HOP },
	{ "halted-home", scene_halted_home, HOME, AWAY, IRQHOP_RETURN },
	{ "news", scene_news, AWAY, AWAY, IRQHOP_HOP },
};

static const char * const policies[] = { "recent", "spread", "sticky" };

/* All that there is between "look at it" and "it is there". */
noinline enum irqhop_action measured_hop(const struct scene *found)
{
	u16 i = irqhop_engine_todo_pop(&e);
	struct irqhop_decision d;

	irqhop_engine_irq_seen(&e, i, found->home, found->target);
	d = irqhop_engine_decide(&e, i);
	irqhop_engine_moved(&e, i, d.target);
	return d.action;
}

static void decide_by_itself(u16 i)
{
	mark_begin = i;
	answer = irqhop_engine_decide(&e, i);
	mark_end = i;
}

/* Return: false if the engine does not do what the scene is about. */
static bool scene_play(size_t s)
{
	enum irqhop_action action;
	char name[64];

	start();
	snprintf(name, sizeof(name), "%s %s %u", e.policy->name,
		 scenes[s].name, e.nr_vcpus);
	printf("scene %s\n", name);
	scenes[s].prepare();
	mark_mine();
	decide_by_itself(mine(1));
	CALLGRIND_ZERO_STATS;
	action = measured_hop(&scenes[s]);
	CALLGRIND_DUMP_STATS_AT(name);
	if (action == scenes[s].action)
		return true;
	fprintf(stderr, "%s: action %d\n", name, action);
	return false;
}

int main(void)
{
	static const u16 sizes[][2] = { { 4, 64 }, { 512, 4096 } };
	size_t n, p, s;

	printf("marks %p %p\n", (void *)&mark_begin, (void *)&mark_end);
	printf("area %p %p\n", (void *)&e, (void *)(&e + 1));
	printf("area %p %p\n", (void *)mem,
	       (void *)(mem + sizeof(mem) / sizeof(*mem)));
	for (n = 0; n < ARRAY_SIZE(sizes); n++)
		for (p = 0; p < ARRAY_SIZE(policies); p++) {
			prepare(policies[p], sizes[n][0], sizes[n][1]);
			for (s = 0; s < ARRAY_SIZE(scenes); s++)
				if (!scene_play(s))
					return 1;
		}
	return 0;
}
