#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: the storm on every host kernel with every guest kernel that
irqhop is tested with, and on each path that interrupts take. The kernels are
rows of KERNELS in lab/versions.conf.

A pair of kernels is a build folder of its own below BUILD/matrix, in which
whatever boots the lab finds those two. A cell goes on where it was
interrupted, as long as module and kernels are what they were."""

import argparse
import collections
import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CONF = os.path.join(TOP, "lab", "versions.conf")
CROSS = "aarch64-linux-gnu-"
# Of a pair's folder: what is the same for all.
SHARED = ("bin", "stamps", "root/l1", "root/l2", "root/qemu", "root/cross",
          "root/tracers")

# How the passed-through devices' interrupts are delivered, and what the
# storm's results are called then.
PATHS = {"direct": "", "injected": "-injected"}

Row = collections.namedtuple("Row", "series roles")


class Broken(Exception):
    """Something could not be made; the text says what."""


def rows():
    """The table of kernels."""
    text = subprocess.run(["bash", "-c", '. "$0"; echo "$KERNELS"', CONF],
                          check=True, capture_output=True, text=True).stdout
    table = [line.split() for line in text.splitlines() if line.strip()]
    return [Row(series, roles.split(",")) for series, _, roles in table]


def command(words, log):
    """Run a command whose output goes to a log."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(words, cwd=TOP, check=False, stdout=out,
                                stderr=subprocess.STDOUT).returncode
    if status:
        with open(log, encoding="utf-8", errors="replace") as text:
            last = "".join(text.readlines()[-15:])
        raise Broken(f"{' '.join(words)}: status {status}\n{last}log: {log}")


def link(target, path):
    """A relative link, left alone if it is there already."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    target = os.path.relpath(target, os.path.dirname(path))
    if os.path.islink(path) and os.readlink(path) == target:
        return
    if os.path.islink(path):
        os.remove(path)
    os.symlink(target, path)


def place(source, path):
    """A copy, left alone if it is the same already."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(source, "rb") as file:
        data = file.read()
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == data:
                return
    with open(path, "wb") as file:
        file.write(data)


class Cell:
    """A host kernel with a guest kernel."""

    def __init__(self, build, host, guest):
        self.build, self.host, self.guest = build, host, guest
        self.name = f"{host}-{guest}"
        self.dir = os.path.join(build, "matrix", self.name)

    def kernel(self, series):
        """Where a kernel is unpacked."""
        return os.path.join(self.build, "root", "kernels", series)

    def release(self, series):
        """What a kernel calls itself."""
        return os.listdir(os.path.join(self.kernel(series), "lib",
                                       "modules"))[0]

    def prepare(self):
        """Make the pair's folder, the module for its host, and its images."""
        for path in SHARED:
            link(os.path.join(self.build, path), os.path.join(self.dir, path))
        for name, series in (("kernel", self.host),
                             ("kernel-guest", self.guest)):
            link(self.kernel(series), os.path.join(self.dir, "root", name))
        for name, series in (("headers", self.host),
                             ("headers-guest", self.guest)):
            link(os.path.join(self.kernel(series), "headers"),
                 os.path.join(self.dir, "root", name))
        link(os.path.join(self.build, "versions.env"),
             os.path.join(self.dir, "versions.env"))
        extra = os.path.join(self.dir, "lab", "extra")
        place(self.module(""), os.path.join(extra, "irqhop.ko"))
        place(self.module("-test"), os.path.join(extra, "irqhop-test.ko"))
        tool = os.path.join(extra, "bin", "irqhop")
        place(os.path.join(self.build, "tool-arm64", "irqhop"), tool)
        os.chmod(tool, 0o755)
        command(["make", "-s", "-C", "lab", f"BUILD={self.dir}"],
                os.path.join(self.dir, "log", "images.log"))

    def module(self, suffix):
        """Build the module for this host; return its file."""
        out = os.path.join(self.build, "matrix", f"kmod-{self.host}{suffix}")
        command(["make", "-s", "-C", "kmod", f"BUILD={out}", "ARCH=arm64",
                 f"KDIR={self.kernel(self.host)}/headers/kdir",
                 f"CROSS_COMPILE={CROSS}",
                 f"IRQHOP_TEST={'1' if suffix else '0'}"], out + ".log")
        return os.path.join(out, "irqhop.ko")

    def seed(self):
        """The storm's seed, which names its results: another one whenever
        what is tested has changed."""
        tested = hashlib.sha256()
        for series in self.host, self.guest:
            tested.update(self.release(series).encode())
        with open(os.path.join(self.dir, "lab", "extra",
                               "irqhop-test.ko"), "rb") as module:
            tested.update(module.read())
        return tested.hexdigest()[:8]

    def storm(self, path, interrupts):
        """So many interrupts; goes on where it was. Return its status."""
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "storm.py"), "--build",
             self.dir, "--seed", self.seed(), "--resume", "--path", path,
             "--interrupts", str(interrupts)], cwd=TOP,
            check=False).returncode

    def tests(self, names):
        """These of the lab's tests. Return their status."""
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "run.py"), "--build",
             self.dir, *names], cwd=TOP, check=False).returncode

    def result(self, path):
        """What the storm came to so far, as words of a row."""
        rows_file = os.path.join(self.dir, "storm",
                                 f"storm-{self.seed()}{PATHS[path]}.jsonl")
        chunks = []
        if os.path.exists(rows_file):
            with open(rows_file, encoding="utf-8") as file:
                chunks = [json.loads(line) for line in file]
        total = [sum(chunk.get(what, 0) for chunk in chunks)
                 for what in ("msis", "merged", "handled", "hops", "pings",
                              "seconds")]
        complaints = sum(len(chunk["complaints"]) for chunk in chunks)
        failed = sum("failed" in chunk for chunk in chunks)
        return [self.release(self.host), self.release(self.guest), path,
                *total[:5], complaints, failed, round(total[5])]


