// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: one turn for one VM, under its lock. What happened to its vCPUs is
 * told to the engine, and what the engine decides is done, up to a limit.
 */
#include <linux/kvm_host.h>
#include <linux/sched/clock.h>

#include "fault.h"
#include "irqhop.h"
#include "trace.h"

/* So often a candidate may turn out to be gone before we give up. */
#define TURN_TRIES	8
/* pCPUs are asked at most this often which vCPU they run. */
#define TURN_POKE_GAP	NSEC_PER_MSEC

static void turn_stranded(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_engine *e = &vm->engine;

	if (!irqhop_engine_strand(e, i))
		return;
	vm->stats.stranded++;
	trace_stranded(vm->pid, vm->irq[i].intid,
		       irqhop_vcpu_id(vm, e->irq[i].target),
		       irqhop_vcpu_id(vm, e->irq[i].home));
}

static void turn_held_back(struct irqhop_vm *vm, u16 i)
{
	if (!irqhop_engine_hold(&vm->engine, i))
		return;
	vm->stats.over_bound++;
	trace_held_back(vm->pid, vm->irq[i].intid, IRQHOP_HELD_BOUND);
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
		irqhop_look_vcpu(vm, &vm->vcpu[d->target]);
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
	switch (irqhop_move(vm, h, info, d->target)) {
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
	irqhop_look_vcpu(vm, &vm->vcpu[info->target]);

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
	if (irqhop_look_irq(vm, vm->irq[i].intid, &info, &h)) {
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
	irqhop_look_poke(vm);
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
			irqhop_look_left(vm, ev);
		if (ev->kind != IRQHOP_EV_MORE)
			irqhop_look_vcpu(vm, ev->vcpu);
		if (ev->kind == IRQHOP_EV_OUT) {
			irqhop_donate_out(vm, ev->vcpu);
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
