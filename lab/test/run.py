#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tests in the emulated host: what only shows with a host, a guest and
devices. The tests themselves are in cases.py, a table."""

import argparse
import json
import os
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
from state import Failure, Lab, LabError  # noqa: E402


class Runner:
    """Runs tests in order on one machine, and on a new one after a crash."""

    def __init__(self, build, logs):
        self.build, self.logs = build, logs
        self.lab = None
        # What Lab was told.
        self.kind = None
        self.boots = 0
        self.results = []

    def machine(self, kind):
        """A machine of this kind, booted if need be; one log directory for
        each."""
        if self.lab and self.kind == kind:
            return self.lab
        self.end()
        self.boots += 1
        logs = os.path.join(self.logs, f"machine-{self.boots}")
        self.lab, self.kind = Lab(self.build, logs, **kind), kind
        try:
            self.lab.start()
        except BaseException:
            self.end()
            raise
        return self.lab

    def end(self):
        """Stop the machine, if there is one."""
        if self.lab:
            self.lab.stop()
        self.lab = None

    def one(self, test):
        """Run one test, and say what came of it."""
        begun = time.monotonic()
        status, stage = "ok", "boot"
        try:
            if missing := cases.missing(self.build, test):
                status, text = "skip", missing
            elif test.guests is Lab.OWN:
                self.end()
                stage = "test"
                text = test.function(self.build, self.logs)
            else:
                lab = self.machine(test.machine)
                stage = "guests"
                lab.want(test.guests)
                stage = "test"
                text = test.function(lab)
        except Failure as error:
            status, text = "not ok", f"{stage}: {error}"
            if test.machine or self.lab and self.lab.m.short:
                # A storm stopped half-way leaves too much behind.
                self.spoilt(test)
        except LabError as error:
            status, text = "not ok", f"{stage}: {error}"
            self.spoilt(test)
        except Exception:  # pylint: disable=broad-except
            status, text = "not ok", f"{stage}: {traceback.format_exc()}"
            self.spoilt(test)
        if status == "not ok":
            text += (f"\nlogs: {os.path.abspath(self.logs)}"
                     f"/machine-{self.boots}/")
            self.tidy()
        self.results.append({"name": test.name, "status": status, "text": text,
                             "seconds": round(time.monotonic() - begun, 1)})
        first, *rest = text.splitlines() or [""]
        print(f"{status} {test.name}: {first} "
              f"[{self.results[-1]['seconds']:.0f} s]", flush=True)
        for line in rest:
            print(f"    {line}", flush=True)

    def tidy(self):
        """After a failure: a new guest and no load for the next test."""
        if not self.lab:
            return
        try:
            cases.tidy(self.lab)
        except (Failure, LabError):
            self.end()

    def spoilt(self, test):
        """The machine did not do what it was told: the next one is new."""
        if not self.lab:
            return
        try:
            for name in ["L1", *self.lab.guests]:
                self.lab.complain(name)
        except (Failure, LabError):
            pass
        print(f"    {test.name}: a new machine for what follows", flush=True)
        self.end()


def main():
    """Run what was named, in the table's order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--logs", default=None, help="default: BUILD/test")
    parser.add_argument("--module", metavar="FILE",
                        help="instead of the test build of the module")
    parser.add_argument("--list", action="store_true",
                        help="say what tests there are")
    parser.add_argument("--part", type=int, choices=(1, 2),
                        help="only one of the two parts of make test")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    tests = cases.part(args.part) if args.part else cases.TESTS
    if args.list or args.names:
        tests += cases.LONG
    if args.list:
        for test in tests:
            print(f"{test.name:20} {test.shows}")
        return 0
    known = [test.name for test in tests]
    for name in args.names:
        if name not in known:
            parser.error(f"no test '{name}'; there are: {' '.join(known)}")
    logs = args.logs or os.path.join(args.build, "test")
    os.makedirs(logs, exist_ok=True)
    Lab.replacement = args.module
    runner = Runner(args.build, logs)
    begun = time.monotonic()
    try:
        for test in tests:
            if not args.names or test.name in args.names:
                runner.one(test)
    finally:
        runner.end()
        with open(os.path.join(logs, "lab-results.json"), "w",
                  encoding="utf-8") as out:
            json.dump(runner.results, out, indent=1)
            out.write("\n")
    count = {status: sum(r["status"] == status for r in runner.results)
             for status in ("ok", "not ok", "skip")}
    print(f"lab: {count['ok']} ok, {count['not ok']} not ok, "
          f"{count['skip']} skipped, {runner.boots} machine(s), "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if count["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
