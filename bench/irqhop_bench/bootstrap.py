# SPDX-License-Identifier: GPL-2.0-only
"""How far a mean can be trusted: its 95 % interval by the bootstrap.

Rounds are drawn with replacement, and within each of them blocks of
neighbouring operations: operations that follow each other meet the same
moment of the scheduler, so they are no independent draws, and neither are
those of one round. Circular blocks, of the cube root of the round's
operations. The seed is fixed, and each cell has a stream of its own: the same
data gives the same interval, whatever other cells there are.
"""

import itertools
import random

from . import stats

SEED = 20240607
RESAMPLES = 1000


def _block(n):
    return max(1, round(n ** (1 / 3)))


class _Round:
    """A round's values, for drawing blocks quickly."""

    def __init__(self, values):
        self.n = len(values)
        self.block = _block(self.n)
        # Once around and a block more.
        wrapped = values + values[:self.block]
        self.sums = [0, *itertools.accumulate(wrapped)]
        self.draws = -(-self.n // self.block)

    def draw(self, rng):
        """(sum, how many) of as many blocks as make up the round."""
        total = 0
        for _ in range(self.draws):
            at = int(rng.random() * self.n)
            total += self.sums[at + self.block] - self.sums[at]
        return total, self.draws * self.block


def means(rounds, name):
    """RESAMPLES means of some rounds' values; `name` sets the stream."""
    rng = random.Random("%d %s" % (SEED, name))
    have = [_Round(values) for values in rounds if values]
    if not have:
        return []
    out = []
    for _ in range(RESAMPLES):
        drawn = [have[int(rng.random() * len(have))].draw(rng)
                 for _ in have]
        out.append(sum(s for s, _ in drawn) / sum(n for _, n in drawn))
    return out


def interval(values):
    """[low, high]: the middle 95 % of resampled values; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return [stats.quantile(ordered, 25, 1000),
            stats.quantile(ordered, 975, 1000)]


def change_interval(new, old):
    """The interval of (new - old) / old in per cent, of resampled means."""
    if not new or not old or not all(old):
        return None
    return interval([100 * (a / b - 1) for a, b in zip(new, old)])
