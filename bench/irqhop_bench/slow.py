# SPDX-License-Identifier: GPL-2.0-only
"""Where the slow operations waited, by the scheduler's record.

Slow: over 1 ms, and over five times alone's median round trip.  Each slow
operation is put down to one wait, which has to make up half of its latency
or more.  `arrival` is the oracle's.

stranded     no eligible vCPU ran, from arrival on: no redirect could help
interrupt    at arrival the home vCPU was off its pCPU, though another one
             ran: the wait that irqhop is there to remove.  It lasts until the
             home runs; what its task then waits for its own vCPU follows from
             it and is counted in
task         the vCPU of the operation's own task (reader_vcpu) was off its
             pCPU during the operation: the second wait, on its own
unexplained  none of these

They are tried in this order with irqhop off, where the interrupt stays at
home.  With irqhop on it does not, so there `task` comes before `interrupt`,
and `interrupt` is a suspicion: the record says who ran, not where the
interrupt pointed.  A home that was off for less than alone's median is not
taken for a wait.
"""

from . import oracle

OVER_NS = 1_000_000
OVER_ALONE = 5
CAUSES = ("stranded", "interrupt", "task", "unexplained")


def limit_ns(alone_ns):
    """An operation over this is slow."""
    return max(OVER_NS, OVER_ALONE * alone_ns)


def _waits(lines, send, latency, alone):
    """{cause: ns} of one operation; `alone` is (median, one way)."""
    eligible, reader, home = lines
    alone_ns, one_way = alone
    arrival, end = send + one_way, send + latency
    stranded = eligible.wait(arrival) or 0
    held = home.wait(arrival) or 0
    late = 0
    if held > stranded + alone_ns:
        late = held + (reader.away(arrival + held, end) if reader else 0)
    return {"stranded": stranded, "interrupt": late,
            "task": reader.away(send, end) if reader else 0}


def causes(cell, alone_ns, share):
    """{cause: how many of a cell's slow operations}."""
    eligible, reader = oracle.timelines(cell)
    home = oracle.Timeline(cell.running.get(cell.meta["home_vcpu"], []),
                           cell.window[0])
    order = ["stranded", "interrupt", "task"]
    if cell.meta["condition"] == "on":
        order = ["stranded", "task", "interrupt"]
    out = dict.fromkeys(CAUSES, 0)
    for send, latency in zip(cell.sends, cell.latencies):
        if latency <= limit_ns(alone_ns):
            continue
        waits = _waits((eligible, reader, home), send, latency,
                       (alone_ns, round(share * alone_ns)))
        out[next((cause for cause in order if 2 * waits[cause] >= latency),
                 "unexplained")] += 1
    return out


def entry(cells, alone_ns, share):
    """"slow" of one entry of result.json's cells: all rounds together."""
    found = [causes(cell, alone_ns, share) for cell in cells]
    out = {cause: sum(one[cause] for one in found) for cause in CAUSES}
    return {"over_us": limit_ns(alone_ns) / 1000, "count": sum(out.values()),
            **out}
