// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64. Where a vCPU is by KVM's account, where an LPI points by the
 * ITS driver's, and how it is made to point elsewhere.
 *
 * A direct hop leaves KVM's record of the guest's affinity
 * (vgic_irq::target_vcpu) alone. It changes the vPE of the host irq's vLPI
 * mapping and nothing else of it; the ITS driver turns that into a VMOVI,
 * which takes a pending interrupt along.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqchip/arm-gic-v3.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <linux/irqdesc.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/rcuwait.h>
#include <linux/sched/clock.h>
#include <linux/xarray.h>

#include <asm/arch_gicv3.h>
#include <asm/kvm_emulate.h>
#include <asm/virt.h>

#include "irqhop.h"

/* VGIC_ADDR_UNDEF, which KVM keeps to itself. */
#define ARCH_NO_ADDRESS	((gpa_t)-1)

static bool arch_has_v4;

/* The first redistributor by the firmware's tables, 0 if there is none. */
static phys_addr_t __init arch_gicr_base_dt(void)
{
	struct device_node *np;
	struct resource res;
	phys_addr_t base = 0;

	np = of_find_compatible_node(NULL, NULL, "arm,gic-v3");
	if (!np)
		return 0;
	if (!of_address_to_resource(np, 1, &res))
		base = res.start;
	of_node_put(np);
	return base;
}

#ifdef CONFIG_ACPI
static phys_addr_t __init arch_gicr_base_acpi(void)
{
	struct acpi_table_header *table;
	struct acpi_subtable_header *sub;
	phys_addr_t base = 0;
	void *p, *end;

	if (acpi_disabled || ACPI_FAILURE(acpi_get_table(ACPI_SIG_MADT, 0,
							 &table)))
		return 0;
	p = (void *)table + sizeof(struct acpi_table_madt);
	end = (void *)table + table->length;
	for (; !base && p + sizeof(*sub) <= end; p += sub->length) {
		sub = p;
		if (!sub->length || p + sub->length > end)
			break;
		if (sub->type == ACPI_MADT_TYPE_GENERIC_REDISTRIBUTOR)
			base = ((struct acpi_madt_generic_redistributor *)p)->base_address;
		else if (sub->type == ACPI_MADT_TYPE_GENERIC_INTERRUPT)
			base = ((struct acpi_madt_generic_interrupt *)p)->gicr_base_address;
	}
	acpi_put_table(table);
	return base;
}
#else
static phys_addr_t __init arch_gicr_base_acpi(void)
{
	return 0;
}
#endif

/**
 * irqhop_arch_init - is this a host that irqhop knows
 *
 * KVM and the GIC driver tell nobody whether the GIC is a v4.1 one, so look
 * where they looked: in GICR_TYPER. (They ask every redistributor and want
 * them all to agree; irqhop_arch_vm_check() therefore looks at the driver's
 * own conclusion as well, which shows once there is a VM.)
 *
 * Return: 0, or a negative errno after one line in the log.
 */
int __init irqhop_arch_init(void)
{
	phys_addr_t base;
	void __iomem *gicr;
	u64 typer;

	if (is_protected_kvm_enabled()) {
		pr_err("not loaded: protected KVM (kvm-arm.mode=protected) is not supported\n");
		return -EOPNOTSUPP;
	}
	base = arch_gicr_base_dt();
	if (!base)
		base = arch_gicr_base_acpi();
	if (!base) {
		pr_err("not loaded: this host has no GICv3\n");
		return -ENODEV;
	}
	gicr = ioremap(base, SZ_64K);
	if (!gicr)
		return -ENOMEM;
	typer = gic_read_typer(gicr + GICR_TYPER);
	iounmap(gicr);
	if (typer & GICR_TYPER_RVPEID) {
		pr_err("not loaded: GICv4.1 is not supported\n");
		return -EOPNOTSUPP;
	}
	arch_has_v4 = typer & GICR_TYPER_VLPIS;
	return 0;
}

/**
 * irqhop_arch_caps - what this host and this build can do
 *
 * Return: &enum irqhop_caps.
 */
u32 irqhop_arch_caps(void)
{
	return (arch_has_v4 ? IRQHOP_CAP_DIRECT : 0) |
	       (irqhop_is_test ? IRQHOP_CAP_TEST : 0);
}

/**
 * irqhop_arch_vm_has_irqs - may this VM's interrupts be looked at
 * @kvm: the VM
 *
 * Return: true if it has an in-kernel GICv3.
 */
