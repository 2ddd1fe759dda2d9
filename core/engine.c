// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the engine.
 *
 * Interrupts are on doubly linked rings of indices: by target, by home, those
 * that are away, those that are stranded or held back, and those that want a
 * look. So each event costs as much as there are interrupts concerned by it,
 * and a decision reads a fixed number of words, however large the VM.
 */
#include "engine.h"

#define NS_PER_S	1000000000U

#define WAITING		(IRQHOP_BIT(IRQHOP_L_STRANDED) | \
			 IRQHOP_BIT(IRQHOP_L_HELD))

/* Home and target are known. */
#define PLACED		(IRQHOP_BIT(IRQHOP_L_HOME) | \
			 IRQHOP_BIT(IRQHOP_L_TARGET))

/* Of the lists that are nobody's. */
#define OWN	irqhop_head(0)

static u8 vcpu_is(const struct irqhop_engine *e,
		  const struct irqhop_engine_vcpu *vc)
{
	/*
	 * The guest is in the middle of handling an interrupt there, or may be:
	 * some guests lose one that arrives elsewhere meanwhile.
	 */
	if (vc->in_handler && !irqhop_mutant(IN_HANDLER))
		return IRQHOP_KEEPS;

	switch ((enum irqhop_vcpu_state)vc->state) {
	case IRQHOP_VS_RUNNING:
		return vc->enabled || irqhop_mutant(ENABLED) ? IRQHOP_TAKES : 0;
	case IRQHOP_VS_PREEMPTED:
	case IRQHOP_VS_BLOCKED:
	case IRQHOP_VS_USER:
	case IRQHOP_VS_OFF:
		return IRQHOP_OUT;
	case IRQHOP_VS_HALTED:
		return e->halted == IRQHOP_HALTED_HOP &&
		       !irqhop_mutant(HALTED_HOP) ? IRQHOP_OUT : 0;
	case IRQHOP_VS_LEAVING:
		return irqhop_mutant(LEAVING) ? IRQHOP_OUT : IRQHOP_KEEPS;
	case IRQHOP_VS_UNKNOWN:
		return IRQHOP_KEEPS;
	default:
		return 0;
	}
}

/*
 * Behind all others. Here and below the table is an argument of its own, since
 * a compiler that must not tell types apart would read its address again after
 * each change of a link.
 */
static inline void list_link(struct irqhop_engine_irq *irq, int head,
			     enum irqhop_list_id id, u32 i)
{
	struct irqhop_engine_irq *h = irq + head;
	const int last = h->link[id].prev;

	irq[i].link[id].prev = (s16)last;
	irq[i].link[id].next = (s16)head;
	h->link[id].prev = (s16)i;
	irq[last].link[id].next = (s16)i;
}

static inline void list_unlink(struct irqhop_engine_irq *irq,
			       enum irqhop_list_id id, u32 i)
{
	const int prev = irq[i].link[id].prev;
	const int next = irq[i].link[id].next;

	irq[prev].link[id].next = (s16)next;
	irq[next].link[id].prev = (s16)prev;
}

static inline void list_add(struct irqhop_engine_irq *irq, int head,
			    enum irqhop_list_id id, u32 i)
{
	irq[i].on |= (u8)IRQHOP_BIT(id);
	list_link(irq, head, id, i);
}

static inline void list_del(struct irqhop_engine_irq *irq,
			    enum irqhop_list_id id, u32 i)
{
	irq[i].on &= (u8)~IRQHOP_BIT(id);
	list_unlink(irq, id, i);
}

/* Negative if there is none. */
static int list_next(const struct irqhop_engine *e, enum irqhop_list_id id,
		     int i)
{
	return e->irq[i].link[id].next;
}

/* An empty list: its head is on both sides of itself. */
static void link_head(struct irqhop_link *link, u32 n)
{
	link->prev = (s16)irqhop_head(n);
	link->next = (s16)irqhop_head(n);
}

/* The running order: latest first, among equals the lowest index first. */
static void run_add(struct irqhop_engine *e, u16 v)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];
	u16 prev = IRQHOP_NONE;
	u16 next = e->running;

	while (next != IRQHOP_NONE &&
	       (e->vcpu[next].since > vc->since ||
		(next < v && e->vcpu[next].since == vc->since))) {
		prev = next;
		next = e->vcpu[next].run_next;
	}
	vc->run_prev = prev;
	vc->run_next = next;
	if (prev == IRQHOP_NONE)
		e->running = v;
	else
		e->vcpu[prev].run_next = v;
	if (next != IRQHOP_NONE)
		e->vcpu[next].run_prev = v;
}

