#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make where: where slow operations wait, from the traces of host and guest.

Measures work with both kernels traced, puts the traces on one clock, and leaves
OUT/where/<cell>.json: the split of the slow operations' time, and a timeline
of one. Slow is an operation that takes over 1.5 times alone's p99, of the same
work, traced as well.
"""

import argparse
import bisect
import collections
import json
import os
import sys

import cells
import conditions
import works
from cells import load
from irqhop_bench import aggregate, ftrace, oracle, split, stats, timeline
from machine import LabError, Machine, progress

SLOW = 1.5
SLACK = 100_000
# What needs no other machine, and is no other's than irqhop's.
TRACED = ("off", "home", "recent", "spread", "sticky", "summon", "donate")
# program: the guest's task, if there is one. inside: whether the operation is
# that task's. sends: the event that says that a request, or an answer, is with
# the device. guest: events. anchored: ping notes when it has printed; the
# host's trace knows better when it has sent. single: the program has one task,
# which answers everything.
Work = collections.namedtuple("Work", "program inside sends guest anchored "
                              "single", defaults=(False, False))
EVERY = ("irq/irq_handler_entry", "irq/irq_handler_exit", "ipi/ipi_entry",
         "ipi/ipi_exit")
NET = ("napi/napi_poll", "net/netif_receive_skb")
WORKS = {
    "ping": Work(None, False, "net_dev_xmit", (*NET, "net/net_dev_xmit"),
                 True),
    # A task answers; that it has, can be seen by its going to sleep.
    "tcp-rr": Work("sockperf", False, None, NET, single=True),
    "tcp-rr-paced": Work("sockperf", False, None, NET, single=True),
    "apache-c1": Work("apache2", False, None, NET),
    "nvme-read-d1": Work("fio", True, "nvme_setup_cmd", (
        "nvme/nvme_setup_cmd", "nvme/nvme_complete_rq")),
}
TRACER = "/sys/kernel/tracing/instances/where"
START = f"""
mkdir -p {TRACER}; cd {TRACER}
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
echo 16384 >buffer_size_kb
"""
STOP = f"""
cd {TRACER}
echo 0 >tracing_on; echo 0 >events/enable
"""
READ = f"""
cd {TRACER}
cat per_cpu/cpu*/stats | awk '/^overrun:/ {{ n += $2 }} END {{ print n }}'
cat trace; echo >trace"""


def guest_start(lab, work):
    """Trace in the guest what has to do with this work."""
    enable = "\n".join(f"echo 1 >events/{name}/enable"
                       for name in (*EVERY, *work.guest))
    tasks = ""
    if work.program:
        tasks = f"""
echo 'comm == "{work.program}"' >events/sched/sched_waking/filter
echo 'prev_comm == "{work.program}" || next_comm == "{work.program}"' \
    >events/sched/sched_switch/filter
echo 1 >events/sched/sched_waking/enable
echo 1 >events/sched/sched_switch/enable"""
    lab.host.guest(f"{START}{enable}{tasks}\necho 1 >tracing_on",
                   stage="tracing in the guest")


def whole(output):
    """A trace's lines, if none was lost."""
    lost, _, trace = output.partition("\n")
    if int(lost):
        raise LabError(f"a tracer lost {lost} events")
    return ftrace.events(trace)


def intid(lab, device):
    """The number that the interrupt hardware knows a device's interrupt by."""
    text = lab.host.guest(f"""
[ -e /proc/lpis ] || insmod /modules/lpis.ko
grep -E '{cells.GUEST_IRQ[device]}' /proc/interrupts | cut -d: -f1
cat /proc/lpis""")
    irq, *rows = text.split("\n")
    known = dict(row.split()[:2] for row in rows if row.strip())
    return int(known[irq.strip()])


def record(lab, name, condition):
    """(operations, running, the guest's lines, the host's lines)."""
    work = WORKS[name]
    # Before it is enabled, so that the first move is in the trace.
    lab.host.run(f"""{START}
for event in irqhop/hop irqhop/return net/net_dev_xmit; do
    echo 1 >events/$event/enable
done
echo 1 >tracing_on""")
    lab.set_irqhop(conditions.CONDITIONS[condition].irqhop)
    guest_start(lab, work)
    lab.watch_start()
    ops = works.WORKS[name].measure(lab).ops
    running = lab.watch_stop()
    lab.host.guest(STOP)
    lab.host.run(STOP)
    lab.set_irqhop(None)
    # Nobody waits for a busy guest to print.
    load.set_quiet(lab.host)
    _, to_host = lab.clocks()
    guest = [line._replace(time=to_host(line.time)) for line in
             whole(lab.host.guest(READ, stage="reading the guest's trace"))]
    host = whole(lab.host.run(READ, stage="reading the host's trace"))
    return sorted(ops), running, guest, host


