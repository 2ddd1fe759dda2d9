// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: random streams of events, and what must hold after each of them. The
 * test keeps a record of its own of everything that it tells the engine, and
 * judges each answer by that.
 *
 * A stream that fails is made as small as can be, and printed. IRQHOP_SEED
 * repeats a run, IRQHOP_STREAMS says how many streams there are.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "shrink.h"

#define MAX_VCPUS	512
#define MAX_IRQS	4096

/* What must hold. Where it does not, the text is the name of the failure. */
#define REQUIRE(what, text) \
	do { \
		if (!(what)) \
			return text; \
	} while (0)

/* --- the test's own record ----------------------------------------------- */

struct model_vcpu {
	enum irqhop_vcpu_state state;
	bool in_handler, enabled;
	u64 since;
};

struct model_irq {
	bool live, refused;
	bool unseen;	/* the hardware points home, and nobody has said so */
	enum irqhop_path path;
	u16 home, target, prev;
};

static struct {
	u32 nr_vcpus, max_irqs;
	const struct irqhop_policy *policy;
	enum irqhop_return_rule rule;
	enum irqhop_halted_rule halted;
	u32 bound;
	/* How much of the burst is used up, in ns of its time: it drains. */
	u64 used, used_clock, clock;
	struct model_vcpu vcpu[MAX_VCPUS];
	struct model_irq irq[MAX_IRQS];
} m;

static bool model_takes(u16 v)
{
	return m.vcpu[v].state == IRQHOP_VS_RUNNING && m.vcpu[v].enabled;
}

static bool model_keeps(u16 v)
{
	return m.vcpu[v].in_handler ||
	       m.vcpu[v].state == IRQHOP_VS_LEAVING ||
	       m.vcpu[v].state == IRQHOP_VS_UNKNOWN;
}

static bool model_out(u16 v)
{
	return m.vcpu[v].state == IRQHOP_VS_PREEMPTED ||
	       m.vcpu[v].state == IRQHOP_VS_BLOCKED ||
	       m.vcpu[v].state == IRQHOP_VS_USER ||
	       m.vcpu[v].state == IRQHOP_VS_OFF ||
	       (m.vcpu[v].state == IRQHOP_VS_HALTED &&
		m.halted == IRQHOP_HALTED_HOP);
}

static bool model_quiet(void)
{
	u32 v;

	for (v = 0; v < m.nr_vcpus; v++)
		if (m.vcpu[v].state != IRQHOP_VS_USER &&
		    m.vcpu[v].state != IRQHOP_VS_OFF)
			return false;
	return true;
}

static u16 model_latest(void)
{
	u16 best = IRQHOP_NONE, v;

	for (v = 0; v < m.nr_vcpus; v++)
		if (model_takes(v) && (best == IRQHOP_NONE ||
				       m.vcpu[v].since > m.vcpu[best].since))
			best = v;
	return best;
}

static u32 model_load(u16 v)
{
	u32 i, nr = 0;

	for (i = 0; i < m.max_irqs; i++)
		nr += m.irq[i].live && m.irq[i].target == v;
	return nr < IRQHOP_NR_LOADS ? nr : IRQHOP_NR_LOADS - 1;
}

static bool model_is(const char *policy)
{
	return !strcmp(m.policy->name, policy);
}

/* May the policy pick this vCPU? */
static bool model_may_pick(u16 i, u16 to)
{
	const struct model_irq *irq = &m.irq[i];
	u16 v;

	if (to == IRQHOP_NONE || !model_takes(to) || to == irq->target)
		return false;
	if (model_is("spread")) {
		for (v = 0; v < m.nr_vcpus; v++)
			if (model_takes(v) && model_load(v) < model_load(to))
				return false;
		return true;
	}
	if (model_is("storm"))
		return true;
	if (model_is("sticky") && irq->prev != IRQHOP_NONE &&
	    model_takes(irq->prev))
		return to == irq->prev;
	return to == model_latest();
}

static u64 model_hop_ns(void)
{
	return (1000000000ULL + m.bound - 1) / m.bound;
}

static u64 model_burst(void)
{
	return m.bound / 10 > 64 ? m.bound / 10 : 64;
}

static bool model_may_hop(void)
{
	return !m.bound || m.used + model_hop_ns() <=
			   model_burst() * model_hop_ns();
}

