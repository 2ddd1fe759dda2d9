/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM's name, from what its VMM was started with. */
#ifndef IRQHOP_NAME_H
#define IRQHOP_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_LEN 256

/*
 * @cmdline: @len bytes of /proc/PID/cmdline, each argument ended by a NUL,
 * and a NUL after them. Finds QEMU's -name (guest=, or else process=) and
 * kvmtool's --name; of several the last one counts.
 */
bool name_from_cmdline(const char *cmdline, size_t len, char name[NAME_LEN]);

/* Replaces what could do harm on a terminal or break a line. */
void name_clean(char *name);

#endif