static void run_del(struct irqhop_engine *e, u16 v)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];

	if (vc->run_prev == IRQHOP_NONE)
		e->running = vc->run_next;
	else
		e->vcpu[vc->run_prev].run_next = vc->run_next;
	if (vc->run_next != IRQHOP_NONE)
		e->vcpu[vc->run_next].run_prev = vc->run_prev;
	vc->run_prev = IRQHOP_NONE;
	vc->run_next = IRQHOP_NONE;
}

static u32 load_of(u32 nr)
{
	return nr < IRQHOP_NR_LOADS ? nr : IRQHOP_NR_LOADS - 1;
}

/* Among those with as many interrupts: first, or last. */
static inline void load_add(struct irqhop_engine *e, u32 v, u32 n, bool first)
{
	struct irqhop_link *load = e->load;
	int prev = irqhop_head(n);
	int next;

	if (!first)
		prev = load[prev].prev;
	next = load[prev].next;
	load[v].prev = (s16)prev;
	load[v].next = (s16)next;
	load[prev].next = (s16)v;
	load[next].prev = (s16)v;
	e->loads |= 1ULL << n;
}

static inline void load_del(struct irqhop_engine *e, u32 v, u32 n)
{
	struct irqhop_link *load = e->load;
	const int prev = load[v].prev;
	const int next = load[v].next;

	load[prev].next = (s16)next;
	load[next].prev = (s16)prev;
	/* Only a head is on both sides. */
	if (prev == next)
		e->loads &= ~(1ULL << n);
}

static inline void least_find(struct irqhop_engine *e)
{
	u16 least = IRQHOP_NONE;

	if (likely(e->loads))
		least = (u16)e->load[irqhop_head((u32)
				     __builtin_ctzll(e->loads))].next;
	e->least = least;
}

static void load_init(struct irqhop_engine *e)
{
	u16 i, n, v;

	e->loads = 0;
	for (n = 0; n < IRQHOP_NR_LOADS; n++)
		link_head(e->load + irqhop_head(n), n);
	for (v = 0; v < e->nr_vcpus; v++)
		e->vcpu[v].nr = 0;
	if (e->policy->flags & IRQHOP_POLICY_LEAST) {
		for (i = 0; i < e->max_irqs; i++)
			if (e->irq[i].target != IRQHOP_NONE)
				e->vcpu[e->irq[i].target].nr++;
		for (v = e->running; v != IRQHOP_NONE; v = e->vcpu[v].run_next)
			load_add(e, v, load_of(e->vcpu[v].nr), false);
	}
	least_find(e);
}

/*
 * More or fewer interrupts point at a vCPU. It becomes the last of its like:
 * where all have too many to be told apart, they take turns.
 */
static inline void load_change(struct irqhop_engine *e, u16 v, int by)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];
	const u32 old = vc->nr;
	const u32 nr = old + (u32)by;

	vc->nr = (u16)nr;
	if (!(vc->is & IRQHOP_TAKES))
		return;
	load_del(e, v, load_of(old));
	load_add(e, v, load_of(nr), false);
	least_find(e);
}

static void home_set(struct irqhop_engine *e, u16 i, u16 home)
{
	struct irqhop_engine_irq *irq = &e->irq[i];

	if (irq->home != IRQHOP_NONE)
		list_del(e->irq, IRQHOP_L_HOME, i);
	irq->home = home;
	if (home != IRQHOP_NONE)
		list_add(e->irq, irqhop_head(1 + home), IRQHOP_L_HOME, i);
}

static void target_set(struct irqhop_engine *e, u16 i, u16 target)
{
	struct irqhop_engine_irq *irq = e->irq;
	const u16 old = irq[i].target;

	irq[i].target = target;
	if (old != IRQHOP_NONE)
		list_del(irq, IRQHOP_L_TARGET, i);
	if (target != IRQHOP_NONE)
		list_add(irq, irqhop_head(1 + target), IRQHOP_L_TARGET, i);
	if (!(e->policy->flags & IRQHOP_POLICY_LEAST))
		return;
	if (old != IRQHOP_NONE)
		load_change(e, old, -1);
	if (target != IRQHOP_NONE)
		load_change(e, target, 1);
}

static void away_set(struct irqhop_engine *e, u16 i, bool away)
{
	struct irqhop_engine_irq *irq = e->irq;

	if (away == irqhop_engine_irq_on(e, i, IRQHOP_L_AWAY))
		return;
	if (away) {
		list_add(irq, OWN, IRQHOP_L_AWAY, i);
		e->nr_away++;
	} else {
		list_del(irq, IRQHOP_L_AWAY, i);
		e->nr_away--;
	}
}

/* After a change of home or target. */
static void away_update(struct irqhop_engine *e, u16 i)
{
	const struct irqhop_engine_irq *irq = &e->irq[i];
	bool placed = irq->home != IRQHOP_NONE && irq->target != IRQHOP_NONE;

	away_set(e, i, placed && irq->home != irq->target);
}

/*
 * As long as a hop is allowed, the first of those held back is on the list of
 * those to be looked at. Each that gets its answer makes room for the next.
 */