HEAD = ("host", "guest", "path", "sent", "merged", "handled", "hops", "pings",
        "complaints", "failed", "seconds")


def show(table):
    """Print rows with their columns aligned."""
    table = [[str(word) for word in row] for row in [HEAD, *table]]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(word.ljust(width)
                        for word, width in zip(row, widths)).rstrip())


def arguments():
    """What is wanted."""
    known = rows()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--interrupts", type=int, default=10000,
                        help="of a cell, at least (%(default)s)")
    for role in "host", "guest":
        series = [row.series for row in known if role in row.roles]
        parser.add_argument(f"--{role}s", nargs="+", choices=series,
                            default=series, metavar="SERIES",
                            help=f"only these of {' '.join(series)}")
    parser.add_argument("--paths", nargs="+", choices=PATHS,
                        default=list(PATHS), metavar="PATH",
                        help=f"of the storm, only these of {' '.join(PATHS)}")
    parser.add_argument("--tests", nargs="+", metavar="NAME",
                        help="in place of the storm, these of the lab's tests")
    parser.add_argument("--prepare", action="store_true",
                        help="only build what would be booted")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    return args


def main():
    """Every cell, one after the other."""
    args = arguments()
    cells = [Cell(args.build, host, guest)
             for host in args.hosts for guest in args.guests]
    stages = [f"kernel-{series}"
              for series in sorted({*args.hosts, *args.guests})]
    if subprocess.run(["lab/fetch", args.build, *stages], cwd=TOP,
                      check=False).returncode:
        return 1
    bad = []
    for cell in cells:
        print(f"-- host {cell.release(cell.host)}, guest "
              f"{cell.release(cell.guest)}", flush=True)
        try:
            cell.prepare()
        except Broken as error:
            print(f"not ok: {error}", flush=True)
            return 1
        if args.prepare:
            continue
        if args.tests:
            bad += [cell.name] if cell.tests(args.tests) else []
            continue
        bad += [f"{cell.name} {path}" for path in args.paths
                if cell.storm(path, args.interrupts)]
    if not args.tests and not args.prepare:
        show([cell.result(path) for cell in cells for path in args.paths])
    if bad:
        print(f"not ok: {' '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
