// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64, what tells that a vCPU ought to be running: its doorbell, what
 * KVM asks of it, where its guest was, and IPIs to it.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>

#include "irqhop.h"

/**
 * irqhop_arch_vcpu_pending - has KVM something for a vCPU that is out
 * @vcpu: the vCPU
 *
 * KVM asks for that whenever it queues an interrupt, and the vCPU takes note on
 * its way into the guest.
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_arch_vcpu_pending(struct kvm_vcpu *vcpu)
{
	return kvm_test_request(KVM_REQ_IRQ_PENDING, vcpu);
}

/**
 * irqhop_arch_vcpu_in_kernel - was the guest in its kernel
 * @vcpu: a vCPU that is out
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_arch_vcpu_in_kernel(struct kvm_vcpu *vcpu)
{
	return vcpu_mode_priv(vcpu);
}

/**
 * irqhop_arch_vcpu_spins - how often the guest has spun for a lock
 * @vcpu: the vCPU
 *
 * A spinning lock waits with WFE, which KVM has trapped where others want the
 * pCPU; it yields then, see kvm_vcpu_on_spin().
 *
 * Context: any.
 *
 * Return: the number of times.
 */
u64 irqhop_arch_vcpu_spins(struct kvm_vcpu *vcpu)
{
	return vcpu->stat.wfe_exit_stat;
}

/**
 * irqhop_arch_vcpu_in_user - was the guest in user space, and in which one
 * @vcpu: a vCPU that is out, or whose thread has just been interrupted here
 * @space: gets what tells its address spaces apart: TTBR0_EL1
 *
 * Where the host has VHE, a vCPU's TTBR0_EL1 is in the register while its thread
 * has its pCPU; a host at EL1 saves it at each exit.
 *
 * Context: interrupts off.
 *
 * Return: true if so.
 */
bool irqhop_arch_vcpu_in_user(struct kvm_vcpu *vcpu, u64 *space)
{
	if (vcpu_mode_priv(vcpu) && !irqhop_mutant(IN_USER))
		return false;
	if (irqhop_mutant(SPACE))
		*space = 0;
	else if (has_vhe() && vcpu_get_flag(vcpu, SYSREGS_ON_CPU))
		*space = read_sysreg_s(SYS_TTBR0_EL12);
	else
		*space = ctxt_sys_reg(&vcpu->arch.ctxt, TTBR0_EL1);
	return true;
}

/**
 * irqhop_arch_vcpu_doorbell_arm - have a vCPU's doorbell ring
 * @vcpu: preempted; it stays out at least until we are done
 *
 * KVM wants to hear the doorbell (an LPI of the host's, raised when a vLPI
 * becomes pending for a vPE that is not resident) only of a vCPU in WFI. It
 * disables it each time that the vCPU is loaded, without ever counting that, and
 * enables it by undoing all of them, before the vCPU is put in WFI: so how deep
 * it is disabled is of no interest to anybody. If it rings for a vCPU that is
 * preempted, KVM takes note that something is pending, and that is all.
 *
 * Nobody enables it meanwhile: that takes a vCPU that comes in, and its pCPU
 * first has to tell us so, for which it waits until we are done (see
 * irqhop_turn_event()).
 *
 * Context: interrupts off, the VM's lock held. Takes the descriptor's lock, and
 * in it those of the ITS driver.
 *
 * Return: true if it need not ring any more: something was pending already when
 * the vPE was made non-resident.
 */
bool irqhop_arch_vcpu_doorbell_arm(struct kvm_vcpu *vcpu)
{
	struct its_vpe *vpe = &vcpu->arch.vgic_cpu.vgic_v3.its_vpe;
	struct irq_data *data;
	struct irq_desc *desc;
	bool disabled;

	if (!vcpu->kvm->arch.vgic.its_vm.vpes || irqhop_mutant(DOORBELL))
		return false;
	data = irq_get_irq_data(vpe->irq);
	if (!data)
		return false;
	desc = irq_data_to_desc(data);
	raw_spin_lock(&desc->lock);
	disabled = desc->depth;
	if (disabled)
		desc->depth = 1;
	raw_spin_unlock(&desc->lock);
	if (disabled)
		enable_irq(vpe->irq);
	return READ_ONCE(vpe->pending_last);
}

/**
 * irqhop_arch_vcpu_is_doorbell - is a host interrupt this vCPU's doorbell
 * @vcpu: of an enabled VM
 * @irq: the host's number
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_arch_vcpu_is_doorbell(struct kvm_vcpu *vcpu, int irq)
{
	return vcpu->kvm->arch.vgic.its_vm.vpes &&
	       vcpu->arch.vgic_cpu.vgic_v3.its_vpe.irq == irq;
}

#define ARCH_SGI1R	(ESR_ELx_SYS64_ISS_SYS_VAL(3, 0, 5, 12, 11) | \
			 ESR_ELx_SYS64_ISS_DIR_WRITE)

/**
 * irqhop_arch_ipi_get - does a vCPU send an IPI
 * @vcpu: it has left the guest for an access to a system register
 * @esr: which one, as ESR_EL2 has it
 * @ipi: gets whom to
 *
 * ICC_SGI1R_EL1: Arm IHI 0069, "Interrupt Controller Software Generated
 * Interrupt Group 1 Register". One to all others is for nobody in particular.
 *
 * Context: in the vCPU's thread.
 *
 * Return: true if it does.
 */
bool irqhop_arch_ipi_get(struct kvm_vcpu *vcpu, unsigned long esr,
			 struct irqhop_arch_ipi *ipi)
{
	u64 sgi;

	if ((esr & (ESR_ELx_SYS64_ISS_SYS_MASK | ESR_ELx_SYS64_ISS_DIR_MASK)) !=
	    ARCH_SGI1R)
		return false;
	sgi = vcpu_get_reg(vcpu, ESR_ELx_SYS64_ISS_RT(esr));
	if (sgi & BIT_ULL(ICC_SGI1R_IRQ_ROUTING_MODE_BIT))
		return false;
	ipi->mask = FIELD_GET(ICC_SGI1R_TARGET_LIST_MASK, sgi);
	ipi->affinity =
		FIELD_GET(ICC_SGI1R_AFFINITY_3_MASK, sgi) << MPIDR_LEVEL_SHIFT(3) |
		FIELD_GET(ICC_SGI1R_AFFINITY_2_MASK, sgi) << MPIDR_LEVEL_SHIFT(2) |
		FIELD_GET(ICC_SGI1R_AFFINITY_1_MASK, sgi) << MPIDR_LEVEL_SHIFT(1);
	return true;
}

/**
 * irqhop_arch_ipi_reaches - is an IPI for this vCPU, too
 * @ipi: the IPI
 * @vcpu: of the same VM
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_arch_ipi_reaches(const struct irqhop_arch_ipi *ipi,
			     struct kvm_vcpu *vcpu)
{
	u64 mpidr = ctxt_sys_reg(&vcpu->arch.ctxt, MPIDR_EL1);
	u64 level0 = MPIDR_AFFINITY_LEVEL(mpidr, 0);

	return level0 < 16 && ipi->mask & BIT(level0) &&
	       (mpidr & MPIDR_HWID_BITMASK & ~MPIDR_LEVEL_MASK) ==
	       ipi->affinity;
}
