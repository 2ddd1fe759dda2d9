/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the engine. vCPU states, interrupts' homes and targets, and who is
 * to move where.
 *
 * Freestanding: no libc, no kernel header beyond the types, no allocation, no
 * lock and no clock of its own. All state lives in memory that the caller
 * provides; the caller serialises every call for one engine.
 *
 * The engine is told what is the case ("this vCPU is preempted", "this
 * interrupt points there"), keeps a list of the interrupts worth a look, and
 * answers, for one interrupt at a time, what is to be done. It never assumes
 * that something was done until it is told.
 */
#ifndef _IRQHOP_CORE_ENGINE_H
#define _IRQHOP_CORE_ENGINE_H

#include "mutant.h"
#include "policy.h"
#include "types.h"

/* No vCPU, no interrupt. */
#define IRQHOP_NONE		0xffff
#define IRQHOP_MAX_VCPUS	512
#define IRQHOP_MAX_IRQS		0x7fff

#define IRQHOP_BIT(n)		(1U << (n))

/*
 * Hops per second of one VM, unless somebody says otherwise. With all that
 * belongs to it a hop takes some 2300 instructions, measured in the emulated
 * host: these are 23 million in a second, one or two percent of one pCPU. VMs
 * with 16 vCPUs and one interrupt for each were seen to make 6000.
 */
#define IRQHOP_MAX_HOPS_DEFAULT	10000

/* Hops that may follow each other at once, however few there may be a second. */
#define IRQHOP_MIN_BURST	64

/* vCPUs by the number of interrupts that point at them; the last is open. */
#define IRQHOP_NR_LOADS		64

/**
 * enum irqhop_vcpu_state - where a vCPU is
 * @IRQHOP_VS_UNKNOWN: not seen yet; keeps its interrupts, gets none
 * @IRQHOP_VS_RUNNING: on a pCPU
 * @IRQHOP_VS_PREEMPTED: runnable, another task has its pCPU
 * @IRQHOP_VS_HALTED: waits for an interrupt; what becomes of those that point
 *	to it is said by &enum irqhop_halted_rule
 * @IRQHOP_VS_BLOCKED: sleeps in the host's kernel
 * @IRQHOP_VS_USER: its thread is in the VMM
 * @IRQHOP_VS_OFF: powered off
 * @IRQHOP_VS_LEAVING: switched out, the reason is not known yet; never a
 *	target, keeps its interrupts until it is
 * @IRQHOP_NR_VS: number of states
 *
 * "In handler" is not a state but a property of a vCPU that is out, since one
 * may also fault or exit to the VMM inside an interrupt handler.
 */
enum irqhop_vcpu_state {
	IRQHOP_VS_UNKNOWN,
	IRQHOP_VS_RUNNING,
	IRQHOP_VS_PREEMPTED,
	IRQHOP_VS_HALTED,
	IRQHOP_VS_BLOCKED,
	IRQHOP_VS_USER,
	IRQHOP_VS_OFF,
	IRQHOP_VS_LEAVING,
	IRQHOP_NR_VS
};

/**
 * enum irqhop_path - how an interrupt reaches its vCPU
 * @IRQHOP_PATH_DIRECT: by hardware, with no exit
 * @IRQHOP_PATH_INJECTED: by KVM. What moves it is what KVM keeps as its home:
 *	when the VM is quiet it goes there even from a vCPU that is inside a
 *	handler. KVM itself keeps one that is being handled where it is, if its
 *	record says so (up to v6.12 and not in v7.2).
 */
enum irqhop_path {
	IRQHOP_PATH_DIRECT,
	IRQHOP_PATH_INJECTED,
};

/* The lists that an interrupt can be on, by the link used for each. */
enum irqhop_list_id {
	IRQHOP_L_TARGET,	/* of its target, or of the free ones */
	IRQHOP_L_HOME,		/* of its home */
	IRQHOP_L_AWAY,		/* target is not home */
	IRQHOP_L_STRANDED,	/* waits for a vCPU to come in */
	IRQHOP_L_HELD,		/* somebody could, but the bound was reached */
	IRQHOP_L_TODO,		/* to be looked at */
	IRQHOP_NR_L
};

/*
 * Neighbours on a list, which is a ring: its head is a node like the others, so
 * that nothing has to be told apart at its ends. Heads have negative numbers.
 */
struct irqhop_link {
	s16 prev, next;
};

/**
 * enum irqhop_vcpu_is - what a vCPU's state comes to
 * @IRQHOP_TAKES: it runs and takes interrupts
 * @IRQHOP_KEEPS: it may be in the middle of handling one: those that point to
 *	it stay
 * @IRQHOP_OUT: neither, and it may stay away for as long as it likes, or is
 *	halted and shall be spared
 */
enum irqhop_vcpu_is {
	IRQHOP_TAKES	= 1 << 0,
	IRQHOP_KEEPS	= 1 << 1,
	IRQHOP_OUT	= 1 << 2,
};

/**
 * enum irqhop_left - what a vCPU was at when it left its pCPU
 * @IRQHOP_LEFT_KERNEL: preempted in the guest's kernel
 * @IRQHOP_LEFT_IDLE: preempted in the guest's user space, at what it is at all
 *	the time
 * @IRQHOP_LEFT_OTHER: preempted in user space, at something else
 * @IRQHOP_LEFT_ASLEEP: not preempted
 */
enum irqhop_left {
	IRQHOP_LEFT_KERNEL,
	IRQHOP_LEFT_IDLE,
	IRQHOP_LEFT_OTHER,
	IRQHOP_LEFT_ASLEEP,
};

/* What a decision reads comes first, in one word. */
struct irqhop_engine_vcpu {
	u8 is;				/* enum irqhop_vcpu_is, of these three */
	u8 state;			/* enum irqhop_vcpu_state */
	bool in_handler;		/* out, with an interrupt active */
	bool enabled;			/* can take interrupts when it runs */
	u16 run_prev, run_next;		/* running order, latest first */
	u64 since;			/* when it was scheduled in last */
	u16 nr;				/* with IRQHOP_POLICY_LEAST: interrupts here */
	u8 polls, idles;		/* how often: see irqhop_engine_left() */
};

/* The same: one word, and the lists that it is on. */
struct irqhop_engine_irq {
	u16 home;
	u16 target;
	u16 prev;			/* target before this one */
	u8 on;				/* bit per irqhop_list_id */
	bool live : 1;
	unsigned int path : 1;		/* enum irqhop_path */
	struct irqhop_link link[IRQHOP_NR_L];
};

/* The same: one word, and three pointers. */
struct irqhop_engine {
	u16 running;			/* head of the running order */
	u16 least;			/* runs, with the fewest interrupts */
	u8 rule;			/* enum irqhop_return_rule */
	bool quiet;			/* see irqhop_engine_quiet() */
	bool dry;			/* no hop is left */
	u8 halted;			/* enum irqhop_halted_rule */
	const struct irqhop_policy *policy;
	struct irqhop_engine_vcpu *vcpu;
	/*
	 * By number; before them, for their links alone, the heads of the
	 * engine's lists and then of the vCPUs' (irqhop_head()).
	 */
	struct irqhop_engine_irq *irq;

	u16 nr_vcpus;
	u16 max_irqs;
	u32 nr_irqs;
	u32 nr_injected;
	u32 nr_away;
	u32 nr_todo;
	u32 nr_stranded;
	u32 nr_held;
	u32 nr_in[IRQHOP_NR_VS];	/* vCPUs by state */
	bool doubt;			/* see irqhop_engine_doubt_set() */

	/* The bound. A hop costs hop_ns of credit, which time gives back. */
	u32 bound;			/* hops per second, 0: no bound */
	u32 hop_ns;
	s64 credit;
	s64 credit_max;
	u64 clock;

	/*
	 * With IRQHOP_POLICY_LEAST: running vCPUs by their interrupts; before
	 * them the heads, by irqhop_head().
	 */
	struct irqhop_link *load;
	u64 loads;			/* bit per list that is not empty */
};

/**
 * enum irqhop_action - what is to be done with an interrupt
 * @IRQHOP_STAY: nothing
 * @IRQHOP_HOP: move it to a running vCPU that is not its home
 * @IRQHOP_RETURN: move it home
 * @IRQHOP_STRAND: its target is out, nobody can take it, and its home does not
 *	wait for an interrupt; it is looked at again as soon as a vCPU comes in
 *	or halts
 * @IRQHOP_WAIT: the same, but its target is halted and would be woken by it, so
 *	that it is not stranded
 * @IRQHOP_HOLD: it would hop, but the bound is reached; it is looked at again
 *	when a hop is allowed again, or a vCPU makes another answer possible
 */
enum irqhop_action {
	IRQHOP_STAY,
	IRQHOP_HOP,
	IRQHOP_RETURN,
	IRQHOP_STRAND,
	IRQHOP_WAIT,
	IRQHOP_HOLD,
};

/**
 * struct irqhop_decision - the answer
 * @action: what to do
 * @target: where to, for a hop and a return
 * @must_run: not 0 if the target was chosen because it runs, so that this has to
 *	be so. (As wide as it is, the answer needs no masks to be put together.)
 */
struct irqhop_decision {
	enum irqhop_action action;
	u16 target;
	u16 must_run;
};

size_t irqhop_engine_size(u16 nr_vcpus, u16 max_irqs);
bool irqhop_engine_init(struct irqhop_engine *e, void *mem, size_t size,
			u16 nr_vcpus, u16 max_irqs,
			const struct irqhop_policy *policy);
void irqhop_engine_copy(struct irqhop_engine *dst,
			const struct irqhop_engine *src);
void irqhop_engine_policy_set(struct irqhop_engine *e,
			      const struct irqhop_policy *policy);
void irqhop_engine_rule_set(struct irqhop_engine *e,
			    enum irqhop_return_rule rule);
void irqhop_engine_halted_set(struct irqhop_engine *e,
			      enum irqhop_halted_rule rule);
void irqhop_engine_bound_set(struct irqhop_engine *e, u32 hops_per_second,
			     u64 now);
void irqhop_engine_clock(struct irqhop_engine *e, u64 now);

void irqhop_engine_vcpu_set(struct irqhop_engine *e, u16 v,
			    enum irqhop_vcpu_state state, bool in_handler,
			    u64 since);
void irqhop_engine_vcpu_enable(struct irqhop_engine *e, u16 v, bool enabled);

u16 irqhop_engine_irq_add(struct irqhop_engine *e, u16 home, u16 target,
			  enum irqhop_path path);
void irqhop_engine_path_set(struct irqhop_engine *e, u16 irq,
			    enum irqhop_path path);
void irqhop_engine_irq_del(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_irq_seen(struct irqhop_engine *e, u16 i, u16 home,
			    u16 target);
void irqhop_engine_irq_mark(struct irqhop_engine *e, u16 irq);
void irqhop_engine_doubt_set(struct irqhop_engine *e, bool doubt);
void irqhop_engine_stranded_mark(struct irqhop_engine *e);

u16 irqhop_engine_todo_pop(struct irqhop_engine *e);
struct irqhop_decision irqhop_engine_decide(const struct irqhop_engine *e,
					    u16 irq);
void irqhop_engine_moved(struct irqhop_engine *e, u16 irq, u16 target);
void irqhop_engine_stays(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_strand(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_hold(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_quiet(const struct irqhop_engine *e);
bool irqhop_engine_waits(const struct irqhop_engine *e, u16 v);
u16 irqhop_engine_summon(const struct irqhop_engine *e, u16 v, u16 last);
void irqhop_engine_left(struct irqhop_engine *e, u16 v, enum irqhop_left what);
bool irqhop_engine_wants(const struct irqhop_engine *e, u16 v, bool gets);
bool irqhop_engine_spares(const struct irqhop_engine *e, u16 v, bool gives);

const char *irqhop_engine_check(const struct irqhop_engine *e, u16 first,
				u16 nr);
const char *irqhop_engine_check_vcpus(const struct irqhop_engine *e);

/**
 * irqhop_engine_vcpu_takes - may this vCPU be given an interrupt now
 * @e: the engine
 * @v: the vCPU
 *
 * Return: true if so.
 */
static inline bool irqhop_engine_vcpu_takes(const struct irqhop_engine *e,
					    u16 v)
{
	return e->vcpu[v].is & IRQHOP_TAKES;
}

/**
 * irqhop_head - where the head of a list is
 * @n: which list: of interrupts, 0 for those of the engine itself and 1 + v for
 *	those of vCPU v; of vCPUs, how many interrupts they have
 *
 * Return: its place before the table that it belongs to.
 */
static inline int irqhop_head(u32 n)
{
	return -1 - (int)n;
}

/**
 * irqhop_engine_irq_on - is an interrupt on one of the lists
 * @e: the engine
 * @irq: the interrupt
 * @id: which list
 *
 * Return: true if so.
 */
static inline bool irqhop_engine_irq_on(const struct irqhop_engine *e, u16 irq,
					enum irqhop_list_id id)
{
	return e->irq[irq].on & IRQHOP_BIT(id);
}

/**
 * irqhop_engine_irq_stranded - could nobody take it when it was looked at last
 * @e: the engine
 * @irq: the interrupt
 *
 * Return: true if so.
 */
static inline bool irqhop_engine_irq_stranded(const struct irqhop_engine *e,
					      u16 irq)
{
	const u16 target = e->irq[irq].target;

	return irqhop_engine_irq_on(e, irq, IRQHOP_L_STRANDED) &&
	       (target == IRQHOP_NONE ||
		e->vcpu[target].state != IRQHOP_VS_HALTED);
}

/**
 * irqhop_engine_todo_first - the interrupt that irqhop_engine_todo_pop() pops
 * @e: the engine
 *
 * Return: its number, %IRQHOP_NONE if there is none.
 */
static inline u16 irqhop_engine_todo_first(const struct irqhop_engine *e)
{
	s16 i = e->irq[irqhop_head(0)].link[IRQHOP_L_TODO].next;

	return i < 0 ? IRQHOP_NONE : (u16)i;
}

#endif /* _IRQHOP_CORE_ENGINE_H */
