// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: what the module tells about itself, VMs and interrupts, as netlink
 * attributes. They are described in include/uapi/linux/irqhop.h.
 */
#include <linux/kvm_host.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "irqhop.h"

/**
 * irqhop_report_info - what the module is and can do
 * @msg: where to
 *
 * Return: 0 or -EMSGSIZE.
 */
int irqhop_report_info(struct sk_buff *msg)
{
	u32 i;

	if (nla_put_string(msg, IRQHOP_A_MODULE_VERSION, IRQHOP_VERSION) ||
	    nla_put_u32(msg, IRQHOP_A_ABI_VERSION, IRQHOP_GENL_VERSION) ||
	    nla_put_u32(msg, IRQHOP_A_CAPS, irqhop_arch_caps()) ||
	    nla_put_u32(msg, IRQHOP_A_MAX_HOPS, IRQHOP_MAX_HOPS_DEFAULT))
		return -EMSGSIZE;
	for (i = 0; i < irqhop_policy_count(); i++)
		if (nla_put_string(msg, IRQHOP_A_POLICY,
				   irqhop_policy_get(i)->name))
			return -EMSGSIZE;
	for (i = 0; i < IRQHOP_NR_RULES; i++)
		if (nla_put_string(msg, IRQHOP_A_RETURN,
				   irqhop_return_rule_name(i)))
			return -EMSGSIZE;
	for (i = 0; i < IRQHOP_NR_HALTED; i++)
		if (nla_put_string(msg, IRQHOP_A_HALTED,
				   irqhop_halted_rule_name(i)))
			return -EMSGSIZE;
	return 0;
}

static int report_u64(struct sk_buff *msg, int attr, u64 value)
{
	return nla_put_u64_64bit(msg, attr, value, IRQHOP_STAT_PAD);
}

