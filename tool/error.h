/* SPDX-License-Identifier: GPL-2.0-only */
/* What goes to stderr, and the exit status that belongs to it. */
#ifndef IRQHOP_ERROR_H
#define IRQHOP_ERROR_H

#include "compiler.h"

enum {
	STATUS_OK	= 0,
	STATUS_FAILED	= 1,	/* irqhop check: something is missing */
	STATUS_USAGE	= 2,
	STATUS_MODULE	= 3,	/* not loaded, or of another version */
	STATUS_NO_VM	= 4,
	STATUS_PERM	= 5,
	STATUS_DRIFT	= 6,	/* irqhop verify: records disagree */
};

/* Both print one line, "irqhop: ..."; fail() returns @status. */
int fail(int status, const char *fmt, ...) __printf(2, 3);
void note(const char *fmt, ...) __printf(1, 2);

/* What was printed could not be written; errno says why. An exit status. */
int fail_write(void);

#endif
