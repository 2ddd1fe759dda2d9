// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: enabled VMs: how they come, go, and are looked after meanwhile. All
 * of it in process context with irqhop_mutex held.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "fault.h"
#include "irqhop.h"
#include "trace.h"

/* So often an interrupt is sent home before it counts as not to be. */
#define VM_TRIES	8
/* So many moves that take too long, and no more are tried. */
#define VM_SLOW		2
/* How long to wait for vCPUs to leave before interrupts go home regardless. */
#define VM_DRAIN_MS	50

/* Enabling, disabling, and whatever else looks at the list of VMs. */
DEFINE_MUTEX(irqhop_mutex);
LIST_HEAD(irqhop_vms);
unsigned int irqhop_vms_gen;
static bool vm_unloading;

static struct workqueue_struct *vm_wq;
static void vm_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(vm_dwork, vm_work);

/**
 * irqhop_vm_work_soon - have the worker look after all VMs
 * @ms: in so many milliseconds
 *
 * Context: any but NMI.
 */
void irqhop_vm_work_soon(unsigned int ms)
{
	mod_delayed_work(vm_wq, &vm_dwork, msecs_to_jiffies(ms));
}

/**
 * irqhop_vm_break - nothing is to be done with a VM any more
 * @vm: the VM; one that is being disabled anyway goes on being that
 * @why: for people, static
 *
 * The worker sends its interrupts home and disables it.
 *
 * Context: any but NMI; @vm's lock held.
 */
void irqhop_vm_break(struct irqhop_vm *vm, const char *why)
{
	lockdep_assert_held(&vm->lock);
	if (vm->closing || irqhop_mutant(LET_GO))
		return;
	vm->broken = why;
	vm->closing = true;
	trace_let_go(vm->pid, why);
	irqhop_vm_work_soon(0);
}

/* While we have a reference, KVM's structures stay. */
static bool vm_ref(struct kvm *kvm)
{
	return irqhop_mutant(REF) || kvm_get_kvm_safe(kvm);
}

/* May destroy the VM, so irqhop_mutex must not be held. */
static void vm_unref(struct kvm *kvm)
{
	if (!irqhop_mutant(REF))
		kvm_put_kvm(kvm);
}

/* Work off everything that is to be done now, a turn at a time. */
static void vm_run_all(struct irqhop_vm *vm)
{
	unsigned long flags;
	unsigned int turns = 10000;
	bool more;
	u64 begun;

	do {
		flags = irqhop_turn_lock(vm, &begun);
		more = !vm->closing && irqhop_turn_run(vm, true);
		irqhop_turn_unlock(vm, flags, begun);
		cond_resched();
	} while (more && --turns);
}

static void vm_scan_all(struct irqhop_vm *vm)
{
	unsigned long flags;
	bool more;
	u64 begun;
	u32 gen;

	raw_spin_lock_irqsave(&vm->lock, flags);
	/* A guest may also invalidate by GICR_INVALLR, and that leaves no mark. */
	gen = irqhop_table_scan_begin(vm, true);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	do {
		flags = irqhop_turn_lock(vm, &begun);
		/* An event may finish this scan, and begin another. */
		more = vm->scanning && vm->scan_gen == gen && !vm->closing;
		if (more)
			irqhop_table_scan_some(vm, IRQHOP_LOOKS);
		irqhop_turn_unlock(vm, flags, begun);
		cond_resched();
	} while (more);
	vm_run_all(vm);
}

/*
 * Send home the first LPI from some number on. @intid gets its number.
 * Return: 0 if it was there, 1 if it has to be looked at again, -ENOENT if there
 * is none.
 */
static int vm_irq_home(struct irqhop_vm *vm, u32 from, u32 *intid)
{
	struct irqhop_arch_irq info;
	struct irqhop_arch_hold h;
	unsigned long flags;
	u64 begun;
	int ret;

	flags = irqhop_turn_lock(vm, &begun);
	ret = irqhop_look_irq_next(vm, from, &info, &h);
	if (!ret) {
		*intid = info.intid;
		ret = irqhop_table_has_place(&info) && info.home != info.target;
		/* With the ITS, each try may cost a second, interrupts off. */
		if (ret && (!info.direct || vm->slow < VM_SLOW))
			irqhop_move(vm, &h, &info, info.home);
		irqhop_arch_irq_release(&h);
	}
	irqhop_turn_unlock(vm, flags, begun);
	return ret;
}

