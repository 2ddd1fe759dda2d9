/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the whole way of a hop. pCPUs that switch between vCPU threads, the
 * probe, the irq_work, KVM's notifiers, the guest's handlers, WFI, leaving and
 * entering KVM_RUN, the device, the guest's MOVI, the worker, and the way home.
 * The decisions are the engine's own: core/ is compiled into the checker.
 *
 * A turn under the VM's lock is not one step here: each read of what others
 * write (a state word, target_vcpu, the mapping, IN_WFI) is a step of its own.
 *
 * There are so many switches, raises, and so on; when they are used up and
 * nothing moves any more, the judge looks at what there is.
 *
 *	NV NP NI	vCPUs, pCPUs, interrupts
 *	SWITCHES	context switches, not counting those from idle
 *	RAISES WFIS EXITS MOVIS	what the device and the guest may do
 *	POLICY RULE	as the user calls them
 *	WFI_RULE	the halted rule, likewise
 *	GUEST_OLD	an interrupt is dropped while its handler is in
 *			progress elsewhere (Linux before 6.6)
 *	CLOSE		the VM gets disabled at some moment
 *	NO_<mechanism>	it is taken out
 *	REMAP		DISCARD and VMAPTI in place of VMOVI
 *	LATE_WORK	the guest goes on before the irq_work is through
 *	SLOW_ENTRY	the way through KVM_RUN into the guest takes longer than
 *			a turn takes from finding a vCPU out to the VMOVI
 *	IDLE_ENTRY	it is only gone while nothing at all is under way
 *	DISABLED	the vCPU where the guest has LPIs disabled
 */
#ifndef NV
#define NV	2
#endif
#ifndef NP
#define NP	2
#endif
#ifndef NI
#define NI	1
#endif
#ifndef SWITCHES
#define SWITCHES	3
#endif
#ifndef RAISES
#define RAISES	2
#endif
#ifndef WFIS
#define WFIS	0
#endif
#ifndef EXITS
#define EXITS	0
#endif
#ifndef MOVIS
#define MOVIS	0
#endif
#ifndef POLICY
#define POLICY	recent
#endif
#ifndef RULE
#define RULE	lazy
#endif
#ifndef WFI_RULE
#define WFI_RULE	wake
#else
#define SPARED
#endif

#define NAME_(x)	#x
#define NAME(x)	NAME_(x)

#define NONE	15

c_decl {
\#include "bridge.h"
}
c_track "&bridge" "sizeof(bridge)" "Matched"

/* enum irqhop_vcpu_state and enum irqhop_action */
#define UNKNOWN		0
#define RUNNING		1
#define PREEMPTED	2
#define HALTED		3
#define USER		5
#define LEAVING		7
#define HOP		1
#define RETURN		2
#define STRAND		3
#define WAIT		4
#define HOLD		5

/* Where a vCPU's thread is. */
#define IN_GUEST	0	/* in KVM_RUN; in the guest when resident */
#define IN_BLOCK	1	/* in KVM_RUN, in kvm_vcpu_block() */
#define IN_VMM		2	/* outside KVM_RUN */

/* What must never be. Their names are what a run expects. */
bool lost, doubled, asleep_for_good, stranded, blind, wrong_place, not_home,
	not_taken, mad;
#define NEVER(what)	what = true; assert(!what)

/* For the replay of a trail; the search does not print. */
#define SAY	printf

/* The hardware: where each interrupt points, and whether it is pending there. */
byte map[NI];
bool pend[NI];
bool resident[NV];		/* the vPE */

/* KVM. */
byte home[NI];			/* target_vcpu */
bool in_wfi[NV];
bool pending_last[NV];		/* counts in WFI only */
byte commands;			/* ITS commands carried out: creadr */

/* The scheduler: threads. */
byte where[NV];			/* IN_GUEST... */
bool asleep[NV];
bool on_cpu[NV];
byte cur[NP];

/* The guest. */
bool in_isr[NV];		/* inside the handler of ... */
byte serves[NV];		/* ... this one */
bool in_progress[NI];
bool again[NI];			/* to be resent when the handler is through */