bool irqhop_arch_vm_has_irqs(struct kvm *kvm)
{
	return irqchip_in_kernel(kvm) &&
	       kvm->arch.vgic.vgic_model == KVM_DEV_TYPE_ARM_VGIC_V3;
}

/**
 * irqhop_arch_vm_check - can irqhop be enabled for this VM
 * @kvm: the VM
 * @extack: gets the reason why not
 *
 * Once KVM has initialised a VM's GIC, it creates no more vCPUs for it.
 *
 * Context: process. Takes the VM's config_lock, under which KVM sets up the
 * vPEs, and frees them again if that fails.
 *
 * Return: 0 or a negative errno.
 */
int irqhop_arch_vm_check(struct kvm *kvm, struct netlink_ext_ack *extack)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct irq_data *d;

	guard(mutex)(&kvm->arch.config_lock);
	if (!irqhop_arch_vm_has_irqs(kvm)) {
		NL_SET_ERR_MSG(extack, "the VM's interrupt controller is not an in-kernel GICv3");
		return -EOPNOTSUPP;
	}
	if (!vgic_initialized(kvm)) {
		NL_SET_ERR_MSG(extack, "the VM is not set up yet: its GIC is not initialised");
		return -EAGAIN;
	}
	if (!dist->has_its) {
		NL_SET_ERR_MSG(extack, "the VM has no in-kernel ITS, so no MSIs that could be redirected");
		return -EOPNOTSUPP;
	}
	if (!dist->its_vm.vpes) {
		if (arch_has_v4)
			NL_SET_ERR_MSG(extack, "KVM does not use the host's GICv4: boot with kvm-arm.vgic_v4_enable=1");
		else
			NL_SET_ERR_MSG(extack, "the host has no GICv4, and injected interrupts are not redirected yet");
		return -EOPNOTSUPP;
	}
	if (dist->its_vm.nr_vpes != atomic_read(&kvm->online_vcpus)) {
		NL_SET_ERR_MSG(extack, "the VM's vCPUs and its GICv4 vPEs do not match");
		return -EOPNOTSUPP;
	}
	d = irq_get_irq_data(dist->its_vm.vpes[0]->irq);
	if (!d || !d->chip || !d->chip->name ||
	    strcmp(d->chip->name, "GICv4-vpe")) {
		NL_SET_ERR_MSG(extack, "the host's GIC is not a GICv4.0");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * irqhop_arch_vm_init - find a VM's ITSs
 * @arch: gets them; the first %IRQHOP_ARCH_MAX_ITS have to do
 * @kvm: the VM
 *
 * Context: process. Takes kvm->lock.
 */
void irqhop_arch_vm_init(struct irqhop_arch_vm *arch, struct kvm *kvm)
{
	struct kvm_device *dev;
	struct vgic_its *its;

	arch->nr_its = 0;
	mutex_lock(&kvm->lock);
	list_for_each_entry(dev, &kvm->devices, vm_node) {
		if (strcmp(dev->ops->name, "kvm-arm-vgic-its"))
			continue;
		/*
		 * Before it has an address nobody may have got its descriptor
		 * yet, and then it can still go again.
		 */
		its = dev->private;
		if (its && its->vgic_its_base != ARCH_NO_ADDRESS &&
		    arch->nr_its < IRQHOP_ARCH_MAX_ITS)
			arch->its[arch->nr_its++] = its;
	}
	mutex_unlock(&kvm->lock);
}

/**
 * irqhop_arch_vm_mark - a value that changes when the guest maps or moves LPIs
 * @arch: the VM
 *
 * KVM moves an ITS's read pointer on once it has carried a command out.
 *
 * Context: any.
 *
 * Return: the value.
 */
u64 irqhop_arch_vm_mark(const struct irqhop_arch_vm *arch)
{
	u64 mark = 0;
	unsigned int i;

	for (i = 0; i < arch->nr_its; i++)
		mark = mark * 0x100001 + READ_ONCE(arch->its[i]->creadr);
	return mark;
}

/**
 * irqhop_arch_vm_epoch - a value that changes when another kernel takes over
 * @arch: the VM
 *
 * A crash kernel (kdump) keeps the LPI tables of the one before, and its other
 * CPUs' LPIs enabled, but it always gives the ITSs collection tables of its
 * own. Only their addresses count: Linux tries attributes one after the other.
 *
 * Context: any.
 *
 * Return: the value, 0 if there is no table.
 */
u64 irqhop_arch_vm_epoch(const struct irqhop_arch_vm *arch)
{
	u64 epoch = 0;
	unsigned int i;

	for (i = 0; i < arch->nr_its; i++) {
		u64 baser = READ_ONCE(arch->its[i]->baser_coll_table);

		if (baser & GITS_BASER_VALID)
			epoch = epoch * 0x100001 +
				(baser & (GITS_BASER_VALID | GENMASK_ULL(47, 12)));
	}
	return epoch;
}

/**
 * irqhop_arch_vcpu_mark - a value that changes when a vCPU gets direct LPIs
 * @vcpu: of an enabled VM
 *
 * That is the VMM's doing, so no ITS command tells of it.
 *
 * Context: any.
 *
 * Return: the value.
 */
u32 irqhop_arch_vcpu_mark(struct kvm_vcpu *vcpu)
{
	return atomic_read(&vcpu->arch.vgic_cpu.vgic_v3.its_vpe.vlpi_count);
}

/**
 * irqhop_arch_vcpu_enabled - may this vCPU be given LPIs
 * @vcpu: of an enabled VM
 *
 * Context: any.
 *
 * Return: true if it is on and LPIs are enabled there.
 */
bool irqhop_arch_vcpu_enabled(struct kvm_vcpu *vcpu)
{
	return (atomic_read(&vcpu->arch.vgic_cpu.ctlr) &
		GICR_CTLR_ENABLE_LPIS) &&
	       READ_ONCE(vcpu->arch.mp_state.mp_state) != KVM_MP_STATE_STOPPED;
}

/**
 * irqhop_arch_vcpu_loaded - is a vCPU inside KVM_RUN and on a pCPU
 * @vcpu: of an enabled VM
 * @cpu: gets the pCPU
 *
 * By KVM's account, and only a hint: between being switched in and KVM's own
 * notifier it says no.
 *
 * Return: true if so.
 */
bool irqhop_arch_vcpu_loaded(struct kvm_vcpu *vcpu, int *cpu)
{
	*cpu = READ_ONCE(vcpu->cpu);
	return *cpu >= 0 && *cpu < nr_cpu_ids;
}

/**
 * irqhop_arch_vcpu_classify - why has a vCPU left its pCPU
 * @vcpu: out, so KVM has saved its state
 * @preempted: its thread could have gone on
 * @loaded: it was inside KVM_RUN
 * @in_handler: set if an interrupt was active
 *
 * A Linux guest drops the running priority only at the end of its handler
 * (EOImode 0), so until then there is a bit in the active priorities.
 *
 * If the vCPU comes back in the middle of this, the answer is worthless; the
 * caller finds out.
 *
 * Return: the state that it left for.
 */
enum irqhop_vcpu_state irqhop_arch_vcpu_classify(struct kvm_vcpu *vcpu,
						 bool preempted, bool loaded,
						 bool *in_handler)
{
	struct vgic_v3_cpu_if *cpu_if = &vcpu->arch.vgic_cpu.vgic_v3;
	u32 active = 0;
	size_t i;

	*in_handler = false;
	if (READ_ONCE(vcpu->arch.mp_state.mp_state) == KVM_MP_STATE_STOPPED)
		return IRQHOP_VS_OFF;
	for (i = 0; i < ARRAY_SIZE(cpu_if->vgic_ap1r); i++)
		active |= READ_ONCE(cpu_if->vgic_ap1r[i]);
	*in_handler = active;
	if (!loaded)
		return IRQHOP_VS_USER;
	if (preempted)
		return IRQHOP_VS_PREEMPTED;
	if (vcpu_get_flag(vcpu, IN_WFI))
		return IRQHOP_VS_HALTED;
	return IRQHOP_VS_BLOCKED;
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
static void arch_vcpu_wake(struct kvm_vcpu *vcpu)
{
	struct its_vpe *vpe = &vcpu->arch.vgic_cpu.vgic_v3.its_vpe;
	struct irq_data *d = irq_get_irq_data(vpe->irq);
	unsigned long flags;

	if (!d)
		return;
	raw_spin_lock_irqsave(&irq_data_to_desc(d)->lock, flags);
	vpe->pending_last = true;
	raw_spin_unlock_irqrestore(&irq_data_to_desc(d)->lock, flags);
	kvm_make_request(KVM_REQ_IRQ_PENDING, vcpu);
	rcuwait_wake_up(kvm_arch_vcpu_get_wait(vcpu));
}

static u16 arch_vcpu_index(struct kvm_vcpu *vcpu)
{
	return vcpu ? vcpu->vcpu_idx : IRQHOP_NONE;
}

/**
 * struct vlpi - a host irq whose descriptor is locked
 * @desc: its descriptor
 * @data: the ITS driver's level of it
 * @map: where it points, by the ITS driver's record
 */
struct vlpi {
	struct irq_desc *desc;
	struct irq_data *data;
	struct its_vlpi_map map;
};

static int vlpi_send(struct vlpi *vlpi, struct its_cmd_info *info)
{
	return vlpi->data->chip->irq_set_vcpu_affinity(vlpi->data, info);
}

static int vlpi_command(struct vlpi *vlpi, enum its_vcpu_info_cmd_type type)
{
	struct its_cmd_info info = {
		.cmd_type = type,
		{ .map = &vlpi->map },
	};

	return vlpi_send(vlpi, &info);
}

/* Find the descriptor of a host irq. Context: RCU read side. */
static bool vlpi_find(struct vlpi *vlpi, u32 host_irq)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "irq descriptor without RCU");

	vlpi->data = irq_get_irq_data(host_irq);
	if (!vlpi->data)
		return false;
	vlpi->desc = irq_data_to_desc(vlpi->data);
	return true;
}

