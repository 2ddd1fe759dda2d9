// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: one turn for one VM, under its lock. What happened to its vCPUs is
 * told to the engine, and what the engine decides is done, up to a limit.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/sched/clock.h>

#include "fault.h"
#include "irqhop.h"
#include "trace.h"

/* So often a candidate may turn out to be gone before we give up. */
#define TURN_TRIES	8
/* pCPUs are asked at most this often which vCPU they run. */
#define TURN_POKE_GAP	NSEC_PER_MSEC
/* So many moves refused in a row, and we let go of the VM. */
#define TURN_FAILS	16

/**
 * irqhop_vm_break - nothing is to be done with a VM any more
 * @vm: the VM; one that is being disabled anyway goes on being that
 * @why: for people, static
 *
 * The worker sends its interrupts home and disables it.
 *
 * Context: any but NMI; @vm's lock held.
 */
void irqhop_vm_break(struct irqhop_vm *vm, const char *why)
{
	lockdep_assert_held(&vm->lock);
	if (vm->closing || irqhop_mutant(LET_GO))
		return;
	vm->broken = why;
	vm->closing = true;
	trace_let_go(vm->pid, why);
	irqhop_vm_work_soon(0);
}

/**
 * irqhop_turn_vcpu_account - add up the time that a vCPU has spent in its state
 * @v: the vCPU
 * @now: until when, by sched_clock()
 *
 * Context: the VM's lock held.
 */
void irqhop_turn_vcpu_account(struct irqhop_vcpu *v, u64 now)
{
	/* Another pCPU's clock may be a little ahead. */
	if (now <= v->accounted)
		return;
	v->time[irqhop_vcpu_state_uapi(v->seen)] += now - v->accounted;
	v->accounted = now;
}

/*
 * Can it take interrupts? One that another kernel of the guest's has left behind
 * (kdump) is on and has its LPIs enabled, but it will never handle any. It is
 * known by not having been off, or without LPIs, since that kernel.
 */
static bool turn_vcpu_enabled(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	u64 epoch;

	if (!irqhop_arch_vcpu_enabled(v->kvm_vcpu)) {
		v->epoch = 0;
		return false;
	}
	/* Not an epoch from before it was enabled. */
	smp_rmb();
	epoch = irqhop_arch_vm_epoch(&vm->arch);
	if (!v->epoch)
		v->epoch = epoch;
	return v->epoch == epoch;
}

/*
 * An interrupt was found, so its home takes part: the vCPU that crashed, and
 * goes on in the new kernel, never was off. But that kernel has its interrupts
 * sent there. @epoch is of before it was looked at.
 */
static void turn_home_seen(struct irqhop_vm *vm,
			   const struct irqhop_arch_irq *info, u64 epoch)
{
	if (info->home != IRQHOP_NONE)
		vm->vcpu[info->home].epoch = epoch;
}

/**
 * irqhop_turn_look - look at an interrupt, and hold it
 * @vm: the VM
 * @intid: the guest's number
 * @info: gets what is the case
 * @h: to be released by irqhop_arch_irq_release()
 *
 * Context: @vm's lock held.
 *
 * Return: 0, or -ENOENT, with nothing held, if there is none.
 */
int irqhop_turn_look(struct irqhop_vm *vm, u32 intid,
		     struct irqhop_arch_irq *info, struct irqhop_arch_hold *h)
{
	u64 epoch = irqhop_arch_vm_epoch(&vm->arch);

	lockdep_assert_held(&vm->lock);
	if (irqhop_arch_irq_hold(vm->kvm, intid, info, h))
		return -ENOENT;
	irqhop_table_resolve(vm, h, info);
	turn_home_seen(vm, info, epoch);
	return 0;
}

/**
 * irqhop_turn_look_next - the same for the first one from some number on
 * @vm: the VM
 * @from: the number
 * @info: gets what is the case
 * @h: to be released by irqhop_arch_irq_release()
 *
 * Context: @vm's lock held.
 *
 * Return: 0, or -ENOENT if there is none.
 */
int irqhop_turn_look_next(struct irqhop_vm *vm, u32 from,
			  struct irqhop_arch_irq *info,
			  struct irqhop_arch_hold *h)
{
	u64 epoch = irqhop_arch_vm_epoch(&vm->arch);

	lockdep_assert_held(&vm->lock);
	if (irqhop_arch_irq_hold_next(vm->kvm, from, info, h))
		return -ENOENT;
	irqhop_table_resolve(vm, h, info);
	turn_home_seen(vm, info, epoch);
	return 0;
}

