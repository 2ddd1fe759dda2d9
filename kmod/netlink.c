// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: generic netlink. The interface is described in
 * include/uapi/linux/irqhop.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "irqhop.h"

static struct genl_family irqhop_family;

static const struct genl_multicast_group irqhop_groups[] = {
	{ .name = IRQHOP_GENL_GROUP, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

static const struct nla_policy irqhop_nla_policy[IRQHOP_A_MAX + 1] = {
	[IRQHOP_A_VM_FD]	= { .type = NLA_U32 },
	[IRQHOP_A_POLICY]	= { .type = NLA_NUL_STRING,
				    .len = IRQHOP_POLICY_LEN - 1 },
	[IRQHOP_A_RETURN]	= { .type = NLA_NUL_STRING,
				    .len = IRQHOP_POLICY_LEN - 1 },
	[IRQHOP_A_MAX_HOPS]	= { .type = NLA_U32 },
	[IRQHOP_A_HALTED]	= { .type = NLA_NUL_STRING,
				    .len = IRQHOP_POLICY_LEN - 1 },
};

/*
 * The VM that a request names, with a reference. Context: the caller's
 * process, as descriptors are its own.
 */
static struct kvm *nl_kvm_get(struct nlattr *fd, struct netlink_ext_ack *extack)
{
	struct kvm *kvm;
	struct file *file;

	if (!fd) {
		NL_SET_ERR_MSG(extack, "a VM's file descriptor is needed");
		return ERR_PTR(-EINVAL);
	}
	file = fget(nla_get_u32(fd));
	if (!file) {
		NL_SET_ERR_MSG_ATTR(extack, fd, "not an open file descriptor");
		return ERR_PTR(-EBADF);
	}
	if (!irqhop_compat_file_is_kvm(file)) {
		NL_SET_ERR_MSG_ATTR(extack, fd, "the file descriptor is not a KVM VM's");
		kvm = ERR_PTR(-EINVAL);
	} else {
		kvm = file->private_data;
		/* The open file has a reference, so there is one to be had. */
		if (!kvm_get_kvm_safe(kvm))
			kvm = ERR_PTR(-ENOENT);
	}
	fput(file);
	return kvm;
}

static int nl_allowed(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "CAP_SYS_ADMIN is needed");
	return -EPERM;
}

static int nl_pre_doit(const struct irqhop_compat_genl_op *op,
		       struct sk_buff *skb, struct genl_info *info)
{
	return nl_allowed(skb, info->extack);
}

static int nl_info_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &irqhop_family, 0,
				IRQHOP_CMD_INFO_GET);
	if (!hdr || irqhop_report_info(msg)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/* What a request wants done with a VM. Return: 0 or -EINVAL. */
static int nl_options(const struct genl_info *info,
		      struct irqhop_options *options)
{
	struct nlattr *policy = info->attrs[IRQHOP_A_POLICY];
	struct nlattr *rule = info->attrs[IRQHOP_A_RETURN];
	struct nlattr *halted = info->attrs[IRQHOP_A_HALTED];
	struct nlattr *max_hops = info->attrs[IRQHOP_A_MAX_HOPS];

	*options = (struct irqhop_options) { .policy = NULL };
	if (policy) {
		options->policy = irqhop_policy_find(nla_data(policy));
		if (!options->policy) {
			NL_SET_ERR_MSG_ATTR(info->extack, policy,
					    "no such policy");
			return -EINVAL;
		}
	}
	if (rule) {
		if (!irqhop_return_rule_find(nla_data(rule), &options->rule)) {
			NL_SET_ERR_MSG_ATTR(info->extack, rule,
					    "no such return rule");
			return -EINVAL;
		}
		options->has_rule = true;
	}
	if (halted) {
		if (!irqhop_halted_rule_find(nla_data(halted),
					     &options->halted)) {
			NL_SET_ERR_MSG_ATTR(info->extack, halted,
					    "no such halted rule");
			return -EINVAL;
		}
		options->has_halted = true;
	}
	if (max_hops) {
		options->max_hops = nla_get_u32(max_hops);
		options->has_max_hops = true;
	}
	return 0;
}

static int nl_vm_enable(struct sk_buff *skb, struct genl_info *info)
{
	struct irqhop_options options;
	struct kvm *kvm;
	int ret;

	ret = nl_options(info, &options);
	if (ret)
		return ret;
	kvm = nl_kvm_get(info->attrs[IRQHOP_A_VM_FD], info->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	ret = irqhop_vm_enable(kvm, &options, info->extack);
	kvm_put_kvm(kvm);
	return ret;
}

static int nl_vm_set(struct sk_buff *skb, struct genl_info *info)
{
	struct irqhop_options options;
	struct kvm *kvm;
	int ret;

	ret = nl_options(info, &options);
	if (ret)
		return ret;
	if (!options.policy && !options.has_rule && !options.has_halted &&
	    !options.has_max_hops) {
		NL_SET_ERR_MSG(info->extack, "nothing is to be changed");
		return -EINVAL;
	}
	kvm = nl_kvm_get(info->attrs[IRQHOP_A_VM_FD], info->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	ret = irqhop_vm_set(kvm, &options, info->extack);
	kvm_put_kvm(kvm);
	return ret;
}

static int nl_vm_disable(struct sk_buff *skb, struct genl_info *info)
{
	struct kvm *kvm;
	int ret;

	kvm = nl_kvm_get(info->attrs[IRQHOP_A_VM_FD], info->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	ret = irqhop_vm_disable(kvm, info->extack);
	kvm_put_kvm(kvm);
	return ret;
}

/* The VM if it is enabled, else NULL and why. Context: irqhop_mutex held. */
static struct irqhop_vm *nl_vm_find(struct kvm *kvm, struct genl_info *info)
{
	struct irqhop_vm *vm = irqhop_vm_find(kvm);

	if (!vm)
		NL_SET_ERR_MSG(info->extack, "irqhop is not enabled for this VM");
	return vm;
}

/* Context: irqhop_mutex held. Return: 0 or a negative errno. */
static int nl_vm_fill(struct sk_buff *msg, struct irqhop_vm *vm, void *hdr)
{
	int ret = irqhop_report_vm(msg, vm);

	if (!ret)
		genlmsg_end(msg, hdr);
	return ret;
}

/* Context: irqhop_mutex held. Return: 0 or a negative errno. */
static int nl_check_fill(struct sk_buff *msg, struct irqhop_vm *vm, void *hdr)
{
	const char *what = irqhop_table_check(vm);

	if (what && nla_put_string(msg, IRQHOP_A_MESSAGE, what))
		return -EMSGSIZE;
	genlmsg_end(msg, hdr);
	return 0;
}

/* Answer a request about one enabled VM by what @fill puts into the reply. */
static int nl_vm_reply(struct genl_info *info, int cmd,
		       int (*fill)(struct sk_buff *msg, struct irqhop_vm *vm,
				   void *hdr))
{
	struct sk_buff *msg = NULL;
	struct irqhop_vm *vm;
	struct kvm *kvm;
	void *hdr;
	int ret;

	kvm = nl_kvm_get(info->attrs[IRQHOP_A_VM_FD], info->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	mutex_lock(&irqhop_mutex);
	vm = nl_vm_find(kvm, info);
	ret = -ENOENT;
	if (!vm)
		goto out;
	ret = -ENOMEM;
	msg = genlmsg_new(irqhop_report_vm_size(vm->nr_vcpus), GFP_KERNEL);
	if (!msg)
		goto out;
	ret = -EMSGSIZE;
	hdr = genlmsg_put_reply(msg, info, &irqhop_family, 0, cmd);
	if (hdr)
		ret = fill(msg, vm, hdr);
out:
	mutex_unlock(&irqhop_mutex);
	kvm_put_kvm(kvm);
	if (!ret)
		return genlmsg_reply(msg, info);
	nlmsg_free(msg);
	return ret;
}

static int nl_vm_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return nl_vm_reply(info, IRQHOP_CMD_VM_GET, nl_vm_fill);
}

static int nl_vm_check(struct sk_buff *skb, struct genl_info *info)
{
	return nl_vm_reply(info, IRQHOP_CMD_VM_CHECK, nl_check_fill);
}

static int nl_vm_get_start(struct netlink_callback *cb)
{
	u16 most = 0;
	struct irqhop_vm *vm;
	int ret;

	ret = nl_allowed(cb->skb, cb->extack);
	if (ret)
		return ret;
	/* The largest VM's message has to fit into a buffer of its own. */
	mutex_lock(&irqhop_mutex);
	list_for_each_entry(vm, &irqhop_vms, node)
		most = max(most, vm->nr_vcpus);
	mutex_unlock(&irqhop_mutex);
	cb->min_dump_alloc = max_t(u32, cb->min_dump_alloc,
				   irqhop_report_vm_size(most));
	return 0;
}

static int nl_vm_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct irqhop_vm *vm;
	long i = 0;
	int ret = 0;

	mutex_lock(&irqhop_mutex);
	/* Whoever asks is told if VMs came or went between two parts. */
	cb->seq = irqhop_vms_gen;
	list_for_each_entry(vm, &irqhop_vms, node) {
		void *hdr;

		if (i++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &irqhop_family,
				  NLM_F_MULTI, IRQHOP_CMD_VM_GET);
		if (hdr)
			genl_dump_check_consistent(cb, hdr);
		ret = hdr ? nl_vm_fill(skb, vm, hdr) : -EMSGSIZE;
		if (ret) {
			if (hdr)
				genlmsg_cancel(skb, hdr);
			break;
		}
		cb->args[0] = i;
	}
	mutex_unlock(&irqhop_mutex);
	/* Full: the rest follows. Unless not even one fitted. */
	return ret == -EMSGSIZE && skb->len ? skb->len : ret ?: skb->len;
}

/* A dump of a VM's LPIs: the VM, with a reference, and where to go on. */
struct nl_irq_dump {
	struct kvm *kvm;
	u32 next;
};

static int nl_irq_get_start(struct netlink_callback *cb)
{
	struct nl_irq_dump *dump = (void *)cb->ctx;
	struct kvm *kvm;
	int ret;

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));

	ret = nl_allowed(cb->skb, cb->extack);
	if (ret)
		return ret;
	kvm = nl_kvm_get(irqhop_compat_dump_attrs(cb)[IRQHOP_A_VM_FD],
			 cb->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	if (!irqhop_arch_vm_has_irqs(kvm)) {
		NL_SET_ERR_MSG(cb->extack, "the VM's interrupt controller is not an in-kernel GICv3");
		kvm_put_kvm(kvm);
		return -EOPNOTSUPP;
	}
	dump->kvm = kvm;
	dump->next = IRQHOP_LPI_FIRST;
	return 0;
}

static int nl_irq_get_done(struct netlink_callback *cb)
{
	struct nl_irq_dump *dump = (void *)cb->ctx;

	if (dump->kvm)
		kvm_put_kvm(dump->kvm);
	return 0;
}

static int nl_irq_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nl_irq_dump *dump = (void *)cb->ctx;
	struct irqhop_vm *vm;
	void *hdr;
	int ret;

	mutex_lock(&irqhop_mutex);
	vm = irqhop_vm_find(dump->kvm);
	do {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &irqhop_family,
				  NLM_F_MULTI, IRQHOP_CMD_IRQ_GET);
		if (!hdr)
			break;
		ret = irqhop_report_irq(skb, dump->kvm, vm, dump->next,
					&dump->next);
		if (ret)
			genlmsg_cancel(skb, hdr);
		else
			genlmsg_end(skb, hdr);
	} while (!ret);
	mutex_unlock(&irqhop_mutex);
	return skb->len;
}