/*
 * Get the vLPI mapping of a host irq that was found, provided that it is this
 * VM's and this INTID's. KVM's own record may be out of date: it leaves
 * irq->hw set in places where the mapping is gone, and the number may belong
 * to another device by now.
 *
 * The descriptor itself is freed by RCU, but not the levels below it. As long
 * as it has an action, the driver that asked for it has yet to call
 * free_irq(), which takes the lock that we hold, and frees the levels after.
 *
 * Context: the descriptor's lock held.
 *
 * Return: 0 or -ENOENT.
 */
static int vlpi_get(struct vlpi *vlpi, struct kvm *kvm, u32 intid)
{
	struct irq_data *d = vlpi->data;

	lockdep_assert_held(&vlpi->desc->lock);
	if (!irq_desc_has_action(vlpi->desc) || !irqd_is_forwarded_to_vcpu(d))
		return -ENOENT;
	while (d && !(d->chip && d->chip->irq_set_vcpu_affinity))
		d = d->parent_data;
	if (!d || !d->chip->name || strcmp(d->chip->name, "ITS"))
		return -ENOENT;
	vlpi->data = d;
	if (vlpi_command(vlpi, GET_VLPI) ||
	    vlpi->map.vm != &kvm->arch.vgic.its_vm ||
	    vlpi->map.vintid != intid || !vlpi->map.vpe)
		return -ENOENT;
	return 0;
}

