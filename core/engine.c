// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the engine.
 *
 * Interrupts are on doubly linked lists of indices: by target, by home, those
 * that are away, those that are stranded, and those that want a look. So each
 * event costs as much as there are interrupts concerned by it, and a decision
 * reads a fixed number of words, however large the VM.
 */
#include "engine.h"

static void list_init(struct irqhop_list *l)
{
	l->head = IRQHOP_NONE;
	l->tail = IRQHOP_NONE;
}

static bool list_on(const struct irqhop_engine *e, enum irqhop_list_id id,
		    u16 i)
{
	return e->irq[i].on & (1U << id);
}

static void list_add(struct irqhop_engine *e, struct irqhop_list *l,
		     enum irqhop_list_id id, u16 i)
{
	struct irqhop_link *link = &e->irq[i].link[id];

	link->next = IRQHOP_NONE;
	link->prev = l->tail;
	if (l->tail == IRQHOP_NONE)
		l->head = i;
	else
		e->irq[l->tail].link[id].next = i;
	l->tail = i;
	e->irq[i].on |= (u8)(1U << id);
}

static void list_del(struct irqhop_engine *e, struct irqhop_list *l,
		     enum irqhop_list_id id, u16 i)
{
	struct irqhop_link *link = &e->irq[i].link[id];

	if (link->prev == IRQHOP_NONE)
		l->head = link->next;
	else
		e->irq[link->prev].link[id].next = link->next;
	if (link->next == IRQHOP_NONE)
		l->tail = link->prev;
	else
		e->irq[link->next].link[id].prev = link->prev;
	e->irq[i].on &= (u8)~(1U << id);
}

