# SPDX-License-Identifier: GPL-2.0-only
"""What a cell's file says, from what was counted and from its operations.

Latencies in us, nearest rank as everywhere (see stats). Shares of CPU time are
of the pCPUs that the guest may use, over the time of the work alone; both come
from the scheduler's own run time, to the nanosecond.
"""

from . import stats

SCHEMA = 1


def latency(values_ns):
    """The latencies' figures in us; None of nothing."""
    if not values_ns:
        return None
    ordered = sorted(values_ns)
    out = {f"p{p}": stats.us(stats.percentile(ordered, p))
           for p in stats.PERCENTILES}
    out["p999"] = stats.us(ordered[-(-999 * len(ordered) // 1000) - 1])
    out["max"] = stats.us(ordered[-1])
    out["mean"] = stats.us(stats.mean(ordered))
    return out


def rate(ops):
    """Operations a second, from the first that began to the last that ended."""
    if len(ops) < 2:
        return None
    span = max(s + l for s, l in ops) - min(s for s, _ in ops)
    return {"value": round(len(ops) * 1e9 / span, 3), "unit": "ops/s"}


def share(before, after, what, pcpus):
    """Part of these pCPUs' time that `what` ran."""
    span = (after["now_ns"] - before["now_ns"]) * pcpus
    return round((after[what] - before[what]) / span, 6)


def neighbours(before, after, pcpus, wakeups_ns):
    """What the neighbours got, and how late they woke."""
    late = latency(wakeups_ns)
    return {"cpu_share": share(before, after, "neighbours_ns", pcpus),
            "latency": late and {**late, "n": len(wakeups_ns)}}


def cell(what, number, outcome, counted):
    """A cell's file: `counted` is (before, after, more) of the lab's."""
    before, after, more = counted
    ops = outcome.ops
    pcpus = more["pcpus"]
    return {
        "schema": SCHEMA, "cell": what, "round": number,
        "unit": "us", "n": len(ops),
        "latency": latency([ns for _, ns in ops]),
        "throughput": outcome.throughput or rate(ops),
        "lost": outcome.lost,
        "neighbours": neighbours(before, after, pcpus, more["wakeups_ns"]),
        "vm_cpu_share": share(before, after, "vm_ns", pcpus),
        # How long its vCPUs waited for a pCPU, as steal time would have it.
        "vm_wait_share": share(before, after, "vm_wait_ns", pcpus),
        "host_overhead": None,
        "oracle": None,
        "stat": more["stat"],
        "interrupts": {
            "by_vcpu": [a - b for a, b in zip(after["taken"],
                                              before["taken"])],
            "host_vfio": after["host"] - before["host"]},
        "duration_s": round((after["now_ns"] - before["now_ns"]) / 1e9, 6),
        "busy_pcpus": more["busy_pcpus"],
        "split": None,
    }
