#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make costs: what a preemption costs, in instructions.

Guests with 2 to 16 busy vCPUs and 1 to 64 interrupts for each of them, which
nobody raises; every preemption moves what was at its vCPU. Reads the module's
own trace event of its turns. Leaves costs.txt and costs.json in OUT.
"""

import argparse
import itertools
import json
import os
import re
import statistics
import sys
import time

import cells
from cells import load
from irqhop_bench import text
from machine import LabError, Machine, progress

VCPUS = (2, 4, 8, 16)
PER_VCPU = (1, 4, 16, 64)
OVERCOMMITS = (3, 4)
RULES = ("lazy", "eager")
# pCPUs that the guest shares with its neighbours, by its number of vCPUs.
SHARED = {2: "2-3", 4: "2-3", 8: "2-5", 16: "2-5"}
TURN = re.compile(r"\[(?P<cpu>\d+)\] \S+ +(?P<s>\d+)\.(?P<us>\d+): turn: "
                  r"vm=\d+ moves=(?P<moves>\d+) lag=(?P<lag>\d+) "
                  r"time=(?P<time>\d+)")
# The guest's disk, by its class.
DEVICE = """
for device in /sys/bus/pci/devices/*; do
    [ "$(cat $device/class)" != 0x010802 ] || break
done
"""


def cpus_of(vcpus):
    """How many pCPUs such a guest shares."""
    first, last = map(int, SHARED[vcpus].split("-"))
    return last - first + 1


def start_guest(host, vcpus):
    """A guest with so many vCPUs, all busy, and one device without driver."""
    host.run("stop_all neighbour filler\n"
             "[ ! -e /run/l2/pid ] || { kill $(cat /run/l2/pid); "
             "wait_for 300 sh -c '! kill -0 $(cat /run/l2/pid) 2>&-'; }")
    try:
        # Each vector is two file descriptors of the VMM's.
        host.run(f"ulimit -n 4096; guest_start l2 {vcpus} $NVME",
                 stage=f"booting a guest with {vcpus} vCPUs")
    finally:
        host.save_guest_console()
    load.busy_guest(host, vcpus=range(vcpus))
    host.guest(DEVICE + """
insmod /modules/vectors.ko
echo vectors >$device/driver_override""")


def set_vectors(host, vcpus, per_vcpu):
    """So many interrupts with a home on each vCPU."""
    load.set_quiet(host)
    found = host.guest(DEVICE + f"""
[ ! -e $device/driver ] || echo ${{device##*/}} >$device/driver/unbind
echo {vcpus * per_vcpu} >/sys/module/vectors/parameters/nr
echo ${{device##*/}} >/sys/bus/pci/drivers_probe
grep -c ' vector$' /proc/interrupts""", stage="binding the guest's vectors")
    if int(found) != vcpus * per_vcpu:
        raise LabError(f"the guest has {found.strip()} vectors")
    listed = host.run("irqhop list l2 | grep -c ' direct'")
    if int(listed) != vcpus * per_vcpu:
        raise LabError(f"irqhop finds {listed.strip()} direct interrupts")


def set_load(host, vcpus, overcommit):
    """Neighbours on the pCPUs that the guest shares, fillers elsewhere."""
    shared, cpus = SHARED[vcpus], cpus_of(vcpus)
    first = int(shared[0])
    load.place_guest(host, shared)
    host.run(f"stop_all neighbour; SHARED_CPUS={shared}; "
             f"neighbours {overcommit * cpus - vcpus}")
    load.fillers(host, set(range(6)) - set(range(first, first + cpus)))
    host.run("sleep 0.3")


def watch(host, point, seconds):
    """The turns of some seconds, and the module's counters meanwhile."""
    output = host.run(f"""
echo {point["max_moves"]} >/sys/module/irqhop/parameters/max_moves
cd /sys/kernel/tracing
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
echo 16384 >buffer_size_kb
irqhop enable l2 --policy recent --return {point["rule"]} \
    --max-hops {point["max_hops"]}
# Not what is done once only.
sleep 0.2
echo 1 >events/irqhop/turn/enable
clocks; irqhop stat l2 --raw; echo ---
echo 1 >tracing_on; sleep {seconds}; echo 0 >tracing_on
clocks; irqhop stat l2 --raw; echo ---
echo 0 >events/irqhop/turn/enable
irqhop disable l2 >&2
cat per_cpu/cpu*/stats | awk '/^overrun:/ {{ n += $2 }} END {{ print n }}'
cat trace""", stage="measuring turns")
    before, after, trace = output.split("---\n")
    lost, _, trace = trace.partition("\n")
    if int(lost):
        raise LabError(f"the host's tracer lost {lost} events")
    return turns_of(trace), counters(before), counters(after)


def turns_of(trace):
    """[{moves, lag, time}] of a trace's text.

    One interrupt has a turn for each vCPU that was switched from or to. Of
    those after the first, the lag is that of the first and the turns before:
    it counts as none.
    """
    turns, ended = [], {}
    for found in TURN.finditer(trace):
        turn = {name: int(found[name]) for name in ("moves", "lag", "time")}
        end = int(found["s"]) * 1_000_000_000 + int(found["us"]) * 1000
        switched = end - turn["time"] - turn["lag"]
        if switched < ended.get(found["cpu"], 0):
            turn["lag"] = 0
        ended[found["cpu"]] = end
        turns.append(turn)
    return turns


def counters(output):
    """{name: value} of stat --raw, and the time."""
    first, _, rest = output.partition("\n")
    pairs = (line.split("=", 1) for line in rest.splitlines() if "=" in line)
    stat = {name: int(value) for name, value in pairs if value.isdigit()}
    stat["ns"] = int(first.split()[2])
    return stat


def by_moves(turns):
    """{moves: [how many turns, median time]}."""
    groups = {}
    for turn in turns:
        groups.setdefault(turn["moves"], []).append(turn["time"])
    return {moves: [len(group), statistics.median(group)]
            for moves, group in sorted(groups.items())}


def one(host, point, seconds):
    """An entry of costs.json."""
    turns, before, after = watch(host, point, seconds)
    if not turns:
        raise LabError(f"no turns: {point}")
    grown = {name: after[name] - before[name] for name in before
             if name in ("hops", "returns", "preemptions", "held_back",
                         "over_bound", "stranded", "turns",
                         "irqs_off_sum_ns", "ns")}
    groups = by_moves(turns)
    # What other pCPUs' turns add is left out: each turn counts as the median
    # of those that moved as many.
    work = sum(count * cost for count, cost in groups.values())
    lags = [turn["lag"] for turn in turns if turn["lag"]]
    lag = statistics.median(lags)
    length = grown["ns"]
    return {**point, "seconds": length / 1e9, "counters": grown,
            "turns": len(turns), "by_moves": groups,
            "instructions": work, "lag": lag,
            "with_lag": work + lag * len(lags),
            "moves": sum(t["moves"] for t in turns),
            "irqs_off_max_ns": after["irqs_off_max_ns"]}


def measure(host, args):
    """Yields [{an entry of costs.json}] so far, after each guest."""
    found, begun = [], time.monotonic()
    host.run("devices_setup; insmod /lab/irqhop.ko")
    for vcpus in args.vcpus:
        progress(f"costs: booting a guest with {vcpus} vCPUs "
                 f"({time.monotonic() - begun:.0f} s)")
        start_guest(host, vcpus)
        for per_vcpu in args.per_vcpu:
            set_vectors(host, vcpus, per_vcpu)
            for overcommit in args.overcommit:
                if overcommit * cpus_of(vcpus) < vcpus:
                    continue
                set_load(host, vcpus, overcommit)
                for rule, (moves, hops) in itertools.product(args.rules,
                                                             args.limits):
                    progress(f"costs: {vcpus} vCPUs, {per_vcpu} interrupts "
                             f"each, {overcommit}:1, {rule}, {moves}:{hops} "
                             f"({time.monotonic() - begun:.0f} s)")
                    found.append(one(host, {
                        "vcpus": vcpus, "per_vcpu": per_vcpu,
                        "overcommit": overcommit, "rule": rule,
                        "max_moves": moves, "max_hops": hops},
                        args.seconds))
        yield found
    progress(f"costs: {len(found)} points in "
             f"{time.monotonic() - begun:.0f} s\n")


def row(point):
    """A line of the table."""
    preemptions = point["counters"]["preemptions"]
    seconds = point["seconds"]
    return [point["vcpus"], point["per_vcpu"], point["overcommit"],
            point["rule"], f"{point['max_moves']}:{point['max_hops']}",
            text.number(preemptions / seconds, 0),
            text.number(point["turns"] / seconds, 0),
            text.number(point["moves"] / preemptions),
            text.number(point["instructions"] / preemptions, 0),
            text.number(point["with_lag"] / preemptions, 0),
            f"{point['instructions'] / seconds / 1e7:.3f}",
            f"{point['with_lag'] / seconds / 1e7:.3f}"]


def page(result):
    """costs.txt."""
    points = result["points"]
    lines = ["irqhop: what a preemption costs (emulated, virtual time)", ""]
    lines += text.table(
        ["vCPUs", "each", "oc", "return", "limits", "preempt./s", "turns/s",
         "moves", "instr.", "with lag", "% of pCPU", "with lag"],
        [row(point) for point in points], left=0)
    lines += ["", *text.wrap(
        "each: interrupts whose home is each vCPU. limits: most moves a turn, "
        "most hops a second (0: no bound). moves, instr.: per "
        "preemption, all turns together; a turn counts as the median of those "
        "with as many moves. with lag: and the time from the context switch "
        "to the turn, which has the rest of the switch in it. % of pCPU: of "
        "one, at one instruction a ns, for all pCPUs that the guest shares.")]
    lines += text.heading("Turns by their moves: median instructions")
    groups = {}
    for point in points:
        for moves, found in point["by_moves"].items():
            groups.setdefault((point["rule"], moves), []).append(found)
    lines += text.table(
        ["return", "moves", "turns", "instr."],
        [[rule, moves, sum(count for count, _ in group),
          # The mean of the points' medians, each as often as it has turns.
          text.number(sum(count * cost for count, cost in group)
                      / sum(count for count, _ in group), 0)]
         for (rule, moves), group in sorted(groups.items())])
    lines += text.wrap(
        "A turn looks at interrupts that it does not move as well: with "
        "\"eager\" at all whose home has come.", "  ", "")
    return "\n".join(lines) + "\n"


def write(args, points):
    """costs.json and costs.txt from the points so far."""
    result = {"schema": "irqhop-costs/1", "emulated": True,
              "versions": cells.versions(args.build), "points": points}
    for name, content in (("json", json.dumps(result, indent=1) + "\n"),
                          ("txt", page(result))):
        with open(os.path.join(args.out, f"costs.{name}"), "w",
                  encoding="utf-8") as file:
            file.write(content)


def numbers(known):
    """A type for a list of some of `known`, for argparse."""
    def parse(argument):
        names = {str(value): value for value in known}
        values = argument.split(",")
        if not set(values) <= names.keys():
            raise argparse.ArgumentTypeError(
                f"{argument!r}: there are {', '.join(names)}")
        return [names[value] for value in values]
    return parse


def limits(argument):
    """[(moves, hops)] from "64:0,16:10000", for argparse."""
    found = re.fullmatch(r"\d+:\d+(,\d+:\d+)*", argument)
    if not found:
        raise argparse.ArgumentTypeError(f"{argument!r}: not MOVES:HOPS,...")
    return [tuple(map(int, pair.split(":"))) for pair in argument.split(",")]


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/costs")
    parser.add_argument("--seconds", type=float, default=1,
                        help="of virtual time for each point")
    for name, known in (("vcpus", VCPUS), ("per-vcpu", PER_VCPU),
                        ("overcommit", OVERCOMMITS), ("rules", RULES)):
        parser.add_argument(f"--{name}", type=numbers(known),
                            default=list(known), metavar="LIST",
                            help=f"some of {','.join(map(str, known))}")
    parser.add_argument("--limits", type=limits, default=[(64, 0)],
                        metavar="MOVES:HOPS[,...]",
                        help="most moves a turn, most hops a second (0: no "
                        "bound); default 64:0")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    vectors = max(args.vcpus) * max(args.per_vcpu)
    try:
        with Machine(args.build, os.path.join(args.out, "logs"),
                     vectors=vectors) as host:
            progress("costs: booting the emulated host")
            host.start()
            for points in measure(host, args):
                write(args, points)
            bad = host.bad_lines()
    except LabError as error:
        print(f"\ncosts: {error}", file=sys.stderr)
        return 1
    if bad:
        print("costs: the kernels complained:\n" + "\n".join(bad),
              file=sys.stderr)
        return 1
    with open(os.path.join(args.out, "costs.txt"), encoding="utf-8") as file:
        print(file.read(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
