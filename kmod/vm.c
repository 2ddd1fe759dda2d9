// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: enabled VMs. What happens to their vCPUs is told to the engine
 * here, what the engine decides is done here, and here is where VMs come and
 * go.
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

#include "irqhop.h"

/* LPIs that a VM's table has room for at first, and at most. */
#define VM_IRQS_FIRST	256
#define VM_IRQS_MOST	16384
/* LPIs looked at in one turn under the VM's lock. */
#define VM_LOOKS	256
/*
 * Turns of a scan in interrupt context are at least this far apart: it is the
 * guest that brings them about, and that says how many LPIs there are.
 */
#define VM_SCAN_GAP	(2 * NSEC_PER_MSEC)
/* So often a candidate may turn out to be gone before we give up. */
#define VM_TRIES	8
/* So many moves refused in a row, or one this long, and we let go of the VM. */
#define VM_FAILS	16
#define VM_COST_LIMIT	(500 * NSEC_PER_MSEC)
/* How long to wait for vCPUs to leave before interrupts go home regardless. */
#define VM_DRAIN_MS	50

/* Enabling, disabling, and whatever else looks at the list of VMs. */
DEFINE_MUTEX(irqhop_mutex);
LIST_HEAD(irqhop_vms);

static struct workqueue_struct *vm_wq;
static void vm_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(vm_dwork, vm_work);

static void vm_work_soon(unsigned int ms)
{
	mod_delayed_work(vm_wq, &vm_dwork, msecs_to_jiffies(ms));
}

/* --- under the VM's lock ------------------------------------------------- */

/* Nothing is to be done with this VM any more; the worker sees to the rest. */
static void vm_break(struct irqhop_vm *vm, const char *why)
{
	if (vm->broken)
		return;
	vm->broken = why;
	vm->closing = true;
	vm_work_soon(0);
}

/* Tell the engine what a vCPU's state word says, unless it knows. */
static void vm_vcpu_sync(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	u64 word = atomic64_read_acquire(&v->word);
	u32 mark = irqhop_arch_vcpu_mark(v->kvm_vcpu);

	if (mark != v->mark) {
		v->mark = mark;
		vm->stale = true;
	}
	irqhop_engine_vcpu_enable(&vm->engine, v->idx,
				  irqhop_arch_vcpu_enabled(v->kvm_vcpu));
	if (word == v->seen)
		return;
	v->seen = word;
	irqhop_engine_vcpu_set(&vm->engine, v->idx, word & IRQHOP_WORD_STATE,
			       word & IRQHOP_WORD_HANDLER,
			       READ_ONCE(v->since));
}

/*
 * A vCPU left its pCPU, the switch is over and KVM has saved its state: say
 * why, unless it has come back since.
 */
static void vm_vcpu_left(struct irqhop_vm *vm, const struct irqhop_event *ev)
{
	enum irqhop_vcpu_state state;
	u64 old = ev->word;
	bool in_handler;
	u64 word;

	state = irqhop_arch_vcpu_classify(ev->vcpu->kvm_vcpu, ev->preempted,
					  ev->loaded, &in_handler);
	word = (old & IRQHOP_WORD_SEQ_MASK) | state |
	       (in_handler ? IRQHOP_WORD_HANDLER : 0);
	if (atomic64_cmpxchg(&ev->vcpu->word, old, word) != old)
		return;
	if (state == IRQHOP_VS_PREEMPTED)
		vm->stats.preemptions++;
	if (in_handler && state != IRQHOP_VS_HALTED)
		vm->stats.in_handler++;
}

static void vm_irq_forget(struct irqhop_vm *vm, u16 i)
{
	vm->slot[vm->irq[i].intid - IRQHOP_LPI_FIRST] = 0;
	irqhop_engine_irq_del(&vm->engine, i);
}