static void held_next(struct irqhop_engine *e)
{
	if (e->nr_held && !e->dry && !irqhop_mutant(HELD_MARK))
		irqhop_engine_irq_mark(e, (u16)list_next(e, IRQHOP_L_HELD, OWN));
}

/* It waits no more: neither stranded nor held back. */
static noinline void unwait(struct irqhop_engine *e, u16 i)
{
	if (irqhop_engine_irq_on(e, i, IRQHOP_L_STRANDED) &&
	    !irqhop_mutant(UNSTRAND)) {
		list_del(e->irq, IRQHOP_L_STRANDED, i);
		e->nr_stranded--;
	}
	if (irqhop_engine_irq_on(e, i, IRQHOP_L_HELD)) {
		list_del(e->irq, IRQHOP_L_HELD, i);
		e->nr_held--;
		held_next(e);
	}
}

/*
 * Is it to go home although its target may well be running? Its home runs, and
 * it does not wait for an occasion.
 */
static bool goes_home(const struct irqhop_engine *e,
		      const struct irqhop_engine_irq *irq)
{
	return e->rule == IRQHOP_RULE_EAGER && !irqhop_mutant(EAGER) &&
	       (irq->on & IRQHOP_BIT(IRQHOP_L_AWAY)) &&
	       irqhop_engine_vcpu_takes(e, irq->home);
}

static void mark_list(struct irqhop_engine *e, int head, enum irqhop_list_id id)
{
	int i;

	for (i = list_next(e, id, head); i >= 0; i = list_next(e, id, i))
		irqhop_engine_irq_mark(e, (u16)i);
}

static void mark_all(struct irqhop_engine *e)
{
	u16 i;

	for (i = 0; i < e->max_irqs; i++)
		if (e->irq[i].live)
			irqhop_engine_irq_mark(e, i);
}

/* Those held back for which this vCPU makes a difference. */
static void mark_held(struct irqhop_engine *e, u16 v)
{
	int i = OWN;

	while ((i = list_next(e, IRQHOP_L_HELD, i)) >= 0)
		if (e->irq[i].target == v || e->irq[i].home == v)
			irqhop_engine_irq_mark(e, (u16)i);
}

static void mark_goes_home(struct irqhop_engine *e, u16 v,
			   enum irqhop_list_id id)
{
	int i = irqhop_head(1 + v);

	while ((i = list_next(e, id, i)) >= 0)
		if (goes_home(e, &e->irq[i]))
			irqhop_engine_irq_mark(e, (u16)i);
}

/* This vCPU runs, or can take interrupts now, or waits for one. */
static void mark_ready(struct irqhop_engine *e, u16 v)
{
	if (!irqhop_mutant(STRANDED_MARK))
		mark_list(e, OWN, IRQHOP_L_STRANDED);
	mark_held(e, v);
	if (e->rule == IRQHOP_RULE_EAGER) {
		mark_goes_home(e, v, IRQHOP_L_TARGET);
		mark_goes_home(e, v, IRQHOP_L_HOME);
	}
}

/* From now on this vCPU can be chosen. */
static void vcpu_offer(struct irqhop_engine *e, u16 v)
{
	run_add(e, v);
	if (!(e->policy->flags & IRQHOP_POLICY_LEAST))
		return;
	/* Of equals the one that was scheduled in last, as in "recent". */
	load_add(e, v, load_of(e->vcpu[v].nr), true);
	least_find(e);
}

static void vcpu_withdraw(struct irqhop_engine *e, u16 v)
{
	run_del(e, v);
	if (e->policy->flags & IRQHOP_POLICY_LEAST) {
		load_del(e, v, load_of(e->vcpu[v].nr));
		least_find(e);
	}
	/* Nobody is left to hop to: another answer may be possible. */
	if (e->running == IRQHOP_NONE)
		mark_list(e, OWN, IRQHOP_L_HELD);
}

static void heads_init(struct irqhop_engine *e, u32 n)
{
	u32 id;

	for (id = 0; id < IRQHOP_NR_L; id++)
		link_head(&e->irq[irqhop_head(n)].link[id], n);
}

static void irq_free(struct irqhop_engine *e, u16 i)
{
	struct irqhop_engine_irq *irq = &e->irq[i];

	irq->home = IRQHOP_NONE;
	irq->target = IRQHOP_NONE;
	irq->prev = IRQHOP_NONE;
	irq->path = IRQHOP_PATH_DIRECT;
	irq->live = false;
	list_add(e->irq, OWN, IRQHOP_L_TARGET, i);
}

/**
 * irqhop_engine_size - memory that an engine needs
 * @nr_vcpus: vCPUs of the VM
 * @max_irqs: most interrupts it is to know
 *
 * Return: bytes.
 */
