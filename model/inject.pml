/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: an injected LPI is hopped and sent home, by KVM's own record of it.
 * KVM's side is step by step: vgic_queue_irq_unlock(), vgic_flush_lr_state(),
 * vgic_v3_fold_lr_state(), vgic_prune_ap_list(), update_affinity(),
 * vgic_its_invall(), vgic_v3_save_pending_tables(), kvm_vcpu_kick(),
 * kvm_vcpu_block() and the loop of kvm_arch_vcpu_ioctl_run().
 *
 * Where it is hopped to, and when, is anyone's choice, unless RULED: so
 * whatever the engine may decide is among what is tried.
 *
 * What is done with irq_lock or an ap_list_lock held is one step, unless FINE.
 * irq_lock is a variable only for the one who would hold it while he waits for
 * another lock.
 *
 *	NV		vCPUs
 *	RAISES HOPS	what the device and irqhop do
 *	OUTS WFIS	what the vCPUs may do: get preempted, halt
 *	MOVIS INVALLS	the guest's commands: move the LPI; enable it, which it
 *			is not until then
 *	COMMANDS	likewise, for another LPI
 *	OTHERS		entries with another interrupt in a list register
 *	STOP		all vCPUs leave, tables are saved, they return
 *	CLOSE		the VM gets disabled at some moment
 *	FINE		each ap_list_lock is taken in a step of its own
 *	RULED		hops only from a vCPU that is out and in no handler, to
 *			one that is not out
 *	GUEST_OLD	the guest drops what arrives while its handler is in
 *			progress elsewhere (Linux before 6.6)
 *	LR_NO_ACTIVE	an LPI in a list register has no active state
 *	TICKS		a vCPU leaves the guest by itself, at long last
 *	OTHER_MOVES	KVM migrates the other interrupt
 *	NO_<mechanism> and others	it is taken out: see where
 */
#ifndef NV
#define NV	2
#endif
#ifndef RAISES
#define RAISES	2
#endif
#ifndef HOPS
#define HOPS	2
#endif
#ifndef OUTS
#define OUTS	0
#endif
#ifndef WFIS
#define WFIS	0
#endif
#ifndef MOVIS
#define MOVIS	0
#endif
#ifndef INVALLS
#define INVALLS	0
#endif
#ifndef COMMANDS
#define COMMANDS	0
#endif
#ifndef OTHERS
#define OTHERS	0
#endif

#define NONE	15

/* What must never be. */
bool lost, late, doubled, two_lrs, bug_on, list_corrupt, home_lost, not_home,
	not_enabled, deadlock;
#define NEVER(what)	what = true; assert(!what)

/* For the replay of a trail; the search does not print. */
#define SAY	printf

/* struct vgic_irq */
byte target, irq_vcpu = NONE;
bool pend, is_active, is_enabled = (INVALLS == 0);
bool irq_lock;

/* Each vCPU's ap_list: is the LPI on it? Its lock: whose? */
bool listed[NV];
byte ap_lock[NV];

/* List registers. */
bool used_lrs[NV], in_lr[NV], lr_pend[NV], lr_active[NV], other[NV];

/* struct kvm_vcpu, and the thread */
#define OUTSIDE	0
#define IN	1
#define EXITING	2
byte mode[NV];
bool irqs_off[NV], ipi[NV], request[NV], asleep[NV];
bool gone[NV];			/* in user space */

/* The guest. */
bool in_isr[NV];
byte movis = MOVIS, invalls = INVALLS, commands = COMMANDS;
bool its_lock;

/* What the guest wants. */
byte want_home;
bool want_enabled = (INVALLS == 0);

/* Raised, and no handler was started since; how often of each. */
bool owed;
byte raised, handled;

/* irqhop. What the holder of the lock has in hand is global. */
bool vm_lock, closed;
byte home, wrote;		/* the shadow, and what we wrote last */
bool same_exits[NV];		/* since it gave a command */
bool out[NV];			/* as its state word says */
bool out_user[NV];		/* likewise, in user space */
byte m_cur, m_to, m_told = NONE;
bool m_ok, m_hop;

byte outs = OUTS, wfis = WFIS, others = OTHERS;
bool stop;

/* -- locks -- */

#define ME		(_pid + 1)
#ifdef FINE
#define AP_LOCK(v)	atomic { ap_lock[v] == 0 -> ap_lock[v] = ME };
#define AP_LOCK_BOTH(a, b)	\
	if \
	:: a < b -> AP_LOCK(a) AP_LOCK(b) \
	:: a > b -> AP_LOCK(b) AP_LOCK(a) \
	fi;
