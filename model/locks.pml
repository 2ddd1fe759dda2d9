/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: does anybody wait for good? Two pCPUs, each doing what it likes, one
 * thing after the other; on top of what has interrupts on comes the irq_work.
 * Only the order in which locks are taken is here, not what they protect.
 *
 *	HOOK_LOCKS	the probe takes the VM's lock, under the run-queue's
 *	WAKE_LOCKED	a vCPU is woken with its vPE irq's descriptor locked
 *	NO_IRQSAVE	process context takes the VM's lock with interrupts on
 */

bool irqhop_mutex, its_mutex;	/* sleeping locks */
bool vm_lock, irq_lock, desc, vlpi, vpe_desc, vpe_lock, its;
bool rq[2];			/* each pCPU's run queue */

bool irqs_off[2];
bool queued[2];			/* an irq_work */

#define TAKE(l)	atomic { !l -> l = true }
#define GIVE(l)	l = false

/* A move in the ITS driver, with the descriptor locked. */
inline its_move()
{
	TAKE(vlpi); TAKE(vpe_lock); TAKE(its);
	GIVE(its); GIVE(vpe_lock); GIVE(vlpi)
}

/* try_to_wake_up(): the run queue of either pCPU, whether it is free or not */
inline wake()
{
	if
	:: true -> TAKE(rq[0]); GIVE(rq[0])
	:: true -> TAKE(rq[1]); GIVE(rq[1])
	fi
}

/* Under the VM's lock: look, move, wake. */
inline turn()
{
	TAKE(irq_lock); GIVE(irq_lock);
	TAKE(desc); its_move(); GIVE(desc);
	if
	:: TAKE(vpe_desc);
#ifdef WAKE_LOCKED
		wake();
		GIVE(vpe_desc)
#else
		GIVE(vpe_desc);
		wake()
#endif
	:: skip
	fi
}

inline irq_work(p)
{
	TAKE(vm_lock); turn(); GIVE(vm_lock)
}

proctype pcpu(byte p)
{
	byte left = 3;

end:
	do
	:: atomic { queued[p] && !irqs_off[p] ->
		queued[p] = false; irqs_off[p] = true };
		irq_work(p);
		irqs_off[p] = false
	/* enable, disable, the worker */
	:: atomic { left > 0 -> left-- };
		TAKE(irqhop_mutex);
#ifndef NO_IRQSAVE
		irqs_off[p] = true;
#endif
		TAKE(vm_lock);
#ifdef NO_IRQSAVE
		/* The irq_work may come now, on this pCPU. */
		if
		:: atomic { queued[p] -> queued[p] = false };
			irqs_off[p] = true;
			irq_work(p)
		:: skip
		fi;
#endif
		turn();
		GIVE(vm_lock);
		irqs_off[p] = false;
		GIVE(irqhop_mutex)
	/* MOVI: target_vcpu, then GET, then MAP */
	:: atomic { left > 0 -> left-- };
		TAKE(its_mutex);
		atomic { !irq_lock -> irq_lock = true; irqs_off[p] = true };
		GIVE(irq_lock);
		irqs_off[p] = false;
		atomic { !desc -> desc = true; irqs_off[p] = true };
		its_move();
		GIVE(desc);
		irqs_off[p] = false;
		GIVE(its_mutex)
	/* kvm_vgic_v4_set_forwarding(): pending state, with irq_lock held */
	:: atomic { left > 0 -> left-- };
		TAKE(its_mutex);
		atomic { !irq_lock -> irq_lock = true; irqs_off[p] = true };
		TAKE(desc); TAKE(its); GIVE(its); GIVE(desc);
		GIVE(irq_lock);
		irqs_off[p] = false;
		GIVE(its_mutex)
	/* A switch: the probe, KVM's notifiers */
	:: atomic { left > 0 -> left--; irqs_off[p] = true };
		TAKE(rq[p]);
#ifdef HOOK_LOCKS
		TAKE(vm_lock); GIVE(vm_lock);
#endif
		queued[p] = true;
		/* sched-out: the vPE is made non-resident */
		TAKE(vpe_desc); GIVE(vpe_desc);
		GIVE(rq[p]);
		irqs_off[p] = false
	/* sched-in: irq_set_affinity() of the doorbell, VMOVP */
	:: atomic { left > 0 -> left--; irqs_off[p] = true };
		TAKE(vpe_desc); TAKE(vpe_lock); TAKE(its);
		GIVE(its); GIVE(vpe_lock); GIVE(vpe_desc);
		irqs_off[p] = false
	/* the doorbell's handler: hard interrupt */
	:: atomic { left > 0 && !irqs_off[p] -> left--; irqs_off[p] = true };
		TAKE(vpe_desc); GIVE(vpe_desc);
		TAKE(vpe_lock); GIVE(vpe_lock);
		wake();
		irqs_off[p] = false
	od
}

init {
	atomic { run pcpu(0); run pcpu(1) }
}
