// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "attr.h"
#include "drift.h"

static int drift_add(struct drift_list *list, enum drift_kind kind,
		     const struct lpi *lpi)
{
	struct drift *more;

	more = array_more(list->drift, list->nr, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->drift = more;
	more[list->nr++] = (struct drift){ .kind = kind, .lpi = *lpi };
	return 0;
}

/* Without, it is not delivered, or the guest has not said where. */
static bool has_place(const struct lpi *lpi)
{
	return lpi->home != LPI_NO_VCPU && lpi->target != LPI_NO_VCPU;
}

static bool is_away(const struct lpi *lpi)
{
	return has_place(lpi) && lpi->target != lpi->home;
}

static bool is_known(const struct lpi *lpi)
{
	return lpi->engine_home != LPI_NO_VCPU ||
	       lpi->engine_target != LPI_NO_VCPU;
}

static int find_enabled(struct drift_list *list, const struct lpi *lpi)
{
	int err = 0;

	if (!is_known(lpi))
		return has_place(lpi) ? drift_add(list, DRIFT_UNKNOWN, lpi) : 0;
	if (lpi->engine_home != lpi->home)
		err = drift_add(list, DRIFT_HOME, lpi);
	if (!err && lpi->engine_target != lpi->target)
		err = drift_add(list, DRIFT_TARGET, lpi);
	return err;
}

int drift_find(struct drift_list *list, const struct lpi_list *lpis,
	       bool enabled)
{
	size_t i;
	int err = 0;

	*list = (struct drift_list){ 0 };
	for (i = 0; i < lpis->nr && !err; i++) {
		const struct lpi *lpi = &lpis->lpi[i];

		if (enabled)
			err = find_enabled(list, lpi);
		else if (is_away(lpi))
			err = drift_add(list, DRIFT_AWAY, lpi);
	}
	if (err)
		drift_free(list);
	return err;
}

/*
 * Is it the same disagreement? What both sides say of something else may change
 * meanwhile: an interrupt whose home is in dispute may well be moved.
 */
static bool drift_same(const struct drift *a, const struct drift *b)
{
	if (a->kind != b->kind || a->lpi.intid != b->lpi.intid)
		return false;
	switch (a->kind) {
	case DRIFT_HOME:
		return a->lpi.home == b->lpi.home &&
		       a->lpi.engine_home == b->lpi.engine_home;
	case DRIFT_TARGET:
		return a->lpi.target == b->lpi.target &&
		       a->lpi.engine_target == b->lpi.engine_target;
	default:
		return a->lpi.home == b->lpi.home &&
		       a->lpi.target == b->lpi.target;
	}
}

static bool drift_in(const struct drift *drift, const struct drift_list *list)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (drift_same(drift, &list->drift[i]))
			return true;
	return false;
}

void drift_keep(struct drift_list *list, const struct drift_list *now)
{
	size_t i, nr = 0;

	for (i = 0; i < list->nr; i++)
		if (drift_in(&list->drift[i], now))
			list->drift[nr++] = list->drift[i];
	list->nr = nr;
}

void drift_free(struct drift_list *list)
{
	free(list->drift);
	*list = (struct drift_list){ 0 };
}

struct drift_count drift_count(const struct lpi_list *lpis)
{
	struct drift_count count = { .all = lpis->nr };
	size_t i;

	for (i = 0; i < lpis->nr; i++) {
		const struct lpi *lpi = &lpis->lpi[i];

		if (lpi_direct(lpi))
			count.direct++;
		else
			count.injected++;
		count.away += is_away(lpi);
		count.stranded += !!(lpi->flags & IRQHOP_IRQ_F_STRANDED);
	}
	return count;
}

const char *drift_kind_name(enum drift_kind kind)
{
	static const char * const names[] = {
		[DRIFT_UNKNOWN]	= "unknown",
		[DRIFT_HOME]	= "home",
		[DRIFT_TARGET]	= "target",
		[DRIFT_AWAY]	= "away",
	};

	return names[kind];
}

static const char *vcpu_text(char buf[16], uint32_t vcpu)
{
	if (vcpu == LPI_NO_VCPU)
		return "none";
	snprintf(buf, 16, "%u", vcpu);
	return buf;
}

void drift_text(const struct drift *drift, char text[DRIFT_TEXT_LEN])
{
	static const char * const formats[] = {
		[DRIFT_UNKNOWN]	= "interrupt %u: home %s, target %s, but not in irqhop's table",
		[DRIFT_HOME]	= "interrupt %u: home by KVM %s, by irqhop %s",
		[DRIFT_TARGET]	= "interrupt %u: target by the ITS driver %s, by irqhop %s",
		[DRIFT_AWAY]	= "interrupt %u: home %s, target %s, but the VM is not enabled",
	};
	static const char injected_target[] =
		"interrupt %u: target by KVM %s, by irqhop %s";
	const struct lpi *lpi = &drift->lpi;
	const char *format = formats[drift->kind];
	uint32_t a = lpi->home, b = lpi->target;
	char buf[2][16];

	if (drift->kind == DRIFT_HOME)
		b = lpi->engine_home;
	if (drift->kind == DRIFT_TARGET) {
		a = lpi->target;
		b = lpi->engine_target;
		if (!lpi_direct(lpi))
			format = injected_target;
	}
	snprintf(text, DRIFT_TEXT_LEN, format, lpi->intid,
		 vcpu_text(buf[0], a), vcpu_text(buf[1], b));
}
