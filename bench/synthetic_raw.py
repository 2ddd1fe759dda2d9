# SPDX-License-Identifier: GPL-2.0-only
"""A made-up RAW directory, for the tests only.

    python3 bench/synthetic_raw.py DIR

A toy scheduler (nearly round-robin) says when each vCPU runs, and latencies
follow from that: off waits for the home vCPU, on for any vCPU (and now and
then for the home after all), nvme also for its reader's vCPU.  Seeded, so
that the same directory comes out every time.  Its figures mean nothing.
"""

import json
import os
import random
import sys

VCPUS = 4
READER = 3
ROUND_TRIP_NS = {"ping": 110_000, "nvme": 60_000}
VERSIONS = {"qemu": "synthetic", "host_kernel": "synthetic",
            "guest_kernel": "synthetic"}
GRID = [(1, "alone")] + [(oc, condition) for oc in (3, 4)
                         for condition in ("off", "home", "on")]


def schedule(rng, overcommit, length_ns):
    """{vCPU: [(start, end)]}; alone, each vCPU has a pCPU to itself."""
    if overcommit == 1:
        return {v: [(0, length_ns)] for v in range(VCPUS)}
    spans = {v: [] for v in range(VCPUS)}
    # Two pCPUs; threads from VCPUS on are neighbours.
    queue = rng.sample(range(2 * overcommit), 2 * overcommit)
    clock = [0, 0]
    while min(clock) < length_ns:
        pcpu = clock.index(min(clock))
        # Not always the first: in a fixed order, home and reader would keep
        # the distance that they began with, and cells would differ by it.
        thread = queue.pop(rng.randrange(2))
        start = clock[pcpu]
        clock[pcpu] = start + round(2_800_000 * rng.uniform(0.7, 1.3))
        if thread < VCPUS:
            spans[thread].append((start, clock[pcpu]))
        queue.append(thread)
    return spans


def wait(spans, vcpus, time):
    """By looking at every interval: slow, and not the code under test."""
    later = []
    for vcpu in vcpus:
        for start, end in spans[vcpu]:
            if start <= time < end:
                return 0
            if start > time:
                later.append(start - time)
    return min(later)


def off(spans, vcpu, time, need):
    """Time off until it has run for `need`; slow as well."""
    total = 0
    while need:
        total += wait(spans, [vcpu], time + total)
        time, left = time + total, need
        end = min(e for s, e in spans[vcpu] if s <= time < e)
        need -= min(need, end - time)
        time -= total - (left - need)
    return total


def operations(rng, work, condition, spans, count):
    """[(send, latency)] and who took each interrupt."""
    ops, taken, time = [], [0] * VCPUS, 3_000_000
    for _ in range(count):
        if work == "nvme":
            time += wait(spans, [READER], time)
        fixed = round(ROUND_TRIP_NS[work] * rng.uniform(0.98, 1.02))
        at = time + fixed // 2
        hop = condition == "on" and rng.random() > 0.01
        at += wait(spans, range(VCPUS) if hop else [0], at)
        taken[next((v for v in range(VCPUS) if hop and any(
            s <= at < e for s, e in spans[v])), 0)] += 1
        if work == "nvme":
            at += wait(spans, [READER], at)
        done = at + fixed - fixed // 2
        ops.append((time, done - time))
        time = done + round(rng.uniform(0.2, 3) * 1_000_000)
    return ops, taken


def stat(rng, taken, condition):
    """Module counters that a cell might have."""
    hops = sum(taken[1:])
    out = {"hops": hops, "returns": hops // 2, "failed": 0,
           "stranded": hops // 9, "in_handler": hops // 50,
           "held_back": 0, "preemptions": 4 * hops, "cost_max_ns": 0,
           "cost_sum_ns": 0, "cost_median_ns": 0, "cost_hist": [0] * 256}
    if condition == "on":
        costs = [round(rng.uniform(3000, 4500)) for _ in range(hops)]
        for cost in costs:
            out["cost_hist"][min(cost // 64, 255)] += 1
        out.update(cost_sum_ns=sum(costs), cost_max_ns=max(costs, default=0),
                   cost_median_ns=sorted(costs)[len(costs) // 2]
                   if costs else 0)
    return out


def write_csv(path, header, rows):
    with open(path, "w", encoding="ascii") as file:
        file.write(header + "\n")
        file.writelines("%s\n" % ",".join(map(str, row)) for row in rows)


def write_cell(root, about, ops, spans):
    """One cell as the runner would leave it; `spans` is {vCPU: [...]}."""
    path = os.path.join(root, str(about["round"]),
                        "%(work)s-%(overcommit)d-%(condition)s" % about)
    os.makedirs(path)
    with open(os.path.join(path, "cell.json"), "w",
              encoding="utf-8") as file:
        json.dump(about, file)
    write_csv(os.path.join(path, "ops.csv"), "send_ns,latency_ns", ops)
    write_csv(os.path.join(path, "running.csv"), "start_ns,end_ns,vcpu",
              sorted((s, e, v) for v in spans for s, e in spans[v]))
    return path


def meta(work, overcommit, condition, number=1, **more):
    """cell.json of a cell in which nothing happened."""
    out = {"work": work, "overcommit": overcommit, "condition": condition,
           "round": number, "reader_vcpu": READER if work == "nvme" else None,
           "home_vcpu": 0, "eligible_vcpus": list(range(VCPUS)),
           "busy_pcpus": 6, "host_vfio_interrupts": 0, "host_work_interrupts": 0,
           "guest_interrupts_by_vcpu": [0] * VCPUS, "msis_sent": None,
           "io_timeouts": 0, "stat": None}
    return {**out, **more}


def write_run(root, **more):
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "run.json"), "w", encoding="utf-8") as file:
        json.dump({"versions": VERSIONS, "path": "direct", "vcpus": VCPUS,
                   "started": "never", "wall_s": 1.5,
                   "lab": {"pCPUs": 6, "note": "synthetic, means nothing"},
                   **more}, file)


def write(root, rounds=3, count=300, path="direct", seed=1):
    """A whole RAW directory."""
    rng = random.Random(seed)
    write_run(root, path=path)
    # Of the others, which no work waits for, some 10 a cell.
    host = (0, 0) if path == "direct" else (count, count + 10)
    for number in range(1, rounds + 1):
        for work in ROUND_TRIP_NS:
            for overcommit, condition in GRID:
                spans = schedule(rng, overcommit, count * 40_000_000)
                ops, taken = operations(rng, work, condition, spans, count)
                end = ops[-1][0] + ops[-1][1] + 50_000_000
                spans = {v: [s for s in spans[v] if s[0] < end]
                         for v in spans}
                loaded = condition in ("home", "on")
                write_cell(root, meta(
                    work, overcommit, condition, number, msis_sent=count,
                    guest_interrupts_by_vcpu=taken,
                    host_work_interrupts=host[0],
                    host_vfio_interrupts=host[1],
                    stat=stat(rng, taken, condition) if loaded else None),
                    ops, spans)


if __name__ == "__main__":
    write(sys.argv[1])
