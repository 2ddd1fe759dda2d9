// SPDX-License-Identifier: GPL-2.0-only
/* irqhop stat: what was redirected, and what it cost. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "json.h"
#include "pick.h"
#include "report.h"
#include "stop.h"

#define CELL_LEN	32

/**
 * struct watch - what is to be shown, how often
 * @name: the VM as the user named it; NULL: all that are enabled
 * @raw: as key=value lines
 * @json: as JSON
 * @interval: seconds; 0: not, as @count is 1
 * @count: times; 0: for ever
 * @headed: the table has its head
 * @module: the module
 * @vm: the VM that @name names
 * @last: what was shown last
 */
struct watch {
	const char *name;
	bool raw;
	bool json;
	double interval;
	unsigned long count;
	bool headed;
	struct module *module;
	struct vm *vm;
	struct report_list last;
};

static json_t *hist_json(const struct stat_vm *stat)
{
	json_t *array = json_make("[]");
	unsigned int i;

	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		json_add(array, json_make("I",
					  (json_int_t)stat->cost_hist[i]));
	return array;
}

static json_t *report_json(const struct report *report)
{
	const struct stat_vm *stat = &report->stat;
	const struct stat_counter *counter;
	char name[NAME_LEN];
	json_t *vm;

	vm = json_make("{s:i, s:o, s:o, s:o, s:o, s:I, s:o}",
		       "pid", report->pid,
		       "name", json_text(vm_name(report->pid, name)),
		       "policy", json_text(report->policy),
		       "return", json_text(report->rule),
		       "halted", json_text(report_halted(report)),
		       "max_hops", (json_int_t)report->max_hops,
		       "enabled_ns", stat->time ?
		       json_integer(stat->time) : json_null());
	for (counter = stat_counters; counter->key; counter++)
		json_put(vm, counter->key, stat->known[counter->attr] ?
			 json_make("I",
				   (json_int_t)stat->count[counter->attr]) :
			 json_null());
	json_put(vm, "cost_median_ns", stat_moves(stat) ?
		 json_make("I", (json_int_t)stat_median(stat)) : json_null());
	json_put(vm, "cost_median_open", json_boolean(stat_median_open(stat)));
	json_put(vm, "cost_bucket_ns", json_make("i", IRQHOP_COST_BUCKET_NS));
	json_put(vm, "cost_hist", hist_json(stat));
	return vm;
}

static void reports_json(const struct watch *watch,
			 const struct report_list *list)
{
	json_t *vms = json_make("[]"), *root;
	size_t i;

	for (i = 0; i < list->nr; i++)
		json_add(vms, report_json(&list->report[i]));
	root = json_make("{s:o}", "vms", vms);
	if (watch->interval)
		json_line(root);
	else
		json_document(root);
}

static void raw_print(const struct report *report)
{
	const struct stat_vm *stat = &report->stat;
	const struct stat_counter *counter;
	char name[NAME_LEN];
	unsigned int i;

	printf("pid=%d\n", report->pid);
	printf("name=%s\n", vm_name(report->pid, name) ?: "?");
	printf("policy=%s\n", report->policy);
	if (stat->time)
		printf("enabled_ns=%" PRIu64 "\n", stat->time);
	for (counter = stat_counters; counter->key; counter++)
		if (stat->known[counter->attr])
			printf("%s=%" PRIu64 "\n", counter->key,
			       stat->count[counter->attr]);
	printf("cost_median_ns=%" PRIu64 "\n", stat_median(stat));
	/* For whoever adds up several VMs or intervals: medians do not add. */
	printf("cost_hist=");
	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		printf("%s%" PRIu64, i ? "," : "", stat->cost_hist[i]);
	putchar('\n');
}

static void median_cell(char cell[CELL_LEN], const struct stat_vm *stat)
{
	if (stat_moves(stat))
		snprintf(cell, CELL_LEN, "%s%" PRIu64,
			 stat_median_open(stat) ? ">=" : "",
			 stat_median(stat));
}

/* Several at a time can make it more than all of it. */
static void share_cell(char cell[CELL_LEN], const struct stat_vm *stat,
		       uint16_t attr)
{
	if (stat->time && stat->known[attr])
		snprintf(cell, CELL_LEN, "%.3f%%",
			 100. * stat->count[attr] / stat->time);
}

static void irqs_off_cell(char cell[CELL_LEN], const struct stat_vm *stat)
{
	share_cell(cell, stat, IRQHOP_STAT_IRQS_OFF_SUM);
}

static void donated_cell(char cell[CELL_LEN], const struct stat_vm *stat)
{
	share_cell(cell, stat, IRQHOP_STAT_DONATED);
}

