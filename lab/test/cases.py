# SPDX-License-Identifier: GPL-2.0-only
"""The tests, and their table at the end of this file.

A test takes the lab and returns what was seen; it raises Failure otherwise.
"""

import collections
import os
import re

from state import DEVICE_ID, QUEUE, SELF_TEST, Lab, expect, load

Test = collections.namedtuple("Test", "name function guests needs shows")

# How vCPUs are put together on the two pCPUs, in turn: everybody meets
# everybody, and vPEs move between pCPUs while interrupts move between vPEs.
SHUFFLE = r"""
shuffle()
{
    set -- "2-3 2-3 2-3 2-3" "2 2 3 3" "2 3 2 3" "2 3 3 2"
    turn=$(((${turn:-0} + 1) % 4))
    shift $turn
    set -- $1
    for tid in $vcpus; do
        taskset -pc $1 $tid >/dev/null
        shift
    done
}
vcpus=$(guest_vcpu_tids l2 | cut -d" " -f2)
"""


def missing(build, test):
    """Why a test cannot be run, or None."""
    for path in test.needs:
        if not os.path.exists(os.path.join(build, "lab", path)):
            return f"{build}/lab/{path} is not there; make images"
    return None


def tidy(lab):
    """Whatever a failed test may have left behind."""
    lab.m.run("""
stop_all neighbour filler hold ping
[ ! -d /sys/module/irqhop ] || rmmod irqhop
""", stage="tidying up after a failure")
    for name in list(lab.guests):
        lab.end_guest(name)


def enable(lab, policy, name="l2"):
    """Enable, and show that it is."""
    lab.m.run(f"irqhop enable --policy {policy} {name}")
    expect(lab.listing(name).enabled, f"{name} is not enabled")


# -- exactness ----------------------------------------------------------------


SCHED = "/sys/kernel/debug/sched"


def slices(lab, length_us):
    """Preempt this often, and not only at the tick; None: as it was."""
    lab.m.run(f"""
[ -e /run/base-slice ] || cat {SCHED}/base_slice_ns >/run/base-slice
""" + (f"""
echo HRTICK >{SCHED}/features
echo {length_us}000 >{SCHED}/base_slice_ns
""" if length_us else f"""
echo NO_HRTICK >{SCHED}/features
cat /run/base-slice >{SCHED}/base_slice_ns
"""))


def exact(lab, policy, reads, moves_least, vcpus_least):
    """So many reads at depth 1 while interrupts hop: none lost, none twice."""
    load.set_shared(lab.m, 4)
    # What would idle is of no interest here, only in the way.
    lab.m.run("stop_all filler")
    # Both pCPUs would switch in step, at the tick, and vCPUs meet the same
    # others again and again.
    slices(lab, 600)
    try:
        return exactly(lab, policy, reads, moves_least, vcpus_least)
    finally:
        slices(lab, None)


