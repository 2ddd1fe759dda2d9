#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: the storm on every host kernel with every guest kernel that
irqhop is tested with, and on each path that interrupts take; if asked for,
with other VMMs, too. Kernels and VMMs are rows of KERNELS and VMMS in
lab/versions.conf.

A pair of kernels with a VMM is a build folder of its own below BUILD/matrix,
in which whatever boots the lab finds those. A cell goes on where it was
interrupted, as long as module, kernels and VMM are what they were."""

import argparse
import collections
import hashlib
import json
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CONF = os.path.join(TOP, "lab", "versions.conf")
CROSS = "aarch64-linux-gnu-"
# Of a pair's folder: what is the same for all.
SHARED = ("bin", "stamps", "root/l2", "root/qemu", "root/cross",
          "root/tracers")

# How the devices' interrupts are delivered, and what the storm's results are
# called then; mixed: some this way and some that (storm.py).
PATHS = {"direct": "", "injected": "-injected", "mixed": "-mixed"}
DEMO_PATHS = "direct", "injected"

Row = collections.namedtuple("Row", "series suite roles")


class Broken(Exception):
    """Something could not be made; the text says what."""


def conf(name):
    """What lab/versions.conf says."""
    return subprocess.run(["bash", "-c", f'. "$0"; echo "${name}"', CONF],
                          check=True, capture_output=True, text=True).stdout


def rows(table):
    """The table of kernels, or that of VMMs."""
    words = [line.split() for line in conf(table).splitlines() if line.strip()]
    return [Row(series, suite, roles[0].split(",") if roles else [])
            for series, suite, *roles in words]


def resolved(path):
    """What lab/fetch has written down there, of versions."""
    with open(path, encoding="utf-8") as file:
        return dict(line.strip().split("=", 1) for line in file
                    if "=" in line)


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


def place(data, path):
    """A file with these bytes, left alone if it has them already."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == data:
                return
    with open(path, "wb") as file:
        file.write(data)


def copy(source, path):
    """A copy of a file, left alone if it is the same already."""
    with open(source, "rb") as file:
        place(file.read(), path)


class Cell:
    """A host kernel with a guest kernel; and with a VMM, if that is not the
    lab's own."""

    def __init__(self, build, host, guest, vmm=None):
        self.build, self.host, self.guest, self.vmm = build, host, guest, vmm
        self.name = f"{host}-{guest}" + (f"-qemu-{vmm}" if vmm else "")
        self.dir = os.path.join(build, "matrix", self.name)

    def kernel(self, series):
        """Where a kernel is unpacked."""
        return os.path.join(self.build, "root", "kernels", series)

    def prepare(self):
        """Make the pair's folder, the module for its host, and its images."""
        for path in SHARED:
            link(os.path.join(self.build, path), os.path.join(self.dir, path))
        link(os.path.join(self.build, "root",
                          f"vmms/{self.vmm}" if self.vmm else "l1"),
             os.path.join(self.dir, "root", "l1"))
        for name, series in (("kernel", self.host),
                             ("kernel-guest", self.guest)):
            link(self.kernel(series), os.path.join(self.dir, "root", name))
        for name, series in (("headers", self.host),
                             ("headers-guest", self.guest)):
            link(os.path.join(self.kernel(series), "headers"),
                 os.path.join(self.dir, "root", name))
        place("".join(f"{key}={value}\n" for key, value
                      in self.versions().items()).encode(),
              os.path.join(self.dir, "versions.env"))
        extra = os.path.join(self.dir, "lab", "extra")
        copy(self.module(""), os.path.join(extra, "irqhop.ko"))
        copy(self.module("-test"), os.path.join(extra, "irqhop-test.ko"))
        tool = os.path.join(extra, "bin", "irqhop")
        copy(os.path.join(self.build, "tool-arm64", "irqhop"), tool)
        os.chmod(tool, 0o755)
        command(["make", "-s", "-C", "lab", f"BUILD={self.dir}"],
                os.path.join(self.dir, "log", "images.log"))

    def stamp(self, stage):
        """What was resolved for a stage of lab/fetch."""
        return resolved(os.path.join(self.build, "stamps", stage))

    def versions(self):
        """What this pair is made of: what the whole lab is, but for its
        kernels and its VMM."""
        env = resolved(os.path.join(self.build, "versions.env"))
        own = env["HOST_KERNEL"], env["KERNEL_PACKAGE_VERSION"]
        for series, kernel, package in (
                (self.host, "HOST_KERNEL", "KERNEL_PACKAGE_VERSION"),
                (self.guest, "GUEST_KERNEL", "GUEST_KERNEL_PACKAGE_VERSION")):
            row = self.stamp(f"kernel-{series}")
            env[kernel] = row.get("KERNEL", own[0])
            env[package] = row.get("PACKAGE_VERSION", own[1])
        return {**env, **(self.stamp(f"vmm-{self.vmm}") if self.vmm else {})}

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
        versions = self.versions()
        for name in "HOST_KERNEL", "GUEST_KERNEL", "L1_QEMU_PACKAGE_VERSION":
            tested.update(versions[name].encode())
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

    def demo(self, path, flags):
        """The demonstration, and its report. Return its status."""
        out = os.path.join(self.dir, "demo" + PATHS[path])
        os.makedirs(out, exist_ok=True)
        for program, *words in (
                ["demo.py", "--build", self.dir, "--path", path, "--out", out,
                 *shlex.split(flags)],
                ["report.py", os.path.join(out, "raw"), out]):
            status = subprocess.run(
                [sys.executable, os.path.join(TOP, "bench", program), *words],
                cwd=TOP, check=False).returncode
            if status:
                return status
        return 0

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
        versions = self.versions()
        return [versions["HOST_KERNEL"], versions["GUEST_KERNEL"],
                versions["L1_QEMU_VERSION"], path, *total[:5], complaints,
                failed, round(total[5])]


