#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make model: check the models of runs.conf with spin.

A correct model has to be searched to the end without an error. Each mutant,
which lacks one lock, check or step, has to fail, and by what its row says.
The mutants' traces stay in BUILD/model/<name>/trace.txt.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CORE = os.path.join(os.path.dirname(HERE), "core")
CORE_FILES = ("engine.c", "policy.c", "engine-check.c", "engine-summon.c")
# The models that have the engine compiled in.
WITH_CORE = ("hop",)

JOBS = 2
MEMORY_MB = 1800        # of one run
DEPTH = 100000
SECONDS = 600           # of one run; only so that none hangs

Run = collections.namedtuple("Run", "name model expect mutant defines")
Found = collections.namedtuple("Found", "what complete states depth")


class Broken(Exception):
    """No verdict: something could not be built or run. The text says what."""


def read_runs():
    """The rows of runs.conf."""
    runs = []
    with open(os.path.join(HERE, "runs.conf"), encoding="utf-8") as table:
        for line in table:
            if line.startswith("#") or not line.strip():
                continue
            name, model, expect, rest = (
                part.strip() for part in line.split(":", 3))
            words = rest.split()
            mutants = [word[1:] for word in words if word[0] == "@"]
            if len(mutants) > 1 or any(run.name == name for run in runs):
                sys.exit(f"runs.conf: {name}: two mutants, or twice")
            runs.append(Run(name, model, expect,
                            mutants[0] if mutants else None,
                            [word for word in words if word[0] != "@"]))
    return runs


def call(command, where, log, seconds=SECONDS):
    """Run a command in a directory, its output to a log; return that."""
    try:
        done = subprocess.run(command, cwd=where, text=True, errors="replace",
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, timeout=seconds)
    except FileNotFoundError as error:
        raise Broken(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Broken(f"{command[0]}: not done in {seconds} s") from error
    with open(os.path.join(where, log), "w", encoding="utf-8") as out:
        out.write(done.stdout)
    return done.returncode, done.stdout


def build(run, where):
    """Make a checker of a model."""
    model = os.path.join(HERE, run.model + ".pml")
    status, output = call(["spin", "-a",
                           *("-D" + define for define in run.defines), model],
                          where, "spin.log")
    if status or "Error" in output:
        raise Broken(f"spin -a: {output.strip()[:300]}")
    flags = [f"-DMEMLIM={MEMORY_MB}", "-w"]
    if run.expect in ("live", "starved", "stuck"):
        flags += ["-O1", "-DNFAIR=3"]
    elif run.expect == "pass":
        flags += ["-O1", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE"]
    else:
        flags += ["-O0", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE"]
        if run.model not in WITH_CORE:
            # Breadth first: the shortest trace.
            flags.append("-DBFS")
    files = []
    if run.model in WITH_CORE:
        flags += ["-DVECTORSZ=4096", f"-I{CORE}", f"-I{HERE}"]
        files = [os.path.join(CORE, name) for name in CORE_FILES]
    if run.mutant:
        flags.append(f"-DIRQHOP_MUTANT=IRQHOP_M_{run.mutant}")
    status, output = call(["gcc", *flags, "-o", "pan", "pan.c", *files],
                          where, "gcc.log")
    if status:
        raise Broken(f"gcc: {output.strip()[:300]}")


def search(run, where):
    """Let the checker look at every state; return what it found."""
    command = ["./pan", f"-m{DEPTH}"]
    if run.expect in ("live", "starved", "stuck"):
        command += ["-a", "-f"]
    _, output = call(command, where, "pan.log")
    number = re.search(r"(\d+) states, stored", output)
    depth = re.search(r"depth reached (\d+), errors: (\d+)", output)
    if not number or not depth:
        raise Broken(f"pan: {output.strip()[-300:]}")
    complete = ("Search not completed" not in output and
                "too small" not in output and "reached -" not in output)
    what = None
    if int(depth.group(2)):
        found = re.search(r"pan:1: (.*?) \(at depth", output)
        what = found.group(1) if found else "an error of an unknown kind"
        for pattern, name in ((r"assertion violated +!\((\w+)\)$", None),
                              (r"invalid end state", "deadlock"),
                              (r"acceptance cycle", "starved")):
            hit = re.match(pattern, what)
            if hit:
                what = name or hit.group(1)
                break
    return Found(what, complete, int(number.group(1)), int(depth.group(1)))


def trace(run, where):
    """Keep how it came to that, as text."""
    trail = run.model + ".pml.trail"
    if run.model in WITH_CORE:
        # Only the checker itself can run the engine.
        said = call(["./pan", "-S", "-r", trail], where, "said.txt")[1]
        steps = call(["./pan", "-r", trail], where, "steps.txt")[1]
    else:
        model = os.path.join(HERE, run.model + ".pml")
        defines = ["-D" + define for define in run.defines]
        said = ""
        steps = call(["spin", "-p", "-g", "-k", trail, *defines, model],
                     where, "steps.txt")[1]
    with open(os.path.join(where, "trace.txt"), "w",
              encoding="utf-8") as out:
        out.write(f"{run.name}: {run.expect}\n\nIn short:\n{said}\n"
                  f"Step by step:\n{steps}")


def verdict(run, found):
    """(good, what to say)"""
    size = f"{found.states} states, depth {found.depth}"
    if run.expect in ("pass", "live"):
        if found.what:
            return False, f"{found.what} was found, {size}"
        if not found.complete:
            return False, f"the search was cut short, {size}"
        fair = ", weak fairness" if run.expect == "live" else ""
        return True, f"all of {size}{fair}"
    if found.what == run.expect:
        return True, f"{found.what} found, {size}"
    return False, (f"{found.what or 'nothing'} was found, "
                   f"not {run.expect}, {size}")


def attempt(run, out):
    """Build, search, judge. Return (good, line)."""
    begun = time.monotonic()
    where = os.path.join(out, run.name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    try:
        build(run, where)
        found = search(run, where)
        good, text = verdict(run, found)
        if found.what:
            trace(run, where)
    except Broken as error:
        good, text = False, str(error)
    # The rest is large and of no use.
    for name in os.listdir(where):
        if name == "pan" or re.fullmatch(r"pan\.[bchmpt]", name):
            os.remove(os.path.join(where, name))
    return good, (f"{'ok' if good else 'not ok'} {run.name}: {text} "
                  f"[{time.monotonic() - begun:.0f} s]")


def main():
    """Check the models that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--list", action="store_true",
                        help="say what is run")
    parser.add_argument("names", nargs="*", metavar="RUN")
    args = parser.parse_args()
    runs = read_runs()
    for name in args.names:
        if name not in [run.name for run in runs]:
            parser.error(f"there is no run '{name}'")
    runs = [run for run in runs if not args.names or run.name in args.names]
    if args.list:
        for run in runs:
            print(f"{run.name:20} {run.expect}")
        return 0
    out = os.path.join(os.path.abspath(args.build), "model")
    begun = time.monotonic()
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for good, line in pool.map(lambda run: attempt(run, out), runs):
            print(line, flush=True)
            wrong += not good
    print(f"model: {len(runs) - wrong} of {len(runs)} runs as expected, "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if wrong or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
