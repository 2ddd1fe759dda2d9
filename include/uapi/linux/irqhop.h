/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * irqhop: what the module and the tool say to each other.
 *
 * One generic netlink family, IRQHOP_GENL_NAME. A VM is named by a file
 * descriptor of the caller's that refers to it (the one that KVM_CREATE_VM
 * returned, for instance taken from the VMM with pidfd_getfd(2)); the module
 * looks it up while the request is being made and keeps no reference to the
 * descriptor itself.
 *
 * Every request needs CAP_SYS_ADMIN in the initial user namespace and has to
 * be sent from the initial network namespace.
 */
#ifndef _UAPI_LINUX_IRQHOP_H
#define _UAPI_LINUX_IRQHOP_H

#define IRQHOP_GENL_NAME	"irqhop"

/*
 * Raised with each change of what follows that is not an addition. Tool and
 * module refuse to work with each other when it differs.
 */
#define IRQHOP_GENL_VERSION	1

/**
 * enum irqhop_cmd - requests and their replies
 * @IRQHOP_CMD_UNSPEC: never used
 * @IRQHOP_CMD_INFO_GET: do; reply: %IRQHOP_A_MODULE_VERSION,
 *	%IRQHOP_A_ABI_VERSION, %IRQHOP_A_POLICY (once for each policy that may
 *	be named), %IRQHOP_A_CAPS
 * @IRQHOP_CMD_VM_ENABLE: do; %IRQHOP_A_VM_FD, optionally %IRQHOP_A_POLICY.
 *	For a VM that is enabled already the policy is changed if one is given,
 *	and the request fails with EEXIST if none is.
 * @IRQHOP_CMD_VM_DISABLE: do; %IRQHOP_A_VM_FD. When it succeeds, every
 *	interrupt of the VM is at home. ENOENT if the VM is not enabled; EIO if
 *	it is disabled now, but the interrupt hardware's driver refused to send
 *	an interrupt home.
 * @IRQHOP_CMD_VM_GET: dump: one message for each enabled VM (%IRQHOP_A_VM_PID,
 *	%IRQHOP_A_POLICY, %IRQHOP_A_STAT, and one %IRQHOP_A_VCPU each);
 *	do, with %IRQHOP_A_VM_FD: the same for that VM. ENOENT if the VM is not
 *	enabled.
 * @IRQHOP_CMD_IRQ_GET: dump, with %IRQHOP_A_VM_FD: one message with one
 *	%IRQHOP_A_IRQ for each LPI that the VM has mapped, whether the VM is
 *	enabled or not. Changes nothing.
 */
enum irqhop_cmd {
	IRQHOP_CMD_UNSPEC,
	IRQHOP_CMD_INFO_GET,
	IRQHOP_CMD_VM_ENABLE,
	IRQHOP_CMD_VM_DISABLE,
	IRQHOP_CMD_VM_GET,
	IRQHOP_CMD_IRQ_GET,

	__IRQHOP_CMD_MAX,
	IRQHOP_CMD_MAX = __IRQHOP_CMD_MAX - 1
};

/**
 * enum irqhop_caps - bits of %IRQHOP_A_CAPS
 * @IRQHOP_CAP_DIRECT: this host's interrupt hardware can deliver VFIO interrupts
 *	to vCPUs without an exit (GICv4), and irqhop can redirect those; whether
 *	KVM uses it for a VM shows when that is enabled
 * @IRQHOP_CAP_TEST: a test build: policies and faults that no production host
 *	wants
 */
enum irqhop_caps {
	IRQHOP_CAP_DIRECT	= 1 << 0,
	IRQHOP_CAP_TEST		= 1 << 1,
};

