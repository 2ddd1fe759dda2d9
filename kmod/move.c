// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: moves an interrupt, says why, and counts it.
 */
#include <linux/kvm_host.h>

#include "fault.h"
#include "irqhop.h"
#include "trace.h"

/* So many moves refused in a row, and we let go of the VM. */
#define MOVE_FAILS	16

/* Why an interrupt moves: who left, or why it goes home. */
static enum irqhop_why move_why(struct irqhop_vm *vm,
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

static void move_count(struct irqhop_vm *vm, const struct irqhop_arch_irq *info,
		       u16 to, u64 cost)
{
	struct irqhop_stats *s = &vm->stats;

	if (to == info->home) {
		s->returns++;
		trace_return(vm->pid, info->intid,
			     irqhop_vcpu_id(vm, info->target),
			     irqhop_vcpu_id(vm, to), move_why(vm, info, to),
			     cost);
	} else {
		s->hops++;
		trace_hop(vm->pid, info->intid,
			  irqhop_vcpu_id(vm, info->target),
			  irqhop_vcpu_id(vm, to), move_why(vm, info, to), cost);
	}
	s->cost_sum += cost;
	s->cost_max = max(s->cost_max, cost);
	s->cost_hist[min_t(u64, cost / IRQHOP_COST_BUCKET_NS,
			   IRQHOP_COST_BUCKETS - 1)]++;
}

/**
 * irqhop_move - move an interrupt and count it
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
int irqhop_move(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
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
		if (++vm->fails >= MOVE_FAILS)
			irqhop_vm_break(vm, "the ITS driver refuses its moves");
		return ret;
	}
	vm->fails = 0;
	irqhop_table_moved(vm, info, to);
	move_count(vm, info, to, cost);
	if (info->direct && cost > IRQHOP_COST_LIMIT) {
		vm->slow++;
		irqhop_vm_break(vm, "the ITS does not answer");
	}
	return 0;
}
