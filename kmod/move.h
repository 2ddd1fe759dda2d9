/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what the rest of the module asks of an architecture.
 */
#ifndef _IRQHOP_MOVE_H
#define _IRQHOP_MOVE_H

#include <linux/kvm_host.h>
#include <linux/netlink.h>

#include "engine.h"

/**
 * struct irqhop_arch_irq - an interrupt of a VM as it was a moment ago
 * @intid: the guest's number
 * @host_irq: the host's, for a direct one
 * @home: vcpu_idx that the guest's affinity names, %IRQHOP_NONE if none
 * @target: vcpu_idx that a direct one points at, else %IRQHOP_NONE
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

#define IRQHOP_ARCH_MAX_ITS	4

/**
 * struct irqhop_arch_vm - what an enabled VM needs per architecture
 * @its: its ITSs, which live as long as the VM
 * @nr_its: how many
 */
struct irqhop_arch_vm {
	struct vgic_its *its[IRQHOP_ARCH_MAX_ITS];
	unsigned int nr_its;
};

int irqhop_arch_init(void);
u32 irqhop_arch_caps(void);

int irqhop_arch_vm_check(struct kvm *kvm, struct netlink_ext_ack *extack);
bool irqhop_arch_vm_has_irqs(struct kvm *kvm);
void irqhop_arch_vm_init(struct irqhop_arch_vm *arch, struct kvm *kvm);
u64 irqhop_arch_vm_mark(const struct irqhop_arch_vm *arch);
u64 irqhop_arch_vm_epoch(const struct irqhop_arch_vm *arch);

enum irqhop_vcpu_state irqhop_arch_vcpu_classify(struct kvm_vcpu *vcpu,
						 bool preempted, bool loaded,
						 bool *in_handler);
u32 irqhop_arch_vcpu_mark(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_enabled(struct kvm_vcpu *vcpu);
bool irqhop_arch_vcpu_loaded(struct kvm_vcpu *vcpu, int *cpu);

int irqhop_arch_irq_look(struct kvm *kvm, u32 intid,
			 struct irqhop_arch_irq *info);
int irqhop_arch_irq_next(struct kvm *kvm, u32 from,
			 struct irqhop_arch_irq *info);
void irqhop_arch_irq_reload(struct kvm *kvm,
			    const struct irqhop_arch_irq *info);
int irqhop_arch_irq_move(struct kvm *kvm, const struct irqhop_arch_irq *info,
			 struct kvm_vcpu *to, u64 *cost);

#endif /* _IRQHOP_MOVE_H */
