// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: watches the host: all of its tracepoints that tell of vCPUs, and which
 * vCPU each pCPU runs. What follows from an event is decided elsewhere.
 *
 * The scheduler by a probe on sched_switch, while some VM is enabled. It finds out
 * whether the task that leaves or the one that comes is a vCPU of an enabled
 * VM, writes that vCPU's state word, notes what happened in a ring of this
 * pCPU and queues this pCPU's irq_work. All the rest is done there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/hashtable.h>
#include <linux/irq_work.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>
#include <trace/events/irq.h>
#include <trace/events/kvm.h>
#include <trace/events/sched.h>

#include "irqhop.h"

#define WATCH_RING	16	/* a power of two */

/* The next switch is of interest whoever comes. No task is here. */
#define WATCH_ANY	1UL

/**
 * struct watch_pcpu - one pCPU
 * @key: for the probe: %WATCH_ANY if @running is set, else @user_task
 * @running: the vCPU whose thread it runs, if that is known
 * @user_task: the thread that left last from user space; to compare, not to
 *	look into, as it may be gone
 * @user_vcpu: its vCPU
 * @user_seq: the sequence number with which it left
 * @head: events put into @ring so far
 * @tail: events taken out so far
 * @ring: the events
 * @work: takes them out
 * @look: calls watch_look() here
 * @look_queued: @look is under way
 *
 * Only ever touched on its own pCPU with interrupts off, apart from @look and
 * @look_queued, and unless it is offline.
 */
struct watch_pcpu {
	unsigned long key;
	struct irqhop_vcpu *running;
	struct task_struct *user_task;
	struct irqhop_vcpu *user_vcpu;
	u64 user_seq;
	unsigned int head;
	unsigned int tail;
	struct irqhop_event ring[WATCH_RING];
	struct irq_work work;
	call_single_data_t look;
	atomic_t look_queued;
};

static DEFINE_PER_CPU(struct watch_pcpu, watch_pcpus);

/* The vCPUs of all enabled VMs; changed under irqhop_mutex, read under RCU. */
static DEFINE_READ_MOSTLY_HASHTABLE(watch_vcpus, 9);

/**
 * struct watch_probe - a tracepoint that is watched
 * @name: of the tracepoint
 * @probe: what is called
 * @data: with this
 * @tp: the tracepoint, found at load
 */
struct watch_probe {
	const char *name;
	void *probe;
	void *data;
	struct tracepoint *tp;
};

/*
 * The vCPU of an enabled VM that a task is inside KVM_RUN with, or NULL.
 *
 * There are other users of preempt notifiers: what is around the notifier is
 * a kvm_vcpu only if the table says so, and is not dereferenced before.
 */
static struct irqhop_vcpu *watch_find(struct task_struct *p)
{
	struct preempt_notifier *pn;

	hlist_for_each_entry(pn, &p->preempt_notifiers, link) {
		struct kvm_vcpu *key = container_of(pn, struct kvm_vcpu,
						    preempt_notifier);
		struct irqhop_vcpu *v;

		hash_for_each_possible_rcu_notrace(watch_vcpus, v, node,
						   (unsigned long)key) {
			if (v->kvm_vcpu == key)
				return v;
		}
	}
	return NULL;
}

static bool watch_is_loaded(struct task_struct *p, struct irqhop_vcpu *v)
{
	struct preempt_notifier *pn;

	hlist_for_each_entry(pn, &p->preempt_notifiers, link)
		if (pn == &v->kvm_vcpu->preempt_notifier)
			return true;
	return false;
}

/* To be called after each change of what the probe goes by. */
static void watch_key_set(struct watch_pcpu *pc)
{
	pc->key = pc->running ? WATCH_ANY : (unsigned long)pc->user_task;
}

static void watch_put(struct watch_pcpu *pc, const struct irqhop_event *ev)
{
	/*
	 * The irq_work runs right after the switch, so more than two events
	 * are rare and a full ring is out of reach. If it were to happen, the
	 * oldest goes: its vCPU stays "leaving", which is harmless, until it
	 * is scheduled in again.
	 */
	if (pc->head - pc->tail == WATCH_RING)
		pc->tail++;
	pc->ring[pc->head++ % WATCH_RING] = *ev;
	irq_work_queue(&pc->work);
}

