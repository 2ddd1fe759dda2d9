// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64, the LPIs of a VM, whichever path they take.
 */
#include <linux/kvm_host.h>
#include <linux/sched/clock.h>

#include "irqhop.h"

static u16 arch_vcpu_index(struct kvm_vcpu *vcpu)
{
	return vcpu ? vcpu->vcpu_idx : IRQHOP_NONE;
}

/* What KVM's record says of one. Context: RCU read side, interrupts off. */
static void arch_irq_read(struct vgic_irq *irq, struct irqhop_arch_irq *info)
{
	struct kvm_vcpu *target;

	raw_spin_lock(&irq->irq_lock);
	target = irq->target_vcpu;
	info->intid = irq->intid;
	info->direct = irq->hw;
	info->host_irq = irq->host_irq;
	info->enabled = irq->enabled;
	info->pending = irq->pending_latch;
	raw_spin_unlock(&irq->irq_lock);
	info->home = arch_vcpu_index(target);
	info->target = info->home;
}

/* Context: RCU read side, interrupts off; see irqhop_arch_irq_hold(). */
static void arch_irq_hold(struct kvm *kvm, struct vgic_irq *irq,
			  struct irqhop_arch_irq *info,
			  struct irqhop_arch_hold *h)
{
	*h = (struct irqhop_arch_hold){ .kvm = kvm, .irq = irq };
	arch_irq_read(irq, info);
	if (!info->direct)
		return;
	/* KVM leaves irq->hw set in places where the mapping is gone. */
	info->direct = irqhop_direct_hold(h, info->host_irq, info->intid);
	info->target = info->direct ?
		       arch_vcpu_index(irqhop_direct_target(h)) : IRQHOP_NONE;
}

/**
 * irqhop_arch_irq_hold - look at one LPI and hold it
 * @kvm: the VM
 * @intid: the guest's number of it
 * @info: gets what was found
 * @h: to be released by irqhop_arch_irq_release()
 *
 * A direct one points where it does for as long as it is held. An injected one
 * only lives for as long: KVM may change it.
 *
 * Context: interrupts off; takes irq_lock for a moment, keeps the host irq
 * descriptor's lock and RCU's read side.
 *
 * Return: 0, or -ENOENT, with nothing held, if the guest has no such LPI.
 */
int irqhop_arch_irq_hold(struct kvm *kvm, u32 intid,
			 struct irqhop_arch_irq *info,
			 struct irqhop_arch_hold *h)
{
	struct vgic_irq *irq;

	lockdep_assert_irqs_disabled();
	irq = irqhop_compat_lpi_get(kvm, intid, intid);
	if (!irq)
		return -ENOENT;
	arch_irq_hold(kvm, irq, info, h);
	return 0;
}

/**
 * irqhop_arch_irq_hold_next - the same for the first LPI from some number on
 * @kvm: the VM
 * @from: the number
 * @info: gets what was found
 * @h: to be released by irqhop_arch_irq_release()
 *
 * Context: as irqhop_arch_irq_hold().
 *
 * Return: 0, or -ENOENT if there is none.
 */
int irqhop_arch_irq_hold_next(struct kvm *kvm, u32 from,
			      struct irqhop_arch_irq *info,
			      struct irqhop_arch_hold *h)
{
	struct vgic_irq *irq;

	lockdep_assert_irqs_disabled();
	irq = irqhop_compat_lpi_get(kvm, from, U32_MAX);
	if (!irq)
		return -ENOENT;
	arch_irq_hold(kvm, irq, info, h);
	return 0;
}

/**
 * irqhop_arch_irq_release - hold an LPI no longer
 * @h: the LPI
 *
 * Context: as irqhop_arch_irq_hold(). A vCPU may be woken.
 */
void irqhop_arch_irq_release(struct irqhop_arch_hold *h)
{
	if (h->desc)
		irqhop_direct_release(h);
	/* Only now: KVM takes irq_lock first, then a descriptor's. */
	if (h->written)
		irqhop_injected_record(h->irq, h->written, h->home);
	irqhop_compat_lpi_put(h->kvm, h->irq);
}

/**
 * irqhop_arch_irq_reload - have the GIC read an LPI's configuration again
 * @h: a direct LPI that is not at home
 *
 * KVM carries out a guest's INVALL by writing the configuration of each LPI
 * and then invalidating the vPE of their home, which is not where this one is.
 * So the guest would have enabled it in vain.
 *
 * Context: the LPI held.
 */
void irqhop_arch_irq_reload(struct irqhop_arch_hold *h)
{
	irqhop_direct_reload(h);
}

/**
 * irqhop_arch_irq_record - set right KVM's record of an LPI's home
 * @h: an LPI that KVM takes for direct; when it was injected, its record was
 *	changed
 * @from: vcpu_idx that was written there then
 * @to: vcpu_idx of its home
 *
 * It is done when the LPI is released.
 *
 * Context: the LPI held.
 */
void irqhop_arch_irq_record(struct irqhop_arch_hold *h, u16 from, u16 to)
{
	h->written = kvm_get_vcpu(h->kvm, from);
	h->home = kvm_get_vcpu(h->kvm, to);
}

/**
 * irqhop_arch_irq_record_get - the vCPU that KVM's record of an LPI names
 * @h: the LPI
 *
 * Context: the LPI held.
 *
 * Return: its vcpu_idx now, %IRQHOP_NONE if there is none.
 */
u16 irqhop_arch_irq_record_get(const struct irqhop_arch_hold *h)
{
	return arch_vcpu_index(READ_ONCE(h->irq->target_vcpu));
}

/**
 * irqhop_arch_irq_move - make an LPI go to another vCPU
 * @h: the LPI
 * @info: what was found when it was held
 * @to: a vCPU of the VM
 * @home: it is the LPI's home
 * @cost: gets how long that took, in ns
 *
 * Context: the LPI held. See irqhop_direct_move(), irqhop_injected_move().
 *
 * Return: 0, 1 if it goes there already; -EAGAIN if it is not what it was when
 * it was held; -EBUSY if it cannot be moved now; or what the ITS driver said.
 */
int irqhop_arch_irq_move(struct irqhop_arch_hold *h,
			 const struct irqhop_arch_irq *info,
			 struct kvm_vcpu *to, bool home, u64 *cost)
{
	u64 start = sched_clock();
	int ret;

	if (info->direct)
		ret = irqhop_direct_move(h, to);
	else
		ret = irqhop_injected_move(h->irq,
					   kvm_get_vcpu(h->kvm, info->target),
					   to, home);
	*cost = sched_clock() - start;
	return ret;
}
