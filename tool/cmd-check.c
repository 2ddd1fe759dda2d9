// SPDX-License-Identifier: GPL-2.0-only
/* irqhop check: what this host can redirect, and what is missing. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "check.h"
#include "cmd.h"
#include "error.h"

static const char * const verdict_name[] = {
	[CHECK_OK]	= "ok",
	[CHECK_MISSING]	= "missing",
	[CHECK_NO]	= "no",
	[CHECK_UNKNOWN]	= "unknown",
};

static void findings_print(const struct check *check)
{
	size_t i;

	for (i = 0; i < check->nr; i++)
		printf("%-8s %-15s %s\n",
		       verdict_name[check->finding[i].verdict],
		       check->finding[i].what, check->finding[i].text);
}

static const struct argp argp = {
	.doc = "Says whether this host can redirect interrupts, which way, what is missing and how to get it. The exit status is 0 only if redirecting is possible now.",
};

int cmd_check(int argc, char **argv)
{
	static struct check check;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (uname(&check.uts))
		return fail(STATUS_FAILED, "uname: %s", strerror(errno));
	check_run(&check);
	findings_print(&check);
	return check_passed(&check) ? STATUS_OK : STATUS_FAILED;
}
