// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64, direct LPIs: where one points by the ITS driver's account, and
 * how it is made to point elsewhere.
 *
 * A hop leaves KVM's record of the guest's affinity (vgic_irq::target_vcpu)
 * alone. It changes the vPE of the host irq's vLPI mapping and nothing else of
 * it; the ITS driver turns that into a VMOVI, which takes a pending interrupt
 * along.
 */
#include <linux/irq.h>
#include <linux/kvm_host.h>
#include <linux/rcuwait.h>

#include <asm/kvm_emulate.h>

#include "arm64.h"

static int direct_send(struct irqhop_arch_hold *h, struct its_cmd_info *info)
{
	return h->data->chip->irq_set_vcpu_affinity(h->data, info);
}

static int direct_command(struct irqhop_arch_hold *h,
			  enum its_vcpu_info_cmd_type type)
{
	struct its_cmd_info info = {
		.cmd_type = type,
		{ .map = &h->map },
	};

	return direct_send(h, &info);
}

/*
 * Get the vLPI mapping, provided that it is this VM's and this INTID's. KVM's
 * own record may be out of date: the mapping may be gone, and the number may
 * belong to another device by now.
 *
 * The descriptor itself is freed by RCU, but not the levels below it. As long
 * as it has an action, the driver that asked for it has yet to call
 * free_irq(), which takes the lock that we hold, and frees the levels after.
 *
 * Context: the descriptor's lock held.
 */
static bool direct_get(struct irqhop_arch_hold *h, u32 intid)
{
	struct irq_data *d = h->data;

	lockdep_assert_held(&h->desc->lock);
	if (!irq_desc_has_action(h->desc) || !irqd_is_forwarded_to_vcpu(d))
		return false;
	while (d && !(d->chip && d->chip->irq_set_vcpu_affinity))
		d = d->parent_data;
	if (!d || !d->chip->name || strcmp(d->chip->name, "ITS"))
		return false;
	h->data = d;
	return !direct_command(h, GET_VLPI) &&
	       h->map.vm == &h->kvm->arch.vgic.its_vm &&
	       h->map.vintid == intid && h->map.vpe;
}

/**
 * irqhop_direct_hold - hold a direct LPI
 * @h: gets its descriptor, locked, and where it points; @h->kvm is set
 * @host_irq: the host's number, by KVM's record
 * @intid: the guest's
 *
 * Context: RCU read side, interrupts off. Takes the descriptor's lock.
 *
 * Return: true; or false, with nothing held, if it is not direct any more.
 */
bool irqhop_direct_hold(struct irqhop_arch_hold *h, u32 host_irq, u32 intid)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "irq descriptor without RCU");

	h->data = irq_get_irq_data(host_irq);
	if (!h->data)
		return false;
	h->desc = irq_data_to_desc(h->data);
	raw_spin_lock(&h->desc->lock);
	if (direct_get(h, intid))
		return true;
	irqhop_direct_release(h);
	return false;
}

/**
 * irqhop_direct_target - the vCPU that a held LPI points at
 * @h: the LPI
 *
 * Return: the vCPU: the mapping is this VM's, so the vPE is in one of its.
 */
struct kvm_vcpu *irqhop_direct_target(const struct irqhop_arch_hold *h)
{
	return container_of(h->map.vpe, struct kvm_vcpu,
			    arch.vgic_cpu.vgic_v3.its_vpe);
}

/**
 * irqhop_direct_reload - have the GIC read a held LPI's configuration again
 * @h: the LPI
 *
 * Context: interrupts off; takes vlpi_lock, vpe_lock and the ITS's lock in the
 * driver.
 */
void irqhop_direct_reload(struct irqhop_arch_hold *h)
{
	struct its_cmd_info cmd = {
		.cmd_type = PROP_UPDATE_AND_INV_VLPI,
		{ .config = h->map.properties },
	};

	direct_send(h, &cmd);
}

/**
 * irqhop_direct_move - make a held LPI point at another vCPU
 * @h: the LPI
 * @to: a vCPU of the VM
 *
 * Getting the mapping and setting it is one step under the descriptor's lock,
 * so nothing of it but the vPE changes.
 *
 * If @to is in WFI, it is told to look: the doorbell rings for what arrives
 * from the device, and whether it does for what a VMOVI brings is not to be
 * relied on. There is no gap: the vCPU sets IN_WFI, then KVM masks and
 * unmasks the doorbell (a dsb), then makes the vPE non-resident and reads
 * whether something is pending. We wait for the VMOVI, then (mb) read IN_WFI.
 * If that is not set, the vPE was still resident, and so finds it pending.
 *
 * Context: interrupts off; takes vlpi_lock, vpe_lock and the ITS's lock in the
 * driver.
 *
 * Return: 0, 1 if it points there already, or what the driver said.
 */
int irqhop_direct_move(struct irqhop_arch_hold *h, struct kvm_vcpu *to)
{
	struct its_vpe *vpe = &to->arch.vgic_cpu.vgic_v3.its_vpe;
	int ret;

	if (h->map.vpe == vpe)
		return 1;
	h->map.vpe = vpe;
	ret = direct_command(h, MAP_VLPI);
	if (ret)
		return ret;
	mb();	/* the VMOVI is done before IN_WFI is read, see above */
	if (vcpu_get_flag(to, IN_WFI))
		h->woken = to;
	return 0;
}

/*
 * Make a vCPU that waits in WFI look at its interrupts again, as its doorbell
 * would: kvm_vcpu_check_block() goes by pending_last.
 *
 * KVM_REQ_UNBLOCK would end the wait as well, but on arm64 nothing else takes
 * it back. If the vCPU leaves WFI for another reason at the same time, it stays
 * set, and KVM never enters the guest while a request is pending.
 *
 * Making the vPE non-resident writes pending_last too, with the descriptor of
 * the doorbell locked: afterwards ours stays, before it the GIC says the same.
 */
static void direct_wake(struct kvm_vcpu *vcpu)
{
	struct its_vpe *vpe = &vcpu->arch.vgic_cpu.vgic_v3.its_vpe;
	struct irq_data *d = irq_get_irq_data(vpe->irq);

	if (!d)
		return;
	raw_spin_lock(&irq_data_to_desc(d)->lock);
	vpe->pending_last = true;
	raw_spin_unlock(&irq_data_to_desc(d)->lock);
	kvm_make_request(KVM_REQ_IRQ_PENDING, vcpu);
	rcuwait_wake_up(kvm_arch_vcpu_get_wait(vcpu));
}

/**
 * irqhop_direct_release - hold an LPI no longer
 * @h: the LPI
 *
 * Context: as irqhop_direct_hold(). Drops the descriptor's lock, takes that of
 * a doorbell, and wakes a vCPU.
 */
void irqhop_direct_release(struct irqhop_arch_hold *h)
{
	raw_spin_unlock(&h->desc->lock);
	h->desc = NULL;
	if (h->woken)
		direct_wake(h->woken);
}
