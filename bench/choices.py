#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make choices: which rule to choose, where the guest is not always busy.

Times the demonstration's work under every guest load, number of neighbours
and rule (how irqhop is enabled), interleaved in rounds. Leaves choices.txt
and choices.json in OUT.
"""

import argparse
import json
import os
import sys
import time

import cells
from cells import load
from irqhop_bench import stats, text
import machine
from machine import LabError, Machine, progress

# Options of irqhop enable's; None: it is not enabled.
RULES = {
    "off": None,
    "home": "--policy home",
    "lazy": "--policy recent --return lazy --halted wake",
    "eager": "--policy recent --return eager --halted wake",
    "never": "--policy recent --return never --halted wake",
    "lazy+hop": "--policy recent --return lazy --halted hop",
    "eager+hop": "--policy recent --return eager --halted hop",
    "never+hop": "--policy recent --return never --halted hop",
}
# Which vCPUs spin. With two of them, the homes of both works' interrupts (0
# and 1) halt, and so do the others with none.
SPINNERS = {0: (), 2: (2, 3), 4: (0, 1, 2, 3)}
NEIGHBOURS = (0, 2, 4)
WORKS = ("ping", "nvme")
COUNTERS = ("hops", "returns", "preemptions", "stranded", "turns")


def grid(args):
    """[(spinners, neighbours)] in the order in which they are run."""
    return [(s, n) for s in args.spinners for n in args.neighbours]


def run_cell(lab, work, rule, count):
    """A cell of a round; its latencies in ns."""
    lab.set_irqhop(RULES[rule])
    before = load.cpu_times(lab.host)
    ops, lost = getattr(lab, work)(count)
    stat, duration_ns = lab.stat()
    return {"work": work, "rule": rule, "stat": stat,
            "duration_ns": duration_ns, "lost": lost,
            "busy_pcpus": cells.busy_pcpus(before, load.cpu_times(lab.host)),
            "latencies": [ns for _, ns in ops]}


def run_rule(lab, rule, args):
    """The cells of a rule, one a work."""
    before = lab.taken()
    found = [run_cell(lab, work, rule, args.count) for work in args.works]
    after = lab.taken()
    for cell in found:
        cell["taken"] = [a - b for a, b in zip(after[cell["work"]],
                                               before[cell["work"]])]
    return found


def run_rounds(lab, args):
    """Yields [{a cell of a round}] of all rounds so far, after each."""
    done, begun, busy = [], time.monotonic(), None
    total = args.rounds * len(grid(args)) * len(args.rules) * len(args.works)
    for number in range(1, args.rounds + 1):
        # Nobody is always the first after a change of load.
        first = (number - 1) % len(args.rules)
        rules = args.rules[first:] + args.rules[:first]
        for spinners, neighbours in grid(args):
            if spinners != busy:
                load.busy_guest(lab.host, vcpus=SPINNERS[spinners])
                busy = spinners
            # A guest that halts leaves pCPUs idle, for a moment at least.
            load.set_neighbours(lab.host, neighbours,
                                filled=range(machine.PCPUS))
            lab.settle()
            for rule in rules:
                progress(f"choices: round {number} of {args.rounds}: "
                         f"{spinners} busy vCPUs, {neighbours} neighbours, "
                         f"{rule} ({len(done)} of {total}, "
                         f"{time.monotonic() - begun:.0f} s)")
                done += [{**cell, "round": number, "spinners": spinners,
                          "neighbours": neighbours}
                         for cell in run_rule(lab, rule, args)]
        yield done
    lab.set_irqhop(None)
    progress(f"choices: {total} cells in {time.monotonic() - begun:.0f} s\n")


def counters(cell):
    """What the module counted in a cell of a round, and for how long."""
    if cell["stat"] is None:
        return None
    return {**{name: cell["stat"][name] for name in COUNTERS},
            "seconds": round(cell["duration_ns"] / 1e9, 6)}


def one_round(cell):
    """A round's entry in choices.json."""
    return {"round": cell["round"], **stats.summary(cell["latencies"]),
            "counters": counters(cell), "lost": cell["lost"],
            "taken_by_vcpu": cell["taken"],
            "busy_pcpus": cell["busy_pcpus"]}


def pooled(found):
    """[{an entry of choices.json}]: each cell over its rounds."""
    keys = ("work", "spinners", "neighbours", "rule")
    groups = {}
    for cell in found:
        groups.setdefault(tuple(cell[key] for key in keys), []).append(cell)
    out = []
    for values, group in groups.items():
        entry = dict(zip(keys, values))
        entry["options"] = RULES[entry["rule"]]
        entry.update(stats.summary(
            [ns for cell in group for ns in cell["latencies"]]))
        entry["rounds"] = [one_round(cell) for cell in group]
        out.append(entry)
    return out