static void watch_in(struct watch_pcpu *pc, struct irqhop_vcpu *v)
{
	struct irqhop_event ev = {
		.kind = IRQHOP_EV_IN, .vcpu = v, .vm = v->vm,
		.at = sched_clock(),
	};
	u64 word = atomic64_read(&v->word);

	WRITE_ONCE(v->since, ev.at);
	word = (word & IRQHOP_WORD_SEQ_MASK) + IRQHOP_WORD_SEQ;
	atomic64_set_release(&v->word, word | IRQHOP_VS_RUNNING);
	pc->running = v;
	watch_put(pc, &ev);
}

static void watch_out(struct watch_pcpu *pc, struct irqhop_vcpu *v,
		      struct task_struct *p, bool preempted, bool loaded)
{
	struct irqhop_event ev = {
		.kind = IRQHOP_EV_OUT, .vcpu = v, .vm = v->vm,
		.preempted = preempted, .loaded = loaded,
		.at = sched_clock(),
	};
	u64 word = atomic64_read(&v->word);

	WRITE_ONCE(v->left, ev.at);
	word = (word & IRQHOP_WORD_SEQ_MASK) + IRQHOP_WORD_SEQ;
	ev.word = word | IRQHOP_VS_LEAVING;
	atomic64_set_release(&v->word, ev.word);
	pc->running = NULL;
	if (!loaded) {
		pc->user_task = p;
		pc->user_vcpu = v;
		pc->user_seq = word;
	}
	watch_put(pc, &ev);
}

/*
 * A thread that slept in user space has no notifier when it comes back, and
 * when it enters KVM_RUN after that, no switch says so. If it comes back to
 * where it left, and nobody ran its vCPU since, it counts as running at once.
 * Should another thread have got the same address, that is wrong until the
 * next switch, and costs at most one hop to a vCPU that does not run.
 */
static struct irqhop_vcpu *watch_find_user(struct watch_pcpu *pc,
					   struct task_struct *p)
{
	struct irqhop_vcpu *v = pc->user_vcpu;

	if (p != pc->user_task)
		return NULL;
	pc->user_task = NULL;
	pc->user_vcpu = NULL;
	if ((atomic64_read(&v->word) & IRQHOP_WORD_SEQ_MASK) != pc->user_seq)
		return NULL;
	return v;
}

/*
 * KVM gives way with schedule() in state TASK_RUNNING where it finds
 * need_resched() on its way into the guest: that is a preemption as much as
 * one that says so.
 */
static noinline notrace void
watch_switch_slow(struct watch_pcpu __percpu *pcpus, bool preempt,
		  struct task_struct *prev, struct task_struct *next,
		  unsigned int prev_state)
{
	struct watch_pcpu *pc = this_cpu_ptr(pcpus);
	bool preempted = preempt || prev_state == TASK_RUNNING;
	struct irqhop_vcpu *v = pc->running;

	/*
	 * A thread that entered KVM_RUN without a switch is not in @running,
	 * but it leaves with its notifier registered.
	 */
	if (v) {
		watch_out(pc, v, prev, preempted, watch_is_loaded(prev, v));
	} else {
		v = watch_find(prev);
		if (v)
			watch_out(pc, v, prev, preempted, true);
	}

	v = watch_find(next);
	if (!v)
		v = watch_find_user(pc, next);
	if (v)
		watch_in(pc, v);
	watch_key_set(pc);
}

/*
 * The probe. Context: under the run-queue lock, interrupts off.
 *
 * It runs at every switch on the host, nearly always for nothing, so each
 * instruction counts: what this pCPU waits for is in one word, the per-CPU
 * variable's address comes with the call, there is no room for a tracer, and
 * the slow path is jumped to (see Kbuild), so that this needs no frame.
 */
static notrace void watch_sched_switch(void *data, bool preempt,
				       struct task_struct *prev,
				       struct task_struct *next,
				       unsigned int prev_state)
{
	struct watch_pcpu __percpu *pcpus = (void __percpu __force *)data;
	unsigned long any = (unsigned long)prev->preempt_notifiers.first |
			    (unsigned long)next->preempt_notifiers.first;
	unsigned long key = this_cpu_ptr(pcpus)->key;

	if (likely(!any) && likely(!(key & WATCH_ANY)) &&
	    likely(key != (unsigned long)next))
		return;
	watch_switch_slow(pcpus, preempt, prev, next, prev_state);
}

