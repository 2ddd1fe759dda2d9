# SPDX-License-Identifier: GPL-2.0-only
"""The oracle: the limit of any redirect of interrupts.

It takes every interrupt the instant that any eligible vCPU runs.  For each
operation of a cell, with that cell's own send times and its own record of
when its vCPUs ran:

    arrival = send + share * alone
    wait    = from arrival until any eligible vCPU runs; 0 if one runs then
    oracle  = alone + wait

`alone` is the median round trip of the same work alone in the same run,
over all its rounds: one number, since it stands for the fixed path without
any wait.  `share` is the part of it that lies before the interrupt.  It is
not measured.  One half is the default: for ping because the way there and
back is much the same; for nvme because the emulated disk answers at once,
which leaves submission on one side and completion on the other.  What the
choice is worth can be seen from oracle_mean_range_us, the mean for the
shares 0 and 1.

The second wait, for work whose task sits on one vCPU (reader_vcpu):

    second  = from (arrival + wait) until the reader's own vCPU runs

An operation isn't complete until its task runs again, and no redirect of
interrupts changes that, so it is no part of the oracle and is kept apart.

What this leaves out.  A vCPU that is preempted while it still submits makes
the true arrival later than `arrival`; time after the interrupt may be
preempted too; both make the oracle too fast, so it stays a limit.  A halted
vCPU could be woken at once, but it counts as not running here; the lab
keeps all vCPUs busy.  Operations faster than the median of alone may beat
the oracle by that much.

An interval is [start, end): at `end` the vCPU no longer runs.  Outside the
scheduler's record nothing is known: such operations are counted as unknown
and left out of the oracle, and a cell with too many of them gets none.
"""

from bisect import bisect_right
from dataclasses import dataclass

from . import stats

ONE_WAY_SHARE = {"ping": 0.5, "nvme": 0.5}

# More unknown operations than this, and what is left may be a biased sample.
UNKNOWN_MAX = 0.01


class Timeline:
    """When at least one of some vCPUs ran; before `first` unknown."""

    def __init__(self, intervals, first):
        self.first = first
        self.starts, self.ends = [], []
        for start, end in sorted(intervals):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)

    def wait(self, time):
        """From `time` until one of them runs; None if that is not known."""
        if time < self.first:
            return None
        after = bisect_right(self.starts, time)
        if after and time < self.ends[after - 1]:
            return 0
        if after < len(self.starts):
            return self.starts[after] - time
        return None


@dataclass
class Oracle:
    """What the oracle makes of some operations; times in ns."""

    latencies: list
    unknown: int
    second: list            # second waits; None where no vCPU is the reader's
    with_second: list       # oracle latency plus second wait
    second_unknown: int

    def usable(self, unknown):
        total = len(self.latencies) + self.unknown
        return total and unknown <= UNKNOWN_MAX * total

    def summary(self):
        """Keys for result.json; None where not known or not meant."""
        known = self.usable(self.unknown)
        ordered = sorted(self.latencies) if known else []
        both = (self.second is not None
                and self.usable(self.unknown + self.second_unknown))
        return {
            "oracle_mean_us": stats.us(stats.mean(ordered)),
            "oracle_p99_us": stats.us(stats.percentile(ordered, 99)
                                      if ordered else None),
            "oracle_unknown": self.unknown,
            "second_wait_mean_us": stats.us(
                stats.mean(self.second) if both else None),
            "oracle_with_second_wait_mean_us": stats.us(
                stats.mean(self.with_second) if both else None),
        }


def timelines(cell):
    """Of the eligible vCPUs together, and of the reader's (or None)."""
    first, _ = cell.window
    eligible = [span for vcpu in set(cell.meta["eligible_vcpus"])
                for span in cell.running.get(vcpu, [])]
    reader = cell.meta["reader_vcpu"]
    return (Timeline(eligible, first),
            None if reader is None
            else Timeline(cell.running.get(reader, []), first))


def consult(cell, alone_ns, share):
    """Ask the oracle about every operation of a cell."""
    eligible, reader = timelines(cell)
    out = Oracle([], 0, None if reader is None else [], [], 0)
    one_way = round(share * alone_ns)
    for send in cell.sends:
        arrival = send + one_way
        wait = eligible.wait(arrival)
        if wait is None:
            out.unknown += 1
            continue
        out.latencies.append(alone_ns + wait)
        if reader is None:
            continue
        second = reader.wait(arrival + wait)
        if second is None:
            out.second_unknown += 1
            continue
        out.second.append(second)
        out.with_second.append(alone_ns + wait + second)
    return out


def pool(oracles):
    """The oracles of several rounds as one."""
    out = Oracle([], 0, None, [], 0)
    for one in oracles:
        out.latencies += one.latencies
        out.with_second += one.with_second
        out.unknown += one.unknown
        out.second_unknown += one.second_unknown
        if one.second is not None:
            out.second = (out.second or []) + one.second
    return out


def mean_range_us(cells, alone_ns):
    """Oracle mean for one-way shares 0 and 1: what the choice is worth."""
    means = [pool([consult(cell, alone_ns, share) for cell in cells])
             .summary()["oracle_mean_us"] for share in (0, 1)]
    return None if None in means else [min(means), max(means)]
