// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: has vCPUs give way as soon as the scheduler would have them do so, and
 * to others of their own VM when they do nothing that matters.
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
 *
 * One that is summoned to where another one of its VM runs has to wait for the
 * same: what the VM would gain by the one it would lose by the other.
 */
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>

#include "irqhop.h"

/* The scheduler looks so often. */
#define GIVEWAY_PERIOD	(500 * NSEC_PER_USEC)
/* At one that was summoned first after so long: most tasks that wait are short. */
#define GIVEWAY_FIRST	(150 * NSEC_PER_USEC)
/*
 * Where KVM injects interrupts, it takes two looks each time, so far from each
 * other (or less, where another one is summoned to there in between): one that
 * has left the guest meanwhile has been told something, by a device, a timer or
 * another vCPU, and may be waiting for the disk now. After so many it is out of
 * luck. Direct interrupts do not have it leave the guest, so that this would be
 * of little use, and whoever is summoned would wait for the second look.
 */
#define GIVEWAY_CALM	(120 * NSEC_PER_USEC)
#define GIVEWAY_LOOKS	4
/*
 * For another one of its VM, look first after so long, then less and less often
 * as long as it is not idle.
 */
#define GIVEWAY_LOOK	(50 * NSEC_PER_USEC)
/* Only of a VM that somebody was summoned of not longer ago. */
#define GIVEWAY_WITHIN	(100 * NSEC_PER_MSEC)
/*
 * If of so many runs of vCPUs that were summoned so many met a lock to spin for,
 * the VM is left alone for so long. They came in vain: KVM yields for a vCPU that
 * spins, which costs one that is owed time the rest of its slice, and who is
 * summoned is owed time. Of a guest that receives a TCP stream it is about half
 * of them, of busy web servers a quarter, of most others next to none.
 */
#define GIVEWAY_RUNS	64
#define GIVEWAY_SPUN	26
#define GIVEWAY_PAUSE	NSEC_PER_SEC

/**
 * struct giveway_pcpu - what there is for each pCPU
 * @timer: looks at the vCPU that runs here
 * @wanted: another one of its VM is summoned to here, and this long after the
 *	last look is the next; 0: none is
 * @looks: how often in a row it was idle, and not calm
 * @exits: irqhop_arch_vcpu_exits() at the last look
 */
struct giveway_pcpu {
	struct hrtimer timer;
	u64 wanted;
	unsigned int looks;
	u64 exits;
};

static DEFINE_PER_CPU(struct giveway_pcpu, giveway_pcpus);

/*
 * The vCPU that runs here, if its VM is not closing: when the last one is, the
 * thread that would have to be woken goes away.
 */
static struct irqhop_vcpu *giveway_running(void)
{
	struct irqhop_vcpu *v = irqhop_watch_running();

	return v && !READ_ONCE(v->vm->closing) ? v : NULL;
}

/* Is the vCPU that runs here at what it is at all the time? */
static bool giveway_is_idle(const struct irqhop_vcpu *v)
{
	u64 space;

	return irqhop_arch_vcpu_in_user(v->kvm_vcpu, &space) &&
	       space == READ_ONCE(v->space);
}

static void giveway_let_in(struct giveway_pcpu *gp)
{
	WRITE_ONCE(gp->wanted, 0);
	irqhop_summon_now(smp_processor_id());
}

static void giveway_start(struct giveway_pcpu *gp, u64 delay)
{
	hrtimer_start(&gp->timer, delay, HRTIMER_MODE_REL_PINNED_HARD);
}

/* How long it takes to find a vCPU of this VM calm. */
static u64 giveway_calm(const struct irqhop_vm *vm)
{
	return READ_ONCE(vm->engine.nr_injected) ? GIVEWAY_CALM : 0;
}

/*
 * Is it idle, as it was at the last look, and has it not left the guest since,
 * but for this one? The next look is another first one if so.
 */
static bool giveway_is_calm(struct giveway_pcpu *gp, struct irqhop_vcpu *v,
			    bool idle)
{
	u64 exits;
	bool calm;

	if (!giveway_calm(v->vm))
		return idle;
	exits = irqhop_arch_vcpu_exits(v->kvm_vcpu);
	calm = idle && gp->looks &&
	       (exits - gp->exits <= 1 || gp->looks == GIVEWAY_LOOKS);
	gp->looks = idle && !calm ? gp->looks + 1 : 0;
	gp->exits = exits;
	return calm;
}

/* What to do about the vCPU that runs here. Return: when to look again. */
static u64 giveway_look(struct giveway_pcpu *gp, struct irqhop_vcpu *v)
{
	bool idle = giveway_is_idle(v);
	bool calm = giveway_is_calm(gp, v, idle);

	if (idle && !calm)
		return GIVEWAY_CALM;
	if (gp->wanted && !calm) {
		WRITE_ONCE(gp->wanted, min(2 * gp->wanted, GIVEWAY_PERIOD));
		return gp->wanted;
	}
	if (gp->wanted) {
		giveway_let_in(gp);
	} else if (calm && !READ_ONCE(v->vm->spinning) &&
		   !single_task_running()) {
		/* As RCU does it from its interrupt handlers. */
		set_tsk_need_resched(current);
		set_preempt_need_resched();
	}
	return GIVEWAY_PERIOD - giveway_calm(v->vm);
}