/* Context: RCU read side. */
static void arch_irq_fill(struct kvm *kvm, struct vgic_irq *irq,
			  struct irqhop_arch_irq *info)
{
	struct kvm_vcpu *home;
	struct vlpi vlpi;
	unsigned long flags;

	raw_spin_lock_irqsave(&irq->irq_lock, flags);
	home = irq->target_vcpu;
	info->intid = irq->intid;
	info->direct = irq->hw;
	info->host_irq = irq->host_irq;
	info->enabled = irq->enabled;
	info->pending = irq->pending_latch;
	raw_spin_unlock_irqrestore(&irq->irq_lock, flags);

	info->home = arch_vcpu_index(home);
	info->target = IRQHOP_NONE;
	if (!info->direct)
		return;
	info->direct = false;
	if (!vlpi_find(&vlpi, info->host_irq))
		return;
	raw_spin_lock_irqsave(&vlpi.desc->lock, flags);
	if (!vlpi_get(&vlpi, kvm, info->intid)) {
		info->direct = true;
		/* map.vm is this VM's, so the vPE is in one of its vCPUs. */
		info->target = arch_vcpu_index(container_of(vlpi.map.vpe,
							    struct kvm_vcpu,
							    arch.vgic_cpu.vgic_v3.its_vpe));
	}
	raw_spin_unlock_irqrestore(&vlpi.desc->lock, flags);
}

/**
 * irqhop_arch_irq_look - look at one LPI
 * @kvm: the VM
 * @intid: the guest's number of it
 * @info: gets what was found
 *
 * Context: any but NMI; takes irq_lock, then the host irq descriptor's lock.
 *
 * Return: 0, or -ENOENT if the guest has no such LPI.
 */
