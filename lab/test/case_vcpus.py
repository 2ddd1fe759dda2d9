# SPDX-License-Identifier: GPL-2.0-only
"""Tests of vCPU states: in user space, and how long in which."""

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
    text = lab.m.guest("grep ITS-PCI-MSIX /proc/interrupts")
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
    runs = lab.expect_exact(before, "over all", at_least=500)
    return "; ".join(seen + [one, f"{sum(runs)} MSIs, none lost or doubled"])


# -- how long in which --------------------------------------------------------


SPANS = """
clock() { cut -d" " -f1 /proc/uptime; }
look()
{
    clock
    irqhop list --json l2 | tr -d "\n"
    echo
    clock
    guest_vcpu_tids l2 | while read -r vcpu tid; do
        echo $vcpu $(cat /proc/$(cat /run/l2/pid)/task/$tid/schedstat)
    done
    echo
}
clock
irqhop enable l2
clock
look
sleep 3
look
"""


def near(a, b, part):
    """Are they the same but for this part of them?"""
    return abs(a - b) <= part * max(a, b)


def span(text):
    """(uptime before, listing, uptime after, {vCPU: (run, wait)})"""
    before, said, after, *rows = text.strip().splitlines()
    stat = [[int(word) for word in row.split()] for row in rows]
    return (float(before), Listing(said), float(after),
            {vcpu: (run, wait) for vcpu, run, wait, _ in stat})


def state_times(lab):
    """4 busy vCPUs and 4 neighbours on 2 pCPUs: against the scheduler's."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    before, after, rest = lab.m.run(SPANS).split("\n", 2)
    first, last = [span(part) for part in rest.strip().split("\n\n")]
    lab.m.run("irqhop disable l2")
    least, most = last[0] - float(after), last[2] - float(before)
    seen = []
    for vcpu, times in last[1].times.items():
        total = sum(times.values()) / 1e9
        expect(0.98 * least <= total <= 1.02 * most,
               f"vCPU {vcpu}: {total:.3f} s in all states, {least:.2f} to "
               f"{most:.2f} s since it was enabled")
        spent = {state: (ns - first[1].times[vcpu][state]) / 1e9
                 for state, ns in times.items()}
        run, wait = [(b - a) / 1e9
                     for a, b in zip(first[3][vcpu], last[3][vcpu])]
        out = spent["preempted"] + spent["in_handler"]
        expect(near(spent["running"], run, 0.05),
               f"vCPU {vcpu}: running for {spent['running']:.3f} s, by "
               f"schedstat {run:.3f} s; all states: {spent}")
        expect(near(out, wait, 0.05),
               f"vCPU {vcpu}: preempted for {out:.3f} s, by schedstat it "
               f"waited {wait:.3f} s")
        expect(out > 0.6 * (last[0] - first[0]),
               f"vCPU {vcpu}: preempted for {out:.3f} s only")
        seen.append(f"{spent['running']:.3f}/{run:.3f} and "
                    f"{out:.3f}/{wait:.3f}")
    return (f"{total:.2f} s since enabled, {least:.2f} to {most:.2f} by the "
            "clock; running and preempted, by irqhop/schedstat: "
            + ", ".join(seen))