/* Raised, not merged with an earlier one, and not taken yet. */
byte due[NI];

/* irqhop: state words, what a pCPU knows, its events. */
byte state[NV], seq[NV], since[NV];
bool hand[NV];
byte running[NP], user_task[NP], user_seq[NP];
byte ev_out[NP], ev_in[NP], ev_seq[NP];
bool ev_preempted[NP], ev_loaded[NP], look[NP];

/* irqhop: the VM. What the holder of the lock has in hand is global. */
bool vm_lock, closing, watching = true, closed;
byte mark;
byte t_irq, t_home, t_target, t_do, t_to, t_v;
bool t_must, t_ok, t_hand, t_done;

byte switches = SWITCHES, wfis = WFIS, exits = EXITS, clock;

/* LPIs enabled there: nowhere else may an interrupt be sent. */
#ifdef DISABLED
#define LPIS(v)	((v) != DISABLED)
#else
#define LPIS(v)	1
#endif

/* -- hardware -- */

/* A vLPI that gets pending at a vPE: is there a doorbell? */
inline arrive(i)
{
	pend[i] = true;
	SAY("device: interrupt %d, at vCPU %d\n", i, map[i]);
	if
	:: !resident[map[i]] && in_wfi[map[i]] ->
		/* vgic_v4_doorbell_handler() */
		pending_last[map[i]] = true;
		asleep[map[i]] = false
	:: else
	fi
}

/* VMOVI takes a pending one along. No doorbell is counted on for that. */
inline vmovi(i, to)
{
#ifdef REMAP
	/* DISCARD and VMAPTI instead: not what is used. */
	if
	:: map[i] != to -> pend[i] = false
	:: else
	fi;
#endif
	map[i] = to;
	if
	:: due[i] && !pend[i] && !again[i] -> NEVER(lost)
	:: else
	fi
}

/* Is anything pending at this vPE? (At most two interrupts.) */
#if NI == 1
#define PENDING(v)	(pend[0] && map[0] == (v))
#else
#define PENDING(v)	((pend[0] && map[0] == (v)) || \
			 (pend[1] && map[1] == (v)))
#endif

/* -- irqhop: a turn -- */

inline unlock_vm()
{
	atomic {
		t_irq = 0; t_home = 0; t_target = 0; t_do = 0; t_to = 0;
		t_must = false; t_ok = false; t_done = false;
		vm_lock = false
	}
}

/* Tell the engine where a vCPU is: reads its word. */
inline sync(v)
{
	t_v = v;
	c_code {
		bridge_sync(now.t_v, now.state[now.t_v], now.hand[now.t_v],
			    now.seq[now.t_v], now.since[now.t_v],
			    LPIS(now.t_v), now.mark != now.commands);
	};
	t_v = 0
}

/* irqhop_arch_irq_look(): target_vcpu, then, under another lock, GET */
inline look_at()
{
	t_home = home[t_irq];
	t_target = map[t_irq]
}

/* irqhop_arch_irq_move(): VMOVI, and then: does it wait for an interrupt? */
inline move_to()
{
	atomic {
		SAY("turn: interrupt %d to vCPU %d\n", t_irq, t_to);
		vmovi(t_irq, t_to);
		if
		:: !LPIS(t_to) && t_to != home[t_irq] -> NEVER(wrong_place)
		:: else
		fi
	};
	atomic {
		if
#ifndef NO_WAKE
		:: in_wfi[t_to] ->
			pending_last[t_to] = true;
			asleep[t_to] = false
#endif
		:: else
		fi
	}
}

inline decide()
{
	c_code {
		struct irqhop_decision d =
			irqhop_engine_decide(&bridge.e, now.t_irq);

		now.t_do = d.action;
		now.t_to = d.target == IRQHOP_NONE ? NONE : d.target;
		now.t_must = d.must_run;
	};
	t_ok = !t_must
}

/* The one chosen runs no more, by what can be read without a lock. */
inline judge_choice()
{
	if
	:: t_must && state[t_to] != RUNNING -> NEVER(blind)
	:: else
	fi
}

