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

/* Turns at most until all are home, failures included. */
#define COMMAND_TURNS	1024

/* Send one home that is injected and away. */
static void command_home(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_arch_irq info;
	struct irqhop_arch_hold h;

	if (irqhop_turn_look(vm, vm->irq[i].intid, &info, &h)) {
		irqhop_table_forget(vm, i);
		return;
	}
	/* Otherwise the look alone has set KVM's record right. */
	if (!info.direct && info.home != info.target &&
	    !irqhop_turn_move(vm, &h, &info, info.home))
		info.target = info.home;
	irqhop_arch_irq_release(&h);
	irqhop_engine_irq_seen(&vm->engine, i, info.home, info.target);
}

/* Up to a limit. Return: true if some are left. */
static bool command_home_some(struct irqhop_vm *vm)
{
	unsigned int looks = IRQHOP_LOOKS;
	u16 i;

	for (i = 0; vm->nr_written && i < vm->engine.max_irqs; i++) {
		if (vm->irq[i].written == IRQHOP_NONE)
			continue;
		if (!looks--)
			return true;
		command_home(vm, i);
	}
	return false;
}

/**
 * irqhop_command_pending - has everything that is injected to stay home
 * @vm: the VM
 *
 * A vCPU's command is done, and a vCPU is back from user space, when it is in
 * the guest, or has been there since.
 *
 * Context: @vm's lock held.
 *
 * Return: true if KVM is at a command, or no vCPU is inside KVM_RUN.
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
		u64 state = v->seen & IRQHOP_WORD_STATE;

		if (irqhop_arch_vcpu_in_guest(v->kvm_vcpu) ||
		    irqhop_arch_vcpu_exits(v->kvm_vcpu) != v->exits) {
			v->at_command = false;
			v->in_user = false;
		}
		command |= v->at_command;
		some |= v->at_command || v->in_user;
		all_out &= v->in_user || state == IRQHOP_VS_USER ||
			   state == IRQHOP_VS_OFF;
	}
	vm->commands = some;
	return command || all_out;
}

static void command_begin(struct irqhop_vcpu *v, bool in_user)
{
	struct irqhop_vm *vm = v->vm;
	unsigned int turns = COMMAND_TURNS;
	unsigned long flags;
	bool more;
	u64 begun;

	do {
		flags = irqhop_turn_lock(vm, &begun);
		v->exits = irqhop_arch_vcpu_exits(v->kvm_vcpu);
		v->at_command = !in_user;
		v->in_user = in_user;
		vm->commands = true;
		more = vm->nr_written && irqhop_command_pending(vm) &&
		       command_home_some(vm);
		irqhop_turn_unlock(vm, flags, begun);
	} while (more && --turns);
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
	if (READ_ONCE(v->vm->engine.nr_injected) && !irqhop_mutant(PAUSE))
		command_begin(v, true);
}