/* Take over what the scan has found. */
static void vm_irq_found(struct irqhop_vm *vm,
			 const struct irqhop_arch_irq *info)
{
	u16 *slot;
	u16 i;

	if (info->intid < IRQHOP_LPI_FIRST || info->intid >= IRQHOP_LPI_END)
		return;
	slot = &vm->slot[info->intid - IRQHOP_LPI_FIRST];
	if (!info->direct || info->home == IRQHOP_NONE) {
		if (*slot)
			vm_irq_forget(vm, *slot - 1);
		return;
	}
	if (*slot) {
		i = *slot - 1;
		if (irqhop_engine_irq_seen(&vm->engine, i, info->home,
					   info->target))
			irqhop_engine_irq_mark(&vm->engine, i);
	} else {
		i = irqhop_engine_irq_add(&vm->engine, info->home,
					  info->target);
		if (i == IRQHOP_NONE) {
			vm->want_room = true;
			return;
		}
		*slot = i + 1;
		vm->irq[i].intid = info->intid;
	}
	vm->irq[i].gen = vm->scan_gen;
}

static void vm_scan_begin(struct irqhop_vm *vm)
{
	u64 mark = irqhop_arch_vm_mark(&vm->arch);

	/* One that is cut short has not reloaded everything yet. */
	vm->reload = mark != vm->mark || (vm->reload && vm->scanning);
	vm->mark = mark;
	vm->stale = false;
	vm->scanning = true;
	vm->scan_next = IRQHOP_LPI_FIRST;
	vm->scan_gen++;
}

/* One that is away may have missed an INVALL. */
static void vm_irq_reload(struct irqhop_vm *vm,
			  const struct irqhop_arch_irq *info)
{
	u64 start = sched_clock();

	irqhop_arch_irq_reload(vm->kvm, info);
	if (sched_clock() - start > VM_COST_LIMIT)
		vm_break(vm, "the ITS does not answer");
}

/* Go on with a scan, for so many looks; a reload takes as long as four. */
static void vm_scan_some(struct irqhop_vm *vm, unsigned int looks)
{
	struct irqhop_arch_irq info;
	u16 i;

	for (; looks && !vm->closing; looks--) {
		if (irqhop_arch_irq_next(vm->kvm, vm->scan_next, &info)) {
			vm->scanning = false;
			break;
		}
		if (vm->reload && info.direct && info.home != info.target) {
			vm_irq_reload(vm, &info);
			looks -= min(looks - 1, 3U);
		}
		vm_irq_found(vm, &info);
		vm->scan_next = info.intid + 1;
	}
	if (vm->scanning)
		return;
	for (i = 0; i < vm->engine.max_irqs; i++)
		if (vm->engine.irq[i].live && vm->irq[i].gen != vm->scan_gen)
			vm_irq_forget(vm, i);
	if (vm->want_room && !vm->room_asked &&
	    vm->engine.max_irqs < VM_IRQS_MOST) {
		vm->room_asked = true;
		vm_work_soon(0);
	}
}

/* In interrupt context: scan on, if there is reason to and it is time to. */
static void vm_scan_turn(struct irqhop_vm *vm)
{
	u64 now;

	if (!vm->scanning && !vm->stale &&
	    irqhop_arch_vm_mark(&vm->arch) == vm->mark)
		return;
	now = sched_clock();
	if (now - vm->scanned < VM_SCAN_GAP)
		return;
	vm->scanned = now;
	if (!vm->scanning)
		vm_scan_begin(vm);
	vm_scan_some(vm, VM_LOOKS);
}

/* One that we take to be out, and that KVM runs? Have its pCPU say so. */
static void vm_poke(struct irqhop_vm *vm)
{
	int cpu;
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];
		u64 state = atomic64_read(&v->word) & IRQHOP_WORD_STATE;

		if ((state == IRQHOP_VS_USER || state == IRQHOP_VS_OFF ||
		     state == IRQHOP_VS_UNKNOWN) &&
		    irqhop_arch_vcpu_loaded(v->kvm_vcpu, &cpu))
			irqhop_watch_poke(cpu);
	}
}