/* No move, so nobody else sees anything of this. */
inline turn_irq_stays()
{
	if
	:: t_do == STRAND ->
		c_code {
			now.t_ok = irqhop_engine_strand(&bridge.e, now.t_irq);
		};
#if EXITS
		if
		:: t_ok -> poke()
		:: else
		fi
#endif
	:: t_do == WAIT ->
		c_code { irqhop_engine_strand(&bridge.e, now.t_irq); }
	:: t_do == HOLD ->
		c_code { irqhop_engine_hold(&bridge.e, now.t_irq); }
	:: else ->
		c_code { irqhop_engine_stays(&bridge.e, now.t_irq); }
	fi
}

/* turn_irq() */
inline turn_irq()
{
#if MOVIS
	t_home = home[t_irq];
	atomic {
		t_target = map[t_irq];
#else
	atomic {
		look_at();
#endif
		c_code {
			irqhop_engine_irq_seen(&bridge.e, now.t_irq,
					       now.t_home, now.t_target);
		};
		sync(t_target);
#ifndef NO_LOADED_CHECK
		if
		:: state[t_target] == USER && where[t_target] != IN_VMM ->
			t_do = STRAND;
			t_ok = true
		:: else -> decide()
		fi;
#else
		decide();
#endif
		if
		:: t_do == HOP || t_do == RETURN -> skip
		:: else -> turn_irq_stays(); t_done = true
		fi
	};
#ifdef NO_REREAD
	atomic { judge_choice(); t_ok = true };
#endif
	do
	:: atomic { t_done || t_ok -> break }
	:: atomic {
		!t_done && !t_ok ->
		/* turn_decide(): somebody else may switch in between. */
		sync(t_to);
		t_ok = c_expr { (bridge_takes(now.t_to)) };
		if
		:: t_ok -> judge_choice()
		:: else ->
			decide();
			if
			:: t_do == HOP || t_do == RETURN -> skip
			:: else -> turn_irq_stays(); t_done = true
			fi
		fi
	   }
	od;
	if
	:: atomic { t_done -> skip }
	:: atomic { !t_done -> skip };
		move_to();
		atomic {
			c_code {
				irqhop_engine_moved(&bridge.e, now.t_irq,
						    now.t_to);
			};
			if
			:: t_do == RETURN && home[t_irq] != t_to ->
				c_code {
					irqhop_engine_irq_mark(&bridge.e,
							       now.t_irq);
				}
			:: else
			fi;
			t_do = 0
		}
	fi
}

/*
 * Is nobody between finding out that a vCPU is in user space and moving what
 * points there? If that is shorter than the way into the guest, it is so.
 */
#ifdef IDLE_ENTRY
/* Or, far more: is nothing under way at all? */
#define QUICK_ENTRY	(!vm_lock && NO_EVENT(0) && NO_EVENT(1))
#elif defined(SLOW_ENTRY)
#define QUICK_ENTRY	!(t_do == HOP || t_do == RETURN)
#else
#define QUICK_ENTRY	true
#endif

/* irqhop_look_poke(): some pCPU runs one that we take to be in user space? */
inline poke_one(p, v)
{
	if
	:: state[v] == USER && where[v] != IN_VMM && cur[p] == v ->
		look[p] = true
	:: else
	fi
}

inline poke()
{
	poke_one(0, 0); poke_one(0, 1); poke_one(1, 0); poke_one(1, 1)
}

/* One LPI of a scan. */
inline scan_irq()
{
	look_at();
	c_code {
		if (irqhop_engine_irq_seen(&bridge.e, now.t_irq, now.t_home,
					   now.t_target))
			irqhop_engine_irq_mark(&bridge.e, now.t_irq);
	}
}

inline scan()
{
	mark = commands;
	t_irq = 0;
	scan_irq();
#if NI == 2
	t_irq = 1;
	scan_irq();
#endif
	t_irq = 0
}

/* irqhop_turn_run() */
inline turn_run()
{
#if MOVIS && !defined(NO_SCAN)
	if
	:: mark != commands -> scan()
	:: else
	fi;
#endif
	do
	:: atomic {
		!closing && c_expr { (bridge_todo()) } ->
		c_code { now.t_irq = bridge_pop(); };
		t_done = false;
		t_ok = false
	   };
	   turn_irq()
	:: atomic { closing || c_expr { (!bridge_todo()) } -> break }
	od
}

/*
 * irqhop_turn_event() for whoever left this pCPU, and for whoever came. Why it
 * left is looked at first and stored later: irqhop_look_left().
 */
inline work_out(p)
{
	atomic {
		ev_out[p] != NONE && !vm_lock ->
		vm_lock = true;
		if
		:: !ev_loaded[p] -> t_to = USER
		:: ev_loaded[p] && ev_preempted[p] -> t_to = PREEMPTED
		:: else -> t_to = HALTED
		fi;
		/* KVM has saved what is active, where[] says so. */
		t_hand = in_isr[ev_out[p]]
	};
	atomic {
		v = ev_out[p];
		if
		:: closing -> skip
		:: else ->
			if
#ifdef NO_CMPXCHG
			:: true ->
#elif defined(NO_SEQ)
			:: state[v] == LEAVING ->
#else
			:: state[v] == LEAVING && seq[v] == ev_seq[p] ->
#endif
				state[v] = t_to;
				hand[v] = t_hand;
				SAY("turn: vCPU %d is out: %d, in handler %d\n", v, t_to, t_hand)
			:: else
			fi;
			sync(v)
		fi;
		v = 0;
		t_to = 0;
		t_hand = false;
		ev_out[p] = NONE;
		ev_seq[p] = 0;
		ev_preempted[p] = false;
		ev_loaded[p] = false
	};
	turn_run();
	unlock_vm()
}

inline work_in(p)
{
	atomic {
		ev_out[p] == NONE && ev_in[p] != NONE && !vm_lock ->
		vm_lock = true;
		v = ev_in[p];
		ev_in[p] = NONE;
		if
		:: !closing -> sync(v)
		:: else
		fi;
		v = 0
	};
	turn_run();
	unlock_vm()
}

#define NO_EVENT(p)	(ev_out[p] == NONE && ev_in[p] == NONE)

/* -- the scheduler's hook -- */

inline watch_in(p, v)
{
	seq[v]++;
#if NV > 2
	clock++;
	since[v] = clock;
#endif
	state[v] = RUNNING;
	hand[v] = false;
	running[p] = v;
	ev_in[p] = v
}

inline watch_switch(p, prev, next)
{
	if
	:: watching ->
		if
		:: prev != NONE && (running[p] == prev ||
				    where[prev] != IN_VMM) ->
			seq[prev]++;
			state[prev] = LEAVING;
			hand[prev] = false;
			running[p] = NONE;
			ev_out[p] = prev;
			ev_seq[p] = seq[prev];
			ev_preempted[p] = !asleep[prev];
			ev_loaded[p] = (where[prev] != IN_VMM);
			if
			:: where[prev] == IN_VMM ->
				user_task[p] = prev;
				user_seq[p] = seq[prev]
			:: else
			fi
		:: else
		fi;
		if
		:: next != NONE &&
		   (where[next] != IN_VMM ||
		    (user_task[p] == next && user_seq[p] == seq[next])) ->
			watch_in(p, next)
		:: else
		fi;
		if
		:: next != NONE && user_task[p] == next ->
			user_task[p] = NONE;
			user_seq[p] = 0
		:: else
		fi
	:: else
	fi
}

/* -- a pCPU, with whatever runs on it -- */

#define FREE(n)		(!on_cpu[n] && !asleep[n])
#if NV == 2
#define ANY_FREE	(FREE(0) || FREE(1))
#else
#define ANY_FREE	(FREE(0) || FREE(1) || FREE(2))
#endif

inline next_vcpu(p)
{
	if
	:: FREE(0) -> n = 0
	:: FREE(1) -> n = 1
#if NV > 2
	:: FREE(2) -> n = 2
#endif
	:: cur[p] != NONE && (switches > 0 || asleep[cur[p]]) -> n = NONE
	fi;
	v = cur[p]
}

/* KVM's sched-in notifier */
inline sched_in(p)
{
	atomic {
		n = cur[p];
		if
		:: n != NONE && where[n] == IN_GUEST -> resident[n] = true
		:: else
		fi;
		n = 0
	}
}

/*
 * The probe runs under the run-queue lock, then KVM's sched-out notifier, then
 * the irq_work as soon as interrupts are on, then KVM's sched-in notifier.
 */
inline do_switch(p)
{
	atomic {
		if
		:: v != NONE ->
			resident[v] = false;
			on_cpu[v] = false
		:: else
		fi;
		v = 0
	};
#ifdef LATE_WORK
	sched_in(p);
#endif
	do
	:: work_out(p)
	:: work_in(p)
	:: atomic { NO_EVENT(p) -> break }
#ifdef LATE_WORK
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && !in_isr[cur[p]] &&
		pend[0] && map[0] == cur[p] ->
		n = cur[p];
		take(n, 0);
		n = 0
	   }
#endif
	od;
	sched_in(p)
}