static void model_hop(void)
{
	if (m.bound)
		m.used += model_hop_ns();
}

static void model_clock(u64 t)
{
	u64 passed;

	if (t <= m.clock)
		return;
	passed = t - m.clock;
	m.used = m.used > passed ? m.used - passed : 0;
	m.clock = t;
}

/* Its home runs, and it does not wait for an occasion. */
static bool model_goes_home(const struct model_irq *irq)
{
	return m.rule == IRQHOP_RULE_EAGER && model_takes(irq->home);
}

static const char *judge_out(u16 i, const struct irqhop_decision *d);

/* Is this the right answer, by the test's own record? */
static const char *judge(u16 i, const struct irqhop_decision *d)
{
	const struct model_irq *irq = &m.irq[i];
	const bool home_only = model_is("home");
	bool away;

	if (irq->home == IRQHOP_NONE || irq->target == IRQHOP_NONE) {
		REQUIRE(d->action == IRQHOP_STAY, "moves to or from nowhere");
		return NULL;
	}
	away = irq->home != irq->target;
	if (away && model_quiet() && irq->path == IRQHOP_PATH_INJECTED) {
		REQUIRE(d->action == IRQHOP_RETURN && d->target == irq->home,
			"quiet and injected, and does not go home");
		return NULL;
	}
	if (model_keeps(irq->target)) {
		REQUIRE(d->action == IRQHOP_STAY,
			"taken from one that keeps its interrupts");
		return NULL;
	}
	if (away && model_goes_home(irq)) {
		REQUIRE(d->action == IRQHOP_RETURN && d->target == irq->home &&
			(d->must_run || home_only),
			"does not go home eagerly");
		return NULL;
	}
	if (away && model_quiet()) {
		REQUIRE(d->action == IRQHOP_RETURN && d->target == irq->home,
			"quiet, and does not go home");
		return NULL;
	}
	if (home_only && away &&
	    m.vcpu[irq->target].state != IRQHOP_VS_RUNNING) {
		REQUIRE(d->action == IRQHOP_RETURN && d->target == irq->home,
			"policy home, and does not go home");
		return NULL;
	}
	if (!home_only && model_out(irq->target))
		return judge_out(i, d);
	if (model_is("storm") &&
	    m.vcpu[irq->target].state == IRQHOP_VS_RUNNING)
		return NULL;
	REQUIRE(d->action == IRQHOP_STAY, "moves without a reason");
	return NULL;
}

static const char *judge_out(u16 i, const struct irqhop_decision *d)
{
	const struct model_irq *irq = &m.irq[i];
	const u16 latest = model_latest();

	if (m.rule != IRQHOP_RULE_NEVER && model_takes(irq->home)) {
		REQUIRE(d->action == IRQHOP_RETURN && d->target == irq->home,
			"home runs, and it does not go there");
		return NULL;
	}
	if (latest == IRQHOP_NONE) {
		if (m.vcpu[irq->target].state == IRQHOP_VS_HALTED)
			REQUIRE(d->action == IRQHOP_WAIT,
				"does not wait for one that is halted");
		else if (m.vcpu[irq->home].state == IRQHOP_VS_HALTED)
			REQUIRE(d->action == IRQHOP_RETURN &&
				d->target == irq->home && !d->must_run,
				"a halted home is not woken");
		else
			REQUIRE(d->action == IRQHOP_STRAND,
				"nobody runs, and it is not stranded");
		return NULL;
	}
	if (d->action == IRQHOP_HOLD) {
		REQUIRE(!model_may_hop(), "held back below the bound");
		return NULL;
	}
	REQUIRE(d->must_run && model_may_pick(i, d->target),
		"the policy would not pick this one");
	REQUIRE((d->action == IRQHOP_RETURN) == (d->target == irq->home),
		"a hop is not a return");
	return NULL;
}

/* --- events --------------------------------------------------------------- */

enum op {
	OP_SET, OP_ENABLE, OP_ADD, OP_DEL, OP_PATH, OP_SEEN, OP_UNSEEN, OP_MARK,
	OP_POLICY, OP_RULE, OP_HALTED, OP_BOUND, OP_CLOCK, OP_LOOK, OP_PAUSE, OP_DRAIN,
	NR_OPS
};

/* What an argument can be. */
enum arg {
	A_NONE, A_VCPU, A_IRQ, A_PLACE, A_STATE, A_FLAG, A_RARE, A_STEP, A_TIME,
	A_BACK, A_POLICY, A_RULE, A_HALTED, A_BOUND, A_PATH
};

