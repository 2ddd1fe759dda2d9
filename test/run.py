#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make test: run every suite, show what it says, and add up.

A suite is a command and how its own count is read from what it prints. One
that ends badly without having counted a failure counts as one. An emulated host
needs one CPU, so where there are two the first half of the lab's tests runs
beside everything else.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import time

# pattern: of each single result: group 1 passed, 2 failed, 3 skipped; each may
# be a count or just be there. beside: goes on while all the others run.
Suite = collections.namedtuple("Suite", "name command pattern beside",
                               defaults=(False,))
LAB = ("LAB_CPU={%s} /usr/bin/python3 lab/test/run.py --build {build} "
       "--logs {build}/test/part-%d --part %d")
SUITES = [
    Suite("check: static checks",
          "/usr/bin/python3 test/check/run.py --build {build}",
          r"(?m)^(ok) |^(not ok) |^(skip) "),
    Suite("core: the engine, under ASan and UBSan",
          "make -s -C core/test run BUILD={build}/core-test",
          r"PASSED  \] (\d+) test|FAILED  \] (\d+) test|SKIPPED \] (\d+) test"),
    Suite("cost: what a decision of the engine costs, in instructions",
          "make -s -C core/test cost BUILD={build}/core-test",
          r"(?m)^(ok) |^(not ok) |^(skip) "),
    Suite("tool: units, and end to end without a module",
          "make -s -C tool test BUILD={build}/tool",
          r"(?m)PASSED  \] (\d+) test|FAILED  \] (\d+) test"
          r"|^ok \d+[^#\n]*# (SKIP)|^(?:ok (?P<ok>\d+))|^(?:not ok (?P<no>\d+))"),
    Suite("bench: percentiles, oracle, report",
          "/usr/bin/python3 -m unittest discover -v -s bench 2>&1",
          r"(?m) \.\.\. (ok)$| \.\.\. (FAIL|ERROR)$| \.\.\. (skipped)"),
    Suite("units: how the lab's tests count interrupts, and its agent",
          "/usr/bin/python3 -B -m unittest discover -v -s lab/test 2>&1",
          r"(?m) \.\.\. (ok)$| \.\.\. (FAIL|ERROR)$| \.\.\. (skipped)"),
    Suite("lab: module, tool, guest and devices in the emulated host, 1 of 2",
          LAB % ("first_cpu", 1, 1), r"(?m)^(ok) |^(not ok) |^(skip) ", True),
    Suite("lab: the same, 2 of 2", LAB % ("last_cpu", 2, 2),
          r"(?m)^(ok) |^(not ok) |^(skip) "),
    # Last: when the other CPU has no more to do, it has use for both.
    Suite("model: the races, searched to the end; mutants that it has to find",
          "nice /usr/bin/python3 model/run.py --build {build}",
          r"(?m)^(ok) |^(not ok) |^(skip) "),
]


def count(found):
    """A group's worth: its number, or one for a word, or none."""
    if found is None:
        return 0
    return int(found) if found.isdigit() else 1


def tally(pattern, output):
    """(passed, failed, skipped) by a suite's own lines."""
    total = [0, 0, 0]
    for match in re.finditer(pattern, output):
        groups = match.groupdict()
        for index, value in enumerate(match.groups()[:3]):
            if value not in groups.values():
                total[index] += count(value)
        # TAP numbers its lines: each is one.
        total[0] += groups.get("ok") is not None
        total[1] += groups.get("no") is not None
    return total


def run(command, show=True):
    """Run a suite, perhaps show its output as it comes; return status, output
    and how many seconds it took."""
    output = []
    begun = time.monotonic()
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace") as process:
        for line in process.stdout:
            if show:
                sys.stdout.write(line)
                sys.stdout.flush()
            output.append(line)
    return process.returncode, "".join(output), time.monotonic() - begun


def results(chosen, build):
    """Each suite with what run() returned of it, as they end."""
    cpus = sorted(os.sched_getaffinity(0))
    values = {"build": build, "first_cpu": cpus[0], "last_cpu": cpus[-1]}
    alone = len(cpus) == 1 or len(chosen) == 1
    with concurrent.futures.ThreadPoolExecutor() as pool:
        beside = [(suite, pool.submit(run, suite.command.format(**values),
                                      False))
                  for suite in chosen if suite.beside and not alone]
        for suite in chosen:
            if suite.beside and not alone:
                continue
            print(f"== {suite.name}", flush=True)
            yield suite, *run(suite.command.format(**values))
        for suite, future in beside:
            status, output, seconds = future.result()
            print(f"== {suite.name}\n{output}", end="", flush=True)
            yield suite, status, output, seconds


def main():
    """Run the suites whose name begins with one of the arguments, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("suite", nargs="*")
    args = parser.parse_args()
    chosen = [suite for suite in SUITES if not args.suite or
              suite.name.split(":")[0] in args.suite]
    total, lines = [0, 0, 0], []
    for suite, status, output, seconds in results(chosen, args.build):
        passed, failed, skipped = tally(suite.pattern, output)
        if status and not failed:
            failed = 1
        if not passed and not failed:
            # A suite that ran nothing shows nothing.
            failed = 1
        total = [a + b for a, b in zip(total, (passed, failed, skipped))]
        lines.append(f"{suite.name}: {passed} passed, {failed} failed, "
                     f"{skipped} skipped, {seconds:.0f} s")
    print("==")
    print("\n".join(lines))
    tail = f", {total[2]} skipped" if total[2] else ""
    print(f"{total[0]} passed, {total[1]} failed{tail}")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
