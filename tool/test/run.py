#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tool from end to end, without the module. Takes the build directory.

The real one on this machine, for what does not depend on a module; and the
same sources, under ASan and UBSan, with a made-up host (world.py) and module
(fake.c) beneath them. What is run stands in the tables of rows_*.py.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import rows_change
import rows_list
import rows_show
import rows_stream
import rows_usage
import world
from tap import Row, Tap

NOT_LOADED = ("^irqhop: the irqhop module is not loaded; load it with "
              "'modprobe irqhop'$")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NEED_MODULE = ("enable x", "enable --all", "disable x", "policy", "policy x",
               "stat", "stat x", "verify x", "verify --all", "trace",
               "trace x", "monitor")
MACHINE = os.uname().machine

# This machine, with no module.
REAL = [
    Row("check fails without the module", "check", 1,
        "^missing +module .*modprobe irqhop"),
    Row("check sums up", "check", 1, "^no +redirect +not possible now"),
    Row("check names the machine", "check", 1,
        f"^(ok|no) +architecture +{MACHINE}"),
    Row("check --json of this machine", "check --json", 1, schema="check",
        holds=lambda found: found["findings"][0]["what"] == "architecture"),
    Row("list works without the module", "list", 0, "^ +PID +VCPUS"),
    Row("list --json without the module", "list --json", schema="list"),
    Row("list of a name that no VM has", "list no-such-vm", 4, None,
        "^irqhop: no VM 'no-such-vm'"),
    Row("list of a process without a VM", f"list {os.getpid()}", 4, None,
        f"^irqhop: (process '{os.getpid()}' has no VM|no VM)"),
    Row("list of a pid that is none", "list 999999999", 4, None,
        "no VM '999999999'"),
]
REAL_ROOT = [Row(f"{args} without the module", args, 3, None, NOT_LOADED)
             for args in NEED_MODULE]
REAL_USER = [
    Row(f"{args} without privilege", args, 5, None,
        "^irqhop: no permission to .*needs root") for args in NEED_MODULE
] + [
    Row("check without privilege", "check", 1, "^(ok|no) +kernel "),
    Row("list without privilege", "list", 0, "^ +PID",
        "only your own processes"),
    Row("list x without privilege says what it could not see", "list x", 4,
        None, "only your own processes"),
]


def run_real(tap, directory):
    """The tool itself, as root and as nobody."""
    if os.path.exists("/sys/module/irqhop"):
        tap.skip("without the module", "it is loaded")
        return
    tap.rows(REAL)
    root = os.geteuid() == 0
    if root:
        tap.rows(REAL_ROOT)
    else:
        tap.skip("module not loaded", "needs root")
    if root and not shutil.which(NOBODY[0]):
        tap.skip("without privilege", f"no {NOBODY[0]}")
        return
    # Where anybody may read it.
    program, tap.program = tap.program, str(directory / "irqhop")
    shutil.copy(program, tap.program)
    for row in REAL_USER:
        tap.row(row, NOBODY if root else ())
    tap.program = program


def columns(text, *wanted):
    """Some columns of a table, head and all."""
    return [[line.split()[i] for i in wanted] for line in text.splitlines()]


def run_moves(tap, directory):
    """Counters that go on while they are watched."""
    moves = directory / "moves"
    env = {"FAKE_MOVES": moves, "FAKE_ENABLED": "101:recent"}
    moves.write_text("400")
    done = tap.command("stat web --interval 0.01 --count 3", env)
    tap.result("stat --interval gives what is new",
               [] if columns(done.stdout, 0, 1, 2, 8, 11, 12, 13) == [
                   ["PID", "HOPS", "RETURNS", "PREEMPTIONS", "TURNS",
                    "OFF-MAX-NS", "IRQS-OFF"],
                   ["101", "500", "2", "1099511627776", "508", "45000",
                    "0.114%"]] + [
                   ["101", "100", "0", "0", "100", "45000", "0.300%"]] * 2
               else ["it does not"], done.stdout)
    moves.write_text("400")
    done = tap.command("stat web -r -i 0.01 -n 2", env)
    hops = [line for line in done.stdout.splitlines()
            if line.startswith("hops") or not line]
    tap.result("stat --raw --interval gives totals",
               [] if hops == ["hops=500", "", "hops=600"] else [str(hops)])