/*
 * Every LPI of the VM home, and checked by another look. Nobody moves any away
 * meanwhile: the VM is closing, or its policy is "home". What irqhop says of a
 * direct one's home does not count, and KVM's record does; of an injected one's
 * only we know, so that this has to be done before we stop seeing the guest's
 * commands (irqhop_command_write()).
 * Return: how many are not.
 */
static unsigned int vm_home_all(struct irqhop_vm *vm)
{
	unsigned int bad = 0, tries = 0;
	u32 next = IRQHOP_LPI_FIRST;
	int away;
	u32 intid;

	if (irqhop_mutant(HOME_ON_CLOSE))
		return 0;
	while ((away = vm_irq_home(vm, next, &intid)) >= 0) {
		next = intid;
		if (!away || ++tries == VM_TRIES) {
			bad += away;
			tries = 0;
			next++;
		}
		cond_resched();
	}
	return bad;
}

/* As asked for, and at once. */
static void vm_options_set(struct irqhop_vm *vm,
			   const struct irqhop_options *options)
{
	struct irqhop_engine *e = &vm->engine;
	unsigned long flags;
	u64 begun;

	flags = irqhop_turn_lock(vm, &begun);
	if (options->policy)
		irqhop_engine_policy_set(e, options->policy);
	if (options->has_rule)
		irqhop_engine_rule_set(e, options->rule);
	if (options->has_halted)
		irqhop_engine_halted_set(e, options->halted);
	if (options->has_max_hops)
		irqhop_engine_bound_set(e, options->max_hops, sched_clock());
	irqhop_turn_unlock(vm, flags, begun);
}

/*
 * Let interrupts go home by themselves for a while: from a vCPU that runs, or
 * is inside a handler, they do when it is out, or through.
 */
static void vm_drain(struct irqhop_vm *vm)
{
	const struct irqhop_options home = {
		.policy = irqhop_policy_find("home"),
	};
	unsigned int ms;

	if (irqhop_mutant(HOME_ON_CLOSE))
		return;
	vm_options_set(vm, &home);
	vm_run_all(vm);
	for (ms = 0; ms < VM_DRAIN_MS && !READ_ONCE(vm->closing) &&
	     READ_ONCE(vm->engine.nr_away); ms++)
		usleep_range(1000, 2000);
}

static void vm_free(struct irqhop_vm *vm)
{
	irqhop_table_free(vm);
	kvfree(vm);
}

/* Say what has happened to a VM. */
static void vm_close_tell(const struct irqhop_vm *vm,
			  enum irqhop_reason reason, unsigned int not_home)
{
	if (reason == IRQHOP_REASON_LET_GO)
		pr_warn("VM of process %d: let go of, since %s; %u interrupts not at home\n",
			vm->pid, vm->broken, not_home);
	else if (not_home)
		pr_warn("VM of process %d: %u interrupts could not be sent home\n",
			vm->pid, not_home);
	irqhop_notify_disabled(vm, reason, not_home);
}

/*
 * Give a VM up. What is left of it is KVM's reference, which the caller has
 * to put once it has let go of irqhop_mutex, since that may destroy the VM.
 *
 * Return: how many interrupts could not be sent home.
 */
static unsigned int vm_close(struct irqhop_vm *vm, enum irqhop_reason reason)
{
	unsigned long flags;
	unsigned int not_home;

	if (!READ_ONCE(vm->broken))
		vm_drain(vm);

	raw_spin_lock_irqsave(&vm->lock, flags);
	vm->closing = true;
	if (vm->broken)
		reason = IRQHOP_REASON_LET_GO;
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	not_home = vm_home_all(vm);

	list_del_rcu(&vm->node);
	irqhop_vms_gen++;
	if (list_empty(&irqhop_vms))
		irqhop_watch_stop();
	irqhop_watch_vm_del(vm);
	irqhop_summon_vm_exit(vm);
	irqhop_donate_vm_exit(vm);

	vm_close_tell(vm, reason, not_home);
	vm_free(vm);
	return not_home;
}

/*
 * What is known of vCPUs that nobody has seen yet, and that no pCPU runs.
 * Context: @vm's lock held.
 */
