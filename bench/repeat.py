#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make repeat: do two runs of a cell agree?

Measures some cells twice, on machines that are booted afresh, and compares:
the p50 within 5 %, and the means by less than chance explains (the bootstrap's
95 % interval of their difference has nothing in it). Says so in TAP.
"""

import argparse
import os
import shutil
import subprocess
import sys

import bench
import plan
from irqhop_bench import bootstrap, stats

P50_TOLERANCE = 0.05
CELLS = ("ping-3-4-direct-spin-off", "ping-3-4-direct-spin-summon",
         "nvme-read-d1-3-4-direct-spin-off",
         "nvme-read-d1-3-4-direct-spin-summon")


def latencies(out, cell, rounds):
    """[[latencies in ns] of a round]."""
    found = [bench.read_rows(bench.file_of(out, cell, number, "ops.gz"))
             for number in range(1, rounds + 1)]
    return [[ns for _, ns in ops] for ops in found if ops]


def p50(rounds):
    """Of all rounds together."""
    return stats.percentile(sorted(sum(rounds, [])), 50)


def compare(first, second, name):
    """(whether they agree, in words)."""
    if not first or not second:
        return False, "not measured twice"
    apart = p50(second) / p50(first) - 1
    low, high = bootstrap.change_interval(
        bootstrap.means(second, f"{name} 2"),
        bootstrap.means(first, f"{name} 1"))
    return abs(apart) <= P50_TOLERANCE and low <= 0 <= high, \
        f"p50 {100 * apart:+.1f} %, mean {low:+.0f} to {high:+.0f} %"


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/repeat")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="these cells, as of bench/bench.py")
    args = parser.parse_args()
    chosen = args.only or CELLS
    runs = [os.path.join(args.out, run) for run in ("first", "second")]
    for run in runs:
        shutil.rmtree(run, ignore_errors=True)
        subprocess.run(
            [sys.executable, bench.__file__, "--build", args.build, "--out",
             run, "--rounds", str(args.rounds), "--no-report",
             *(word for name in chosen for word in ("--only", name))],
            check=False)
    cells = bench.matching(chosen)
    print(f"1..{len(cells)}")
    bad = 0
    for number, cell in enumerate(cells, 1):
        good, why = compare(*(latencies(run, cell, args.rounds)
                              for run in runs), plan.name(cell))
        bad += not good
        print(f"{'' if good else 'not '}ok {number} - two runs of "
              f"{plan.name(cell)} agree: {why}")
    return 1 if bad or not cells else 0


if __name__ == "__main__":
    sys.exit(main())