/**
 * irqhop_turn_vcpu_sync - tell the engine where a vCPU is, unless it knows
 * @vm: the VM
 * @v: the vCPU
 *
 * Context: @vm's lock held.
 */
void irqhop_turn_vcpu_sync(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	u64 word = atomic64_read_acquire(&v->word);
	u32 mark = irqhop_arch_vcpu_mark(v->kvm_vcpu);
	u64 at;

	lockdep_assert_held(&vm->lock);
	if (mark != v->mark) {
		v->mark = mark;
		vm->stale = true;
	}
	irqhop_engine_vcpu_enable(&vm->engine, v->idx,
				  turn_vcpu_enabled(vm, v));
	if (word == v->seen)
		return;
	/* Turns come late, and wait for each other: go by when it changed. */
	at = (word & IRQHOP_WORD_STATE) == IRQHOP_VS_RUNNING ?
	     READ_ONCE(v->since) : READ_ONCE(v->left);
	irqhop_turn_vcpu_account(v, at ?: sched_clock());
	v->seen = word;
	/* Once a command is through, the scan that it brings about finds out. */
	irqhop_engine_doubt_set(&vm->engine, vm->scanning || vm->stale ||
				irqhop_arch_vm_mark(&vm->arch) != vm->mark);
	irqhop_engine_vcpu_set(&vm->engine, v->idx, word & IRQHOP_WORD_STATE,
			       word & IRQHOP_WORD_HANDLER,
			       READ_ONCE(v->since));
}

/*
 * A vCPU left its pCPU, the switch is over and KVM has saved its state: say
 * why, unless it has come back since.
 */
static void turn_vcpu_left(struct irqhop_vm *vm, const struct irqhop_event *ev)
{
	enum irqhop_vcpu_state state;
	u64 old = ev->word;
	bool in_handler;
	u64 word;

	state = irqhop_arch_vcpu_classify(ev->vcpu->kvm_vcpu, ev->preempted,
					  ev->loaded, &in_handler);
	word = (old & IRQHOP_WORD_SEQ_MASK) | state |
	       (in_handler ? IRQHOP_WORD_HANDLER : 0);
	if (atomic64_cmpxchg(&ev->vcpu->word, old, word) != old)
		return;
	if (state == IRQHOP_VS_PREEMPTED)
		vm->stats.preemptions++;
	if (in_handler && state != IRQHOP_VS_HALTED) {
		vm->stats.in_handler++;
		trace_in_handler(vm->pid, ev->vcpu->kvm_vcpu->vcpu_id);
	}
}

/**
 * irqhop_turn_poke - one that we take to be out, and that KVM runs?
 * @vm: the VM
 *
 * Has the pCPUs of such vCPUs say so. No event tells of a thread that enters
 * KVM_RUN without a switch.
 *
 * Context: @vm's lock held, interrupts off.
 */
void irqhop_turn_poke(struct irqhop_vm *vm)
{
	int cpu;
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];
		u64 state = atomic64_read(&v->word) & IRQHOP_WORD_STATE;

		if ((state == IRQHOP_VS_USER || state == IRQHOP_VS_OFF ||
		     state == IRQHOP_VS_UNKNOWN) &&
		    irqhop_arch_vcpu_loaded(v->kvm_vcpu, &cpu))
			irqhop_watch_poke(cpu);
	}
}

/* vcpu_id, for people; the engine has indices. */
static int turn_vcpu_id(struct irqhop_vm *vm, u16 idx)
{
	return idx == IRQHOP_NONE ? -1 : vm->vcpu[idx].kvm_vcpu->vcpu_id;
}

static void turn_stranded(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_engine *e = &vm->engine;

	if (!irqhop_engine_strand(e, i))
		return;
	vm->stats.stranded++;
	trace_stranded(vm->pid, vm->irq[i].intid,
		       turn_vcpu_id(vm, e->irq[i].target),
		       turn_vcpu_id(vm, e->irq[i].home));
}

static void turn_held_back(struct irqhop_vm *vm, u16 i)
{
	if (!irqhop_engine_hold(&vm->engine, i))
		return;
	vm->stats.over_bound++;
	trace_held_back(vm->pid, vm->irq[i].intid, IRQHOP_HELD_BOUND);
}