/* The guest takes interrupt i on v. */
inline take(v, i)
{
	pend[i] = false;
	if
	:: in_progress[i] ->
		/* Its handler runs on another vCPU. */
#ifdef GUEST_OLD
		NEVER(lost)
#else
		again[i] = true
#endif
	:: else ->
		in_progress[i] = true;
		in_isr[v] = true;
		serves[v] = i;
		if
		:: due[i] == 0 -> NEVER(doubled)
		:: else -> due[i]--
		fi;
		SAY("guest: vCPU %d handles interrupt %d\n", v, i)
	fi
}

proctype pcpu(byte p)
{
	byte v, n;

end:
	do
	/* The guest: takes, ... */
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && !in_isr[cur[p]] &&
		pend[0] && map[0] == cur[p] ->
		v = cur[p];
		take(v, 0);
		v = 0
	   }
#if NI == 2
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && !in_isr[cur[p]] &&
		pend[1] && map[1] == cur[p] ->
		v = cur[p];
		take(v, 1);
		v = 0
	   }
#endif
	/* ... is through; a guest since 6.6 has what it put off sent again. */
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && in_isr[cur[p]] ->
		v = cur[p];
		in_isr[v] = false;
		n = serves[v];
		serves[v] = 0;
		in_progress[n] = false;
		SAY("guest: vCPU %d is through with interrupt %d\n", v, n);
		if
		:: again[n] ->
			again[n] = false;
			arrive(n)
		:: else
		fi;
		v = 0;
		n = 0
	   }
