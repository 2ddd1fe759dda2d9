// SPDX-License-Identifier: GPL-2.0-only
/* irqhop trace: each hop, as it happens. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "event.h"
#include "json.h"
#include "pick.h"
#include "report.h"
#include "stop.h"
#include "tracefs.h"

#define EVENT_KINDS	8
#define LINE_LEN	4096

/**
 * struct trace - what is to be shown
 * @name: the VM as the user named it; NULL: all
 * @wanted: by &event_kinds; if none is, all that are not frequent
 * @some: one is
 * @raw: the kernel's own lines
 * @json: as JSON
 * @stop: when to stop
 * @module: the module
 * @vm: the VM by the pid that the module has of it, 0: all
 * @tracefs: where events come from
 * @line: the beginning of a line that has not all come yet
 * @len: its length
 * @maker: the pid, as the module has it, of the last event
 * @pid: the process that it belongs to
 */
struct trace {
	const char *name;
	bool wanted[EVENT_KINDS];
	bool some;
	bool raw;
	bool json;
	struct stop stop;
	struct module *module;
	pid_t vm;
	struct tracefs tracefs;
	char line[LINE_LEN];
	size_t len;
	pid_t maker;
	pid_t pid;
};

/* Events are many, and mostly of one VM. */
static pid_t process_get(struct trace *trace, pid_t maker)
{
	if (trace->maker != maker) {
		trace->maker = maker;
		trace->pid = vm_tgid(maker);
	}
	return trace->pid;
}

static void event_print(struct trace *trace, const struct event *event)
{
	char text[512];

	event_text(event, text, sizeof(text));
	printf("%6" PRIu64 ".%06" PRIu64 "  [%03u]  VM %-7d  %-10s  %s\n",
	       event->time_us / 1000000, event->time_us % 1000000, event->cpu,
	       process_get(trace, event->vm), event->kind->name, text);
}

static json_t *field_json(const struct event *event, size_t i)
{
	const struct event_field *field = &event->kind->field[i];

	if (field->type == EVENT_WORD)
		return json_text(event->text[i]);
	if (field->type == EVENT_VCPU && event->value[i] == EVENT_NO_VCPU)
		return json_null();
	return json_make("I", (json_int_t)event->value[i]);
}

static void event_json(struct trace *trace, const struct event *event)
{
	const struct event_field *field = event->kind->field;
	json_t *value;
	size_t i;

	value = json_make("{s:s, s:I, s:I, s:i}", "event", event->kind->name,
			  "time_us", (json_int_t)event->time_us,
			  "cpu", (json_int_t)event->cpu,
			  "pid", process_get(trace, event->vm));
	for (i = 0; i < EVENT_FIELDS && field[i].key; i++)
		json_put(value, field[i].name, field_json(event, i));
	json_line(value);
}

/* What was lost is not an event: it does not count. */
static void lost_show(const struct trace *trace, uint64_t nr, uint32_t cpu)
{
	if (trace->json)
		json_line(json_make("{s:s, s:I, s:I}", "event", "lost",
				    "cpu", (json_int_t)cpu,
				    "events", (json_int_t)nr));
	else
		note("%" PRIu64 " events of pCPU %u were lost", nr, cpu);
}

static void line_show(struct trace *trace)
{
	struct event event;
	uint64_t lost;
	uint32_t cpu;

	lost = event_lost(trace->line, &cpu);
	if (lost) {
		lost_show(trace, lost, cpu);
		return;
	}
	if (!event_parse(&event, trace->line)) {
		note("not understood: %s", trace->line);
		return;
	}
	trace->stop.done++;
	if (trace->raw)
		puts(trace->line);
	else
		(trace->json ? event_json : event_print)(trace, &event);
}

/* A line that is too long is cut. */
static void char_take(struct trace *trace, char c)
{
	if (c != '\n') {
		if (trace->len < LINE_LEN - 1)
			trace->line[trace->len++] = c;
		return;
	}
	trace->line[trace->len] = '\0';
	trace->len = 0;
	line_show(trace);
}