size_t irqhop_engine_size(u16 nr_vcpus, u16 max_irqs)
{
	return nr_vcpus * sizeof(struct irqhop_engine_vcpu) +
	       (IRQHOP_NR_LOADS + nr_vcpus) * sizeof(struct irqhop_link) +
	       (nr_vcpus + 1 + max_irqs) * sizeof(struct irqhop_engine_irq);
}

/**
 * irqhop_engine_init - start with no interrupts and all vCPUs unknown
 * @e: the engine
 * @mem: memory for its tables, aligned for a u64, not looked at
 * @size: of @mem
 * @nr_vcpus: vCPUs of the VM
 * @max_irqs: most interrupts it is to know
 * @policy: which policy; the return rule is its own
 *
 * There is no bound. Every vCPU starts as unable to take interrupts;
 * irqhop_engine_vcpu_enable() says otherwise.
 *
 * Return: false if an argument is out of range or @size is too small.
 */
bool irqhop_engine_init(struct irqhop_engine *e, void *mem, size_t size,
			u16 nr_vcpus, u16 max_irqs,
			const struct irqhop_policy *policy)
{
	u16 i;

	if (!nr_vcpus || nr_vcpus > IRQHOP_MAX_VCPUS || !max_irqs ||
	    max_irqs > IRQHOP_MAX_IRQS || !policy ||
	    size < irqhop_engine_size(nr_vcpus, max_irqs))
		return false;

	e->policy = policy;
	e->rule = (u8)policy->rule;
	e->halted = (u8)policy->halted;
	e->quiet = false;
	e->dry = false;
	e->vcpu = mem;
	e->load = (struct irqhop_link *)(e->vcpu + nr_vcpus) + IRQHOP_NR_LOADS;
	e->irq = (struct irqhop_engine_irq *)(e->load + nr_vcpus) + nr_vcpus + 1;
	e->nr_vcpus = nr_vcpus;
	e->max_irqs = max_irqs;
	e->running = IRQHOP_NONE;
	e->nr_irqs = 0;
	e->nr_injected = 0;
	e->nr_away = 0;
	e->nr_todo = 0;
	e->nr_stranded = 0;
	e->nr_held = 0;
	e->bound = 0;
	e->hop_ns = 0;
	e->credit = 0;
	e->credit_max = 0;
	e->clock = 0;
	e->doubt = true;

	for (i = 0; i < IRQHOP_NR_VS; i++)
		e->nr_in[i] = 0;
	e->nr_in[IRQHOP_VS_UNKNOWN] = nr_vcpus;

	for (i = 0; i < nr_vcpus; i++) {
		struct irqhop_engine_vcpu *vc = &e->vcpu[i];

		vc->since = 0;
		vc->state = IRQHOP_VS_UNKNOWN;
		vc->in_handler = false;
		vc->enabled = false;
		vc->is = vcpu_is(e, vc);
		vc->run_prev = IRQHOP_NONE;
		vc->run_next = IRQHOP_NONE;
		vc->polls = 0;
		vc->idles = 0;
	}
	for (i = 0; i <= nr_vcpus; i++)
		heads_init(e, i);
	for (i = 0; i < max_irqs; i++) {
		e->irq[i].on = 0;
		irq_free(e, i);
	}
	load_init(e);
	return true;
}

/**
 * irqhop_engine_copy - carry everything over into another engine
 * @dst: freshly initialised, with as many vCPUs and no fewer interrupts
 * @src: left alone
 *
 * Interrupts keep their numbers.
 */
void irqhop_engine_copy(struct irqhop_engine *dst,
			const struct irqhop_engine *src)
{
	struct irqhop_engine_vcpu *vcpu = dst->vcpu;
	struct irqhop_engine_irq *irq = dst->irq;
	struct irqhop_link *load = dst->load;
	const u16 max_irqs = dst->max_irqs;
	int i;

	*dst = *src;
	dst->vcpu = vcpu;
	dst->irq = irq;
	dst->load = load;
	dst->max_irqs = max_irqs;
	for (i = 0; i < src->nr_vcpus; i++)
		vcpu[i] = src->vcpu[i];
	for (i = -IRQHOP_NR_LOADS; i < src->nr_vcpus; i++)
		load[i] = src->load[i];
	for (i = -1 - src->nr_vcpus; i < src->max_irqs; i++)
		irq[i] = src->irq[i];
	for (; i < max_irqs; i++) {
		irq[i].on = 0;
		irq_free(dst, (u16)i);
	}
}

/**
 * irqhop_engine_policy_set - change the policy, and the rules to its own
 * @e: the engine
 * @policy: the new one
 *
 * Every interrupt gets a look: the new policy may want it home, or want it
 * moved where the old one did not.
 */
