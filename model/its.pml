/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: a move against everything that makes and unmakes the mapping it
 * changes: the guest's ITS commands, VFIO setting and unsetting forwarding,
 * free_irq(), the freeing of the irq domain's levels, and the same Linux irq
 * number in other hands.
 *
 * Which vCPU the interrupt is to go to is anyone: so whatever the engine may
 * decide is among what is tried.
 *
 *	SPLIT		GET and MAP each take the descriptor's lock
 *	NO_VM NO_INTID NO_ACTION	a check of vlpi_lock() is missing
 *	NO_RCU		the LPI and the descriptor are used without RCU
 */
#define NONE	15
#define H	0	/* the host irq: a number, descriptors come and go */

/* What must never be. */
bool use_after_free, mapped_after_unset, foreign, lost, doubled;
#define NEVER(what)	what = true; assert(!what)
#define SAY	printf

/* The descriptor that the number names, and two descriptors in turn. */
byte tree;
bool d_lock[2], d_action[2] = true, d_levels[2] = true, d_forwarded[2];
bool d_freed[2];

/* The ITS driver's record, and with it the hardware's. */
byte map_vm[2], map_vpe[2], map_intid[2];

/* KVM's LPIs 0 and 1 of our VM; the event of the device translates to ite. */
bool in_xa[2], irq_hw[2], irq_freed[2];
byte irq_target[2];
byte ite;
bool its_lock, routing_changed, stop_guest;

/* Pending at the vPE that map_vpe names; raised, and handled. */
bool pend;
byte due;

byte readers;			/* RCU */

/* The checks of vlpi_lock() */
#ifdef NO_ACTION
#define HAS_ACTION(d)	true
#else
#define HAS_ACTION(d)	d_action[d]
#endif
#ifdef NO_VM
#define IS_OURS(d)	true
#else
#define IS_OURS(d)	(map_vm[d] == 0)
#endif
#ifdef NO_INTID
#define IS_LPI(d, i)	true
#else
#define IS_LPI(d, i)	(map_intid[d] == i)
#endif

#define LOCK_DESC(d)	atomic { !d_lock[d] -> d_lock[d] = true }
#define UNLOCK_DESC(d)	d_lock[d] = false
#define LOCK_ITS	atomic { !its_lock -> its_lock = true }
#define UNLOCK_ITS	its_lock = false
#define RCU_LOCK	readers++
#define RCU_UNLOCK	readers--

inline touch_levels(d)
{
	if
	:: !d_levels[d] -> NEVER(use_after_free)
	:: else
	fi
}

inline touch_desc(d)
{
	if
	:: d_freed[d] -> NEVER(use_after_free)
	:: else
	fi
}

/* its_unmap_vlpi() by number: the pending state goes with the DISCARD. */
inline unmap()
{
	if
	:: tree != NONE ->
		LOCK_DESC(tree);
		atomic {
			if
			:: d_forwarded[tree] ->
				d_forwarded[tree] = false;
				pend = false;
				due = 0;
				SAY("KVM: unmapped\n")
			:: else
			fi
		};
		UNLOCK_DESC(tree)
	:: else
	fi
}

/* its_map_vlpi() by number, for LPI i */
inline map_it(i)
{
	LOCK_DESC(tree);
	atomic {
		d_forwarded[tree] = true;
		map_vm[tree] = 0;
		map_vpe[tree] = irq_target[i];
		map_intid[tree] = i;
		SAY("KVM: LPI %d mapped\n", i)
	};
	UNLOCK_DESC(tree)
}

/* vlpi_lock(): ends with the lock held if ok. */
inline vlpi_lock()
{
	ok = false;
	d = tree;
	if
	:: d != NONE ->
		touch_desc(d);
		LOCK_DESC(d);
		touch_desc(d);
		atomic {
			if
			:: d_forwarded[d] && HAS_ACTION(d) ->
				touch_levels(d);
				ok = IS_OURS(d) && IS_LPI(d, i)
			:: else
			fi
		};
		if
		:: !ok -> UNLOCK_DESC(d)
		:: else
		fi
	:: else
	fi
}

/* irqhop: looks and moves, as often as it likes. */
proctype mover()
{
	byte i, d, to, n = 3;
	bool ok, hw;

end:
	do
	:: n > 0 ->
		n--;
		if
		:: i = 0
		:: i = 1
		fi;
		/* irqhop_arch_irq_look() */
#ifndef NO_RCU
		RCU_LOCK;
#endif
		ok = in_xa[i];
		if
		:: ok ->
			if
			:: irq_freed[i] -> NEVER(use_after_free)
			:: else
			fi;
			hw = irq_hw[i]
		:: else -> hw = false
		fi;
#ifndef NO_RCU
		RCU_UNLOCK;
#endif
		ok = false;
		/* irqhop_arch_irq_move() */
		if
		:: hw ->
#ifndef NO_RCU
			RCU_LOCK;
#endif
			vlpi_lock();
			if
			:: ok ->
				if
				:: to = 0
				:: to = 1
				fi;
#ifdef SPLIT
				UNLOCK_DESC(d);
				touch_desc(d);
				LOCK_DESC(d);
				touch_desc(d);
#endif
				atomic {
					touch_levels(d);
					SAY("irqhop: LPI %d to vCPU %d\n", i, to);
					if
					:: !d_forwarded[d] ->
						NEVER(mapped_after_unset)
					:: map_vm[d] != 0 ||
					   map_intid[d] != i ->
						NEVER(foreign)
					:: else
					fi;
					map_vpe[d] = to
				};
				UNLOCK_DESC(d)
			:: else
			fi;
#ifndef NO_RCU
			RCU_UNLOCK
#endif
		:: else
		fi;
		hw = false; ok = false; d = 0; to = 0; i = 0
	:: n == 0 -> break
	od
}

