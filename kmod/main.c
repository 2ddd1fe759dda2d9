// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: sends the interrupts of a passed-through device from a vCPU that
 * the host has preempted to one of the same VM that runs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>

#include "irqhop.h"

unsigned int irqhop_max_moves = IRQHOP_MOVES;
module_param_named(max_moves, irqhop_max_moves, uint, 0644);
MODULE_PARM_DESC(max_moves, "most moves in one turn in interrupt context (default 16)");

static int __init irqhop_init(void)
{
	int ret;

	/* A mutant is for tests alone. */
	BUILD_BUG_ON(IRQHOP_MUTANT != IRQHOP_M_NONE && !irqhop_is_test);

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err("not loaded: PREEMPT_RT is not supported\n");
		return -EOPNOTSUPP;
	}
	ret = irqhop_arch_init();
	if (ret)
		return ret;
	ret = irqhop_watch_init();
	if (ret)
		return ret;
	ret = irqhop_vm_init();
	if (ret)
		goto err_watch;
	ret = irqhop_netlink_init();
	if (ret) {
		pr_err("not loaded: generic netlink family \"%s\" not registered (%d)\n",
		       IRQHOP_GENL_NAME, ret);
		goto err_vm;
	}
	pr_info("version " IRQHOP_VERSION "%s, interrupts: %s\n",
		irqhop_is_test ? " (test build)" : "",
		irqhop_arch_caps() & IRQHOP_CAP_DIRECT ?
		"direct (GICv4) and injected" :
		"injected (no GICv4)");
	return 0;

err_vm:
	irqhop_vm_exit();
err_watch:
	irqhop_watch_exit();
	return ret;
}

static void __exit irqhop_exit(void)
{
	/*
	 * No VM, and none can be enabled any more, as long as that can be told;
	 * then no more requests; then nobody comes in from outside.
	 */
	irqhop_vm_unload();
	irqhop_netlink_exit();
	irqhop_vm_exit();
	irqhop_watch_exit();
}

module_init(irqhop_init);
module_exit(irqhop_exit);

MODULE_DESCRIPTION("Redirect device interrupts away from preempted vCPUs");
MODULE_AUTHOR("The irqhop authors");
MODULE_VERSION(IRQHOP_VERSION);
MODULE_LICENSE("GPL");
