# SPDX-License-Identifier: GPL-2.0-only
"""The figures that irqhop is to reach, beside those that others published.

All are changes against off, in per cent, in the lab's usual setting: 4 vCPUs,
direct delivery, 3 busy threads for each pCPU, neighbours that never sleep.
The others' figures come from other machines, guests and loads: they are
beside ours because they are of the same measure, and not because the numbers
could be compared. "The paper" is Lue et al. 2024, CoINT2 that of INFOCOM
2025: docs/prior-art.md.
"""

from collections import namedtuple

SETTING = {"vcpus": 4, "path": "direct", "neighbours": "spin"}

# figure: of against_off. limit: the change has to be at or below it ("most"),
# or at or above it ("least"). limit None: no worse than off, by more than
# noise, in any cell of these works. policy None: the one that the report is
# about.
Target = namedtuple("Target", "measure works overcommit figure kind limit "
                    "paper claim goal policy", defaults=(None, None, "", None))
TARGETS = [
    Target("Network round trip (ping), mean", ("ping",), 3, "mean", "most",
           -93, "-34.1 %", "up to -82 %", "-93 % or better"),
    Target("Network round trip (ping), p99", ("ping",), 3, "p99", "most",
           -97, None, None, "-97 % or better"),
    Target("TCP request/response with pauses, mean", ("tcp-rr-paced",), 3,
           "mean", "most", -80, None, None, "-80 % or better"),
    Target("TCP request/response without pauses, mean", ("tcp-rr",), None,
           "mean", "worse", None, None, None, "never worse than off"),
    Target("TCP stream, either way, throughput",
           ("stream-in", "stream-out"), None, "throughput", "worse", None,
           "up to +7.9 %", "up to +126 %", "never below off in any cell"),
    Target("TCP stream in at 4:1, throughput", ("stream-in",), 4,
           "throughput", "least", 50, "up to +7.9 %", "up to +126 %",
           "+50 % or better"),
    Target("TCP stream in at 4:1, policy donate, throughput",
           ("stream-in",), 4, "throughput", "least", 50, "up to +7.9 %",
           "up to +126 %", "+50 % or better", "donate"),
    Target("Apache, one at a time, time per request, mean", ("apache-c1",),
           3, "mean", "most", -60, "-13.6 %", None, "-60 % or better"),
    Target("Apache, 8 and 32 at a time, time per request, mean",
           ("apache-c8", "apache-c32"), None, "mean", "worse", None, None,
           None, "never worse than off"),
    Target("Disk read, depth 1, mean", ("nvme-read-d1",), 3, "mean", "most",
           -95, "-6.7 to -8.4 %", None, "-95 % or better"),
    Target("Disk read, depth 1, p99", ("nvme-read-d1",), 3, "p99", "most",
           -95, None, None, "-95 % or better"),
    Target("Neighbours' share of the CPU", None, None, "cpu_share", "within",
           1, None, None, "within 1 % of off in every cell"),
]


def in_setting(cell):
    """Whether a cell of result.json is in the usual setting."""
    return all(cell[name] == value for name, value in SETTING.items())


def _cells(target, cells, policy):
    """The policy's cells that a target is about, with this figure."""
    return [c for c in cells if c["condition"] == policy
            and (target.works is None or c["work"] in target.works)
            and (target.overcommit is None
                 or (c["overcommit"] == target.overcommit
                     and in_setting(c)))
            and c["against_off"] and c["against_off"][target.figure]
            is not None]


def _badness(target):
    """Sort key: the cell that a target stands or falls with comes last."""
    if target.kind == "within":
        return lambda c: abs(c["against_off"][target.figure])
    sign = -1 if target.figure == "throughput" else 1
    return lambda c: sign * c["against_off"][target.figure]


def _reached(target, cell, found):
    value = cell["against_off"][target.figure]
    if target.kind == "most":
        return value <= target.limit
    if target.kind == "least":
        return value >= target.limit
    if target.kind == "within":
        return abs(value) <= target.limit
    return not any(target.figure in c["against_off"]["worse"] for c in found)


def _missing_works(target, found):
    have = {c["work"] for c in found}
    return [work for work in target.works or () if work not in have]


def judge(cells, policy):
    """result.json's "targets": the worst cell of each, and whether it will
    do; None where it was not measured."""
    out = []
    for target in TARGETS:
        found = sorted(_cells(target, cells, target.policy or policy),
                       key=_badness(target))
        worst = found[-1] if found else None
        out.append({
            "measure": target.measure, "paper": target.paper,
            "claim": target.claim, "goal": target.goal,
            "figure": target.figure,
            "ours": worst["against_off"][target.figure] if worst else None,
            "interval": (worst["against_off"]["mean_interval"]
                         if worst and target.figure == "mean" else None),
            "cell": worst["id"] if worst else None,
            "cells": len(found),
            "missing": _missing_works(target, found),
            "reached": _reached(target, worst, found) if worst else None})
    return out
