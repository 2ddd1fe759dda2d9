/* SPDX-License-Identifier: GPL-2.0-only */
/* Policy, rules and bound, as options of commands. */
#ifndef IRQHOP_SETTINGS_H
#define IRQHOP_SETTINGS_H

#include <argp.h>

#include "module.h"

#define SETTINGS_TEXT_LEN	128

/*
 * --return, --halted and --max-hops, to be a child of a parser; input: the
 * settings.
 */
extern const struct argp settings_argp;

/* A policy's or a rule's name; ends the program if it is too long. */
const char *settings_name(const char *what, char *arg,
			  struct argp_state *state);

/* Is anything to be set? */
bool settings_any(const struct settings *settings);

/* Does the module know the names? Prints those it knows if not: a status. */
int settings_check(const struct module *module,
		   const struct settings *settings);

/* "policy home, return lazy, halted hop, max-hops 100": what is to be set. */
void settings_text(const struct settings *settings,
		   char text[SETTINGS_TEXT_LEN]);

#endif
