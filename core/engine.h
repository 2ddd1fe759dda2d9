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

#include "policy.h"
#include "types.h"

/* No vCPU, no interrupt. */
#define IRQHOP_NONE		0xffff
#define IRQHOP_MAX_VCPUS	1024
#define IRQHOP_MAX_IRQS		0xfffe

/**
 * enum irqhop_vcpu_state - where a vCPU is
 * @IRQHOP_VS_UNKNOWN: not seen yet; keeps its interrupts, gets none
 * @IRQHOP_VS_RUNNING: on a pCPU
 * @IRQHOP_VS_PREEMPTED: runnable, another task has its pCPU
 * @IRQHOP_VS_HALTED: waits for an interrupt; keeps its interrupts, each wakes it
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

/* The lists that an interrupt can be on, by the link used for each. */
enum irqhop_list_id {
	IRQHOP_L_TARGET,	/* of its target, or of the free ones */
	IRQHOP_L_HOME,		/* of its home */
	IRQHOP_L_AWAY,		/* target is not home */
	IRQHOP_L_STRANDED,	/* nobody could take it */
	IRQHOP_L_TODO,		/* to be looked at */
	IRQHOP_NR_L
};

struct irqhop_list {
	u16 head, tail;
};

struct irqhop_link {
	u16 prev, next;
};

struct irqhop_engine_vcpu {
	u64 since;			/* when it was scheduled in last */
	u8 state;			/* enum irqhop_vcpu_state */
	bool in_handler;		/* out, with an interrupt active */
	bool enabled;			/* can take interrupts when it runs */
	u16 run_prev, run_next;		/* running order, latest first */
	struct irqhop_list target;	/* interrupts that point here */
	struct irqhop_list home;	/* interrupts whose home is here */
};

struct irqhop_engine_irq {
	u16 home;
	u16 target;
	u8 on;				/* bit per irqhop_list_id */
	bool live;
	struct irqhop_link link[IRQHOP_NR_L];
};

struct irqhop_engine {
	const struct irqhop_policy *policy;
	struct irqhop_engine_vcpu *vcpu;
	struct irqhop_engine_irq *irq;
	u16 nr_vcpus;
	u16 max_irqs;
	u16 running;			/* head of the running order */
	u32 nr_irqs;
	u32 nr_away;
	u32 nr_todo;
	u32 nr_stranded;
	u32 nr_in[IRQHOP_NR_VS];	/* vCPUs by state */
	struct irqhop_list free;
	struct irqhop_list away;
	struct irqhop_list stranded;
	struct irqhop_list todo;
};

/**
 * enum irqhop_action - what is to be done with an interrupt
 * @IRQHOP_STAY: nothing
 * @IRQHOP_HOP: move it to a running vCPU that is not its home
 * @IRQHOP_RETURN: move it home
 * @IRQHOP_STRAND: its target is out, nobody can take it, and its home does not
 *	wait for an interrupt; it is looked at again as soon as a vCPU comes in
 *	or halts
 */
enum irqhop_action {
	IRQHOP_STAY,
	IRQHOP_HOP,
	IRQHOP_RETURN,
	IRQHOP_STRAND,
};

/**
 * struct irqhop_decision - the answer
 * @action: what to do
 * @target: where to, for a hop and a return
 * @must_run: the target was chosen because it runs, so this has to be so
 */
struct irqhop_decision {
	enum irqhop_action action;
	u16 target;
	bool must_run;
};

size_t irqhop_engine_size(u16 nr_vcpus, u16 max_irqs);
bool irqhop_engine_init(struct irqhop_engine *e, void *mem, size_t size,
			u16 nr_vcpus, u16 max_irqs,
			const struct irqhop_policy *policy);
void irqhop_engine_copy(struct irqhop_engine *dst,
			const struct irqhop_engine *src);
void irqhop_engine_policy_set(struct irqhop_engine *e,
			      const struct irqhop_policy *policy);

void irqhop_engine_vcpu_set(struct irqhop_engine *e, u16 v,
			    enum irqhop_vcpu_state state, bool in_handler,
			    u64 since);
void irqhop_engine_vcpu_enable(struct irqhop_engine *e, u16 v, bool enabled);

u16 irqhop_engine_irq_add(struct irqhop_engine *e, u16 home, u16 target);
void irqhop_engine_irq_del(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_irq_seen(struct irqhop_engine *e, u16 irq, u16 home,
			    u16 target);
void irqhop_engine_irq_mark(struct irqhop_engine *e, u16 irq);

u16 irqhop_engine_todo_pop(struct irqhop_engine *e);
struct irqhop_decision irqhop_engine_decide(const struct irqhop_engine *e,
					    u16 irq);
void irqhop_engine_moved(struct irqhop_engine *e, u16 irq, u16 target);
void irqhop_engine_stays(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_strand(struct irqhop_engine *e, u16 irq);
bool irqhop_engine_quiet(const struct irqhop_engine *e);

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
	return e->vcpu[v].state == IRQHOP_VS_RUNNING && e->vcpu[v].enabled;
}

#endif /* _IRQHOP_CORE_ENGINE_H */
