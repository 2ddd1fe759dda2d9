/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what ends, and who may still use it: struct irqhop_vm, KVM's VM, the
 * module's text. Against it two pCPUs, each with its probe, its irq_work and
 * its call to look which vCPU it runs.
 *
 * A pCPU is in one piece of code with interrupts off at a time; what comes by
 * IPI, and RCU's grace period, waits until it is through.
 *
 *	NO_GRACE	no synchronize_rcu() after the hash is cleared
 *	NO_FORGET	pCPUs are not told to forget the VM
 *	NO_REF		no reference to struct kvm
 *	EARLY_PUT	the reference is put before the VM is closed
 *	NO_WORK_SYNC	no irq_work_sync() at unload
 *	NO_LOOK_SYNC	calls that are under way are not waited for at unload
 */
bool use_after_free, kvm_after_free, text_after_free;
#define NEVER(what)	what = true; assert(!what)
#define SAY	printf

/* The probes are registered; our VM is on the list, its vCPUs in the hash. */
bool probe = true, listed = true, hashed = true;
byte readers;			/* RCU, with interrupts on */
bool vm_freed, module_gone, closing, vm_lock;
byte kvm_refs = 2;		/* the VMM's files, and ours */
bool kvm_freed;

/* Per pCPU. */
bool off[2];			/* interrupts: in code of ours */
bool running[2], event[2], queued[2], look[2], forget[2], nop[2];

inline text()
{
	if
	:: module_gone -> NEVER(text_after_free)
	:: else
	fi
}

inline touch_vm()
{
	if
	:: vm_freed -> NEVER(use_after_free)
	:: else
	fi
}

inline touch_kvm()
{
	if
	:: kvm_freed -> NEVER(kvm_after_free)
	:: else
	fi
}

proctype pcpu(byte p)
{
	byte switches = 2 - p, looks = 1;
	bool found;

end:
	do
	/* A switch: the probe, in three steps. */
	:: atomic { probe && switches > 0 -> switches--; off[p] = true };
		text();
		found = running[p] || hashed;
		if
		:: found ->
			text();
			touch_vm();	/* the state word */
			atomic { running[p] = true; event[p] = true;
				 queued[p] = true }
		:: else
		fi;
		atomic { found = false; off[p] = false }
	/* The irq_work. */
	:: atomic { queued[p] -> queued[p] = false; off[p] = true };
		text();
		if
		:: atomic { event[p] -> event[p] = false };
			touch_vm();
			atomic { !vm_lock -> vm_lock = true };
			touch_vm();
			if
			:: !closing ->
				touch_kvm();
				/* Too much for one turn: again. */
				if
				:: atomic { switches > 0 -> switches--;
					event[p] = true; queued[p] = true }
				:: skip
				fi
			:: else
			fi;
			touch_vm();
			vm_lock = false
		:: else
		fi;
		off[p] = false
	/* watch_look_csd(), called for by the worker or another pCPU */
	:: atomic { looks > 0 && !module_gone && hashed ->
		looks--; look[p] = true }
	:: atomic { look[p] && !nop[p] -> look[p] = false; off[p] = true };
		text();
		if
		:: hashed ->
			touch_vm();
			atomic { running[p] = true; event[p] = true;
				 queued[p] = true }
		:: else
		fi;
		off[p] = false
	/* watch_forget_ipi() */
	:: atomic { forget[p] ->
		forget[p] = false; running[p] = false; event[p] = false }
	/* A call that is waited for; asynchronous ones come after it, and
	 * all that with interrupts off.
	 */
	:: atomic { nop[p] ->
		nop[p] = false;
		off[p] = look[p];
		found = look[p];
		look[p] = false };
		if
		:: found -> text(); atomic { found = false; off[p] = false }
		:: else
		fi
	od
}

/* synchronize_rcu() and the like: each pCPU is seen with interrupts on. */
inline grace()
{
	!off[0];
	!off[1];
	readers == 0
}

/* The VMM ends: its files are closed. */
proctype vmm()
{
	atomic {
		kvm_refs--;
		kvm_freed = (kvm_refs == 0);
		SAY("VMM: its files are closed\n")
	}
}

/* watch_sched_exit(): goes through the list; interrupts are on. */
proctype exits()
{
	bool found;

	if
	:: atomic { probe -> readers++ };
		text();
		found = listed;
		if
		:: found -> touch_vm()
		:: else
		fi;
		text();
		readers--
	:: true
	fi
}

inline kvm_put()
{
#ifndef NO_REF
	atomic { kvm_refs--; kvm_freed = (kvm_refs == 0) }
#else
	skip
#endif
}

/* vm_close(), then the module's end */
proctype closer()
{
#ifdef EARLY_PUT
	kvm_put();
#endif
	atomic { !vm_lock -> vm_lock = true };
	atomic { closing = true; vm_lock = false };
	listed = false;
	/* irqhop_watch_stop(), if it was the last VM */
	if
	:: probe = false; grace()
	:: true
	fi;
	/* irqhop_watch_vm_del() */
	hashed = false;
#ifndef NO_GRACE
	grace();
#endif
#ifndef NO_FORGET
	forget[0] = true;
	forget[1] = true;
	!forget[0] && !off[0];
	!forget[1] && !off[1];
#endif
	/* vm_home_all() */
	touch_kvm();
	SAY("closer: struct irqhop_vm freed\n");
	vm_freed = true;
#ifndef EARLY_PUT
	kvm_put();
#endif
	/* The last VM is gone, then irqhop_watch_exit() */
	probe = false;
	grace();
#ifndef NO_LOOK_SYNC
	nop[0] = true;
	nop[1] = true;
	!nop[0];
	!nop[1];
	grace();
#endif
#ifndef NO_WORK_SYNC
	!queued[0] && !off[0];
	!queued[1] && !off[1];
#endif
	SAY("closer: the module is gone\n");
	module_gone = true
}

init {
	atomic {
#ifdef NO_REF
		kvm_refs = 1;
#endif
		run pcpu(0);
		run pcpu(1);
		run vmm();
		run exits();
		run closer()
	}
}
