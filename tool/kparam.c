// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kparam.h"

/* As the kernel compares names: '-' and '_' are the same. */
static bool name_is(const char *arg, size_t len, const char *name)
{
	size_t i;

	if (strlen(name) != len)
		return false;
	for (i = 0; i < len; i++)
		if (arg[i] != name[i] && !(strchr("-_", arg[i]) &&
					   strchr("-_", name[i])))
			return false;
	return true;
}

/* The end of an argument: a space that is not between quotes. */
static const char *arg_end(const char *arg)
{
	bool quoted = false;

	for (; *arg && (quoted || !isspace((unsigned char)*arg)); arg++)
		if (*arg == '"')
			quoted = !quoted;
	return arg;
}

/* The next value of parameter @name, which may be bad; NULL: no more. */
static const char *value_next(const char **cmdline, const char *name,
			      size_t *len)
{
	const char *arg, *end, *value;

	for (arg = *cmdline; ; arg = end) {
		arg += strspn(arg, " \t\n");
		end = arg_end(arg);
		/* What follows is init's. */
		if (arg == end || (end - arg == 2 && !strncmp(arg, "--", 2)))
			return NULL;
		if (*arg == '"')
			arg++;
		value = memchr(arg, '=', end - arg);
		if (value && name_is(arg, value - arg, name))
			break;
	}
	*cmdline = end;
	value++;
	if (*value == '"')
		value++;
	*len = end - value;
	if (*len && value[*len - 1] == '"')
		(*len)--;
	return value;
}

bool kparam_get(const char *cmdline, const char *name, char *value,
		size_t size)
{
	const char *one;
	bool found = false;
	size_t len;

	while ((one = value_next(&cmdline, name, &len))) {
		snprintf(value, size, "%.*s", (int)len, one);
		found = true;
	}
	return found;
}

bool kparam_bool(const char *cmdline, const char *name, bool unset)
{
	const char *one;
	size_t len;

	/* kstrtobool(); what it does not know changes nothing. */
	while ((one = value_next(&cmdline, name, &len))) {
		if (!len)
			continue;
		if (strchr("yYtT1", *one))
			unset = true;
		else if (strchr("nNfF0", *one))
			unset = false;
		else if (len > 1 && !strncasecmp(one, "on", 2))
			unset = true;
		else if (len > 1 && !strncasecmp(one, "of", 2))
			unset = false;
	}
	return unset;
}
