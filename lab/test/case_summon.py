# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the policy "summon": what a redirect cannot help, whether it takes
anything from the neighbours, and what a guest can make of it."""

import collections
import random
import re

from acts import Storm
from acts_host import SHARED, everybody_back, goes_on, online
from case_policies import crowd
from exact import told
from state import GUEST_IP, enable, enough, expect, load

OVERCOMMIT = 4
PINGS = enough(600, 800)
# An answer that takes longer has waited for a vCPU; in ms.
SLOW = 1
# The VM's share of the pCPUs that it shares, with and without, differs by less.
SHARE = 0.03
PING = ("ip netns exec outside taskset -c 1 ping -n -i 0.002 -c {count} "
        f"{GUEST_IP}\n")
# How often a pCPU goes.
HOTPLUGS = enough(2, 6)

# What the load balancer counts a thread as that never sleeps, and, again and
# again until the file goes, the thread that summons.
BUSY_LOAD = 1024
WATCH_LOAD = r"""
trap 'rm -f /run/watching' EXIT
>/run/watching
pid=$(grep -lx irqhop /proc/[0-9]*/comm | cut -d/ -f3)
while [ -e /run/watching ]; do
    sed -n 's/^se\.avg\.load_avg .* //p' /proc/$pid/sched
    sleep 0.02