HEAD = ("host", "guest", "QEMU", "path", "sent", "merged", "handled", "hops",
        "pings", "complaints", "failed", "seconds")


def show(table):
    """Print rows with their columns aligned."""
    table = [[str(word) for word in row] for row in [HEAD, *table]]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(word.ljust(width)
                        for word, width in zip(row, widths)).rstrip())


def arguments():
    """What is wanted."""
    known = rows("KERNELS")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--interrupts", type=int, default=100000,
                        help="of a cell, at least (%(default)s)")
    for role in "host", "guest":
        series = [row.series for row in known if role in row.roles]
        parser.add_argument(f"--{role}s", nargs="+", choices=series,
                            default=series, metavar="SERIES",
                            help=f"only these of {' '.join(series)}")
    vmms = [row.series for row in rows("VMMS")]
    parser.add_argument("--vmms", nargs="+", choices=vmms, default=[None],
                        metavar="SERIES",
                        help="with these VMMs, in place of the lab's own: "
                        f"{' '.join(vmms)}")
    parser.add_argument("--paths", nargs="+", choices=PATHS, metavar="PATH",
                        help=f"of the storm only these of {' '.join(PATHS)}; "
                        f"of the demonstration, of {' '.join(DEMO_PATHS)}")
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--tests", nargs="+", metavar="NAME",
                      help="in place of the storm, these of the lab's tests")
    work.add_argument("--demo", nargs="?", const="", metavar="FLAGS",
                      help="in place of the storm, the demonstration, with "
                      "these flags of bench/demo.py")
    work.add_argument("--prepare", action="store_true",
                      help="only build what would be booted")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    known = list(PATHS) if args.demo is None else DEMO_PATHS
    args.paths = args.paths or known
    if not set(args.paths) <= set(known):
        parser.error(f"the demonstration's paths are {' '.join(known)}")
    return args


def bad_ones(cell, args):
    """Do what is wanted with a cell; return the names of what failed."""
    if args.prepare:
        return []
    if args.tests:
        return [cell.name] if cell.tests(args.tests) else []
    return [f"{cell.name} {path}" for path in args.paths
            if (cell.storm(path, args.interrupts) if args.demo is None
                else cell.demo(path, args.demo))]


def main():
    """Every cell, one after the other."""
    args = arguments()
    cells = [Cell(args.build, host, guest, vmm) for vmm in args.vmms
             for host in args.hosts for guest in args.guests]
    stages = [f"kernel-{series}"
              for series in sorted({*args.hosts, *args.guests})]
    stages += [f"vmm-{vmm}" for vmm in args.vmms if vmm]
    if subprocess.run(["lab/fetch", args.build, *stages], cwd=TOP,
                      check=False).returncode:
        return 1
    bad = []
    for cell in cells:
        versions = cell.versions()
        print(f"-- host {versions['HOST_KERNEL']}, guest "
              f"{versions['GUEST_KERNEL']}, QEMU "
              f"{versions['L1_QEMU_VERSION']}", flush=True)
        try:
            cell.prepare()
        except Broken as error:
            print(f"not ok: {error}", flush=True)
            return 1
        bad += bad_ones(cell, args)
    if not args.tests and args.demo is None and not args.prepare:
        show([cell.result(path) for cell in cells for path in args.paths])
    if bad:
        print(f"not ok: {' '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