static void vm_stranded(struct irqhop_vm *vm, u16 i)
{
	u64 now;

	if (!irqhop_engine_strand(&vm->engine, i))
		return;
	vm->stats.stranded++;
	if (!vm->engine.nr_in[IRQHOP_VS_USER] &&
	    !vm->engine.nr_in[IRQHOP_VS_OFF] &&
	    !vm->engine.nr_in[IRQHOP_VS_UNKNOWN])
		return;
	now = sched_clock();
	if (now - vm->poked < NSEC_PER_MSEC)
		return;
	vm->poked = now;
	vm_poke(vm);
}

/* Move an interrupt and count it. Return: 0 or a negative errno. */
static int vm_irq_move(struct irqhop_vm *vm, const struct irqhop_arch_irq *info,
		       u16 to)
{
	struct irqhop_stats *s = &vm->stats;
	u64 cost;
	int ret;

	ret = irqhop_arch_irq_move(vm->kvm, info, vm->vcpu[to].kvm_vcpu,
				   &cost);
	if (ret > 0)
		return 0;
	if (ret == -ENOENT)
		return ret;
	if (ret < 0) {
		s->failed++;
		if (++vm->fails >= VM_FAILS)
			vm_break(vm, "the ITS driver refuses its moves");
		return ret;
	}
	vm->fails = 0;
	if (to == info->home)
		s->returns++;
	else
		s->hops++;
	s->cost_sum += cost;
	s->cost_max = max(s->cost_max, cost);
	s->cost_hist[min_t(u64, cost / IRQHOP_COST_BUCKET_NS,
			   IRQHOP_COST_BUCKETS - 1)]++;
	if (cost > VM_COST_LIMIT)
		vm_break(vm, "the ITS does not answer");
	return 0;
}

/*
 * Look at one interrupt and do what the engine decides.
 * Return: true if it was moved.
 */
static bool vm_irq_handle(struct irqhop_vm *vm, u16 i)
{
	struct irqhop_engine *e = &vm->engine;
	struct irqhop_decision d;
	struct irqhop_arch_irq info;
	unsigned int tries;

	/* The guest may have changed its mind: where is it really? */
	if (irqhop_arch_irq_look(vm->kvm, vm->irq[i].intid, &info) ||
	    !info.direct || info.home == IRQHOP_NONE) {
		vm_irq_forget(vm, i);
		return false;
	}
	irqhop_engine_irq_seen(e, i, info.home, info.target);
	/*
	 * Its target may be back since it was found to be out, on another pCPU,
	 * and about to handle this very interrupt: then it keeps it.
	 */
	if (info.target != IRQHOP_NONE)
		vm_vcpu_sync(vm, &vm->vcpu[info.target]);

	for (tries = 0; tries < VM_TRIES; tries++) {
		d = irqhop_engine_decide(e, i);
		if (d.action == IRQHOP_STAY) {
			irqhop_engine_stays(e, i);
			return false;
		}
		if (d.action == IRQHOP_STRAND)
			break;
		if (d.must_run) {
			vm_vcpu_sync(vm, &vm->vcpu[d.target]);
			if (!irqhop_engine_vcpu_takes(e, d.target))
				continue;
		}
		switch (vm_irq_move(vm, &info, d.target)) {
		case 0:
			irqhop_engine_moved(e, i, d.target);
			break;
		case -ENOENT:
			vm_irq_forget(vm, i);
			return false;
		default:
			/* It is tried again when a vCPU comes in. */
			irqhop_engine_strand(e, i);
			return false;
		}
		/* If the guest has moved home meanwhile, that is not home. */
		if (d.action == IRQHOP_RETURN &&
		    !irqhop_arch_irq_look(vm->kvm, info.intid, &info) &&
		    info.home != d.target)
			irqhop_engine_irq_mark(e, i);
		return true;
	}
	vm_stranded(vm, i);
	return false;
}

/*
 * Do what is to be done, up to a limit.
 * Return: true if something is left.
 */