int irqhop_arch_irq_look(struct kvm *kvm, u32 intid,
			 struct irqhop_arch_irq *info)
{
	struct vgic_irq *irq;
	int ret = -ENOENT;

	rcu_read_lock();
	irq = xa_load(&kvm->arch.vgic.lpi_xa, intid);
	if (irq) {
		arch_irq_fill(kvm, irq, info);
		ret = 0;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * irqhop_arch_irq_next - look at the first LPI from some number on
 * @kvm: the VM
 * @from: the number
 * @info: gets what was found
 *
 * Context: as irqhop_arch_irq_look().
 *
 * Return: 0, or -ENOENT if there is none.
 */
int irqhop_arch_irq_next(struct kvm *kvm, u32 from,
			 struct irqhop_arch_irq *info)
{
	unsigned long index = from;
	struct vgic_irq *irq;
	int ret = -ENOENT;

	rcu_read_lock();
	irq = xa_find(&kvm->arch.vgic.lpi_xa, &index, U32_MAX, XA_PRESENT);
	if (irq) {
		arch_irq_fill(kvm, irq, info);
		ret = 0;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * irqhop_arch_irq_reload - have the GIC read an LPI's configuration again
 * @kvm: the VM
 * @info: a direct LPI that is not at home, as it was looked at
 *
 * KVM carries out a guest's INVALL by writing the configuration of each LPI
 * and then invalidating the vPE of their home, which is not where this one is.
 * So the guest would have enabled it in vain.
 *
 * Context: as irqhop_arch_irq_move().
 */
void irqhop_arch_irq_reload(struct kvm *kvm, const struct irqhop_arch_irq *info)
{
	struct its_cmd_info cmd = { .cmd_type = PROP_UPDATE_AND_INV_VLPI };
	struct vlpi vlpi;
	unsigned long flags;

	rcu_read_lock();
	if (vlpi_find(&vlpi, info->host_irq)) {
		raw_spin_lock_irqsave(&vlpi.desc->lock, flags);
		if (!vlpi_get(&vlpi, kvm, info->intid)) {
			cmd.config = vlpi.map.properties;
			vlpi_send(&vlpi, &cmd);
		}
		raw_spin_unlock_irqrestore(&vlpi.desc->lock, flags);
	}
	rcu_read_unlock();
}

/* Context: the descriptor's lock held. Return: as irqhop_arch_irq_move(). */
static int vlpi_move(struct vlpi *vlpi, struct its_vpe *vpe, u64 *cost)
{
	u64 start;
	int ret;

	if (vlpi->map.vpe == vpe)
		return 1;
	vlpi->map.vpe = vpe;
	start = sched_clock();
	ret = vlpi_command(vlpi, MAP_VLPI);
	*cost = sched_clock() - start;
	return ret;
}

/**
 * irqhop_arch_irq_move - make a direct LPI point at another vCPU
 * @kvm: the VM
 * @info: the LPI, as it was looked at
 * @to: a vCPU of the VM
 * @cost: gets how long that took, in ns
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
 * Context: any but NMI; takes the host irq descriptor's lock, and in the
 * driver vlpi_lock, vpe_lock and the ITS's lock.
 *
 * Return: 0, 1 if it points there already, -ENOENT if it is not a direct LPI
 * of this VM any more, or what the driver said.
 */
int irqhop_arch_irq_move(struct kvm *kvm, const struct irqhop_arch_irq *info,
			 struct kvm_vcpu *to, u64 *cost)
{
	struct its_vpe *vpe = &to->arch.vgic_cpu.vgic_v3.its_vpe;
	struct vlpi vlpi;
	unsigned long flags;
	int ret = -ENOENT;

	*cost = 0;
	rcu_read_lock();
	if (vlpi_find(&vlpi, info->host_irq)) {
		raw_spin_lock_irqsave(&vlpi.desc->lock, flags);
		ret = vlpi_get(&vlpi, kvm, info->intid);
		if (!ret)
			ret = vlpi_move(&vlpi, vpe, cost);
		raw_spin_unlock_irqrestore(&vlpi.desc->lock, flags);
	}
	rcu_read_unlock();
	if (ret)
		return ret;

	mb();	/* the VMOVI is done before IN_WFI is read, see above */
	if (vcpu_get_flag(to, IN_WFI))
		arch_vcpu_wake(to);
	return 0;
}