/* The guest's ITS commands, each under its_lock. */
proctype guest()
{
	byte n = 3, v;

	do
	:: n == 0 || stop_guest -> break
	:: atomic { n > 0 && !stop_guest && !its_lock ->
		its_lock = true; n-- };
		if
		/* MOVI, MOVALL: target_vcpu; then GET; then MAP */
		:: ite != NONE ->
			if
			:: v = 0
			:: v = 1
			fi;
			irq_target[ite] = v;
			if
			:: irq_hw[ite] ->
				LOCK_DESC(tree); UNLOCK_DESC(tree);
				LOCK_DESC(tree);
				atomic {
					if
					:: d_forwarded[tree] ->
						map_vpe[tree] = v
					:: else
					fi
				};
				UNLOCK_DESC(tree)
			:: else
			fi;
			v = 0
		/* INT */
		:: ite != NONE && irq_hw[ite] ->
			LOCK_DESC(tree);
			atomic {
				if
				:: d_forwarded[tree] && !pend ->
					pend = true; due++
				:: else
				fi
			};
			UNLOCK_DESC(tree)
		/* CLEAR */
		:: ite != NONE && irq_hw[ite] ->
			LOCK_DESC(tree);
			atomic { pend = false; due = 0 };
			UNLOCK_DESC(tree)
		/* DISCARD: hw stays set; the LPI may be mapped elsewhere too. */
		:: ite != NONE ->
			if
			:: irq_hw[ite] -> unmap()
			:: else
			fi;
			if
			:: in_xa[ite] = false
			:: skip
			fi;
			ite = NONE
		/* MAPTI, to another LPI */
		:: ite == NONE && !in_xa[1] ->
			atomic {
				ite = 1; in_xa[1] = true;
				irq_hw[1] = false; irq_target[1] = 1
			}
		fi;
		UNLOCK_ITS
	od
}

/* What is not in the xarray any more is freed when no reader is left. */
proctype kfree_rcu()
{
end:
	do
	:: atomic { !in_xa[0] && !irq_freed[0] && readers == 0 ->
		irq_freed[0] = true }
	od
}

/* The VMM and VFIO. */
proctype vfio()
{
	/* Forwarding is set anew, if the event goes to another LPI now. */
	if
	:: LOCK_ITS;
		if
		:: ite != NONE && !irq_hw[ite] ->
			map_it(ite);
			irq_hw[ite] = true
		:: else
		fi;
		UNLOCK_ITS
	:: skip
	fi;
	if
	:: routing_changed = true
	:: skip
	fi;
	/* kvm_vgic_v4_unset_forwarding(): goes by the routing */
	LOCK_ITS;
	stop_guest = true;
	if
	:: !routing_changed && ite != NONE && irq_hw[ite] ->
		irq_hw[ite] = false;
		unmap()
	:: else
	fi;
	UNLOCK_ITS;
	/* free_irq() */
	LOCK_DESC(0);
	d_action[0] = false;
	UNLOCK_DESC(0);
	/* irq_domain_free_irqs(): the levels at once, the descriptor by RCU */
	d_levels[0] = false;
	tree = NONE;
	readers == 0 -> d_freed[0] = true;
	/* The number in another VM's hands, with an LPI of the same number. */
	atomic {
		d_forwarded[1] = true; map_vm[1] = 1; map_intid[1] = 0;
		tree = 1
	}
}

/* Hardware: what is due is pending somewhere. */
proctype device()
{
	byte n = 2;

	do
	:: n == 0 -> break
	:: n > 0 -> n--;
		atomic {
			if
			:: tree == 0 && d_forwarded[0] && !pend ->
				pend = true; due++
			:: else
			fi
		}
	:: atomic { pend ->
		pend = false;
		if
		:: due == 0 -> NEVER(doubled)
		:: else -> due--
		fi }
	od
}

proctype judge()
{
	timeout ->
	if
	:: due && !pend -> NEVER(lost)
	:: else
	fi
}

init {
	atomic {
		in_xa[0] = true; irq_hw[0] = true; d_forwarded[0] = true;
		run mover();
		run guest();
		run kfree_rcu();
		run vfio();
		run device();
		run judge()
	}
}
