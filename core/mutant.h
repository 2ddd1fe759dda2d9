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
};

/* irqhop_mutant - is this the build that lacks it */
#define irqhop_mutant(name)	(IRQHOP_MUTANT == IRQHOP_M_##name)

#endif /* _IRQHOP_CORE_MUTANT_H */
