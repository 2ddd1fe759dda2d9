#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make demo: the same work alone, oversubscribed, and with irqhop.

Boots the lab once, runs every cell (work x overcommit x condition) in
interleaved rounds, and leaves what the report needs below OUT/raw.
"""

import argparse
import json
import os
import shutil
import sys
import time

import cells
from cells import load
import machine
from machine import LabError, Machine, progress

OVERCOMMITS = (3, 4)
# How irqhop is enabled in each condition; None: it is not.
# "on" is what whoever asks for nothing gets.
ENABLE = {"alone": None, "off": None, "home": "--policy home", "on": ""}


def run_cell(lab, path, cell, count):
    """One cell of one round; leaves its files in `path`."""
    facts, ops, running = lab.cell(cell["work"], count)
    ends = [ops[0][0] - 1_000_000, ops[-1][0] + ops[-1][1] + 1_000_000]
    if running is None:
        running = [(*ends, vcpu) for vcpu in range(cells.VCPUS)]
    elif cell["overcommit"] == 1:
        # Its vCPUs hardly ever leave: the record need not reach the ends.
        running = stretch(running, ends)
    os.makedirs(path)
    write_csv(os.path.join(path, "ops.csv"), "send_ns,latency_ns", ops)
    write_csv(os.path.join(path, "running.csv"), "start_ns,end_ns,vcpu",
              running)
    with open(os.path.join(path, "cell.json"), "w", encoding="utf-8") as file:
        json.dump({**facts, **cell}, file)


def stretch(running, ends):
    """The first and last interval of each vCPU, out to the cell's ends."""
    result = []
    for vcpu in range(cells.VCPUS):
        spans = [list(span[:2]) for span in running if span[2] == vcpu]
        spans[0][0] = min(spans[0][0], ends[0])
        spans[-1][1] = max(spans[-1][1], ends[1])
        result += [(*span, vcpu) for span in spans]
    return sorted(result)


def write_csv(path, header, rows):
    """Rows of numbers below a header."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(header + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)


def conditions(overcommits):
    """[(overcommit, condition)] of a round."""
    return [(1, "alone")] + [(overcommit, condition)
                             for overcommit in overcommits
                             for condition in ("off", "home", "on")]


def run_rounds(lab, raw, args):
    """Every cell once a round."""
    grid = conditions(args.overcommit)
    total = len(grid) * len(cells.GUEST_IRQ) * args.rounds
    done, begun = 0, time.monotonic()
    for number in range(1, args.rounds + 1):
        for overcommit, condition in grid:
            lab.set_load(overcommit)
            lab.set_irqhop(ENABLE[condition])
            for work in ("ping", "nvme"):
                if work == "nvme":
                    # Counters of its own.
                    lab.set_irqhop(ENABLE[condition])
                progress(f"demo: round {number} of {args.rounds}: {work}, "
                         f"overcommit {overcommit}:1, {condition} "
                         f"({done * 100 // total} %, "
                         f"{time.monotonic() - begun:.0f} s)")
                cell = {"work": work, "overcommit": overcommit,
                        "condition": condition, "round": number}
                run_cell(lab, os.path.join(
                    raw, str(number), f"{work}-{overcommit}-{condition}"),
                    cell, args.count)
                done += 1
    lab.set_irqhop(None)
    progress(f"demo: {done} cells in {time.monotonic() - begun:.0f} s\n")


def overcommit_list(text):
    """The numbers in "3,4", each once."""
    try:
        numbers = sorted({int(one) for one in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= load.NEIGHBOURS.keys():
        known = ", ".join(map(str, load.NEIGHBOURS))
        raise argparse.ArgumentTypeError(f"{text!r}: there are {known}")
    return numbers


def main():
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/demo")
    parser.add_argument("--path", choices=cells.PATHS, default="direct",
                        help="how the devices' interrupts get to the guest: "
                        "by the GICv4 (direct), or by KVM (injected)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000,
                        help="operations a cell and round")
    parser.add_argument("--overcommit", type=overcommit_list,
                        default=list(OVERCOMMITS), metavar="N[,N]",
                        help="which overcommits, of "
                        + ", ".join(map(str, load.NEIGHBOURS))
                        + " (default: "
                        + ",".join(map(str, OVERCOMMITS)) + ")")
    args = parser.parse_args()
    raw = os.path.join(args.out, "raw")
    shutil.rmtree(raw, ignore_errors=True)
    os.makedirs(raw)
    begun, started = time.monotonic(), time.time()
    try:
        with Machine(args.build, os.path.join(args.out, "logs"),
                     direct=args.path == "direct") as host:
            progress("demo: booting the emulated host and its guest")
            host.start()
            lab = cells.Lab(host)
            run_rounds(lab, raw, args)
            bad = host.bad_lines()
    except LabError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    if bad:
        print("demo: the kernels complained:\n" + "\n".join(bad),
              file=sys.stderr)
        return 1
    with open(os.path.join(raw, "run.json"), "w", encoding="utf-8") as file:
        json.dump({"versions": cells.versions(args.build),
                   "path": args.path,
                   "vcpus": cells.VCPUS,
                   "started": round(started),
                   "wall_s": round(time.monotonic() - begun, 1),
                   "lab": {"pcpus": machine.PCPUS,
                           "turn_us": machine.TURN_US,
                           "ping_interval_ms": cells.PING_INTERVAL_S * 1000,
                           "reads_per_s": cells.READS_PER_S,
                           "nic_moderation": "off"}}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