#if WFIS
	/* kvm_vcpu_wfi(): the flag, then not resident, then the wait. */
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && !in_isr[cur[p]] &&
		wfis > 0 ->
		wfis--;
		v = cur[p];
		in_wfi[v] = true
	   };
	   atomic {
		resident[v] = false;
		pending_last[v] = PENDING(v);
		where[v] = IN_BLOCK;
		v = 0
	   }
	:: atomic {
		cur[p] != NONE && where[cur[p]] == IN_BLOCK &&
		!asleep[cur[p]] ->
		v = cur[p];
		if
		:: pending_last[v] ->
			in_wfi[v] = false;
			pending_last[v] = false;
			where[v] = IN_GUEST;
			resident[v] = true
		:: else ->
			asleep[v] = true;
			SAY("KVM: vCPU %d sleeps in WFI\n", v)
		fi;
		v = 0
	   }
#endif
#if EXITS
	/* Out of KVM_RUN, and in again: no switch, no event. */
	:: atomic {
		cur[p] != NONE && resident[cur[p]] && exits > 0 ->
		exits--;
		v = cur[p];
		resident[v] = false;
		where[v] = IN_VMM;
		SAY("KVM: vCPU %d leaves KVM_RUN\n", v);
		v = 0
	   }
	:: atomic {
		cur[p] != NONE && where[cur[p]] == IN_VMM && QUICK_ENTRY ->
		v = cur[p];
		where[v] = IN_GUEST;
		resident[v] = true;
		SAY("KVM: vCPU %d enters KVM_RUN\n", v);
		v = 0
	   }
	/* irqhop_watch_look(), by IPI */
	:: atomic {
		look[p] ->
		look[p] = false;
		if
		:: watching && cur[p] != NONE && where[cur[p]] != IN_VMM &&
		   running[p] != cur[p] ->
			v = cur[p];
			watch_in(p, v);
			v = 0
		:: else
		fi
	   };
	   do
	   :: work_out(p)
	   :: work_in(p)
	   :: atomic { NO_EVENT(p) -> break }
	   od