def exactly(lab, policy, reads, moves_least, vcpus_least):
    """The same, with the load in place."""
    enable(lab, policy)
    host = int(lab.m.run("direct_counts"))
    stat = lab.stat()
    moves = lab.trace.read().moves[QUEUE]
    before = lab.counts()
    lab.m.short_turns(True, 200)
    text, seconds = load.wall(lambda: lab.m.run(SHUFFLE + f"""
rm -f /tmp/done
(
guest l2 >/tmp/read.out 2>&1 <<'END'
{lab.FIO} --number_ios={reads}
END
:>/tmp/done
) &
while [ ! -e /tmp/done ]; do
    shuffle
    sleep 0.2
done
wait
cat /tmp/read.out
""", limit=900, stage=f"{reads} reads in the guest"))
    lab.m.short_turns(False)
    done = lab.reads(text)
    runs = lab.expect_exact(before, policy)
    moves = lab.trace.moves[QUEUE] - moves
    after = lab.stat()
    stat = {key: after[key] - stat[key] for key in after}
    direct = int(lab.m.run("direct_counts")) - host
    taken = sum(n >= reads // 200 for n in runs)
    expect(done == sum(runs) and done == reads,
           f"{reads} reads wanted, {done} done, {sum(runs)} interrupts")
    expect(direct == 0,
           f"the host handled {direct} of the devices' interrupts")
    expect(moves >= moves_least, f"this interrupt moved only {moves} times, "
           f"at least {moves_least} expected")
    expect(stat["hops"] >= moves_least,
           f"only {stat['hops']} hops, at least {moves_least} expected")
    expect(taken >= vcpus_least,
           f"taken on {taken} vCPUs {runs}, at least {vcpus_least} expected")
    expect(stat["failed"] == 0, f"{stat['failed']} moves refused")
    slow = lab.m.guest("dmesg | grep -c 'nvme.*time' || true").strip()
    expect(slow == "0", f"{slow} lines of time-outs in the guest's log")
    return (f"{sum(runs)} MSIs = {sum(runs)} handler runs, by vCPU "
            f"{'/'.join(map(str, runs))}; it moved {moves} times "
            f"({stat['hops']} hops of all); "
            f"{stat['preemptions']} preemptions; 0 through the host; "
            f"{1e3 * seconds / reads:.2f} ms of real time each")


def msi_exact(lab):
    """Policy storm: every preemption moves every interrupt."""
    lab.module("irqhop-test")
    reads = int(os.environ.get("LAB_READS", "100000"))
    return exact(lab, "storm", reads, reads // 10, 3)


def msi_exact_recent(lab):
    """The default policy of the production module."""
    lab.module("irqhop")
    return exact(lab, "recent", 4000, 100, 2)


# -- coming home --------------------------------------------------------------


def homecoming(lab, cycles, leave):
    """Again and again: hop under load, then `leave`, then look around."""
    lab.module("irqhop-test")
    lab.expect_home("before")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    before = lab.counts()
    lab.read_start()
    hops = away = pings = 0
    for cycle in range(cycles):
        moves = lab.moved()
        text = lab.m.run(f"""
{lab.PING} -c 40 >/tmp/ping.out 2>&1 &
irqhop enable --policy storm l2
sleep 0.{10 + 7 * cycle % 20}
irqhop stat --raw l2
irqhop list l2
{leave}
wait
cat /tmp/ping.out
""", stage=f"cycle {cycle}")
        when = f"cycle {cycle}"
        hops += int(re.search(r"^hops=(\d+)", text, re.M).group(1))
        away += bool(re.search(r"^ +\d+ +(\d) +(?!\1)\d +direct", text, re.M))
        listing = lab.listing()
        expect(not listing.enabled, f"{when}: still enabled")
        lab.expect_home(when, listing=listing)
        expect(lab.moved() - moves > 50,
               f"{when}: the hardware saw no hops")
        sent, received = lab.pinged(text)[0]
        expect(sent == received == 40,
               f"{when}: {sent} pings sent, {received} answered")
        pings += received
    reads = lab.read_stop()
    runs = lab.expect_exact(before, "over all", at_least=500)
    expect(abs(reads - sum(runs)) <= 1,
           f"{reads} reads, {sum(runs)} interrupts")
    expect(away >= cycles // 3,
           f"interrupts were away in {away} of {cycles} cycles only")
    return (f"{cycles} times under load: all at home by irqhop, KVM and the "
            f"ITS; {hops} hops, away shortly before {away} times; {reads} "
            f"reads = {sum(runs)} interrupts, {pings} pings, none lost")


def disable_under_load(lab):
    """irqhop disable."""
    return homecoming(lab, 10, "irqhop disable l2")


def unload_under_load(lab):
    """rmmod, with no disable before."""
    return homecoming(lab, 12, "rmmod irqhop; insmod /lab/irqhop-test.ko")


# -- vCPUs in user space ------------------------------------------------------


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


# -- VMs that end, and others -------------------------------------------------


def vmm_killed(lab):
    """SIGKILL to the VMM while interrupts hop."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    enable(lab, "storm")
    lab.read_start()
    lab.m.run(f"{lab.PING} -c 30 >/tmp/ping.out 2>&1 || true")
    stat = lab.stat()
    expect(stat["hops"] > 50, f"only {stat['hops']} hops before")
    lab.complaints += lab.complain("l2")
    text = lab.m.run("""
ls /sys/kernel/debug/kvm | grep -c -- - || true
kill -9 $(cat /run/l2/pid)
begun=$(cut -d' ' -f1 /proc/uptime)
gone() { ! ls /sys/kernel/debug/kvm | grep -q -- -; }
wait_for 30 gone || die "KVM still has $(ls /sys/kernel/debug/kvm | grep -- -)"
echo "$begun $(cut -d' ' -f1 /proc/uptime)"
irqhop list
cat /sys/module/irqhop/refcnt
rmmod irqhop
""", stage="after the VMM was killed")
    lines = text.splitlines()
    expect(lines[0] == "1", f"before: {lines[0]} VMs in KVM's debugfs")
    begun, gone = map(float, lines[1].split())
    expect(len(lines) == 4 and lines[2].split()[0] == "PID",
           f"irqhop list still shows a VM:\n{text}")
    expect(lines[3] == "0", f"the module has {lines[3]} references")
    lab.guests.clear()
    lab.m.run("stop_all neighbour")
    lab.boot_guests(Lab.PAIR)
    before = lab.counts("l3")
    reads = lab.reads(lab.m.guest(f"{lab.FIO} --number_ios=500", "l3"))
    lab.expect_exact(before, "a new guest", "l3", at_least=500)
    sent, received = lab.pinged(lab.m.run(f"{lab.PING} -c 50 || true"))[0]
    expect(received == sent, f"a new guest answers {received} of {sent} pings")
    return (f"after {stat['hops']} hops: VM gone {gone - begun:.2f} s later, "
            f"module has no reference; new guests: {reads} reads, {received} "
            "pings, none lost")


def second_vm(lab):
    """A VM that is not enabled, beside one that is."""
    lab.module("irqhop-test")
    lab.expect_home("before", "l3")
    load.set_shared(lab.m, 4)
    load.place_guest(lab.m, "2-3", "l3")
    lab.m.run("stop_all filler")
    enable(lab, "storm", "l2")
    listed = lab.m.run("irqhop list")
    expect(re.search(r"\byes +storm +l2$", listed, re.M) and
           re.search(r"\bno +- +l3$", listed, re.M), f"irqhop list:\n{listed}")
    moves = lab.trace.read().moves.copy()
    before = lab.counts("l3")
    lab.read_start("l3")
    looks = 10
    for look in range(looks):
        lab.m.run(f"{lab.PING} -c 20 >/tmp/ping.out 2>&1 || true")
        lab.expect_home(f"look {look}", "l3")
    lab.read_stop("l3")
    runs = lab.expect_exact(before, "the other VM", "l3", at_least=200)
    delta = {name: lab.trace.read().moves[id] - moves[id]
             for name, id in DEVICE_ID.items()}
    expect(delta["NIC"] > 100, f"the enabled VM hopped {delta['NIC']} times")
    expect(delta["NVME"] == 0,
           f"{delta['NVME']} VMOVI for the device of the VM not enabled")
    away = sum(n for vcpu, n in enumerate(runs)
               if vcpu not in set(lab.homes("l3").values()))
    expect(away == 0, f"{away} of its interrupts were not taken at home: "
           f"{runs}")
    lab.m.run("irqhop disable l2")
    lab.expect_home("afterwards", "l2")
    return (f"{delta['NIC']} VMOVI for the enabled VM's device, "
            f"{delta['NVME']} for the other's; {sum(runs)} reads there, all "
            f"taken at home; {looks} looks")


# -- the tool -----------------------------------------------------------------


# What is done, expected status, what standard error is to say (one line).
NOT_LOADED = (
    ("irqhop enable l2", 3, "not loaded"),
    ("irqhop disable l2", 3, "not loaded"),
    ("irqhop stat", 3, "not loaded"),
    ("irqhop list l2", 3, "not loaded"),
    ("irqhop list", 0, None),
    ("irqhop check", 1, None),
)
LOADED = (
    ("irqhop check", 0, None),
    ("irqhop enable nosuch", 4, "nosuch"),
    ("irqhop enable l2 nosuch", 4, "nosuch"),
    ("irqhop enable 999999", 4, "999999"),
    ("irqhop list nosuch", 4, "nosuch"),
    ("irqhop disable nosuch", 4, "nosuch"),
    ("irqhop enable --policy nosuch l2", 2, "nosuch.*recent"),
    # A policy for tests: the production module has none.
    ("irqhop enable --policy storm l2", 2, "storm.*recent"),
    ("irqhop disable l2", 0, "not enabled"),
    ("$nobody irqhop enable l2", 5, "root|permi"),
    ("$nobody irqhop disable l2", 5, "root|permi"),
    ("$nobody irqhop stat", 5, "root|permi"),
    ("$nobody irqhop enable nosuch", 5, "root|permi"),
)
ENABLED = (
    ("irqhop enable l2", 0, "already"),
    ("irqhop enable nosuch l2", 4, "nosuch"),
    ("irqhop enable --policy nosuch l2", 2, "nosuch.*recent"),
    ("$nobody irqhop disable l2", 5, "root|permi"),
)


def attempt(lab, rows, enabled):
    """Try each row; the VM stays as it is, with its policy and counters."""
    for command, want, says in rows:
        status, text = lab.m.script(
            "nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'\n"
            f"{command} >/tmp/out 2>/tmp/err\n"
            "status=$?\ncat /tmp/err\nexit $status")
        expect(status == want,
               f"{command}: status {status}, not {want}: {text}")
        lines = text.splitlines()
        expect(len(lines) == (1 if says else 0) and
               (not says or re.search(says, text)),
               f"{command}: standard error is not one line with "
               f"{says!r}: {text!r}")
        listed = lab.m.run("irqhop list")
        expect(re.search(enabled + r" +l2$", listed, re.M),
               f"after {command}: {listed}")


def errors(lab):
    """What goes wrong has its status, one line, and no effect."""
    load.set_quiet(lab.m)
    lab.module(None)
    moves = lab.moved()
    attempt(lab, NOT_LOADED, "- +-")
    lab.module("irqhop")
    attempt(lab, LOADED, "no +-")
    twice = lab.m.script("insmod /lab/irqhop-test.ko")
    expect(twice[0] != 0, "a second module could be loaded")
    expect(lab.moved() == moves,
           "interrupts were moved with no VM enabled")
    lab.expect_home("not enabled")
    lab.m.run("irqhop enable --policy home l2")
    attempt(lab, ENABLED, "yes +home")
    lab.m.run("irqhop enable --policy recent l2")
    expect(re.search(r"yes +recent +l2$", lab.m.run("irqhop list"), re.M),
           "the policy of an enabled VM cannot be changed")
    lab.m.run("irqhop disable l2")
    lab.expect_home("disabled")
    return (f"{len(NOT_LOADED) + len(LOADED) + len(ENABLED)} commands: "
            "statuses and messages as documented, nothing changed")


# -- the lab itself -----------------------------------------------------------


def idle_share(lab, seconds=2):
    """Idle time of each pCPU, in per cent of so many seconds."""
    before = load.idle_times(lab.m)
    begun = float(lab.m.run("cut -d' ' -f1 /proc/uptime"))
    lab.m.run(f"sleep {seconds}")
    after = load.idle_times(lab.m)
    spent = float(lab.m.run("cut -d' ' -f1 /proc/uptime")) - begun
    return [(b - a) / spent for a, b in zip(before, after)]


def busy_pcpus(lab):
    """Every condition of the demonstration keeps every pCPU busy."""
    lab.module(None)
    seen = []
    for name, condition in (
            ("alone", load.set_alone),
            ("3", lambda m: load.set_shared(m, 3)),
            ("4", lambda m: load.set_shared(m, 4))):
        condition(lab.m)
        lab.m.run("sleep 0.2")
        idle = idle_share(lab)
        expect(len(idle) == 6, f"{len(idle)} pCPUs")
        expect(max(idle) <= 1, f"condition {name}: idle for per cent "
               + " ".join(f"{share:.0f}" for share in idle))
        seen.append(f"{name} {max(idle):.1f} %")
    # And it would be seen if one were not.
    lab.m.run("stop_all filler")
    idle = idle_share(lab)
    expect(idle[1] > 50 and idle[5] > 50,
           f"an idle pCPU counts as idle for {idle[1]:.0f} % only")
    return ("most idle pCPU: " + ", ".join(seen)
            + f"; without fillers {max(idle):.0f} %")


def clean_logs(lab):
    """Nothing that a kernel complains of, in any of them."""
    for name in ["L1", *lab.guests]:
        lab.complaints += lab.complain(name)
        script = f"echo '{SELF_TEST}' >/dev/kmsg"
        (lab.m.run if name == "L1" else
         lambda text, name=name: lab.m.guest(text, name))(script)
    caught = lab.m.bad_lines(tuple(lab.guests))
    caught = [line for line in caught if SELF_TEST in line]
    expect(len(caught) == 1 + len(lab.guests),
           f"the self-test's lines were found in {caught}")
    expect(not lab.complaints, "\n".join(lab.complaints))
    return (f"no complaint in the host's log and {len(lab.guests)} guests'; "
            "a line put there is found")


BOTH, PAIR = Lab.BOTH, Lab.PAIR
PRODUCTION = ("extra/irqhop.ko", "extra/bin/irqhop")
STORM = PRODUCTION + ("extra/irqhop-test.ko",)
TESTS = (
    Test("busy-pcpus", busy_pcpus, BOTH, (),
         "each condition of the demonstration keeps all pCPUs busy"),
    Test("errors", errors, BOTH, STORM,
         "exit statuses, messages, and that a failure changes nothing"),
    Test("msi-exact-recent", msi_exact_recent, BOTH, PRODUCTION,
         "default policy: as many handler runs as MSIs"),
    Test("disable-under-load", disable_under_load, BOTH, STORM,
         "irqhop disable leaves every interrupt at home"),
    Test("unload-under-load", unload_under_load, BOTH, STORM,
         "rmmod leaves every interrupt at home"),
    Test("user-space-vcpu", user_space_vcpu, BOTH, STORM + ("bin/hold",),
         "a vCPU in user space gets nothing"),
    Test("msi-exact", msi_exact, BOTH, STORM,
         "hops at every preemption: 100,000 MSIs, as many handler runs"),
    Test("vmm-killed", vmm_killed, BOTH, STORM,
         "the VMM is killed while interrupts hop"),
    Test("second-vm", second_vm, PAIR, STORM,
         "a VM that is not enabled is left alone"),
    Test("clean-logs", clean_logs, None, (),
         "no kernel complains"),
)
