# SPDX-License-Identifier: GPL-2.0-only
"""Tests of vCPU states: in user space, and how long in which."""

from exact import told
from state import DEVICE_ID, Listing, enable, expect, load


MONITOR = ("monitor() { (echo \"$1\"; sleep 0.2) | "
           "socat - UNIX-CONNECT:/run/l2/monitor >/dev/null; }\n")


def all_in_user_space(lab):
    """Stop and continue the VM by its monitor. Return what was seen."""
    clean = kept = 0
    for turn in range(6):
        stat = lab.stat()
        lab.m.run(MONITOR + "monitor stop")
        listing = lab.listing()
        states = set(listing.vcpus.values())
        expect(states == {"user"}, f"VM stopped: vCPUs are {listing.vcpus}")
        away = listing.away()
        if away and lab.stat()["in_handler"] > stat["in_handler"]:
            # One was stopped inside a handler and keeps what it has.
            kept += 1
        else:
            expect(not away, "VM stopped: " + "; ".join(map(str, away)))
            lab.expect_home(f"VM stopped, turn {turn}", listing=listing)
            clean += 1
        before = lab.trace.read().msis[1]
        lab.m.run(MONITOR + "monitor cont\nsleep 0.3")
        expect(lab.trace.read().msis[1] - before > 20,
               "no reads after the VM went on")
        expect(lab.stat()["hops"] > stat["hops"],
               "no hops after the VM went on")
    expect(clean >= 3, f"all in user space: {kept} of 6 were inside a handler")
    return f"VM stopped 6 times: all home {clean} times, in a handler {kept}"


HELD = 1


def one_in_user_space(lab):
    """Hold one vCPU's thread. Return what was seen, or None: in a handler."""
    stat = lab.stat()
    lab.m.run(f"""
tid=$(guest_vcpu_tids l2 | sed -n 's/^{HELD} //p')
hold $tid 1000 >/tmp/hold.out 2>&1 & echo $! >/tmp/hold.pid
wait_for 10 grep -q held /tmp/hold.out || die "$(cat /tmp/hold.out)"
""")
    try:
        listing = lab.listing()
        there = [lpi for lpi in listing.lpis if lpi.target == HELD]
        if there and lab.stat()["in_handler"] > stat["in_handler"]:
            return None
        msis = lab.trace.read().msis[1]
        lab.m.run("sleep 0.2")
        first = device_counts(lab)
        ping = lab.m.run(f"{lab.PING} -c 100 -W 1 || true")
        for turn in range(20):
            lab.m.run("sleep 0.05")
            listing = lab.listing()
            expect(listing.vcpus[HELD] == "user",
                   f"look {turn}: the held vCPU is {listing.vcpus[HELD]}")
            there = [lpi for lpi in listing.lpis if lpi.target == HELD]
            expect(not there, f"look {turn}: points at the held vCPU: "
                   + "; ".join(map(str, there)))
        pointed = [vpe for key, vpe in lab.trace.read().vpe.items()
                   if key[0] in DEVICE_ID.values() and
                   vpe == lab.vpes["l2"][HELD]]
        expect(not pointed, "the ITS points at the held vCPU")
        taken = [b - a for a, b in zip(first, device_counts(lab))]
        sent, received = lab.pinged(ping)[0]
        msis = lab.trace.read().msis[1] - msis
    finally:
        lab.m.run("kill $(cat /tmp/hold.pid)")
    expect(taken[HELD] == 0,
           f"the held vCPU took {taken[HELD]} interrupts: {taken}")
    expect(msis > 100, f"one vCPU held: only {msis} reads meanwhile")
    expect(received == sent == 100,
           f"one vCPU held: {received} of {sent} pings answered")
    return (f"vCPU {HELD} held: {msis} reads and {received} of {sent} pings "
            f"meanwhile, interrupts by vCPU {'/'.join(map(str, taken))}")


