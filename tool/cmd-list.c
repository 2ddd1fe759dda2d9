// SPDX-License-Identifier: GPL-2.0-only
/* irqhop list: the VMs of this host, or the interrupts of one. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "host.h"
#include "module.h"
#include "vm.h"

static const char * const state_name[] = {
	[IRQHOP_VCPU_STATE_UNKNOWN]	= "unknown",
	[IRQHOP_VCPU_STATE_RUNNING]	= "running",
	[IRQHOP_VCPU_STATE_PREEMPTED]	= "preempted",
	[IRQHOP_VCPU_STATE_IN_HANDLER]	= "in-handler",
	[IRQHOP_VCPU_STATE_HALTED]	= "halted",
	[IRQHOP_VCPU_STATE_BLOCKED]	= "blocked",
	[IRQHOP_VCPU_STATE_USER]	= "user",
	[IRQHOP_VCPU_STATE_OFF]		= "off",
};

static const char *state_text(uint32_t state)
{
	if (state >= sizeof(state_name) / sizeof(*state_name))
		return "?";
	return state_name[state];
}

static void row_print(pid_t pid, const char *name, size_t nr_vcpus,
		      const char *enabled, const char *policy)
{
	char vcpus[32] = "-";

	if (nr_vcpus)
		snprintf(vcpus, sizeof(vcpus), "%zu", nr_vcpus);
	printf("%7d  %5s  %-7s  %-15s  %s\n", pid, vcpus, enabled, policy,
	       name);
}

static const struct report *report_find(const struct report_list *reports,
					pid_t pid)
{
	size_t i;

	for (i = 0; i < reports->nr; i++)
		if (reports->report[i].pid == pid)
			return &reports->report[i];
	return NULL;
}

static bool vm_known(const struct vm_list *vms, pid_t pid)
{
	size_t i;

	for (i = 0; i < vms->nr; i++)
		if (vms->vm[i].pid == pid)
			return true;
	return false;
}

/* @reports: NULL if the module was not asked. */
static void list_print(const struct vm_list *vms,
		       const struct report_list *reports)
{
	const struct report *report;
	size_t i;

	printf("%7s  %5s  %-7s  %-15s  %s\n", "PID", "VCPUS", "ENABLED",
	       "POLICY", "NAME");
	for (i = 0; i < vms->nr; i++) {
		const struct vm *vm = &vms->vm[i];

		report = reports ? report_find(reports, vm->pid) : NULL;
		row_print(vm->pid, vm->name, vm->nr_vcpus,
			  report ? "yes" : reports ? "no" : "-",
			  report ? report->policy : "-");
	}
	/* Enabled, but whoever made them is not seen to hold them. */
	for (i = 0; reports && i < reports->nr; i++) {
		report = &reports->report[i];
		if (!vm_known(vms, report->pid))
			row_print(report->pid, "?", report->nr_vcpus, "yes",
				  report->policy);
	}
}

/* Without the module, or the right to ask it, there is still a list. */
static int list_all(const struct vm_list *vms)
{
	static struct module module;
	struct report_list reports;
	int err;

	err = module_open(&module);
	if (!err) {
		err = module_vm_list(&module, &reports);
		module_close(&module);
	}
	list_print(vms, err ? NULL : &reports);
	if (!err)
		report_list_free(&reports);
	if (vms->partial)
		note("not root: only your own processes were looked at");
	if (err == -EPERM || err == -EACCES)
		note("not root: the module does not say which VMs are enabled");
	else if (err && (err != -ENODEV || module.family))
		return module_fail(&module, err, "list the enabled VMs", NULL);
	return STATUS_OK;
}

static void vcpus_print(const struct vm *vm, const struct report *report)
{
	size_t i;

	printf("\n%7s  %s\n", "VCPU", "STATE");
	for (i = 0; report && i < report->nr_vcpus; i++)
		printf("%7u  %s\n", report->vcpu[i].id,
		       state_text(report->vcpu[i].state));
	for (i = 0; !report && i < vm->nr_vcpus; i++)
		printf("%7u  -\n", vm->vcpu[i]);
}

static const char *number(char buf[16], uint32_t value, uint32_t none)
{
	if (value == none)
		return "-";
	snprintf(buf, 16, "%u", value);
	return buf;
}

static void lpis_print(const struct lpi_list *lpis)
{
	char home[16], target[16], host_irq[16];
	size_t i;

	printf("\n%7s  %5s  %6s  %-8s  %8s  %s\n", "INTID", "HOME", "TARGET",
	       "DELIVERY", "HOST-IRQ", "FLAGS");
	for (i = 0; i < lpis->nr; i++) {
		const struct lpi *lpi = &lpis->lpi[i];

		printf("%7u  %5s  %6s  %-8s  %8s  %s%s\n", lpi->intid,
		       number(home, lpi->home, LPI_NO_VCPU),
		       number(target, lpi->target, LPI_NO_VCPU),
		       lpi->flags & IRQHOP_IRQ_F_DIRECT ? "direct" : "injected",
		       number(host_irq, lpi->host_irq, 0),
		       lpi->flags & IRQHOP_IRQ_F_ENABLED ? "enabled" : "masked",
		       lpi->flags & IRQHOP_IRQ_F_PENDING ? ",pending" : "");
	}
}

static int vm_print(const struct vm *vm, const struct report *report,
		    const struct lpi_list *lpis)
{
	printf("pid      %d\nname     %s\nvcpus    %zu\nenabled  %s\npolicy   %s\n",
	       vm->pid, vm->name, report ? report->nr_vcpus : vm->nr_vcpus,
	       report ? "yes" : "no", report ? report->policy : "-");
	vcpus_print(vm, report);
	lpis_print(lpis);
	return STATUS_OK;
}

static int vm_ask(struct module *module, const struct vm *vm, int fd)
{
	struct report report;
	struct lpi_list lpis;
	bool enabled;
	int err, status;

	err = module_vm_get(module, fd, &report);
	if (err && err != -ENOENT)
		return module_fail(module, err, "look at", vm);
	enabled = !err;
	err = module_irq_list(module, fd, &lpis);
	status = err ? module_fail(module, err, "list the interrupts of", vm) :
		       vm_print(vm, enabled ? &report : NULL, &lpis);
	if (!err)
		lpi_list_free(&lpis);
	if (enabled)
		report_free(&report);
	return status;
}

static int list_one(const struct vm_list *vms, const char *name)
{
	static struct module module;
	struct vm *vm;
	int fd, status;

	status = vm_list_find(vms, name, &vm);
	if (status)
		return status;
	status = module_need(&module, "list interrupts");
	if (status)
		return status;
	fd = vm_hold(vm);
	fd = fd ?: vm_fd(vm);
	if (fd < 0) {
		status = vm_fail(vm, fd);
	} else {
		status = vm_ask(&module, vm, fd);
		close(fd);
	}
	module_close(&module);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **name = state->input;

	if (key != ARGP_KEY_ARG || *name)
		return ARGP_ERR_UNKNOWN;
	*name = arg;
	return 0;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "[VM]",
	.doc = "Lists the VMs of this host, or one VM (a pid or a name) with its vCPUs and the interrupts that it has mapped.",
};

int cmd_list(int argc, char **argv)
{
	const char *name = NULL;
	struct vm_list vms;
	int err, status;

	argp_parse(&argp, argc, argv, 0, NULL, &name);
	err = vm_list_read(&vms);
	if (err)
		return fail(STATUS_FAILED, "cannot read /proc: %s",
			    strerror(-err));
	status = name ? list_one(&vms, name) : list_all(&vms);
	vm_list_free(&vms);
	return status;
}
