// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: arm64. What the host can do, what a VM has, and where a vCPU is by
 * KVM's account.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqchip/arm-gic-v3.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_address.h>

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
	return IRQHOP_CAP_INJECTED | (arch_has_v4 ? IRQHOP_CAP_DIRECT : 0) |
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

static bool arch_is_its(const struct kvm_device *dev)
{
	return !strcmp(dev->ops->name, "kvm-arm-vgic-its");
}

static bool arch_vm_has_its(struct kvm *kvm)
{
	struct kvm_device *dev;
	struct vgic_its *its;
	bool found = false;

	mutex_lock(&kvm->lock);
	list_for_each_entry(dev, &kvm->devices, vm_node) {
		if (!arch_is_its(dev))
			continue;
		its = dev->private;
		found = its && its->vgic_its_base != ARCH_NO_ADDRESS;
		if (!found)
			break;
	}
	mutex_unlock(&kvm->lock);
	return found;
}

/**
 * irqhop_arch_vm_check - can irqhop be enabled for this VM
 * @kvm: the VM
 * @extack: gets the reason why not
 *
 * Once KVM has initialised a VM's GIC, it creates no more vCPUs for it. Once a
 * vCPU has run, it is known where its redistributors are, and nobody can take
 * an ITS away that has an address.
 *
 * Context: process. Takes the VM's config_lock, under which KVM sets up the
 * vPEs, and frees them again if that fails, and kvm->lock.
 *
 * Return: 0 or a negative errno.
 */
int irqhop_arch_vm_check(struct kvm *kvm, struct netlink_ext_ack *extack)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	bool has_its = arch_vm_has_its(kvm);
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
	if (!READ_ONCE(dist->ready) || !has_its) {
		NL_SET_ERR_MSG(extack, "the VM is not set up yet: it has not run, or an ITS has no address");
		return -EAGAIN;
	}
	/* Without GICv4 all are injected. */
	if (!dist->its_vm.vpes)
		return 0;
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

/* Add a redistributor. Return: false if there are too many ranges of them. */
static bool arch_gicr_add(struct irqhop_arch_vm *arch, gpa_t base)
{
	gpa_t end = base + KVM_VGIC_V3_REDIST_SIZE;
	unsigned int i;

	for (i = 0; i < arch->nr_gicr; i++) {
		struct irqhop_arch_range *range = &arch->gicr[i];

		if (base == range->end) {
			range->end = end;
			return true;
		}
		if (end == range->first) {
			range->first = base;
			return true;
		}
	}
	if (arch->nr_gicr == IRQHOP_ARCH_MAX_GICR)
		return false;
	arch->gicr[arch->nr_gicr++] = (struct irqhop_arch_range){ base, end };
	return true;
}

static void arch_gicr_find(struct irqhop_arch_vm *arch, struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	arch->nr_gicr = 0;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		gpa_t base = vcpu->arch.vgic_cpu.rd_iodev.base_addr;

		if (base == ARCH_NO_ADDRESS || !arch_gicr_add(arch, base)) {
			arch->nr_gicr = 0;
			return;
		}
	}
}

/**
 * irqhop_arch_vm_init - find a VM's ITSs and redistributors
 * @arch: gets them
 * @kvm: the VM
 *
 * If there are too many, each write of the guest's that traps counts as a
 * command, to be on the safe side.
 *
 * Context: process. Takes kvm->lock.
 */
void irqhop_arch_vm_init(struct irqhop_arch_vm *arch, struct kvm *kvm)
{
	struct kvm_device *dev;

	arch_gicr_find(arch, kvm);
	arch->nr_its = 0;
	mutex_lock(&kvm->lock);
	list_for_each_entry(dev, &kvm->devices, vm_node) {
		if (!arch_is_its(dev))
			continue;
		if (arch->nr_its < IRQHOP_ARCH_MAX_ITS)
			arch->its[arch->nr_its++] = dev->private;
		else
			arch->nr_gicr = 0;
	}
	mutex_unlock(&kvm->lock);
}

/**
 * irqhop_arch_vm_commands - may a write of the guest's be about where LPIs go
 * @arch: the VM
 * @gpa: where it writes to
 *
 * KVM carries out what is written to an ITS or a redistributor by its own
 * record of where each LPI goes.
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_arch_vm_commands(const struct irqhop_arch_vm *arch, u64 gpa)
{
	unsigned int i;

	if (!arch->nr_gicr)
		return true;
	for (i = 0; i < arch->nr_gicr; i++)
		if (gpa >= arch->gicr[i].first && gpa < arch->gicr[i].end)
			return true;
	for (i = 0; i < arch->nr_its; i++)
		if (gpa - arch->its[i]->vgic_its_base < KVM_VGIC_V3_ITS_SIZE)
			return true;
	return false;
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
 * irqhop_arch_vcpu_exits - how often has a vCPU left the guest
 * @vcpu: of an enabled VM
 *
 * Context: any.
 *
 * Return: the number; it stays the same for as long as KVM is at what the vCPU
 * has left the guest for.
 */
u64 irqhop_arch_vcpu_exits(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->stat.exits);
}

/**
 * irqhop_arch_vcpu_in_guest - is a vCPU in the guest, or just about to enter
 * @vcpu: of an enabled VM
 *
 * Context: any.
 *
 * Return: true if so; what it had left the guest for is done then.
 */
bool irqhop_arch_vcpu_in_guest(struct kvm_vcpu *vcpu)
{
	/* KVM's smp_store_mb(): what the vCPU did before it is seen. */
	return smp_load_acquire(&vcpu->mode) == IN_GUEST_MODE;
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