#define HOLDS(v)	(ap_lock[v] == ME)
#else
#define AP_LOCK(v)
#define AP_LOCK_BOTH(a, b)
#define HOLDS(v)	true
#endif
#define AP_UNLOCK(v)	ap_lock[v] = 0

/* -- lists: with the lock held, and only from where it is -- */

inline list_del(v)
{
	if
	:: !listed[v] || !HOLDS(v) -> NEVER(list_corrupt)
	:: else
	fi;
	listed[v] = false
}

inline list_add(v)
{
	if
	:: listed[v] || !HOLDS(v) -> NEVER(list_corrupt)
	:: else
	fi;
	listed[v] = true
}

/* -- KVM -- */

/* vgic_target_oracle() */
#define ORACLE	(is_active -> (irq_vcpu != NONE -> irq_vcpu : target) : \
			   (is_enabled && pend -> target : NONE))

/* kvm_make_request(), kvm_vcpu_kick() */
inline kvm_kick(v)
{
	atomic {
		request[v] = true;
		asleep[v] = false;
		if
		:: mode[v] == IN -> mode[v] = EXITING; ipi[v] = true
		:: else
		fi
	}
}

/*
 * vgic_queue_irq_unlock(), after the first look at the oracle (to) and at
 * irq->vcpu (on: it is on a list), both in one step with what went before.
 */
inline queue_irq()
{
	do
	:: on || to == NONE ->
		if
		:: to != NONE -> kvm_kick(to)
		:: else
		fi;
		break
	:: else ->
		AP_LOCK(to)
		atomic { !irq_lock ->
			if
			:: irq_vcpu != NONE || to != ORACLE -> on = true
			:: else ->
				list_add(to);
				irq_vcpu = to;
				SAY("KVM: queued at vCPU %d\n", to)
			fi;
			AP_UNLOCK(to)
		};
		if
		:: !on -> kvm_kick(to); break
		:: atomic { on && !irq_lock ->
			to = ORACLE; on = irq_vcpu != NONE }
		fi
	od;
	atomic { to = 0; on = false }
}

/* In the list registers of any vCPU (not this one, being about to enter)? */
#define LIVE(v)		(lr_pend[v] || lr_active[v])
#if NV == 2
#define ELSEWHERE	(LIVE(0) || LIVE(1))
#else
#define ELSEWHERE	(LIVE(0) || LIVE(1) || LIVE(2))
#endif

/* vgic_flush_lr_state() */
inline flush(v)
{
#if OTHERS > 0
	if
	:: atomic { others > 0 -> others--; other[v] = true }
	:: true
	fi;
#endif
	if
	:: listed[v] || other[v] ->
		AP_LOCK(v)
		atomic { !irq_lock ->
			if
			:: listed[v] && ORACLE == v ->
				if
				:: ELSEWHERE -> NEVER(two_lrs)
				:: else
				fi;
				in_lr[v] = true;
				lr_pend[v] = pend;
				lr_active[v] = is_active;
				pend = false;
				SAY("vCPU %d: in a list register\n", v)
			:: else
			fi;
			used_lrs[v] = in_lr[v] || other[v];
			AP_UNLOCK(v)
		}
	:: else
	fi
}

/* kvm_vgic_sync_hwstate() */
inline sync(v)
{
	if
	:: listed[v] || other[v] ->
		if
		:: used_lrs[v] ->
			atomic { !irq_lock ->
				if
				:: in_lr[v] ->
					is_active = lr_active[v];
					pend = pend || lr_pend[v];
					in_lr[v] = false;
					lr_pend[v] = false;
					lr_active[v] = false;
					SAY("vCPU %d: folded\n", v)
				:: else
				fi
			};
			used_lrs[v] = false
		:: else
		fi;
		prune(v)
	:: else
	fi
}