/* What is between PID and NAME: a counter, or what @fill makes of several. */
static const struct {
	const char *head;
	int width;
	uint16_t attr;
	void (*fill)(char cell[CELL_LEN], const struct stat_vm *stat);
} columns[] = {
	{ "HOPS",	 9, IRQHOP_STAT_HOPS, NULL },
	{ "RETURNS",	 9, IRQHOP_STAT_RETURNS, NULL },
	{ "FAILED",	 7, IRQHOP_STAT_FAILED, NULL },
	{ "STRANDED",	 9, IRQHOP_STAT_STRANDED, NULL },
	{ "IN-HANDLER",	10, IRQHOP_STAT_IN_HANDLER, NULL },
	{ "HELD-BACK",	 9, IRQHOP_STAT_HELD_BACK, NULL },
	{ "OVER-BOUND",	10, IRQHOP_STAT_OVER_BOUND, NULL },
	{ "PREEMPTIONS", 11, IRQHOP_STAT_PREEMPTIONS, NULL },
	{ "MEDIAN-NS",	 9, 0, median_cell },
	{ "MAX-NS",	 9, IRQHOP_STAT_COST_MAX, NULL },
	{ "TURNS",	 9, IRQHOP_STAT_TURNS, NULL },
	{ "OFF-MAX-NS",	10, IRQHOP_STAT_IRQS_OFF_MAX, NULL },
	{ "IRQS-OFF",	 8, 0, irqs_off_cell },
	{ "SUMMONS",	 8, IRQHOP_STAT_SUMMONS, NULL },
	{ "SUMM-HELD",	 9, IRQHOP_STAT_SUMMONS_HELD, NULL },
	{ "DONATIONS",	 9, IRQHOP_STAT_DONATIONS, NULL },
	{ "DONATED",	 8, 0, donated_cell },
};

#define COLUMNS	(sizeof(columns) / sizeof(*columns))

static void head_print(struct watch *watch)
{
	size_t i;

	if (watch->headed)
		return;
	watch->headed = true;
	printf("%7s", "PID");
	for (i = 0; i < COLUMNS; i++)
		printf(" %*s", columns[i].width, columns[i].head);
	puts("  NAME");
}

/* What is not known is "-". */
static void cell_print(size_t column, const struct stat_vm *stat)
{
	uint16_t attr = columns[column].attr;
	char cell[CELL_LEN] = "-";

	if (columns[column].fill)
		columns[column].fill(cell, stat);
	else if (stat->known[attr])
		snprintf(cell, sizeof(cell), "%" PRIu64, stat->count[attr]);
	printf(" %*s", columns[column].width, cell);
}

static void row_print(const struct report *report, const struct stat_vm *stat)
{
	char name[NAME_LEN];
	size_t i;

	printf("%7d", report->pid);
	for (i = 0; i < COLUMNS; i++)
		cell_print(i, stat);
	printf("  %s\n", vm_name(report->pid, name) ?: "?");
}

static const struct report *last_find(const struct watch *watch, pid_t pid)
{
	size_t i;

	for (i = 0; i < watch->last.nr; i++)
		if (watch->last.report[i].pid == pid)
			return &watch->last.report[i];
	return NULL;
}

/* Totals the first time and always for programs, otherwise what is new. */
static void reports_print(struct watch *watch, const struct report_list *list)
{
	const struct report *last;
	struct stat_vm stat;
	size_t i;

	if (watch->json)
		reports_json(watch, list);
	for (i = 0; i < list->nr && !watch->json; i++) {
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
	err = list->report ? report_read(watch->module, fd, list->report) :
			     -ENOMEM;
	close(fd);
	if (!err) {
		list->report->pid = watch->vm->pid;
		list->nr = 1;
		return STATUS_OK;
	}
	report_list_free(list);
	return report_fail(watch->module, err, watch->vm);
}

static int report_all(struct watch *watch, struct report_list *list)
{
	int err = report_list_read(watch->module, list);

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
	return fflush(stdout) ? fail_write() : STATUS_OK;
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

	status = pick_host(&vms);
	if (status)
		return status;
	status = vm_list_find(&vms, watch->name, &watch->vm);
	if (!status) {
		err = vm_hold(watch->vm);
		status = err ? vm_fail(watch->vm, err) : watch_run(watch);
	}
	vm_list_free(&vms);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch *watch = state->input;

	switch (key) {
	case 'i':
		watch->interval = stop_seconds(arg, state);
		return 0;
	case 'n':
		watch->count = stop_count(arg, state);
		return 0;
	case 'r':
		watch->raw = true;
		return 0;
	case 'j':
		watch->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (watch->name)
			return ARGP_ERR_UNKNOWN;
		watch->name = arg;
		return 0;
	case ARGP_KEY_END:
		if (watch->raw && watch->json)
			argp_error(state, "give either --raw or --json");
		if (!watch->interval && watch->count > 1)
			watch->interval = 1;
		if (!watch->interval)
			watch->count = 1;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "interval", 'i', "SEC", 0,
	  "Go on: totals first, then what each interval added", 0 },
	{ "count", 'n', "N", 0, "Stop after N times", 0 },
	JSON_OPTION,
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
	status = module_need(&module, "show counters");
	if (status)
		return status;
	status = watch.name ? watch_vm(&watch) : watch_run(&watch);
	module_close(&module);
	return status;
}
