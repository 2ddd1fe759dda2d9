// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what goes by KVM's record of where interrupts go.
 *
 * To move an injected interrupt is to change that record. But KVM carries out
 * the guest's commands by it (MOVI, MOVALL, INVALL, what is written to a
 * redistributor), and it is what a VMM saves of a paused VM. So before a
 * command, and before the last vCPU leaves for user space, all that is injected
 * goes home, and as long as that lasts it stays there. Each of them finds what
 * it would find without us; and what it leaves in the record is home, even if
 * that is where we have had the interrupt.
 */
#include <linux/kvm_host.h>

#include "irqhop.h"

/* Send one home that is injected and away. */
static void command_home(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_arch_irq info;
	struct irqhop_arch_hold h;

	if (irqhop_look_irq(vm, vm->irq[i].intid, &info, &h)) {
		irqhop_table_gone(vm, i);
		return;
	}
	/* Otherwise the look alone has set KVM's record right. */
	if (!info.direct && info.home != info.target &&
	    info.target != IRQHOP_NONE &&
	    !irqhop_move(vm, &h, &info, info.home))
		info.target = info.home;
	irqhop_arch_irq_release(&h);
	/*
	 * Its home may be out: once the command is done it can hop again. But
	 * nobody follows the lists of tables that contradict each other.
	 */
	if (!vm->closing && irqhop_engine_irq_seen(&vm->engine, i, info.home,
						   info.target))
		irqhop_engine_irq_mark(&vm->engine, i);
}

/*
 * Send home all that are injected and away, from @next on, up to a limit.
 * Return: true if there may be more.
 */
static bool command_home_some(struct irqhop_vm *vm, u16 *next)
{
	unsigned int looks = IRQHOP_LOOKS;

	for (; vm->nr_written && *next < vm->engine.max_irqs; (*next)++) {
		if (vm->irq[*next].written == IRQHOP_NONE)
			continue;
		if (!looks--)
			return true;
		command_home(vm, *next);
	}
	return false;
}

static bool command_is_out(const struct irqhop_vcpu *v)
{
	u64 state = v->seen & IRQHOP_WORD_STATE;

	return state == IRQHOP_VS_USER || state == IRQHOP_VS_OFF;
}

static bool command_is_unknown(const struct irqhop_vcpu *v)
{
	return (v->seen & IRQHOP_WORD_STATE) == IRQHOP_VS_UNKNOWN;
}

/**
 * irqhop_command_first - a VM is enabled, and its vCPUs run already
 * @vm: the VM
 *
 * Each of them that is inside KVM_RUN, and not in WFI, may be at a command that
 * has begun before anybody watched.
 *
 * Context: @vm's lock held; before the first scan.
 */
void irqhop_command_first(struct irqhop_vm *vm)
{
	u16 i;

	lockdep_assert_held(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		v->exits = irqhop_arch_vcpu_exits(v->kvm_vcpu);
		v->at_command = !command_is_out(v) &&
				(v->seen & IRQHOP_WORD_STATE) !=
				IRQHOP_VS_HALTED;
	}
	vm->commands = true;
}

/* Is it back in the guest since it has given a command, or left KVM_RUN? */
static bool command_done(const struct irqhop_vcpu *v)
{
	return irqhop_arch_vcpu_in_guest(v->kvm_vcpu) ||
	       irqhop_arch_vcpu_exits(v->kvm_vcpu) != v->exits;
}

/**
 * irqhop_command_pending - has everything that is injected to stay home
 * @vm: the VM
 *
 * A vCPU's command is done when it is in the guest again, or has been there
 * since, or leaves KVM_RUN. Of one that is unknown nobody would see the latter.
 *
 * Context: @vm's lock held.
 *
 * Return: true if KVM may be at a command, or no vCPU is inside KVM_RUN.
 */
bool irqhop_command_pending(struct irqhop_vm *vm)
{
	bool command = false, some = false, all_out = true;
	u16 i;

	lockdep_assert_held(&vm->lock);
	if (likely(!vm->commands))
		return false;
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		if ((v->at_command || v->in_user) && command_done(v)) {
			v->at_command = false;
			v->in_user = false;
		}
		command |= v->at_command || command_is_unknown(v);
		all_out &= v->in_user || command_is_out(v);
		some |= v->at_command || v->in_user || command_is_unknown(v);
	}
	vm->commands = some;
	return command || all_out;
}

/*
 * One pass for all that are away: nothing hops meanwhile. The tracepoint keeps
 * preemption off for as long as it takes.
 */
static void command_begin(struct irqhop_vcpu *v, bool in_user)
{
	struct irqhop_vm *vm = v->vm;
	unsigned long flags;
	u16 next = 0;
	bool more;
	u64 begun;

	do {
		flags = irqhop_turn_lock(vm, &begun);
		v->exits = irqhop_arch_vcpu_exits(v->kvm_vcpu);
		v->at_command = !in_user;
		v->in_user = in_user;
		vm->commands = true;
		vm->recall = true;
		more = vm->nr_written && irqhop_command_pending(vm) &&
		       command_home_some(vm, &next);
		vm->recall = false;
		irqhop_turn_unlock(vm, flags, begun);
	} while (more);
}

/**
 * irqhop_command_write - KVM is about to carry out a write of the guest's
 * @v: the vCPU that writes
 * @gpa: where to
 *
 * Context: process, in the vCPU's thread. Takes the VM's lock.
 */
void irqhop_command_write(struct irqhop_vcpu *v, u64 gpa)
{
	if (irqhop_arch_vm_commands(&v->vm->arch, gpa) &&
	    !irqhop_mutant(COMMAND))
		command_begin(v, false);
}

/**
 * irqhop_command_user - a vCPU is about to leave KVM_RUN
 * @v: the vCPU
 *
 * Context: process, in the vCPU's thread. Takes the VM's lock.
 */
void irqhop_command_user(struct irqhop_vcpu *v)
{
	command_begin(v, true);
}