/* vgic_prune_ap_list(); the other interrupt has been handled. */
inline prune(v)
{
	do
	:: AP_LOCK(v)
		atomic { !irq_lock ->
			other[v] = false;
			to = v;
			if
			:: listed[v] ->
				if
				:: irq_vcpu != v -> NEVER(bug_on)
				:: else
				fi;
				to = ORACLE;
				if
				:: to == NONE ->
					list_del(v);
					irq_vcpu = NONE;
					to = v
				:: else
				fi
			:: else
			fi;
			AP_UNLOCK(v)
		};
		if
		:: to == v -> break
		:: else
		fi;
		AP_LOCK_BOTH(v, to)
		atomic { !irq_lock ->
			if
			:: irq_vcpu == v && to == ORACLE ->
				list_del(v);
				irq_vcpu = to;
				list_add(to);
				on = true;
				SAY("KVM: from vCPU %d to %d\n", v, to)
			:: else
			fi;
			AP_UNLOCK(v);
			AP_UNLOCK(to)
		};
		if
		:: on -> kvm_kick(to); on = false
		:: else
		fi
	od;
	to = 0;
#ifdef OTHER_MOVES
	if
	:: v != NV - 1 - v ->
		AP_LOCK_BOTH(v, NV - 1 - v)
		atomic { AP_UNLOCK(v); AP_UNLOCK(NV - 1 - v) }
	:: true
	fi
#endif
}

/* -- irqhop, each with the VM's lock held -- */

/* Is any vCPU at a command? */
#ifdef NO_BAR
#define AT_COMMAND	false
#elif NV == 2
#define AT_COMMAND	(BARS(0) || BARS(1))
#else
#define AT_COMMAND	(BARS(0) || BARS(1) || BARS(2))
#endif
#define BARS(v)		(same_exits[v] && mode[v] != IN)

#ifdef TICKS
byte ticks = TICKS;
#define TICK(v)		(ticks > 0 && mode[v] != OUTSIDE && listed[v])
#else
#define TICK(v)		false
#endif

#if NV == 2
#define QUIET		(out_user[0] && out_user[1])
#define ALL_GONE	(gone[0] && gone[1])
#define IN_PROGRESS	(in_isr[0] || in_isr[1])
#define TICK_LEFT	(TICK(0) || TICK(1))
#define LOCKED		(ap_lock[0] || ap_lock[1] || irq_lock || vm_lock)
#else
#define QUIET		(out_user[0] && out_user[1] && out_user[2])
#define ALL_GONE	(gone[0] && gone[1] && gone[2])
#define IN_PROGRESS	(in_isr[0] || in_isr[1] || in_isr[2])
#define TICK_LEFT	(TICK(0) || TICK(1) || TICK(2))
#define LOCKED		(ap_lock[0] || ap_lock[1] || ap_lock[2] || \
			 irq_lock || vm_lock)
#endif

/* Not relocated: what the LRs of that vCPU may hold. Not hopped: */
#ifdef NO_LR_CHECK
#define IN_LRS		false
#else
#define IN_LRS		used_lrs[m_cur]
#endif
#ifdef MOVE_ACTIVE
#define IS_ACTIVE	false
#else
#define IS_ACTIVE	is_active
#endif
#ifdef NO_RECHECK
#define SAME_QUEUE	true
#else
#define SAME_QUEUE	(irq_vcpu == m_cur)
#endif

/* What we did not write is the guest's. */
inline lock_and_look()
{
	atomic { !vm_lock && !irq_lock ->
		vm_lock = true;
		if
		:: target != wrote -> home = target; wrote = target
		:: else
		fi
	}
}

/* The vCPU is to look at its ap_list, wherever it is. */
inline tell(v)
{
	atomic {
		request[v] = true;
		asleep[v] = false;
		ipi[v] = ipi[v] || irqs_off[v]
	}
}

