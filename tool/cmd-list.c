// SPDX-License-Identifier: GPL-2.0-only
/* irqhop list: the VMs of this host. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "json.h"
#include "pick.h"
#include "report.h"

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

/* @report: NULL if it is not known that the VM is enabled. */
static json_t *row_json(pid_t pid, const char *name, size_t nr_vcpus,
			bool asked, const struct report *report)
{
	json_t *max_hops = report ?
		json_integer(report->max_hops) : json_null();

	return json_make("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "pid", pid,
			 "name", json_text(name),
			 "vcpus", json_number(nr_vcpus, 0),
			 "enabled", asked ? json_boolean(report) : json_null(),
			 "policy", json_text(report ? report->policy : NULL),
			 "return", json_text(report ? report->rule : NULL),
			 "halted", json_text(report_halted(report)),
			 "max_hops", max_hops);
}

static void list_json(const struct vm_list *vms,
		      const struct report_list *reports)
{
	json_t *array = json_make("[]");
	const struct report *report;
	size_t i;

	for (i = 0; i < vms->nr; i++) {
		const struct vm *vm = &vms->vm[i];

		report = reports ? report_find(reports, vm->pid) : NULL;
		json_add(array, row_json(vm->pid, vm->name, vm->nr_vcpus,
					 reports, report));
	}
	for (i = 0; reports && i < reports->nr; i++) {
		report = &reports->report[i];
		if (!vm_known(vms, report->pid))
			json_add(array, row_json(report->pid, NULL,
						 report->nr_vcpus, true,
						 report));
	}
	json_document(json_make("{s:o, s:b}", "vms", array,
				"partial", vms->partial));
}

/* Without the module, or the right to ask it, there is still a list. */
static int list_all(const struct vm_list *vms, bool json)
{
	static struct module module;
	struct report_list reports;
	int err;

	err = module_open(&module);
	if (!err) {
		err = report_list_read(&module, &reports);
		module_close(&module);
	}
	(json ? list_json : list_print)(vms, err ? NULL : &reports);
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

struct wish {
	const char *name;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *wish = state->input;

	switch (key) {
	case 'j':
		wish->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (wish->name)
			return ARGP_ERR_UNKNOWN;
		wish->name = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	JSON_OPTION,
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[VM]",
	.doc = "Lists the VMs of this host, or one VM (a pid or a name) with its vCPUs and the interrupts that it has mapped.",
};

int cmd_list(int argc, char **argv)
{
	struct wish wish = { 0 };
	struct vm_list vms;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &wish);
	status = pick_host(&vms);
	if (status)
		return status;
	status = wish.name ? list_vm(&vms, wish.name, wish.json) :
			     list_all(&vms, wish.json);
	vm_list_free(&vms);
	return status;
}