static bool vm_run(struct irqhop_vm *vm)
{
	struct irqhop_engine *e = &vm->engine;
	unsigned int moves = max(READ_ONCE(irqhop_max_moves), 1U);
	unsigned int looks = VM_LOOKS;

	vm_scan_turn(vm);
	while (e->nr_todo && !vm->closing) {
		if (!moves || !looks) {
			vm->stats.held_back += e->nr_todo;
			return true;
		}
		looks--;
		if (vm_irq_handle(vm, irqhop_engine_todo_pop(e)))
			moves--;
	}
	return false;
}

/**
 * irqhop_vm_event - something happened to a vCPU
 * @ev: what
 *
 * Context: hard interrupt, on the pCPU where it happened. Takes the VM's lock.
 *
 * Return: true if there is more to be done than one turn allows.
 */
bool irqhop_vm_event(const struct irqhop_event *ev)
{
	struct irqhop_vm *vm = ev->vm;
	bool more = false;

	raw_spin_lock(&vm->lock);
	if (!vm->closing) {
		if (ev->kind == IRQHOP_EV_OUT)
			vm_vcpu_left(vm, ev);
		if (ev->kind != IRQHOP_EV_MORE)
			vm_vcpu_sync(vm, ev->vcpu);
		more = vm_run(vm);
	}
	raw_spin_unlock(&vm->lock);
	return more;
}

/* --- process context, irqhop_mutex held ----------------------------------- */

/* Work off everything that is to be done now, a turn at a time. */
static void vm_run_all(struct irqhop_vm *vm)
{
	unsigned long flags;
	unsigned int turns = 10000;
	bool more;

	do {
		raw_spin_lock_irqsave(&vm->lock, flags);
		more = !vm->closing && vm_run(vm);
		raw_spin_unlock_irqrestore(&vm->lock, flags);
		cond_resched();
	} while (more && --turns);
}

static void vm_scan_all(struct irqhop_vm *vm)
{
	unsigned long flags;
	bool more;
	u32 gen;

	raw_spin_lock_irqsave(&vm->lock, flags);
	vm_scan_begin(vm);
	/* A guest may also invalidate by GICR_INVALLR, and that leaves no mark. */
	vm->reload = true;
	gen = vm->scan_gen;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	do {
		raw_spin_lock_irqsave(&vm->lock, flags);
		/* An event may finish this scan, and begin another. */
		more = vm->scanning && vm->scan_gen == gen && !vm->closing;
		if (more)
			vm_scan_some(vm, VM_LOOKS);
		raw_spin_unlock_irqrestore(&vm->lock, flags);
		cond_resched();
	} while (more);
	vm_run_all(vm);
}

/* Tables for more interrupts. Return: 0 or a negative errno. */
static int vm_room(struct irqhop_vm *vm, u16 max_irqs)
{
	size_t size = irqhop_engine_size(vm->nr_vcpus, max_irqs);
	struct irqhop_engine engine;
	void *mem, *old_mem;
	struct irqhop_irq *irq, *old_irq;
	unsigned long flags;

	mem = kvzalloc(size, GFP_KERNEL);
	irq = kvcalloc(max_irqs, sizeof(*irq), GFP_KERNEL);
	if (!mem || !irq ||
	    !irqhop_engine_init(&engine, mem, size, vm->nr_vcpus, max_irqs,
				irqhop_policy_get(0))) {
		kvfree(mem);
		kvfree(irq);
		return -ENOMEM;
	}
	raw_spin_lock_irqsave(&vm->lock, flags);
	if (vm->engine_mem) {
		irqhop_engine_copy(&engine, &vm->engine);
		memcpy(irq, vm->irq, vm->engine.max_irqs * sizeof(*irq));
	}
	old_mem = vm->engine_mem;
	old_irq = vm->irq;
	vm->engine = engine;
	vm->engine_mem = mem;
	vm->irq = irq;
	vm->want_room = false;
	vm->room_asked = false;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	kvfree(old_mem);
	kvfree(old_irq);
	return 0;
}

