/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM's counters. */
#ifndef IRQHOP_STAT_H
#define IRQHOP_STAT_H

#include <linux/irqhop.h>
#include <stdbool.h>
#include <stdint.h>

struct stat_vm {
	uint64_t hops;
	uint64_t returns;
	uint64_t failed;
	uint64_t stranded;
	uint64_t in_handler;
	uint64_t held_back;
	uint64_t over_bound;
	uint64_t preemptions;
	uint64_t cost_max;
	uint64_t cost_sum;
	uint64_t cost_hist[IRQHOP_COST_BUCKETS];
};

/* Moves in the histogram. */
uint64_t stat_moves(const struct stat_vm *stat);

/*
 * The median cost of a move, in ns: the middle of the bucket that it is in,
 * or cost_max where that is less. In the open bucket the value is only a
 * lower bound: the bucket's lower edge. 0 if nothing was moved.
 */
uint64_t stat_median(const struct stat_vm *stat);
bool stat_median_open(const struct stat_vm *stat);

/*
 * What happened from @old to @now. The maximum stays that of @now. If the
 * VM was enabled anew in between, all of @now.
 */
struct stat_vm stat_since(const struct stat_vm *now,
			  const struct stat_vm *old);

#endif
