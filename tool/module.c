// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "host.h"
#include "module.h"

#define DUMP_TRIES 5

static int attr_u32(const struct nlattr *attr, uint32_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return -EBADMSG;
	*value = mnl_attr_get_u32(attr);
	return 0;
}

static int attr_u64(const struct nlattr *attr, uint64_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U64) < 0)
		return -EBADMSG;
	*value = mnl_attr_get_u64(attr);
	return 0;
}

static int attr_string(const struct nlattr *attr, char *text, size_t size)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return -EBADMSG;
	snprintf(text, size, "%s", mnl_attr_get_str(attr));
	return 0;
}

/* Room for one more after @nr; NULL if there is none. */
static void *array_more(void *array, size_t nr, size_t size)
{
	return nr & (nr - 1) ? array : realloc(array, (nr ? nr * 2 : 1) * size);
}

static int info_read(const struct nlmsghdr *nlh, void *data)
{
	struct module *module = data;
	const struct nlattr *attr;
	int err = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case IRQHOP_A_MODULE_VERSION:
			err = attr_string(attr, module->version,
					  sizeof(module->version));
			break;
		case IRQHOP_A_ABI_VERSION:
			err = attr_u32(attr, &module->abi);
			break;
		case IRQHOP_A_CAPS:
			err = attr_u32(attr, &module->caps);
			break;
		case IRQHOP_A_POLICY:
			if (module->nr_policies == MODULE_POLICIES)
				break;
			err = attr_string(attr,
					  module->policy[module->nr_policies++],
					  IRQHOP_POLICY_LEN);
			break;
		}
		if (err)
			return err;
	}
	return 0;
}

static struct nlmsghdr *request(struct module *module, uint8_t cmd,
				uint16_t flags)
{
	return genl_request(&module->genl, module->family, cmd,
			    IRQHOP_GENL_VERSION, flags);
}

static int module_ask(struct module *module)
{
	int err;

	err = genl_family(&module->genl, IRQHOP_GENL_NAME, &module->family,
			  &module->family_version);
	if (err)
		return err == -ENOENT ? -ENODEV : err;
	err = genl_talk(&module->genl,
			request(module, IRQHOP_CMD_INFO_GET, NLM_F_ACK),
			info_read, module);
	if (err)
		return err;
	return module->abi == IRQHOP_GENL_VERSION ? 0 : -EPROTO;
}

int module_open(struct module *module)
{
	int err;

	module->family = 0;
	module->family_version = 0;
	module->version[0] = '\0';
	module->abi = 0;
	module->caps = 0;
	module->nr_policies = 0;
	err = genl_open(&module->genl);
	if (err)
		return err;
	err = module_ask(module);
	if (err)
		genl_close(&module->genl);
	return err;
}

void module_close(struct module *module)
{
	genl_close(&module->genl);
}

static int fail_not_loaded(void)
{
	if (host_exists("/sys/module/irqhop"))
		return fail(STATUS_MODULE,
			    "the irqhop module is loaded but does not answer; run irqhop in the initial network namespace");
	return fail(STATUS_MODULE,
		    "the irqhop module is not loaded; load it with 'modprobe irqhop'");
}

int module_fail(const struct module *module, int err, const char *doing,
		const struct vm *vm)
{
	const char *extack = module->genl.extack;
	char who[NAME_LEN + 32] = "";

	if (vm)
		snprintf(who, sizeof(who), " VM %d (%s)", vm->pid, vm->name);
	switch (-err) {
	case ENODEV:
		if (!module->family)
			return fail_not_loaded();
		break;
	case EPROTO:
		if (module->abi && module->abi != IRQHOP_GENL_VERSION)
			return fail(STATUS_MODULE,
				    "the module (%s) speaks version %u, this tool (%s) version %u; install both from the same release",
				    module->version, module->abi,
				    IRQHOP_VERSION, IRQHOP_GENL_VERSION);
		break;
	case EPERM:
	case EACCES:
		return fail(STATUS_PERM,
			    "no permission to %s%s: %s", doing, who, *extack ?
			    extack : "needs root (CAP_SYS_ADMIN in the initial user namespace)");
	case EBADMSG:
		return fail(STATUS_FAILED,
			    "cannot %s%s: the module's answer makes no sense",
			    doing, who);
	}
	return fail(STATUS_FAILED, "cannot %s%s: %s", doing, who,
		    *extack ? extack : strerror(-err));
}