/* Why an interrupt moves: who left, or why it goes home. */
static enum irqhop_why turn_why(struct irqhop_vm *vm,
				const struct irqhop_arch_irq *info, u16 to)
{
	const struct irqhop_engine *e = &vm->engine;

	if (vm->closing)
		return IRQHOP_WHY_CLOSE;
	if (vm->recall)
		return IRQHOP_WHY_COMMAND;
	if (to == info->home) {
		if (e->policy->flags & IRQHOP_POLICY_HOME)
			return IRQHOP_WHY_POLICY;
		if (irqhop_engine_quiet(e))
			return IRQHOP_WHY_ALL_OUT;
		return e->vcpu[to].state == IRQHOP_VS_RUNNING ?
		       IRQHOP_WHY_HOME_RUNS : IRQHOP_WHY_HOME_WAITS;
	}
	switch (e->vcpu[info->target].state) {
	case IRQHOP_VS_PREEMPTED:
		return IRQHOP_WHY_PREEMPTED;
	case IRQHOP_VS_BLOCKED:
		return IRQHOP_WHY_BLOCKED;
	case IRQHOP_VS_USER:
		return IRQHOP_WHY_USER;
	case IRQHOP_VS_OFF:
		return IRQHOP_WHY_OFF;
	case IRQHOP_VS_HALTED:
		return IRQHOP_WHY_HALTED;
	default:
		return IRQHOP_WHY_TEST;
	}
}

static void turn_count(struct irqhop_vm *vm, const struct irqhop_arch_irq *info,
		       u16 to, u64 cost)
{
	struct irqhop_stats *s = &vm->stats;

	if (to == info->home) {
		s->returns++;
		trace_return(vm->pid, info->intid,
			     turn_vcpu_id(vm, info->target),
			     turn_vcpu_id(vm, to), turn_why(vm, info, to),
			     cost);
	} else {
		s->hops++;
		trace_hop(vm->pid, info->intid, turn_vcpu_id(vm, info->target),
			  turn_vcpu_id(vm, to), turn_why(vm, info, to), cost);
	}
	s->cost_sum += cost;
	s->cost_max = max(s->cost_max, cost);
	s->cost_hist[min_t(u64, cost / IRQHOP_COST_BUCKET_NS,
			   IRQHOP_COST_BUCKETS - 1)]++;
}

/**
 * irqhop_turn_move - move an interrupt and count it
 * @vm: the VM
 * @h: the interrupt, held
 * @info: what was found then
 * @to: the vCPU
 *
 * Context: @vm's lock held.
 *
 * Return: 0, -EAGAIN if it is not what it was when it was looked at, -EBUSY if
 * it cannot be moved now, or what the ITS driver said.
 */
int irqhop_turn_move(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
		     const struct irqhop_arch_irq *info, u16 to)
{
	u64 cost;
	int ret;

	lockdep_assert_held(&vm->lock);
	if (irqhop_fault(IRQHOP_FAULT_MOVE))
		ret = -EIO;
	else
		ret = irqhop_arch_irq_move(h, info, vm->vcpu[to].kvm_vcpu,
					   to == info->home, &cost);
	if (irqhop_fault(IRQHOP_FAULT_SLOW))
		cost = NSEC_PER_SEC;
	if (ret > 0)
		return 0;
	if (ret == -EAGAIN || ret == -EBUSY)
		return ret;
	if (ret < 0) {
		vm->stats.failed++;
		if (++vm->fails >= TURN_FAILS)
			irqhop_vm_break(vm, "the ITS driver refuses its moves");
		return ret;
	}
	vm->fails = 0;
	irqhop_table_moved(vm, info, to);
	turn_count(vm, info, to, cost);
	if (info->direct && cost > IRQHOP_COST_LIMIT) {
		vm->slow++;
		irqhop_vm_break(vm, "the ITS does not answer");
	}
	return 0;
}

/*
 * Whom the engine has in mind, provided that who is to run still does.
 * Return: false if candidates went away as fast as they were found.
 */
static bool turn_decide(struct irqhop_vm *vm, u16 i, struct irqhop_decision *d)
{
	unsigned int tries;

	for (tries = 0; tries < TURN_TRIES; tries++) {
		*d = irqhop_engine_decide(&vm->engine, i);
		if (!d->must_run)
			return true;
		irqhop_turn_vcpu_sync(vm, &vm->vcpu[d->target]);
		if (irqhop_engine_vcpu_takes(&vm->engine, d->target))
			return true;
	}
	return false;
}

