/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what differs between the kernels that it supports, each with the
 * commit that made the difference. Nothing else looks at the version.
 */
#ifndef _IRQHOP_COMPAT_H
#define _IRQHOP_COMPAT_H

#include <linux/kvm_host.h>
#include <linux/pid.h>
#include <linux/version.h>

/*
 * irqhop reads and drives parts of KVM and of the ITS driver that promise
 * nothing to modules. So it builds for the series that it was tested with and
 * for no other.
 *
 * What ties it to 6.12:
 *
 * - An LPI is in kvm->arch.vgic.lpi_xa and freed by RCU: since v6.9 ("KVM:
 *   arm64: vgic: Store LPIs in an xarray"); before, a list under
 *   lpi_list_lock, itself gone since v6.10 (481c9ee846d2).
 * - irq->irq_lock is not held while KVM maps a vLPI, its_lock is a mutex, and
 *   unmapping goes by the guest's routing: until v6.16 (05b9405f2fa1 and the
 *   commits around it).
 * - sched_switch passes prev_state as its last argument: since v5.18
 *   ("sched/tracing: Append prev_state to tp args instead").
 * - kvm_vcpu::scheduled_out: since v6.11 ("KVM: Add a flag to track if a
 *   loaded vCPU is scheduled out").
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#error "irqhop: this kernel series is not supported, it has been tested with 6.12 only"
#endif

#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "irqhop: needs CONFIG_PREEMPT_NOTIFIERS (selected by KVM)"
#endif

#ifndef CONFIG_SPARSE_IRQ
#error "irqhop: needs CONFIG_SPARSE_IRQ, whose interrupt descriptors are freed by RCU"
#endif

#ifndef CONFIG_ARM64
#error "irqhop: arm64 only so far"
#endif

/**
 * irqhop_compat_vcpu_task - the thread that runs a vCPU
 * @vcpu: the vCPU
 *
 * Context: RCU read side.
 *
 * Return: the thread that was in KVM_RUN with it last, or NULL.
 */
static inline struct task_struct *
irqhop_compat_vcpu_task(struct kvm_vcpu *vcpu)
{
	return pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
}

#endif /* _IRQHOP_COMPAT_H */