/**
 * enum irqhop_attr - top-level attributes
 * @IRQHOP_A_UNSPEC: never used
 * @IRQHOP_A_PAD: alignment of 64-bit values
 * @IRQHOP_A_MODULE_VERSION: string
 * @IRQHOP_A_ABI_VERSION: u32, the module's %IRQHOP_GENL_VERSION
 * @IRQHOP_A_CAPS: u32, &enum irqhop_caps
 * @IRQHOP_A_VM_FD: u32, a file descriptor of the caller's
 * @IRQHOP_A_VM_PID: u32, the process that created the VM, in the initial pid
 *	namespace
 * @IRQHOP_A_POLICY: string, at most %IRQHOP_POLICY_LEN bytes with its NUL
 * @IRQHOP_A_STAT: nest, &enum irqhop_stat_attr
 * @IRQHOP_A_VCPU: nest, &enum irqhop_vcpu_attr
 * @IRQHOP_A_IRQ: nest, &enum irqhop_irq_attr
 */
enum irqhop_attr {
	IRQHOP_A_UNSPEC,
	IRQHOP_A_PAD,
	IRQHOP_A_MODULE_VERSION,
	IRQHOP_A_ABI_VERSION,
	IRQHOP_A_CAPS,
	IRQHOP_A_VM_FD,
	IRQHOP_A_VM_PID,
	IRQHOP_A_POLICY,
	IRQHOP_A_STAT,
	IRQHOP_A_VCPU,
	IRQHOP_A_IRQ,

	__IRQHOP_A_MAX,
	IRQHOP_A_MAX = __IRQHOP_A_MAX - 1
};

#define IRQHOP_POLICY_LEN	16

/**
 * enum irqhop_stat_attr - counters of one VM since it was enabled, all u64
 * @IRQHOP_STAT_UNSPEC: never used
 * @IRQHOP_STAT_PAD: alignment of 64-bit values
 * @IRQHOP_STAT_HOPS: interrupts moved to a running vCPU that is not their home
 * @IRQHOP_STAT_RETURNS: interrupts moved back home, for whatever reason
 * @IRQHOP_STAT_FAILED: moves that the interrupt hardware's driver refused
 * @IRQHOP_STAT_STRANDED: times an interrupt's target left its pCPU and no vCPU
 *	of the VM could take it
 * @IRQHOP_STAT_IN_HANDLER: times a vCPU left its pCPU (preempted, or by a
 *	fault or an exit to the VMM) inside an interrupt handler and therefore
 *	kept its interrupts
 * @IRQHOP_STAT_HELD_BACK: moves put off because one irq_work had done its share
 * @IRQHOP_STAT_PREEMPTIONS: times a vCPU was preempted
 * @IRQHOP_STAT_COST_MAX: the dearest single move, in ns
 * @IRQHOP_STAT_COST_SUM: all moves together, in ns
 * @IRQHOP_STAT_COST_HIST: binary, %IRQHOP_COST_BUCKETS native u64: moves by
 *	their cost; bucket 0 is below %IRQHOP_COST_BUCKET_NS ns, each further
 *	one as wide, the last one is open
 */
enum irqhop_stat_attr {
	IRQHOP_STAT_UNSPEC,
	IRQHOP_STAT_PAD,
	IRQHOP_STAT_HOPS,
	IRQHOP_STAT_RETURNS,
	IRQHOP_STAT_FAILED,
	IRQHOP_STAT_STRANDED,
	IRQHOP_STAT_IN_HANDLER,
	IRQHOP_STAT_HELD_BACK,
	IRQHOP_STAT_PREEMPTIONS,
	IRQHOP_STAT_COST_MAX,
	IRQHOP_STAT_COST_SUM,
	IRQHOP_STAT_COST_HIST,

	__IRQHOP_STAT_MAX,
	IRQHOP_STAT_MAX = __IRQHOP_STAT_MAX - 1
};

#define IRQHOP_COST_BUCKETS	256
#define IRQHOP_COST_BUCKET_NS	64