/* Return: true if it was moved. */
static bool turn_irq_move(struct irqhop_vm *vm, u16 i,
			  struct irqhop_arch_hold *h,
			  const struct irqhop_arch_irq *info,
			  const struct irqhop_decision *d)
{
	switch (irqhop_turn_move(vm, h, info, d->target)) {
	case 0:
		irqhop_engine_moved(&vm->engine, i, d->target);
		break;
	case -EAGAIN:
		irqhop_engine_irq_mark(&vm->engine, i);
		return false;
	default:
		/* It is tried again when a vCPU comes in. */
		irqhop_engine_strand(&vm->engine, i);
		return false;
	}
	/* If the guest has moved home meanwhile, that is not home. */
	if (d->action == IRQHOP_RETURN &&
	    irqhop_arch_irq_record_get(h) != d->target)
		irqhop_engine_irq_mark(&vm->engine, i);
	return true;
}

/*
 * Does KVM run the target, although we take it to be out? Its thread has
 * entered KVM_RUN without a switch since, and it may be in the middle of a
 * handler: then it keeps its interrupts, as one that is stranded does, and its
 * pCPU is asked. If it enters only now, it takes longer than the move does.
 */
static bool turn_entered(struct irqhop_vm *vm, u16 idx)
{
	u64 state;
	int cpu;

	if (idx == IRQHOP_NONE)
		return false;
	state = vm->vcpu[idx].seen & IRQHOP_WORD_STATE;
	return (state == IRQHOP_VS_USER || state == IRQHOP_VS_OFF) &&
	       irqhop_arch_vcpu_loaded(vm->vcpu[idx].kvm_vcpu, &cpu);
}

/* Has all that is injected to stay home? Nobody says so in mid-turn. */
static bool turn_barred(struct irqhop_vm *vm)
{
	if (vm->barred < 0)
		vm->barred = irqhop_command_pending(vm);
	return vm->barred;
}

/* Return: true if it was moved. */
static bool turn_irq_held(struct irqhop_vm *vm, u16 i,
			  struct irqhop_arch_hold *h,
			  struct irqhop_arch_irq *info)
{
	struct irqhop_engine *e = &vm->engine;
	struct irqhop_decision d;

	if (info->direct && irqhop_fault(IRQHOP_FAULT_DRIFT))
		info->home = (info->home + 1) % vm->nr_vcpus;
	irqhop_engine_path_set(e, i, info->direct ? IRQHOP_PATH_DIRECT :
			       IRQHOP_PATH_INJECTED);
	irqhop_engine_irq_seen(e, i, info->home, info->target);
	/*
	 * Its target may be back since it was found to be out, on another pCPU,
	 * and about to handle this very interrupt: then it keeps it.
	 */
	irqhop_turn_vcpu_sync(vm, &vm->vcpu[info->target]);

	if (turn_entered(vm, info->target) || !turn_decide(vm, i, &d))
		d.action = IRQHOP_STRAND;
	if (d.action == IRQHOP_HOP && !info->direct && turn_barred(vm))
		d.action = IRQHOP_WAIT;
	switch (d.action) {
	case IRQHOP_STRAND:
		turn_stranded(vm, i);
		return false;
	case IRQHOP_WAIT:
		irqhop_engine_strand(e, i);
		return false;
	case IRQHOP_HOLD:
		turn_held_back(vm, i);
		return false;
	case IRQHOP_HOP:
	case IRQHOP_RETURN:
		return turn_irq_move(vm, i, h, info, &d);
	default:
		irqhop_engine_stays(e, i);
		return false;
	}
}

/*
 * Look at one interrupt and do what the engine decides.
 * Return: true if it was moved.
 */
static bool turn_irq(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_arch_irq info;
	struct irqhop_arch_hold h;
	bool moved;

	/* The guest may have changed its mind: where is it really? */
	if (irqhop_turn_look(vm, vm->irq[i].intid, &info, &h)) {
		irqhop_table_forget(vm, i);
		return false;
	}
	moved = irqhop_table_has_place(&info) &&
		turn_irq_held(vm, i, &h, &info);
	irqhop_arch_irq_release(&h);
	if (!irqhop_table_has_place(&info))
		irqhop_table_forget(vm, i);
	return moved;
}

/* Now and then, if there is anybody to be asked about. */
static void turn_poke_often(struct irqhop_vm *vm, u64 now)
{
	const u32 *nr_in = vm->engine.nr_in;

	if (!(nr_in[IRQHOP_VS_USER] | nr_in[IRQHOP_VS_OFF] |
	      nr_in[IRQHOP_VS_UNKNOWN]) || now - vm->poked < TURN_POKE_GAP)
		return;
	vm->poked = now;
	irqhop_turn_poke(vm);
}