void irqhop_engine_policy_set(struct irqhop_engine *e,
			      const struct irqhop_policy *policy)
{
	u16 v;

	e->policy = policy;
	/* Nobody has counted meanwhile. */
	for (v = 0; v < e->nr_vcpus; v++) {
		e->vcpu[v].polls = 0;
		e->vcpu[v].idles = 0;
	}
	load_init(e);
	irqhop_engine_rule_set(e, policy->rule);
	irqhop_engine_halted_set(e, policy->halted);
}

/**
 * irqhop_engine_rule_set - change the return rule
 * @e: the engine
 * @rule: the new one, until the policy changes
 *
 * Every interrupt gets a look.
 */
void irqhop_engine_rule_set(struct irqhop_engine *e,
			    enum irqhop_return_rule rule)
{
	e->rule = (u8)rule;
	mark_all(e);
}

/**
 * irqhop_engine_halted_set - change the halted rule
 * @e: the engine
 * @rule: the new one, until the policy changes
 *
 * Every interrupt gets a look.
 */
void irqhop_engine_halted_set(struct irqhop_engine *e,
			      enum irqhop_halted_rule rule)
{
	u16 v;

	e->halted = (u8)rule;
	for (v = 0; v < e->nr_vcpus; v++)
		e->vcpu[v].is = vcpu_is(e, &e->vcpu[v]);
	mark_all(e);
}

static void credit_set(struct irqhop_engine *e, s64 credit)
{
	e->credit = credit;
	e->dry = credit < e->hop_ns;
}

/**
 * irqhop_engine_bound_set - change how many hops there may be
 * @e: the engine
 * @hops_per_second: 0 for no bound
 * @now: as for irqhop_engine_clock()
 *
 * In any period there are at most as many as this comes to in it, and a tenth
 * of a second's worth or %IRQHOP_MIN_BURST more, whichever is larger. Returns
 * do not count.
 */
void irqhop_engine_bound_set(struct irqhop_engine *e, u32 hops_per_second,
			     u64 now)
{
	u32 burst = hops_per_second / 10;

	if (burst < IRQHOP_MIN_BURST)
		burst = IRQHOP_MIN_BURST;
	e->bound = hops_per_second;
	/* Rounded up: rather too few than too many. */
	e->hop_ns = hops_per_second ? (NS_PER_S - 1) / hops_per_second + 1 : 0;
	e->credit_max = (s64)burst * e->hop_ns;
	e->clock = now;
	credit_set(e, e->credit_max);
	held_next(e);
}

/**
 * irqhop_engine_clock - say what time it is
 * @e: the engine
 * @now: monotonic, in ns; one that is behind an earlier one (another pCPU's)
 *	does no harm
 *
 * Marks what was held back, if a hop is allowed again.
 */
void irqhop_engine_clock(struct irqhop_engine *e, u64 now)
{
	const u64 passed = now - e->clock;
	const u64 room = (u64)(e->credit_max - e->credit);

	if (now <= e->clock)
		return;
	e->clock = now;
	credit_set(e, passed < room ? e->credit + (s64)passed : e->credit_max);
	held_next(e);
}

/**
 * irqhop_engine_quiet - has every vCPU gone to user space or been switched off
 * @e: the engine
 *
 * Return: true if so.
 */
bool irqhop_engine_quiet(const struct irqhop_engine *e)
{
	return e->quiet;
}

/**
 * irqhop_engine_vcpu_set - say where a vCPU is
 * @e: the engine
 * @v: the vCPU
 * @state: its state
 * @in_handler: it is out, and was inside an interrupt handler when it left
 * @since: for a running one, when it was scheduled in; any clock will do
 *
 * Marks the interrupts for which this makes a difference.
 */
void irqhop_engine_vcpu_set(struct irqhop_engine *e, u16 v,
			    enum irqhop_vcpu_state state, bool in_handler,
			    u64 since)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];

	if (irqhop_engine_vcpu_takes(e, v))
		vcpu_withdraw(e, v);
	e->nr_in[vc->state]--;
	e->nr_in[state]++;
	e->quiet = e->nr_in[IRQHOP_VS_USER] + e->nr_in[IRQHOP_VS_OFF] ==
		   e->nr_vcpus;
	vc->state = (u8)state;
	vc->since = since;
	vc->in_handler = in_handler && state != IRQHOP_VS_RUNNING &&
			 state != IRQHOP_VS_LEAVING;
	vc->is = vcpu_is(e, vc);
	if (irqhop_engine_vcpu_takes(e, v))
		vcpu_offer(e, v);

	if (state == IRQHOP_VS_PREEMPTED &&
	    (e->policy->flags & IRQHOP_POLICY_STORM))
		mark_all(e);
	if (vc->is & IRQHOP_OUT) {
		mark_list(e, irqhop_head(1 + v), IRQHOP_L_TARGET);
		/*
		 * Those at home here count as well: if the guest has just said
		 * "home" again, the hardware points here, not where we think.
		 */
		if (e->doubt && !irqhop_mutant(HOME_MARK))
			mark_list(e, irqhop_head(1 + v), IRQHOP_L_HOME);
	}
	/* It keeps what it has, unless all is to go home anyway. */
	if (state == IRQHOP_VS_HALTED &&
	    (e->policy->flags & IRQHOP_POLICY_HOME))
		mark_list(e, irqhop_head(1 + v), IRQHOP_L_TARGET);
	/* A halted one: what nobody could take can wake it, if at home here. */
	if (state == IRQHOP_VS_RUNNING || state == IRQHOP_VS_HALTED)
		mark_ready(e, v);
	if (e->quiet)
		mark_list(e, OWN, IRQHOP_L_AWAY);
}

