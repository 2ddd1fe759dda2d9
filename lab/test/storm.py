#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The storm: interrupts hop at every preemption while guest and host do what
changes where interrupts may go, by chance, and each MSI is counted.

It goes on in chunks; what is done in one depends on the seed and on the
chunk's number alone."""

import argparse
import collections
import contextlib
import importlib
import json
import os
import random
import re
import shlex
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from acts import Storm  # noqa: E402
from state import Failure, Lab, LabError, expect  # noqa: E402

TABLES = ("guest", "host")
# How the devices' interrupts are delivered; mixed: the disk's are direct, and
# those of a NIC by vhost are injected.
PATHS = ("direct", "injected", "mixed")
# Acts that say something of what the host's ITS was told, and of nothing else.
DIRECT_ONLY = ("kdump",)
# Of a chunk: MSIs at least, and acts.
MSIS = 4000
ACTS = 2
# Every so many chunks all interrupts go home.
HOME = 10


def table(only=None, names=None, path="direct"):
    """The acts: of guest or host only, of these names only, on this path."""
    acts = [act for which in TABLES if only in (None, which)
            for act in importlib.import_module(f"acts_{which}").ACTS
            if path == "direct" or act.name not in DIRECT_ONLY]
    known = [act.name for act in acts]
    for name in names or ():
        expect(name in known, f"no act '{name}'; there are: {' '.join(known)}")
    return [act for act in acts
            if (act.name in names if names else act.weight)]


def machine(path="direct"):
    """What Lab is told for a storm; a disk's queue for each vCPU."""
    return {"queues": 4, "nic": "igb", "direct": path != "injected",
            "guest_options": importlib.import_module("acts_guest").GUEST}


def guests(path="direct"):
    """The guest that the storm is for, and its devices."""
    return Lab.MIXED if path == "mixed" else Lab.BOTH


@contextlib.contextmanager
def started(build, logs, off=False, path="direct"):
    """A machine with a storm."""
    lab = Lab(build, logs, **machine(path))
    try:
        lab.start()
        lab.want(guests(path))
        storm = Storm(lab, random.Random(0), off)
        storm.begin()
        yield storm
    finally:
        lab.stop()


def chunk(storm, seed, number, acts):
    """One chunk, with acts drawn from these by their weights."""
    storm.rng.seed(f"{seed}/{number}")
    drawn = storm.rng.choices(acts, [act.weight or 1 for act in acts], k=ACTS)
    storm.chunk(MSIS, drawn)
    if number % HOME == 0:
        storm.disable()
        storm.enable()


def alike(line):
    """A complaint without what differs from time to time."""
    return re.sub(r"0x[0-9a-f]+|\d+", "#", re.sub(r"\[ *[\d.]+\] ", "", line))


