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
#define IRQHOP_GENL_VERSION	3

/* The multicast group of notifications; joining it needs CAP_SYS_ADMIN. */
#define IRQHOP_GENL_GROUP	"event"

/**
 * enum irqhop_cmd - requests and their replies
 * @IRQHOP_CMD_UNSPEC: never used
 * @IRQHOP_CMD_INFO_GET: do; reply: %IRQHOP_A_MODULE_VERSION,
 *	%IRQHOP_A_ABI_VERSION, %IRQHOP_A_CAPS, %IRQHOP_A_POLICY (once for each
 *	policy that may be named, the default first), %IRQHOP_A_RETURN (once for
 *	each return rule), %IRQHOP_A_HALTED (once for each halted rule),
 *	%IRQHOP_A_MAX_HOPS (the default)
 * @IRQHOP_CMD_VM_ENABLE: do; %IRQHOP_A_VM_FD, optionally %IRQHOP_A_POLICY,
 *	%IRQHOP_A_RETURN, %IRQHOP_A_HALTED (default for both: the policy's own),
 *	%IRQHOP_A_MAX_HOPS. EEXIST if the VM is enabled already.
 * @IRQHOP_CMD_VM_DISABLE: do; %IRQHOP_A_VM_FD. When it succeeds, every
 *	interrupt of the VM is at home. ENOENT if the VM is not enabled; EIO if
 *	it is disabled now, but an interrupt could not be sent home.
 * @IRQHOP_CMD_VM_GET: dump: one message for each enabled VM (%IRQHOP_A_VM_PID,
 *	%IRQHOP_A_POLICY, %IRQHOP_A_RETURN, %IRQHOP_A_HALTED,
 *	%IRQHOP_A_MAX_HOPS, %IRQHOP_A_STAT, and one %IRQHOP_A_VCPU each);
 *	do, with %IRQHOP_A_VM_FD: the same for that VM. ENOENT if the VM is not
 *	enabled.
 * @IRQHOP_CMD_IRQ_GET: dump, with %IRQHOP_A_VM_FD: one message with one
 *	%IRQHOP_A_IRQ for each LPI that the VM has mapped, whether the VM is
 *	enabled or not. Changes nothing. What one %IRQHOP_A_IRQ says was read in
 *	one go, but KVM's record, the ITS driver's and irqhop's have locks of
 *	their own: for a moment after a change of the guest's they may differ.
 * @IRQHOP_CMD_VM_SET: do; %IRQHOP_A_VM_FD and at least one of %IRQHOP_A_POLICY
 *	(sets the return and the halted rule to the policy's own, unless they
 *	are given too), %IRQHOP_A_RETURN, %IRQHOP_A_HALTED, %IRQHOP_A_MAX_HOPS.
 *	ENOENT if the VM is not enabled, EBUSY if irqhop is letting go of it,
 *	EIO if the ITS driver refused moves that this brought about.
 * @IRQHOP_CMD_VM_CHECK: do; %IRQHOP_A_VM_FD; reply: %IRQHOP_A_MESSAGE if
 *	irqhop's own tables of that VM contradict each other, and how; no
 *	attribute if they do not. Changes nothing. ENOENT if the VM is not
 *	enabled.
 * @IRQHOP_CMD_VM_ENABLED: notification; %IRQHOP_A_VM_PID, %IRQHOP_A_POLICY
 * @IRQHOP_CMD_VM_DISABLED: notification; %IRQHOP_A_VM_PID, %IRQHOP_A_REASON,
 *	%IRQHOP_A_NOT_HOME, for %IRQHOP_REASON_LET_GO also %IRQHOP_A_MESSAGE
 */
enum irqhop_cmd {
	IRQHOP_CMD_UNSPEC,
	IRQHOP_CMD_INFO_GET,
	IRQHOP_CMD_VM_ENABLE,
	IRQHOP_CMD_VM_DISABLE,
	IRQHOP_CMD_VM_GET,
	IRQHOP_CMD_IRQ_GET,
	IRQHOP_CMD_VM_SET,
	IRQHOP_CMD_VM_CHECK,
	IRQHOP_CMD_VM_ENABLED,
	IRQHOP_CMD_VM_DISABLED,