/**
 * irqhop_engine_vcpu_enable - say whether a vCPU can take interrupts at all
 * @e: the engine
 * @v: the vCPU
 * @enabled: the guest has enabled LPIs there
 */
void irqhop_engine_vcpu_enable(struct irqhop_engine *e, u16 v, bool enabled)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];

	if (vc->enabled == enabled)
		return;
	if (irqhop_engine_vcpu_takes(e, v))
		vcpu_withdraw(e, v);
	vc->enabled = enabled;
	vc->is = vcpu_is(e, vc);
	if (irqhop_engine_vcpu_takes(e, v)) {
		vcpu_offer(e, v);
		mark_ready(e, v);
	}
}

/**
 * irqhop_engine_irq_add - a new interrupt
 * @e: the engine
 * @home: the vCPU that the guest's affinity names, or %IRQHOP_NONE
 * @target: the vCPU that it points at, or %IRQHOP_NONE
 * @path: how it gets there
 *
 * It gets a look: its target may be out right now.
 *
 * Return: its number, %IRQHOP_NONE if there is no room.
 */
u16 irqhop_engine_irq_add(struct irqhop_engine *e, u16 home, u16 target,
			  enum irqhop_path path)
{
	int first = list_next(e, IRQHOP_L_TARGET, OWN);
	u16 i = (u16)first;

	if (first < 0)
		return IRQHOP_NONE;
	list_del(e->irq, IRQHOP_L_TARGET, i);
	e->irq[i].live = true;
	e->irq[i].path = path;
	e->nr_irqs++;
	e->nr_injected += path == IRQHOP_PATH_INJECTED;
	home_set(e, i, home);
	target_set(e, i, target);
	away_update(e, i);
	irqhop_engine_irq_mark(e, i);
	return i;
}

/**
 * irqhop_engine_path_set - an interrupt takes another path from now on
 * @e: the engine
 * @irq: the interrupt
 * @path: which one
 */
void irqhop_engine_path_set(struct irqhop_engine *e, u16 irq,
			    enum irqhop_path path)
{
	e->nr_injected -= e->irq[irq].path == IRQHOP_PATH_INJECTED;
	e->nr_injected += path == IRQHOP_PATH_INJECTED;
	e->irq[irq].path = path;
}

/**
 * irqhop_engine_irq_del - an interrupt is gone
 * @e: the engine
 * @irq: its number, free from now on
 */
void irqhop_engine_irq_del(struct irqhop_engine *e, u16 irq)
{
	unwait(e, irq);
	home_set(e, irq, IRQHOP_NONE);
	target_set(e, irq, IRQHOP_NONE);
	away_update(e, irq);
	if (irqhop_engine_irq_on(e, irq, IRQHOP_L_TODO)) {
		list_del(e->irq, IRQHOP_L_TODO, irq);
		e->nr_todo--;
	}
	e->nr_irqs--;
	e->nr_injected -= e->irq[irq].path == IRQHOP_PATH_INJECTED;
	irq_free(e, irq);
}

static noinline void news(struct irqhop_engine *e, u16 i, u16 home, u16 target)
{
	struct irqhop_engine_irq *irq = &e->irq[i];

	/* If it is the guest that wants it elsewhere: not where it came from. */
	irq->prev = irq->home == home ? irq->target : IRQHOP_NONE;
	if (irq->home != home)
		home_set(e, i, home);
	target_set(e, i, target);
	away_update(e, i);
}

/**
 * irqhop_engine_irq_seen - what was found to be the case for an interrupt
 * @e: the engine
 * @i: the interrupt
 * @home: the vCPU that the guest's affinity names now, or %IRQHOP_NONE
 * @target: the vCPU that it points at now, or %IRQHOP_NONE
 *
 * Return: true if this is news, so that the interrupt deserves a look.
 */
bool irqhop_engine_irq_seen(struct irqhop_engine *e, u16 i, u16 home,
			    u16 target)
{
	const struct irqhop_engine_irq *irq = &e->irq[i];

	if (irq->home == home && irq->target == target)
		return false;
	news(e, i, home, target);
	return true;
}