/* Context: hard interrupt. */
static enum hrtimer_restart giveway_timer(struct hrtimer *timer)
{
	struct giveway_pcpu *gp = this_cpu_ptr(&giveway_pcpus);
	struct irqhop_vcpu *v = giveway_running();

	/* It moves to another pCPU if its own goes offline. */
	if (!v || timer != &gp->timer)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, giveway_look(gp, v));
	return HRTIMER_RESTART;
}

/**
 * irqhop_giveway_to - a vCPU is summoned to where one of its own VM runs
 * @cpu: the pCPU
 *
 * irqhop_summon_now() is called as soon as that one may be disturbed.
 *
 * Context: interrupts off, their VM's lock held.
 */
void irqhop_giveway_to(int cpu)
{
	struct giveway_pcpu *gp = per_cpu_ptr(&giveway_pcpus, cpu);

	WRITE_ONCE(gp->wanted, GIVEWAY_LOOK);
	if (cpu == smp_processor_id())
		giveway_start(gp, GIVEWAY_LOOK);
	else
		irqhop_watch_poke(cpu);
}

/**
 * irqhop_giveway_poked - irqhop_giveway_to() was called for this pCPU, perhaps
 *
 * If no vCPU is here any more, it has not been told yet that it went out, for
 * which it needs its VM's lock: irqhop_giveway_out() is still to come.
 *
 * Context: hard interrupt.
 */
void irqhop_giveway_poked(void)
{
	struct giveway_pcpu *gp = this_cpu_ptr(&giveway_pcpus);
	struct irqhop_vcpu *v = giveway_running();

	if (!v || !READ_ONCE(gp->wanted))
		return;
	if (!giveway_calm(v->vm) && giveway_is_idle(v))
		giveway_let_in(gp);
	else
		giveway_start(gp, GIVEWAY_LOOK);
}

/**
 * irqhop_giveway_in - a vCPU has come in
 * @v: the vCPU
 *
 * Context: hard interrupt on its pCPU, its VM's lock held.
 */
void irqhop_giveway_in(struct irqhop_vcpu *v)
{
	struct giveway_pcpu *gp = this_cpu_ptr(&giveway_pcpus);
	u64 first = v->summoned ? GIVEWAY_FIRST : GIVEWAY_PERIOD;

	lockdep_assert_held(&v->vm->lock);
	gp->looks = 0;
	v->came_summoned = v->summoned;
	v->summoned = false;
	if (!v->vm->summoned_at ||
	    sched_clock() - v->vm->summoned_at > GIVEWAY_WITHIN ||
	    v->vm->spinning || irqhop_mutant(GIVE_WAY))
		return;
	giveway_start(gp, first - giveway_calm(v->vm));
}

/* Has it been summoned in vain, and most others of its VM? */
static void giveway_count_spun(struct irqhop_vcpu *v)
{
	u64 spins = irqhop_arch_vcpu_spins(v->kvm_vcpu);
	bool spun = spins != v->spins;
	struct irqhop_vm *vm = v->vm;

	v->spins = spins;
	if (vm->spinning) {
		if (sched_clock() - vm->spinning_since < GIVEWAY_PAUSE)
			return;
		WRITE_ONCE(vm->spinning, false);
	}
	if (!v->came_summoned)
		return;
	vm->spun += spun;
	if (++vm->came < GIVEWAY_RUNS)
		return;
	if (vm->spun >= GIVEWAY_SPUN && !irqhop_mutant(SPINS)) {
		vm->spinning_since = sched_clock();
		WRITE_ONCE(vm->spinning, true);
	}
	vm->came = 0;
	vm->spun = 0;
}

/**
 * irqhop_giveway_out - a vCPU has gone out
 * @v: the vCPU
 *
 * Context: hard interrupt on its pCPU, its VM's lock held.
 */
void irqhop_giveway_out(struct irqhop_vcpu *v)
{
	struct giveway_pcpu *gp = this_cpu_ptr(&giveway_pcpus);
	u64 space;

	lockdep_assert_held(&v->vm->lock);
	giveway_count_spun(v);
	if (gp->wanted)
		giveway_let_in(gp);
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

	for_each_possible_cpu(cpu) {
		struct giveway_pcpu *gp = &per_cpu(giveway_pcpus, cpu);

		gp->wanted = 0;
		irqhop_compat_hrtimer_setup(&gp->timer, giveway_timer,
					    CLOCK_MONOTONIC,
					    HRTIMER_MODE_REL_PINNED_HARD);
	}
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
		hrtimer_cancel(&per_cpu(giveway_pcpus, cpu).timer);
}
