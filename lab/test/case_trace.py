# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the trace events: whoever can read them sees each move.

Shown by chains: a move of an interrupt begins where the one before it ended.
A field that is read from the wrong place, or an event that is missing, breaks
one.
"""

import json
import re

from state import enable, expect, load

WANTED = 40
# perf and trace-cmd begin with one event and pCPU after the other: what is
# missing within so many moves is missing because of that.
BEGIN = 20
TEXT = re.compile(r"\b(hop|return): +vm=(\d+) intid=(\d+) from=(\d+) to=(\d+) "
                  r"reason=([a-z-]+) cost=(\d+)")
FIELDS = ("event", "vm", "intid", "from", "to", "reason", "cost")
HOP_REASONS = {"preempted", "blocked", "user", "off", "halted", "test"}


def loaded(lab):
    """Moves all the time, in the machine's own virtual time."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    enable(lab, "storm")
    lab.read_start()
    return lab.listing()


def unloaded(lab):
    """Back to a guest that is not enabled."""
    lab.m.run("irqhop disable l2")
    lab.read_stop()


def expect_chains(listing, moves, homes, begin):
    """Each move but the first few begins where the last one of that interrupt
    ended."""
    at = {}
    for number, move in enumerate(moves):
        intid = move["intid"]
        here = f"{move}, {number} of {len(moves)}"
        expect(move["vm"] == listing.pid, f"of another VM: {here}")
        expect(intid in homes, f"no such interrupt: {here}")
        expect(number < begin or at.get(intid, move["from"]) == move["from"],
               f"it was at {at.get(intid)}: {here}")
        expect((move["to"] == homes[intid]) == (move["event"] == "return"),
               f"its home is {homes[intid]}: {here}")
        expect(move["from"] != move["to"] and move["to"] in listing.vcpus,
               f"moved to where it was, or nowhere: {here}")
        expect(100 <= move["cost"] < 1000000, f"at what cost: {here}")
        expect((move["reason"] in HOP_REASONS) == (move["event"] == "hop"),
               f"for no reason: {here}")
        at[intid] = move["to"]
    hops = [move for move in moves if move["event"] == "hop"]
    expect(len(hops) >= WANTED, f"only {len(hops)} hops, {WANTED} expected")
    return (f"{len(hops)} hops and {len(moves) - len(hops)} returns of "
            f"{len(at)} interrupts, each from where the last one ended")


def by_text(text):
    """Moves in the kernel's own words."""
    rows = [dict(zip(FIELDS, found)) for found in TEXT.findall(text)]
    return [{key: int(value) if value.isdigit() else value
             for key, value in row.items()} for row in rows]


def shows(lab, script, parse, begin=0):
    """Run a tracer under load, and look at what it says."""
    listing = loaded(lab)
    homes = lab.homes()
    before = lab.m.run("cut -d' ' -f1 /proc/uptime")
    text = lab.m.run(script)
    after = lab.m.run("cut -d' ' -f1 /proc/uptime")
    seen = expect_chains(listing, parse(text), homes, begin)
    unloaded(lab)
    return f"{seen}; {float(after) - float(before):.1f} s of virtual time"


def perf(lab):
    """perf record, perf script. What perf notes of the programs that run takes
    long, and nobody asks for it."""
    return shows(lab, """
cd /tmp
tracer perf record -q -a -N -B --no-bpf-event --synth=no \\
    -e irqhop:hop,irqhop:return -o perf.data sleep 0.3
tracer perf script -i perf.data 2>/dev/null
""", by_text, BEGIN)


def trace_cmd(lab):
    """trace-cmd record, trace-cmd report."""
    return shows(lab, """
cd /tmp
tracer trace-cmd record -q -e irqhop:hop -e irqhop:return -o trace.dat \
    sleep 0.3
tracer trace-cmd report -q -i trace.dat
""", by_text, BEGIN)


# As kmod/trace.h has them: bpftrace shows an enumeration's number.
REASONS = ("preempted", "blocked", "user", "off", "halted", "test",
           "home-runs", "home-waits", "all-out", "policy", "close", "command")
# One after the other is attached; nothing counts before the last one is.
BPFTRACE = """
tracepoint:irqhop:hop /@on/ { %s @n++; }
tracepoint:irqhop:return /@on/ { %s @n++; }
interval:s:1 { if (@n > %d) { clear(@n); clear(@on); exit(); } @on = 1; }
"""
BPFTRACE_PRINT = ('printf("%s: vm=%%d intid=%%d from=%%d to=%%d reason=%%d '
                  'cost=%%llu at=%%llu\\n", args->vm, args->intid, args->from, '
                  'args->to, args->reason, args->cost, nsecs);')


def by_bpftrace(text):
    """The same with the number of the reason, in the order of time."""
    rows = re.findall(r"(hop|return): (.*) at=(\d+)", text)
    rows.sort(key=lambda row: int(row[2]))
    text = "\n".join(f"{event}: {fields}" for event, fields, _ in rows)
    text = re.sub(r"reason=(\d+)",
                  lambda found: f"reason={REASONS[int(found.group(1))]}", text)
    return by_text(text)


def bpftrace(lab):
    """bpftrace, a program of three lines."""
    program = BPFTRACE % (BPFTRACE_PRINT % "hop", BPFTRACE_PRINT % "return",
                          3 * WANTED)
    return shows(lab, f"cat >/tmp/hops.bt <<'END'\n{program}END\n"
                 "tracer bpftrace /tmp/hops.bt", by_bpftrace)


def irqhop(lab):
    """irqhop trace, as JSON and in the kernel's words."""
    def parse(text):
        moves = [json.loads(line) for line in text.splitlines()
                 if line.startswith("{")]
        return [{**move, "vm": move["pid"], "cost": move["cost_ns"]}
                for move in moves]

    return shows(lab, f"irqhop trace --json --event hop --event return "
                 f"--count {3 * WANTED} l2", parse)