def anchored(ops, lines):
    """The same operations, each from the packet that was sent nearest to when
    it is said to have begun."""
    sent = [line.time for line in lines
            if line.text.startswith("net_dev_xmit:")]
    if not sent:
        raise LabError("the host's trace has no packet that was sent")
    found = []
    for start, latency in ops:
        at = bisect.bisect(sent, start)
        off, near = min((abs(time - start), time)
                        for time in sent[max(0, at - 1):at + 1])
        # Pings are 2 ms apart and more.
        found.append((near if off < 1_000_000 else start, latency))
    return found


def by_vcpu(running, ops, vcpus):
    """{vCPU: [(begin, end)]}; alone, none is ever switched."""
    ends = ops[0][0] - 10_000_000, sum(ops[-1]) + 10_000_000
    if running is None:
        return {vcpu: [ends] for vcpu in range(vcpus)}
    found = {vcpu: [] for vcpu in range(vcpus)}
    for begin, end, vcpu in running:
        found[vcpu].append((begin, end))
    return found


class Traced:
    """A cell's operations, each with its phases."""

    def __init__(self, lab, name, traces):
        work, device = WORKS[name], works.WORKS[name].device
        ops, running, guest, host = traces
        if work.anchored:
            ops = anchored(ops, host)
        self.ops = ops
        parsed = ftrace.Guest(guest, cells.GUEST_IRQ[device],
                              work.program, work.sends)
        self.scene = split.Scene(
            by_vcpu(running, ops, lab.vcpus), parsed.doing,
            ftrace.moves(host, intid(lab, device),
                         lab.home[device]),
            device == "ping")
        self.chains = [
            split.phases(events, start, start + latency,
                         sender(events) if work.inside else None,
                         awake(parsed.events, start) if work.single else None)
            for start, latency, events in within(
                ops, parsed.events, SLACK if work.inside else 0)]
        # What of a way is the device's, and not a wait for the guest.
        ways = [ns for c in self.chains for ns in split.ways(c)]
        self.device_ns = (min(ways, default=0) if device == "nvme"
                          else 0)

        spans = [s for one in self.scene.running.values() for s in one]
        self.anyone = oracle.Timeline(spans, min(s for s, _ in spans))

    def slow(self, over_ns):
        """The phases of each operation that takes longer."""
        return [chain for chain, (_, latency) in zip(self.chains, self.ops)
                if latency > over_ns]

    def none_ran(self, chain):
        """How much of an operation's wait for its interrupt's vCPU no vCPU
        ran at all, so that no redirect could have helped."""
        return sum(self.anyone.away(wait.begin, wait.end)
                   for phase in chain for wait in self.scene.waits(phase)
                   if wait.name == "interrupt_preempted")

    def oracle(self, alone_ns):
        """Latencies, had each interrupt been taken as soon as any vCPU ran;
        see oracle. Operations that the record does not cover are left out."""
        waits = [self.anyone.wait(start + alone_ns // 2)
                 for start, _ in self.ops]
        return [alone_ns + wait for wait in waits if wait is not None]


def within(ops, events, slack=0):
    """(start, latency, its events) of each operation, one after the other.

    A request may have been sent just before it is said to begin: what puts a
    client's clock on the host's takes the shortest way for none. So the last
    that was sent in the `slack` before, and is not completed, is among the
    operation's events.
    """
    at = 0
    for start, latency in ops:
        while at < len(events) and events[at].time < start:
            at += 1
        first = last = at
        while last < len(events) and events[last].time <= start + latency:
            last += 1
        while first and events[first - 1].time >= start - slack:
            first -= 1
        before = [e for e in events[first:at]
                  if e.kind in ("sent", "completed")][-1:]
        yield start, latency, [e for e in before
                               if e.kind == "sent"] + events[at:last]


def sender(events):
    """The vCPU on which an operation's request is sent."""
    return next((e.vcpu for e in events if e.kind == "sent"), None)


def awake(events, time):
    """The vCPU of a task that was switched to and has not slept since."""
    last = bisect.bisect(events, time, key=lambda e: e.time)
    seen = next((e for e in reversed(events[:last])
                 if e.kind in ("runs", "sleeps")), None)
    return seen.vcpu if seen and seen.kind == "runs" else None


def entry(traced, key, alone):
    """What a cell's file says. `alone`: (median, p99) in ns."""
    over = SLOW * alone[1]
    slow = traced.slow(over)
    mean = split.mean([split.divide(traced.scene, chain, traced.device_ns)
                       for chain in slow])
    none_ran = stats.mean([traced.none_ran(chain) for chain in slow])
    known = traced.oracle(alone[0])
    chosen = timeline.choose(traced.chains, traced.scene)
    return {
        "schema": 1, "cell": key, "n": len(traced.ops), "slow": len(slow),
        "over_us": round(over / 1000, 3),
        "mean_us": aggregate.summary([ns for _, ns in traced.ops])["mean"],
        "split": mean or dict.fromkeys(split.WAITS, 0),
        "none_ran_us": stats.us(none_ran or 0),
        "oracle": aggregate.summary(known) if known else None,
        "timeline": timeline.build(chosen, traced.scene,
                                   range(key["vcpus"])),
    }


def write(out, data):
    """Leave a cell's file."""
    folder = os.path.join(out, "where")
    os.makedirs(folder, exist_ok=True)
    name = "-".join(str(value) for value in data["cell"].values())
    with open(os.path.join(folder, name + ".json"), "w",
              encoding="utf-8") as file:
        json.dump(data, file, indent=1)


def say(data):
    """One cell's split, in a line."""
    waits = ", ".join(f"{name} {us:.0f}" for name, us
                      in data["split"].items() if us >= 0.5)
    print("%s %d:1 %s: n %d, mean %.0f us; %d over %.0f us: %s; no vCPU ran: "
          "%.0f" % (
        data["cell"]["work"], data["cell"]["overcommit"],
        data["cell"]["condition"], data["n"], data["mean_us"], data["slow"],
        data["over_us"], waits or "-", data["none_ran_us"]))


def traced_cell(lab, key, alone):
    """What a cell's file says, and alone's (median, p99) in ns; `alone` is
    that, or None for that cell itself."""
    progress("where: %(work)s, %(overcommit)d:1, %(condition)s" % key)
    lab.set_load(key["overcommit"])
    traced = Traced(lab, key["work"],
                    record(lab, key["work"], key["condition"]))
    if alone is None:
        found = aggregate.summary([ns for _, ns in traced.ops])
        alone = [round(found[f] * 1000) for f in ("p50", "p99")]
    return entry(traced, key, alone), alone


def run(lab, args):
    """Every cell once; alone first, by which the others are measured.
    Returns how many there are not."""
    failed = 0
    for name in args.works:
        alone = None
        for overcommit, condition in [(1, "alone")] + [
                (o, c) for o in args.overcommit for c in args.conditions]:
            key = {"work": name, "overcommit": overcommit,
                   "vcpus": lab.vcpus, "path": lab.path,
                   "neighbours": "spin", "condition": condition}
            try:
                data, alone = traced_cell(lab, key, alone)
                write(args.out, data)
                say(data)
            except LabError as error:
                failed += 1
                print(f"where: {name}, {overcommit}:1, {condition}: {error}",
                      file=sys.stderr)
                if alone is None:
                    break
    return failed


def some_of(known):
    """A type for a list of some of these, for argparse."""
    def parse(text):
        names = {str(one): one for one in known}
        if not set(text.split(",")) <= names.keys():
            raise argparse.ArgumentTypeError(
                f"{text!r}: there are {', '.join(names)}")
        return [names[one] for one in text.split(",")]
    return parse


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/bench")
    for name, known, default in (
            ("works", WORKS, list(WORKS)),
            ("overcommit", load.NEIGHBOURS, [3, 4]),
            ("conditions", TRACED, ["off", "recent", "summon"])):
        parser.add_argument(f"--{name}", type=some_of(known),
                            default=default, metavar="LIST",
                            help=f"some of {','.join(map(str, known))} "
                            f"({','.join(map(str, default))})")
    return parser.parse_args()


def main():
    """Boot, trace, split."""
    args = arguments()
    try:
        with Machine(args.build,
                     os.path.join(args.out, "logs", "where"),
                     programs=True) as host:
            progress("where: booting the emulated host and its guest")
            host.start()
            lab = cells.Lab(host)
            works.prepare(lab)
            return int(run(lab, args) > 0)
    except LabError as error:
        print(f"\nwhere: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