/* The probe on sched_process_exit. Context: process. */
static void watch_sched_exit(void *data, IRQHOP_COMPAT_SCHED_EXIT_ARGS)
{
	irqhop_vm_task_exit(p);
}

/*
 * The probe on kvm_mmio, which comes before KVM carries out what a guest writes.
 *
 * With preemption off the VM stays until we are done, as irqhop_watch_vm_del()
 * waits for RCU. Before v7.0, a46023d5616e ("tracing: Guard __DECLARE_TRACE()
 * use of __DO_TRACE_CALL() with SRCU-fast"), it is off for each probe.
 *
 * Context: process, in the vCPU's thread.
 */
static void watch_kvm_mmio(void *data, int type, int len, u64 gpa, void *val)
{
	struct irqhop_vcpu *v;

	if (type != KVM_TRACE_MMIO_WRITE)
		return;
	guard(preempt)();
	v = watch_find(current);
	if (v)
		irqhop_command_write(v, gpa);
}

/*
 * The probe on kvm_userspace_exit: KVM_RUN is about to return. If this pCPU does
 * not know which vCPU that is, it is taken to be in user space anyway.
 *
 * Context: as watch_kvm_mmio().
 */
static void watch_kvm_userspace_exit(void *data, __u32 reason, int errno)
{
	struct irqhop_vcpu *v;

	guard(preempt)();
	v = this_cpu_ptr(&watch_pcpus)->running;
	if (v)
		irqhop_command_user(v);
}

/*
 * The probe on irq_handler_entry: is it the doorbell of a vCPU of ours? What an
 * interrupt's handler is given is only compared.
 *
 * Context: hard interrupt, interrupts off.
 */
static void watch_irq(void *data, int irq, struct irqaction *action)
{
	struct irqhop_vcpu *v;

	hash_for_each_possible_rcu_notrace(watch_vcpus, v, node,
					   (unsigned long)action->dev_id) {
		if (v->kvm_vcpu != action->dev_id ||
		    !irqhop_arch_vcpu_is_doorbell(v->kvm_vcpu, irq))
			continue;
		irqhop_summon_doorbell(v);
		return;
	}
}

/*
 * The probe on kvm_handle_sys_reg, which comes before KVM carries out what a
 * guest wants of a system register.
 *
 * Context: as watch_kvm_mmio().
 */
static void watch_kvm_sys_reg(void *data, unsigned long esr)
{
	struct irqhop_arch_ipi ipi;
	struct irqhop_vcpu *v;

	guard(preempt)();
	v = watch_find(current);
	if (v && irqhop_arch_ipi_get(v->kvm_vcpu, esr, &ipi))
		irqhop_summon_ipi(v, &ipi);
}

/* Context: hard interrupt, interrupts off. */
static void watch_work(struct irq_work *work)
{
	struct watch_pcpu *pc = container_of(work, struct watch_pcpu, work);
	unsigned int end = pc->head;
	u64 off = sched_clock();

	/* Those that come meanwhile have their turn next time. */
	while ((int)(end - pc->tail) > 0) {
		struct irqhop_event ev = pc->ring[pc->tail++ % WATCH_RING];

		if (!irqhop_turn_event(&ev, off))
			continue;
		if (cpu_online(smp_processor_id())) {
			ev.kind = IRQHOP_EV_MORE;
			watch_put(pc, &ev);
		} else {
			/* It dies: what it queued now, nobody would run. */
			irqhop_vm_work_soon(0);
		}
	}
}

/*
 * Find out which vCPU this pCPU runs, for what no switch tells: a VM that was
 * enabled while its vCPUs run, and a thread that has entered KVM_RUN since it
 * was switched in.
 *
 * Context: interrupts off, perhaps under a VM's lock: see irqhop_watch_poke().
 */
static void watch_look(void)
{
	struct watch_pcpu *pc = this_cpu_ptr(&watch_pcpus);
	struct irqhop_vcpu *v = watch_find(current);

	if (!v)
		return;
	if (pc->running == v && (atomic64_read(&v->word) &
				 IRQHOP_WORD_STATE) == IRQHOP_VS_RUNNING)
		return;
	/* The same thread, inside KVM_RUN with another vCPU. */
	if (pc->running && pc->running != v)
		watch_out(pc, pc->running, NULL, false, false);
	watch_in(pc, v);
	watch_key_set(pc);
}

