// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "settings.h"

static uint32_t parse_max_hops(const char *arg, struct argp_state *state)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || value > UINT32_MAX)
		argp_error(state, "not a number of hops: '%s'", arg);
	return value;
}

const char *settings_name(const char *what, char *arg,
			  struct argp_state *state)
{
	if (!*arg || strlen(arg) >= IRQHOP_POLICY_LEN)
		argp_error(state, "no %s '%s'", what, arg);
	return arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'r':
		settings->rule = settings_name("return rule", arg, state);
		return 0;
	case 'H':
		settings->halted = settings_name("halted rule", arg, state);
		return 0;
	case 'm':
		settings->max_hops = parse_max_hops(arg, state);
		settings->bounded = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "return", 'r', "RULE", 0,
	  "When an interrupt goes home whose target runs", 0 },
	{ "halted", 'H', "RULE", 0,
	  "What becomes of an interrupt whose target waits in WFI", 0 },
	{ "max-hops", 'm', "N", 0,
	  "At most N hops per second; 0: no bound", 0 },
	{ 0 }
};

const struct argp settings_argp = {
	.options = options,
	.parser = parse,
};

bool settings_any(const struct settings *settings)
{
	return settings->policy || settings->rule || settings->halted ||
	       settings->bounded;
}

static int name_check(const char *what, const char *name,
		      const struct names *known)
{
	char text[MODULE_NAMES * (IRQHOP_POLICY_LEN + 1)] = "";
	size_t i;

	if (!name)
		return STATUS_OK;
	for (i = 0; i < known->nr; i++) {
		if (!strcmp(known->name[i], name))
			return STATUS_OK;
		strcat(text, " ");
		strcat(text, known->name[i]);
	}
	return fail(STATUS_USAGE, "no %s '%s'; the module has:%s", what, name,
		    known->nr ? text : " none");
}

int settings_check(const struct module *module,
		   const struct settings *settings)
{
	int status = name_check("policy", settings->policy,
				&module->policies);

	if (!status)
		status = name_check("return rule", settings->rule,
				    &module->returns);
	return status ?: name_check("halted rule", settings->halted,
				    &module->halted);
}

/* Adds "WHAT NAME" to @text, unless there is no @name. */
static void text_add(char text[SETTINGS_TEXT_LEN], const char *what,
		     const char *name)
{
	size_t n = strlen(text);

	if (name)
		snprintf(text + n, SETTINGS_TEXT_LEN - n, "%s%s %s",
			 n ? ", " : "", what, name);
}

void settings_text(const struct settings *settings,
		   char text[SETTINGS_TEXT_LEN])
{
	char max_hops[16];

	text[0] = '\0';
	snprintf(max_hops, sizeof(max_hops), "%u", settings->max_hops);
	text_add(text, "policy", settings->policy);
	text_add(text, "return", settings->rule);
	text_add(text, "halted", settings->halted);
	text_add(text, "max-hops", settings->bounded ? max_hops : NULL);
}
