/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: faults that a test build makes up, to show what irqhop does about
 * them. In any other build there is nothing of them.
 */
#ifndef _IRQHOP_FAULT_H
#define _IRQHOP_FAULT_H

#include <linux/types.h>

struct irqhop_engine;

/**
 * enum irqhop_fault - what goes wrong
 * @IRQHOP_FAULT_NONE: nothing
 * @IRQHOP_FAULT_MOVE: the ITS driver refuses a move
 * @IRQHOP_FAULT_SLOW: a move takes as long as the driver waits for a dead ITS
 * @IRQHOP_FAULT_TABLE: the engine's record of an interrupt is overwritten
 * @IRQHOP_FAULT_DRIFT: another vCPU is taken for an interrupt's home
 * @IRQHOP_NR_FAULTS: number of faults
 */
enum irqhop_fault {
	IRQHOP_FAULT_NONE,
	IRQHOP_FAULT_MOVE,
	IRQHOP_FAULT_SLOW,
	IRQHOP_FAULT_TABLE,
	IRQHOP_FAULT_DRIFT,
	IRQHOP_NR_FAULTS
};

#ifdef IRQHOP_TEST
bool irqhop_fault(enum irqhop_fault fault);
void irqhop_fault_table(struct irqhop_engine *e);
#else
static inline bool irqhop_fault(enum irqhop_fault fault)
{
	return false;
}

static inline void irqhop_fault_table(struct irqhop_engine *e)
{
}
#endif

#endif /* _IRQHOP_FAULT_H */
