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
	return settings->policy || settings->rule || settings->bounded;
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
		    text);
}

int settings_check(const struct module *module,
		   const struct settings *settings)
{
	int status = name_check("policy", settings->policy,
				&module->policies);

	return status ?: name_check("return rule", settings->rule,
				    &module->returns);
}

void settings_text(const struct settings *settings,
		   char text[SETTINGS_TEXT_LEN])
{
	int n = 0;

	text[0] = '\0';
	if (settings->policy)
		n += snprintf(text, SETTINGS_TEXT_LEN, "policy %s",
			      settings->policy);
	if (settings->rule)
		n += snprintf(text + n, SETTINGS_TEXT_LEN - n, "%sreturn %s",
			      n ? ", " : "", settings->rule);
	if (settings->bounded)
		snprintf(text + n, SETTINGS_TEXT_LEN - n, "%smax-hops %u",
			 n ? ", " : "", settings->max_hops);
}
