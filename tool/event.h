/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's trace events, as lines of a trace_pipe. */
#ifndef IRQHOP_EVENT_H
#define IRQHOP_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EVENT_FIELDS	5
#define EVENT_TEXT_LEN	128
#define EVENT_NO_VCPU	UINT64_MAX

/**
 * enum event_type - what a field is
 * @EVENT_NUMBER: a number
 * @EVENT_VCPU: a vcpu_id, or none
 * @EVENT_WORD: a text
 */
enum event_type {
	EVENT_NUMBER,
	EVENT_VCPU,
	EVENT_WORD,
};

/**
 * struct event_field - one field of an event
 * @key: as the module prints it, KEY=VALUE
 * @name: the same in JSON
 * @type: what it is
 */
struct event_field {
	const char *key;
	const char *name;
	enum event_type type;
};

/**
 * struct event_kind - an event of the module
 * @name: the tracepoint's
 * @field: its fields after "vm", in the order printed; a text that is the
 *	last goes on to the end of the line
 * @format: for people, with each field's value in place of its {KEY}
 * @frequent: so many that it is shown only where it is asked for
 */
struct event_kind {
	const char *name;
	struct event_field field[EVENT_FIELDS + 1];
	const char *format;
	bool frequent;
};

/* Ends with one that has no name. */
extern const struct event_kind event_kinds[];

/**
 * struct event - an event
 * @kind: which
 * @time_us: by CLOCK_MONOTONIC
 * @cpu: the pCPU
 * @vm: the VM, by the pid that the module has of it
 * @value: of a field that is a number, or a vcpu_id or %EVENT_NO_VCPU
 * @text: of a field that is a text
 */
struct event {
	const struct event_kind *kind;
	uint64_t time_us;
	uint32_t cpu;
	pid_t vm;
	uint64_t value[EVENT_FIELDS];
	char text[EVENT_FIELDS][EVENT_TEXT_LEN];
};

/* NULL if there is none called that. */
const struct event_kind *event_kind_find(const char *name);

/* Is @line one of the module's events? */
bool event_parse(struct event *event, const char *line);

/* "CPU:2 [LOST 17 EVENTS]": how many, 0 if @line says something else. */
uint64_t event_lost(const char *line, uint32_t *cpu);

/* What follows the event's name, for people. */
void event_text(const struct event *event, char *text, size_t size);

#endif