/*
 * Every LPI of the VM home, whatever our table says of it, and checked by
 * getting it from the driver. Nobody moves any away meanwhile: the VM is
 * closing, or its policy is "home".
 * Return: how many are not.
 */
static unsigned int vm_home_all(struct irqhop_vm *vm)
{
	struct irqhop_arch_irq info;
	unsigned int tries, bad = 0;
	u32 next = IRQHOP_LPI_FIRST;
	unsigned long flags;

	while (!irqhop_arch_irq_next(vm->kvm, next, &info)) {
		next = info.intid + 1;
		for (tries = 0; tries < VM_TRIES; tries++) {
			if (!info.direct || info.home == IRQHOP_NONE ||
			    info.home == info.target)
				break;
			raw_spin_lock_irqsave(&vm->lock, flags);
			vm_irq_move(vm, &info, info.home);
			raw_spin_unlock_irqrestore(&vm->lock, flags);
			if (irqhop_arch_irq_look(vm->kvm, info.intid, &info))
				break;
		}
		if (tries == VM_TRIES)
			bad++;
		cond_resched();
	}
	return bad;
}

static void vm_policy_set(struct irqhop_vm *vm,
			  const struct irqhop_policy *policy)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	irqhop_engine_policy_set(&vm->engine, policy);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	vm_run_all(vm);
}

/*
 * Let interrupts go home by themselves for a while: from a vCPU that runs, or
 * is inside a handler, they do when it is out, or through.
 */
static void vm_drain(struct irqhop_vm *vm)
{
	unsigned int ms;

	vm_policy_set(vm, irqhop_policy_find("home"));
	for (ms = 0; ms < VM_DRAIN_MS && !READ_ONCE(vm->closing) &&
	     READ_ONCE(vm->engine.nr_away); ms++)
		usleep_range(1000, 2000);
}

static void vm_free(struct irqhop_vm *vm)
{
	kvfree(vm->engine_mem);
	kvfree(vm->irq);
	kvfree(vm->slot);
	kvfree(vm);
}

/*
 * Give a VM up. What is left of it is KVM's reference, which the caller has
 * to put once it has let go of irqhop_mutex, since that may destroy the VM.
 *
 * Return: how many interrupts could not be sent home.
 */
static unsigned int vm_close(struct irqhop_vm *vm)
{
	unsigned long flags;
	unsigned int bad;

	if (!vm->broken)
		vm_drain(vm);

	raw_spin_lock_irqsave(&vm->lock, flags);
	vm->closing = true;
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	list_del_rcu(&vm->node);
	if (list_empty(&irqhop_vms))
		irqhop_watch_stop();
	irqhop_watch_vm_del(vm);

	bad = vm_home_all(vm);
	if (bad)
		pr_warn("VM of process %d: %u interrupts could not be sent home\n",
			vm->pid, bad);
	if (vm->broken)
		pr_warn("VM of process %d: disabled: %s\n", vm->pid,
			vm->broken);
	vm_free(vm);
	return bad;
}

/* What is known of vCPUs that no pCPU runs when the VM is enabled. */
static void vm_vcpus_first(struct irqhop_vm *vm)
{
	unsigned long flags;
	u16 i;

	raw_spin_lock_irqsave(&vm->lock, flags);
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
						  READ_ONCE(vcpu->scheduled_out),
						  &in_handler);
		word = (old & IRQHOP_WORD_SEQ_MASK) | state |
		       (in_handler ? IRQHOP_WORD_HANDLER : 0);
		atomic64_cmpxchg(&v->word, old, word);
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		vm_vcpu_sync(vm, &vm->vcpu[i]);
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

