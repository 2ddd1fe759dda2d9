// SPDX-License-Identifier: GPL-2.0-only
/*
 * stuck: a CPU of the guest that goes on with interrupts off, for good, and that
 * nobody can stop any more: neither the kernel nor, if it crashes, the next one.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/processor.h>

static uint stuck_cpu = 1;
module_param_named(cpu, stuck_cpu, uint, 0444);
MODULE_PARM_DESC(cpu, "which CPU (default 1)");

static int stuck(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int __init stuck_init(void)
{
	struct task_struct *task;

	if (stuck_cpu >= nr_cpu_ids || !cpu_online(stuck_cpu))
		return -EINVAL;
	task = kthread_create_on_cpu(stuck, NULL, stuck_cpu, "stuck");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wake_up_process(task);
	return 0;
}
module_init(stuck_init);

MODULE_DESCRIPTION("Keeps a CPU in a loop with interrupts off");
MODULE_LICENSE("GPL");