static const struct genl_ops irqhop_ops[] = {
	{
		.cmd = IRQHOP_CMD_INFO_GET,
		.doit = nl_info_get,
	},
	{
		.cmd = IRQHOP_CMD_VM_ENABLE,
		.doit = nl_vm_enable,
	},
	{
		.cmd = IRQHOP_CMD_VM_DISABLE,
		.doit = nl_vm_disable,
	},
	{
		.cmd = IRQHOP_CMD_VM_GET,
		.doit = nl_vm_get_doit,
		.start = nl_vm_get_start,
		.dumpit = nl_vm_get_dumpit,
	},
	{
		.cmd = IRQHOP_CMD_IRQ_GET,
		.start = nl_irq_get_start,
		.dumpit = nl_irq_get_dumpit,
		.done = nl_irq_get_done,
	},
	{
		.cmd = IRQHOP_CMD_VM_SET,
		.doit = nl_vm_set,
	},
	{
		.cmd = IRQHOP_CMD_VM_CHECK,
		.doit = nl_vm_check,
	},
};

static struct genl_family irqhop_family __ro_after_init = {
	.name = IRQHOP_GENL_NAME,
	.version = IRQHOP_GENL_VERSION,
	.maxattr = IRQHOP_A_MAX,
	.policy = irqhop_nla_policy,
	.netnsok = false,
	.parallel_ops = true,
	.pre_doit = nl_pre_doit,
	.ops = irqhop_ops,
	.n_ops = ARRAY_SIZE(irqhop_ops),
	.mcgrps = irqhop_groups,
	.n_mcgrps = ARRAY_SIZE(irqhop_groups),
	.resv_start_op = IRQHOP_CMD_UNSPEC + 1,
	.module = THIS_MODULE,
};