static void watch_look_ipi(void *unused)
{
	watch_look();
}

static void watch_look_csd(void *arg)
{
	struct watch_pcpu *pc = arg;

	atomic_set_release(&pc->look_queued, 0);
	watch_look();
	irqhop_giveway_poked();
}

/**
 * irqhop_watch_running - the vCPU that this pCPU runs
 *
 * Context: hard interrupt.
 *
 * Return: the vCPU of an enabled VM whose thread was interrupted inside KVM_RUN,
 * or NULL. It does not go away before the interrupt is over.
 */
struct irqhop_vcpu *irqhop_watch_running(void)
{
	struct irqhop_vcpu *v = this_cpu_ptr(&watch_pcpus)->running;

	return v && watch_find(current) == v ? v : NULL;
}

/**
 * irqhop_watch_runs - does a pCPU run a vCPU of this VM
 * @cpu: the pCPU
 * @vm: the VM
 *
 * Context: any.
 *
 * Return: true if so, a moment ago.
 */
bool irqhop_watch_runs(int cpu, const struct irqhop_vm *vm)
{
	const struct irqhop_vcpu *v =
		READ_ONCE(per_cpu_ptr(&watch_pcpus, cpu)->running);

	/* Only compared: it may be another VM's, and gone. */
	return v >= vm->vcpu && v < vm->vcpu + vm->nr_vcpus;
}

/**
 * irqhop_watch_poke - have a pCPU find out which vCPU it runs
 * @cpu: the pCPU
 *
 * Does not wait. If it is this pCPU, it is asked here and now.
 *
 * Context: any but NMI, interrupts off.
 */
void irqhop_watch_poke(int cpu)
{
	struct watch_pcpu *pc = per_cpu_ptr(&watch_pcpus, cpu);

	if (atomic_xchg_acquire(&pc->look_queued, 1))
		return;
	if (smp_call_function_single_async(cpu, &pc->look))
		atomic_set_release(&pc->look_queued, 0);
}

/* Forget a VM on this pCPU. Context: interrupts off, or the pCPU is offline. */
static void watch_forget(struct watch_pcpu *pc, struct irqhop_vm *vm)
{
	unsigned int from, to;

	if (pc->running && pc->running->vm == vm)
		pc->running = NULL;
	if (pc->user_vcpu && pc->user_vcpu->vm == vm) {
		pc->user_task = NULL;
		pc->user_vcpu = NULL;
	}
	watch_key_set(pc);
	for (from = to = pc->tail; from != pc->head; from++) {
		struct irqhop_event *ev = &pc->ring[from % WATCH_RING];

		if (ev->vm != vm)
			pc->ring[to++ % WATCH_RING] = *ev;
	}
	pc->head = to;
}

static void watch_forget_ipi(void *vm)
{
	watch_forget(this_cpu_ptr(&watch_pcpus), vm);
}

/**
 * irqhop_watch_vm_add - watch a VM's vCPUs
 * @vm: the VM; its threads may be running already
 *
 * Context: process, irqhop_mutex held.
 */
void irqhop_watch_vm_add(struct irqhop_vm *vm)
{
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++)
		hash_add_rcu(watch_vcpus, &vm->vcpu[i].node,
			     (unsigned long)vm->vcpu[i].kvm_vcpu);
	on_each_cpu(watch_look_ipi, NULL, 1);
}

/**
 * irqhop_watch_vm_del - watch a VM's vCPUs no longer
 * @vm: the VM
 *
 * When it returns, no pCPU knows any of them: no probe, irq_work or call
 * uses @vm, nor will.
 *
 * Context: process, irqhop_mutex held.
 */
void irqhop_watch_vm_del(struct irqhop_vm *vm)
{
	int cpu;
	u16 i;

	for (i = 0; i < vm->nr_vcpus; i++)
		hash_del_rcu(&vm->vcpu[i].node);
	/* For whoever goes through the list of VMs, with interrupts on. */
	synchronize_rcu();

	/*
	 * On each pCPU: the irq_work cannot be in the middle of an event, as
	 * both run with interrupts off.
	 */
	if (irqhop_mutant(FORGET))
		return;
	cpus_read_lock();
	on_each_cpu(watch_forget_ipi, vm, 1);
	for_each_possible_cpu(cpu)
		if (!cpu_online(cpu))
			watch_forget(per_cpu_ptr(&watch_pcpus, cpu), vm);
	cpus_read_unlock();
	/* A probe with interrupts on may have found it there just before. */
	synchronize_rcu();
}