int module_need(struct module *module, const char *doing)
{
	int err;

	if (!host_admin())
		return fail(STATUS_PERM,
			    "no permission to %s: needs root (CAP_SYS_ADMIN)",
			    doing);
	err = module_open(module);
	return err ? module_fail(module, err, doing, NULL) : STATUS_OK;
}

bool module_has_policy(const struct module *module, const char *policy)
{
	size_t i;

	for (i = 0; i < module->nr_policies; i++)
		if (!strcmp(module->policy[i], policy))
			return true;
	return false;
}

int module_vm_enable(struct module *module, int fd, const char *policy)
{
	struct nlmsghdr *nlh;

	nlh = request(module, IRQHOP_CMD_VM_ENABLE, NLM_F_ACK);
	mnl_attr_put_u32(nlh, IRQHOP_A_VM_FD, fd);
	if (policy)
		mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, policy);
	return genl_talk(&module->genl, nlh, NULL, NULL);
}

int module_vm_disable(struct module *module, int fd)
{
	struct nlmsghdr *nlh;

	nlh = request(module, IRQHOP_CMD_VM_DISABLE, NLM_F_ACK);
	mnl_attr_put_u32(nlh, IRQHOP_A_VM_FD, fd);
	return genl_talk(&module->genl, nlh, NULL, NULL);
}

static int hist_read(const struct nlattr *attr, struct stat_vm *stat)
{
	if (mnl_attr_get_payload_len(attr) != sizeof(stat->cost_hist))
		return -EBADMSG;
	memcpy(stat->cost_hist, mnl_attr_get_payload(attr),
	       sizeof(stat->cost_hist));
	return 0;
}

static uint64_t *stat_field(struct stat_vm *stat, uint16_t type)
{
	switch (type) {
	case IRQHOP_STAT_HOPS:
		return &stat->hops;
	case IRQHOP_STAT_RETURNS:
		return &stat->returns;
	case IRQHOP_STAT_FAILED:
		return &stat->failed;
	case IRQHOP_STAT_STRANDED:
		return &stat->stranded;
	case IRQHOP_STAT_IN_HANDLER:
		return &stat->in_handler;
	case IRQHOP_STAT_HELD_BACK:
		return &stat->held_back;
	case IRQHOP_STAT_PREEMPTIONS:
		return &stat->preemptions;
	case IRQHOP_STAT_COST_MAX:
		return &stat->cost_max;
	case IRQHOP_STAT_COST_SUM:
		return &stat->cost_sum;
	}
	return NULL;
}

static int stat_read(const struct nlattr *nest, struct stat_vm *stat)
{
	const struct nlattr *attr;
	uint64_t *field;
	int err = 0;

	mnl_attr_for_each_nested(attr, nest) {
		field = stat_field(stat, mnl_attr_get_type(attr));
		if (field)
			err = attr_u64(attr, field);
		else if (mnl_attr_get_type(attr) == IRQHOP_STAT_COST_HIST)
			err = hist_read(attr, stat);
		if (err)
			return err;
	}
	return 0;
}

static int vcpu_read(const struct nlattr *nest, struct report *report)
{
	struct vcpu vcpu = { 0 }, *more;
	const struct nlattr *attr;
	int err = 0;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == IRQHOP_VCPU_ID)
			err = attr_u32(attr, &vcpu.id);
		else if (mnl_attr_get_type(attr) == IRQHOP_VCPU_STATE)
			err = attr_u32(attr, &vcpu.state);
		if (err)
			return err;
	}
	more = array_more(report->vcpu, report->nr_vcpus, sizeof(*more));
	if (!more)
		return -ENOMEM;
	report->vcpu = more;
	report->vcpu[report->nr_vcpus++] = vcpu;
	return 0;
}

