// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: finds out which vCPU is to be summoned: whom the scheduler has
 * preempted, and who is needed.
 *
 * What a redirect cannot help is that nobody is there: no vCPU of the VM runs
 * when an interrupt arrives, or the interrupt is taken at once and wakes a task
 * on a vCPU that is preempted. In both cases something tells of it: the doorbell
 * of a vPE that is not resident (for what KVM injects there is none, and a timer
 * looks), and an SGI, which KVM handles in software. Then summon-thread.c has the
 * scheduler run that vCPU next, provided that it is owed time.
 */
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include "irqhop.h"

/*
 * Where another one of its VM runs, it is summoned when that one does nothing
 * that matters (see giveway.c), or after so long.
 */
#define SUMMON_PATIENCE	(2 * NSEC_PER_MSEC)
/*
 * Where any vCPU will do, so many are summoned, one after the other as long as
 * none comes: the scheduler knows which of them it owes time, and we do not.
 */
#define SUMMON_ANY	4
#define SUMMON_NEXT	(100 * NSEC_PER_USEC)
/* Of injected interrupts nobody tells: look so often as long as they would wait. */
#define SUMMON_LOOK	(200 * NSEC_PER_USEC)
/* Of one VM: so many in a second on average, and so many at once. */
#define SUMMON_GAP	(NSEC_PER_SEC / 1000)
#define SUMMON_BURST	50

/*
 * @delay: in so many ns. @any: another one of its VM would do as well.
 *
 * Context: interrupts off, the VM's lock held.
 */
static void summon(struct irqhop_vm *vm, struct task_struct *task, u64 delay,
		   bool any)
{
	u64 now = sched_clock();
	u64 due = max(vm->summon_due, now);
	int cpu = task_cpu(task);

	if (due - now > SUMMON_BURST * SUMMON_GAP) {
		vm->stats.summons_held++;
		return;
	}
	/* Where any will do, none of them runs. */
	if (any || !irqhop_watch_runs(cpu, vm) || irqhop_mutant(WAITS))
		cpu = -1;
	else
		delay = SUMMON_PATIENCE;
	if (!irqhop_summon_ask(vm, task, delay, cpu, any))
		return;
	vm->summon_due = due + SUMMON_GAP;
	vm->summoned_at = now;
	vm->stats.summons++;
	vm->summoned |= any;
	if (cpu >= 0)
		irqhop_giveway_to(cpu);
}

/*
 * For an interrupt that points at this vCPU. Context: interrupts off, the VM's
 * lock held. Return: false if nobody is to be summoned.
 */
static bool summon_for(struct irqhop_vm *vm, u16 target, bool pending)
{
	u16 idx = irqhop_engine_summon(&vm->engine, target, IRQHOP_NONE);
	bool any = idx != target || !(vm->vcpu[idx].seen & IRQHOP_WORD_HANDLER);
	struct task_struct *task;
	unsigned int nr;

	if (idx == IRQHOP_NONE || !pending)
		return idx != IRQHOP_NONE;
	rcu_read_lock();
	for (nr = 0; nr < SUMMON_ANY && idx != IRQHOP_NONE; nr++) {
		task = irqhop_compat_vcpu_task(vm->vcpu[idx].kvm_vcpu);
		if (task) {
			summon(vm, task, nr * SUMMON_NEXT, any);
			vm->vcpu[idx].summoned = true;
		}
		idx = irqhop_engine_summon(&vm->engine, target, idx);
	}
	rcu_read_unlock();
	return true;
}

/**
 * irqhop_summon_came - a vCPU has come in
 * @vm: its VM
 *
 * No other one need come in its place.
 *
 * Context: hard interrupt, @vm's lock held.
 */
void irqhop_summon_came(struct irqhop_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (likely(!vm->summoned))
		return;
	vm->summoned = false;
	irqhop_summon_off(vm);
}

/**
 * irqhop_summon_doorbell - something became pending for a vCPU that is out
 * @v: the vCPU
 *
 * If another one may take it, or has been told to, that is not for us.
 *
 * Context: hard interrupt. Takes the VM's lock.
 */
void irqhop_summon_doorbell(struct irqhop_vcpu *v)
{
	struct irqhop_vm *vm = v->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	v->armed = false;
	if (!vm->closing)
		summon_for(vm, v->idx, true);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/*
 * Is anything that KVM injects pending for vCPUs that are out? Context: the VM's
 * lock held. Return: false if no interrupt that comes would have to wait.
 */
static bool summon_look(struct irqhop_vm *vm)
{
	bool waits = false;
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		struct kvm_vcpu *vcpu = vm->vcpu[i].kvm_vcpu;
		bool pending = irqhop_arch_vcpu_pending(vcpu);

		if (irqhop_engine_waits(&vm->engine, i))
			waits |= summon_for(vm, i, pending);
	}
	return waits;
}

/* Context: hard interrupt. */
static enum hrtimer_restart summon_timer(struct hrtimer *timer)
{
	struct irqhop_vm *vm = container_of(timer, struct irqhop_vm, look);
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&vm->lock, flags);
	again = !vm->closing && summon_look(vm);
	vm->looking = again;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	if (!again)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, SUMMON_LOOK);
	return HRTIMER_RESTART;
}

