#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make test-mutants: show that each mechanism has a test that misses it.

A mutant is a build that lacks one mechanism or check (core/mutant.h). For each
the tests of its row are run; each of them has to fail, and for the reason that
the row gives. First they are run without a mutant, the same way: then all of
them have to pass.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
MUTANTS_H = os.path.join(TOP, "core", "mutant.h")
NONE = "NONE"
# Series of kernels, see lab/versions.conf.
HOST, OLD_GUEST = "6.12", "6.1"

# name: as in core/mutant.h, IRQHOP_M_<name>; lacks: what it takes out;
# layer: core: the engine's unit tests, kmod: tests in the emulated host, old
# guest: the same with a guest kernel that loses an LPI which arrives elsewhere
# while its handler is in progress; a mutant may have a row for each;
# caught: (test, pattern in what the test says when it fails).
Mutant = collections.namedtuple("Mutant", "name layer lacks caught")

MUTANTS = (
    Mutant("IN_HANDLER", "core",
           "a vCPU that is out inside a handler keeps its interrupts",
           (("test_decide", r"(?m)^handler: action 1"),)),
    Mutant("LEAVING", "core",
           "a vCPU that is being switched out keeps its interrupts",
           (("test_decide", r"(?m)^leaving: action 1"),)),
    Mutant("ENABLED", "core",
           "a vCPU on which the guest has not enabled LPIs gets none",
           (("test_decide", r"(?m)^to disabled: action 1"),)),
    Mutant("QUIET", "core",
           "all go home when no vCPU is in KVM_RUN",
           (("test_decide", r"(?m)^quiet: action 3"),
            ("test_all_in_user_space", r"0 != 0x"))),
    Mutant("STRANDED_MARK", "core",
           "the stranded are looked at when a vCPU comes in",
           (("test_stranded_goes_to_the_first_one_in", r"0 != 0x1"),)),
    Mutant("HOME_MARK", "core",
           "those of a home that goes out are looked at",
           (("test_home_goes_and_was_target", r"0xffff != 0"),)),
    Mutant("UNSTRAND", "core",
           "what is not stranded any more is no longer listed as that",
           (("test_stranded_ends_when_its_target_is_back", r"0x1 != 0"),)),
    Mutant("EAGER", "core",
           "an interrupt goes home eagerly if that is the rule",
           (("test_decide", r"(?m)^eager, runs: action 0"),)),
    Mutant("INJECTED_QUIET", "core",
           "an injected interrupt goes home from a handler if all are out",
           (("test_injected", r"(?m)^handler, all out: action 0"),)),
    Mutant("HALTED_HOME", "core",
           "with nobody running, a halted home is woken",
           (("test_decide", r"(?m)^home halted, P: action 3"),)),
    Mutant("HALTED_HOP", "core",
           "under the rule hop, interrupts leave a halted target",
           (("test_decide", r"(?m)^hop: action 0"),)),
    Mutant("BOUND", "core",
           "hops are bounded",
           (("test_burst_then_rate", r"!= 0x40"),)),
    Mutant("HELD_MARK", "core",
           "what was held back is looked at when a hop is allowed again",
           (("test_held_in_turn", r"0 != 0x1"),)),
    Mutant("SUMMON_OWN", "core",
           "a vCPU that keeps its interrupts is summoned itself",
           (("test_summon", r"0xffff != 0x1"),)),
    Mutant("HOME_ON_CLOSE", "kmod",
           "disable and unload send every interrupt home",
           (("disable-under-load",
             r"cycle \d+: irqhop list: \d+: home (\d) target (?!\1)"),
            ("unload-under-load",
             r"cycle \d+: irqhop list: \d+: home (\d) target (?!\1)"))),
    Mutant("REF", "kmod",
           "a reference to the VM is held while it is enabled",
           (("vmm-killed", r"the host's kernel crashed: .*Unable to handle"),)),
    Mutant("FORGET", "kmod",
           "no pCPU knows a VM that has been freed",
           (("disable-beside", r"the host's kernel crashed"),)),
    Mutant("LET_GO", "kmod",
           "what goes wrong makes irqhop let go of the VM",
           (("let-go-move", r"irqhop has not let go of it"),)),
    Mutant("RELOAD", "kmod",
           "what is away is told of a guest's INVALL",
           (("away-reloaded", r"of hops only 0 INV"),)),
    Mutant("COMMAND", "kmod",
           "a guest's commands find at home what is injected",
           (("injected", r"to its target, turn \d+: LPI \d+ to vCPU"),)),
    Mutant("DOORBELL", "kmod",
           "a doorbell tells that something waits where no vCPU runs",
           (("summon", r"of the pings take over .* without summoning"),)),
    Mutant("GIVE_WAY", "kmod",
           "a vCPU that owes time gives way before the next tick",
           (("summon", r"run for .* ms at a time"),
            ("give-way", r"vCPUs that spin run for"))),
    Mutant("IN_USER", "kmod",
           "a vCPU does not give way before the tick while in its kernel",
           (("give-way", r"a vCPU in its kernel runs for"),)),
    Mutant("SPACE", "kmod",
           "nor does one that has turned to another address space",
           (("give-way", r"a vCPU that has turned to something else runs"),)),
    Mutant("SPINS", "kmod",
           "nobody is summoned for a while if those that come spin for locks",
           (("spinning", r"while they spin for locks"),)),
    Mutant("WAITS", "kmod",
           "who is summoned waits for another one of its VM in its kernel",
           (("siblings", r"a vCPU in its kernel runs for"),)),
    Mutant("WEIGHT", "kmod",
           "the thread that summons is no load to the load balancer",
           (("summon", r"the load balancer sees"),)),
    Mutant("DONATE", "kmod",
           "a vCPU that polls gets weight of one that spins",
           (("donate", r"^donate: nice values"),)),
    Mutant("TAKE_BACK", "kmod",
           "whoever gives weight has it back in the end",
           (("donate", r"nothing to do any more: nice values"),)),
    Mutant("IN_HANDLER", "old guest",
           "a vCPU that is out inside a handler keeps its interrupts",
           (("in-handler", r"no MSI for \d+ s|LOST"),)),
)