static int report_attr(const struct nlattr *attr, struct report *report)
{
	uint32_t pid;
	int err;

	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_A_VM_PID:
		err = attr_u32(attr, &pid);
		if (!err)
			report->pid = vm_tgid(pid);
		return err;
	case IRQHOP_A_POLICY:
		return attr_string(attr, report->policy, IRQHOP_POLICY_LEN);
	case IRQHOP_A_STAT:
		return stat_read(attr, &report->stat);
	case IRQHOP_A_VCPU:
		return vcpu_read(attr, report);
	}
	return 0;
}

static int report_read(const struct nlmsghdr *nlh, void *data)
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
	return report_read(nlh, &more[list->nr++]);
}

int module_vm_get(struct module *module, int fd, struct report *report)
{
	struct nlmsghdr *nlh;
	int err;

	*report = (struct report){ 0 };
	nlh = request(module, IRQHOP_CMD_VM_GET, NLM_F_ACK);
	mnl_attr_put_u32(nlh, IRQHOP_A_VM_FD, fd);
	err = genl_talk(&module->genl, nlh, report_read, report);
	if (err)
		report_free(report);
	return err;
}

int module_vm_list(struct module *module, struct report_list *list)
{
	int tries = 0, err;

	*list = (struct report_list){ 0 };
	do {
		report_list_free(list);
		err = genl_talk(&module->genl,
				request(module, IRQHOP_CMD_VM_GET, NLM_F_DUMP),
				report_list_add, list);
	} while (err == -EINTR && ++tries < DUMP_TRIES);
	if (err)
		report_list_free(list);
	return err;
}

static int lpi_attr(const struct nlattr *attr, struct lpi *lpi)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_IRQ_INTID:
		return attr_u32(attr, &lpi->intid);
	case IRQHOP_IRQ_HOME:
		return attr_u32(attr, &lpi->home);
	case IRQHOP_IRQ_TARGET:
		return attr_u32(attr, &lpi->target);
	case IRQHOP_IRQ_HOST_IRQ:
		return attr_u32(attr, &lpi->host_irq);
	case IRQHOP_IRQ_FLAGS:
		return attr_u32(attr, &lpi->flags);
	}
	return 0;
}

static int lpi_list_add(const struct nlattr *nest, struct lpi_list *list)
{
	struct lpi lpi = { .home = LPI_NO_VCPU, .target = LPI_NO_VCPU };
	const struct nlattr *attr;
	struct lpi *more;
	int err;

	mnl_attr_for_each_nested(attr, nest) {
		err = lpi_attr(attr, &lpi);
		if (err)
			return err;
	}
	more = array_more(list->lpi, list->nr, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->lpi = more;
	list->lpi[list->nr++] = lpi;
	return 0;
}

/* Any number of LPIs in a message, any number of messages. */
static int lpi_list_read(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != IRQHOP_A_IRQ)
			continue;
		err = lpi_list_add(attr, data);
		if (err)
			return err;
	}
	return 0;
}

static int lpi_compare(const void *a, const void *b)
{
	const struct lpi *x = a, *y = b;

	return x->intid < y->intid ? -1 : x->intid > y->intid;
}

int module_irq_list(struct module *module, int fd, struct lpi_list *list)
{
	struct nlmsghdr *nlh;
	int tries = 0, err;

	*list = (struct lpi_list){ 0 };
	do {
		lpi_list_free(list);
		nlh = request(module, IRQHOP_CMD_IRQ_GET, NLM_F_DUMP);
		mnl_attr_put_u32(nlh, IRQHOP_A_VM_FD, fd);
		err = genl_talk(&module->genl, nlh, lpi_list_read, list);
	} while (err == -EINTR && ++tries < DUMP_TRIES);
	if (err)
		lpi_list_free(list);
	else if (list->nr)
		qsort(list->lpi, list->nr, sizeof(*list->lpi), lpi_compare);
	return err;
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

void lpi_list_free(struct lpi_list *list)
{
	free(list->lpi);
	list->lpi = NULL;
	list->nr = 0;
}