#endif
	/* A switch away from somebody. */
	:: atomic {
		cur[p] != NONE && (switches > 0 || asleep[cur[p]]) ->
		next_vcpu(p);
		if
		:: !asleep[v] -> switches--
		:: else
		fi;
		watch_switch(p, v, n);
		cur[p] = n;
		SAY("pCPU %d: from vCPU %d to vCPU %d\n", p, v, n);
#if EXITS
		/* In user space it may sleep, until the VMM wants it. */
		if
		:: where[v] == IN_VMM -> asleep[v] = true
		:: true
		fi;
#endif
		if
		:: n != NONE -> on_cpu[n] = true
		:: else
		fi
	   };
	   do_switch(p)
	/* Somebody comes to an idle pCPU. */
	:: atomic {
		cur[p] == NONE && ANY_FREE ->
		next_vcpu(p);
		watch_switch(p, v, n);
		cur[p] = n;
		SAY("pCPU %d: from idle to vCPU %d\n", p, n);
		on_cpu[n] = true
	   };
	   do_switch(p)
	od
}

/* -- the others -- */

proctype device()
{
	byte left = RAISES;

	do
	:: left == 0 -> break
	:: left > 0 ->
		atomic {
			left--;
			if
			:: !pend[0] -> due[0]++; arrive(0)
			:: pend[0] -> skip	/* merged */
#if NI == 2
			:: !pend[1] -> due[1]++; arrive(1)
#endif
			fi
		}
	od
}

#if EXITS
/* Once, the VMM wakes a vCPU's thread. */
proctype vmm()
{
	if
	:: atomic { where[0] == IN_VMM && asleep[0] -> asleep[0] = false }
	:: atomic { where[1] == IN_VMM && asleep[1] -> asleep[1] = false }
	:: true
	fi
}
#endif

#if MOVIS
/* update_affinity(): target_vcpu, then, under other locks, GET and MAP. */
proctype guest_movi()
{
	byte left = MOVIS, to;

	do
	:: left == 0 -> break
	:: left > 0 ->
		left--;
		if
		:: to = 0
		:: to = 1
		fi;
		home[0] = to;
		atomic { vmovi(0, to) };
		if
		:: in_wfi[to] && PENDING(to) && !resident[to] ->
			/* KVM does not wake it: that is not ours to judge. */
			pending_last[to] = true; asleep[to] = false
		:: else
		fi;
		atomic { commands++; to = 0 }
	od
}
#endif

#ifdef CLOSE
/* irqhop_vm_disable() */
proctype disable()
{
#ifndef NO_DRAIN
	/* vm_drain() */
	atomic { !vm_lock -> vm_lock = true };
	c_code {
		irqhop_engine_policy_set(&bridge.e, irqhop_policy_find("home"));
	};
	turn_run();
	unlock_vm();
	/* No time-out here, but that nothing else can happen: see races.md. */
	do
	:: c_expr { (!bridge.e.nr_away) } -> break
	:: timeout -> break
	od;
#endif
	atomic { !vm_lock -> vm_lock = true };
	closing = true;
	unlock_vm();
	/* irqhop_watch_stop(), irqhop_watch_vm_del() */
	watching = false;
	/* vm_home_all() */
#ifndef NO_HOME_ALL
	atomic { !vm_lock -> vm_lock = true };
	do
	:: look_at();
		if
		:: t_home == t_target -> break
		:: else ->
			t_to = t_home;
			move_to()
#ifdef NO_SECOND_LOOK
			; break
#endif
		fi
	od;
	unlock_vm();
#endif
	closed = true
}
#endif

#define OUT(v)	(state[v] == PREEMPTED || state[v] == USER)
#define TAKES(v)	(state[v] == RUNNING && resident[v] && LPIS(v))
#if NV == 2
#define ANYBODY	(TAKES(0) || TAKES(1))
#define ALL_USER	(state[0] == USER && state[1] == USER)
#else
#define ANYBODY	(TAKES(0) || TAKES(1) || TAKES(2))
#define ALL_USER	(state[0] == USER && state[1] == USER && \
			 state[2] == USER)
