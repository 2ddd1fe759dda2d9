# SPDX-License-Identifier: GPL-2.0-only
"""A made-up directory of `make bench`, for the tests only.

    python3 bench/synthetic_cells.py DIR

An operation takes a fixed time and, with a probability that its condition
has, a wait as by the scheduler. Seeded, so that the same comes out every time.
Its figures mean nothing.
"""

import gzip
import json
import os
import random
import sys

from irqhop_bench import cellfiles, split

# work: (us alone, or Mbit/s; how much of off's waits irqhop leaves)
WORKS = {"ping": (110, 0.01), "tcp-rr": (90, 0.9),
         "tcp-rr-paced": (100, 0.05), "udp-rr": (85, 0.2),
         "apache-c1": (900, 0.4), "apache-c8": (5000, 1.05),
         "nvme-read-d1": (60, 0.01), "memcached": (95, 0.3),
         "stream-in": (940, 0.7), "stream-out": (930, 1.0)}
STREAMS = ("stream-in", "stream-out")
# condition: (what it leaves of irqhop's own share; neighbours' share)
CONDITIONS = {"off": (None, 1), "home": (None, 1), "recent": (1, 1),
              "spread": (1.5, 1), "summon": (0.5, 0.999),
              "fifo": (0.0, 0.05), "nice": (0.3, 0.35), "slice": (40, 0.98),
              "irqbalance": (90, 1)}


def latencies(rng, work, overcommit, condition, count):
    """[(start ns, latency ns)]."""
    fixed, left = WORKS[work]
    wait = 0 if overcommit == 1 else 1 - 2 / (2 * overcommit)
    factor = CONDITIONS.get(condition, (None, 1))[0]
    if factor is not None:
        wait = min(0.95, wait * left * factor)
    ops, time = [], 1_000_000
    for _ in range(count):
        ns = fixed * 1000 * rng.uniform(0.97, 1.06)
        if rng.random() < wait:
            ns += rng.uniform(0.1, 5.6 * overcommit) * 1e6
        ops.append((round(time), round(ns)))
        time += ns + rng.uniform(0.2, 3) * 1e6
    return ops


def cell(work, overcommit, condition, number=1, where=(), **more):
    """A cell file's data in which nothing is measured; `where` has what is
    not as usual."""
    out = {"schema": 1, "cell": {"work": work, "overcommit": overcommit,
                                 **cellfiles.DEFAULTS, **dict(where),
                                 "condition": condition},
           "round": number, "unit": "us", "n": 0, "latency": None,
           "throughput": None, "lost": 0,
           "neighbours": {"cpu_share": None, "latency": None},
           "vm_cpu_share": None, "host_overhead": None, "oracle": None,
           "stat": None, "duration_s": 1.0, "busy_pcpus": 6, "split": None}
    return {**out, **more}


def cell_id(data):
    """The name that the runner gives a cell."""
    c = data["cell"]
    return "-".join(map(str, (c["work"], c["overcommit"], c["vcpus"],
                              c["path"], c["neighbours"], c["condition"])))


