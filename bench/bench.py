#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make bench: what irqhop does for real programs, beside what else there is.

Boots emulated hosts, one for each kind of machine, and measures every cell
(work x load x machine x condition) of the plan in interleaved rounds. A file
for each cell and round is left in OUT/cells, and one that is there is not
measured again: interrupted, the next run goes on from there.
"""

import argparse
import contextlib
import fnmatch
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

import cells
from cells import load
import conditions
import plan
import works
from irqhop_bench import measures, oracle, stats
from machine import LabError, Machine, progress


def file_of(out, cell, number, suffix="json"):
    """Where a cell's round is, or belongs."""
    return os.path.join(out, "cells", f"{plan.name(cell)}.{number}.{suffix}")


def load_result(path):
    """What is in a cell's file; None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def is_done(out, cell, number):
    """Whether it was measured; one that failed is tried again."""
    result = load_result(file_of(out, cell, number))
    return result is not None and "error" not in result


def write_atomically(path, data):
    """A file is there as a whole, or not at all."""
    with open(path + ".part", "wb") as file:
        file.write(data)
    os.rename(path + ".part", path)


def write_rows(path, rows):
    """Numbers, a line for each row; no file for nothing."""
    if rows:
        text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
        write_atomically(path, gzip.compress(text.encode(), 6, mtime=0))


def read_rows(path):
    """The same back; None if there is no such file."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            return [tuple(map(int, line.split())) for line in file]
    except FileNotFoundError:
        return None


def write_cell(out, result, ops, running):
    """The files of one cell and round; the one that says so comes last."""
    cell, number = plan.Cell(**result["cell"]), result["round"]
    write_rows(file_of(out, cell, number, "ops.gz"), ops)
    write_rows(file_of(out, cell, number, "running.gz"), running)
    write_json(file_of(out, cell, number), result)


def write_json(path, what):
    """As people can read it, too."""
    write_atomically(path, (json.dumps(what, indent=1) + "\n").encode())


def measure(lab, cell, number):
    """(what the cell's file says, its operations, when which vCPU ran).

    The last only where an oracle is to be asked.
    """
    lab.set_load(cell.overcommit, serve=cell.neighbours == "server")
    work = works.WORKS[cell.work]
    with conditions.applied(lab, cell.condition):
        before = lab.usage(work.device)
        if work.share is not None:
            lab.watch_start()
        outcome = work.measure(lab)
        running = lab.watch_stop() if work.share is not None else None
        after = lab.usage(work.device)
        stat, _ = lab.stat()
    more = {
        "stat": stat,
        "pcpus": len(load.pcpus(
            (load.ALONE if cell.overcommit == 1 else load.SHARED)
            [cell.vcpus])),
        "busy_pcpus": cells.busy_pcpus(before["cpus"], after["cpus"]),
        "wakeups_ns": load.wakeups(lab.host, before["now_ns"],
                                   after["now_ns"])}
    return measures.cell(cell._asdict(), number, outcome,
                         (before, after, more)), outcome.ops, running


