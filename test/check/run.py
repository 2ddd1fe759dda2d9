#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check: the static checks, one line of result each.

What is checked is the table in checks.py. Each check is first run on a sample
in bad/, a small tree in which it has to find what the table says, that and
nothing else: a check that cannot fail is one that fails. What a check may
overlook, and why, stands in silenced.txt.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import shutil
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from checks import CHECKS, Broken, Finding, Missing, Tree  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SILENCED = os.path.join(HERE, "silenced.txt")


class Silence:
    """A line of silenced.txt: what a check may overlook in which files."""

    def __init__(self, line, number):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 4 or not all(fields):
            sys.exit(f"{SILENCED}:{number}: want check | kind or text | "
                     "files | reason")
        self.check, self.kind, files, self.reason = fields
        self.files = files.split()
        self.number = number
        self.used = set()

    def covers(self, finding):
        """Whether it names this finding of its check."""
        if not any(fnmatch.fnmatchcase(what, self.kind)
                   for what in (finding.kind, finding.text)):
            return False
        match = [glob for glob in self.files
                 if fnmatch.fnmatchcase(finding.path, glob)]
        self.used.update(match)
        return bool(match)

    def idle(self):
        """Findings: its files in which there was nothing to overlook."""
        return [Finding(os.path.relpath(SILENCED, ROOT), self.number,
                        "idle-silence", f"nothing to silence in {glob}")
                for glob in self.files if glob not in self.used]


def read_silences():
    """silenced.txt, by the name of the check."""
    silences = {check.name: [] for check in CHECKS}
    with open(SILENCED, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                silence = Silence(line, number)
                if silence.check not in silences:
                    sys.exit(f"{SILENCED}:{number}: no check "
                             f"'{silence.check}'")
                silences[silence.check].append(silence)
    return silences


def unsilenced(findings, silences):
    """What none of the silences covers, and the silences that cover nothing,
    in order."""
    left = set(findings)
    for silence in silences:
        left -= {finding for finding in findings if silence.covers(finding)}
    for silence in silences:
        left.update(silence.idle())
    return sorted(left)


def run_sample(check, build, work):
    """What is wrong with the check, by its own sample: a list of lines."""
    root = os.path.join(work, "bad", check.name)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(os.path.join(HERE, "bad", check.name), root)
    for path in check.borrows:
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, path), os.path.join(root, path))
    inner = os.path.join(root, "build")
    os.makedirs(os.path.join(inner, "check"), exist_ok=True)
    os.symlink(os.path.join(build, "root"), os.path.join(inner, "root"))
    if check.prepare:
        subprocess.run(check.prepare, shell=True, cwd=root, check=True)
    tree = Tree(root, inner, os.path.join(inner, "check"))
    found = {f"{f.path} {f.kind}" for f in check.run(tree)}
    wanted = set(check.must_find)
    return ([f"in its sample it does not find: {what}"
             for what in sorted(wanted - found)] +
            [f"in its sample it finds too much: {what}"
             for what in sorted(found - wanted)])


def run_check(check, build, silences):
    """(word, what, details) of one check's result line."""
    missing = [program for program in check.programs
               if not shutil.which(program, path=Tree.PATH)]
    if missing:
        return "skip", f"no {', '.join(missing)} here: lab/deps lint", []
    work = os.path.join(build, "check")
    try:
        details = run_sample(check, build, work)
        if details:
            return "not ok", "the check itself is broken", details
        findings = unsilenced(check.run(Tree(ROOT, build, work)), silences)
    except Missing as why:
        return "skip", str(why), []
    except Broken as why:
        return "not ok", "could not be run", str(why).splitlines()
    except Exception:  # pylint: disable=broad-except # one check, not all
        return ("not ok", "the check itself is broken",
                traceback.format_exc().splitlines())
    if findings:
        return ("not ok", f"{len(findings)} found: {check.what}",
                [f.line() for f in findings])
    return "ok", check.what, []


def main():
    """Run the named checks, or all; 1 if any found something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--update", action="append", default=[],
                        metavar="CHECK", help="take what CHECK finds for "
                        "what is wanted: " + ", ".join(
                            check.name for check in CHECKS if check.update))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("check", nargs="*")
    args = parser.parse_args()
    by_name = {check.name: check for check in CHECKS}
    for name in args.check + args.update:
        if name not in by_name:
            parser.error(f"no check '{name}'; there are: "
                         f"{', '.join(by_name)}")
    if args.list:
        for check in CHECKS:
            print(f"{check.name:12} {check.what}")
        return 0
    build = os.path.abspath(args.build)
    os.makedirs(os.path.join(build, "check"), exist_ok=True)
    for name in args.update:
        if not by_name[name].update:
            parser.error(f"{name} keeps no list that could be updated")
        try:
            by_name[name].update(
                Tree(ROOT, build, os.path.join(build, "check")))
        except (Broken, Missing) as why:
            sys.exit(f"not updated: {name}: {why}")
    silences = read_silences()

    def timed(check):
        begun = time.monotonic()
        result = run_check(check, build, silences[check.name])
        return check, result, time.monotonic() - begun

    chosen = [by_name[name] for name in args.check or by_name]
    failed = False
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for check, (word, what, details), took in pool.map(timed, chosen):
            print(f"{word} {check.name}: {what} ({took:.1f} s)")
            for line in details:
                print(f"    {line}")
            sys.stdout.flush()
            failed |= word == "not ok"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
