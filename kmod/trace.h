/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: trace events. vm is the pid of the process that created the VM, in
 * the initial pid namespace; vCPUs are KVM's vcpu_ids, -1 for none; intid is
 * the guest's number of the interrupt; cost is in ns.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM irqhop

#if !defined(_IRQHOP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IRQHOP_TRACE_H

#include <linux/sched/clock.h>
#include <linux/tracepoint.h>

#include "compat.h"

#ifndef _IRQHOP_TRACE_ENUMS
#define _IRQHOP_TRACE_ENUMS

/**
 * enum irqhop_why - why an interrupt was moved
 * @IRQHOP_WHY_PREEMPTED: hop: its target was preempted
 * @IRQHOP_WHY_BLOCKED: hop: its target sleeps in the host's kernel
 * @IRQHOP_WHY_USER: hop: its target is in user space
 * @IRQHOP_WHY_OFF: hop: its target is off
 * @IRQHOP_WHY_HALTED: hop: its target waits for an interrupt
 * @IRQHOP_WHY_TEST: hop: for no reason but a test policy's
 * @IRQHOP_WHY_HOME_RUNS: return: its home runs
 * @IRQHOP_WHY_HOME_WAITS: return: nobody runs, and its home waits for an
 *	interrupt
 * @IRQHOP_WHY_ALL_OUT: return: all vCPUs are in user space or off
 * @IRQHOP_WHY_POLICY: return: the policy is "home"
 * @IRQHOP_WHY_CLOSE: return: the VM is being disabled
 * @IRQHOP_WHY_COMMAND: return: KVM is about to go by its record, at a guest's
 *	command or because the last vCPU leaves for user space
 */
enum irqhop_why {
	IRQHOP_WHY_PREEMPTED,
	IRQHOP_WHY_BLOCKED,
	IRQHOP_WHY_USER,
	IRQHOP_WHY_OFF,
	IRQHOP_WHY_HALTED,
	IRQHOP_WHY_TEST,
	IRQHOP_WHY_HOME_RUNS,
	IRQHOP_WHY_HOME_WAITS,
	IRQHOP_WHY_ALL_OUT,
	IRQHOP_WHY_POLICY,
	IRQHOP_WHY_CLOSE,
	IRQHOP_WHY_COMMAND,
};

/**
 * enum irqhop_held - why an interrupt was held back
 * @IRQHOP_HELD_TURN: one turn in interrupt context had done its share; the
 *	event names the first of those that wait for the next
 * @IRQHOP_HELD_BOUND: the VM's hops of this second are used up
 */
enum irqhop_held {
	IRQHOP_HELD_TURN,
	IRQHOP_HELD_BOUND,
};
#endif

TRACE_DEFINE_ENUM(IRQHOP_WHY_PREEMPTED);
TRACE_DEFINE_ENUM(IRQHOP_WHY_BLOCKED);
TRACE_DEFINE_ENUM(IRQHOP_WHY_USER);
TRACE_DEFINE_ENUM(IRQHOP_WHY_OFF);
TRACE_DEFINE_ENUM(IRQHOP_WHY_HALTED);
TRACE_DEFINE_ENUM(IRQHOP_WHY_TEST);
TRACE_DEFINE_ENUM(IRQHOP_WHY_HOME_RUNS);
TRACE_DEFINE_ENUM(IRQHOP_WHY_HOME_WAITS);
TRACE_DEFINE_ENUM(IRQHOP_WHY_ALL_OUT);
TRACE_DEFINE_ENUM(IRQHOP_WHY_POLICY);
TRACE_DEFINE_ENUM(IRQHOP_WHY_CLOSE);
TRACE_DEFINE_ENUM(IRQHOP_WHY_COMMAND);
TRACE_DEFINE_ENUM(IRQHOP_HELD_TURN);
TRACE_DEFINE_ENUM(IRQHOP_HELD_BOUND);

#define show_irqhop_why(why) __print_symbolic(why,		\
	{ IRQHOP_WHY_PREEMPTED,		"preempted" },		\
	{ IRQHOP_WHY_BLOCKED,		"blocked" },		\
	{ IRQHOP_WHY_USER,		"user" },		\
	{ IRQHOP_WHY_OFF,		"off" },		\
	{ IRQHOP_WHY_HALTED,		"halted" },		\
	{ IRQHOP_WHY_TEST,		"test" },		\
	{ IRQHOP_WHY_HOME_RUNS,		"home-runs" },		\
	{ IRQHOP_WHY_HOME_WAITS,	"home-waits" },		\
	{ IRQHOP_WHY_ALL_OUT,		"all-out" },		\
	{ IRQHOP_WHY_POLICY,		"policy" },		\
	{ IRQHOP_WHY_CLOSE,		"close" },		\
	{ IRQHOP_WHY_COMMAND,		"command" })