/* Tell whoever listens. Context: process, may sleep. */
static void nl_notify(const struct irqhop_vm *vm, int cmd,
		      int (*fill)(struct sk_buff *msg, const void *what),
		      const void *what)
{
	struct sk_buff *msg;
	void *hdr;

	if (!genl_has_listeners(&irqhop_family, &init_net, 0))
		return;
	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return;
	hdr = genlmsg_put(msg, 0, 0, &irqhop_family, 0, cmd);
	if (!hdr || nla_put_u32(msg, IRQHOP_A_VM_PID, vm->pid) ||
	    fill(msg, what)) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	genlmsg_multicast(&irqhop_family, msg, 0, 0, GFP_KERNEL);
}

static int nl_fill_enabled(struct sk_buff *msg, const void *what)
{
	const struct irqhop_policy *policy = what;

	return nla_put_string(msg, IRQHOP_A_POLICY, policy->name);
}

/**
 * irqhop_notify_enabled - tell whoever listens that a VM is enabled
 * @vm: the VM
 *
 * Context: process, may sleep; irqhop_mutex held.
 */
void irqhop_notify_enabled(const struct irqhop_vm *vm)
{
	nl_notify(vm, IRQHOP_CMD_VM_ENABLED, nl_fill_enabled,
		  READ_ONCE(vm->engine.policy));
}