static const struct {
	const char *name;
	u32 weight;
	enum arg arg[4];
} ops[NR_OPS] = {
	[OP_SET]	= { "vCPU, state, in handler, later by", 30,
			    { A_VCPU, A_STATE, A_RARE, A_STEP } },
	[OP_ENABLE]	= { "vCPU, disabled", 3, { A_VCPU, A_RARE } },
	[OP_ADD]	= { "add: home, target, path", 6,
			    { A_PLACE, A_PLACE, A_PATH } },
	[OP_DEL]	= { "del", 2, { A_IRQ } },
	[OP_PATH]	= { "interrupt, path", 1, { A_IRQ, A_PATH } },
	[OP_SEEN]	= { "seen: interrupt, home, target", 3,
			    { A_IRQ, A_PLACE, A_PLACE } },
	[OP_UNSEEN]	= { "at home, and nobody says so", 3, { A_IRQ } },
	[OP_MARK]	= { "mark", 2, { A_IRQ } },
	[OP_POLICY]	= { "policy", 1, { A_POLICY } },
	[OP_RULE]	= { "rule", 1, { A_RULE } },
	[OP_HALTED]	= { "halted rule", 1, { A_HALTED } },
	[OP_BOUND]	= { "bound", 1, { A_BOUND } },
	[OP_CLOCK]	= { "clock: later by, but behind by", 6,
			    { A_TIME, A_BACK } },
	[OP_LOOK]	= { "look: refused", 30, { A_RARE } },
	[OP_PAUSE]	= { "all to user space: vCPU, is in a handler", 1,
			    { A_VCPU, A_FLAG } },
	[OP_DRAIN]	= { "work off everything", 4, { A_NONE } },
};

static const u32 bounds[] = { 0, 1, 100, 1000, 999983, 4294967295 };

static u64 rnd_state;

static u32 rnd(void)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(rnd_state >> 32);
}

static u32 rnd_op(void)
{
	u32 k, sum = 0, r;

	for (k = 0; k < NR_OPS; k++)
		sum += ops[k].weight;
	r = rnd() % sum;
	for (k = 0; r >= ops[k].weight; k++)
		r -= ops[k].weight;
	return k;
}

static u32 rnd_arg(const struct stream *s, enum arg kind)
{
	u32 r = rnd();

	switch (kind) {
	case A_VCPU:
		return r % s->nr_vcpus;
	case A_IRQ:
		return r % s->max_irqs;
	case A_PLACE:
		return r % 61 ? rnd() % s->nr_vcpus : IRQHOP_NONE;
	case A_STATE:
		return r % IRQHOP_NR_VS;
	case A_FLAG:
		return r % 2;
	case A_RARE:
		return r % 5 == 0;
	case A_STEP:
		return r % 3;
	case A_TIME:
		return r % 20000000;
	case A_BACK:
		return r % 4 ? 0 : rnd() % 5000000;
	case A_POLICY:
		return r % irqhop_policy_count();
	case A_RULE:
		return r % IRQHOP_NR_RULES;
	case A_HALTED:
		return r % IRQHOP_NR_HALTED;
	case A_BOUND:
		return r % ARRAY_SIZE(bounds);
	case A_PATH:
		return r % 8 ? IRQHOP_PATH_DIRECT : IRQHOP_PATH_INJECTED;
	default:
		return 0;
	}
}

static void arg_print(enum arg kind, u32 arg)
{
	static const char * const states[IRQHOP_NR_VS] = {
		"unknown", "running", "preempted", "halted", "blocked", "user",
		"off", "leaving",
	};

	switch (kind) {
	case A_NONE:
		return;
	case A_STATE:
		print_error(" %s", states[arg]);
		return;
	case A_FLAG:
	case A_RARE:
		print_error(" %s", arg ? "yes" : "no");
		return;
	case A_POLICY:
		print_error(" %s", irqhop_policy_get(arg)->name);
		return;
	case A_RULE:
		print_error(" %s", irqhop_return_rule_name(arg));
		return;
	case A_HALTED:
		print_error(" %s", irqhop_halted_rule_name(arg));
		return;
	case A_BOUND:
		print_error(" %u", bounds[arg]);
		return;
	case A_PATH:
		print_error(" %s", arg ? "injected" : "direct");
		return;
	default:
		print_error(arg == IRQHOP_NONE ? " nowhere" : " %u", arg);
	}
}

