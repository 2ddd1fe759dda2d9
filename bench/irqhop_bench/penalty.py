# SPDX-License-Identifier: GPL-2.0-only
"""The share of the preemption penalty that was removed.

    removed = (off - on) / (off - alone)

of the mean, and of the p99.  Computed within each round, whose cells ran
close to each other, and then the median of the rounds is taken.  1 means as
good as alone, 0 no better than off, less than 0 worse than off.

Not given for a round where off - alone is under 5 % of off: there is hardly
a penalty to remove there, and the quotient would be noise.  Not given at
all unless more than half of the rounds give it: otherwise the rounds
that happened to have a penalty would speak for those that had none.

"pooled" beside it has the share from the cells of all rounds together.
With few operations in a round, a p99 hangs on a few of them: where the two
differ much, trust neither.

The same is computed for two others in the place of `on`: `home` (the null
control, which should remove nothing) and the oracle at on's send times
(what any redirect could have removed).
"""

from . import stats
from .raw import alone_key

GATE = 0.05


def removed(off, on, alone):
    """(share, None), or (None, why it is not given)."""
    penalty = off - alone
    if penalty < GATE * off:
        return None, ("off - alone is %.1f %% of off, under %.0f %%"
                      % (100 * penalty / off, 100 * GATE))
    return (off - on) / penalty, None


def _over_rounds(shares, whys):
    """Median of the rounds' shares, or why there is none."""
    given = [share for share in shares if share is not None]
    if 2 * len(given) <= len(shares):
        why = sorted({why for why in whys if why})
        return None, "; ".join(why) or "no round has all it takes"
    return round(stats.median_of_rounds(given), 6), None


def _share(cells, other, figure):
    """(share, why not) of one figure of one stand-in for `on`.

    `cells` is {condition: summary}; `other` says in whose place and with
    which figure.
    """
    condition, other_figure = other
    if not {"off", "alone", condition} <= cells.keys() or \
            cells[condition][other_figure] is None:
        return None, None
    share, why = removed(cells["off"][figure],
                         cells[condition][other_figure],
                         cells["alone"][figure])
    return None if share is None else round(share, 6), why


# name: ((whose place, its figure), the figure of off and alone)
_SHARES = {
    "mean_removed": (("on", "mean_us"), "mean_us"),
    "p99_removed": (("on", "p99_us"), "p99_us"),
    "home_mean_removed": (("home", "mean_us"), "mean_us"),
    "home_p99_removed": (("home", "p99_us"), "p99_us"),
    "oracle_mean_removed": (("on", "oracle_mean_us"), "mean_us"),
    "oracle_p99_removed": (("on", "oracle_p99_us"), "p99_us"),
}


def entry(work, overcommit, rounds, pooled):
    """One entry of result.json's "penalty"."""
    out = {"work": work, "overcommit": overcommit, "rounds": {},
           "pooled": {}, "why": {}}
    for name, (other, figure) in _SHARES.items():
        found = [_share(cells, other, figure) for cells in rounds]
        shares = [share for share, _ in found]
        out[name], why = _over_rounds(shares, [why for _, why in found])
        out["rounds"][name] = shares
        out["pooled"][name] = _share(pooled, other, figure)[0]
        if why:
            out["why"][name] = why
    return out


def compute(cells):
    """result.json's "penalty" from its "cells" (with their rounds).    """
    index = {(c["work"], c["overcommit"], c["condition"]): c for c in cells}
    out = []
    for work, overcommit, condition in index:
        if condition != "off":
            continue
        chosen = {name: index.get((work, overcommit, name))
                  for name in ("off", "home", "on")}
        chosen["alone"] = index.get(alone_key(index, work, overcommit))
        chosen = {name: cell for name, cell in chosen.items() if cell}
        numbers = sorted({r["round"] for cell in chosen.values()
                          for r in cell["rounds"]})
        rounds = [{name: r for name, cell in chosen.items()
                   for r in cell["rounds"] if r["round"] == number}
                  for number in numbers]
        out.append(entry(work, overcommit, rounds, chosen))
    return out