def run_full(tap):
    """What cannot be written is an error."""
    for args in ("list", "stat --json", "trace -n 1", "monitor -n 1"):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(
                [tap.program, *args.split()], stdout=full,
                stderr=subprocess.PIPE, text=True, check=False, timeout=10,
                env=tap.environment({**STREAM_ENV,
                                     "FAKE_ENABLED": "101:recent"}))
        tap.result(f"{args} >/dev/full",
                   [] if done.returncode == 1 and done.stderr ==
                   "irqhop: cannot write: No space left on device\n"
                   else [f"status {done.returncode}"], done.stderr)


# Filled in by main().
STREAM_ENV = {}


def wait_for(condition):
    """Until something becomes true; whether it has."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def run_interrupted(tap, root):
    """A signal, a closed pipe or an unloaded module ends a stream."""
    def stream(args, end):
        with subprocess.Popen([tap.program, *args.split()],
                              env=tap.environment(STREAM_ENV),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            process.stdout.readline()
            end(process)
            status = process.wait(10)
            return status, process.stderr.read()

    def check(text, args, end, want, says=""):
        status, error = stream(args, end)
        wrong = [] if status == want and says in error and \
            bool(says) == bool(error) else [f"status {status}: {error}"]
        if world.instances(root):
            wrong.append(f"left behind: {world.instances(root)}")
        tap.result(text, wrong)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name)
        for args in ("trace --event hop", "monitor"):
            check(f"{args} ends with {name}", args,
                  lambda process, n=number: process.send_signal(n), 0)
    check("trace whose output nobody reads", "trace -e hop",
          lambda process: (process.stdout.close(), feed(root)), 0)
    check("trace, and the module is unloaded", "trace -e hop",
          lambda process: unload(root), 3, "was unloaded meanwhile")


def feed(root):
    """One more line for whoever traces."""
    for name in world.instances(root):
        with open(root / world.TRACING / "instances" / name / "trace_pipe",
                  "a", encoding="ascii") as pipe:
            pipe.write(rows_stream.RAW.splitlines(True)[0])


def unload(root):
    """The module's events go with it."""
    for name in world.instances(root):
        shutil.rmtree(root / world.TRACING / "instances" / name / "events")


def run_fake(tap, directory):
    """Everything else, with a made-up host and module."""
    root = tap.root
    world.make(root)
    files = {"pipe": rows_stream.PIPE, "bad": rows_stream.BAD,
             "turn": rows_stream.TURN,
             "notices": rows_stream.NOTICES,
             "unloaded": rows_stream.UNLOADED, "wrong": "bad\n",
             "hop": rows_stream.RAW.splitlines(True)[0],
             "notice": "enabled 101 recent\n"}
    for name, text in files.items():
        files[name] = directory / name
        files[name].write_text(text)
    STREAM_ENV.update(FAKE_TRACE=files["hop"], FAKE_NOTICES=files["notice"])
    for rows in (rows_list.ROWS, rows_change.ENABLE, rows_change.DISABLE,
                 rows_change.POLICY, rows_show.STAT, rows_show.CHECK,
                 rows_show.VERIFY):
        tap.rows(rows)
    tap.rows(rows_stream.trace_rows(files["pipe"], files["bad"],
                                    files["turn"]))
    tap.result("no trace instance is left", world.instances(root))
    tap.rows(rows_stream.monitor_rows(files["notices"], files["unloaded"],
                                      files["wrong"]))
    run_moves(tap, directory)
    run_full(tap)
    run_interrupted(tap, root)
    # From here on the host is another one.
    os.unlink(root / "proc/self/fd/300")
    os.symlink("anon_inode:kvm-vmx", root / "proc/self/fd/300")
    tap.row(Row("a descriptor that is of something else by now", "list web",
                4, None, "has ended"))
    os.unlink(root / "proc/self/fd/300")
    os.symlink("anon_inode:kvm-vm", root / "proc/self/fd/300")
    world.passthrough(root)
    tap.rows(rows_show.CHECK_DIRECT)
    world.several(root, False)
    tap.rows(rows_change.ENABLE_ALL)
    world.put(root / "proc/self/mounts", "proc /proc proc rw 0 0\n")
    tap.rows(rows_stream.NO_TRACEFS)


def main():
    """All of it."""
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="irqhop-test-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        tap = Tap(build / "irqhop", directory / "root", directory / "log")
        tap.rows(rows_usage.ROWS)
        run_real(tap, directory)
        tap.program = str(build / "test" / "irqhop-fake")
        run_fake(tap, directory)
    print(f"1..{tap.count}")
    if tap.failed:
        print(f"# {tap.failed} of {tap.count} failed")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