def device_counts(lab):
    """Handler runs of the devices' interrupts, by vCPU."""
    text = lab.m.guest("grep -E 'ITS-(PCI-)?MSI' /proc/interrupts")
    rows = [[int(word) for word in line.split()[1:5]]
            for line in text.splitlines()]
    return [sum(column) for column in zip(*rows)]


def user_space_vcpu(lab):
    """All vCPUs, and one vCPU, outside of KVM_RUN."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    enable(lab, "storm")
    before = lab.counts()
    lab.read_start()
    lab.m.run("sleep 0.2")
    seen = [all_in_user_space(lab)]
    for _ in range(5):
        one = one_in_user_space(lab)
        if one:
            break
    expect(one, "one vCPU held: inside a handler 5 times in a row")
    lab.m.run("sleep 0.5")
    listing = lab.listing()
    expect(listing.vcpus[HELD] != "user",
           "let go, the vCPU is still taken to be in user space")
    lab.read_stop()
    msis, runs = lab.expect_exact(before, "over all", at_least=500)
    return "; ".join(seen + [one, told(msis, sum(runs))])


# -- how long in which --------------------------------------------------------


# The scheduler's account of a thread that runs is as old as that; seconds.
TICK = 0.004
SPANS = """
clock() { cut -d" " -f1 /proc/uptime; }
pid=$(cat /run/l2/pid)
tids=$(guest_vcpu_tids l2 | cut -d" " -f2)
stats() { for tid in $tids; do cat /proc/$pid/task/$tid/schedstat; done; }
look()
{
    clock
    stats
    irqhop list --json l2 | tr -d "\n"
    echo
    stats
    clock
    echo
}
clock
irqhop enable l2
clock
look
sleep 3
look
"""


def span(text):
    """(uptime, schedstat rows) before, what was listed, the same after."""
    before, *rows, after = text.strip().splitlines()
    count = len(rows) // 2
    stats = [[int(word) / 1e9 for word in row.split()]
             for row in rows[:count] + rows[count + 1:]]
    return ((float(before), stats[:count]), Listing(rows[count]),
            (float(after), stats[count:]))


def expect_between(what, seen, first, last, column):
    """A time by irqhop is one that the scheduler may have had at the two
    moments of looking: it goes on between its own looks and irqhop's."""
    vcpu, seconds = seen
    least = last[0][1][vcpu][column] - first[2][1][vcpu][column]
    most = last[2][1][vcpu][column] - first[0][1][vcpu][column]
    expect(least - TICK <= seconds <= most + TICK,
           f"vCPU {vcpu}: {what} for {seconds:.3f} s, by schedstat "
           f"{least:.3f} to {most:.3f} s")
    return f"{seconds:.3f} of {least:.3f}..{most:.3f}"


def state_times(lab):
    """4 busy vCPUs and 4 neighbours on 2 pCPUs: against the scheduler's."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    before, after, rest = lab.m.run(SPANS).split("\n", 2)
    first, last = [span(part) for part in rest.strip().split("\n\n")]
    lab.m.run("irqhop disable l2")
    least, most = last[0][0] - float(after), last[2][0] - float(before)
    seen = []
    for vcpu, times in last[1].times.items():
        total = sum(times.values()) / 1e9
        expect(0.98 * least <= total <= 1.02 * most,
               f"vCPU {vcpu}: {total:.3f} s in all states, {least:.2f} to "
               f"{most:.2f} s since it was enabled")
        spent = {state: (ns - first[1].times[vcpu][state]) / 1e9
                 for state, ns in times.items()}
        out = spent["preempted"] + spent["in_handler"]
        seen.append(
            expect_between("running", (vcpu, spent["running"]), first, last,
                           0) + " and " +
            expect_between("preempted", (vcpu, out), first, last, 1))
        expect(out > 0.6 * (last[0][0] - first[2][0]),
               f"vCPU {vcpu}: preempted for {out:.3f} s only")
    return (f"{total:.2f} s since enabled, {least:.2f} to {most:.2f} by the "
            "clock; seconds running and preempted, by irqhop of schedstat's: "
            + ", ".join(seen))
