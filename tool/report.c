// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>

#include "attr.h"
#include "error.h"
#include "report.h"

static const char * const state_name[IRQHOP_NR_VCPU_STATES] = {
	[IRQHOP_VCPU_STATE_UNKNOWN]	= "unknown",
	[IRQHOP_VCPU_STATE_RUNNING]	= "running",
	[IRQHOP_VCPU_STATE_PREEMPTED]	= "preempted",
	[IRQHOP_VCPU_STATE_IN_HANDLER]	= "in-handler",
	[IRQHOP_VCPU_STATE_HALTED]	= "halted",
	[IRQHOP_VCPU_STATE_BLOCKED]	= "blocked",
	[IRQHOP_VCPU_STATE_USER]	= "user",
	[IRQHOP_VCPU_STATE_OFF]		= "off",
};

const char *vcpu_state_name(uint32_t state)
{
	return state < IRQHOP_NR_VCPU_STATES ? state_name[state] : "?";
}

static int stat_attr(const struct nlattr *attr, struct stat_vm *stat)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type == IRQHOP_STAT_COST_HIST)
		return attr_binary(attr, stat->cost_hist,
				   sizeof(stat->cost_hist));
	if (!stat_counter_find(type))
		return 0;
	stat->known[type] = true;
	return attr_u64(attr, &stat->count[type]);
}

static int stat_read(const struct nlattr *nest, struct stat_vm *stat)
{
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each_nested(attr, nest) {
		err = stat_attr(attr, stat);
		if (err)
			return err;
	}
	return 0;
}

static int vcpu_attr(const struct nlattr *attr, struct vcpu *vcpu)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_VCPU_ID:
		return attr_u32(attr, &vcpu->id);
	case IRQHOP_VCPU_STATE:
		return attr_u32(attr, &vcpu->state);
	case IRQHOP_VCPU_TIME:
		return attr_binary(attr, vcpu->time, sizeof(vcpu->time));
	}
	return 0;
}

uint64_t vcpu_time(const struct vcpu *vcpu)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < IRQHOP_NR_VCPU_STATES; i++)
		sum += vcpu->time[i];
	return sum;
}

static int vcpu_read(const struct nlattr *nest, struct report *report)
{
	struct vcpu vcpu = { 0 }, *more;
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each_nested(attr, nest) {
		err = vcpu_attr(attr, &vcpu);
		if (err)
			return err;
	}
	more = array_more(report->vcpu, report->nr_vcpus, sizeof(*more));
	if (!more)
		return -ENOMEM;
	report->vcpu = more;
	report->vcpu[report->nr_vcpus++] = vcpu;
	if (report->stat.time < vcpu_time(&vcpu))
		report->stat.time = vcpu_time(&vcpu);
	return 0;
}

static int pid_read(const struct nlattr *attr, struct report *report)
{
	uint32_t pid;
	int err = attr_u32(attr, &pid);

	if (err)
		return err;
	report->maker = pid;
	report->pid = vm_tgid(pid);
	return 0;
}

static int report_attr(const struct nlattr *attr, struct report *report)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_A_VM_PID:
		return pid_read(attr, report);
	case IRQHOP_A_POLICY:
		return attr_string(attr, report->policy, IRQHOP_POLICY_LEN);
	case IRQHOP_A_RETURN:
		return attr_string(attr, report->rule, IRQHOP_POLICY_LEN);
	case IRQHOP_A_HALTED:
		return attr_string(attr, report->halted, IRQHOP_POLICY_LEN);
	case IRQHOP_A_MAX_HOPS:
		return attr_u32(attr, &report->max_hops);
	case IRQHOP_A_STAT:
		return stat_read(attr, &report->stat);
	case IRQHOP_A_VCPU:
		return vcpu_read(attr, report);
	}
	return 0;
}

static int report_one(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		err = report_attr(attr, data);
		if (err)
			return err;
	}
	return 0;
}

static int report_list_add(const struct nlmsghdr *nlh, void *data)
{
	struct report_list *list = data;
	struct report *more;

	more = array_more(list->report, list->nr, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->report = more;
	more[list->nr] = (struct report){ 0 };
	return report_one(nlh, &more[list->nr++]);
}

int report_read(struct module *module, int fd, struct report *report)
{
	int err;

	*report = (struct report){ 0 };
	err = module_talk(module, module_request_vm(module, IRQHOP_CMD_VM_GET,
						    NLM_F_ACK, fd),
			  report_one, report);
	if (err)
		report_free(report);
	return err;
}

static void list_again(void *data)
{
	report_list_free(data);
}

int report_list_read(struct module *module, struct report_list *list)
{
	int err;

	*list = (struct report_list){ 0 };
	err = module_dump(module, module_request(module, IRQHOP_CMD_VM_GET,
						 NLM_F_DUMP),
			  report_list_add, list_again, list);
	if (err)
		report_list_free(list);
	return err;
}

const char *report_halted(const struct report *report)
{
	return report && *report->halted ? report->halted : NULL;
}

void report_free(struct report *report)
{
	free(report->vcpu);
	report->vcpu = NULL;
	report->nr_vcpus = 0;
}

void report_list_free(struct report_list *list)
{
	while (list->nr)
		report_free(&list->report[--list->nr]);
	free(list->report);
	list->report = NULL;
}

int report_fail(const struct module *module, int err, const struct vm *vm)
{
	if (err == -ENOENT)
		return fail(STATUS_FAILED,
			    "VM %d (%s) is not enabled; 'irqhop enable %d' enables it",
			    vm->pid, vm->name, vm->pid);
	return module_fail(module, err, "look at", vm);
}
