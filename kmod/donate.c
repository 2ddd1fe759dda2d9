// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: policy "donate". A vCPU that polls for a device gets weight of another
 * vCPU of its VM, so that it has more of the pCPU that both share.
 *
 * The scheduler gives each vCPU the same share, whatever it does with it. One
 * that cannot keep up with what comes in by its own is helped neither by a
 * redirect (it polls, and its interrupt is masked) nor by being asked for (it
 * has had its share). What the VM as a whole has would do, but another vCPU
 * spins it away. So two vCPUs that wait for the same pCPU trade weight, as if
 * somebody had reniced their threads: the one that polls goes up, the other one
 * down, and both together have no more than before. The neighbours keep what
 * they have.
 *
 * A weight counts where it competes, so both threads have to be on one run
 * queue and in one cgroup. Whoever renices them meanwhile has his way.
 *
 * What is found out in interrupt context is done by the thread that summons:
 * another thread's nice value is for process context.
 */
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>

#include "irqhop.h"

/*
 * Steps of nice: up and down. A step is a factor of 1.25, so of two that weigh
 * the same one has 1.56 times as much then and the other .41, which is 1.97.
 */
#define DONATE_UP	2
#define DONATE_DOWN	4
/* At a time, of all VMs, and of one. */
#define DONATE_SLOTS	32
#define DONATE_SLOTS_VM	8
/* It ends if the one that gets has not been preempted for so long. */
#define DONATE_STALE	NSEC_PER_SEC

/**
 * struct donate_slot - one vCPU has some of another one's weight
 * @vm: their VM; to compare, not to look into; NULL: the slot is free
 * @to: who gets; a reference to its thread
 * @from: who gives; likewise
 * @to_idx: the engine's number of @to
 * @from_idx: of @from
 * @nice: what both had before
 * @counted: until when it is in the VM's counter, sched_clock()
 * @done: the weights have moved
 * @over: they are to move back
 */
struct donate_slot {
	const struct irqhop_vm *vm;
	struct task_struct *to, *from;
	u16 to_idx, from_idx;
	int nice;
	u64 counted;
	bool done;
	bool over;
};

/* Who does what a slot says, one at a time; sleeps. */
static DEFINE_MUTEX(donate_mutex);
/* The slots. Taken in hard interrupt context, under a VM's lock. */
static DEFINE_RAW_SPINLOCK(donate_lock);
static struct donate_slot donate_slots[DONATE_SLOTS];
static bool donate_asked;

/* The slot in which a vCPU gets or gives. Context: donate_lock held. */
static struct donate_slot *donate_slot_of(const struct irqhop_vm *vm, u16 idx)
{
	unsigned int i;

	for (i = 0; i < DONATE_SLOTS; i++) {
		struct donate_slot *slot = &donate_slots[i];

		if (slot->vm == vm &&
		    (slot->to_idx == idx || slot->from_idx == idx))
			return slot;
	}
	return NULL;
}

/* NULL: there is none, or the VM has its share. Context: donate_lock held. */
static struct donate_slot *donate_slot_free(const struct irqhop_vm *vm)
{
	struct donate_slot *slot = NULL;
	unsigned int i, same = 0;

	for (i = 0; i < DONATE_SLOTS; i++) {
		if (!donate_slots[i].vm)
			slot = &donate_slots[i];
		same += donate_slots[i].vm == vm;
	}
	return same < DONATE_SLOTS_VM ? slot : NULL;
}

/* Do they compete for one pCPU, where weights decide? */
static bool donate_compete(const struct task_struct *to,
			   const struct task_struct *from)
{
#ifdef CONFIG_CGROUP_SCHED
	if (to->sched_task_group != from->sched_task_group)
		return false;
#endif
	return task_cpu(to) == task_cpu(from) && to->policy == SCHED_NORMAL &&
	       from->policy == SCHED_NORMAL;
}

/* And are they equals? */
static bool donate_fits(const struct task_struct *to,
			const struct task_struct *from)
{
	int nice = task_nice(to);

	return donate_compete(to, from) && task_nice(from) == nice &&
	       nice - DONATE_UP >= MIN_NICE && nice + DONATE_DOWN <= MAX_NICE;
}

