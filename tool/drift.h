/* SPDX-License-Identifier: GPL-2.0-only */
/* Records of one interrupt that do not agree. */
#ifndef IRQHOP_DRIFT_H
#define IRQHOP_DRIFT_H

#include <stdbool.h>
#include <stddef.h>

#include "lpi.h"

#define DRIFT_TEXT_LEN	160

/**
 * enum drift_kind - what does not agree
 * @DRIFT_UNKNOWN: it has home and target, but is not in irqhop's table
 * @DRIFT_HOME: its home, by KVM and by irqhop
 * @DRIFT_TARGET: its target, by the ITS driver (injected: by KVM) and by irqhop
 * @DRIFT_AWAY: the VM is not enabled, and its target is not its home. Of an
 *	injected one KVM has a single record, which is then both
 */
enum drift_kind {
	DRIFT_UNKNOWN,
	DRIFT_HOME,
	DRIFT_TARGET,
	DRIFT_AWAY,
};

struct drift {
	enum drift_kind kind;
	struct lpi lpi;
};

struct drift_list {
	size_t nr;
	struct drift *drift;
};

/**
 * struct drift_count - a VM's interrupts in numbers
 * @all: all of them
 * @direct: direct ones
 * @injected: the others
 * @away: those whose target is not their home
 * @stranded: stranded ones
 */
struct drift_count {
	size_t all;
	size_t direct;
	size_t injected;
	size_t away;
	size_t stranded;
};

/* All there is in @lpis; 0 or -ENOMEM. */
int drift_find(struct drift_list *list, const struct lpi_list *lpis,
	       bool enabled);
/* Leaves in @list what is in @now as well, with the same values in dispute. */
void drift_keep(struct drift_list *list, const struct drift_list *now);
void drift_free(struct drift_list *list);

struct drift_count drift_count(const struct lpi_list *lpis);

/* The kind's name in JSON, and one line for people. */
const char *drift_kind_name(enum drift_kind kind);
void drift_text(const struct drift *drift, char text[DRIFT_TEXT_LEN]);

#endif
