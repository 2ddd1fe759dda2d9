/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what differs between the kernels that it supports, each with the
 * version that made the difference. Nothing else looks at the version.
 */
#ifndef _IRQHOP_COMPAT_H
#define _IRQHOP_COMPAT_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/poison.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/xarray.h>

#include <net/genetlink.h>

/*
 * irqhop reads and drives parts of KVM and of the ITS driver that promise
 * nothing to modules. So it builds for the series that it was tested with and
 * for no other.
 */
#define COMPAT_SERIES(major, minor)					\
	((LINUX_VERSION_CODE) >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)
#define COMPAT_SINCE(major, minor)					\
	((LINUX_VERSION_CODE) >= KERNEL_VERSION(major, minor, 0))

#if !COMPAT_SERIES(6, 1) && !COMPAT_SERIES(6, 12) && !COMPAT_SERIES(7, 2)
#error "irqhop: this kernel series is not supported, it has been tested with 6.1, 6.12 and 7.2 only"
#endif

#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "irqhop: needs CONFIG_PREEMPT_NOTIFIERS (selected by KVM)"
#endif

#ifndef CONFIG_SPARSE_IRQ
#error "irqhop: needs CONFIG_SPARSE_IRQ, whose interrupt descriptors are freed by RCU"
#endif

#ifndef CONFIG_ARM64
#error "irqhop: arm64 only so far"
#endif

/*
 * The LPIs of a VM. Since v6.9 ("KVM: arm64: vgic: Store LPIs in an xarray")
 * they are in an xarray and freed by RCU. Before, they are on a list, by which
 * KVM finds one each time that it is raised, and its lock (lpi_list_lock)
 * comes after an ap_list_lock: so one that is to be moved is kept by a
 * reference.
 *
 * Each irqhop_compat_lpi_get() also begins an RCU read side, which
 * irqhop_compat_lpi_put() ends.
 */
#if COMPAT_SINCE(6, 9)
static inline struct vgic_irq *compat_lpi_find(struct kvm *kvm, u32 from,
					       u32 to)
{
	unsigned long index = from;

	return xa_find(&kvm->arch.vgic.lpi_xa, &index, to, XA_PRESENT);
}

static inline void compat_lpi_drop(struct kvm *kvm, struct vgic_irq *irq)
{
}
#else
static inline struct vgic_irq *compat_lpi_find(struct kvm *kvm, u32 from,
					       u32 to)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct vgic_irq *irq, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&dist->lpi_list_lock, flags);
	list_for_each_entry(irq, &dist->lpi_list_head, lpi_list) {
		if (irq->intid < from || irq->intid > to)
			continue;
		found = irq;
		to = irq->intid;
	}
	if (found)
		kref_get(&found->refcount);
	raw_spin_unlock_irqrestore(&dist->lpi_list_lock, flags);
	return found;
}

static inline void compat_lpi_release(struct kref *ref)
{
}

/* As __vgic_put_lpi_locked() does. */
static inline void compat_lpi_drop(struct kvm *kvm, struct vgic_irq *irq)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	unsigned long flags;

	raw_spin_lock_irqsave(&dist->lpi_list_lock, flags);
	if (kref_put(&irq->refcount, compat_lpi_release)) {
		list_del(&irq->lpi_list);
		dist->lpi_list_count--;
		kfree(irq);
	}
	raw_spin_unlock_irqrestore(&dist->lpi_list_lock, flags);
}
#endif

/**
 * irqhop_compat_lpi_get - the first LPI of a VM in a range
 * @kvm: the VM
 * @from: the guest's number
 * @to: the last that will do
 *
 * Context: any but NMI. If there is one, an RCU read side lasts until
 * irqhop_compat_lpi_put().
 *
 * Return: the LPI, or NULL.
 */
static inline struct vgic_irq *irqhop_compat_lpi_get(struct kvm *kvm, u32 from,
						     u32 to)
{
	struct vgic_irq *irq;

	rcu_read_lock();
	irq = compat_lpi_find(kvm, from, to);
	if (!irq)
		rcu_read_unlock();
	return irq;
}

/**
 * irqhop_compat_lpi_put - an LPI is used no longer
 * @kvm: the VM
 * @irq: the LPI
 *
 * Context: any but NMI; irq_lock and ap_list_lock not held.
 */
static inline void irqhop_compat_lpi_put(struct kvm *kvm, struct vgic_irq *irq)
{
	compat_lpi_drop(kvm, irq);
	rcu_read_unlock();
}

/**
 * irqhop_compat_vcpu_task - the thread that runs a vCPU
 * @vcpu: the vCPU
 *
 * Since v6.13 ("KVM: Protect vCPU's "pid" with RW lock, not RCU") there is a
 * lock, which KVM takes for writing with interrupts on, when another thread
 * than the last one enters KVM_RUN.
 *
 * Context: RCU read side; hard interrupts too.
 *
 * Return: the thread that was in KVM_RUN with it last; NULL if there is none,
 * or if another one is just about to be.
 */
static inline struct task_struct *
irqhop_compat_vcpu_task(struct kvm_vcpu *vcpu)
{
#if COMPAT_SINCE(6, 13)
	struct task_struct *task;

	if (!read_trylock(&vcpu->pid_lock))
		return NULL;
	task = pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
	return task;
#else
	return pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
#endif
}

/**
 * irqhop_compat_vcpu_scheduled_out - has a vCPU left its pCPU inside KVM_RUN
 * @vcpu: the vCPU, which is on no pCPU
 *
 * KVM says so itself since v6.11 ("KVM: Add a flag to track if a loaded vCPU
 * is scheduled out"). Before, its preempt notifier tells: it is registered
 * inside KVM_RUN.
 *
 * Return: true if so; false: it is in user space.
 */