static struct watch_probe watch_probes[] = {
	{
		.name = "sched_switch",
		.probe = watch_sched_switch,
		.data = (void __force *)&watch_pcpus,
	},
	{ .name = "sched_process_exit", .probe = watch_sched_exit },
	{ .name = "kvm_mmio", .probe = watch_kvm_mmio },
	{ .name = "kvm_userspace_exit", .probe = watch_kvm_userspace_exit },
	{ .name = "irq_handler_entry", .probe = watch_irq },
	/* Private to KVM, so that the compiler cannot check its arguments. */
	{ .name = "kvm_handle_sys_reg", .probe = watch_kvm_sys_reg },
};

static void watch_probes_stop(size_t nr)
{
	while (nr--)
		tracepoint_probe_unregister(watch_probes[nr].tp,
					    watch_probes[nr].probe,
					    watch_probes[nr].data);
	tracepoint_synchronize_unregister();
}

/**
 * irqhop_watch_start - register the probes
 *
 * Context: process, irqhop_mutex held.
 *
 * Return: 0 or a negative errno.
 */
int irqhop_watch_start(void)
{
	size_t i;
	int ret;

	check_trace_callback_type_sched_switch(watch_sched_switch);
	check_trace_callback_type_sched_process_exit(watch_sched_exit);
	check_trace_callback_type_kvm_mmio(watch_kvm_mmio);
	check_trace_callback_type_kvm_userspace_exit(watch_kvm_userspace_exit);
	check_trace_callback_type_irq_handler_entry(watch_irq);

	irqhop_giveway_start();
	ret = irqhop_summon_start();
	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(watch_probes); i++) {
		ret = tracepoint_probe_register(watch_probes[i].tp,
						watch_probes[i].probe,
						watch_probes[i].data);
		if (ret) {
			watch_probes_stop(i);
			irqhop_giveway_stop();
			irqhop_summon_stop();
			return ret;
		}
	}
	return 0;
}

/**
 * irqhop_watch_stop - unregister the probes
 *
 * When it returns, none of them runs.
 *
 * Context: process, irqhop_mutex held.
 */
void irqhop_watch_stop(void)
{
	watch_probes_stop(ARRAY_SIZE(watch_probes));
	irqhop_giveway_stop();
	irqhop_summon_stop();
}

static void watch_tp_find(struct tracepoint *tp, void *unused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(watch_probes); i++)
		if (!strcmp(tp->name, watch_probes[i].name))
			watch_probes[i].tp = tp;
}

/**
 * irqhop_watch_init - get ready
 *
 * Return: 0 or a negative errno.
 */
int irqhop_watch_init(void)
{
	size_t i;
	int cpu;

	for_each_kernel_tracepoint(watch_tp_find, NULL);
	for (i = 0; i < ARRAY_SIZE(watch_probes); i++) {
		if (watch_probes[i].tp)
			continue;
		pr_err("not loaded: this kernel lacks the tracepoint %s\n",
		       watch_probes[i].name);
		return -EOPNOTSUPP;
	}
	for_each_possible_cpu(cpu) {
		struct watch_pcpu *pc = per_cpu_ptr(&watch_pcpus, cpu);

		pc->work = IRQ_WORK_INIT_HARD(watch_work);
		INIT_CSD(&pc->look, watch_look_csd, pc);
	}
	return 0;
}

static void watch_nop(void *unused)
{
}

/**
 * irqhop_watch_exit - nothing of ours is under way on any pCPU any more
 *
 * Context: process, no VM is enabled and no request can come in.
 */
void irqhop_watch_exit(void)
{
	int cpu;

	/*
	 * A pCPU that has taken this call has taken @look too, but may be about
	 * to run it: asynchronous calls come after those that are waited for,
	 * with interrupts off all the time.
	 */
	on_each_cpu(watch_nop, NULL, 1);
	synchronize_rcu();
	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(&watch_pcpus, cpu)->work);
}