/* Context: RCU read side, the VM's lock and donate_lock held. */
static bool donate_begin(struct irqhop_vm *vm, struct irqhop_vcpu *v,
			 struct donate_slot *slot)
{
	struct task_struct *to = irqhop_compat_vcpu_task(v->kvm_vcpu);
	unsigned int looks = IRQHOP_LOOKS;
	struct task_struct *from;
	u16 i;

	for (i = 0; to && i < vm->nr_vcpus && looks; i++) {
		if (i == v->idx ||
		    !irqhop_engine_spares(&vm->engine, i, false))
			continue;
		looks--;
		from = irqhop_compat_vcpu_task(vm->vcpu[i].kvm_vcpu);
		if (!from || !donate_fits(to, from) || donate_slot_of(vm, i))
			continue;
		*slot = (struct donate_slot){
			.vm = vm, .nice = task_nice(to),
			.to = get_task_struct(to), .to_idx = v->idx,
			.from = get_task_struct(from), .from_idx = i,
			.counted = sched_clock(),
		};
		vm->stats.donations++;
		return true;
	}
	return false;
}

/*
 * Is it still as it was meant? Who gives may have been reniced, for one: then
 * nobody pays for what the other one gets.
 */
static bool donate_holds(const struct irqhop_vm *vm,
			 const struct donate_slot *slot)
{
	if (slot->done && (task_nice(slot->to) != slot->nice - DONATE_UP ||
			   task_nice(slot->from) != slot->nice + DONATE_DOWN))
		return false;
	return donate_compete(slot->to, slot->from) &&
	       irqhop_engine_wants(&vm->engine, slot->to_idx, true) &&
	       irqhop_engine_spares(&vm->engine, slot->from_idx, true);
}

/* Return: true if it is over. Context: the VM's lock and donate_lock held. */
static bool donate_goes_on(struct irqhop_vm *vm, struct irqhop_vcpu *v,
			   struct donate_slot *slot)
{
	u64 now = sched_clock();

	if (slot->over)
		return false;
	if (slot->to_idx == v->idx) {
		vm->stats.donated += now - slot->counted;
		slot->counted = now;
	}
	slot->over = !donate_holds(vm, slot);
	return slot->over;
}

static bool donate_is_policy(const struct irqhop_vm *vm)
{
	return READ_ONCE(vm->engine.policy)->flags & IRQHOP_POLICY_DONATE;
}

static enum irqhop_left donate_left(struct irqhop_vcpu *v, u64 state)
{
	u64 space;

	if (state != IRQHOP_VS_PREEMPTED)
		return IRQHOP_LEFT_ASLEEP;
	if (!irqhop_arch_vcpu_in_user(v->kvm_vcpu, &space))
		return IRQHOP_LEFT_KERNEL;
	return space == v->space ? IRQHOP_LEFT_IDLE : IRQHOP_LEFT_OTHER;
}

/**
 * irqhop_donate_out - a vCPU has gone out
 * @vm: its VM
 * @v: the vCPU; its interrupts have not moved yet
 *
 * Context: hard interrupt on its pCPU, @vm's lock held.
 */
void irqhop_donate_out(struct irqhop_vm *vm, struct irqhop_vcpu *v)
{
	u64 state = v->seen & IRQHOP_WORD_STATE;
	struct donate_slot *slot;
	bool asked = false;

	lockdep_assert_held(&vm->lock);
	/* It may be back by now, and what it was at is not known then. */
	if (!donate_is_policy(vm) || state == IRQHOP_VS_RUNNING ||
	    state == IRQHOP_VS_LEAVING)
		return;
	irqhop_engine_left(&vm->engine, v->idx, donate_left(v, state));
	rcu_read_lock();
	raw_spin_lock(&donate_lock);
	slot = donate_slot_of(vm, v->idx);
	if (slot)
		asked = donate_goes_on(vm, v, slot);
	else if (irqhop_engine_wants(&vm->engine, v->idx, false) &&
		 !irqhop_mutant(DONATE))
		slot = donate_slot_free(vm);
	if (slot && !slot->vm)
		asked = donate_begin(vm, v, slot);
	if (asked)
		WRITE_ONCE(donate_asked, true);
	raw_spin_unlock(&donate_lock);
	rcu_read_unlock();
	if (asked)
		irqhop_summon_wake();
}