/**
 * irqhop_engine_doubt_set - may an interrupt point elsewhere than we were told
 * @e: the engine
 * @doubt: the guest has moved some, perhaps, and not all were looked at since.
 *	True until somebody says otherwise.
 *
 * With doubt, a home that goes out has all looked at that are at home there,
 * wherever they point. There are so many looks that nobody should have it for
 * long.
 */
void irqhop_engine_doubt_set(struct irqhop_engine *e, bool doubt)
{
	e->doubt = doubt;
}

/**
 * irqhop_engine_stranded_mark - have a look at all that are stranded
 * @e: the engine
 *
 * For the case that something has changed of which no event tells.
 */
void irqhop_engine_stranded_mark(struct irqhop_engine *e)
{
	mark_list(e, OWN, IRQHOP_L_STRANDED);
}

/**
 * irqhop_engine_irq_mark - have a look at this one
 * @e: the engine
 * @irq: the interrupt
 */
void irqhop_engine_irq_mark(struct irqhop_engine *e, u16 irq)
{
	if (irqhop_engine_irq_on(e, irq, IRQHOP_L_TODO))
		return;
	list_add(e->irq, OWN, IRQHOP_L_TODO, irq);
	e->nr_todo++;
}

/**
 * irqhop_engine_todo_pop - the next interrupt that wants a look
 * @e: the engine
 *
 * Return: its number, %IRQHOP_NONE if there is none.
 */
u16 irqhop_engine_todo_pop(struct irqhop_engine *e)
{
	u16 i = irqhop_engine_todo_first(e);

	if (i != IRQHOP_NONE) {
		list_del(e->irq, IRQHOP_L_TODO, i);
		e->nr_todo--;
	}
	return i;
}

/* By itself: the rare case is not to make the others compute a common answer. */
static noinline struct irqhop_decision decide_hold(void)
{
	return (struct irqhop_decision){ IRQHOP_HOLD, IRQHOP_NONE, false };
}

/* It is to go to a vCPU that runs. */
static struct irqhop_decision decide_move(const struct irqhop_engine *e,
					  u16 home, u16 to)
{
	if (to == home)
		return (struct irqhop_decision){ IRQHOP_RETURN, to, true };
	if (unlikely(e->dry) && !irqhop_mutant(BOUND))
		return decide_hold();
	return (struct irqhop_decision){ IRQHOP_HOP, to, true };
}

/*
 * The target of an interrupt is out: who is to have it? If nobody runs, a home
 * that waits for an interrupt: this one wakes it, as it would without us. The
 * target may stay away for as long as it likes, or for good; unless it waits
 * for an interrupt itself.
 */
static inline struct irqhop_decision
decide_out(const struct irqhop_engine *e, u16 i)
{
	const struct irqhop_engine_irq *irq = &e->irq[i];
	const u16 home = irq->home;
	u16 to;

	if (e->rule != IRQHOP_RULE_NEVER && irqhop_engine_vcpu_takes(e, home))
		return (struct irqhop_decision){ IRQHOP_RETURN, home, true };
	to = e->policy->pick(e, i);
	if (likely(to != IRQHOP_NONE))
		return decide_move(e, home, to);
	if (e->vcpu[irq->target].state == IRQHOP_VS_HALTED)
		return (struct irqhop_decision){ IRQHOP_WAIT, IRQHOP_NONE,
						 false };
	if (e->vcpu[home].state == IRQHOP_VS_HALTED &&
	    !irqhop_mutant(HALTED_HOME))
		return (struct irqhop_decision){ IRQHOP_RETURN, home, false };
	return (struct irqhop_decision){ IRQHOP_STRAND, IRQHOP_NONE, false };
}

/* The target runs, or waits for an interrupt, or keeps what it has. */
static noinline struct irqhop_decision
decide_not_out(const struct irqhop_engine *e, u16 i)
{
	const struct irqhop_engine_irq *irq = &e->irq[i];
	const struct irqhop_engine_vcpu *vc = &e->vcpu[irq->target];
	const u32 flags = e->policy->flags;
	u16 to = IRQHOP_NONE;

	if (vc->is & IRQHOP_KEEPS) {
		/* What KVM saves of a VM goes by its record of the home. */
		if (e->quiet && irq->path == IRQHOP_PATH_INJECTED &&
		    irq->home != irq->target &&
		    !irqhop_mutant(INJECTED_QUIET))
			return (struct irqhop_decision){ IRQHOP_RETURN,
							 irq->home, false };
		return (struct irqhop_decision){ IRQHOP_STAY, IRQHOP_NONE,
						 false };
	}
	if (goes_home(e, irq))
		return decide_move(e, irq->home, irq->home);
	if ((flags & IRQHOP_POLICY_HOME) && vc->state == IRQHOP_VS_HALTED &&
	    irq->home != irq->target)
		return (struct irqhop_decision){ IRQHOP_RETURN, irq->home,
						 false };
	if ((flags & IRQHOP_POLICY_STORM) && vc->state == IRQHOP_VS_RUNNING)
		to = e->policy->pick(e, i);
	if (to != IRQHOP_NONE)
		return decide_move(e, irq->home, to);
	return (struct irqhop_decision){ IRQHOP_STAY, IRQHOP_NONE, false };
}

