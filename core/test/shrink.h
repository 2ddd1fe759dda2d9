/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: streams of events, and the smallest one that still fails.
 */
#ifndef _IRQHOP_TEST_SHRINK_H
#define _IRQHOP_TEST_SHRINK_H

#include "types.h"

/**
 * struct event - something that is done to an engine
 * @op: what
 * @arg: with what; valid whatever was done before, so that any part of a stream
 *	is a stream
 */
struct event {
	u32 op;
	u32 arg[4];
};

/**
 * struct stream - a run of an engine
 * @nr_vcpus: its size
 * @max_irqs: its size
 * @nr: number of events
 * @event: these
 */
struct stream {
	u16 nr_vcpus;
	u16 max_irqs;
	u32 nr;
	struct event *event;
};

/**
 * stream_shrink - leave out whatever can be left out
 * @s: fails; is made smaller until each event that is left is needed
 * @fails: does it fail
 */
void stream_shrink(struct stream *s, bool (*fails)(const struct stream *s));

#endif /* _IRQHOP_TEST_SHRINK_H */