struct nl_disabled {
	enum irqhop_reason reason;
	unsigned int not_home;
	const char *message;
};

static int nl_fill_disabled(struct sk_buff *msg, const void *what)
{
	const struct nl_disabled *d = what;

	return nla_put_u32(msg, IRQHOP_A_REASON, d->reason) ?:
	       nla_put_u32(msg, IRQHOP_A_NOT_HOME, d->not_home) ?:
	       (d->reason == IRQHOP_REASON_LET_GO ?
		nla_put_string(msg, IRQHOP_A_MESSAGE, d->message) : 0);
}

/**
 * irqhop_notify_disabled - tell whoever listens that a VM is disabled
 * @vm: the VM
 * @reason: why
 * @not_home: how many of its interrupts could not be sent home
 *
 * Context: process, may sleep; irqhop_mutex held.
 */
void irqhop_notify_disabled(const struct irqhop_vm *vm,
			    enum irqhop_reason reason, unsigned int not_home)
{
	const struct nl_disabled d = { reason, not_home, vm->broken };

	nl_notify(vm, IRQHOP_CMD_VM_DISABLED, nl_fill_disabled, &d);
}

/**
 * irqhop_netlink_init - accept requests
 *
 * Return: 0 or a negative errno.
 */
int __init irqhop_netlink_init(void)
{
	return genl_register_family(&irqhop_family);
}

/**
 * irqhop_netlink_exit - accept no more requests
 *
 * When it returns, none is under way.
 */
void irqhop_netlink_exit(void)
{
	genl_unregister_family(&irqhop_family);
}
