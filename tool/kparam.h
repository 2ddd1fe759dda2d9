/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's command line. */
#ifndef IRQHOP_KPARAM_H
#define IRQHOP_KPARAM_H

#include <stdbool.h>
#include <stddef.h>

/* The value that counts, the last one; false if there is none. */
bool kparam_get(const char *cmdline, const char *name, char *value,
		size_t size);
/* One that the kernel reads as a boolean, @unset if it is not given. */
bool kparam_bool(const char *cmdline, const char *name, bool unset);

#endif
