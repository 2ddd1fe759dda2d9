// SPDX-License-Identifier: GPL-2.0-only
/* irqhop stat: what was redirected, and what it cost. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "module.h"
#include "vm.h"

#define INTERVAL_MAX 86400

/**
 * struct watch - what is to be shown, how often
 * @name: the VM as the user named it; NULL: all that are enabled
 * @raw: for scripts
 * @interval: seconds; 0: once
 * @count: times; 0: for ever
 * @headed: the table has its head
 * @module: the module
 * @vm: the VM that @name names
 * @last: what was shown last
 */
struct watch {
	const char *name;
	bool raw;
	double interval;
	unsigned long count;
	bool headed;
	struct module *module;
	struct vm *vm;
	struct report_list last;
};

static void name_print(pid_t pid)
{
	struct vm vm;

	if (vm_read(&vm, pid) != 1) {
		puts("?");
		return;
	}
	puts(vm.name);
	vm_free(&vm);
}

static void raw_print(const struct report *report)
{
	const struct stat_vm *stat = &report->stat;
	unsigned int i;

	printf("pid=%d\nname=", report->pid);
	name_print(report->pid);
	printf("policy=%s\n", report->policy);
	printf("hops=%" PRIu64 "\n", stat->hops);
	printf("returns=%" PRIu64 "\n", stat->returns);
	printf("failed=%" PRIu64 "\n", stat->failed);
	printf("stranded=%" PRIu64 "\n", stat->stranded);
	printf("in_handler=%" PRIu64 "\n", stat->in_handler);
	printf("held_back=%" PRIu64 "\n", stat->held_back);
	printf("preemptions=%" PRIu64 "\n", stat->preemptions);
	printf("cost_max_ns=%" PRIu64 "\n", stat->cost_max);
	printf("cost_sum_ns=%" PRIu64 "\n", stat->cost_sum);
	printf("cost_median_ns=%" PRIu64 "\n", stat_median(stat));
	/* For whoever adds up several VMs or intervals: medians do not add. */
	printf("cost_hist=");
	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		printf("%s%" PRIu64, i ? "," : "", stat->cost_hist[i]);
	putchar('\n');
}

static void head_print(struct watch *watch)
{
	if (watch->headed)
		return;
	watch->headed = true;
	printf("%7s %9s %9s %7s %9s %10s %9s %11s %9s %9s  %s\n", "PID",
	       "HOPS", "RETURNS", "FAILED", "STRANDED", "IN-HANDLER",
	       "HELD-BACK", "PREEMPTIONS", "MEDIAN-NS", "MAX-NS", "NAME");
}

static void row_print(const struct report *report, const struct stat_vm *stat)
{
	char median[32] = "-";

	if (stat_moves(stat))
		snprintf(median, sizeof(median), "%s%" PRIu64,
			 stat_median_open(stat) ? ">=" : "",
			 stat_median(stat));
	printf("%7d %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %9" PRIu64
	       " %10" PRIu64 " %9" PRIu64 " %11" PRIu64 " %9s %9" PRIu64 "  ",
	       report->pid, stat->hops, stat->returns, stat->failed,
	       stat->stranded, stat->in_handler, stat->held_back,
	       stat->preemptions, median, stat->cost_max);
	name_print(report->pid);
}

static const struct report *last_find(const struct watch *watch, pid_t pid)
{
	size_t i;

	for (i = 0; i < watch->last.nr; i++)
		if (watch->last.report[i].pid == pid)
			return &watch->last.report[i];
	return NULL;
}

/* Totals the first time and always with --raw, otherwise what is new. */
static void reports_print(struct watch *watch, const struct report_list *list)
{
	const struct report *last;
	struct stat_vm stat;
	size_t i;

	for (i = 0; i < list->nr; i++) {
		const struct report *report = &list->report[i];

		if (watch->raw) {
			if (i)
				putchar('\n');
			raw_print(report);
			continue;
		}
		head_print(watch);
		last = last_find(watch, report->pid);
		stat = last ? stat_since(&report->stat, &last->stat) :
			      report->stat;
		row_print(report, &stat);
	}
}

/*
 * The descriptor is closed at once: while it is open, the VM could not end.
 */
