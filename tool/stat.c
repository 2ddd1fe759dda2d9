// SPDX-License-Identifier: GPL-2.0-only
#include "stat.h"

#define LAST (IRQHOP_COST_BUCKETS - 1)

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
	uint64_t cost;

	if (bucket < 0)
		return 0;
	cost = (uint64_t)bucket * IRQHOP_COST_BUCKET_NS;
	if (bucket == LAST)
		return cost;
	cost += IRQHOP_COST_BUCKET_NS / 2;
	return stat->cost_max && stat->cost_max < cost ? stat->cost_max : cost;
}

bool stat_median_open(const struct stat_vm *stat)
{
	return median_bucket(stat) == LAST;
}

/* Each counter only grows; one that fell began again. */
static bool began_again(const struct stat_vm *now, const struct stat_vm *old)
{
	int i;

	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		if (now->cost_hist[i] < old->cost_hist[i])
			return true;
	return now->hops < old->hops || now->returns < old->returns ||
	       now->failed < old->failed || now->stranded < old->stranded ||
	       now->in_handler < old->in_handler ||
	       now->held_back < old->held_back ||
	       now->over_bound < old->over_bound ||
	       now->preemptions < old->preemptions ||
	       now->cost_sum < old->cost_sum || now->cost_max < old->cost_max;
}

struct stat_vm stat_since(const struct stat_vm *now, const struct stat_vm *old)
{
	struct stat_vm since = *now;
	int i;

	if (began_again(now, old))
		return since;
	since.hops -= old->hops;
	since.returns -= old->returns;
	since.failed -= old->failed;
	since.stranded -= old->stranded;
	since.in_handler -= old->in_handler;
	since.held_back -= old->held_back;
	since.over_bound -= old->over_bound;
	since.preemptions -= old->preemptions;
	since.cost_sum -= old->cost_sum;
	for (i = 0; i < IRQHOP_COST_BUCKETS; i++)
		since.cost_hist[i] -= old->cost_hist[i];
	return since;
}
