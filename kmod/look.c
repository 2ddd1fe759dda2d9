// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: finds out where the vCPUs and the interrupts of a VM are, and tells
 * the engine.
 */
#include <linux/kvm_host.h>
#include <linux/sched/clock.h>

#include "irqhop.h"
#include "trace.h"

/**
 * irqhop_look_state_uapi - where a vCPU is, in the words of the interface
 * @word: its state word
 *
 * Return: &enum irqhop_vcpu_state_uapi.
 */
u32 irqhop_look_state_uapi(u64 word)
{
	static const u8 states[IRQHOP_NR_VS] = {
		[IRQHOP_VS_UNKNOWN]	= IRQHOP_VCPU_STATE_UNKNOWN,
		[IRQHOP_VS_RUNNING]	= IRQHOP_VCPU_STATE_RUNNING,
		[IRQHOP_VS_PREEMPTED]	= IRQHOP_VCPU_STATE_PREEMPTED,
		[IRQHOP_VS_HALTED]	= IRQHOP_VCPU_STATE_HALTED,
		[IRQHOP_VS_BLOCKED]	= IRQHOP_VCPU_STATE_BLOCKED,
		[IRQHOP_VS_USER]	= IRQHOP_VCPU_STATE_USER,
		[IRQHOP_VS_OFF]		= IRQHOP_VCPU_STATE_OFF,
		/* For some microseconds. */
		[IRQHOP_VS_LEAVING]	= IRQHOP_VCPU_STATE_PREEMPTED,
	};
	u64 state = word & IRQHOP_WORD_STATE;

	BUILD_BUG_ON(IRQHOP_VCPU_STATE_OFF + 1 != IRQHOP_NR_VCPU_STATES);
	if (state == IRQHOP_VS_PREEMPTED && (word & IRQHOP_WORD_HANDLER))
		return IRQHOP_VCPU_STATE_IN_HANDLER;
	return state < IRQHOP_NR_VS ? states[state] : IRQHOP_VCPU_STATE_UNKNOWN;
}

/**
 * irqhop_look_account - add up the time that a vCPU has spent in its state
 * @v: the vCPU
 * @now: until when, by sched_clock()
 *
 * Context: the VM's lock held.
 */
void irqhop_look_account(struct irqhop_vcpu *v, u64 now)
{
	/* Another pCPU's clock may be a little ahead. */
	if (now <= v->accounted)
		return;
	v->time[irqhop_look_state_uapi(v->seen)] += now - v->accounted;
	v->accounted = now;
}

/*
 * Can it take interrupts? One that another kernel of the guest's has left behind
 * (kdump) is on and has its LPIs enabled, but it will never handle any. It is
 * known by not having been off, or without LPIs, since that kernel.
 */
static bool look_vcpu_enabled(struct irqhop_vm *vm, struct irqhop_vcpu *v)
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
static void look_found(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
		       struct irqhop_arch_irq *info, u64 epoch)
{
	irqhop_table_resolve(vm, h, info);
	if (info->home != IRQHOP_NONE)
		vm->vcpu[info->home].epoch = epoch;
}

/**
 * irqhop_look_irq - look at an interrupt, and hold it
 * @vm: the VM
 * @intid: the guest's number
 * @info: gets what is the case
 * @h: to be released by irqhop_arch_irq_release()
 *
 * Context: @vm's lock held.
 *
 * Return: 0, or -ENOENT, with nothing held, if there is none.
 */
int irqhop_look_irq(struct irqhop_vm *vm, u32 intid,
		    struct irqhop_arch_irq *info, struct irqhop_arch_hold *h)
{
	u64 epoch = irqhop_arch_vm_epoch(&vm->arch);

	lockdep_assert_held(&vm->lock);
	if (irqhop_arch_irq_hold(vm->kvm, intid, info, h))
		return -ENOENT;
	look_found(vm, h, info, epoch);
	return 0;
}

/**
 * irqhop_look_irq_next - the same for the first one from some number on
 * @vm: the VM
 * @from: the number
 * @info: gets what is the case
 * @h: to be released by irqhop_arch_irq_release()
 *
 * Context: @vm's lock held.
 *
 * Return: 0, or -ENOENT if there is none.
 */
int irqhop_look_irq_next(struct irqhop_vm *vm, u32 from,
			 struct irqhop_arch_irq *info,
			 struct irqhop_arch_hold *h)
{
	u64 epoch = irqhop_arch_vm_epoch(&vm->arch);

	lockdep_assert_held(&vm->lock);
	if (irqhop_arch_irq_hold_next(vm->kvm, from, info, h))
		return -ENOENT;
	look_found(vm, h, info, epoch);
	return 0;
}

/**
 * irqhop_look_vcpu - tell the engine where a vCPU is, unless it knows
 * @vm: the VM
 * @v: the vCPU
 *
 * Context: @vm's lock held.
 */
void irqhop_look_vcpu(struct irqhop_vm *vm, struct irqhop_vcpu *v)
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
				  look_vcpu_enabled(vm, v));
	if (word == v->seen)
		return;
	/* Turns come late, and wait for each other: go by when it changed. */
	at = (word & IRQHOP_WORD_STATE) == IRQHOP_VS_RUNNING ?
	     READ_ONCE(v->since) : READ_ONCE(v->left);
	irqhop_look_account(v, at ?: sched_clock());
	v->seen = word;
	/* Once a command is through, the scan that it brings about finds out. */
	irqhop_engine_doubt_set(&vm->engine, vm->scanning || vm->stale ||
				irqhop_arch_vm_mark(&vm->arch) != vm->mark);
	irqhop_engine_vcpu_set(&vm->engine, v->idx, word & IRQHOP_WORD_STATE,
			       word & IRQHOP_WORD_HANDLER,
			       READ_ONCE(v->since));
}

/**
 * irqhop_look_left - a vCPU left its pCPU: say why
 * @vm: the VM
 * @ev: the event; the switch is over, and KVM has saved the vCPU's state
 *
 * Unless it has come back since.
 *
 * Context: hard interrupt, @vm's lock held.
 */
void irqhop_look_left(struct irqhop_vm *vm, const struct irqhop_event *ev)
{
	enum irqhop_vcpu_state state;
	u64 old = ev->word;
	bool in_handler;
	u64 word;

	lockdep_assert_held(&vm->lock);
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
 * irqhop_look_poke - one that we take to be out, and that KVM runs?
 * @vm: the VM
 *
 * Has the pCPUs of such vCPUs say so. No event tells of a thread that enters
 * KVM_RUN without a switch.
 *
 * Context: @vm's lock held, interrupts off.
 */
void irqhop_look_poke(struct irqhop_vm *vm)
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
