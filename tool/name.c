// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "name.h"

static void name_set(char name[NAME_LEN], const char *text)
{
	snprintf(name, NAME_LEN, "%s", text);
}

/*
 * Copies one option up to its comma; a doubled comma is one of the value's.
 * Returns what follows the option, NULL at the end.
 */
static const char *opt_next(const char *opts, char opt[NAME_LEN])
{
	size_t n = 0;

	for (; *opts; opts++) {
		if (*opts == ',' && *++opts != ',')
			break;
		if (n < NAME_LEN - 1)
			opt[n++] = *opts;
	}
	opt[n] = '\0';
	return *opts ? opts : NULL;
}

/* QEMU: [guest=]NAME[,process=NAME][,debug-threads=on|off] */
static bool name_from_opts(const char *opts, char name[NAME_LEN])
{
	char opt[NAME_LEN], process[NAME_LEN] = "";
	bool first = true, found = false;

	for (; opts; first = false) {
		opts = opt_next(opts, opt);
		if (!strncmp(opt, "guest=", 6)) {
			name_set(name, opt + 6);
			found = true;
		} else if (!strncmp(opt, "process=", 8)) {
			name_set(process, opt + 8);
		} else if (first && !strchr(opt, '=')) {
			name_set(name, opt);
			found = true;
		}
	}
	if (!found || !*name)
		name_set(name, process);
	return *name;
}

bool name_from_cmdline(const char *cmdline, size_t len, char name[NAME_LEN])
{
	const char *end = cmdline + len, *arg = cmdline;
	char one[NAME_LEN] = "";
	bool found = false;

	for (; arg < end; arg += strlen(arg) + 1) {
		const char *opts = NULL;

		if (!strcmp(arg, "-name") || !strcmp(arg, "--name")) {
			arg += strlen(arg) + 1;
			if (arg >= end)
				break;
			opts = arg;
		} else if (!strncmp(arg, "--name=", 7)) {
			opts = arg + 7;
		}
		one[0] = '\0';
		if (opts && name_from_opts(opts, one)) {
			name_set(name, one);
			found = true;
		}
	}
	if (found)
		name_clean(name);
	return found;
}

void name_clean(char *name)
{
	unsigned char *c;

	for (c = (unsigned char *)name; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
}
