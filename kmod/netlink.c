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

/* Room for one VM's message beside its vCPUs, and for each of those. */
#define NL_VM_SIZE	(1024 + IRQHOP_COST_BUCKETS * sizeof(u64))
#define NL_VCPU_SIZE	(3 * (NLA_HDRLEN + sizeof(u32)))

static const struct nla_policy irqhop_nla_policy[IRQHOP_A_MAX + 1] = {
	[IRQHOP_A_VM_FD]	= { .type = NLA_U32 },
	[IRQHOP_A_POLICY]	= { .type = NLA_NUL_STRING,
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
	if (!file_is_kvm(file)) {
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

static int nl_pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		       struct genl_info *info)
{
	return nl_allowed(skb, info->extack);
}

static int nl_info_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	void *hdr;
	u32 i;

	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &irqhop_family, 0,
				IRQHOP_CMD_INFO_GET);
	if (!hdr)
		goto full;
	if (nla_put_string(msg, IRQHOP_A_MODULE_VERSION, IRQHOP_VERSION) ||
	    nla_put_u32(msg, IRQHOP_A_ABI_VERSION, IRQHOP_GENL_VERSION) ||
	    nla_put_u32(msg, IRQHOP_A_CAPS, irqhop_arch_caps()))
		goto full;
	for (i = 0; i < irqhop_policy_count(); i++)
		if (nla_put_string(msg, IRQHOP_A_POLICY,
				   irqhop_policy_get(i)->name))
			goto full;
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
full:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int nl_vm_enable(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *name = info->attrs[IRQHOP_A_POLICY];
	const struct irqhop_policy *policy = NULL;
	struct kvm *kvm;
	int ret;

	if (name) {
		policy = irqhop_policy_find(nla_data(name));
		if (!policy) {
			NL_SET_ERR_MSG_ATTR(info->extack, name,
					    "no such policy");
			return -EINVAL;
		}
	}
	kvm = nl_kvm_get(info->attrs[IRQHOP_A_VM_FD], info->extack);
	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	ret = irqhop_vm_enable(kvm, policy, info->extack);
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

static int nl_put_u64(struct sk_buff *msg, int attr, u64 value)
{
	return nla_put_u64_64bit(msg, attr, value, IRQHOP_STAT_PAD);
}

/* Context: irqhop_mutex held. */
static int nl_vm_fill(struct sk_buff *msg, struct irqhop_vm *vm, void *hdr)
{
	const struct irqhop_policy *policy;
	struct irqhop_stats *s;
	struct nlattr *nest;
	unsigned long flags;
	int ret = -EMSGSIZE;
	u16 i;

	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	raw_spin_lock_irqsave(&vm->lock, flags);
	*s = vm->stats;
	policy = vm->engine.policy;
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	if (nla_put_u32(msg, IRQHOP_A_VM_PID, vm->pid) ||
	    nla_put_string(msg, IRQHOP_A_POLICY, policy->name))
		goto out;
	nest = nla_nest_start(msg, IRQHOP_A_STAT);
	if (!nest ||
	    nl_put_u64(msg, IRQHOP_STAT_HOPS, s->hops) ||
	    nl_put_u64(msg, IRQHOP_STAT_RETURNS, s->returns) ||
	    nl_put_u64(msg, IRQHOP_STAT_FAILED, s->failed) ||
	    nl_put_u64(msg, IRQHOP_STAT_STRANDED, s->stranded) ||
	    nl_put_u64(msg, IRQHOP_STAT_IN_HANDLER, s->in_handler) ||
	    nl_put_u64(msg, IRQHOP_STAT_HELD_BACK, s->held_back) ||
	    nl_put_u64(msg, IRQHOP_STAT_PREEMPTIONS, s->preemptions) ||
	    nl_put_u64(msg, IRQHOP_STAT_COST_MAX, s->cost_max) ||
	    nl_put_u64(msg, IRQHOP_STAT_COST_SUM, s->cost_sum) ||
	    nla_put(msg, IRQHOP_STAT_COST_HIST, sizeof(s->cost_hist),
		    s->cost_hist))
		goto out;
	nla_nest_end(msg, nest);
	for (i = 0; i < vm->nr_vcpus; i++) {
		nest = nla_nest_start(msg, IRQHOP_A_VCPU);
		if (!nest ||
		    nla_put_u32(msg, IRQHOP_VCPU_ID,
				vm->vcpu[i].kvm_vcpu->vcpu_id) ||
		    nla_put_u32(msg, IRQHOP_VCPU_STATE,
				irqhop_vm_vcpu_state(&vm->vcpu[i])))
			goto out;
		nla_nest_end(msg, nest);
	}
	genlmsg_end(msg, hdr);
	ret = 0;
out:
	kfree(s);
	return ret;
}

static int nl_vm_get_doit(struct sk_buff *skb, struct genl_info *info)
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
	vm = irqhop_vm_find(kvm);
	if (!vm) {
		NL_SET_ERR_MSG(info->extack, "irqhop is not enabled for this VM");
		ret = -ENOENT;
		goto out;
	}
	ret = -ENOMEM;
	msg = genlmsg_new(NL_VM_SIZE + vm->nr_vcpus * NL_VCPU_SIZE, GFP_KERNEL);
	if (!msg)
		goto out;
	ret = -EMSGSIZE;
	hdr = genlmsg_put_reply(msg, info, &irqhop_family, 0,
				IRQHOP_CMD_VM_GET);
	if (hdr)
		ret = nl_vm_fill(msg, vm, hdr);
out:
	mutex_unlock(&irqhop_mutex);
	kvm_put_kvm(kvm);
	if (!ret)
		return genlmsg_reply(msg, info);
	nlmsg_free(msg);
	return ret;
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
				   NL_VM_SIZE + most * NL_VCPU_SIZE);
	return 0;
}

