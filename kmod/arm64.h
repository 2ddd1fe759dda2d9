/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: arm64, what its files share.
 */
#ifndef _IRQHOP_ARM64_H
#define _IRQHOP_ARM64_H

#include <linux/irqchip/arm-gic-v3.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <linux/irqdesc.h>
#include <linux/kvm_host.h>

#define IRQHOP_ARCH_MAX_ITS	4
#define IRQHOP_ARCH_MAX_GICR	8

/**
 * struct irqhop_arch_range - a range of guest physical addresses
 * @first: the first of them
 * @end: the first that is not
 */
struct irqhop_arch_range {
	gpa_t first;
	gpa_t end;
};

/**
 * struct irqhop_arch_vm - what an enabled VM needs per architecture
 * @its: its ITSs, which live as long as the VM
 * @nr_its: how many
 * @gicr: where its redistributors are
 * @nr_gicr: in so many ranges; 0: it is not known where, so that it can be
 *	anywhere
 */
struct irqhop_arch_vm {
	struct vgic_its *its[IRQHOP_ARCH_MAX_ITS];
	unsigned int nr_its;
	struct irqhop_arch_range gicr[IRQHOP_ARCH_MAX_GICR];
	unsigned int nr_gicr;
};

/**
 * struct irqhop_arch_hold - an LPI that is held
 * @kvm: the VM
 * @irq: KVM's record of it, which lives until it is released
 * @desc: direct: the host irq's descriptor, locked; else NULL
 * @data: direct: the ITS driver's level of it
 * @map: direct: where it points, by the ITS driver's record
 * @woken: to be told when the descriptor's lock is dropped: it may have halted
 * @written: if not NULL: KVM's record is to be changed from this to @home when
 *	the LPI is released
 * @home: see @written
 */
struct irqhop_arch_hold {
	struct kvm *kvm;
	struct vgic_irq *irq;
	struct irq_desc *desc;
	struct irq_data *data;
	struct its_vlpi_map map;
	struct kvm_vcpu *woken;
	struct kvm_vcpu *written;
	struct kvm_vcpu *home;
};

/* direct-arm64.c */
bool irqhop_direct_hold(struct irqhop_arch_hold *h, u32 host_irq, u32 intid);
void irqhop_direct_release(struct irqhop_arch_hold *h);
struct kvm_vcpu *irqhop_direct_target(const struct irqhop_arch_hold *h);
int irqhop_direct_move(struct irqhop_arch_hold *h, struct kvm_vcpu *to);
void irqhop_direct_reload(struct irqhop_arch_hold *h);

/* injected-arm64.c */
int irqhop_injected_move(struct vgic_irq *irq, struct kvm_vcpu *from,
			 struct kvm_vcpu *to, bool home);
void irqhop_injected_record(struct vgic_irq *irq, struct kvm_vcpu *from,
			    struct kvm_vcpu *to);

#endif /* _IRQHOP_ARM64_H */