class Broken(Exception):
    """No verdict: something could not be built or run. The text says what."""


def run(command, log):
    """Run a command, its output to a log; return status and output."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=TOP, text=True,
                          stderr=subprocess.STDOUT, check=False,
                          errors="replace")
    with open(log, "w", encoding="utf-8") as out:
        out.write(done.stdout)
    return done.returncode, done.stdout


def build(command, log):
    """The same for what has to succeed."""
    status, output = run(command, log)
    if status:
        raise Broken(f"{' '.join(command[:4])}: status {status}\n"
                     + "\n".join(output.splitlines()[-15:]) + f"\nlog: {log}")


# -- core ---------------------------------------------------------------------


def run_core(args, mutant, _tests):
    """All of the engine's unit tests. {test: what it said, None: passed}"""
    status, output = run(["make", "-s", "-C", "core/test", "run",
                          f"BUILD={args.out}/core-test", f"MUTANT={mutant}"],
                         os.path.join(args.out, mutant, "core.log"))
    results = core_results(output)
    if not results:
        raise Broken("the engine's tests: none was run\n" + output)
    if status and not any(results.values()):
        # Ended by a sanitizer, or by the time: the last one that was begun.
        last = re.findall(r"\[ RUN +\] (\w+)", output)[-1]
        results[last] = output.rsplit(last, 1)[1].strip()
    return results


def core_results(output):
    """What cmocka says of each test that was run, in either build of them."""
    results = {}
    name, said = None, []
    for line in output.splitlines():
        if found := re.match(r"\[ RUN +\] (\w+)", line):
            name, said = found.group(1), []
        elif found := re.match(r"\[ +(OK|FAILED) +\] (\w+)$", line):
            if found.group(2) == name:
                failed = found.group(1) == "FAILED"
                if failed or not results.get(name):
                    results[name] = "\n".join(said) if failed else None
                name = None
        elif name:
            said.append(re.sub(r"^\[ +ERROR +\] --- ", "", line))
    return results


# -- kmod ---------------------------------------------------------------------


def module(args, mutant):
    """Build the test module of a mutant; return its file."""
    out = os.path.join(args.out, mutant, "kmod")
    build(["make", "-s", "-C", "kmod", f"BUILD={out}",
           f"KDIR={args.build}/root/headers/kdir", "ARCH=arm64",
           "CROSS_COMPILE=aarch64-linux-gnu-", "IRQHOP_TEST=1",
           f"MUTANT={mutant}"], os.path.join(args.out, mutant, "kmod.log"))
    return os.path.join(out, "irqhop.ko")


def run_kmod(args, mutant, tests):
    """Tests in the emulated host. {test: what it said, None: passed}"""
    logs = os.path.join(args.out, mutant)
    said = os.path.join(logs, "lab-results.json")
    if os.path.exists(said):
        os.remove(said)
    _, output = run([sys.executable, "lab/test/run.py", "--build", args.build,
                     "--logs", logs, "--module", module(args, mutant), *tests],
                    os.path.join(logs, "lab.log"))
    if not os.path.exists(said):
        raise Broken(f"lab/test/run.py:\n{output}")
    with open(said, encoding="utf-8") as results:
        results = json.load(results)
    for result in results:
        if result["status"] == "skip":
            raise Broken(f"{result['name']}: {result['text']}")
    return {result["name"]: None if result["status"] == "ok"
            else result["text"] for result in results}


