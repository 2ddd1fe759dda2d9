// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lock that one way out does not release; a user's pointer followed; bytes
 * in the wrong order.
 */
#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

static int __init bad_init(void)
{
	spin_lock(&lock);
	if (jiffies & 1)
		return -EBUSY;
	spin_unlock(&lock);
	return 0;
}

static int bad_get(char *buffer, const struct kernel_param *kp)
{
	int __user *p = kp->arg;

	return *p;
}

static int bad_set(const char *value, const struct kernel_param *kp)
{
	__be32 wire = 1;

	return wire;
}

static const struct kernel_param_ops bad_ops = {
	.get = bad_get,
	.set = bad_set,
};
module_param_cb(bad, &bad_ops, NULL, 0600);
module_init(bad_init);

MODULE_DESCRIPTION("sample of test/check");
MODULE_LICENSE("GPL");