class Run:
    """What was asked for, and what came of it, as lines of a file."""

    def __init__(self, args):
        self.args = args
        kind = "" if args.path == "direct" else f"-{args.path}"
        kind += "-off" if args.off else ""
        self.file = os.path.join(args.logs, f"storm-{args.seed}{kind}.jsonl")
        self.rows = self.read(self.file) if args.resume else []
        self.first = self.rows[-1]["chunk"] + 1 if self.rows else args.first
        self.known = {alike(line) for row in self.read(args.compare)
                      for line in row["complaints"]}

    @staticmethod
    def read(path):
        """The rows of such a file."""
        if not path or not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def total(self, what):
        """The sum over all chunks."""
        return sum(row.get(what, 0) for row in self.rows)

    def wanted(self, number):
        """Whether a chunk is still wanted."""
        if self.args.chunks:
            return number < self.args.first + self.args.chunks
        return self.total("msis") < self.args.interrupts

    def again(self, number):
        """The command that repeats one chunk."""
        flags = ["--seed", self.args.seed, "--first", str(number),
                 "--chunks", "1"]
        flags += ["--off"] if self.args.off else []
        if self.args.path != "direct":
            flags += ["--path", self.args.path]
        flags += ["--only", self.args.only] if self.args.only else []
        flags += ["--acts", *self.args.acts] if self.args.acts else []
        return f'make test-storm STORM_FLAGS="{shlex.join(flags)}"'

    def one(self, storm, number, acts):
        """One chunk. Return what failed, or None."""
        begun, failed = time.monotonic(), None
        try:
            chunk(storm, self.args.seed, number, acts)
            new = [line for line in storm.complaints
                   if alike(line) not in self.known]
            expect(self.args.off or not new, "\n".join(new))
        except (Failure, LabError) as error:
            failed = str(error)
        row = {"chunk": number, **storm.sums, "acts": list(storm.acts),
               "complaints": list(storm.complaints),
               "seconds": round(time.monotonic() - begun, 1)}
        self.add({**row, "failed": failed} if failed else row)
        print(f"chunk {number}: {storm.told()}, {storm.sums['hops']} hops, "
              f"{storm.sums['pings']} pings; {' '.join(storm.acts)}; "
              f"{row['seconds']:.0f} s", flush=True)
        return failed

    def add(self, row):
        """Keep a chunk's row."""
        self.rows.append(row)
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def go(self):
        """All chunks that are wanted. Return what failed, or None."""
        acts = table(self.args.only, self.args.acts, self.args.path)
        number = self.first
        logs = os.path.join(self.args.logs, "machine")
        with started(self.args.build, logs, self.args.off,
                     self.args.path) as storm:
            while self.wanted(number):
                failed = self.one(storm, number, acts)
                if failed:
                    print(f"not ok: seed {self.args.seed}, chunk {number}, "
                          f"after {' '.join(storm.acts) or 'no act'}: {failed}"
                          f"\nlogs: {storm.lab.logs}/\nthe same again: "
                          f"{self.again(number)}", flush=True)
                    return failed
                number += 1
            storm.end()
        return None

    def summary(self):
        """What it came to."""
        acts = collections.Counter(name for row in self.rows
                                   for name in row["acts"])
        missed = [row.get("msis", 0) - row.get("merged", 0)
                  - row.get("handled", 0) for row in self.rows]
        sent, spent = self.total("msis"), self.total("seconds")
        lines = [
            f"{sent} interrupts sent, {self.total('merged')} of them merged, "
            f"{self.total('handled')} handled, "
            f"{sum(n for n in missed if n > 0)} lost, "
            f"{-sum(n for n in missed if n < 0)} doubled; "
            f"{self.total('hops')} hops; {self.total('pings')} pings",
            f"{len(self.rows)} chunks, "
            f"{sum('failed' in row for row in self.rows)} failed, "
            f"{spent:.0f} s, {1e3 * spent / (sent or 1):.2f} ms for each "
            "interrupt",
            "acts: " + ", ".join(f"{name} {count}" for name, count
                                 in sorted(acts.items()))]
        complaints = collections.Counter(
            alike(line) for row in self.rows for line in row["complaints"])
        lines += [f"complaint, {count} times"
                  + (", known" if line in self.known else "") + f": {line}"
                  for line, count in complaints.items()]
        return "\n".join(lines if complaints else [*lines, "no complaint"])


def arguments():
    """What is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--logs", help="default: BUILD/storm")
    parser.add_argument("--module", metavar="FILE",
                        help="instead of the test build of the module")
    parser.add_argument("--seed", help="default: another one each time")
    parser.add_argument("--first", type=int, default=1, metavar="CHUNK",
                        help="begin with this one")
    parser.add_argument("--chunks", type=int, help="so many of them")
    parser.add_argument("--interrupts", type=int, default=1000000,
                        help="or until there were so many (%(default)s)")
    parser.add_argument("--resume", action="store_true",
                        help="go on behind the last chunk of that seed")
    parser.add_argument("--off", action="store_true",
                        help="the same with irqhop never enabled")
    parser.add_argument("--compare", metavar="FILE",
                        help="of a run with --off: its complaints are known")
    parser.add_argument("--path", choices=PATHS, default="direct",
                        help="of the devices' interrupts (%(default)s)")
    parser.add_argument("--only", choices=TABLES,
                        help="acts of the guest, or of the host, only")
    parser.add_argument("--acts", nargs="+", metavar="NAME",
                        help="these acts only")
    args = parser.parse_args()
    if args.resume and not args.seed:
        parser.error("--resume wants a --seed")
    args.seed = args.seed or os.urandom(4).hex()
    args.logs = args.logs or os.path.join(args.build, "storm")
    return args


def main():
    """Run it, and say what it came to."""
    args = arguments()
    os.makedirs(args.logs, exist_ok=True)
    Lab.replacement = args.module
    print(f"seed {args.seed}", flush=True)
    run = Run(args)
    try:
        failed = run.go()
    except (Failure, LabError) as error:
        failed = str(error)
        print(f"not ok: {failed}", flush=True)
    print(run.summary())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