static int pipe_read(struct trace *trace)
{
	char buf[4096];
	ssize_t n, i;

	while (!stop_now(&trace->stop)) {
		n = read(trace->tracefs.fd, buf, sizeof(buf));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(STATUS_FAILED, "cannot read %s: %s",
				    trace->tracefs.path, strerror(errno));
		if (n <= 0)
			break;
		for (i = 0; i < n && !stop_now(&trace->stop); i++)
			char_take(trace, buf[i]);
	}
	if (!fflush(stdout) || stop_signalled())
		return STATUS_OK;
	return fail_write();
}

static int trace_stream(struct trace *trace)
{
	int status = STATUS_OK;

	while (!status && !stop_now(&trace->stop)) {
		stop_wait(&trace->stop, trace->tracefs.fd);
		status = pipe_read(trace);
		if (status || tracefs_alive(&trace->tracefs))
			continue;
		trace->module->unloaded = true;
		status = module_fail(trace->module, -ENODEV, "trace", NULL);
	}
	return status;
}

static int events_start(struct trace *trace)
{
	int status = STATUS_OK;
	size_t i;

	for (i = 0; event_kinds[i].name && !status; i++)
		if (trace->some ? trace->wanted[i] : !event_kinds[i].frequent)
			status = tracefs_event(&trace->tracefs,
					       event_kinds[i].name, trace->vm);
	return status ?: tracefs_start(&trace->tracefs);
}

/* From here on the instance is removed whatever happens. */
static int trace_run(struct trace *trace)
{
	int status;

	stop_begin(&trace->stop);
	status = tracefs_open(&trace->tracefs);
	if (!status)
		status = events_start(trace);
	if (!status)
		status = trace_stream(trace);
	tracefs_close(&trace->tracefs);
	return status;
}

/* The VM by the module's own pid of it, which may be a thread's. */
static int vm_find(struct trace *trace)
{
	struct vm_list host;
	struct report report;
	struct vm *vm;
	int fd, err, status;

	status = pick_host(&host);
	if (status)
		return status;
	status = pick_one(&host, trace->name, &vm, &fd);
	if (!status) {
		err = report_read(trace->module, fd, &report);
		close(fd);
		trace->vm = report.maker;
		if (err)
			status = report_fail(trace->module, err, vm);
		else
			report_free(&report);
	}
	vm_list_free(&host);
	return status;
}

static int trace_do(struct trace *trace)
{
	int status = module_need(trace->module, "trace");

	if (status)
		return status;
	if (trace->name)
		status = vm_find(trace);
	module_close(trace->module);
	return status ?: trace_run(trace);
}

static void want(struct trace *trace, const char *name,
		 struct argp_state *state)
{
	const struct event_kind *kind = event_kind_find(name);
	char names[256] = "";

	if (kind) {
		trace->wanted[kind - event_kinds] = true;
		trace->some = true;
		return;
	}
	for (kind = event_kinds; kind->name; kind++) {
		strcat(names, " ");
		strcat(names, kind->name);
	}
	argp_error(state, "no event '%s'; there are:%s", name, names);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct trace *trace = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &trace->stop;
		return 0;
	case 'e':
		want(trace, arg, state);
		return 0;
	case 'r':
		trace->raw = true;
		return 0;
	case 'j':
		trace->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (trace->name)
			return ARGP_ERR_UNKNOWN;
		trace->name = arg;
		return 0;
	case ARGP_KEY_END:
		if (trace->raw && trace->json)
			argp_error(state, "give either --raw or --json");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "event", 'e', "EVENT", 0,
	  "Only this event, may be given again; else all but 'turn'", 0 },
	JSON_LINES_OPTION,
	{ "raw", 'r', NULL, 0, "The kernel's own lines", 0 },
	{ 0 }
};

static const struct argp_child children[] = {
	{ &stop_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[VM]",
	.children = children,
	.doc = "Shows what the module does with the interrupts of the VM (a pid or a name), or of all that are enabled, as it happens.",
};

int cmd_trace(int argc, char **argv)
{
	static struct module module;
	static struct trace trace;

	trace.module = &module;
	argp_parse(&argp, argc, argv, 0, NULL, &trace);
	return trace_do(&trace);
}
