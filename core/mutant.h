/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: mutants. A mutant is a build that lacks one mechanism or check;
 * `make test-mutants` shows for each which test notices. What they are, and
 * who is to notice, stands in test/mutants.py.
 *
 * -DIRQHOP_MUTANT=IRQHOP_M_<NAME> makes one. In any other build each
 * irqhop_mutant() is a constant false, and nothing of it is left.
 */
#ifndef _IRQHOP_CORE_MUTANT_H
#define _IRQHOP_CORE_MUTANT_H

#ifndef IRQHOP_MUTANT
#define IRQHOP_MUTANT	IRQHOP_M_NONE
#endif

enum irqhop_mutant {
	IRQHOP_M_NONE,
	/* core */
	IRQHOP_M_IN_HANDLER,	/* a vCPU in a handler loses its interrupts */
	IRQHOP_M_LEAVING,	/* so does one that is being switched out */
	IRQHOP_M_ENABLED,	/* one that takes no interrupts gets some */
	IRQHOP_M_QUIET,		/* nothing goes home when the VM is quiet */
	IRQHOP_M_STRANDED_MARK,	/* a vCPU comes in, the stranded get no look */
	IRQHOP_M_HOME_MARK,	/* a home goes out, its own get no look */
	IRQHOP_M_UNSTRAND,	/* once stranded, always stranded */
	IRQHOP_M_EAGER,		/* the eager rule is ignored */
	IRQHOP_M_INJECTED_QUIET,	/* quiet, injected ones stay with a handler */
	IRQHOP_M_HALTED_HOME,	/* a home in WFI is not woken */
	IRQHOP_M_HALTED_HOP,	/* a target in WFI keeps its interrupts */
	IRQHOP_M_BOUND,		/* hops are not bounded */
	IRQHOP_M_HELD_MARK,	/* what was held back gets no look */
	IRQHOP_M_SUMMON_OWN,	/* in a handler: any vCPU is summoned */
	/* kmod */
	IRQHOP_M_HOME_ON_CLOSE,	/* interrupts stay where they are at the end */
	IRQHOP_M_REF,		/* no reference to the VM is taken */
	IRQHOP_M_FORGET,	/* pCPUs go on knowing a VM that is freed */
	IRQHOP_M_LET_GO,	/* no failure makes us let go of a VM */
	IRQHOP_M_RELOAD,	/* what is away misses the guest's INVALL */
	IRQHOP_M_COMMAND,	/* what is injected misses the guest's commands */
	IRQHOP_M_DOORBELL,	/* no doorbell of a preempted vCPU is enabled */
	IRQHOP_M_GIVE_WAY,	/* a vCPU that owes time runs on to the next tick */
	IRQHOP_M_IN_USER,	/* a vCPU in its kernel gives way like any other */
	IRQHOP_M_SPACE,		/* all address spaces of a guest are taken for one */
	IRQHOP_M_SPINS,		/* vCPUs are summoned also if all they do is spin */
	IRQHOP_M_WAITS,		/* who is summoned does not wait for its own VM */
	IRQHOP_M_WEIGHT,	/* the thread that summons has the most weight */
	IRQHOP_M_DONATE,	/* no vCPU gets any weight of another one's */
	IRQHOP_M_TAKE_BACK,	/* who gets weight keeps it */
};

/* irqhop_mutant - is this the build that lacks it */
#define irqhop_mutant(name)	(IRQHOP_MUTANT == IRQHOP_M_##name)

#endif /* _IRQHOP_CORE_MUTANT_H */