static struct irqhop_vm *vm_alloc(struct kvm *kvm, u16 nr_vcpus,
				  const struct irqhop_policy *policy)
{
	struct irqhop_vm *vm;
	u16 i;

	vm = kvzalloc(struct_size(vm, vcpu, nr_vcpus), GFP_KERNEL);
	if (!vm)
		return NULL;
	vm->nr_vcpus = nr_vcpus;
	vm->kvm = kvm;
	vm->pid = kvm->userspace_pid;
	raw_spin_lock_init(&vm->lock);
	vm->slot = kvcalloc(IRQHOP_LPI_END - IRQHOP_LPI_FIRST,
			    sizeof(*vm->slot), GFP_KERNEL);
	if (!vm->slot || vm_room(vm, VM_IRQS_FIRST)) {
		vm_free(vm);
		return NULL;
	}
	irqhop_engine_policy_set(&vm->engine, policy);
	irqhop_arch_vm_init(&vm->arch, kvm);
	for (i = 0; i < nr_vcpus; i++) {
		struct irqhop_vcpu *v = &vm->vcpu[i];

		v->kvm_vcpu = kvm_get_vcpu(kvm, i);
		v->vm = vm;
		v->idx = i;
	}
	return vm;
}

/* Change the policy of a VM that is enabled. Return: 0 or a negative errno. */
static int vm_change(struct irqhop_vm *vm, const struct irqhop_policy *policy,
		     struct netlink_ext_ack *extack)
{
	if (READ_ONCE(vm->broken)) {
		NL_SET_ERR_MSG(extack, "irqhop is letting go of this VM, see the log");
		return -EBUSY;
	}
	if (!policy) {
		NL_SET_ERR_MSG(extack, "irqhop is enabled for this VM already");
		return -EEXIST;
	}
	if (policy->flags & IRQHOP_POLICY_HOME) {
		vm_drain(vm);
		vm_home_all(vm);
		vm_scan_all(vm);
	} else {
		vm_policy_set(vm, policy);
	}
	return 0;
}

/* Enable a VM that is not. Return: 0 or a negative errno. */
static int vm_open(struct kvm *kvm, const struct irqhop_policy *policy,
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
	vm = vm_alloc(kvm, nr, policy ?: irqhop_policy_get(0));
	if (!vm) {
		NL_SET_ERR_MSG(extack, "out of memory");
		return -ENOMEM;
	}
	if (!kvm_get_kvm_safe(kvm)) {
		NL_SET_ERR_MSG(extack, "the VM is being destroyed");
		vm_free(vm);
		return -ENOENT;
	}
	if (list_empty(&irqhop_vms)) {
		ret = irqhop_watch_start();
		if (ret) {
			NL_SET_ERR_MSG(extack, "the scheduler's tracepoints cannot be used");
			/* Not the last reference: the caller has one. */
			kvm_put_kvm(kvm);
			vm_free(vm);
			return ret;
		}
		vm_work_soon(1000);
	}
	list_add_tail_rcu(&vm->node, &irqhop_vms);
	irqhop_watch_vm_add(vm);
	vm_vcpus_first(vm);
	vm_scan_all(vm);
	return 0;
}

/**
 * irqhop_vm_enable - enable a VM, or change its policy
 * @kvm: KVM's; the caller keeps it alive for the time of the call
 * @policy: NULL for the default
 * @extack: gets the reason for a failure
 *
 * Context: process. Takes irqhop_mutex.
 *
 * Return: 0 or a negative errno.
 */
int irqhop_vm_enable(struct kvm *kvm, const struct irqhop_policy *policy,
		     struct netlink_ext_ack *extack)
{
	struct irqhop_vm *vm;
	int ret;

	mutex_lock(&irqhop_mutex);
	vm = irqhop_vm_find(kvm);
	ret = vm ? vm_change(vm, policy, extack) :
		   vm_open(kvm, policy, extack);
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
	unsigned int bad;

	mutex_lock(&irqhop_mutex);
	vm = irqhop_vm_find(kvm);
	if (!vm) {
		mutex_unlock(&irqhop_mutex);
		NL_SET_ERR_MSG(extack, "irqhop is not enabled for this VM");
		return -ENOENT;
	}
	bad = vm_close(vm);
	mutex_unlock(&irqhop_mutex);
	kvm_put_kvm(kvm);
	if (!bad)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "disabled, but the ITS refused to send %u interrupts home",
			   bad);
	return -EIO;
}