static int report_one(struct watch *watch, struct report_list *list)
{
	int fd, err;

	fd = vm_fd(watch->vm);
	if (fd < 0)
		return vm_fail(watch->vm, fd);
	list->report = calloc(1, sizeof(*list->report));
	err = list->report ? module_vm_get(watch->module, fd, list->report) :
			     -ENOMEM;
	close(fd);
	if (!err) {
		list->report->pid = watch->vm->pid;
		list->nr = 1;
		return STATUS_OK;
	}
	report_list_free(list);
	if (err == -ENOENT)
		return fail(STATUS_FAILED,
			    "VM %d (%s) is not enabled; 'irqhop enable %d' enables it",
			    watch->vm->pid, watch->vm->name, watch->vm->pid);
	return module_fail(watch->module, err, "look at", watch->vm);
}

static int report_all(struct watch *watch, struct report_list *list)
{
	int err = module_vm_list(watch->module, list);

	if (err)
		return module_fail(watch->module, err, "list the enabled VMs",
				   NULL);
	if (!list->nr)
		note("no VM is enabled");
	return STATUS_OK;
}

static int watch_once(struct watch *watch)
{
	struct report_list list = { 0 };
	int status;

	status = watch->vm ? report_one(watch, &list) :
			     report_all(watch, &list);
	if (status)
		return status;
	reports_print(watch, &list);
	report_list_free(&watch->last);
	watch->last = list;
	return fflush(stdout) ? fail(STATUS_FAILED, "cannot write: %s",
				     strerror(errno)) : STATUS_OK;
}

static void watch_wait(const struct watch *watch)
{
	struct timespec left = { .tv_sec = watch->interval };

	left.tv_nsec = (watch->interval - left.tv_sec) * 1e9;
	while (nanosleep(&left, &left) && errno == EINTR)
		;
	if (watch->raw)
		putchar('\n');
}

static int watch_run(struct watch *watch)
{
	unsigned long done = 0;
	int status;

	for (;;) {
		status = watch_once(watch);
		if (status || ++done == watch->count)
			break;
		watch_wait(watch);
	}
	report_list_free(&watch->last);
	return status;
}

static int watch_vm(struct watch *watch)
{
	struct vm_list vms;
	int err, status;

	err = vm_list_read(&vms);
	if (err)
		return fail(STATUS_FAILED, "cannot read /proc: %s",
			    strerror(-err));
	status = vm_list_find(&vms, watch->name, &watch->vm);
	if (!status) {
		err = vm_hold(watch->vm);
		status = err ? vm_fail(watch->vm, err) : watch_run(watch);
	}
	vm_list_free(&vms);
	return status;
}

static double parse_seconds(const char *arg, struct argp_state *state)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value > 0 && value <= INTERVAL_MAX))
		argp_error(state, "not a number of seconds: '%s'", arg);
	return value;
}

static unsigned long parse_count(const char *arg, struct argp_state *state)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(arg, &end, 10);
	if (errno || end == arg || *end || value <= 0)
		argp_error(state, "not a number of times: '%s'", arg);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch *watch = state->input;

	switch (key) {
	case 'i':
		watch->interval = parse_seconds(arg, state);
		return 0;
	case 'n':
		watch->count = parse_count(arg, state);
		return 0;
	case 'r':
		watch->raw = true;
		return 0;
	case ARGP_KEY_ARG:
		if (watch->name)
			return ARGP_ERR_UNKNOWN;
		watch->name = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "interval", 'i', "SEC", 0,
	  "Go on: totals first, then what each interval added", 0 },
	{ "count", 'n', "N", 0, "Stop after N times", 0 },
	{ "raw", 'r', NULL, 0, "Totals as key=value lines, for scripts", 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[VM]",
	.doc = "Shows the counters of the VM (a pid or a name), or of all that are enabled, since each was enabled.",
};

int cmd_stat(int argc, char **argv)
{
	static struct module module;
	struct watch watch = { .module = &module };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &watch);
	if (!watch.interval && !watch.count)
		watch.count = 1;
	if (!watch.interval)
		watch.interval = 1;
	status = module_need(&module, "show counters");
	if (status)
		return status;
	status = watch.name ? watch_vm(&watch) : watch_run(&watch);
	module_close(&module);
	return status;
}