/**
 * irqhop_engine_decide - what is to be done with an interrupt now
 * @e: the engine
 * @i: the interrupt
 *
 * Reads at most eight 64-bit words of the engine's memory under every policy
 * that is not for tests, and changes nothing.
 *
 * Return: the answer.
 */
struct irqhop_decision irqhop_engine_decide(const struct irqhop_engine *e,
					    u16 i)
{
	const struct irqhop_decision stay = { IRQHOP_STAY, IRQHOP_NONE, false };
	const struct irqhop_engine_irq *irq = &e->irq[i];
	const bool home_only = e->policy->flags & IRQHOP_POLICY_HOME;

	if ((irq->on & PLACED) != PLACED)
		return stay;
	if (!(e->vcpu[irq->target].is & IRQHOP_OUT))
		return decide_not_out(e, i);
	if (unlikely(home_only || (e->quiet && !irqhop_mutant(QUIET)))) {
		if (irq->on & IRQHOP_BIT(IRQHOP_L_AWAY))
			return (struct irqhop_decision){ IRQHOP_RETURN,
							 irq->home, false };
		if (home_only)
			return stay;
	}
	return decide_out(e, i);
}

static noinline void load_moved(struct irqhop_engine *e, u16 from, u16 to)
{
	load_change(e, from, -1);
	load_change(e, to, 1);
}

/* Its new target is out, or halted. */
static noinline void moved_out(struct irqhop_engine *e, u16 i)
{
	if (!(e->policy->flags & IRQHOP_POLICY_HOME))
		irqhop_engine_irq_mark(e, i);
}

/**
 * irqhop_engine_moved - an interrupt was moved, as decided
 * @e: the engine
 * @i: the interrupt
 * @target: where it points now
 *
 * One that was sent home to a vCPU that is out gets another look, so that it
 * counts as stranded there.
 */
void irqhop_engine_moved(struct irqhop_engine *e, u16 i, u16 target)
{
	struct irqhop_engine_irq *irq = e->irq;
	const u16 old = irq[i].target;
	const u8 on = irq[i].on;
	const bool hop = target != irq[i].home;

	irq[i].prev = old;
	irq[i].target = target;
	list_unlink(irq, IRQHOP_L_TARGET, i);
	list_link(irq, irqhop_head(1 + target), IRQHOP_L_TARGET, i);
	if (hop) {
		credit_set(e, e->credit - e->hop_ns);
		if (!(on & IRQHOP_BIT(IRQHOP_L_AWAY))) {
			list_add(irq, OWN, IRQHOP_L_AWAY, i);
			e->nr_away++;
		}
	} else if (on & IRQHOP_BIT(IRQHOP_L_AWAY)) {
		list_del(irq, IRQHOP_L_AWAY, i);
		e->nr_away--;
	}
	if (unlikely(on & WAITING))
		unwait(e, i);
	if (unlikely(e->vcpu[target].state != IRQHOP_VS_RUNNING))
		moved_out(e, i);
	if (e->policy->flags & IRQHOP_POLICY_LEAST)
		load_moved(e, old, target);
}

/**
 * irqhop_engine_stays - an interrupt was left where it is, as decided
 * @e: the engine
 * @irq: the interrupt
 */
void irqhop_engine_stays(struct irqhop_engine *e, u16 irq)
{
	unwait(e, irq);
}

/**
 * irqhop_engine_strand - nobody can take an interrupt, or it is to wait
 * @e: the engine
 * @irq: the interrupt
 *
 * Return: true if this is new, false if it was waiting already.
 */
bool irqhop_engine_strand(struct irqhop_engine *e, u16 irq)
{
	if (irqhop_engine_irq_on(e, irq, IRQHOP_L_STRANDED))
		return false;
	unwait(e, irq);
	list_add(e->irq, OWN, IRQHOP_L_STRANDED, irq);
	e->nr_stranded++;
	return true;
}

/**
 * irqhop_engine_hold - an interrupt would hop, but the bound is reached
 * @e: the engine
 * @irq: the interrupt
 *
 * Return: true if this is new, false if it was held back already.
 */
bool irqhop_engine_hold(struct irqhop_engine *e, u16 irq)
{
	if (irqhop_engine_irq_on(e, irq, IRQHOP_L_HELD))
		return false;
	unwait(e, irq);
	list_add(e->irq, OWN, IRQHOP_L_HELD, irq);
	e->nr_held++;
	return true;
}