static const char *do_set(u16 v, enum irqhop_vcpu_state state, bool in_handler)
{
	struct model_vcpu *vc = &m.vcpu[v];

	vc->state = state;
	vc->in_handler = in_handler && state != IRQHOP_VS_RUNNING &&
			 state != IRQHOP_VS_LEAVING;
	vc->since = now;
	irqhop_engine_vcpu_set(&e, v, state, in_handler, now);
	return NULL;
}

static const char *do_add(const u32 *arg)
{
	const u16 home = (u16)arg[0], target = (u16)arg[1];
	const enum irqhop_path path = arg[2];
	u16 i = irqhop_engine_irq_add(&e, home, target, path);

	if (i == IRQHOP_NONE) {
		for (i = 0; i < m.max_irqs; i++)
			REQUIRE(m.irq[i].live, "there was room");
		return NULL;
	}
	REQUIRE(i < m.max_irqs && !m.irq[i].live, "a number given twice");
	m.irq[i] = (struct model_irq){ true, false, false, path, home, target,
				       IRQHOP_NONE };
	return NULL;
}

static const char *do_seen(u16 i, const u32 *arg)
{
	struct model_irq *irq = &m.irq[i];
	/* Of those the guest has moved, every other one is moved at once. */
	const u16 home = arg[1] % 3 ? irq->home : (u16)arg[1];
	const u16 target = arg[2] % 2 ? irq->target : (u16)arg[2];
	const bool news = home != irq->home || target != irq->target;

	REQUIRE(irqhop_engine_irq_seen(&e, i, home, target) == news,
		"news is not news");
	irq->unseen = false;
	if (!news)
		return NULL;
	irqhop_engine_irq_mark(&e, i);
	irq->prev = home == irq->home ? irq->target : IRQHOP_NONE;
	irq->home = home;
	irq->target = target;
	return NULL;
}

/*
 * The guest says "home" once more, where home is a vCPU that can be looked at
 * again when it goes out. Nobody tells the engine until there is a look.
 */
static const char *do_unseen(u16 i)
{
	struct model_irq *irq = &m.irq[i];

	if (irq->live && irq->home != IRQHOP_NONE && !model_out(irq->home))
		irq->unseen = true;
	return NULL;
}

static const char *do_policy(u32 arg)
{
	m.policy = irqhop_policy_get(arg);
	m.rule = m.policy->rule;
	m.halted = m.policy->halted;
	irqhop_engine_policy_set(&e, m.policy);
	return NULL;
}

static const char *do_bound(u32 arg)
{
	m.bound = bounds[arg];
	m.used = 0;
	m.clock = m.used_clock;
	irqhop_engine_bound_set(&e, m.bound, m.clock);
	return NULL;
}

static const char *do_clock(const u32 *arg)
{
	u64 t;

	m.used_clock += arg[0];
	t = m.used_clock - arg[1];
	model_clock(t);
	irqhop_engine_clock(&e, t);
	return NULL;
}

static const char *do_move(u16 i, const struct irqhop_decision *d)
{
	struct model_irq *irq = &m.irq[i];

	REQUIRE(d->target < m.nr_vcpus && d->target != irq->target,
		"moves to where it is");
	if (d->action == IRQHOP_HOP) {
		REQUIRE(model_takes(d->target), "hops to one that cannot");
		REQUIRE(!model_is("home"), "hops under the policy home");
		REQUIRE(model_may_hop(), "hops beyond the bound");
		model_hop();
	}
	irqhop_engine_moved(&e, i, d->target);
	REQUIRE(e.irq[i].home == irq->home, "a move changed home");
	irq->prev = irq->target;
	irq->target = d->target;
	return NULL;
}

static void model_seen_at_home(u16 i)
{
	struct model_irq *irq = &m.irq[i];

	irq->unseen = false;
	if (!irqhop_engine_irq_seen(&e, i, irq->home, irq->home))
		return;
	irq->prev = irq->target;
	irq->target = irq->home;
}

