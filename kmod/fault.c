// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: faults, in test builds only. Module parameters say which and how
 * often: first fault_count, then fault, which sets it off.
 */
#include <linux/atomic.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "engine.h"
#include "fault.h"

static const char * const fault_names[IRQHOP_NR_FAULTS] = {
	[IRQHOP_FAULT_NONE]	= "none",
	[IRQHOP_FAULT_MOVE]	= "move",
	[IRQHOP_FAULT_SLOW]	= "slow",
	[IRQHOP_FAULT_TABLE]	= "table",
	[IRQHOP_FAULT_DRIFT]	= "drift",
};

static int fault_now;
static atomic_t fault_left;

static unsigned int fault_count = 1;
module_param(fault_count, uint, 0644);
MODULE_PARM_DESC(fault_count, "how often the next fault happens");

static int fault_set(const char *value, const struct kernel_param *kp)
{
	int fault = sysfs_match_string(fault_names, value);

	if (fault < 0)
		return fault;
	WRITE_ONCE(fault_now, IRQHOP_FAULT_NONE);
	atomic_set(&fault_left, fault_count);
	WRITE_ONCE(fault_now, fault);
	return 0;
}

static int fault_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s %d\n", fault_names[READ_ONCE(fault_now)],
			  atomic_read(&fault_left));
}

static const struct kernel_param_ops fault_ops = {
	.set = fault_set,
	.get = fault_get,
};

module_param_cb(fault, &fault_ops, NULL, 0644);
MODULE_PARM_DESC(fault, "what goes wrong: none, move, slow, table, drift; reads as what, and how often still");

/**
 * irqhop_fault - is this to go wrong now
 * @fault: what
 *
 * Counts: true is said as often as was asked for.
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool irqhop_fault(enum irqhop_fault fault)
{
	return READ_ONCE(fault_now) == fault &&
	       atomic_dec_if_positive(&fault_left) >= 0;
}

/**
 * irqhop_fault_table - overwrite a record, if that is to go wrong now
 * @e: the engine
 *
 * Context: the VM's lock held.
 */
void irqhop_fault_table(struct irqhop_engine *e)
{
	u16 i;

	for (i = 0; i < e->max_irqs; i++) {
		if (!e->irq[i].live || e->irq[i].target == IRQHOP_NONE)
			continue;
		if (irqhop_fault(IRQHOP_FAULT_TABLE))
			e->irq[i].target = (e->irq[i].target + 1) % e->nr_vcpus;
		return;
	}
}