/**
 * enum irqhop_vcpu_attr - one vCPU of an enabled VM
 * @IRQHOP_VCPU_UNSPEC: never used
 * @IRQHOP_VCPU_ID: u32, KVM's vcpu_id
 * @IRQHOP_VCPU_STATE: u32, &enum irqhop_vcpu_state_uapi
 */
enum irqhop_vcpu_attr {
	IRQHOP_VCPU_UNSPEC,
	IRQHOP_VCPU_ID,
	IRQHOP_VCPU_STATE,

	__IRQHOP_VCPU_MAX,
	IRQHOP_VCPU_MAX = __IRQHOP_VCPU_MAX - 1
};

/**
 * enum irqhop_vcpu_state_uapi - values of %IRQHOP_VCPU_STATE
 * @IRQHOP_VCPU_STATE_UNKNOWN: not seen since the VM was enabled
 * @IRQHOP_VCPU_STATE_RUNNING: on a pCPU
 * @IRQHOP_VCPU_STATE_PREEMPTED: runnable, another task has its pCPU
 * @IRQHOP_VCPU_STATE_IN_HANDLER: preempted with an interrupt active
 * @IRQHOP_VCPU_STATE_HALTED: waits for an interrupt (WFI)
 * @IRQHOP_VCPU_STATE_BLOCKED: sleeps in the host's kernel (page fault, mutex)
 * @IRQHOP_VCPU_STATE_USER: its thread is outside KVM_RUN
 * @IRQHOP_VCPU_STATE_OFF: powered off (PSCI) or not started yet
 */
enum irqhop_vcpu_state_uapi {
	IRQHOP_VCPU_STATE_UNKNOWN,
	IRQHOP_VCPU_STATE_RUNNING,
	IRQHOP_VCPU_STATE_PREEMPTED,
	IRQHOP_VCPU_STATE_IN_HANDLER,
	IRQHOP_VCPU_STATE_HALTED,
	IRQHOP_VCPU_STATE_BLOCKED,
	IRQHOP_VCPU_STATE_USER,
	IRQHOP_VCPU_STATE_OFF,
};

/**
 * enum irqhop_irq_attr - one LPI of a VM
 * @IRQHOP_IRQ_UNSPEC: never used
 * @IRQHOP_IRQ_INTID: u32, the guest's number of the interrupt
 * @IRQHOP_IRQ_HOME: u32, vcpu_id that the guest's affinity names, by KVM's
 *	record; absent if the guest has not said
 * @IRQHOP_IRQ_TARGET: u32, vcpu_id that the interrupt points at by the record
 *	of the host's ITS driver; absent for an injected interrupt
 * @IRQHOP_IRQ_HOST_IRQ: u32, the host's irq that the device raises; absent for
 *	an injected interrupt
 * @IRQHOP_IRQ_FLAGS: u32, &enum irqhop_irq_flags
 */
enum irqhop_irq_attr {
	IRQHOP_IRQ_UNSPEC,
	IRQHOP_IRQ_INTID,
	IRQHOP_IRQ_HOME,
	IRQHOP_IRQ_TARGET,
	IRQHOP_IRQ_HOST_IRQ,
	IRQHOP_IRQ_FLAGS,

	__IRQHOP_IRQ_MAX,
	IRQHOP_IRQ_MAX = __IRQHOP_IRQ_MAX - 1
};

/**
 * enum irqhop_irq_flags - bits of %IRQHOP_IRQ_FLAGS
 * @IRQHOP_IRQ_F_DIRECT: delivered by the interrupt hardware without an exit
 * @IRQHOP_IRQ_F_ENABLED: the guest has it enabled
 * @IRQHOP_IRQ_F_PENDING: pending in KVM's own record (injected interrupts)
 */
enum irqhop_irq_flags {
	IRQHOP_IRQ_F_DIRECT	= 1 << 0,
	IRQHOP_IRQ_F_ENABLED	= 1 << 1,
	IRQHOP_IRQ_F_PENDING	= 1 << 2,
};

#endif /* _UAPI_LINUX_IRQHOP_H */