/* One look, as the module does it. */
static const char *do_look(bool refused)
{
	const u16 i = irqhop_engine_todo_pop(&e);
	struct irqhop_decision d;
	const char *what;

	if (i == IRQHOP_NONE)
		return NULL;
	REQUIRE(i < m.max_irqs && m.irq[i].live, "a look at none");
	if (m.irq[i].unseen)
		model_seen_at_home(i);
	d = irqhop_engine_decide(&e, i);
	what = judge(i, &d);
	if (what)
		return what;
	m.irq[i].refused = false;
	switch (d.action) {
	case IRQHOP_STAY:
		irqhop_engine_stays(&e, i);
		return NULL;
	case IRQHOP_STRAND:
	case IRQHOP_WAIT:
		irqhop_engine_strand(&e, i);
		return NULL;
	case IRQHOP_HOLD:
		irqhop_engine_hold(&e, i);
		return NULL;
	default:
		if (!refused)
			return do_move(i, &d);
		m.irq[i].refused = true;
		irqhop_engine_strand(&e, i);
		return NULL;
	}
}

/* With all work done, whatever is not where it should be waits for something. */
static const char *settled(u16 i)
{
	struct irqhop_decision d = irqhop_engine_decide(&e, i);
	const bool held = irqhop_engine_irq_on(&e, i, IRQHOP_L_HELD);
	const char *what = judge(i, &d);

	if (what)
		return what;
	REQUIRE(!m.irq[i].unseen || !model_out(m.irq[i].home) ||
		model_keeps(m.irq[i].home), "home went out, and no look");
	if (m.irq[i].refused)
		return NULL;
	switch (d.action) {
	case IRQHOP_STAY:
		return NULL;
	case IRQHOP_STRAND:
	case IRQHOP_WAIT:
		REQUIRE(irqhop_engine_irq_on(&e, i, IRQHOP_L_STRANDED),
			"forgotten");
		REQUIRE(irqhop_engine_irq_stranded(&e, i) ==
			(d.action == IRQHOP_STRAND), "stranded, or not");
		return NULL;
	case IRQHOP_HOLD:
		REQUIRE(held || model_is("storm"), "forgotten, and over the bound");
		return NULL;
	default:
		/* Only then may a return become possible with nothing said. */
		REQUIRE(model_is("storm") ||
			(held && m.rule == IRQHOP_RULE_NEVER),
			"forgotten, and could be moved");
		return NULL;
	}
}

static const char *do_drain(void)
{
	u32 looks = 8 * m.max_irqs + 64;
	const char *what;
	u16 i;

	while (e.nr_todo) {
		REQUIRE(looks--, "work without end");
		what = do_look(false);
		if (what)
			return what;
	}
	for (i = 0; i < m.max_irqs; i++) {
		what = m.irq[i].live ? settled(i) : NULL;
		if (what)
			return what;
	}
	REQUIRE(!e.nr_held || !model_may_hop(), "held back with hops left");
	return NULL;
}

/* The VM is paused: everything goes home, but for what a handler keeps. */
static const char *do_pause(const u32 *arg)
{
	const char *what;
	u32 v, i;

	for (v = 0; v < m.nr_vcpus; v++)
		do_set((u16)v, v % 3 ? IRQHOP_VS_USER : IRQHOP_VS_OFF,
		       v == arg[0] && arg[1]);
	what = do_drain();
	if (what)
		return what;
	for (i = 0; i < m.max_irqs; i++)
		REQUIRE(!m.irq[i].live || m.irq[i].home == m.irq[i].target ||
			m.irq[i].home == IRQHOP_NONE ||
			m.irq[i].target == IRQHOP_NONE ||
			model_keeps(m.irq[i].target), "quiet, and not at home");
	return NULL;
}

