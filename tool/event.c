// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "name.h"

const struct event_kind event_kinds[] = {
	{
		.name = "hop",
		.field = {
			{ "intid", "intid", EVENT_NUMBER },
			{ "from", "from", EVENT_VCPU },
			{ "to", "to", EVENT_VCPU },
			{ "reason", "reason", EVENT_WORD },
			{ "cost", "cost_ns", EVENT_NUMBER },
		},
		.format = "interrupt {intid}: vCPU {from} -> {to}, {reason}, {cost} ns",
	}, {
		.name = "return",
		.field = {
			{ "intid", "intid", EVENT_NUMBER },
			{ "from", "from", EVENT_VCPU },
			{ "to", "to", EVENT_VCPU },
			{ "reason", "reason", EVENT_WORD },
			{ "cost", "cost_ns", EVENT_NUMBER },
		},
		.format = "interrupt {intid}: vCPU {from} -> {to}, {reason}, {cost} ns",
	}, {
		.name = "stranded",
		.field = {
			{ "intid", "intid", EVENT_NUMBER },
			{ "vcpu", "target", EVENT_VCPU },
			{ "home", "home", EVENT_VCPU },
		},
		.format = "interrupt {intid}: target vCPU {vcpu}, home {home}",
	}, {
		.name = "held_back",
		.field = {
			{ "intid", "intid", EVENT_NUMBER },
			{ "reason", "reason", EVENT_WORD },
		},
		.format = "interrupt {intid}: {reason}",
	}, {
		.name = "in_handler",
		.field = {
			{ "vcpu", "vcpu", EVENT_VCPU },
		},
		.format = "vCPU {vcpu}",
	}, {
		.name = "let_go",
		.field = {
			{ "reason", "reason", EVENT_WORD },
		},
		.format = "{reason}",
	}, {
		.name = "turn",
		.field = {
			{ "moves", "moves", EVENT_NUMBER },
			{ "lag", "lag_ns", EVENT_NUMBER },
			{ "time", "time_ns", EVENT_NUMBER },
		},
		.format = "{moves} moves, {time} ns, {lag} ns after the context switch",
		.frequent = true,
	},
	{ 0 }
};

const struct event_kind *event_kind_find(const char *name)
{
	const struct event_kind *kind;

	for (kind = event_kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	return NULL;
}

/* Takes "KEY=" off the front, and blanks before it. */
static bool key_take(const char **text, const char *key)
{
	size_t len = strlen(key);

	*text += strspn(*text, " ");
	if (strncmp(*text, key, len) || (*text)[len] != '=')
		return false;
	*text += len + 1;
	return true;
}

static bool number_take(const char **text, uint64_t *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*value = strtoull(*text, &end, 10);
	*text = end;
	return !*end || *end == ' ' || *end == '\n';
}

/* The module prints -1 for none. */
static bool vcpu_take(const char **text, uint64_t *value)
{
	if (strncmp(*text, "-1", 2))
		return number_take(text, value);
	*text += 2;
	*value = EVENT_NO_VCPU;
	return !**text || **text == ' ' || **text == '\n';
}

static void text_take(const char **text, char value[EVENT_TEXT_LEN], bool last)
{
	size_t len = strcspn(*text, last ? "\n" : "\n ");

	snprintf(value, EVENT_TEXT_LEN, "%.*s", (int)len, *text);
	name_clean(value);
	*text += len;
}

/* Field @i of the event's kind. */
static bool value_take(struct event *event, size_t i, const char **text)
{
	const struct event_field *field = &event->kind->field[i];

	switch (field->type) {
	case EVENT_NUMBER:
		return number_take(text, &event->value[i]);
	case EVENT_VCPU:
		return vcpu_take(text, &event->value[i]);
	case EVENT_WORD:
		text_take(text, event->text[i], !field[1].key);
	}
	return true;
}

static bool fields_parse(struct event *event, const char *text)
{
	const struct event_field *field = event->kind->field;
	uint64_t vm;
	size_t i;

	if (!key_take(&text, "vm") || !number_take(&text, &vm))
		return false;
	event->vm = vm;
	for (i = 0; i < EVENT_FIELDS && field[i].key; i++)
		if (!key_take(&text, field[i].key) ||
		    !value_take(event, i, &text))
			return false;
	return true;
}

/* From "SECONDS.MICROSECONDS: NAME: ..." on. */
static bool rest_parse(struct event *event, const char *text)
{
	unsigned long long seconds;
	unsigned int us;
	char name[32];
	int end = 0;

	if (sscanf(text, "%llu.%6u: %31[a-z_]: %n", &seconds, &us, name,
		   &end) != 3 || !end)
		return false;
	event->time_us = seconds * 1000000 + us;
	event->kind = event_kind_find(name);
	return event->kind && fields_parse(event, text + end);
}

/*
 * "TASK-PID [CPU] FLAGS SECONDS.MICROSECONDS: NAME: ...", without FLAGS if
 * they are switched off. A task may be called anything, so each bracket is
 * tried.
 */
bool event_parse(struct event *event, const char *line)
{
	const char *at, *word;
	int end;

	*event = (struct event){ 0 };
	for (at = strchr(line, '['); at; at = strchr(at + 1, '[')) {
		end = 0;
		if (sscanf(at, "[%u] %n", &event->cpu, &end) != 1 || !end)
			continue;
		if (rest_parse(event, at + end))
			return true;
		word = strchr(at + end, ' ');
		if (word && rest_parse(event, word))
			return true;
	}
	return false;
}

uint64_t event_lost(const char *line, uint32_t *cpu)
{
	uint64_t nr;

	if (sscanf(line, " CPU:%u [LOST %" SCNu64 " EVENTS]", cpu, &nr) != 2)
		return 0;
	return nr;
}

static int value_text(const struct event *event, const char *key, size_t len,
		      char *text, size_t size)
{
	const struct event_field *field = event->kind->field;
	size_t i;

	for (i = 0; strncmp(field[i].key, key, len) || field[i].key[len]; i++)
		;
	if (field[i].type == EVENT_WORD)
		return snprintf(text, size, "%s", event->text[i]);
	if (field[i].type == EVENT_VCPU && event->value[i] == EVENT_NO_VCPU)
		return snprintf(text, size, "none");
	return snprintf(text, size, "%" PRIu64, event->value[i]);
}

void event_text(const struct event *event, char *text, size_t size)
{
	const char *from = event->kind->format;
	size_t len, n = 0;

	while (*from && n + 1 < size) {
		if (*from != '{') {
			text[n++] = *from++;
			continue;
		}
		len = strcspn(++from, "}");
		n += value_text(event, from, len, text + n, size - n);
		from += len + 1;
	}
	text[n < size ? n : size - 1] = '\0';
}
