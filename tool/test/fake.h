/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the made-up host share. */
#ifndef IRQHOP_TEST_FAKE_H
#define IRQHOP_TEST_FAKE_H

#include <stdbool.h>

#include "../compiler.h"

/* A variable's number, or what it is if that is not set. */
unsigned int fake_number(const char *variable, unsigned int unset);
/* Is the module of the first release? */
bool fake_old(void);
/* Add to FAKE_LOG, if there is one. */
void fake_log(const char *fmt, ...) __printf(1, 2);

#endif