class Worker:
    """Measures some of the cells, on emulated hosts of its own."""

    def __init__(self, args, share):
        self.args = args
        self.share = share
        self.logs = os.path.join(args.out, "logs", f"worker-{share[0]}")
        self.host = self.lab = None
        self.stack = contextlib.ExitStack()

    def run(self):
        """All of this worker's cells, one kind of machine after the other."""
        index, count = self.share
        try:
            for machine, groups in plan.machines(wanted(self.args)).items():
                mine = plan.dealt(groups, count)[index]
                self.measure_on(machine, mine)
        finally:
            self.stop()

    def measure_on(self, machine, groups):
        """The rounds of all cells that want this kind of machine."""
        for number in range(1, self.args.rounds + 1):
            for group in groups:
                for cell in plan.rotated(group, number):
                    if not is_done(self.args.out, cell, number):
                        self.measure_one(machine, cell, number)
        self.stop()

    def measure_one(self, machine, cell, number):
        """A cell's round; if that fails, the host may be beyond use."""
        begun = time.monotonic()
        try:
            self.boot(machine)
            found = measure(self.lab, cell, number)
        except (LabError, ValueError, KeyError, IndexError) as error:
            if not self.usable():
                self.stop()
            found = {"schema": measures.SCHEMA, "cell": cell._asdict(),
                     "round": number, "error": str(error)}, None, None
        found[0]["wall_s"] = round(time.monotonic() - begun, 1)
        write_cell(self.args.out, *found)

    def usable(self):
        """Whether host and guest still answer."""
        try:
            self.host.run("true", limit=60)
            self.host.guest("true", limit=60)
            self.lab.set_irqhop(None)
            conditions.expect_as_booted(self.lab)
            return True
        except (LabError, AttributeError):
            return False

    def boot(self, machine):
        """A host of that kind, unless it is there."""
        if self.host:
            return
        self.host = self.stack.enter_context(Machine(
            self.args.build, self.logs, programs=True,
            direct=machine.path == "direct", **dict(machine.more)))
        self.host.start()
        self.lab = cells.Lab(self.host, machine.vcpus)
        works.prepare(self.lab)

    def stop(self):
        """End the host, and keep what its kernels complained of."""
        if not self.host:
            return
        try:
            if self.lab:
                self.complaints(self.host.bad_lines())
        except LabError as error:
            self.complaints([str(error)])
        finally:
            self.stack.close()
            self.host = self.lab = None

    def complaints(self, lines):
        """Into a file that grows."""
        with open(os.path.join(self.args.out, "complaints.txt"), "a",
                  encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)


def matching(patterns):
    """All cells there are with names like these."""
    return [cell for cell in plan.cells(plan.SUBSET + plan.FULL)
            if any(fnmatch.fnmatch(plan.name(cell), pattern)
                   for pattern in patterns)]


def wanted(args):
    """The cells that were asked for."""
    if args.only:
        return matching(args.only)
    return plan.cells(plan.FULL if args.full else plan.SUBSET)


def start_workers(args):
    """A process for each CPU that there is, or for LAB_CPU alone."""
    cpus = [os.environ["LAB_CPU"]] if "LAB_CPU" in os.environ else \
        [str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:args.hosts]]
    return [subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:],
         "--worker", f"{index}/{len(cpus)}"],
        env={**os.environ, "LAB_CPU": cpu})
        for index, cpu in enumerate(cpus)]


def watch(args, workers, todo):
    """Say how far they are, until they are done; whether they ended well."""
    begun, last, seen = time.monotonic(), -1, []
    while True:
        ended = [worker.poll() for worker in workers]
        there = [one for one in todo
                 if os.path.exists(file_of(args.out, *one))]
        if len(there) != last:
            last = len(there)
            seen.append((last, time.monotonic()))
            failed = sum(not is_done(args.out, *one) for one in there)
            progress(f"bench: {last} of {len(todo)} cells and rounds"
                     f"{f', {failed} failed' if failed else ''}, "
                     f"{time.monotonic() - begun:.0f} s"
                     f"{left(seen, len(todo))}")
        if None not in ended:
            return not any(ended)
        time.sleep(1)


def left(seen, total):
    """How long it will take, by [(how many were there, when)]; booting does
    not count."""
    known = [one for one in seen if one[0]]
    if len(known) < 2:
        return ""
    (few, early), (many, late) = known[0], known[-1]
    minutes = (total - many) * (late - early) / (many - few) / 60
    return f", about {minutes:.0f} min left"


def versions(build):
    """The lab's, and those of the programs to measure with."""
    stage = cells.resolved(os.path.join(build, "stamps", "programs"))
    programs = {name.removesuffix("_VERSION").lower(): value
                for name, value in stage.items() if name.endswith("_VERSION")}
    return {**cells.versions(build), **programs}


def fingerprint(build):
    """Of all that decides what a cell is: another one, another run."""
    here = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    for path in [os.path.join(build, "lab", name)
                 for name in ("payload.tar", "programs.tar")] + \
            [os.path.join(here, name)
             for name in ("cells.py", "works.py", "conditions.py")]:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def begin(args):
    """OUT, with the cells of an earlier run if they are of the same lab."""
    meta = load_result(os.path.join(args.out, "meta.json")) or {}
    folder = os.path.join(args.out, "cells")
    if meta.get("fingerprint") != fingerprint(args.build):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(args.out, "complaints.txt"), "w",
              encoding="utf-8"):
        pass


