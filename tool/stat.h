/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM's counters. */
#ifndef IRQHOP_STAT_H
#define IRQHOP_STAT_H

#include <linux/irqhop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct stat_counter - a counter
 * @attr: &enum irqhop_stat_attr
 * @key: what it is called for programs
 * @peak: the largest value so far, which does not add up
 */
struct stat_counter {
	uint16_t attr;
	const char *key;
	bool peak;
};

/* In the order in which they are shown; ends with one that has no key. */
extern const struct stat_counter stat_counters[];

/* NULL if @attr is not one of them. */
const struct stat_counter *stat_counter_find(uint16_t attr);

/**
 * struct stat_vm - the counters of a VM
 * @count: by &enum irqhop_stat_attr
 * @known: the same way: the module has said it; an older one has not all
 * @cost_hist: moves by their cost, as %IRQHOP_STAT_COST_HIST has them
 * @time: ns in which all this happened, 0 if it is not known
 */
struct stat_vm {
	uint64_t count[__IRQHOP_STAT_MAX];
	bool known[__IRQHOP_STAT_MAX];
	uint64_t cost_hist[IRQHOP_COST_BUCKETS];
	uint64_t time;
};

/* Moves in the histogram. */
uint64_t stat_moves(const struct stat_vm *stat);

/*
 * The median cost of a move, in ns: the middle of the bucket that it is in,
 * or the dearest move's where that is less. In the open bucket the value is
 * only a lower bound: the bucket's lower edge. 0 if nothing was moved.
 */
uint64_t stat_median(const struct stat_vm *stat);
bool stat_median_open(const struct stat_vm *stat);

/*
 * What happened from @old to @now. A peak stays that of @now. If the VM was
 * enabled anew in between, all of @now.
 */
struct stat_vm stat_since(const struct stat_vm *now,
			  const struct stat_vm *old);

#endif