static const char *event_do(const struct event *ev)
{
	const u32 *arg = ev->arg;
	const u16 v = (u16)arg[0];	/* which of these it is, depends */
	const u16 i = v;

	switch (ev->op) {
	case OP_SET:
		now += arg[3];
		return do_set(v, arg[1], arg[2]);
	case OP_ENABLE:
		m.vcpu[v].enabled = !arg[1];
		irqhop_engine_vcpu_enable(&e, v, m.vcpu[v].enabled);
		return NULL;
	case OP_ADD:
		return do_add(arg);
	case OP_DEL:
		if (m.irq[i].live)
			irqhop_engine_irq_del(&e, i);
		m.irq[i].live = false;
		return NULL;
	case OP_PATH:
		if (m.irq[i].live) {
			m.irq[i].path = arg[1];
			irqhop_engine_path_set(&e, i, m.irq[i].path);
			irqhop_engine_irq_mark(&e, i);
		}
		return NULL;
	case OP_SEEN:
		return m.irq[i].live ? do_seen(i, arg) : NULL;
	case OP_UNSEEN:
		return do_unseen(i);
	case OP_MARK:
		if (m.irq[i].live)
			irqhop_engine_irq_mark(&e, i);
		return NULL;
	case OP_POLICY:
		return do_policy(arg[0]);
	case OP_RULE:
		m.rule = arg[0];
		irqhop_engine_rule_set(&e, m.rule);
		return NULL;
	case OP_HALTED:
		m.halted = arg[0];
		irqhop_engine_halted_set(&e, m.halted);
		return NULL;
	case OP_BOUND:
		return do_bound(arg[0]);
	case OP_CLOCK:
		return do_clock(arg);
	case OP_LOOK:
		return do_look(arg[0]);
	case OP_PAUSE:
		return do_pause(arg);
	default:
		return do_drain();
	}
}

/* Everything that the engine keeps, against the record. */
static const char *check_all(void)
{
	const char *what = engine_check_all();
	u32 away = 0, todo = 0, stranded = 0, held = 0, live = 0, injected = 0;
	u16 i;

	if (what)
		return what;
	for (i = 0; i < m.max_irqs; i++) {
		const struct model_irq *irq = &m.irq[i];

		REQUIRE(e.irq[i].live == irq->live, "live, or not");
		if (!irq->live)
			continue;
		REQUIRE(e.irq[i].home == irq->home &&
			e.irq[i].target == irq->target &&
			e.irq[i].prev == irq->prev &&
			e.irq[i].path == irq->path, "not where it should be");
		live++;
		injected += irq->path == IRQHOP_PATH_INJECTED;
		away += irqhop_engine_irq_on(&e, i, IRQHOP_L_AWAY);
		todo += irqhop_engine_irq_on(&e, i, IRQHOP_L_TODO);
		held += irqhop_engine_irq_on(&e, i, IRQHOP_L_HELD);
		stranded += irqhop_engine_irq_on(&e, i, IRQHOP_L_STRANDED);
	}
	REQUIRE(e.nr_irqs == live && e.nr_injected == injected &&
		e.nr_away == away && e.nr_todo == todo && e.nr_held == held &&
		e.nr_stranded == stranded, "a count is wrong");
	REQUIRE(e.running == model_latest(), "the first is not the latest");
	REQUIRE(irqhop_engine_quiet(&e) == model_quiet(), "quiet, or not");
	return NULL;
}

/* --- streams --------------------------------------------------------------- */

static const char *stream_run(const struct stream *s, u32 *at)
{
	static char letters[MAX_VCPUS + 1];
	const u32 every = s->max_irqs > 64 ? 50 : 1;
	const char *what = NULL;
	u32 k;

	memset(letters, 'X', s->nr_vcpus);
	letters[s->nr_vcpus] = 0;
	memset(&m, 0, sizeof(m));
	m.nr_vcpus = s->nr_vcpus;
	m.max_irqs = s->max_irqs;
	m.policy = irqhop_policy_get(0);
	m.rule = m.policy->rule;
	m.halted = m.policy->halted;
	m.used_clock = 1000 * MS;
	vcpus_start(m.policy->name, s->max_irqs, letters);
	for (k = 0; k < s->nr_vcpus; k++)
		m.vcpu[k].enabled = true;
	for (k = 0; k < s->nr && !what; k++) {
		*at = k;
		what = event_do(&s->event[k]);
		if (!what && k % every == 0)
			what = check_all();
	}
	return what ? what : check_all();
}

/* What a run says to its parent. */
struct verdict {
	const char *what;	/* the same in both: a constant */
	u32 at;
};

/*
 * In a process of its own: one that crashes, or never ends, fails like any
 * other, and can be made smaller. If @silent, what a sanitizer says is not heard.
 */
static struct verdict stream_try(const struct stream *s, bool silent)
{
	struct verdict verdict = { "crashes", 0 };
	int status, fds[2];
	pid_t pid;