static int nl_vm_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct irqhop_vm *vm;
	long i = 0;
	int ret = 0;

	mutex_lock(&irqhop_mutex);
	list_for_each_entry(vm, &irqhop_vms, node) {
		void *hdr;

		if (i++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &irqhop_family,
				  NLM_F_MULTI, IRQHOP_CMD_VM_GET);
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
	const struct genl_dumpit_info *info = genl_dumpit_info(cb);
	struct nl_irq_dump *dump = (void *)cb->ctx;
	struct kvm *kvm;
	int ret;

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));

	ret = nl_allowed(cb->skb, cb->extack);
	if (ret)
		return ret;
	kvm = nl_kvm_get(info->info.attrs[IRQHOP_A_VM_FD], cb->extack);
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

static int nl_irq_put_vcpu(struct sk_buff *skb, int attr, struct kvm *kvm,
			   u16 idx)
{
	struct kvm_vcpu *vcpu;

	if (idx == IRQHOP_NONE)
		return 0;
	vcpu = kvm_get_vcpu(kvm, idx);
	return vcpu ? nla_put_u32(skb, attr, vcpu->vcpu_id) : 0;
}

static int nl_irq_fill(struct sk_buff *skb, struct kvm *kvm,
		       const struct irqhop_arch_irq *irq)
{
	struct nlattr *nest = nla_nest_start(skb, IRQHOP_A_IRQ);
	u32 flags = (irq->direct ? IRQHOP_IRQ_F_DIRECT : 0) |
		    (irq->enabled ? IRQHOP_IRQ_F_ENABLED : 0) |
		    (irq->pending ? IRQHOP_IRQ_F_PENDING : 0);

	if (!nest ||
	    nla_put_u32(skb, IRQHOP_IRQ_INTID, irq->intid) ||
	    nl_irq_put_vcpu(skb, IRQHOP_IRQ_HOME, kvm, irq->home) ||
	    nl_irq_put_vcpu(skb, IRQHOP_IRQ_TARGET, kvm, irq->target) ||
	    (irq->direct &&
	     nla_put_u32(skb, IRQHOP_IRQ_HOST_IRQ, irq->host_irq)) ||
	    nla_put_u32(skb, IRQHOP_IRQ_FLAGS, flags))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int nl_irq_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nl_irq_dump *dump = (void *)cb->ctx;
	struct irqhop_arch_irq irq;
	void *hdr;

	while (!irqhop_arch_irq_next(dump->kvm, dump->next, &irq)) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &irqhop_family,
				  NLM_F_MULTI, IRQHOP_CMD_IRQ_GET);
		if (!hdr)
			break;
		if (nl_irq_fill(skb, dump->kvm, &irq)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		dump->next = irq.intid + 1;
	}
	return skb->len;
}

static const struct genl_split_ops irqhop_ops[] = {
	{
		.cmd = IRQHOP_CMD_INFO_GET,
		.flags = GENL_CMD_CAP_DO,
		.doit = nl_info_get,
		.pre_doit = nl_pre_doit,
	},
	{
		.cmd = IRQHOP_CMD_VM_ENABLE,
		.flags = GENL_CMD_CAP_DO,
		.doit = nl_vm_enable,
		.pre_doit = nl_pre_doit,
		.policy = irqhop_nla_policy,
		.maxattr = IRQHOP_A_MAX,
	},
	{
		.cmd = IRQHOP_CMD_VM_DISABLE,
		.flags = GENL_CMD_CAP_DO,
		.doit = nl_vm_disable,
		.pre_doit = nl_pre_doit,
		.policy = irqhop_nla_policy,
		.maxattr = IRQHOP_A_MAX,
	},
	{
		.cmd = IRQHOP_CMD_VM_GET,
		.flags = GENL_CMD_CAP_DO,
		.doit = nl_vm_get_doit,
		.pre_doit = nl_pre_doit,
		.policy = irqhop_nla_policy,
		.maxattr = IRQHOP_A_MAX,
	},
	{
		.cmd = IRQHOP_CMD_VM_GET,
		.flags = GENL_CMD_CAP_DUMP,
		.start = nl_vm_get_start,
		.dumpit = nl_vm_get_dumpit,
		.policy = irqhop_nla_policy,
		.maxattr = IRQHOP_A_MAX,
	},
	{
		.cmd = IRQHOP_CMD_IRQ_GET,
		.flags = GENL_CMD_CAP_DUMP,
		.start = nl_irq_get_start,
		.dumpit = nl_irq_get_dumpit,
		.done = nl_irq_get_done,
		.policy = irqhop_nla_policy,
		.maxattr = IRQHOP_A_MAX,
	},
};

static struct genl_family irqhop_family __ro_after_init = {
	.name = IRQHOP_GENL_NAME,
	.version = IRQHOP_GENL_VERSION,
	.maxattr = IRQHOP_A_MAX,
	.policy = irqhop_nla_policy,
	.netnsok = false,
	.parallel_ops = true,
	.split_ops = irqhop_ops,
	.n_split_ops = ARRAY_SIZE(irqhop_ops),
	.resv_start_op = IRQHOP_CMD_UNSPEC + 1,
	.module = THIS_MODULE,
};

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