def rate(entry, name):
    """A counter per second of virtual time, over all rounds."""
    have = [r["counters"] for r in entry["rounds"] if r["counters"]]
    if not have:
        return None
    return sum(c[name] for c in have) / sum(c["seconds"] for c in have)


def row(entry):
    """A line of a table."""
    means = [r["mean_us"] for r in entry["rounds"]]
    return [entry["rule"], entry["n"],
            *(text.number(entry[f"{f}_us"])
              for f in ("p50", "p90", "p99", "max", "mean")),
            f"{text.number(min(means))}..{text.number(max(means))}",
            *(text.number(rate(entry, name), 0)
              for name in ("hops", "returns", "preemptions")),
            "/".join(str(sum(column)) for column in zip(
                *(r["taken_by_vcpu"] for r in entry["rounds"])))]


def page(result):
    """choices.txt."""
    lines = ["irqhop: rules compared (emulated, virtual time)"]
    entries = result["cells"]
    for key in dict.fromkeys((e["work"], e["spinners"], e["neighbours"])
                             for e in entries):
        work, spinners, neighbours = key
        lines += text.heading(
            f"{work}: {spinners} of {cells.VCPUS} vCPUs busy, "
            f"{neighbours} neighbours")
        lines += text.table(
            ["rule", "n", "p50", "p90", "p99", "max", "mean", "rounds' means",
             "hops/s", "returns/s", "preemptions/s", "by vCPU"],
            [row(e) for e in entries
             if (e["work"], e["spinners"], e["neighbours"]) == key])
    lines += ["", *text.wrap(
        "Latencies in us of virtual time, over the operations of all rounds "
        "together; beside the mean the lowest and the highest round's. What "
        "differs by less than these do is noise. A busy vCPU runs a task "
        "that never sleeps; the others halt when they have nothing to do. "
        "All share two pCPUs with the neighbours. by vCPU: the work's "
        "interrupts that each took. Nothing here is a claim "
        "about hardware.")]
    busy = {r["busy_pcpus"] for e in entries for r in e["rounds"]}
    lost = sum(r["lost"] for e in entries for r in e["rounds"])
    lines += [f"Busy pCPUs: {', '.join(map(str, sorted(busy)))}. "
              f"Operations without an answer: {lost}."]
    return "\n".join(lines) + "\n"


def write(args, found):
    """choices.json and choices.txt from the cells so far."""
    result = {"schema": "irqhop-choices/1", "emulated": True,
              "versions": cells.versions(args.build),
              "rounds": max(cell["round"] for cell in found),
              "cells": pooled(found)}
    for name, content in (("json", json.dumps(result, indent=1) + "\n"),
                          ("txt", page(result))):
        with open(os.path.join(args.out, f"choices.{name}"), "w",
                  encoding="utf-8") as file:
            file.write(content)


def chosen(known, what):
    """A type for a list of some of `known`, for argparse."""
    def parse(argument):
        names = {str(one): one for one in known}
        values = argument.split(",")
        if not set(values) <= names.keys():
            raise argparse.ArgumentTypeError(
                f"{argument!r}: {what}: {', '.join(names)}")
        return [names[value] for value in values]
    return parse


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/choices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=400,
                        help="operations a cell and round")
    for name, known, what in (
            ("rules", RULES, "rules"), ("works", WORKS, "works"),
            ("spinners", SPINNERS, "busy vCPUs"),
            ("neighbours", NEIGHBOURS, "neighbours")):
        parser.add_argument(f"--{name}", type=chosen(known, what),
                            default=list(known), metavar="LIST",
                            help=f"some of {','.join(map(str, known))}")
    return parser.parse_args()


def main():
    """Run it."""
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    try:
        with Machine(args.build, os.path.join(args.out, "logs")) as host:
            progress("choices: booting the emulated host and its guest")
            host.start()
            for found in run_rounds(cells.Lab(host), args):
                write(args, found)
            bad = host.bad_lines()
    except LabError as error:
        print(f"\nchoices: {error}", file=sys.stderr)
        return 1
    if bad:
        print("choices: the kernels complained:\n" + "\n".join(bad),
              file=sys.stderr)
        return 1
    with open(os.path.join(args.out, "choices.txt"),
              encoding="utf-8") as file:
        print(file.read(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
