// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: has vCPUs give way as soon as the scheduler would have them do so.
 *
 * The scheduler looks at ticks whether a task has had its share, so a vCPU runs
 * on for up to a tick beyond it (4 ms with 250 Hz). Then it owes time, and until
 * that is paid back nobody can summon it: the interrupt that comes now, or the
 * task that it wakes there, waits. So while a VM is summoned from time to time
 * the scheduler is made to look again in finer steps. It decides as ever: a vCPU
 * that is within its slice and is owed time goes on, and nobody's share moves.
 *
 * Not while the guest is in its kernel, where it may hold a lock that others
 * spin for, or be in the middle of what follows an interrupt; and not while it
 * does something out of the ordinary, which may be what it was summoned for: by
 * its address space it is known what a vCPU is at when it is preempted.
 */
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>

#include "irqhop.h"
#include "move.h"

/* The scheduler looks so often. */
#define GIVEWAY_PERIOD	(500 * NSEC_PER_USEC)
/* At one that was summoned first after so long: most tasks that wait are short. */
#define GIVEWAY_FIRST	(150 * NSEC_PER_USEC)
/* If it cannot give way right now, try again after so long. */
#define GIVEWAY_AGAIN	(100 * NSEC_PER_USEC)
/* Only of a VM that somebody was summoned of not longer ago. */
#define GIVEWAY_WITHIN	(100 * NSEC_PER_MSEC)

static DEFINE_PER_CPU(struct hrtimer, giveway_timers);

/* Context: hard interrupt. */
static enum hrtimer_restart giveway_timer(struct hrtimer *timer)
{
	struct irqhop_vcpu *v = irqhop_watch_running();
	u64 next = GIVEWAY_AGAIN;
	u64 space;

	/* It moves to another pCPU if its own goes offline. */
	if (!v || timer != this_cpu_ptr(&giveway_timers))
		return HRTIMER_NORESTART;
	if (single_task_running()) {
		next = GIVEWAY_PERIOD;
	} else if (irqhop_arch_vcpu_in_user(v->kvm_vcpu, &space) &&
		   space == READ_ONCE(v->space)) {
		/* As RCU does it from its interrupt handlers. */
		set_tsk_need_resched(current);
		set_preempt_need_resched();
		next = GIVEWAY_PERIOD;
	}
	hrtimer_forward_now(timer, next);
	return HRTIMER_RESTART;
}

/**
 * irqhop_giveway_in - a vCPU has come in
 * @v: the vCPU
 *
 * Context: hard interrupt on its pCPU, its VM's lock held.
 */
void irqhop_giveway_in(struct irqhop_vcpu *v)
{
	u64 first = v->summoned ? GIVEWAY_FIRST : GIVEWAY_PERIOD;

	lockdep_assert_held(&v->vm->lock);
	v->summoned = false;
	if (!v->vm->summoned_at ||
	    sched_clock() - v->vm->summoned_at > GIVEWAY_WITHIN ||
	    irqhop_mutant(GIVE_WAY))
		return;
	hrtimer_start(this_cpu_ptr(&giveway_timers), first,
		      HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * irqhop_giveway_out - a vCPU has gone out
 * @v: the vCPU
 *
 * Context: hard interrupt, its VM's lock held.
 */
void irqhop_giveway_out(struct irqhop_vcpu *v)
{
	u64 space;

	lockdep_assert_held(&v->vm->lock);
	if ((v->seen & IRQHOP_WORD_STATE) == IRQHOP_VS_PREEMPTED &&
	    irqhop_arch_vcpu_in_user(v->kvm_vcpu, &space))
		WRITE_ONCE(v->space, space);
}

/**
 * irqhop_giveway_start - VMs may be enabled from now on
 *
 * Context: process.
 */
void irqhop_giveway_start(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irqhop_compat_hrtimer_setup(per_cpu_ptr(&giveway_timers, cpu),
					    giveway_timer, CLOCK_MONOTONIC,
					    HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * irqhop_giveway_stop - none is enabled any more
 *
 * Context: process; nobody calls irqhop_giveway_in().
 */
void irqhop_giveway_stop(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		hrtimer_cancel(per_cpu_ptr(&giveway_timers, cpu));
}