/* The limit is reached, and not for the first time if this is a later turn. */
static void turn_cut(struct irqhop_vm *vm, bool later)
{
	u16 i = irqhop_engine_todo_first(&vm->engine);

	if (later)
		return;
	vm->stats.held_back += vm->engine.nr_todo;
	trace_held_back(vm->pid, vm->irq[i].intid, IRQHOP_HELD_TURN);
}

/**
 * irqhop_turn_run - do what is to be done, up to a limit
 * @vm: the VM
 * @later: goes on where an earlier turn was cut short
 *
 * Context: @vm's lock held, interrupts off.
 *
 * Return: true if something is left.
 */
bool irqhop_turn_run(struct irqhop_vm *vm, bool later)
{
	struct irqhop_engine *e = &vm->engine;
	unsigned int moves = max(READ_ONCE(irqhop_max_moves), 1U);
	unsigned int looks = IRQHOP_LOOKS;
	u64 now = sched_clock();

	vm->barred = -1;
	irqhop_table_scan_turn(vm, now);
	irqhop_engine_clock(e, now);
	turn_poke_often(vm, now);
	while (!vm->closing &&
	       irqhop_engine_todo_first(e) != IRQHOP_NONE) {
		if (!moves || !looks) {
			turn_cut(vm, later);
			return true;
		}
		looks--;
		if (turn_irq(vm, irqhop_engine_todo_pop(e)))
			moves--;
	}
	return false;
}

/*
 * Count a turn that is over: interrupts are off since @off, and it lasts since
 * @begun. Context: @vm's lock held.
 */
static void turn_time(struct irqhop_vm *vm, u64 off, u64 begun)
{
	struct irqhop_stats *s = &vm->stats;
	u64 now = sched_clock();

	s->turns++;
	/* It may go back by 1 ns when it is updated. */
	if (now <= off)
		return;
	s->irqs_off_sum += now - begun;
	s->irqs_off_max = max(s->irqs_off_max, now - off);
}

/**
 * irqhop_turn_lock - begin a turn in process context
 * @vm: the VM
 * @begun: gets when interrupts were switched off
 *
 * Context: process. Takes @vm's lock.
 *
 * Return: flags for irqhop_turn_unlock().
 */
unsigned long irqhop_turn_lock(struct irqhop_vm *vm, u64 *begun)
	__acquires(&vm->lock)
{
	unsigned long flags;

	local_irq_save(flags);
	*begun = sched_clock();
	raw_spin_lock(&vm->lock);
	return flags;
}

/**
 * irqhop_turn_unlock - end it, and count it
 * @vm: the VM
 * @flags: as returned
 * @begun: as given
 */
void irqhop_turn_unlock(struct irqhop_vm *vm, unsigned long flags, u64 begun)
	__releases(&vm->lock)
{
	turn_time(vm, begun, begun);
	raw_spin_unlock(&vm->lock);
	local_irq_restore(flags);
}

/**
 * irqhop_turn_event - something happened to a vCPU
 * @ev: what
 * @off: when this interrupt began, sched_clock()
 *
 * Context: hard interrupt, on the pCPU where it happened. Takes the VM's lock.
 *
 * Return: true if there is more to be done than one turn allows.
 */
bool irqhop_turn_event(const struct irqhop_event *ev, u64 off)
{
	struct irqhop_vm *vm = ev->vm;
	u64 begun = sched_clock();
	bool more = false;
	u64 moves;

	raw_spin_lock(&vm->lock);
	moves = vm->stats.hops + vm->stats.returns;
	if (!vm->closing) {
		if (ev->kind == IRQHOP_EV_OUT)
			turn_vcpu_left(vm, ev);
		if (ev->kind != IRQHOP_EV_MORE)
			irqhop_turn_vcpu_sync(vm, ev->vcpu);
		if (ev->kind == IRQHOP_EV_OUT) {
			irqhop_giveway_out(ev->vcpu);
			irqhop_summon_out(vm, ev->vcpu);
		}
		more = irqhop_turn_run(vm, ev->kind == IRQHOP_EV_MORE);
		if (ev->kind == IRQHOP_EV_IN) {
			ev->vcpu->armed = false;
			irqhop_summon_came(vm);
			irqhop_giveway_in(ev->vcpu);
		} else if (!more && !vm->closing) {
			more = irqhop_summon_arm(vm);
		}
	}
	turn_time(vm, off, begun);
	trace_turn(vm->pid, vm->stats.hops + vm->stats.returns - moves,
		   begun - ev->at, begun);
	raw_spin_unlock(&vm->lock);
	return more;
}
