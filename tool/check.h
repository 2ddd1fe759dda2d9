/* SPDX-License-Identifier: GPL-2.0-only */
/* What redirecting needs, looked at one by one. */
#ifndef IRQHOP_CHECK_H
#define IRQHOP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/utsname.h>

#include "gic.h"
#include "module.h"

#define CHECK_FINDINGS	16
#define CHECK_TEXT_LEN	256

/**
 * enum check_verdict - of one thing
 * @CHECK_OK: as it has to be
 * @CHECK_NOTE: not there; only direct delivery needs it
 * @CHECK_MISSING: not there, but can be had
 * @CHECK_NO: not on this host
 * @CHECK_UNKNOWN: could not be found out
 */
enum check_verdict {
	CHECK_OK,
	CHECK_NOTE,
	CHECK_MISSING,
	CHECK_NO,
	CHECK_UNKNOWN,
};

struct finding {
	enum check_verdict verdict;
	const char *what;
	char text[CHECK_TEXT_LEN];
};

/**
 * struct check - what was looked at and what was found
 * @uts: uname(2), set by the caller
 * @module: the module
 * @module_err: why it did not answer, or 0
 * @gic: what could be seen of it
 * @direct: direct interrupts can be redirected now
 * @injected: injected interrupts can be redirected now
 * @nr: number of findings
 * @finding: in the order in which they are to be shown
 */
struct check {
	struct utsname uts;
	struct module module;
	int module_err;
	struct gic gic;
	bool direct;
	bool injected;
	size_t nr;
	struct finding finding[CHECK_FINDINGS];
};

void check_run(struct check *check);
/* Whether redirecting is possible now, one way at least. */
bool check_passed(const struct check *check);

#endif