/**
 * irqhop_vm_vcpu_state - where a vCPU is, in the words of the interface
 * @v: the vCPU
 *
 * Return: &enum irqhop_vcpu_state_uapi.
 */
u32 irqhop_vm_vcpu_state(struct irqhop_vcpu *v)
{
	static const u8 states[IRQHOP_NR_VS] = {
		[IRQHOP_VS_UNKNOWN]	= IRQHOP_VCPU_STATE_UNKNOWN,
		[IRQHOP_VS_RUNNING]	= IRQHOP_VCPU_STATE_RUNNING,
		[IRQHOP_VS_PREEMPTED]	= IRQHOP_VCPU_STATE_PREEMPTED,
		[IRQHOP_VS_HALTED]	= IRQHOP_VCPU_STATE_HALTED,
		[IRQHOP_VS_BLOCKED]	= IRQHOP_VCPU_STATE_BLOCKED,
		[IRQHOP_VS_USER]	= IRQHOP_VCPU_STATE_USER,
		[IRQHOP_VS_OFF]		= IRQHOP_VCPU_STATE_OFF,
		/* For some microseconds. */
		[IRQHOP_VS_LEAVING]	= IRQHOP_VCPU_STATE_PREEMPTED,
	};
	u64 word = atomic64_read(&v->word);
	u64 state = word & IRQHOP_WORD_STATE;

	if (state == IRQHOP_VS_PREEMPTED && (word & IRQHOP_WORD_HANDLER))
		return IRQHOP_VCPU_STATE_IN_HANDLER;
	return state < IRQHOP_NR_VS ? states[state] : IRQHOP_VCPU_STATE_UNKNOWN;
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
		vm_work_soon(20);
	}
	rcu_read_unlock();
}

/* Regular care for one VM. Return: true if it is to be closed. */
static bool vm_care(struct irqhop_vm *vm, bool *hurry)
{
	unsigned long flags;
	u16 i, max_irqs = 0;

	if (READ_ONCE(vm->broken) || refcount_read(&vm->kvm->users_count) == 1)
		return true;
	if (vm->hurry > 0) {
		WRITE_ONCE(vm->hurry, vm->hurry - 1);
		*hurry = true;
	}

	raw_spin_lock_irqsave(&vm->lock, flags);
	for (i = 0; i < vm->nr_vcpus; i++)
		vm_vcpu_sync(vm, &vm->vcpu[i]);
	vm_poke(vm);
	if (vm->want_room)
		max_irqs = min(vm->engine.max_irqs * 2, VM_IRQS_MOST);
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	if (max_irqs > vm->engine.max_irqs && vm_room(vm, max_irqs))
		pr_warn_once("no memory for more than %u interrupts\n",
			     vm->engine.max_irqs);
	vm_scan_all(vm);
	return false;
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
		if (vm_care(vm, &hurry)) {
			gone[nr++] = vm->kvm;
			vm_close(vm);
		}
	}
	if (!list_empty(&irqhop_vms))
		queue_delayed_work(vm_wq, &vm_dwork,
				   msecs_to_jiffies(hurry ? 20 : 1000));
	mutex_unlock(&irqhop_mutex);
	while (nr)
		kvm_put_kvm(gone[--nr]);
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
 * irqhop_vm_exit - disable every VM
 *
 * Context: process; no request can come in any more.
 */
void irqhop_vm_exit(void)
{
	struct irqhop_vm *vm;
	struct kvm *kvm;

	for (;;) {
		mutex_lock(&irqhop_mutex);
		vm = list_first_entry_or_null(&irqhop_vms, struct irqhop_vm,
					      node);
		kvm = vm ? vm->kvm : NULL;
		if (vm)
			vm_close(vm);
		mutex_unlock(&irqhop_mutex);
		if (!kvm)
			break;
		kvm_put_kvm(kvm);
	}
	cancel_delayed_work_sync(&vm_dwork);
	destroy_workqueue(vm_wq);
}
