// SPDX-License-Identifier: GPL-2.0-only
/* irqhop: sends a VM's interrupts to vCPUs that run. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "stop.h"

const char *argp_program_version = "irqhop " IRQHOP_VERSION;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "check",	cmd_check },
	{ "list",	cmd_list },
	{ "enable",	cmd_enable },
	{ "disable",	cmd_disable },
	{ "policy",	cmd_policy },
	{ "stat",	cmd_stat },
	{ "verify",	cmd_verify },
	{ "trace",	cmd_trace },
	{ "monitor",	cmd_monitor },
};

struct choice {
	const struct command *command;
	int first;
};

static const struct command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* The command's own arguments are left to it. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		choice->command = command_find(arg);
		if (!choice->command)
			argp_error(state, "no command '%s'", arg);
		choice->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a command is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

#define SUMMARY \
	"Sends the interrupts of passed-through devices to vCPUs that run."

#define COMMANDS \
	"Commands:\n" \
	"  check     what this host can redirect, and what is missing\n" \
	"  list      the VMs of this host, or one with its interrupts\n" \
	"  enable    redirect the interrupts of VMs\n" \
	"  disable   send them home, and leave them there\n" \
	"  policy    how interrupts are redirected, or how they are to be\n" \
	"  stat      what was redirected, and what it cost\n" \
	"  verify    whether all records of where interrupts point agree\n" \
	"  trace     each hop, as it happens\n" \
	"  monitor   VMs that are enabled and disabled, as it happens\n" \
	"\n" \
	"'irqhop COMMAND --help' says more."

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [ARGS]",
	.doc = SUMMARY "\v" COMMANDS,
};

/* What was not written was not said. Whoever closed a pipe knows. */
static int finish(int status)
{
	if ((!fflush(stdout) && !ferror(stdout)) || status ||
	    stop_signalled())
		return status;
	return fail_write();
}

int main(int argc, char **argv)
{
	struct choice choice = { 0 };
	char name[64];

	argp_err_exit_status = STATUS_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);

	snprintf(name, sizeof(name), "irqhop %s", choice.command->name);
	argv[choice.first] = name;
	return finish(choice.command->run(argc - choice.first,
					  argv + choice.first));
}
