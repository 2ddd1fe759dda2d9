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
#include "json.h"

static const char * const verdict_name[] = {
	[CHECK_OK]	= "ok",
	[CHECK_NOTE]	= "note",
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

static json_t *finding_json(const struct finding *finding)
{
	return json_make("{s:s, s:s, s:o}", "what", finding->what,
			 "verdict", verdict_name[finding->verdict],
			 "text", json_text(finding->text));
}

static void findings_json(const struct check *check)
{
	json_t *findings = json_make("[]");
	size_t i;

	for (i = 0; i < check->nr; i++)
		json_add(findings, finding_json(&check->finding[i]));
	json_document(json_make("{s:b, s:b, s:b, s:o}",
				"redirect", check_passed(check),
				"direct", check->direct,
				"injected", check->injected,
				"findings", findings));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	bool *json = state->input;

	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*json = true;
	return 0;
}

static const struct argp_option options[] = {
	JSON_OPTION,
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Says whether this host can redirect interrupts, which way, what is missing and how to get it. The exit status is 0 only if redirecting is possible now.",
};

int cmd_check(int argc, char **argv)
{
	static struct check check;
	bool json = false;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	if (uname(&check.uts))
		return fail(STATUS_FAILED, "uname: %s", strerror(errno));
	check_run(&check);
	if (json)
		findings_json(&check);
	else
		findings_print(&check);
	return check_passed(&check) ? STATUS_OK : STATUS_FAILED;
}
