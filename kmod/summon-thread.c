// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: asks the scheduler to run a vCPU next that it has preempted.
 *
 * A thread of ours calls yield_to() for that vCPU's thread: the scheduler takes
 * it next, provided that it is owed time (that it is eligible), and charges it
 * for what it runs, as ever. So it runs earlier, and not more; nobody's share
 * moves.
 *
 * yield_to() takes time from whoever calls it. A vCPU that calls it for another
 * one gives up what was left of its own slice, which the VM would be short of.
 * So the thread is one that has nothing to lose.
 */
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <uapi/linux/sched/types.h>

#include "irqhop.h"

/* vCPUs that may be summoned at the same time, and those of one VM. */
#define SUMMON_SLOTS	32
#define SUMMON_SLOTS_VM	8
/*
 * One that is not owed time yet is summoned so often, the second time after so
 * long, and each further time after twice as long as before: in 6 ms.
 */
#define SUMMON_TRIES	6
#define SUMMON_AGAIN	(200 * NSEC_PER_USEC)
/* Of the thread itself: see irqhop_summon_start(). */
#define SUMMON_SLICE	(100 * NSEC_PER_USEC)
#define SUMMON_NICE	-5

/**
 * struct summon_slot - a vCPU's thread that is summoned
 * @task: a reference to it; NULL: the slot is free
 * @vm: its VM; to compare, not to look into
 * @ran: how long it had run by then; if that grows, it has come
 * @at: when it is to be asked for, ktime_get()
 * @tries: how often it has been asked for
 * @cpu: see irqhop_summon_ask()
 * @any: see irqhop_summon_ask()
 * @off: nobody need come any more; the thread drops the reference in time, since
 *	whoever says so may not be able to drop the last one
 */
struct summon_slot {
	struct task_struct *task;
	const struct irqhop_vm *vm;
	u64 ran;
	ktime_t at;
	unsigned int tries;
	int cpu;
	bool any;
	bool off;
};

static DEFINE_RAW_SPINLOCK(summon_lock);
static struct summon_slot summon_slots[SUMMON_SLOTS];
static struct task_struct *summon_thread;

static u64 summon_ran(const struct task_struct *task)
{
	return READ_ONCE(task->se.sum_exec_runtime);
}

/*
 * A slot for a thread: its own, or a free one, which gets a reference. Context:
 * summon_lock held. Return: NULL if there is none, the VM has its share of them,
 * or that thread is summoned already.
 */
static struct summon_slot *summon_slot_get(const struct irqhop_vm *vm,
					   struct task_struct *task)
{
	struct summon_slot *slot = NULL;
	unsigned int i, same = 0;

	for (i = 0; i < SUMMON_SLOTS; i++) {
		if (summon_slots[i].task == task)
			return summon_slots[i].off ? &summon_slots[i] : NULL;
		if (!summon_slots[i].task)
			slot = &summon_slots[i];
		else
			same += summon_slots[i].vm == vm;
	}
	if (!slot || same >= SUMMON_SLOTS_VM)
		return NULL;
	get_task_struct(task);
	return slot;
}

/**
 * irqhop_summon_wake - there is something for the thread to do
 *
 * Context: interrupts off, no run queue's lock held; some VM is enabled.
 */
void irqhop_summon_wake(void)
{
	wake_up_process(summon_thread);
	/* What counts is that who runs there enters the kernel. */
	if (irqhop_compat_wakes_lazily())
		irqhop_watch_poke(task_cpu(summon_thread));
}

/**
 * irqhop_summon_ask - have the scheduler run a vCPU next
 * @vm: its VM
 * @task: its thread; it gets a reference
 * @delay: in so many ns
 * @cpu: one of its VM, too, is who runs on this pCPU, and is not to be disturbed
 *	as long as irqhop_summon_now() is not called; negative: nobody
 * @any: another one of its VM would do as well
 *
 * Context: interrupts off, @vm's lock held.
 *
 * Return: false if it is asked for already, or that many are.
 */
bool irqhop_summon_ask(const struct irqhop_vm *vm, struct task_struct *task,
		       u64 delay, int cpu, bool any)
{
	ktime_t now = ktime_get();
	struct summon_slot *slot;

	raw_spin_lock(&summon_lock);
	slot = summon_slot_get(vm, task);
	if (slot)
		*slot = (struct summon_slot){
			.task = task, .vm = vm, .ran = summon_ran(task),
			.at = ktime_add_ns(now, delay), .cpu = cpu, .any = any,
		};
	raw_spin_unlock(&summon_lock);
	if (slot)
		irqhop_summon_wake();
	return slot;
}

/**
 * irqhop_summon_off - whoever would do as well need not come any more
 * @vm: of this VM
 *
 * Context: hard interrupt, @vm's lock held.
 */