def write_cell(root, data, ops=None, oracle=None):
    """Leave a cell as the runner does; its figures from ops, in ns."""
    folder = os.path.join(root, "cells")
    os.makedirs(folder, exist_ok=True)
    if ops and not data["latency"]:
        # aggregate's own summary: a test of it has figures of its own.
        ordered = sorted(ns for _, ns in ops)
        n = len(ordered)
        data = {**data, "n": n, "latency": {
            **{name: ordered[-(-part * n // 1000) - 1] / 1000
               for name, part in (("p50", 500), ("p90", 900), ("p99", 990),
                                  ("p999", 999))},
            "max": ordered[-1] / 1000, "mean": sum(ordered) / n / 1000}}
    stem = os.path.join(folder, "%s.%d" % (cell_id(data), data["round"]))
    with open(stem + ".json", "w", encoding="utf-8") as file:
        json.dump(data, file)
    for rows, name in ((ops, "ops"), (oracle, "oracle")):
        if rows:
            with gzip.open("%s.%s.gz" % (stem, name), "wt",
                           encoding="ascii") as file:
                file.writelines("%d %d\n" % row for row in rows)
    return stem + ".json"


def _neighbours(rng, overcommit, condition):
    share = CONDITIONS.get(condition, (None, 1))[1]
    return {"cpu_share": (1 - 2 / overcommit) * share
            * rng.uniform(0.998, 1.002) if overcommit > 2 else None,
            "latency": {"p50": 900 / share, "p99": 8000 / share}}


def _grid():
    yield 1, "alone"
    for overcommit in (3, 4):
        for condition in CONDITIONS:
            yield overcommit, condition


def _one(root, rng, work, overcommit, condition, number, count):
    more = {"neighbours": _neighbours(rng, overcommit, condition)}
    if condition not in ("alone", "off", "fifo", "nice", "slice",
                         "irqbalance"):
        hops = 0 if condition == "home" else 400 + 90 * number
        more["stat"] = {"hops": hops, "returns": hops, "stranded": 7,
                        "in_handler": 3, "held_back": 0,
                        "preemptions": 900, "failed": 0}
    if work in STREAMS:
        rate = WORKS[work][0] / (1 if overcommit == 1 else 2 * overcommit)
        if CONDITIONS.get(condition, (None,))[0]:
            rate /= WORKS[work][1]
        more["throughput"] = {"value": rate * rng.uniform(0.93, 1.07),
                              "unit": "Mbit/s"}
        return write_cell(root, cell(work, overcommit, condition, number,
                                     n=1, **more))
    ops = latencies(rng, work, overcommit, condition, count)
    oracle = None
    if condition not in ("alone", "off", "home"):
        oracle = latencies(rng, work, overcommit, "fifo", count)
    return write_cell(root, cell(work, overcommit, condition, number, **more),
                      ops, oracle)


def timeline(condition):
    """A made-up timeline."""
    on = condition != "off"
    length = 400 if on else 9000
    runs = {"0": [[0, 0.1 * length], [0.86 * length, length]],
            "1": [[0.05 * length, 0.5 * length]],
            "2": [[0, 0.3 * length], [0.6 * length, length]],
            "3": [[0.5 * length, 0.9 * length]]}
    vcpu = 2 if on else 0
    at = 0.65 * length if on else 0.86 * length
    return {"length_us": length, "latency_us": 0.8 * length, "vcpus": runs,
            "waits": [] if on else [
                {"from": 0.14 * length, "to": at, "vcpu": 0,
                 "kind": "interrupt_preempted"}],
            "marks": [
                {"at": 0.1 * length, "vcpu": 3, "text": "request sent"},
                {"at": 0.12 * length, "vcpu": 0,
                 "text": "interrupt, to vCPU 0"},
                {"at": at, "vcpu": vcpu, "text": "handler on vCPU %d" % vcpu},
                {"at": 0.9 * length, "vcpu": None, "text": "answer"}]}


def _where(root, work, overcommit, condition):
    folder = os.path.join(root, "where")
    os.makedirs(folder, exist_ok=True)
    data = cell(work, overcommit, condition)
    waits = dict.fromkeys(split.WAITS, 30)
    if condition == "off":
        waits["interrupt_preempted"] = 7200
    waits["second_wait"] = 3100
    out = {"schema": 1, "cell": data["cell"], "n": 1000,
           "slow": 620 if condition == "off" else 40, "over_us": 165,
           "mean_us": 4000, "split": waits, "none_ran_us": 12,
           "timeline": timeline(condition)}
    with open(os.path.join(folder, cell_id(data) + ".json"), "w",
              encoding="utf-8") as file:
        json.dump(out, file)


def write(root, rounds=3, count=600, seed=1):
    """A whole directory."""
    rng = random.Random(seed)
    for number in range(1, rounds + 1):
        for work in WORKS:
            for overcommit, condition in _grid():
                _one(root, rng, work, overcommit, condition, number, count)
    for work in ("ping", "nvme-read-d1"):
        for overcommit in (3, 4):
            for condition in ("off", "recent", "summon"):
                _where(root, work, overcommit, condition)
    with open(os.path.join(root, "meta.json"), "w",
              encoding="utf-8") as file:
        json.dump({"versions": {"qemu": "synthetic, means nothing",
                                "host_kernel": "synthetic"},
                   "date": "2000-01-01T00:00:00Z", "rounds": rounds,
                   "asked_for": "subset",
                   "complete": True, "wall_s": 1.5}, file)


if __name__ == "__main__":
    write(sys.argv[1])