/**
 * irqhop_donate_check - end what nobody needs any more
 * @vm: a VM
 *
 * One that gets is preempted every now and then, which tells whether it still
 * polls; if it is not, it has what it wants. And under another policy nobody
 * gets anything.
 *
 * Context: process, irqhop_mutex held.
 */
void irqhop_donate_check(const struct irqhop_vm *vm)
{
	bool all = !donate_is_policy(vm);
	u64 now = sched_clock();
	unsigned long flags;
	unsigned int i;

	local_irq_save(flags);
	raw_spin_lock(&donate_lock);
	for (i = 0; i < DONATE_SLOTS; i++) {
		struct donate_slot *slot = &donate_slots[i];

		if (slot->vm != vm ||
		    (!all && (s64)(now - slot->counted) < DONATE_STALE))
			continue;
		slot->over = true;
		WRITE_ONCE(donate_asked, true);
	}
	raw_spin_unlock(&donate_lock);
	if (irqhop_donate_is_asked())
		irqhop_summon_wake();
	local_irq_restore(flags);
}

/* Unless somebody else has. Return: false if so. */
static bool donate_nice(struct task_struct *task, int was, int nice)
{
	if (task_nice(task) != was)
		return false;
	set_user_nice(task, nice);
	return true;
}

/* Context: donate_mutex held. */
static void donate_do(struct donate_slot *slot, bool close)
{
	bool over;

	raw_spin_lock_irq(&donate_lock);
	over = slot->over || close;
	raw_spin_unlock_irq(&donate_lock);
	if (!over && !slot->done) {
		/* Who gives comes first: together they never weigh more. */
		if (donate_nice(slot->from, slot->nice,
				slot->nice + DONATE_DOWN))
			donate_nice(slot->to, slot->nice,
				    slot->nice - DONATE_UP);
		raw_spin_lock_irq(&donate_lock);
		slot->done = true;
		raw_spin_unlock_irq(&donate_lock);
	}
	if (!over)
		return;
	if (slot->done && !irqhop_mutant(TAKE_BACK)) {
		donate_nice(slot->to, slot->nice - DONATE_UP, slot->nice);
		donate_nice(slot->from, slot->nice + DONATE_DOWN, slot->nice);
	}
	put_task_struct(slot->to);
	put_task_struct(slot->from);
	raw_spin_lock_irq(&donate_lock);
	slot->vm = NULL;
	raw_spin_unlock_irq(&donate_lock);
}

/* All slots, or those of a VM, which end. */
static void donate_do_all(const struct irqhop_vm *close)
{
	unsigned int i;

	mutex_lock(&donate_mutex);
	for (i = 0; i < DONATE_SLOTS; i++) {
		/* None becomes free, or another VM's, but by us. */
		const struct irqhop_vm *vm = READ_ONCE(donate_slots[i].vm);

		if (vm && (!close || vm == close))
			donate_do(&donate_slots[i], close);
	}
	mutex_unlock(&donate_mutex);
}

/**
 * irqhop_donate_is_asked - is there something for irqhop_donate_work()
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_donate_is_asked(void)
{
	return READ_ONCE(donate_asked);
}

/**
 * irqhop_donate_work - do what was found out
 *
 * Context: process; the thread that summons.
 */
void irqhop_donate_work(void)
{
	/* Whoever asks from now on is heard next time. */
	raw_spin_lock_irq(&donate_lock);
	WRITE_ONCE(donate_asked, false);
	raw_spin_unlock_irq(&donate_lock);
	donate_do_all(NULL);
}

/**
 * irqhop_donate_vm_exit - a VM is not enabled any more
 * @vm: the VM, closing; no event of its vCPUs' is under way
 *
 * Context: process. On return all weights are what they were.
 */
void irqhop_donate_vm_exit(const struct irqhop_vm *vm)
{
	donate_do_all(vm);
}