void irqhop_summon_off(const struct irqhop_vm *vm)
{
	unsigned int i;

	raw_spin_lock(&summon_lock);
	for (i = 0; i < SUMMON_SLOTS; i++) {
		struct summon_slot *slot = &summon_slots[i];

		if (slot->vm == vm && slot->any)
			slot->off = true;
	}
	raw_spin_unlock(&summon_lock);
}

/**
 * irqhop_summon_now - who is summoned to a pCPU need not wait any more
 * @cpu: the pCPU, where one of its own VM ran, which may be disturbed now
 *
 * Context: hard interrupt, perhaps under a VM's lock.
 */
void irqhop_summon_now(int cpu)
{
	ktime_t now = ktime_get();
	unsigned int i;

	raw_spin_lock(&summon_lock);
	for (i = 0; i < SUMMON_SLOTS; i++) {
		struct summon_slot *slot = &summon_slots[i];

		if (!slot->task || slot->cpu != cpu)
			continue;
		slot->cpu = -1;
		slot->at = now;
	}
	raw_spin_unlock(&summon_lock);
	irqhop_summon_wake();
}

/* The slot that is due first. Context: summon_lock held. */
static struct summon_slot *summon_slot_first(void)
{
	struct summon_slot *first = NULL;
	unsigned int i;

	for (i = 0; i < SUMMON_SLOTS; i++) {
		struct summon_slot *slot = &summon_slots[i];

		if (slot->task && (!first || ktime_before(slot->at, first->at)))
			first = slot;
	}
	return first;
}

/*
 * Whom to summon now, or not any more, if it is @off. One that has come since is
 * asked for once more: it may be out again, and not done. Return: its thread,
 * with a reference; NULL: nobody yet, and @next says when, or KTIME_MAX.
 */
static struct task_struct *summon_next(ktime_t *next, bool *off)
{
	struct task_struct *task = NULL;
	struct summon_slot *slot;

	*next = KTIME_MAX;
	raw_spin_lock_irq(&summon_lock);
	slot = summon_slot_first();
	if (slot && ktime_after(slot->at, ktime_get())) {
		*next = slot->at;
	} else if (slot) {
		task = slot->task;
		*off = slot->off;
		if (!*off && summon_ran(task) == slot->ran &&
		    slot->tries + 1 < SUMMON_TRIES) {
			get_task_struct(task);
			slot->at = ktime_add_ns(ktime_get(),
						SUMMON_AGAIN << slot->tries++);
		} else {
			slot->task = NULL;
		}
	}
	raw_spin_unlock_irq(&summon_lock);
	return task;
}

static int summon_main(void *unused)
{
	struct task_struct *task;
	ktime_t next;
	bool off;

	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		if (irqhop_donate_is_asked()) {
			__set_current_state(TASK_RUNNING);
			irqhop_donate_work();
			continue;
		}
		task = summon_next(&next, &off);
		if (!task) {
			schedule_hrtimeout(next == KTIME_MAX ? NULL : &next,
					   HRTIMER_MODE_ABS);
			continue;
		}
		__set_current_state(TASK_RUNNING);
		if (!off)
			yield_to(task, true);
		put_task_struct(task);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/**
 * irqhop_summon_start - be ready for vCPUs to be summoned
 *
 * The thread never runs for long, and is not to wait for those that it shall
 * make wait: by the least slice it has its turn first, and by some weight it is
 * owed time again soon after one. With the most weight there is it looks to the
 * load balancer like eight busy threads if it runs, or waits to, for a tenth of
 * the time; and that balances by moving others away from where it is.
 *
 * Context: process, irqhop_mutex held.
 *
 * Return: 0 or a negative errno.
 */
int irqhop_summon_start(void)
{
	const struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_NORMAL,
		.sched_nice = irqhop_mutant(WEIGHT) ? MIN_NICE : SUMMON_NICE,
		.sched_runtime = SUMMON_SLICE,
	};
	struct task_struct *task;

	task = kthread_run(summon_main, NULL, "irqhop");
	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_setattr_nocheck(task, &attr);
	summon_thread = task;
	return 0;
}

/**
 * irqhop_summon_stop - no vCPU is summoned any more
 *
 * Context: process, irqhop_mutex held; every VM is closing, so that nobody asks
 * for one.
 */
void irqhop_summon_stop(void)
{
	unsigned int i;

	kthread_stop(summon_thread);
	summon_thread = NULL;
	for (i = 0; i < SUMMON_SLOTS; i++) {
		if (summon_slots[i].task)
			put_task_struct(summon_slots[i].task);
		summon_slots[i].task = NULL;
	}
}