static void vm_vcpus_unknown(struct irqhop_vm *vm)
{
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];
		struct kvm_vcpu *vcpu = v->kvm_vcpu;
		enum irqhop_vcpu_state state;
		u64 old = atomic64_read(&v->word);
		bool in_handler;
		u64 word;

		if ((old & IRQHOP_WORD_STATE) != IRQHOP_VS_UNKNOWN ||
		    READ_ONCE(vcpu->cpu) != -1)
			continue;
		state = irqhop_arch_vcpu_classify(vcpu,
						  READ_ONCE(vcpu->preempted),
						  irqhop_compat_vcpu_scheduled_out(vcpu),
						  &in_handler);
		word = (old & IRQHOP_WORD_SEQ_MASK) | state |
		       (in_handler ? IRQHOP_WORD_HANDLER : 0);
		atomic64_cmpxchg(&v->word, old, word);
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		irqhop_look_vcpu(vm, &vm->vcpu[i]);
}

/* The VM is enabled, and its vCPUs may be anywhere. */
static void vm_vcpus_first(struct irqhop_vm *vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	vm_vcpus_unknown(vm);
	irqhop_command_first(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/**
 * irqhop_vm_find - the enabled VM that this is
 * @kvm: KVM's
 *
 * Context: irqhop_mutex held.
 *
 * Return: the VM, or NULL.
 */
struct irqhop_vm *irqhop_vm_find(struct kvm *kvm)
{
	struct irqhop_vm *vm;

	lockdep_assert_held(&irqhop_mutex);
	list_for_each_entry(vm, &irqhop_vms, node)
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

static struct irqhop_vm *vm_alloc(struct kvm *kvm, u16 nr_vcpus)
{
	struct irqhop_vm *vm;
	u64 now;
	u16 i;

	vm = kvzalloc(struct_size(vm, vcpu, nr_vcpus), GFP_KERNEL);
	if (!vm)
		return NULL;
	vm->nr_vcpus = nr_vcpus;
	vm->kvm = kvm;
	vm->pid = kvm->userspace_pid;
	raw_spin_lock_init(&vm->lock);
	if (irqhop_table_init(vm)) {
		vm_free(vm);
		return NULL;
	}
	irqhop_arch_vm_init(&vm->arch, kvm);
	irqhop_summon_vm_init(vm);
	now = sched_clock();
	irqhop_engine_bound_set(&vm->engine, IRQHOP_MAX_HOPS_DEFAULT, now);
	for (i = 0; i < nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		v->kvm_vcpu = kvm_get_vcpu(kvm, i);
		v->spins = irqhop_arch_vcpu_spins(v->kvm_vcpu);
		v->vm = vm;
		v->idx = i;
		v->accounted = now;
	}
	return vm;
}

/* Make an enabled VM of one that can be. Return: 0 or a negative errno. */
static int vm_start(struct irqhop_vm *vm, struct netlink_ext_ack *extack)
{
	int ret;

	if (list_empty(&irqhop_vms)) {
		ret = irqhop_watch_start();
		if (ret) {
			NL_SET_ERR_MSG(extack, "the scheduler's tracepoints cannot be used");
			return ret;
		}
		irqhop_vm_work_soon(1000);
	}
	list_add_tail_rcu(&vm->node, &irqhop_vms);
	irqhop_vms_gen++;
	irqhop_watch_vm_add(vm);
	vm_vcpus_first(vm);
	vm_scan_all(vm);
	irqhop_notify_enabled(vm);
	return 0;
}

/* Enable a VM that is not. Return: 0 or a negative errno. */
static int vm_open(struct kvm *kvm, const struct irqhop_options *options,
		   struct netlink_ext_ack *extack)
{
	struct irqhop_vm *vm;
	int nr, ret;

	ret = irqhop_arch_vm_check(kvm, extack);
	if (ret)
		return ret;
	nr = atomic_read(&kvm->online_vcpus);
	if (nr < 1 || nr > IRQHOP_MAX_VCPUS) {
		NL_SET_ERR_MSG_FMT(extack, "%d vCPUs: only 1 to %d are supported",
				   nr, IRQHOP_MAX_VCPUS);
		return -EOPNOTSUPP;
	}
	vm = vm_alloc(kvm, nr);
	if (!vm) {
		NL_SET_ERR_MSG(extack, "out of memory");
		return -ENOMEM;
	}
	vm_options_set(vm, options);
	if (!vm_ref(kvm)) {
		NL_SET_ERR_MSG(extack, "the VM is being destroyed");
		vm_free(vm);
		return -ENOENT;
	}
	ret = vm_start(vm, extack);
	if (ret) {
		/* Not the last reference: the caller has one. */
		vm_unref(kvm);
		vm_free(vm);
	}
	return ret;
}

/**
 * irqhop_vm_enable - enable a VM
 * @kvm: KVM's; the caller keeps it alive for the time of the call
 * @options: how it is to be treated
 * @extack: gets the reason for a failure
 *
 * Context: process. Takes irqhop_mutex.
 *
 * Return: 0, -EEXIST if it is enabled already, or another negative errno.
 */
int irqhop_vm_enable(struct kvm *kvm, const struct irqhop_options *options,
		     struct netlink_ext_ack *extack)
{
	int ret;

	mutex_lock(&irqhop_mutex);
	if (vm_unloading) {
		NL_SET_ERR_MSG(extack, "the module is being unloaded");
		ret = -ESHUTDOWN;
	} else if (irqhop_vm_find(kvm)) {
		NL_SET_ERR_MSG(extack, "irqhop is enabled for this VM already");
		ret = -EEXIST;
	} else {
		ret = vm_open(kvm, options, extack);
	}
	mutex_unlock(&irqhop_mutex);
	return ret;
}

/* Change how an enabled VM is treated. Return: 0 or a negative errno. */
static int vm_change(struct irqhop_vm *vm, const struct irqhop_options *options,
		     struct netlink_ext_ack *extack)
{
	unsigned int not_home = 0;

	if (READ_ONCE(vm->broken)) {
		NL_SET_ERR_MSG(extack, "irqhop is letting go of this VM, see the log");
		return -EBUSY;
	}
	if (options->policy && options->policy->flags & IRQHOP_POLICY_HOME) {
		/* Whoever asks for "home" wants a true one when we return. */
		vm_drain(vm);
		not_home = vm_home_all(vm);
		vm_scan_all(vm);
	}
	vm_options_set(vm, options);
	vm_run_all(vm);
	if (!not_home && !READ_ONCE(vm->broken))
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "the ITS refused moves, see the log; %u interrupts are not at home",
			   not_home);
	return -EIO;
}

/**
 * irqhop_vm_set - change how an enabled VM is treated
 * @kvm: KVM's; the caller keeps it alive for the time of the call
 * @options: what is to change
 * @extack: gets the reason for a failure
 *
 * Context: process. Takes irqhop_mutex.
 *
 * Return: 0, -ENOENT if the VM is not enabled, -EBUSY if irqhop is letting go
 * of it, -EIO if the ITS refused moves that this brought about.
 */
int irqhop_vm_set(struct kvm *kvm, const struct irqhop_options *options,
		  struct netlink_ext_ack *extack)
{
	struct irqhop_vm *vm;
	int ret = -ENOENT;

	mutex_lock(&irqhop_mutex);
	vm = irqhop_vm_find(kvm);
	if (vm) {
		ret = vm_change(vm, options, extack);
		irqhop_donate_check(vm);
	} else {
		NL_SET_ERR_MSG(extack, "irqhop is not enabled for this VM");
	}
	mutex_unlock(&irqhop_mutex);
	return ret;
}

/**
 * irqhop_vm_disable - disable a VM
 * @kvm: KVM's; the caller keeps it alive for the time of the call
 * @extack: gets the reason for a failure
 *
 * When it returns 0, every interrupt is at home.
 *
 * Context: process. Takes irqhop_mutex.
 *
 * Return: 0; -ENOENT if the VM is not enabled; -EIO if it is disabled now, but
 * the ITS refused to send an interrupt home.
 */
int irqhop_vm_disable(struct kvm *kvm, struct netlink_ext_ack *extack)
{
	struct irqhop_vm *vm;
	unsigned int not_home;

	mutex_lock(&irqhop_mutex);
	vm = irqhop_vm_find(kvm);
	if (!vm) {
		mutex_unlock(&irqhop_mutex);
		NL_SET_ERR_MSG(extack, "irqhop is not enabled for this VM");
		return -ENOENT;
	}
	not_home = vm_close(vm, IRQHOP_REASON_DISABLED);
	mutex_unlock(&irqhop_mutex);
	vm_unref(kvm);
	if (!not_home)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "disabled, but the ITS refused to send %u interrupts home",
			   not_home);
	return -EIO;
}

/**
 * irqhop_vm_task_exit - a thread ends
 * @p: the thread
 *
 * If it was a VMM's last one, the files are about to be closed: have the worker
 * see soon whether the VM is still in use. (Not at the end of any thread: a VMM
 * that starts and ends them all the time would put the worker off for ever.)
 *
 * Context: process, preemption off.
 */
void irqhop_vm_task_exit(struct task_struct *p)
{
	struct irqhop_vm *vm;

	if (atomic_read(&p->signal->live))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(vm, &irqhop_vms, node) {
		if (vm->pid != p->tgid && vm->pid != p->pid)
			continue;
		WRITE_ONCE(vm->hurry, 50);
		irqhop_vm_work_soon(20);
	}
	rcu_read_unlock();
}

/*
 * Regular care for one VM: its tables are checked, made larger, and brought up
 * to date.
 */
static void vm_care(struct irqhop_vm *vm)
{
	const char *what;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	irqhop_fault_table(&vm->engine);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	what = irqhop_table_check(vm);

	raw_spin_lock_irqsave(&vm->lock, flags);
	if (what)
		irqhop_vm_break(vm, what);
	/* Nobody follows the lists of tables that contradict each other. */
	if (!vm->closing && !what) {
		vm_vcpus_unknown(vm);
		irqhop_look_poke(vm);
		/* One that was asked may have left KVM_RUN again by then. */
		irqhop_engine_stranded_mark(&vm->engine);
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	if (READ_ONCE(vm->closing) || what)
		return;
	irqhop_table_grow(vm);
	vm_scan_all(vm);
	irqhop_donate_check(vm);
}

/* Does nobody hold it but us? */
static bool vm_abandoned(const struct irqhop_vm *vm)
{
	return refcount_read(&vm->kvm->users_count) == 1;
}

static void vm_work(struct work_struct *work)
{
	struct irqhop_vm *vm, *next;
	struct kvm *gone[8];
	unsigned int nr = 0;
	bool hurry = false;

	mutex_lock(&irqhop_mutex);
	list_for_each_entry_safe(vm, next, &irqhop_vms, node) {
		if (nr == ARRAY_SIZE(gone)) {
			hurry = true;
			break;
		}
		if (!vm_abandoned(vm))
			vm_care(vm);
		if (vm_abandoned(vm) || READ_ONCE(vm->broken)) {
			gone[nr++] = vm->kvm;
			vm_close(vm, IRQHOP_REASON_GONE);
		} else if (vm->hurry > 0) {
			WRITE_ONCE(vm->hurry, vm->hurry - 1);
			hurry = true;
		}
	}
	if (!list_empty(&irqhop_vms))
		queue_delayed_work(vm_wq, &vm_dwork,
				   msecs_to_jiffies(hurry ? 20 : 1000));
	mutex_unlock(&irqhop_mutex);
	while (nr)
		vm_unref(gone[--nr]);
}

/**
 * irqhop_vm_init - get ready
 *
 * Return: 0 or a negative errno.
 */
int irqhop_vm_init(void)
{
	vm_wq = alloc_workqueue("irqhop", WQ_UNBOUND, 1);
	return vm_wq ? 0 : -ENOMEM;
}

/**
 * irqhop_vm_unload - disable every VM, and enable none any more
 *
 * Context: process.
 */
void irqhop_vm_unload(void)
{
	struct irqhop_vm *vm;
	struct kvm *kvm;

	for (;;) {
		mutex_lock(&irqhop_mutex);
		vm_unloading = true;
		vm = list_first_entry_or_null(&irqhop_vms, struct irqhop_vm,
					      node);
		kvm = vm ? vm->kvm : NULL;
		if (vm)
			vm_close(vm, IRQHOP_REASON_UNLOAD);
		mutex_unlock(&irqhop_mutex);
		if (!kvm)
			break;
		vm_unref(kvm);
	}
}

/**
 * irqhop_vm_exit - nothing of ours is under way any more
 *
 * Context: process; no VM is enabled, and no request can come in.
 */
void irqhop_vm_exit(void)
{
	cancel_delayed_work_sync(&vm_dwork);
	destroy_workqueue(vm_wq);
}