done >/run/load </dev/null 2>&1 &
"""
END_LOAD = """
rm /run/watching
wait
echo load $(cat /run/load)
"""

Seen = collections.namedtuple("Seen", "mean slow share slice summons load")


def used(lab):
    """(seconds that the vCPUs have run, the host's clock in seconds)."""
    text = lab.m.run("""
pid=$(cat /run/l2/pid)
guest_vcpu_tids l2 | while read -r _ tid; do
    cut -d" " -f1 /proc/$pid/task/$tid/schedstat
done
cut -d" " -f1 /proc/uptime
""").split()
    return sum(map(int, text[:-1])) / 1e9, float(text[-1])


def average_load(text):
    """What the load balancer has seen of the thread that summons."""
    seen = [int(n) for n in re.search(r"^load (.*)$", text, re.M)[1].split()]
    expect(len(seen) > 10, f"looked at the thread's load only {len(seen)} times")
    return sum(seen) / len(seen)


def pinged(lab, policy):
    """Pings from outside under a policy."""
    enable(lab, policy)
    ran, begun = used(lab)
    text = lab.m.run(WATCH_LOAD + PING.format(count=PINGS) + END_LOAD)
    ran_then, ended = used(lab)
    stat = lab.stat()
    lab.m.run("irqhop disable l2")
    sent, received = lab.pinged(text)[0]
    expect(sent == received, f"{policy}: {received} of {sent} answered")
    times = [float(time) for time in re.findall(r" time=([\d.]+) ms", text)]
    return Seen(sum(times) / len(times),
                sum(time > SLOW for time in times) / len(times),
                (ran_then - ran) / (ended - begun) / 2,
                (ran_then - ran) / stat["preemptions"] * 1e3,
                stat["summons"], average_load(text))


def summon(lab):
    """Pings under "recent", and under "summon", with reads going on."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, OVERCOMMIT)
    lab.m.short_turns(True)
    before = lab.counts()
    lab.read_start()
    try:
        seen = {policy: pinged(lab, policy) for policy in ("recent", "summon")}
    finally:
        lab.m.short_turns(False)
        lab.read_stop()
        load.set_quiet(lab.m)
    msis, runs = lab.expect_exact(before, "summon", at_least=100)
    expect(seen["recent"].summons == 0, "recent summons")
    expect(seen["summon"].summons > 20,
           f"only {seen['summon'].summons} vCPUs summoned")
    # The mean has too much of the few that wait for long.
    expect(seen["summon"].slow < 0.6 * seen["recent"].slow,
           f"{seen['summon'].slow:.1%} of the pings take over {SLOW} ms, "
           f"{seen['recent'].slow:.1%} without summoning")
    expect(seen["summon"].slice < 0.8 * seen["recent"].slice,
           f"vCPUs run for {seen['summon'].slice:.2f} ms at a time, "
           f"{seen['recent'].slice:.2f} ms without summoning")
    expect(seen["summon"].load < BUSY_LOAD,
           f"the load balancer sees {seen['summon'].load / BUSY_LOAD:.1f} busy "
           "threads in the one that summons")
    expect(abs(seen["summon"].share - seen["recent"].share) < SHARE,
           f"the VM has {seen['summon'].share:.1%} of its pCPUs, "
           f"{seen['recent'].share:.1%} without summoning")
    lab.expect_home("disabled")
    return "; ".join(
        f"{policy}: mean {one.mean:.3f} ms, {one.slow:.1%} over {SLOW} ms, the "
        f"VM had {one.share:.1%}, {one.slice:.2f} ms at a time, "
        f"{one.summons} summoned, load {one.load:.0f}"
        for policy, one in seen.items()) + f"; {told(msis, sum(runs))}"


# -- who gives way ------------------------------------------------------------

# What vCPUs do besides their spinner. The kernel's work is a read that takes as
# long as one lets it; of the address spaces another one runs at each of the
# guest's ticks.
KERNEL, SPACES = 1, 2
# The host's, in ms. Who shares a pCPU runs for little more at a time.
TICK = 4
SHARES = 2 * TICK
BESIDES = f"""
taskset -c {KERNEL} dd if=/dev/zero of=/dev/null bs=4M </dev/null \\
    >/dev/null 2>&1 &
echo $!
for _ in 1 2 3 4; do
    taskset -c {SPACES} spin </dev/null >/dev/null 2>&1 &
    echo $!
done
"""
SLICES = """
guest_vcpu_tids l2 | while read -r _ tid; do
    cut -d" " -f1,3 /proc/$tid/schedstat
done
"""


def at_a_time(lab):
    """How long each vCPU runs at a time, in ms, while pings come. One that
    has its pCPU for itself may run the whole time at once."""
    lab.m.short_turns(True)
    text = lab.m.run(SLICES + PING.format(count=500)
                     .replace("\n", " >/dev/null\n") + SLICES)
    lab.m.short_turns(False)
    rows = [tuple(map(int, line.split())) for line in text.splitlines()]
    return [(ran - ran_before) / max(times - before, 1) / 1e6
            for (ran_before, before), (ran, times) in zip(rows[:4], rows[4:])]


def give_way(lab):
    """A vCPU gives way before the tick where it spins in user space, as it did
    when it was last preempted; but not in its kernel, nor if it is at something
    else by now."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, OVERCOMMIT)
    lab.m.run("stop_all filler")
    enable(lab, "summon")
    pids = lab.m.guest(BESIDES).split()
    try:
        seen = at_a_time(lab)
        summons = lab.stat()["summons"]
    finally:
        lab.m.guest("kill -9 " + " ".join(pids))
        load.set_quiet(lab.m)
    lab.m.run("irqhop disable l2")
    expect(summons > 50, f"only {summons} vCPUs summoned")
    user = [ms for vcpu, ms in enumerate(seen) if vcpu not in (KERNEL, SPACES)]
    expect(max(user) < 0.5 * TICK, "vCPUs that spin run for "
           f"{user[0]:.2f} and {user[1]:.2f} ms at a time")
    for vcpu, what in ((KERNEL, "in its kernel"),
                       (SPACES, "that has turned to something else")):
        expect(0.75 * TICK < seen[vcpu] < SHARES,
               f"a vCPU {what} runs for {seen[vcpu]:.2f} ms at a time")
    lab.expect_home("disabled")
    return (f"ms at a time: spinning {user[0]:.2f} and {user[1]:.2f}, in the "
            f"kernel {seen[KERNEL]:.2f}, from one address space to the next "
            f"{seen[SPACES]:.2f}; {summons} summoned")


# -- pCPUs go and come --------------------------------------------------------


def goes_on_summoning(storm, when, least=5):
    """Reads and summons go on from here."""
    before = storm.lab.stat()["summons"]
    goes_on(storm, when, least_hops=0)
    for _ in range(50):
        summons = storm.lab.stat()["summons"] - before
        if summons >= least:
            return
        storm.lab.m.run("sleep 0.1")
    expect(False, f"{when}: {summons} vCPUs summoned in 5 s")


def summon_pcpus(lab):
    """Each of the pCPUs that the guest shares goes offline and comes back while
    vCPUs are summoned: whatever was under way there goes on elsewhere."""
    storm = Storm(lab, random.Random(0))
    storm.policy = "summon"
    storm.begin()
    # What others have left in the logs is not this test's.
    lab.complaints += storm.complaints
    storm.complaints.clear()
    storm.io_start()
    for turn in range(HOTPLUGS):
        cpu = SHARED[turn % len(SHARED)]
        goes_on_summoning(storm, f"turn {turn}")
        online(storm, cpu, 0)
        goes_on_summoning(storm, f"turn {turn}, without pCPU {cpu}")
        online(storm, cpu, 1)
        everybody_back(storm)
    goes_on_summoning(storm, "all are back")
    summons = lab.stat()["summons"]
    storm.io_stop()
    storm.disable()
    storm.logs()
    storm.end()
    expect(not storm.complaints, "\n".join(storm.complaints))
    return (f"{HOTPLUGS} times, {summons} summoned; {storm.told()}, "
            f"{storm.sums['pings']} pings, none lost")


# -- a guest that asks for too much -------------------------------------------

# Of one VM, see kmod/summon.c: so many in a second, and so many at once.
SUMMONS, BURST = 1000, 50
# The thread is woken for one, and asks for it six times.
RUNS = 7
LOOK = """
irqhop stat --raw l2 | sed -n "s/^enabled_ns=//p; s/^summons.*=//p"
cut -d" " -f1,3 /proc/$thread/schedstat
"""
Flood = collections.namedtuple("Flood", "ns summons held ran times")


def flooded(lab, pings):
    """(Flood, what ping said) for as long as it takes to send so many, while
    vCPU 0 sends IPIs to the others."""
    # Or whole slices would be over before an IPI is seen.
    lab.m.short_turns(True)
    try:
        lab.m.guest("insmod /modules/ipis.ko from=0 to=0xe")
        text = lab.m.run(f"thread=$(pgrep -x irqhop)\n{LOOK}\necho ==\n"
                         f"{lab.PING} -c {pings} || true\necho ==\n{LOOK}")
    finally:
        lab.m.short_turns(False)
        lab.m.guest("rmmod ipis")
    before, ping, after = text.split("==\n")
    rows = [Flood(*map(float, look.split())) for look in (before, after)]
    return Flood(*(b - a for a, b in zip(*rows))), ping


# How many IPIs find a vCPU preempted is luck: look at so many floods for one
# that asks for more than is allowed.
FLOODS = 8


def flooded_beyond(lab):
    """The same, for a flood of which some was held back, if there is any."""
    for _ in range(FLOODS):
        seen, ping = flooded(lab, 30)
        if seen.held > 20:
            break
    return seen, ping


# Which vCPU gets the IPIs; it shares a pCPU with the one in its kernel.
CALLED = 2
TOGETHER = f"""
stop_all neighbour filler
guest_vcpu_tids l2 | while read -r vcpu tid; do
    case $vcpu in
        {KERNEL}|{CALLED}) taskset -pc 3 $tid ;;
        *) taskset -pc $((vcpu + 2)) $tid ;;
    esac >/dev/null
done
"""
READS = f"""
taskset -c {KERNEL} dd if=/dev/zero of=/dev/null bs=4M </dev/null \\
    >/dev/null 2>&1 &
echo $!
"""


def siblings(lab):
    """Two vCPUs share a pCPU. One is in the guest's kernel all the time, the
    other is summoned again and again for IPIs, and waits for the first."""
    lab.module("irqhop-test")
    lab.m.run(TOGETHER)
    enable(lab, "summon")
    pid = lab.m.guest(READS)
    try:
        lab.m.guest(f"insmod /modules/ipis.ko from=0 to={1 << CALLED:#x}")
        seen = at_a_time(lab)
        summons = lab.stat()["summons"]
    finally:
        lab.m.guest(f"rmmod ipis; kill -9 {pid}")
        load.set_quiet(lab.m)
    lab.m.run("irqhop disable l2")
    expect(summons > 100, f"only {summons} vCPUs summoned")
    expect(1.2 < seen[KERNEL] < SHARES, "a vCPU in its kernel runs for "
           f"{seen[KERNEL]:.2f} ms at a time")
    lab.expect_home("disabled")
    return (f"ms at a time: in the kernel {seen[KERNEL]:.2f}, summoned "
            f"{seen[CALLED]:.2f}; {summons} summoned")


# vCPUs that execute WFE some 5000 times a second while they run, as those that
# spin for a lock.
WFE = """
for vcpu in 1 2 3; do
    taskset -c $vcpu spin 500 </dev/null >/dev/null 2>&1 &
    echo $!
done
"""


def asked(seen):
    """How many a second are summoned or held back under a flood of IPIs."""
    return (seen.summons + seen.held) / (seen.ns / 1e9)


def spinning(lab):
    """A guest whose vCPUs are summoned and then spin for locks is left alone:
    most of the time nobody is summoned for its IPIs."""
    lab.module("irqhop-test")
    crowd(lab, (1, 2, 3))
    enable(lab, "summon")
    before = asked(flooded_beyond(lab)[0])
    pids = lab.m.guest(WFE).split()
    try:
        then = asked(flooded(lab, 30)[0])
    finally:
        lab.m.guest("kill -9 " + " ".join(pids))
        lab.m.run("irqhop disable l2")
        load.set_quiet(lab.m)
    expect(before > SUMMONS, f"{before:.0f} IPIs a second that summon")
    expect(then < before / 2, f"{then:.0f} IPIs a second that summon while "
           f"they spin for locks, {before:.0f} before")
    lab.expect_home("disabled")
    return (f"{before:.0f} IPIs a second that summon, {then:.0f} while they "
            "spin for locks")


def summon_flood(lab):
    """A vCPU sends IPIs to the others as fast as it can; these are preempted
    again and again, and summoned as often as may be; the rest is counted."""
    lab.module("irqhop-test")
    crowd(lab, (1, 2, 3))
    enable(lab, "summon")
    seen, ping = flooded_beyond(lab)
    lab.m.run("irqhop disable l2")
    load.set_quiet(lab.m)
    sent, received = lab.pinged(ping)[0]
    expect(sent == received, f"{received} of {sent} pings answered")
    lab.expect_home("disabled")
    seconds = seen.ns / 1e9
    most = SUMMONS * seconds + BURST
    expect(most / 2 < seen.summons <= most,
           f"{seen.summons:.0f} summoned in {seconds:.2f} s, up to "
           f"{most:.0f} allowed")
    expect(seen.held > 20, f"only {seen.held:.0f} held back of "
           f"{seen.summons + seen.held:.0f}, {most:.0f} allowed")
    expect(seen.times <= RUNS * seen.summons, f"{seen.summons:.0f} summoned, "
           f"the thread ran {seen.times:.0f} times")
    return (f"{seen.summons / seconds:.0f} summoned a second, "
            f"{seen.held:.0f} held back in {seconds:.2f} s; the thread ran "
            f"{seen.times / seconds:.0f} times a second, "
            f"{seen.ran / seen.ns:.1%} of a pCPU")
