/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what the rest of the module asks of an architecture.
 */
#ifndef _IRQHOP_ARCH_H
#define _IRQHOP_ARCH_H

#include <linux/kvm_host.h>
#include <linux/netlink.h>

#include "arm64.h"
#include "engine.h"

/**
 * struct irqhop_arch_irq - an interrupt of a VM as it was a moment ago
 * @intid: the guest's number
 * @host_irq: the host's, for a direct one
 * @home: vcpu_idx that the guest's affinity names, %IRQHOP_NONE if none. Of an
 *	injected one, until irqhop_table_resolve() knows better: @target
 * @target: vcpu_idx that it points at, %IRQHOP_NONE if that is nobody's to say
 * @direct: delivered by hardware
 * @enabled: the guest has it enabled
 * @pending: pending in KVM's record
 */
struct irqhop_arch_irq {
	u32 intid;
	u32 host_irq;
	u16 home;
	u16 target;
	bool direct;
	bool enabled;
	bool pending;
};

/**
 * struct irqhop_arch_ipi - an IPI of a guest's
 * @affinity: MPIDR of the targets, without the lowest level
 * @mask: bit per target, by the lowest level
 */
struct irqhop_arch_ipi {
	u64 affinity;
	u16 mask;
};

int irqhop_arch_init(void);
u32 irqhop_arch_caps(void);

int irqhop_arch_vm_check(struct kvm *kvm, struct netlink_ext_ack *extack);
bool irqhop_arch_vm_has_irqs(struct kvm *kvm);
void irqhop_arch_vm_init(struct irqhop_arch_vm *arch, struct kvm *kvm);
u64 irqhop_arch_vm_mark(const struct irqhop_arch_vm *arch);
u64 irqhop_arch_vm_epoch(const struct irqhop_arch_vm *arch);
bool irqhop_arch_vm_commands(const struct irqhop_arch_vm *arch, u64 gpa);

enum irqhop_vcpu_state irqhop_arch_vcpu_classify(struct kvm_vcpu *vcpu,
						 bool preempted, bool loaded,
						 bool *in_handler);
u32 irqhop_arch_vcpu_mark(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_enabled(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_loaded(struct kvm_vcpu *vcpu, int *cpu);
u64 irqhop_arch_vcpu_exits(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_in_guest(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_pending(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_in_kernel(struct kvm_vcpu *vcpu);
u64 irqhop_arch_vcpu_spins(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_in_user(struct kvm_vcpu *vcpu, u64 *space);
bool irqhop_arch_vcpu_doorbell_arm(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_is_doorbell(struct kvm_vcpu *vcpu, int irq);

bool irqhop_arch_ipi_get(struct kvm_vcpu *vcpu, unsigned long esr,
			 struct irqhop_arch_ipi *ipi);
bool irqhop_arch_ipi_reaches(const struct irqhop_arch_ipi *ipi,
			     struct kvm_vcpu *vcpu);

int irqhop_arch_irq_hold(struct kvm *kvm, u32 intid,
			 struct irqhop_arch_irq *info,
			 struct irqhop_arch_hold *h);
int irqhop_arch_irq_hold_next(struct kvm *kvm, u32 from,
			      struct irqhop_arch_irq *info,
			      struct irqhop_arch_hold *h);
void irqhop_arch_irq_release(struct irqhop_arch_hold *h);
void irqhop_arch_irq_reload(struct irqhop_arch_hold *h);
u16 irqhop_arch_irq_record_get(const struct irqhop_arch_hold *h);
void irqhop_arch_irq_record(struct irqhop_arch_hold *h, u16 from, u16 to);
int irqhop_arch_irq_move(struct irqhop_arch_hold *h,
			 const struct irqhop_arch_irq *info,
			 struct kvm_vcpu *to, bool home, u64 *cost);

#endif /* _IRQHOP_ARCH_H */
