// SPDX-License-Identifier: GPL-2.0-only
/*
 * voffset: how far a guest's counter (CNTVCT_EL0) is behind the host's, which
 * is what brings the times of both onto one clock. It is found when a vCPU is
 * loaded the next time, and is that of the VM whose vCPU that was.
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

static ulong voffset;
module_param_named(offset, voffset, ulong, 0444);
MODULE_PARM_DESC(offset, "in ticks; 0 as long as no vCPU was loaded");

static u64 voffset_of(struct kvm_vcpu *vcpu)
{
	/*
	 * One for the whole VM since "KVM: arm64: timers: Convert per-vcpu
	 * virtual offset to a global value"; KVMs with this capability (6.4)
	 * have it in any case.
	 */
#ifdef KVM_CAP_COUNTER_OFFSET
	return vcpu->kvm->arch.timer_data.voffset;
#else
	return __vcpu_sys_reg(vcpu, CNTVOFF_EL2);
#endif
}

static int voffset_load(struct kprobe *probe, struct pt_regs *regs)
{
	WRITE_ONCE(voffset, voffset_of((struct kvm_vcpu *)regs->regs[0]));
	return 0;
}

static struct kprobe voffset_probe = {
	.symbol_name = "kvm_arch_vcpu_load",
	.pre_handler = voffset_load,
};

static int __init voffset_init(void)
{
	return register_kprobe(&voffset_probe);
}
module_init(voffset_init);

static void __exit voffset_exit(void)
{
	unregister_kprobe(&voffset_probe);
}
module_exit(voffset_exit);

MODULE_DESCRIPTION("Tells a guest's counter offset");
MODULE_LICENSE("GPL");