def write_meta(args, found, **more):
    """OUT/meta.json."""
    meta = {"schema": 1, "emulated": True,
            "fingerprint": fingerprint(args.build),
            "versions": versions(args.build),
            "started": args.started, "irqhop": conditions.DEFAULT,
            "asked": args.only or ("full" if args.full else "subset"),
            "rounds": args.rounds,
            "cells": [plan.name(cell) for cell in found], **more}
    write_json(os.path.join(args.out, "meta.json"), meta)


def ask_oracle(args, found):
    """What each operation would have taken at best, where that is asked: its
    figures into the cell's file, the operations beside it."""
    alone = {}
    for cell in found:
        if cell.condition == "alone" and works.WORKS[cell.work].share \
                is not None:
            alone[cell[:1] + cell[2:4]] = sorted(
                ns for number in range(1, args.rounds + 1) for _, ns in
                read_rows(file_of(args.out, cell, number, "ops.gz")) or ())
    for cell in found:
        reference = alone.get(cell[:1] + cell[2:4])
        for number in range(1, args.rounds + 1):
            ops = read_rows(file_of(args.out, cell, number, "ops.gz"))
            running = read_rows(file_of(args.out, cell, number, "running.gz"))
            if reference and ops and running and cell.overcommit > 1:
                best = oracle.best(ops, running, stats.percentile(
                    reference, 50), works.WORKS[cell.work].share)
                result = load_result(file_of(args.out, cell, number))
                result["oracle"] = measures.latency([ns for _, ns in best])
                write_rows(file_of(args.out, cell, number, "oracle.gz"), best)
                write_json(file_of(args.out, cell, number), result)


def say_what_is_wrong(args, missing):
    """What kernels complained of, and which cells are not there."""
    with open(os.path.join(args.out, "complaints.txt"),
              encoding="utf-8") as file:
        for line in file:
            print(f"bench: a kernel complained: {line.strip()}",
                  file=sys.stderr)
    for cell, number in missing:
        result = load_result(file_of(args.out, cell, number)) or {}
        why = result.get("error", "not measured").strip().split("\n")
        print(f"bench: FAILED: {plan.name(cell)}, round {number}: {why[0]}",
              file=sys.stderr)


def lead(args):
    """Have workers measure what is not there yet."""
    found = wanted(args)
    everything = [(cell, number) for number in range(1, args.rounds + 1)
                  for cell in found]
    todo = [one for one in everything if not is_done(args.out, *one)]
    for one in todo:
        # What failed is tried again, and counted when it is there again.
        if os.path.exists(file_of(args.out, *one)):
            os.remove(file_of(args.out, *one))
    write_meta(args, found, complete=False)
    begun = time.monotonic()
    workers = start_workers(args) if todo else []
    try:
        good = watch(args, workers, todo)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait()
    ask_oracle(args, found)
    missing = [one for one in everything if not is_done(args.out, *one)]
    write_meta(args, found, complete=not missing,
               wall_s=round(time.monotonic() - begun, 1))
    say_what_is_wrong(args, missing)
    progress(f"bench: {len(everything) - len(missing)} cells and rounds are "
             f"in {args.out}/cells\n")
    return 0 if good and not missing else 1


def report(out):
    """Make the report of what there is."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "bench_report.py")
    return subprocess.run([sys.executable, program, out],
                          check=False).returncode


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--full", action="store_true",
                        help="everything, and not the chosen subset")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="cells with names like this, of all that there "
                        "are; more than once: any of them")
    parser.add_argument("--hosts", type=int, default=2,
                        help="so many emulated hosts side by side at most")
    parser.add_argument("--no-report", action="store_true",
                        help="only measure")
    parser.add_argument("--list", action="store_true",
                        help="only say which cells these are")
    parser.add_argument("--worker", help=argparse.SUPPRESS,
                        type=lambda text: tuple(map(int, text.split("/"))))
    return parser.parse_args()


def main():
    """Run it."""
    args = arguments()
    if args.list:
        print("\n".join(map(plan.name, wanted(args))))
        return 0
    if args.worker:
        Worker(args, args.worker).run()
        return 0
    args.started = round(time.time())
    begin(args)
    status = lead(args)
    if not args.no_report:
        status = report(args.out) or status
    return status


if __name__ == "__main__":
    sys.exit(main())