static inline bool irqhop_compat_vcpu_scheduled_out(struct kvm_vcpu *vcpu)
{
#if COMPAT_SINCE(6, 11)
	return READ_ONCE(vcpu->scheduled_out);
#else
	struct hlist_node **link = READ_ONCE(vcpu->preempt_notifier.link.pprev);

	return link && link != LIST_POISON2;
#endif
}

/**
 * irqhop_compat_vcpu_folds - may KVM go through a vCPU's ap_list without its lock
 * @vcpu: the vCPU
 *
 * On an exit from a guest that has more interrupts than list registers, since
 * 3cfd59f81e0f ("KVM: arm64: GICv3: Handle LR overflow when EOImode==0"), in
 * v7.2 and not in v6.12: then what is behind the last that was in a register,
 * after used_lrs was set to 0.
 *
 * Context: the vCPU's ap_list_lock held. It takes that before each entry, after
 * @cpu was set, so that is seen here.
 *
 * Return: true if it may: the vCPU is on a pCPU.
 */
static inline bool irqhop_compat_vcpu_folds(struct kvm_vcpu *vcpu)
{
	return COMPAT_SINCE(6, 13) &&
	       READ_ONCE(vcpu->cpu) != -1;
}

/**
 * irqhop_compat_file_is_kvm - is an open file a VM
 * @file: the file
 *
 * Since v6.18, 20c489205836 ("KVM: Export KVM-internal symbols for sub-modules
 * only"), file_is_kvm() is for modules of KVM's own, of which arm64 has none. So
 * go by what KVM calls that file, in the kernel's file system for files that
 * have no place elsewhere: nobody but the kernel can name one there.
 *
 * Return: true if its private_data is a struct kvm.
 */
static inline bool irqhop_compat_file_is_kvm(struct file *file)
{
#if COMPAT_SINCE(6, 18)
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file_dentry(file)->d_name.name, "kvm-vm");
#else
	return file_is_kvm(file);
#endif
}

/*
 * A timer and its function in one step: since v6.13 ("hrtimers: Introduce
 * hrtimer_setup() to replace hrtimer_init()"), and hrtimer_init() is gone since
 * v6.16.
 */
#if COMPAT_SINCE(6, 13)
#define irqhop_compat_hrtimer_setup	hrtimer_setup
#else
static inline void
irqhop_compat_hrtimer_setup(struct hrtimer *timer,
			    enum hrtimer_restart (*function)(struct hrtimer *),
			    clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/**
 * irqhop_compat_wakes_lazily - may a thread that is woken wait for a tick
 *
 * Since v6.13 ("sched: Add Lazy preemption model") a kernel may be built so, or
 * told to: if a task of the normal class, or of the idle class, runs where one is
 * woken, it makes way when it next enters the kernel, and is not made to.
 *
 * Return: true if so.
 */
static inline bool irqhop_compat_wakes_lazily(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_LAZY) ||
	       (IS_ENABLED(CONFIG_ARCH_HAS_PREEMPT_LAZY) &&
		IS_ENABLED(CONFIG_PREEMPT_DYNAMIC));
}

/*
 * The operation that pre_doit is called for: since v6.2 ("genetlink: introduce
 * split op representation") of another type.
 */
#if COMPAT_SINCE(6, 2)
#define irqhop_compat_genl_op	genl_split_ops
#else
#define irqhop_compat_genl_op	genl_ops
#endif

/**
 * irqhop_compat_dump_attrs - the attributes of a request for a dump
 * @cb: the dump
 *
 * In struct genl_info since v6.7 ("genetlink: use attrs from struct
 * genl_info").
 *
 * Return: the attributes by their number.
 */
static inline struct nlattr **
irqhop_compat_dump_attrs(struct netlink_callback *cb)
{
#if COMPAT_SINCE(6, 7)
	return genl_dumpit_info(cb)->info.attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/*
 * A message with numbers in it for whoever sent a request: since v6.2
 * ("netlink: add support for formatted extack messages"). Before, only a
 * pointer is kept, and so these share a few buffers; the worst that can happen
 * is that one request gets the message of another.
 */
#ifndef NL_SET_ERR_MSG_FMT
#define NL_SET_ERR_MSG_FMT	compat_message_set

static inline __printf(2, 3) void
compat_message_set(struct netlink_ext_ack *extack, const char *format, ...)
{
	static char messages[8][128];
	static atomic_t next;
	char *message = messages[atomic_inc_return(&next) % 8U];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(messages[0]), format, args);
	va_end(args);
	if (extack)
		extack->_msg = message;
}
#endif

/*
 * The source of a string in a trace event, here of the field's name, is not
 * named again since v6.10 ("tracing/treewide: Remove second parameter of
 * __assign_str()").
 */
#if COMPAT_SINCE(6, 10)
#define irqhop_compat_assign_str(field)	__assign_str(field)
#else
#define irqhop_compat_assign_str(field)	__assign_str(field, field)
#endif

/*
 * sched_process_exit says whether the thread was the last of its process,
 * since v6.16.
 */
#if COMPAT_SINCE(6, 16)
#define IRQHOP_COMPAT_SCHED_EXIT_ARGS	struct task_struct *p, bool group_dead
#else
#define IRQHOP_COMPAT_SCHED_EXIT_ARGS	struct task_struct *p
#endif

#endif /* _IRQHOP_COMPAT_H */
