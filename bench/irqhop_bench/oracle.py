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

The second wait, for work whose task sits on one vCPU (reader_vcpu): from
its send on, the operation also needs that vCPU, for as long as it takes
alone.  It submits, takes the task's wake-up and goes back to user space
there, and each of these can be cut off by a preemption.

    own_off     = the time that the reader's vCPU is off its pCPU until it
                  has run for `alone` since the send
    with second = alone + max(wait, own_off)
    second      = with second - oracle

No redirect of interrupts changes own_off, so it is no part of the oracle and
is kept apart.  It overlaps the interrupt's wait, hence the maximum and not
the sum.  Right to within `alone`: where in its own time the operation waits
for the device isn't known, and the interrupt and the switch that end a
vCPU's turn count as run.  An operation that was nearly done by that reckoning
when its vCPU left is therefore missed.  slow looks at what really was.

What this leaves out.  A vCPU that is preempted while it still submits makes
the true arrival later than `arrival`.  That makes the oracle too fast, so it
stays a limit.  A halted vCPU could be woken at once, but it counts as not
running here; the lab keeps all vCPUs busy.  Operations faster than the median
of alone may beat the oracle by that much.

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

    def off(self, time, need):
        """How long they are off, from `time` until they have run for `need`.

        None if that is not known.
        """
        if time < self.first:
            return None
        off = 0
        for index in range(max(0, bisect_right(self.starts, time) - 1),
                           len(self.starts)):
            start, end = max(self.starts[index], time), self.ends[index]
            if end <= time:
                continue
            off += start - time
            if end - start >= need:
                return off
            need -= end - start
            time = end
        return None

    def away(self, start, end):
        """How long they are off between two moments."""
        off = max(0, end - start)
        for index in range(max(0, bisect_right(self.starts, start) - 1),
                           bisect_right(self.starts, end)):
            off -= max(0, min(self.ends[index], end)
                       - max(self.starts[index], start))
        return off


@dataclass
class Oracle:
    """What the oracle makes of some operations; times in ns."""

    latencies: list
    unknown: int
    second: list            # second waits; None where no vCPU is the reader's
    with_second: list       # oracle latency plus second wait
    second_unknown: int
    waited: int             # arrivals that found no eligible vCPU running

    def usable(self, unknown):
        total = len(self.latencies) + self.unknown
        return total and unknown <= UNKNOWN_MAX * total

    def summary(self):
        """Keys for result.json; None where not known or not meant."""
        known = self.usable(self.unknown)
        ordered = sorted(self.latencies) if known else []
        both = (self.second is not None
                and self.usable(self.unknown + self.second_unknown))
        ordered_both = sorted(self.with_second) if both else []
        return {
            "oracle_mean_us": stats.us(stats.mean(ordered)),
            "oracle_p99_us": _p99(ordered),
            "oracle_max_us": stats.us(ordered[-1] if ordered else None),
            "oracle_unknown": self.unknown,
            "oracle_waited": self.waited if known else None,
            "second_wait_mean_us": stats.us(
                stats.mean(self.second) if both else None),
            "oracle_with_second_wait_mean_us": stats.us(
                stats.mean(ordered_both)),
            "oracle_with_second_wait_p99_us": _p99(ordered_both),
        }


def _p99(ordered):
    return stats.us(stats.percentile(ordered, 99) if ordered else None)


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
    out = Oracle([], 0, None if reader is None else [], [], 0, 0)
    one_way = round(share * alone_ns)
    for send in cell.sends:
        arrival = send + one_way
        wait = eligible.wait(arrival)
        if wait is None:
            out.unknown += 1
            continue
        out.latencies.append(alone_ns + wait)
        out.waited += wait > 0
        if reader is None:
            continue
        own_off = reader.off(send, alone_ns)
        if own_off is None:
            out.second_unknown += 1
            continue
        out.second.append(max(0, own_off - wait))
        out.with_second.append(alone_ns + max(wait, own_off))
    return out


def best(ops, running, alone_ns, share):
    """[(send ns, latency ns)] as the oracle has it, of the operations of
    which it is known; `running`: [(start, end, vCPU)] of eligible vCPUs."""
    timeline = Timeline([span[:2] for span in running],
                        min(start for start, _, _ in running))
    waits = [(send, timeline.wait(send + round(share * alone_ns)))
             for send, _ in ops]
    return [(send, alone_ns + wait) for send, wait in waits
            if wait is not None]


def pool(oracles):
    """The oracles of several rounds as one."""
    out = Oracle([], 0, None, [], 0, 0)
    for one in oracles:
        out.latencies += one.latencies
        out.with_second += one.with_second
        out.unknown += one.unknown
        out.second_unknown += one.second_unknown
        out.waited += one.waited
        if one.second is not None:
            out.second = (out.second or []) + one.second
    return out


def none_ran(cells):
    """The share of the cells' recorded time in which no eligible vCPU ran."""
    away = total = 0
    for cell in cells:
        first, last = cell.window
        away += timelines(cell)[0].away(first, last)
        total += last - first
    return round(away / total, 6)


def mean_range_us(cells, alone_ns):
    """Oracle mean for one-way shares 0 and 1: what the choice is worth."""
    means = [pool([consult(cell, alone_ns, share) for cell in cells])
             .summary()["oracle_mean_us"] for share in (0, 1)]
    return None if None in means else [min(means), max(means)]