/* irqhop_injected_move(): from where it was found (wrote) to m_to */
inline move()
{
	do
	:: atomic { !irq_lock ->
			m_cur = irq_vcpu;
			if
			:: m_cur == NONE ->
				m_ok = true;
				if
				:: target == wrote ->
					target = m_to; wrote = m_to;
					SAY("irqhop: to vCPU %d\n", m_to)
				:: else
				fi
			:: else
			fi;
#ifdef IRQ_LOCK_FIRST
			irq_lock = !m_ok
#endif
		};
		if
		:: m_ok -> break
		:: else
		fi;
#ifdef WRONG_ORDER
		AP_LOCK(m_cur)
		if
		:: m_cur != m_to -> AP_LOCK(m_to) true
		:: else
		fi;
#elif defined(LOCK_TWICE)
		AP_LOCK(m_cur)
		AP_LOCK(m_to)
#elif defined(FINE)
		if
		:: m_cur == m_to -> AP_LOCK(m_cur) true
		:: else -> AP_LOCK_BOTH(m_cur, m_to) true
		fi;
#endif
		atomic {
#ifdef IRQ_LOCK_FIRST
			irq_lock = false;
#else
			!irq_lock;
#endif
			m_ok = SAME_QUEUE;
			if
			:: m_ok && target == wrote && !(m_hop && IS_ACTIVE) ->
				target = m_to; wrote = m_to;
				if
				:: m_cur == m_to || IS_ACTIVE || IN_LRS ->
					m_told = m_cur;
					SAY("irqhop: to vCPU %d, still at %d\n",
					    m_to, m_cur)
				:: else ->
					list_del(m_cur);
					list_add(m_to);
					irq_vcpu = m_to;
					m_told = m_to;
					SAY("irqhop: to vCPU %d, from %d\n",
					    m_to, m_cur)
				fi
			:: else
			fi;
			AP_UNLOCK(m_cur);
			AP_UNLOCK(m_to)
		};
		if
		:: m_ok -> break
		:: else
		fi
	od;
	if
	:: m_told == NONE
#ifdef NO_KICK_NEW
	:: m_told == m_to && m_cur != m_to
#endif
#ifdef NO_KICK_OLD
	:: m_told == m_cur
#endif
	:: else -> tell(m_told)
	fi;
	atomic { m_cur = 0; m_to = 0; m_ok = false; m_told = NONE }
}

/* Back to where the guest wants it, if it is away. */
inline send_home()
{
	if
	:: wrote != home -> m_to = home; move()
	:: else
	fi
}

/* -- the vCPUs -- */

/* On the vCPU's own thread, before KVM carries the command out */
inline hook(v)
{
	lock_and_look();
	same_exits[v] = true;
	send_home();
	vm_lock = false
}

/*
 * On its own thread, before KVM_RUN returns. (NO_PAUSE: by the irq_work, when
 * the thread sleeps.)
 */
inline leave(v)
{
	lock_and_look();
	out[v] = true;
	out_user[v] = true;
	if
#ifdef KEEP_IN_HANDLER
	:: QUIET && !in_isr[wrote] -> send_home()
#else
	:: QUIET -> send_home()
#endif
	:: else
	fi;
	vm_lock = false
}

inline switch_in(v)
{
	atomic { !vm_lock -> out[v] = false; out_user[v] = false }
}

/* The guest reads IAR. Later guests handle it where it is in progress. */
inline acknowledge(v)
{
	lr_pend[v] = false;
	owed = false;
	handled++;
	SAY("guest: taken by vCPU %d\n", v);
	if
	:: handled > raised -> NEVER(doubled)
	:: else
	fi;
	if
	:: !IN_PROGRESS ->
		in_isr[v] = true;
#ifndef LR_NO_ACTIVE
		lr_active[v] = true
#endif
	:: else ->
#ifdef GUEST_OLD
		NEVER(lost)
#else
		skip
#endif
	fi
}

#define ENTER		0	/* why it left the guest: to look at things */
#define GIVE_WAY	1
#define HALT		2
#define LEAVE		3
#define MOVI		4
#define INVALL		5
#define OTHER		6
#define IS_COMMAND	(why >= MOVI)

#define left(reason)	why = reason; same_exits[v] = false; break

