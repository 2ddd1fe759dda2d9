// SPDX-License-Identifier: GPL-2.0-only
#include "stat.h"

#define LAST (IRQHOP_COST_BUCKETS - 1)

const struct stat_counter stat_counters[] = {
	{ IRQHOP_STAT_HOPS, "hops", false },
	{ IRQHOP_STAT_RETURNS, "returns", false },
	{ IRQHOP_STAT_FAILED, "failed", false },
	{ IRQHOP_STAT_STRANDED, "stranded", false },
	{ IRQHOP_STAT_IN_HANDLER, "in_handler", false },
	{ IRQHOP_STAT_HELD_BACK, "held_back", false },
	{ IRQHOP_STAT_OVER_BOUND, "over_bound", false },
	{ IRQHOP_STAT_PREEMPTIONS, "preemptions", false },
	{ IRQHOP_STAT_SUMMONS, "summons", false },
	{ IRQHOP_STAT_SUMMONS_HELD, "summons_held", false },
	{ IRQHOP_STAT_DONATIONS, "donations", false },
	{ IRQHOP_STAT_DONATED, "donated_ns", false },
	{ IRQHOP_STAT_TURNS, "turns", false },
	{ IRQHOP_STAT_IRQS_OFF_MAX, "irqs_off_max_ns", true },
	{ IRQHOP_STAT_IRQS_OFF_SUM, "irqs_off_sum_ns", false },
	{ IRQHOP_STAT_COST_MAX, "cost_max_ns", true },
	{ IRQHOP_STAT_COST_SUM, "cost_sum_ns", false },
	{ 0 }
};

const struct stat_counter *stat_counter_find(uint16_t attr)
{
	const struct stat_counter *counter;

	for (counter = stat_counters; counter->key; counter++)
		if (counter->attr == attr)
			return counter;
	return NULL;
}

uint64_t stat_moves(const struct stat_vm *stat)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		sum += stat->cost_hist[i];
	return sum;
}

/* The bucket of the lower median; -1 if all are empty. */
static int median_bucket(const struct stat_vm *stat)
{
	uint64_t moves = stat_moves(stat), seen = 0;
	int i;

	if (!moves)
		return -1;
	for (i = 0; i < LAST; i++) {
		seen += stat->cost_hist[i];
		if (seen >= moves - moves / 2)
			break;
	}
	return i;
}

uint64_t stat_median(const struct stat_vm *stat)
{
	int bucket = median_bucket(stat);
	uint64_t max = stat->count[IRQHOP_STAT_COST_MAX], cost;

	if (bucket < 0)
		return 0;
	cost = (uint64_t)bucket * IRQHOP_COST_BUCKET_NS;
	if (bucket == LAST)
		return cost;
	cost += IRQHOP_COST_BUCKET_NS / 2;
	return max && max < cost ? max : cost;
}

bool stat_median_open(const struct stat_vm *stat)
{
	return median_bucket(stat) == LAST;
}

/* Each counter only grows; one that fell began again. */
static bool began_again(const struct stat_vm *now, const struct stat_vm *old)
{
	const struct stat_counter *counter;
	int i;

	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		if (now->cost_hist[i] < old->cost_hist[i])
			return true;
	for (counter = stat_counters; counter->key; counter++)
		if (now->count[counter->attr] < old->count[counter->attr])
			return true;
	return now->time < old->time;
}

struct stat_vm stat_since(const struct stat_vm *now, const struct stat_vm *old)
{
	const struct stat_counter *counter;
	struct stat_vm since = *now;
	int i;

	if (began_again(now, old))
		return since;
	for (counter = stat_counters; counter->key; counter++)
		if (!counter->peak)
			since.count[counter->attr] -= old->count[counter->attr];
	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		since.cost_hist[i] -= old->cost_hist[i];
	since.time -= old->time;
	return since;
}