	/* private: */
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
 * @IRQHOP_CAP_INJECTED: irqhop can redirect what KVM injects in software, which
 *	takes no interrupt hardware but a GICv3
 */
enum irqhop_caps {
	IRQHOP_CAP_DIRECT	= 1 << 0,
	IRQHOP_CAP_TEST		= 1 << 1,
	IRQHOP_CAP_INJECTED	= 1 << 2,
};

/**
 * enum irqhop_attr - top-level attributes
 * @IRQHOP_A_UNSPEC: never used
 * @IRQHOP_A_PAD: alignment of 64-bit values
 * @IRQHOP_A_MODULE_VERSION: string
 * @IRQHOP_A_ABI_VERSION: u32, the module's %IRQHOP_GENL_VERSION
 * @IRQHOP_A_CAPS: u32, &enum irqhop_caps
 * @IRQHOP_A_VM_FD: u32, a file descriptor of the caller's
 * @IRQHOP_A_VM_PID: u32, the thread that created the VM, in the initial pid
 *	namespace; with most VMMs that is their process
 * @IRQHOP_A_POLICY: string, at most %IRQHOP_POLICY_LEN bytes with its NUL
 * @IRQHOP_A_STAT: nest, &enum irqhop_stat_attr
 * @IRQHOP_A_VCPU: nest, &enum irqhop_vcpu_attr
 * @IRQHOP_A_IRQ: nest, &enum irqhop_irq_attr
 * @IRQHOP_A_RETURN: string, at most %IRQHOP_POLICY_LEN bytes with its NUL: when
 *	an interrupt goes home whose target runs. "eager": as soon as its home
 *	runs; "lazy": when it has to move anyway and its home runs then;
 *	"never": its home is as good as any other vCPU
 * @IRQHOP_A_MAX_HOPS: u32, most hops per second of this VM, 0 for no bound;
 *	returns are not counted
 * @IRQHOP_A_REASON: u32, &enum irqhop_reason
 * @IRQHOP_A_MESSAGE: string, for people
 * @IRQHOP_A_NOT_HOME: u32, how many interrupts could not be sent home
 * @IRQHOP_A_HALTED: string, at most %IRQHOP_POLICY_LEN bytes with its NUL: what
 *	becomes of an interrupt whose target waits in WFI. "wake": it stays, and
 *	wakes its target; "hop": it moves to a vCPU that runs, if there is one
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
	IRQHOP_A_RETURN,
	IRQHOP_A_MAX_HOPS,
	IRQHOP_A_REASON,
	IRQHOP_A_MESSAGE,
	IRQHOP_A_NOT_HOME,
	IRQHOP_A_HALTED,

	/* private: */
	__IRQHOP_A_MAX,
	IRQHOP_A_MAX = __IRQHOP_A_MAX - 1
};

#define IRQHOP_POLICY_LEN	16

/**
 * enum irqhop_reason - why a VM is not enabled any more
 * @IRQHOP_REASON_DISABLED: somebody asked for it
 * @IRQHOP_REASON_UNLOAD: the module is being unloaded
 * @IRQHOP_REASON_GONE: nobody holds the VM any more
 * @IRQHOP_REASON_LET_GO: moves failed, or its state disagreed with irqhop's
 */
enum irqhop_reason {
	IRQHOP_REASON_DISABLED,
	IRQHOP_REASON_UNLOAD,
	IRQHOP_REASON_GONE,
	IRQHOP_REASON_LET_GO,
};

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
 * @IRQHOP_STAT_HELD_BACK: moves put off because one irq_work had done its
 *	share; one that is put off for long may be counted more than once
 * @IRQHOP_STAT_PREEMPTIONS: times a vCPU was preempted
 * @IRQHOP_STAT_COST_MAX: the dearest single move, in ns
 * @IRQHOP_STAT_COST_SUM: all moves together, in ns
 * @IRQHOP_STAT_COST_HIST: binary, %IRQHOP_COST_BUCKETS native u64: moves by
 *	their cost; bucket 0 is below %IRQHOP_COST_BUCKET_NS ns, each further
 *	one as wide, the last one is open
 * @IRQHOP_STAT_OVER_BOUND: times a hop was not made because of
 *	%IRQHOP_A_MAX_HOPS
 * @IRQHOP_STAT_TURNS: turns: times that irqhop worked for this VM with
 *	interrupts off, in an interrupt of its own or by its worker
 * @IRQHOP_STAT_IRQS_OFF_SUM: all turns together, in ns
 * @IRQHOP_STAT_IRQS_OFF_MAX: the longest time that interrupts were off in one
 *	go, in ns
 * @IRQHOP_STAT_SUMMONS: times the scheduler was asked to run a preempted vCPU
 *	next
 * @IRQHOP_STAT_SUMMONS_HELD: times it was not, since it had been too often
 * @IRQHOP_STAT_DONATIONS: times a vCPU was given some of another one's weight
 * @IRQHOP_STAT_DONATED: for how long, all together, in ns
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
	IRQHOP_STAT_OVER_BOUND,
	IRQHOP_STAT_TURNS,
	IRQHOP_STAT_IRQS_OFF_SUM,
	IRQHOP_STAT_IRQS_OFF_MAX,
	IRQHOP_STAT_SUMMONS,
	IRQHOP_STAT_SUMMONS_HELD,
	IRQHOP_STAT_DONATIONS,
	IRQHOP_STAT_DONATED,

	/* private: */
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
 * @IRQHOP_VCPU_TIME: binary, %IRQHOP_NR_VCPU_STATES native u64: ns spent in each
 *	state, by &enum irqhop_vcpu_state_uapi, since the VM was enabled until
 *	now
 */
