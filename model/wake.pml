/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: an interrupt is moved to a vCPU that goes to sleep in WFI. The steps
 * are those of kvm_vcpu_wfi(), its_make_vpe_non_resident(), kvm_vcpu_block(),
 * vgic_v4_doorbell_handler() and, on our side, irqhop_arch_irq_move() and
 * arch_vcpu_wake().
 *
 * For ever, not a bounded number of times: what is pending gets handled, if
 * nobody stops for good (weak fairness).
 *
 *	NO_WAKE		the vCPU is not told
 *	EARLY_READ	IN_WFI is read before the VMOVI
 *	NO_DESC_LOCK	pending_last is set with no lock
 *	UNBLOCK		KVM_REQ_UNBLOCK is used in place of pending_last
 */
bool stuck;
#define NEVER(what)	what = true; assert(!what)
#define SAY	printf

bool pend;			/* at this vPE */
bool resident = true, in_wfi, pending_last, asleep;
bool doorbell;			/* enabled */
bool unblock;			/* KVM_REQ_UNBLOCK */
bool desc_lock;			/* of the vPE's irq */

#define LOCK	atomic { !desc_lock -> desc_lock = true }
#define UNLOCK	desc_lock = false

active proctype vcpu()
{
	bool last;

	do
	:: atomic { resident && pend ->
		SAY("guest: handles it\n"); pend = false }
	:: resident && !pend ->
		SAY("guest: WFI\n");
		in_wfi = true;
		/* "Undo the nested disable_irq() calls" */
		LOCK; doorbell = true; UNLOCK;
		/* its_vpe_deschedule(), with the descriptor locked */
		LOCK;
		atomic { resident = false; last = pend };
		pending_last = last;
		UNLOCK;
		do
		:: asleep = true;
			if
			:: pending_last -> break
			:: else
			fi;
			/* kvm_check_request() takes it back, here alone. */
			if
			:: atomic { unblock -> unblock = false }; break
			:: else
			fi;
			SAY("KVM: asleep\n");
			!asleep
		od;
		asleep = false;
		in_wfi = false;
		LOCK; doorbell = false; UNLOCK;
		resident = true;
		SAY("KVM: awake\n");
		/* With a request pending KVM does not enter the guest. */
		if
		:: unblock -> NEVER(stuck)
		:: else
		fi
	od
}

/* The interrupt that is to be moved here, and pending there: a VMOVI. */
active proctype mover()
{
	bool wfi;

	do
	:: !pend ->
#ifdef EARLY_READ
		wfi = in_wfi;
		atomic { pend = true; SAY("turn: moves it here\n") };
#else
		atomic { pend = true; SAY("turn: moves it here\n") };
		wfi = in_wfi;
#endif
#ifndef NO_WAKE
		if
		:: wfi ->
			SAY("turn: wakes\n");
#ifdef UNBLOCK
			unblock = true;
#elif defined(NO_DESC_LOCK)
			pending_last = true;
#else
			LOCK; pending_last = true; UNLOCK;
#endif
			asleep = false
		:: else
		fi;
#endif
		wfi = false
	od
}

/* What the device raises rings the doorbell, if there is one. */
active proctype device()
{
	do
	:: atomic { !pend -> pend = true; SAY("device: raises\n") };
		if
		:: atomic { !resident && doorbell && !desc_lock ->
			doorbell = false };
			pending_last = true;
			asleep = false
		:: resident
		:: !resident && !doorbell
		fi
	od
}

ltl handled { always (pend implies eventually !pend) }