#define show_irqhop_held(reason) __print_symbolic(reason,	\
	{ IRQHOP_HELD_TURN,		"turn" },		\
	{ IRQHOP_HELD_BOUND,		"bound" })

DECLARE_EVENT_CLASS(irqhop_move,
	TP_PROTO(pid_t vm, u32 intid, int from, int to, enum irqhop_why reason,
		 u64 cost),
	TP_ARGS(vm, intid, from, to, reason, cost),
	TP_STRUCT__entry(
		__field(pid_t,	vm)
		__field(u32,	intid)
		__field(int,	from)
		__field(int,	to)
		__field(u32,	reason)
		__field(u64,	cost)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->intid = intid;
		__entry->from = from;
		__entry->to = to;
		__entry->reason = reason;
		__entry->cost = cost;
	),
	TP_printk("vm=%d intid=%u from=%d to=%d reason=%s cost=%llu",
		  __entry->vm, __entry->intid, __entry->from, __entry->to,
		  show_irqhop_why(__entry->reason), __entry->cost)
);

/* An interrupt was moved to a running vCPU that is not its home. */
DEFINE_EVENT(irqhop_move, hop,
	TP_PROTO(pid_t vm, u32 intid, int from, int to, enum irqhop_why reason,
		 u64 cost),
	TP_ARGS(vm, intid, from, to, reason, cost)
);

/* An interrupt was moved home. */
DEFINE_EVENT(irqhop_move, return,
	TP_PROTO(pid_t vm, u32 intid, int from, int to, enum irqhop_why reason,
		 u64 cost),
	TP_ARGS(vm, intid, from, to, reason, cost)
);

/* An interrupt's target left its pCPU, and nobody can take it. */
TRACE_EVENT(stranded,
	TP_PROTO(pid_t vm, u32 intid, int vcpu, int home),
	TP_ARGS(vm, intid, vcpu, home),
	TP_STRUCT__entry(
		__field(pid_t,	vm)
		__field(u32,	intid)
		__field(int,	vcpu)
		__field(int,	home)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->intid = intid;
		__entry->vcpu = vcpu;
		__entry->home = home;
	),
	TP_printk("vm=%d intid=%u vcpu=%d home=%d", __entry->vm,
		  __entry->intid, __entry->vcpu, __entry->home)
);

/* An interrupt waits although it could be moved. */
TRACE_EVENT(held_back,
	TP_PROTO(pid_t vm, u32 intid, enum irqhop_held reason),
	TP_ARGS(vm, intid, reason),
	TP_STRUCT__entry(
		__field(pid_t,	vm)
		__field(u32,	intid)
		__field(u32,	reason)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->intid = intid;
		__entry->reason = reason;
	),
	TP_printk("vm=%d intid=%u reason=%s", __entry->vm, __entry->intid,
		  show_irqhop_held(__entry->reason))
);

/* A vCPU left inside an interrupt handler, and keeps its interrupts. */
TRACE_EVENT(in_handler,
	TP_PROTO(pid_t vm, int vcpu),
	TP_ARGS(vm, vcpu),
	TP_STRUCT__entry(
		__field(pid_t,	vm)
		__field(int,	vcpu)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
	),
	TP_printk("vm=%d vcpu=%d", __entry->vm, __entry->vcpu)
);

/*
 * One turn of work is done: moves made, ns from the context switch that brought
 * it about until the interrupt that does it, ns in that interrupt.
 */
TRACE_EVENT(turn,
	TP_PROTO(pid_t vm, unsigned int moves, u64 lag, u64 begun),
	TP_ARGS(vm, moves, lag, begun),
	TP_STRUCT__entry(
		__field(pid_t,		vm)
		__field(unsigned int,	moves)
		__field(u64,		lag)
		__field(u64,		time)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->moves = moves;
		__entry->lag = lag;
		__entry->time = sched_clock() - begun;
	),
	TP_printk("vm=%d moves=%u lag=%llu time=%llu", __entry->vm,
		  __entry->moves, __entry->lag, __entry->time)
);

/* irqhop lets go of a VM. */
TRACE_EVENT(let_go,
	TP_PROTO(pid_t vm, const char *reason),
	TP_ARGS(vm, reason),
	TP_STRUCT__entry(
		__field(pid_t,	vm)
		__string(reason, reason)
	),
	TP_fast_assign(
		__entry->vm = vm;
		irqhop_compat_assign_str(reason);
	),
	TP_printk("vm=%d reason=%s", __entry->vm, __get_str(reason))
);

#endif /* _IRQHOP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