enum irqhop_vcpu_attr {
	IRQHOP_VCPU_UNSPEC,
	IRQHOP_VCPU_ID,
	IRQHOP_VCPU_STATE,
	IRQHOP_VCPU_TIME,

	/* private: */
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
 * @IRQHOP_VCPU_STATE_USER: its thread left its pCPU outside KVM_RUN, and has
 *	not been seen inside since
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

#define IRQHOP_NR_VCPU_STATES	8

/**
 * enum irqhop_irq_attr - one LPI of a VM
 * @IRQHOP_IRQ_UNSPEC: never used
 * @IRQHOP_IRQ_INTID: u32, the guest's number of the interrupt
 * @IRQHOP_IRQ_HOME: u32, vcpu_id that the guest's affinity names; absent if the
 *	guest has not said. By KVM's record, or for an injected interrupt by what
 *	that was before irqhop has changed it
 * @IRQHOP_IRQ_TARGET: u32, vcpu_id that the interrupt points at: by the record
 *	of the host's ITS driver, or for an injected interrupt by KVM's
 * @IRQHOP_IRQ_HOST_IRQ: u32, the host's irq that the device raises; absent for
 *	an injected interrupt
 * @IRQHOP_IRQ_FLAGS: u32, &enum irqhop_irq_flags
 * @IRQHOP_IRQ_ENGINE_HOME: u32, vcpu_id of its home by irqhop's own record;
 *	absent if irqhop does not have it in its table
 * @IRQHOP_IRQ_ENGINE_TARGET: u32, vcpu_id of its target by irqhop's own record;
 *	absent if irqhop does not have it in its table
 */
enum irqhop_irq_attr {
	IRQHOP_IRQ_UNSPEC,
	IRQHOP_IRQ_INTID,
	IRQHOP_IRQ_HOME,
	IRQHOP_IRQ_TARGET,
	IRQHOP_IRQ_HOST_IRQ,
	IRQHOP_IRQ_FLAGS,
	IRQHOP_IRQ_ENGINE_HOME,
	IRQHOP_IRQ_ENGINE_TARGET,

	/* private: */
	__IRQHOP_IRQ_MAX,
	IRQHOP_IRQ_MAX = __IRQHOP_IRQ_MAX - 1
};

/**
 * enum irqhop_irq_flags - bits of %IRQHOP_IRQ_FLAGS
 * @IRQHOP_IRQ_F_DIRECT: delivered by the interrupt hardware without an exit
 * @IRQHOP_IRQ_F_ENABLED: the guest has it enabled
 * @IRQHOP_IRQ_F_PENDING: pending in KVM's own record (injected interrupts)
 * @IRQHOP_IRQ_F_STRANDED: its target is out and no vCPU of the VM could take it
 *	when irqhop looked last
 */
enum irqhop_irq_flags {
	IRQHOP_IRQ_F_DIRECT	= 1 << 0,
	IRQHOP_IRQ_F_ENABLED	= 1 << 1,
	IRQHOP_IRQ_F_PENDING	= 1 << 2,
	IRQHOP_IRQ_F_STRANDED	= 1 << 3,
};

#endif /* _UAPI_LINUX_IRQHOP_H */