/* Context: the VM's lock held, interrupts off. */
static void summon_look_start(struct irqhop_vm *vm)
{
	if (!vm->engine.nr_injected || vm->looking || !summon_look(vm))
		return;
	vm->looking = true;
	hrtimer_start(&vm->look, SUMMON_LOOK, HRTIMER_MODE_REL_HARD);
}

/**
 * irqhop_summon_vm_init - a VM is about to be enabled
 * @vm: the VM
 */
void irqhop_summon_vm_init(struct irqhop_vm *vm)
{
	irqhop_compat_hrtimer_setup(&vm->look, summon_timer, CLOCK_MONOTONIC,
				    HRTIMER_MODE_REL_HARD);
}

/**
 * irqhop_summon_vm_exit - a VM is not enabled any more
 * @vm: the VM, closing; no event of its vCPUs' is under way
 *
 * Context: process.
 */
void irqhop_summon_vm_exit(struct irqhop_vm *vm)
{
	hrtimer_cancel(&vm->look);
}

/* Return: true if it need not ring: see irqhop_arch_vcpu_doorbell_arm(). */
static bool summon_arm_one(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	u64 start = sched_clock();
	bool pending = irqhop_arch_vcpu_doorbell_arm(v->kvm_vcpu);

	v->armed = true;
	if (sched_clock() - start > IRQHOP_COST_LIMIT)
		irqhop_vm_break(vm, "the ITS does not answer");
	return pending;
}

/**
 * irqhop_summon_arm - make sure that we learn of interrupts that would wait
 * @vm: the VM
 *
 * That is, have the doorbells ring of the vCPUs that are preempted and that some
 * interrupt points at: no other one could take that.
 *
 * Each takes a command to the ITS, as a move does, so there are no more of them at
 * a time than moves.
 *
 * Context: interrupts off, @vm's lock held, after a turn.
 *
 * Return: true if something is left.
 */
bool irqhop_summon_arm(struct irqhop_vm *vm)
{
	unsigned int arms = max(READ_ONCE(irqhop_max_moves), 1U);
	u16 i;

	lockdep_assert_held(&vm->lock);
	for (i = 0; i < vm->nr_vcpus && !vm->closing; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		if (v->armed || !irqhop_engine_waits(&vm->engine, i) ||
		    atomic64_read(&v->word) != v->seen)
			continue;
		if (!arms--)
			return true;
		summon_for(vm, i, summon_arm_one(vm, v));
	}
	if (!vm->closing)
		summon_look_start(vm);
	return false;
}

static bool summon_is_preempted(const struct irqhop_vcpu *v)
{
	return (atomic64_read(&v->word) & IRQHOP_WORD_STATE) ==
	       IRQHOP_VS_PREEMPTED;
}

/* This vCPU and no other. Context: interrupts off, the VM's lock held. */
static void summon_it(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	struct task_struct *task;

	rcu_read_lock();
	task = irqhop_compat_vcpu_task(v->kvm_vcpu);
	if (task && summon_is_preempted(v)) {
		summon(vm, task, 0, false);
		v->summoned = true;
	}
	rcu_read_unlock();
}

/**
 * irqhop_summon_out - a vCPU has been preempted
 * @vm: its VM
 * @v: the vCPU; interrupts have not moved yet
 *
 * If the guest was in its kernel there, it may have been in the middle of what
 * comes after an interrupt's handler: a driver that polls (NAPI) has its
 * interrupt masked, so that nothing would tell of what waits, and nobody else
 * may poll in its place.
 *
 * Context: hard interrupt, @vm's lock held.
 */
void irqhop_summon_out(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	lockdep_assert_held(&vm->lock);
	if (!vm->spinning && irqhop_engine_waits(&vm->engine, v->idx) &&
	    !(v->seen & IRQHOP_WORD_HANDLER) &&
	    irqhop_arch_vcpu_in_kernel(v->kvm_vcpu))
		summon_it(vm, v);
}

/**
 * irqhop_summon_ipi - a vCPU sends an IPI to others of its VM
 * @from: the vCPU
 * @ipi: whom to
 *
 * Context: process, preemption off, in the vCPU's thread. Takes the VM's lock.
 */
void irqhop_summon_ipi(struct irqhop_vcpu *from,
		       const struct irqhop_arch_ipi *ipi)
{
	struct irqhop_vm *vm = from->vm;
	unsigned long flags;
	u16 i;

	if (!(READ_ONCE(vm->engine.policy)->flags & IRQHOP_POLICY_SUMMON))
		return;
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		if (!summon_is_preempted(v) ||
		    !irqhop_arch_ipi_reaches(ipi, v->kvm_vcpu))
			continue;
		raw_spin_lock_irqsave(&vm->lock, flags);
		if (!vm->closing && !vm->spinning)
			summon_it(vm, v);
		raw_spin_unlock_irqrestore(&vm->lock, flags);
	}
}
