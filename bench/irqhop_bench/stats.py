# SPDX-License-Identifier: GPL-2.0-only
"""Every statistic that the report uses, defined once.

Percentile: nearest rank.  The p-th percentile of n values is the smallest
value that at least p % of the n values do not exceed: the value of rank
ceil(p * n / 100), counted from 1 in ascending order.  Nothing is
interpolated, so each percentile is a latency that was really observed; p50
is what "median" means for latencies.

Median of rounds: the usual one (of an even number, the mean of the middle
two), because a handful of shares is no distribution to rank.
"""

import statistics

PERCENTILES = (50, 90, 99)
HIST_BUCKETS = 256
HIST_WIDTH_NS = 64


def percentile(ordered, p):
    """The p-th percentile (integer p, 1..100) of an ascending list."""
    if not 1 <= p <= 100:
        raise ValueError("percentile %r is not in 1..100" % (p,))
    return quantile(ordered, p, 100)


def quantile(ordered, part, of):
    """The same for a part (integer) of any whole: 999 of 1000 is p99.9."""
    if not ordered:
        raise ValueError("percentile of nothing")
    # In integers: p * n / 100 in floating point can end just above a whole
    # number and then ceil() takes the wrong rank.
    return ordered[-(-part * len(ordered) // of) - 1]


def mean(values):
    """Arithmetic mean, or None of nothing."""
    return sum(values) / len(values) if values else None


def us(ns):
    """Nanoseconds as microseconds, to the nanosecond; None stays None."""
    return None if ns is None else round(ns / 1000, 3)


def summary(latencies_ns):
    """n, p50, p90, p99, max and mean of latencies, in microseconds."""
    ordered = sorted(latencies_ns)
    out = {"n": len(ordered)}
    for p in PERCENTILES:
        out["p%d_us" % p] = us(percentile(ordered, p))
    out["max_us"] = us(ordered[-1])
    out["mean_us"] = us(mean(ordered))
    return out


def median_of_rounds(values):
    """Median of one value per round, or None of nothing."""
    return statistics.median(values) if values else None


def add_histograms(histograms):
    """Sum of histograms with the same buckets."""
    return [sum(column) for column in zip(*histograms)]


def histogram_median(counts, width=HIST_WIDTH_NS):
    """Median of a histogram: the middle of the bucket that holds it.

    Good to half a bucket.  None when there is nothing in it, or when the
    median lies in the last bucket, which has no upper end.
    """
    total = sum(counts)
    if not total:
        return None
    rank = -(-total // 2)
    seen = 0
    for index, count in enumerate(counts):
        seen += count
        if seen >= rank and index < len(counts) - 1:
            return index * width + width // 2
    return None