proctype vcpu(byte v)
{
	byte to, why;
	bool on;

	do
	:: atomic { request[v] = false; irqs_off[v] = true };
		flush(v);
		if
		:: atomic { request[v] -> skip }
		:: atomic { !request[v] -> mode[v] = IN };
end_guest:		do
			:: atomic { lr_pend[v] && !lr_active[v] && !in_isr[v] ->
				acknowledge(v) }
			:: atomic { in_isr[v] ->
				in_isr[v] = false;
				lr_active[v] = false;
				SAY("guest: it is through\n") }
			:: atomic { ipi[v] || stop -> left(ENTER) }
			:: atomic { outs > 0 -> outs--; left(GIVE_WAY) }
			:: atomic { wfis > 0 && !in_isr[v] && !lr_pend[v] ->
				wfis--; left(HALT) }
			:: atomic { movis > 0 -> movis--; left(MOVI) }
			:: atomic { invalls > 0 -> invalls--; left(INVALL) }
			:: atomic { commands > 0 -> commands--; left(OTHER) }
#ifdef TICKS
			:: atomic { timeout && TICK(v) -> ticks--;
				left(ENTER) }
#endif
			od
		fi;
		sync(v);
		atomic {
			mode[v] = OUTSIDE; irqs_off[v] = false; ipi[v] = false;
			if
			:: stop && !IS_COMMAND -> why = LEAVE
			:: else
			fi
		};
		if
		:: why == GIVE_WAY ->
			/* Until its irq_work is through */
			atomic { !vm_lock -> out[v] = true };
			switch_in(v)
		:: why == HALT ->
			do
			:: asleep[v] = true;
				AP_LOCK(v)
				atomic { !irq_lock ->
					on = (listed[v] && pend && is_enabled &&
					      !is_active);
					AP_UNLOCK(v)
				};
				if
				:: on -> break
				:: else
				fi;
				SAY("vCPU %d: asleep\n", v);
end_halted:			!asleep[v] || stop;
				if
				:: stop -> break
				:: else
				fi
			od;
			asleep[v] = false
		:: IS_COMMAND ->
#ifndef NO_HOOK
			hook(v);
#endif
			atomic { !its_lock -> its_lock = true };
			if
			:: why == MOVI ->
				atomic { !irq_lock ->
					if
					:: target = 0
					:: target = NV - 1
					fi;
					want_home = target;
					SAY("guest: MOVI to vCPU %d\n", target)
				}
			:: why == INVALL ->
				/* The table says so by now. */
				atomic { !irq_lock ->
					want_enabled = true;
					SAY("guest: INVALL of vCPU %d\n",
					    want_home);
					if
					:: target == want_home ->
						is_enabled = true;
						to = ORACLE;
						on = irq_vcpu != NONE
					:: else
					fi
				};
				if
				:: is_enabled -> queue_irq()
				:: else
				fi
			:: else
			fi;
			its_lock = false
		:: why == LEAVE ->
#ifdef NO_PAUSE
			gone[v] = true;
#endif
			leave(v);
			gone[v] = true;
end_user:		!stop;
			gone[v] = false;
			switch_in(v)
		:: else
		fi;
		atomic { why = ENTER; on = false }
	od
}

/* irqfd: again and again */
proctype device()
{
	byte to;
	bool on;

	do
	:: atomic { raised < RAISES && !irq_lock ->
		raised++;
		owed = true;
		pend = true;
		SAY("device: raises\n");
		to = ORACLE;
		on = irq_vcpu != NONE };
		queue_irq()
	:: raised == RAISES -> break
	od
}

/* A turn that hops it. */
#ifdef RULED
#define MAY_HOP		(out[wrote] && !in_isr[wrote] && !out[m_to])
#else
#define MAY_HOP		true
#endif

proctype turns()
{
	byte left = HOPS;

	do
	:: left > 0 ->
		left--;
		lock_and_look();
		if
		:: m_to = 0
#if NV == 3
		:: m_to = 1
#endif
		:: m_to = NV - 1
		fi;
		if
		:: !AT_COMMAND && !QUIET && !closed && wrote != m_to &&
		   MAY_HOP ->
			m_hop = true;
			move();
			m_hop = false
		:: else -> m_to = 0
		fi;
		vm_lock = false
	:: left == 0 -> break
	od
}

/* The VM is disabled. */
proctype disable()
{
	lock_and_look();
	closed = true;
#ifndef NO_CLOSE
	send_home();
#endif
	vm_lock = false
}

/* The VMM stops its vCPUs, saves the tables, and lets them run again. */
proctype vmm()
{
	stop = true;
	ALL_GONE;
	/* vgic_v3_save_pending_tables() goes by target_vcpu. */
	atomic {
		SAY("VMM: saves\n");
		if
		:: target != want_home -> NEVER(not_home)
		:: else
		fi;
		stop = false
	}
}

proctype judge()
{
	timeout && !TICK_LEFT ->
	if
	:: LOCKED -> NEVER(deadlock)
	:: owed && want_enabled && !is_enabled -> NEVER(not_enabled)
	:: owed && want_enabled && is_enabled ->
		if
		:: pend || ELSEWHERE -> NEVER(late)
		:: else -> NEVER(lost)
		fi
	:: else
	fi;
	lock_and_look();
	if
	:: home != want_home -> NEVER(home_lost)
	:: closed && target != want_home -> NEVER(not_home)
	:: else
	fi
}

init {
	atomic {
		run vcpu(0);
		run vcpu(1);
#if NV == 3
		run vcpu(2);
#endif
		run device();
		run turns();
#ifdef CLOSE
		run disable();
#endif
#ifdef STOP
		run vmm();
#endif
		run judge()
	}
}