static int report_stats(struct sk_buff *msg, const struct irqhop_stats *s)
{
	struct nlattr *nest = nla_nest_start(msg, IRQHOP_A_STAT);

	if (!nest ||
	    report_u64(msg, IRQHOP_STAT_HOPS, s->hops) ||
	    report_u64(msg, IRQHOP_STAT_RETURNS, s->returns) ||
	    report_u64(msg, IRQHOP_STAT_FAILED, s->failed) ||
	    report_u64(msg, IRQHOP_STAT_STRANDED, s->stranded) ||
	    report_u64(msg, IRQHOP_STAT_IN_HANDLER, s->in_handler) ||
	    report_u64(msg, IRQHOP_STAT_HELD_BACK, s->held_back) ||
	    report_u64(msg, IRQHOP_STAT_OVER_BOUND, s->over_bound) ||
	    report_u64(msg, IRQHOP_STAT_PREEMPTIONS, s->preemptions) ||
	    report_u64(msg, IRQHOP_STAT_SUMMONS, s->summons) ||
	    report_u64(msg, IRQHOP_STAT_SUMMONS_HELD, s->summons_held) ||
	    report_u64(msg, IRQHOP_STAT_DONATIONS, s->donations) ||
	    report_u64(msg, IRQHOP_STAT_DONATED, s->donated) ||
	    report_u64(msg, IRQHOP_STAT_TURNS, s->turns) ||
	    report_u64(msg, IRQHOP_STAT_IRQS_OFF_SUM, s->irqs_off_sum) ||
	    report_u64(msg, IRQHOP_STAT_IRQS_OFF_MAX, s->irqs_off_max) ||
	    report_u64(msg, IRQHOP_STAT_COST_MAX, s->cost_max) ||
	    report_u64(msg, IRQHOP_STAT_COST_SUM, s->cost_sum) ||
	    nla_put(msg, IRQHOP_STAT_COST_HIST, sizeof(s->cost_hist),
		    s->cost_hist))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Context: takes the VM's lock. */
static int report_vcpu(struct sk_buff *msg, struct irqhop_vm *vm,
		       struct irqhop_vcpu *v)
{
	u64 time[IRQHOP_NR_VCPU_STATES];
	struct nlattr *nest;
	unsigned long flags;
	u32 state;

	raw_spin_lock_irqsave(&vm->lock, flags);
	irqhop_look_account(v, sched_clock());
	memcpy(time, v->time, sizeof(time));
	state = irqhop_look_state_uapi(atomic64_read(&v->word));
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	nest = nla_nest_start(msg, IRQHOP_A_VCPU);
	if (!nest ||
	    nla_put_u32(msg, IRQHOP_VCPU_ID, v->kvm_vcpu->vcpu_id) ||
	    nla_put_u32(msg, IRQHOP_VCPU_STATE, state) ||
	    nla_put(msg, IRQHOP_VCPU_TIME, sizeof(time), time))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/**
 * irqhop_report_vm_size - room that an enabled VM's report needs
 * @nr_vcpus: its vCPUs
 *
 * Return: bytes.
 */
size_t irqhop_report_vm_size(u16 nr_vcpus)
{
	return 1024 + IRQHOP_COST_BUCKETS * sizeof(u64) +
	       nr_vcpus * (4 * NLA_HDRLEN + 2 * sizeof(u32) +
			   IRQHOP_NR_VCPU_STATES * sizeof(u64));
}

/**
 * irqhop_report_vm - an enabled VM
 * @msg: where to
 * @vm: the VM
 *
 * Context: process, may sleep; irqhop_mutex held. Takes the VM's lock.
 *
 * Return: 0, -ENOMEM or -EMSGSIZE.
 */
int irqhop_report_vm(struct sk_buff *msg, struct irqhop_vm *vm)
{
	struct irqhop_stats *s = kmalloc(sizeof(*s), GFP_KERNEL);
	const struct irqhop_policy *policy;
	enum irqhop_halted_rule halted;
	enum irqhop_return_rule rule;
	unsigned long flags;
	u32 max_hops;
	int ret;
	u16 i;

	if (!s)
		return -ENOMEM;
	raw_spin_lock_irqsave(&vm->lock, flags);
	*s = vm->stats;
	policy = vm->engine.policy;
	rule = vm->engine.rule;
	halted = vm->engine.halted;
	max_hops = vm->engine.bound;
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	ret = nla_put_u32(msg, IRQHOP_A_VM_PID, vm->pid) ?:
	      nla_put_string(msg, IRQHOP_A_POLICY, policy->name) ?:
	      nla_put_string(msg, IRQHOP_A_RETURN,
			     irqhop_return_rule_name(rule)) ?:
	      nla_put_string(msg, IRQHOP_A_HALTED,
			     irqhop_halted_rule_name(halted)) ?:
	      nla_put_u32(msg, IRQHOP_A_MAX_HOPS, max_hops) ?:
	      report_stats(msg, s);
	for (i = 0; !ret && i < vm->nr_vcpus; i++)
		ret = report_vcpu(msg, vm, &vm->vcpu[i]);
	kfree(s);
	return ret;
}

static int report_vcpu_id(struct sk_buff *msg, int attr, struct kvm *kvm,
			  u16 idx)
{
	struct kvm_vcpu *vcpu;

	if (idx == IRQHOP_NONE)
		return 0;
	vcpu = kvm_get_vcpu(kvm, idx);
	return vcpu ? nla_put_u32(msg, attr, vcpu->vcpu_id) : 0;
}

/**
 * struct report_irq - an interrupt, by all records, of one moment
 * @irq: by KVM's and the ITS driver's
 * @known: the engine has it
 * @stranded: and nobody could take it
 * @home: by the engine's record
 * @target: by the engine's record
 */
struct report_irq {
	struct irqhop_arch_irq irq;
	bool known;
	bool stranded;
	u16 home;
	u16 target;
};

/* Return: 0 or -ENOENT. */
static int report_irq_read(struct kvm *kvm, struct irqhop_vm *vm, u32 from,
			   struct report_irq *r)
{
	struct irqhop_arch_hold h;
	unsigned long flags;
	int ret;
	u16 i;

	r->known = false;
	r->stranded = false;
	r->home = IRQHOP_NONE;
	r->target = IRQHOP_NONE;
	if (!vm) {
		local_irq_save(flags);
		ret = irqhop_arch_irq_hold_next(kvm, from, &r->irq, &h);
		if (!ret)
			irqhop_arch_irq_release(&h);
		local_irq_restore(flags);
		return ret;
	}

	raw_spin_lock_irqsave(&vm->lock, flags);
	ret = irqhop_look_irq_next(vm, from, &r->irq, &h);
	if (!ret)
		irqhop_arch_irq_release(&h);
	i = ret ? IRQHOP_NONE : irqhop_table_find(vm, r->irq.intid);
	if (i != IRQHOP_NONE) {
		r->known = true;
		r->stranded = irqhop_engine_irq_stranded(&vm->engine, i);
		r->home = vm->engine.irq[i].home;
		r->target = vm->engine.irq[i].target;
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	return ret;
}

/**
 * irqhop_report_irq - the first LPI of a VM from some number on
 * @msg: where to
 * @kvm: the VM
 * @vm: the same if it is enabled, else NULL
 * @from: the number
 * @next: gets where to go on
 *
 * Context: process; irqhop_mutex held if @vm is given. Takes its lock.
 *
 * Return: 0, -ENOENT if there is none, -EMSGSIZE.
 */
int irqhop_report_irq(struct sk_buff *msg, struct kvm *kvm,
		      struct irqhop_vm *vm, u32 from, u32 *next)
{
	struct nlattr *nest;
	struct report_irq r;
	u32 flags;

	if (report_irq_read(kvm, vm, from, &r))
		return -ENOENT;
	flags = (r.irq.direct ? IRQHOP_IRQ_F_DIRECT : 0) |
		(r.irq.enabled ? IRQHOP_IRQ_F_ENABLED : 0) |
		(r.irq.pending ? IRQHOP_IRQ_F_PENDING : 0) |
		(r.stranded ? IRQHOP_IRQ_F_STRANDED : 0);
	nest = nla_nest_start(msg, IRQHOP_A_IRQ);
	if (!nest ||
	    nla_put_u32(msg, IRQHOP_IRQ_INTID, r.irq.intid) ||
	    report_vcpu_id(msg, IRQHOP_IRQ_HOME, kvm, r.irq.home) ||
	    report_vcpu_id(msg, IRQHOP_IRQ_TARGET, kvm, r.irq.target) ||
	    report_vcpu_id(msg, IRQHOP_IRQ_ENGINE_HOME, kvm, r.home) ||
	    report_vcpu_id(msg, IRQHOP_IRQ_ENGINE_TARGET, kvm, r.target) ||
	    (r.irq.direct &&
	     nla_put_u32(msg, IRQHOP_IRQ_HOST_IRQ, r.irq.host_irq)) ||
	    nla_put_u32(msg, IRQHOP_IRQ_FLAGS, flags))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	*next = r.irq.intid + 1;
	return 0;
}