/* The running order: latest first, among equals the lowest index first. */
static void run_add(struct irqhop_engine *e, u16 v)
{
	struct irqhop_engine_vcpu *vc = &e->vcpu[v];
	u16 prev = IRQHOP_NONE;
	u16 next = e->running;

	while (next != IRQHOP_NONE &&
	       (e->vcpu[next].since > vc->since ||
		(e->vcpu[next].since == vc->since && next < v))) {
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

static void unstrand(struct irqhop_engine *e, u16 i)
{
	if (!list_on(e, IRQHOP_L_STRANDED, i))
		return;
	list_del(e, &e->stranded, IRQHOP_L_STRANDED, i);
	e->nr_stranded--;
}

/* Put an interrupt on the lists that its home and target call for. */
static void place(struct irqhop_engine *e, u16 i, u16 home, u16 target)
{
	struct irqhop_engine_irq *irq = &e->irq[i];

	irq->home = home;
	irq->target = target;
	if (target != IRQHOP_NONE)
		list_add(e, &e->vcpu[target].target, IRQHOP_L_TARGET, i);
	if (home != IRQHOP_NONE)
		list_add(e, &e->vcpu[home].home, IRQHOP_L_HOME, i);
	if (home != target && home != IRQHOP_NONE && target != IRQHOP_NONE) {
		list_add(e, &e->away, IRQHOP_L_AWAY, i);
		e->nr_away++;
	}
}

static void displace(struct irqhop_engine *e, u16 i)
{
	struct irqhop_engine_irq *irq = &e->irq[i];

	if (irq->target != IRQHOP_NONE)
		list_del(e, &e->vcpu[irq->target].target, IRQHOP_L_TARGET, i);
	if (irq->home != IRQHOP_NONE)
		list_del(e, &e->vcpu[irq->home].home, IRQHOP_L_HOME, i);
	if (list_on(e, IRQHOP_L_AWAY, i)) {
		list_del(e, &e->away, IRQHOP_L_AWAY, i);
		e->nr_away--;
	}
}

static void mark_list(struct irqhop_engine *e, const struct irqhop_list *l,
		      enum irqhop_list_id id)
{
	u16 i;

	for (i = l->head; i != IRQHOP_NONE; i = e->irq[i].link[id].next)
		irqhop_engine_irq_mark(e, i);
}

static void mark_all(struct irqhop_engine *e)
{
	u16 i;

	for (i = 0; i < e->max_irqs; i++)
		if (e->irq[i].live)
			irqhop_engine_irq_mark(e, i);
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
	       max_irqs * sizeof(struct irqhop_engine_irq);
}

/**
 * irqhop_engine_init - start with no interrupts and all vCPUs unknown
 * @e: the engine
 * @mem: memory for its tables, aligned for a u64, not looked at
 * @size: of @mem
 * @nr_vcpus: vCPUs of the VM
 * @max_irqs: most interrupts it is to know
 * @policy: which policy
 *
 * Every vCPU starts as unable to take interrupts; irqhop_engine_vcpu_enable()
 * says otherwise.
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
	e->vcpu = mem;
	e->irq = (void *)(e->vcpu + nr_vcpus);
	e->nr_vcpus = nr_vcpus;
	e->max_irqs = max_irqs;
	e->running = IRQHOP_NONE;
	e->nr_irqs = 0;
	e->nr_away = 0;
	e->nr_todo = 0;
	e->nr_stranded = 0;
	list_init(&e->free);
	list_init(&e->away);
	list_init(&e->stranded);
	list_init(&e->todo);

	for (i = 0; i < IRQHOP_NR_VS; i++)
		e->nr_in[i] = 0;
	e->nr_in[IRQHOP_VS_UNKNOWN] = nr_vcpus;

	for (i = 0; i < nr_vcpus; i++) {
		struct irqhop_engine_vcpu *vc = &e->vcpu[i];

		vc->since = 0;
		vc->state = IRQHOP_VS_UNKNOWN;
		vc->in_handler = false;
		vc->enabled = false;
		vc->run_prev = IRQHOP_NONE;
		vc->run_next = IRQHOP_NONE;
		list_init(&vc->target);
		list_init(&vc->home);
	}
	for (i = 0; i < max_irqs; i++) {
		e->irq[i].home = IRQHOP_NONE;
		e->irq[i].target = IRQHOP_NONE;
		e->irq[i].on = 0;
		e->irq[i].live = false;
		list_add(e, &e->free, IRQHOP_L_TARGET, i);
	}
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
	u16 i;

	dst->policy = src->policy;
	for (i = 0; i < src->nr_vcpus; i++) {
		const struct irqhop_engine_vcpu *vc = &src->vcpu[i];

		irqhop_engine_vcpu_enable(dst, i, vc->enabled);
		irqhop_engine_vcpu_set(dst, i, vc->state, vc->in_handler,
				       vc->since);
	}
	for (i = 0; i < src->max_irqs; i++) {
		const struct irqhop_engine_irq *irq = &src->irq[i];

		if (!irq->live)
			continue;
		list_del(dst, &dst->free, IRQHOP_L_TARGET, i);
		dst->irq[i].live = true;
		dst->nr_irqs++;
		place(dst, i, irq->home, irq->target);
		if (list_on(src, IRQHOP_L_STRANDED, i))
			irqhop_engine_strand(dst, i);
		if (list_on(src, IRQHOP_L_TODO, i))
			irqhop_engine_irq_mark(dst, i);
	}
}

/**
 * irqhop_engine_policy_set - change the policy
 * @e: the engine
 * @policy: the new one
 *
 * Every interrupt gets a look: the new policy may want it home, or want it
 * moved where the old one did not.
 */
void irqhop_engine_policy_set(struct irqhop_engine *e,
			      const struct irqhop_policy *policy)
{
	e->policy = policy;
	mark_all(e);
}

/**
 * irqhop_engine_quiet - has every vCPU gone to user space or been switched off
 * @e: the engine
 *
 * Return: true if so.
 */
bool irqhop_engine_quiet(const struct irqhop_engine *e)
{
	return e->nr_in[IRQHOP_VS_USER] + e->nr_in[IRQHOP_VS_OFF] ==
	       e->nr_vcpus;
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
		run_del(e, v);
	e->nr_in[vc->state]--;
	e->nr_in[state]++;
	vc->state = (u8)state;
	vc->since = since;
	vc->in_handler = in_handler && state != IRQHOP_VS_RUNNING &&
			 state != IRQHOP_VS_LEAVING;

	switch (state) {
	case IRQHOP_VS_RUNNING:
		if (vc->enabled)
			run_add(e, v);
		mark_list(e, &e->stranded, IRQHOP_L_STRANDED);
		break;
	case IRQHOP_VS_PREEMPTED:
		if (e->policy->flags & IRQHOP_POLICY_EAGER)
			mark_all(e);
		fallthrough;
	case IRQHOP_VS_BLOCKED:
	case IRQHOP_VS_USER:
	case IRQHOP_VS_OFF:
		/*
		 * Those at home here count as well: if the guest has just said
		 * "home" again, the hardware points here, not where we think.
		 */
		if (!vc->in_handler) {
			mark_list(e, &vc->target, IRQHOP_L_TARGET);
			mark_list(e, &vc->home, IRQHOP_L_HOME);
		}
		break;
	case IRQHOP_VS_HALTED:
		/* It keeps what it has, unless all is to go home anyway. */
		if (e->policy->flags & IRQHOP_POLICY_HOME)
			mark_list(e, &vc->target, IRQHOP_L_TARGET);
		/* What nobody could take can wake it, if it is at home here. */
		mark_list(e, &e->stranded, IRQHOP_L_STRANDED);
		break;
	default:
		break;
	}
	if (irqhop_engine_quiet(e))
		mark_list(e, &e->away, IRQHOP_L_AWAY);
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
		run_del(e, v);
	vc->enabled = enabled;
	if (irqhop_engine_vcpu_takes(e, v)) {
		run_add(e, v);
		mark_list(e, &e->stranded, IRQHOP_L_STRANDED);
	}
}

/**
 * irqhop_engine_irq_add - a new interrupt
 * @e: the engine
 * @home: the vCPU that the guest's affinity names, or %IRQHOP_NONE
 * @target: the vCPU that it points at, or %IRQHOP_NONE
 *
 * It gets a look: its target may be out right now.
 *
 * Return: its number, %IRQHOP_NONE if there is no room.
 */
u16 irqhop_engine_irq_add(struct irqhop_engine *e, u16 home, u16 target)
{
	u16 i = e->free.head;

	if (i == IRQHOP_NONE)
		return i;
	list_del(e, &e->free, IRQHOP_L_TARGET, i);
	e->irq[i].live = true;
	e->nr_irqs++;
	place(e, i, home, target);
	irqhop_engine_irq_mark(e, i);
	return i;
}

/**
 * irqhop_engine_irq_del - an interrupt is gone
 * @e: the engine
 * @irq: its number, free from now on
 */
void irqhop_engine_irq_del(struct irqhop_engine *e, u16 irq)
{
	displace(e, irq);
	unstrand(e, irq);
	if (list_on(e, IRQHOP_L_TODO, irq)) {
		list_del(e, &e->todo, IRQHOP_L_TODO, irq);
		e->nr_todo--;
	}
	e->irq[irq].home = IRQHOP_NONE;
	e->irq[irq].target = IRQHOP_NONE;
	e->irq[irq].live = false;
	e->nr_irqs--;
	list_add(e, &e->free, IRQHOP_L_TARGET, irq);
}

/**
 * irqhop_engine_irq_seen - what was found to be the case for an interrupt
 * @e: the engine
 * @irq: the interrupt
 * @home: the vCPU that the guest's affinity names now, or %IRQHOP_NONE
 * @target: the vCPU that it points at now, or %IRQHOP_NONE
 *
 * Return: true if this is news, so that the interrupt deserves a look.
 */
bool irqhop_engine_irq_seen(struct irqhop_engine *e, u16 irq, u16 home,
			    u16 target)
{
	if (e->irq[irq].home == home && e->irq[irq].target == target)
		return false;
	displace(e, irq);
	place(e, irq, home, target);
	return true;
}

/**
 * irqhop_engine_irq_mark - have a look at this one
 * @e: the engine
 * @irq: the interrupt
 */
void irqhop_engine_irq_mark(struct irqhop_engine *e, u16 irq)
{
	if (list_on(e, IRQHOP_L_TODO, irq))
		return;
	list_add(e, &e->todo, IRQHOP_L_TODO, irq);
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
	u16 i = e->todo.head;

	if (i != IRQHOP_NONE) {
		list_del(e, &e->todo, IRQHOP_L_TODO, i);
		e->nr_todo--;
	}
	return i;
}

/*
 * The target of an interrupt is out: who is to have it? If nobody runs, a home
 * that waits for an interrupt: this one wakes it, as it would without us. The
 * target may stay away for as long as it likes, or for good.
 */
static struct irqhop_decision decide_out(const struct irqhop_engine *e, u16 irq)
{
	struct irqhop_decision d = { IRQHOP_STRAND, IRQHOP_NONE, false };
	const u16 home = e->irq[irq].home;

	if (!(e->policy->flags & IRQHOP_POLICY_EAGER) &&
	    home != e->irq[irq].target && irqhop_engine_vcpu_takes(e, home))
		d.target = home;
	else
		d.target = e->policy->pick(e, irq);
	if (d.target != IRQHOP_NONE) {
		d.action = d.target == home ? IRQHOP_RETURN : IRQHOP_HOP;
		d.must_run = true;
	} else if (e->vcpu[home].state == IRQHOP_VS_HALTED) {
		d.action = IRQHOP_RETURN;
		d.target = home;
	}
	return d;
}

/**
 * irqhop_engine_decide - what is to be done with an interrupt now
 * @e: the engine
 * @irq: the interrupt
 *
 * Reads a fixed number of words under every policy that is not for tests, and
 * changes nothing.
 *
 * Return: the answer.
 */
struct irqhop_decision irqhop_engine_decide(const struct irqhop_engine *e,
					    u16 irq)
{
	struct irqhop_decision d = { IRQHOP_STAY, IRQHOP_NONE, false };
	const u16 target = e->irq[irq].target;
	const u16 home = e->irq[irq].home;
	const struct irqhop_engine_vcpu *vc;

	if (home == IRQHOP_NONE || target == IRQHOP_NONE)
		return d;
	vc = &e->vcpu[target];

	/*
	 * The guest is in the middle of handling an interrupt there, or may
	 * be: some guests lose one that arrives elsewhere meanwhile.
	 */
	if (vc->in_handler || vc->state == IRQHOP_VS_LEAVING ||
	    vc->state == IRQHOP_VS_UNKNOWN)
		return d;

	if ((e->policy->flags & IRQHOP_POLICY_HOME) &&
	    (target == home || vc->state == IRQHOP_VS_RUNNING))
		return d;
	if ((e->policy->flags & IRQHOP_POLICY_HOME) ||
	    (irqhop_engine_quiet(e) && target != home)) {
		d.action = IRQHOP_RETURN;
		d.target = home;
		return d;
	}

	switch (vc->state) {
	case IRQHOP_VS_PREEMPTED:
	case IRQHOP_VS_BLOCKED:
	case IRQHOP_VS_USER:
	case IRQHOP_VS_OFF:
		return decide_out(e, irq);
	case IRQHOP_VS_RUNNING:
		if (e->policy->flags & IRQHOP_POLICY_EAGER)
			d.target = e->policy->pick(e, irq);
		if (d.target == IRQHOP_NONE)
			return d;
		d.action = d.target == home ? IRQHOP_RETURN : IRQHOP_HOP;
		d.must_run = true;
		return d;
	default:
		return d;
	}
}

/**
 * irqhop_engine_moved - an interrupt was moved, as decided
 * @e: the engine
 * @irq: the interrupt
 * @target: where it points now
 *
 * One that was sent home to a vCPU that is out gets another look, so that it
 * counts as stranded there.
 */
void irqhop_engine_moved(struct irqhop_engine *e, u16 irq, u16 target)
{
	u16 home = e->irq[irq].home;

	unstrand(e, irq);
	displace(e, irq);
	place(e, irq, home, target);
	if (e->vcpu[target].state != IRQHOP_VS_RUNNING &&
	    !(e->policy->flags & IRQHOP_POLICY_HOME))
		irqhop_engine_irq_mark(e, irq);
}

/**
 * irqhop_engine_stays - an interrupt was left where it is, as decided
 * @e: the engine
 * @irq: the interrupt
 */
void irqhop_engine_stays(struct irqhop_engine *e, u16 irq)
{
	unstrand(e, irq);
}

/**
 * irqhop_engine_strand - nobody can take an interrupt
 * @e: the engine
 * @irq: the interrupt
 *
 * Return: true if this is new, false if it was stranded already.
 */
bool irqhop_engine_strand(struct irqhop_engine *e, u16 irq)
{
	if (list_on(e, IRQHOP_L_STRANDED, irq))
		return false;
	list_add(e, &e->stranded, IRQHOP_L_STRANDED, irq);
	e->nr_stranded++;
	return true;
}