	if (pipe(fds))
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		alarm(20);
		if (silent && !freopen("/dev/null", "w", stderr))
			abort();
		verdict.what = stream_run(s, &verdict.at);
		_exit(write(fds[1], &verdict, sizeof(verdict)) !=
		      sizeof(verdict));
	}
	close(fds[1]);
	if (read(fds[0], &verdict, sizeof(verdict)) != sizeof(verdict))
		verdict.what = "crashes";
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		verdict.what = "never ends";
	return verdict;
}

static const char *wanted;

static bool fails_alike(const struct stream *s)
{
	const char *what = stream_try(s, true).what;

	return what && !strcmp(what, wanted);
}

static void stream_print(const struct stream *s)
{
	u32 k, a;

	print_error("%u vCPUs, %u interrupts:\n", s->nr_vcpus, s->max_irqs);
	for (k = 0; k < s->nr; k++) {
		const struct event *ev = &s->event[k];

		print_error("  %s", ops[ev->op].name);
		for (a = 0; a < ARRAY_SIZE(ev->arg); a++)
			arg_print(ops[ev->op].arg[a], ev->arg[a]);
		print_error("\n");
	}
}

static void stream_make(struct stream *s, bool large)
{
	struct event *ev;
	u32 k, a;

	s->nr_vcpus = (u16)(1 + rnd() % (large ? MAX_VCPUS : 12));
	s->max_irqs = (u16)(1 + rnd() % (large ? MAX_IRQS : 20));
	s->nr = large ? 1500 : 600;
	s->event = calloc(s->nr, sizeof(*s->event));
	if (!s->event)
		abort();
	for (k = 0; k < s->nr; k++) {
		ev = &s->event[k];
		/* Many interrupts are wanted, from the start on. */
		ev->op = large && k < s->nr / 3 && k % 2 ? OP_ADD : rnd_op();
		for (a = 0; a < ARRAY_SIZE(ev->arg); a++)
			ev->arg[a] = rnd_arg(s, ops[ev->op].arg[a]);
	}
}

static u64 env_number(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_random(void **state)
{
	const u64 seed = env_number("IRQHOP_SEED", (u64)time(NULL));
	const u64 streams = env_number("IRQHOP_STREAMS", 200);
	struct verdict verdict = { NULL, 0 };
	struct stream s;
	u64 k;

	(void)state;
	print_message("IRQHOP_SEED=%" PRIu64 "\n", seed);
	rnd_state = seed;
	for (k = 0; k < streams; k++) {
		stream_make(&s, k % 10 == 9);
		verdict = stream_try(&s, false);
		if (verdict.what)
			break;
		free(s.event);
	}
	if (!verdict.what)
		return;
	print_error("IRQHOP_SEED=%" PRIu64 ", stream %" PRIu64 ": %s\n", seed,
		    k, verdict.what);
	wanted = verdict.what;
	if (strcmp(wanted, "crashes"))
		s.nr = verdict.at + 1;
	stream_shrink(&s, fails_alike);
	stream_print(&s);
	free(s.event);
	fail();
}

/* --- the test of the test ---------------------------------------------------- */

/* A hop while 3 run, and a look thereafter: no such thing is ever wrong. */
static bool fails_for_the_test(const struct stream *s)
{
	bool seen = false;
	u32 k;

	for (k = 0; k < s->nr; k++) {
		if (s->event[k].op == OP_SET && s->event[k].arg[0] == 3)
			seen = true;
		else if (seen && s->event[k].op == OP_LOOK)
			return true;
	}
	return false;
}

static void test_shrink(void **state)
{
	struct stream s;

	(void)state;
	rnd_state = 1;
	stream_make(&s, false);
	s.event[100] = (struct event){ OP_SET, { 3, 1, 0, 0 } };
	s.event[400] = (struct event){ OP_LOOK, { 0, 0, 0, 0 } };
	assert_true(fails_for_the_test(&s));
	stream_shrink(&s, fails_for_the_test);
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.event[0].op, OP_SET);
	assert_int_equal(s.event[0].arg[0], 3);
	assert_int_equal(s.event[1].op, OP_LOOK);
	free(s.event);
}

/* One that crashes is told from one that does not. */
static void test_verdict(void **state)
{
	struct event none = { NR_OPS, { 0, 0, 0, 0 } };
	struct stream s = { 1, 1, 1, &none };

	(void)state;
	assert_null(stream_try(&s, true).what);
	s.event = NULL;
	assert_string_equal(stream_try(&s, true).what, "crashes");
}

int property_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("property", tests, NULL, group_end);
}
