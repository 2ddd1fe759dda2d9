// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64, injected LPIs: those that KVM delivers in software.
 *
 * Where one goes is said by vgic_irq::target_vcpu, which is KVM's record of the
 * guest's affinity as well: there is no other lever. When one is raised KVM
 * queues it on that vCPU's ap_list (vgic_queue_irq_unlock), from where it is put
 * into a list register at the next entry to the guest, and taken back at the
 * next exit, with what the guest has not handled. So of a vCPU that is not in
 * the guest nothing is in a list register, and what is queued there can be
 * moved to another vCPU's list, which is what KVM itself does with one whose
 * affinity has changed (vgic_prune_ap_list), but only when that vCPU runs again.
 */
#include <linux/kvm_host.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>

#include "arm64.h"
#include "compat.h"

/* So often the queue may turn out to be another one before we give up. */
#define INJECTED_TRIES	8

static raw_spinlock_t *injected_queue_lock(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.vgic_cpu.ap_list_lock;
}

/* KVM's order: the smaller vcpu_id first. @a may be NULL, or @b. */
static void injected_lock(struct kvm_vcpu *a, struct kvm_vcpu *b)
{
	if (!a)
		return;
	if (a == b) {
		raw_spin_lock(injected_queue_lock(a));
		return;
	}
	if (a->vcpu_id > b->vcpu_id)
		swap(a, b);
	raw_spin_lock(injected_queue_lock(a));
	raw_spin_lock_nested(injected_queue_lock(b), SINGLE_DEPTH_NESTING);
}

static void injected_unlock(struct kvm_vcpu *a, struct kvm_vcpu *b)
{
	if (!a)
		return;
	if (a != b)
		raw_spin_unlock(injected_queue_lock(b));
	raw_spin_unlock(injected_queue_lock(a));
}

/*
 * Have a vCPU look at its queue, wherever it is. It is what kvm_vcpu_kick()
 * does, which later kernels keep to KVM's own modules.
 */
static void injected_kick(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;

	kvm_make_request(KVM_REQ_IRQ_PENDING, vcpu);
	rcuwait_wake_up(kvm_arch_vcpu_get_wait(vcpu));
	task = irqhop_compat_vcpu_task(vcpu);
	if (task)
		kick_process(task);
}

/**
 * irqhop_injected_record - change the record of an LPI, and nothing else
 * @irq: the LPI
 * @from: the vCPU that the record names; if it does not any more, it stays
 * @to: a vCPU of the same VM
 *
 * For one that has become direct.
 *
 * Context: RCU read side, interrupts off. Takes irq_lock.
 */
void irqhop_injected_record(struct vgic_irq *irq, struct kvm_vcpu *from,
			    struct kvm_vcpu *to)
{
	raw_spin_lock(&irq->irq_lock);
	if (irq->target_vcpu == from)
		irq->target_vcpu = to;
	raw_spin_unlock(&irq->irq_lock);
}

/*
 * Context: irq_lock, and the ap_list_locks of @to and of the vCPU that has it
 * queued. @kicked gets whom to kick, if anybody. Return: 0 or an errno.
 */
static int injected_move(struct vgic_irq *irq, struct kvm_vcpu *from,
			 struct kvm_vcpu *to, bool home,
			 struct kvm_vcpu **kicked)
{
	struct kvm_vcpu *queue = irq->vcpu;

	if (irq->hw || irq->target_vcpu != from)
		return -EAGAIN;
	if (irq->active && !home)
		return -EBUSY;
	irq->target_vcpu = to;
	*kicked = queue;
	if (!queue || queue == to || irq->active)
		return 0;
	if (queue->arch.vgic_cpu.vgic_v3.used_lrs ||
	    irqhop_compat_vcpu_folds(queue))
		return 0;
	list_move_tail(&irq->ap_list, &to->arch.vgic_cpu.ap_list_head);
	irq->vcpu = to;
	*kicked = to;
	return 0;
}

/**
 * irqhop_injected_move - have KVM deliver an LPI to another vCPU
 * @irq: the LPI
 * @from: the vCPU that it is delivered to now
 * @to: a vCPU of the same VM
 * @home: @to is what the guest wants
 *
 * What is queued goes along, unless the vCPU that has it is in the guest, or
 * about to be: then list registers may hold it, and that vCPU is made to leave
 * the guest, upon which KVM moves it. (Only with its own ap_list_lock held does
 * a vCPU put its queue into list registers, so they stay empty if they are.)
 *
 * One that the guest is handling (active) stays where it is. KVM sees to that
 * itself, so it can be sent home, but not elsewhere. (In v7.2 and not in v6.12
 * KVM takes that state away from an LPI at each exit: then it is not kept.)
 *
 * Context: RCU read side, interrupts off. Takes two ap_list_locks and irq_lock.
 *
 * Return: 0, 1 if it is delivered there already, -EAGAIN if it is not delivered
 * to @from any more or not by KVM, -EBUSY if it cannot be moved now.
 */
int irqhop_injected_move(struct vgic_irq *irq, struct kvm_vcpu *from,
			 struct kvm_vcpu *to, bool home)
{
	struct kvm_vcpu *queue, *kicked = NULL;
	unsigned int tries;
	int ret = -EBUSY;
	bool same;

	if (from == to)
		return 1;
	for (tries = 0; tries < INJECTED_TRIES; tries++) {
		queue = READ_ONCE(irq->vcpu);
		injected_lock(queue, to);
		raw_spin_lock(&irq->irq_lock);
		same = irq->vcpu == queue;
		if (same)
			ret = injected_move(irq, from, to, home, &kicked);
		raw_spin_unlock(&irq->irq_lock);
		injected_unlock(queue, to);
		if (same)
			break;
	}
	/* Home is to be on record by all means, and KVM moves it some time. */
	if (!same && home) {
		raw_spin_lock(&irq->irq_lock);
		ret = irq->hw || irq->target_vcpu != from ? -EAGAIN : 0;
		if (!ret) {
			irq->target_vcpu = to;
			kicked = irq->vcpu;
		}
		raw_spin_unlock(&irq->irq_lock);
	}
	if (kicked)
		injected_kick(kicked);
	return ret;
}
