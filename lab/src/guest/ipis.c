// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipis: a CPU of the guest that sends IPIs to others as fast as it can, for as
 * long as the module is loaded. Linux itself sends none to a CPU that has not
 * taken the last one yet; nobody keeps another guest from it.
 */
#include <linux/bits.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

#include <asm/barrier.h>
#include <asm/sysreg.h>

static uint ipis_from;
module_param_named(from, ipis_from, uint, 0444);
MODULE_PARM_DESC(from, "which CPU (default 0)");

static uint ipis_to = 0xe;
module_param_named(to, ipis_to, uint, 0444);
MODULE_PARM_DESC(to, "to which, a mask of at most 16 (default 0xe)");

static ulong ipis_sent;
module_param_named(sent, ipis_sent, ulong, 0444);
MODULE_PARM_DESC(sent, "how many so far");

static struct task_struct *ipis_task;

/*
 * One to each CPU of the mask: SGI 0, whose handler has nothing to do unless
 * the scheduler wants something. All are in the affinity group of CPU 0.
 */
static int ipis(void *unused)
{
	while (!kthread_should_stop()) {
		write_sysreg_s(ipis_to, SYS_ICC_SGI1R_EL1);
		isb();
		ipis_sent++;
		cond_resched();
	}
	return 0;
}

static int __init ipis_init(void)
{
	if (ipis_from >= nr_cpu_ids || !cpu_online(ipis_from) ||
	    ipis_to & ~GENMASK(15, 0))
		return -EINVAL;
	ipis_task = kthread_create_on_cpu(ipis, NULL, ipis_from, "ipis");
	if (IS_ERR(ipis_task))
		return PTR_ERR(ipis_task);
	wake_up_process(ipis_task);
	return 0;
}
module_init(ipis_init);

static void __exit ipis_exit(void)
{
	kthread_stop(ipis_task);
}
module_exit(ipis_exit);

MODULE_DESCRIPTION("Sends IPIs as fast as it can");
MODULE_LICENSE("GPL");