def run_old_guest(args, mutant, tests):
    """The same with OLD_GUEST, in that pair's folder of the matrix."""
    build([sys.executable, "lab/test/matrix.py", "--build", args.build,
           "--hosts", HOST, "--guests", OLD_GUEST, "--prepare"],
          os.path.join(args.out, "old-guest", "prepare.log"))
    cell = os.path.join(args.build, "matrix", f"{HOST}-{OLD_GUEST}")
    return run_kmod(argparse.Namespace(
        build=cell, out=os.path.join(args.out, "old-guest")), mutant, tests)


RUN = {"core": run_core, "kmod": run_kmod, "old guest": run_old_guest}


# -- verdicts -----------------------------------------------------------------


def first_line(text):
    """The first line of a failure that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "(it said nothing)"


def judge(mutant, results):
    """(caught, what to say) of a mutant, by its tests' results."""
    seen = []
    for test, pattern in mutant.caught:
        if test not in results:
            return False, f"{test} was not run"
        if results[test] is None:
            return False, f"survived {test}"
        if not re.search(pattern, results[test]):
            return False, (f"{test} failed, but for another reason than "
                           f"/{pattern}/: {first_line(results[test])}")
        seen.append(f"caught by {test}: {first_line(results[test])}")
    return True, "; ".join(seen)


def attempt(args, name, layer, tests, verdict):
    """Run tests on a mutant (or NONE), print the verdict, return whether it
    is good."""
    begun = time.monotonic()
    try:
        good, text = verdict(RUN[layer](args, name, tests))
    except Broken as error:
        good, text = False, str(error)
    print(f"{'ok' if good else 'not ok'} {name}: {text} "
          f"[{time.monotonic() - begun:.0f} s]", flush=True)
    return good


def unmutated(tests):
    """The verdict on a build that lacks nothing."""
    def verdict(results):
        failed = {test: text for test, text in results.items() if text}
        unseen = [test for test in tests if test not in results]
        if failed or unseen:
            return False, "; ".join(
                [f"{test} fails without a mutant: {first_line(text)}"
                 for test, text in failed.items()]
                + [f"there is no test {test}" for test in unseen])
        return True, f"{len(results)} tests pass without a mutant"
    return verdict


def declared():
    """The mutants in core/mutant.h."""
    with open(MUTANTS_H, encoding="utf-8") as header:
        names = re.findall(r"^\tIRQHOP_M_(\w+)", header.read(), re.M)
    return [name for name in names if name != NONE]


def check_table():
    """Complain of mutants that nobody runs, and of rows without a mutant."""
    rows, there = {mutant.name for mutant in MUTANTS}, declared()
    wrong = [f"{name}: in core/mutant.h, not in the table"
             for name in there if name not in rows]
    wrong += [f"{name}: in the table, not in core/mutant.h"
              for name in rows if name not in there]
    wrong += [f"{name}: twice in the table for the layer {layer}"
              for (name, layer), count in collections.Counter(
                  (mutant.name, mutant.layer) for mutant in MUTANTS).items()
              if count > 1]
    for text in wrong:
        print(f"not ok {text}", flush=True)
    return len(wrong)


def main():
    """Run the mutants that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--list", action="store_true",
                        help="say what mutants there are")
    parser.add_argument("names", nargs="*", metavar="MUTANT")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    args.out = os.path.join(args.build, "mutants")
    if args.list:
        for mutant in MUTANTS:
            print(f"{mutant.name:16} {mutant.layer:9} without: {mutant.lacks}")
        return 0
    known = [mutant.name for mutant in MUTANTS]
    for name in args.names:
        if name not in known:
            parser.error(f"no mutant '{name}'; there are: {' '.join(known)}")
    chosen = [mutant for mutant in MUTANTS
              if not args.names or mutant.name in args.names]
    begun = time.monotonic()
    wrong = check_table()
    caught = missed = 0
    for layer in RUN:
        rows = [mutant for mutant in chosen if mutant.layer == layer]
        tests = sorted({test for mutant in rows for test, _ in mutant.caught})
        if rows and not attempt(args, NONE, layer, tests, unmutated(tests)):
            # What fails now says nothing.
            wrong += 1
            continue
        for mutant in rows:
            if attempt(args, mutant.name, layer,
                       [test for test, _ in mutant.caught],
                       lambda results, mutant=mutant: judge(mutant, results)):
                caught += 1
            else:
                missed += 1
    print(f"mutants: {caught} caught, {missed} not caught, "
          f"{len(chosen) - caught - missed} not run, {wrong} other failures, "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if missed or wrong or caught != len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