#endif

inline judge_irq(i)
{
	/* Nobody runs, its home waits for an interrupt: this one is to wake it. */
	if
	:: !closed && pend[i] && OUT(map[i]) && !hand[map[i]] && !ANYBODY &&
	   asleep[home[i]] && where[home[i]] == IN_BLOCK ->
		NEVER(asleep_for_good)
	:: else
	fi;
	if
	:: pend[i] && asleep[map[i]] && where[map[i]] == IN_BLOCK &&
	   !pending_last[map[i]] ->
		NEVER(asleep_for_good)
	:: else
	fi;
	if
	:: pend[i] && resident[map[i]] && LPIS(map[i]) -> NEVER(not_taken)
	:: else
	fi;
	if
	:: !closed && OUT(map[i]) && !hand[map[i]] && ANYBODY ->
		NEVER(stranded)
	:: else
	fi;
#ifdef SPARED
	if
	:: !closed && state[map[i]] == HALTED && !hand[map[i]] && ANYBODY ->
		NEVER(stranded)
	:: else
	fi;
#endif
	if
	:: !closed && ALL_USER && !hand[map[i]] && map[i] != home[i] ->
		NEVER(not_home)
	:: else
	fi;
#ifdef CLOSE
	if
	:: closed && map[i] != home[i] -> NEVER(not_home)
	:: else
	fi;
#endif
	if
	:: due[i] && !pend[i] && !again[i] -> NEVER(lost)
	:: else
	fi
}

/* When nothing moves any more, the worker has its turn; then it is judged. */
proctype judge()
{
	timeout ->
	atomic { !vm_lock -> vm_lock = true };
	if
	:: !closing ->
		atomic { sync(0) };
		atomic { sync(1) };
#if NV > 2
		atomic { sync(2) };
#endif
#if EXITS
		atomic { poke() };
#ifndef NO_STRANDED_LOOK
		c_code { irqhop_engine_stranded_mark(&bridge.e); };
#endif
#endif
#ifndef NO_SCAN
		scan();
#endif
		turn_run()
	:: else
	fi;
	unlock_vm();
	timeout ->
	atomic {
		judge_irq(0);
#if NI == 2
		judge_irq(1);
#endif
		if
		:: c_expr { (!bridge_sane()) } -> NEVER(mad)
		:: else
		fi
	}
}

init {
	byte i = 0;

	atomic {
		c_code {
			if (!bridge_init(NV, NI, NAME(POLICY), NAME(RULE),
					 NAME(WFI_RULE)))
				Uerror("the engine was not initialised");
		};
		do
		:: i < NP ->
			cur[i] = NONE;
			running[i] = NONE;
			user_task[i] = NONE;
			ev_out[i] = NONE;
			ev_in[i] = NONE;
			i++
		:: i == NP -> break
		od;
		/* Enabled while vCPUs 0 and 1 run, and the rest waits. */
		cur[0] = 0; running[0] = 0; on_cpu[0] = true;
		cur[1] = 1; running[1] = 1; on_cpu[1] = true;
		state[0] = RUNNING; state[1] = RUNNING;
		resident[0] = true; resident[1] = true;
#if NV > 2
		state[2] = PREEMPTED;
#endif
		i = 0;
		do
		:: i < NV -> sync(i); i++
		:: i == NV -> break
		od;
		c_code { irqhop_engine_irq_add(&bridge.e, 0, 0,
					       IRQHOP_PATH_DIRECT); };
#if NI == 2
		home[1] = 1; map[1] = 1;
		c_code { irqhop_engine_irq_add(&bridge.e, 1, 1,
					       IRQHOP_PATH_DIRECT); };
#endif
		i = 0;
		run pcpu(0);
		run pcpu(1);
		run device();
#if EXITS
		run vmm();
#endif
#if MOVIS
		run guest_movi();
#endif
#ifdef CLOSE
		run disable();
#endif
		run judge()
	}
}
