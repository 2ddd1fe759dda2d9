# SPDX-License-Identifier: GPL-2.0-only
"""Tests of hops: none lost, none doubled, all home in the end."""

import re

from exact import told
from state import DEVICE_ID, QUEUE, enable, enough, expect, load

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


# A kernel has the first, or before 6.6 the other two.
SLICES = """
cd /sys/kernel/debug/sched
echo {feature} >features
for knob in base_slice_ns min_granularity_ns latency_ns; do
    [ -e $knob ] || continue
    [ -e /run/$knob ] || cat $knob >/run/$knob
    {length} >$knob
done
"""


def slices(lab, length_us):
    """Preempt this often, and not only at the tick; None: as it was."""
    if length_us:
        lab.m.run(SLICES.format(feature="HRTICK",
                                length=f"echo {length_us}000"))
    else:
        lab.m.run(SLICES.format(feature="NO_HRTICK", length="cat /run/$knob"))


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
    msis, runs = lab.expect_exact(before, policy)
    moves = lab.trace.moves[QUEUE] - moves
    after = lab.stat()
    stat = {key: after[key] - stat[key] for key in after}
    direct = int(lab.m.run("direct_counts")) - host
    taken = sum(n >= reads // 200 for n in runs)
    expect(done == msis == reads,
           f"{reads} reads wanted, {done} done, {msis} interrupts")
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
    return (f"{told(msis, sum(runs))}, by vCPU "
            f"{'/'.join(map(str, runs))}; it moved {moves} times "
            f"({stat['hops']} hops of all); "
            f"{stat['preemptions']} preemptions; 0 through the host; "
            f"{1e3 * seconds / reads:.2f} ms of real time each")


def msi_exact(lab):
    """Policy storm: every preemption moves every interrupt."""
    lab.module("irqhop-test")
    reads = enough(15000, 40000)
    return exact(lab, "storm", reads, reads // 10, 3)


def msi_exact_default(lab):
    """The default policy of the production module."""
    lab.module("irqhop")
    return exact(lab, "summon", 4000, 100, 2)


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
        made = int(re.search(r"^hops=(\d+)", text, re.M).group(1))
        hops += made
        away += bool(re.search(r"^ +\d+ +(\d) +(?!\1)\d +(direct|injected)",
                              text, re.M))
        listing = lab.listing()
        expect(not listing.enabled, f"{when}: still enabled")
        lab.expect_home(when, listing=listing)
        if lab.m.direct:
            # What the ITS was told, on the way home too.
            made = lab.moved() - moves
        expect(made > (50 if lab.m.direct else 10),
               f"{when}: {made} hops only")
        sent, received = lab.pinged(text)[0]
        expect(sent == received == 40,
               f"{when}: {sent} pings sent, {received} answered")
        pings += received
    reads = lab.read_stop()
    msis, runs = lab.expect_exact(before, "over all", at_least=500)
    expect(abs(reads - msis) <= 1, f"{reads} reads, {msis} interrupts")
    expect(away >= cycles // 3,
           f"interrupts were away in {away} of {cycles} cycles only")
    return (f"{cycles} times under load: all at home by irqhop, KVM and the "
            f"ITS; {hops} hops, away shortly before {away} times; {reads} "
            f"reads, {told(msis, sum(runs))}, {pings} pings, none lost")


def disable_under_load(lab):
    """irqhop disable."""
    return homecoming(lab, enough(6, 10), "irqhop disable l2")


def unload_under_load(lab):
    """rmmod, with no disable before."""
    return homecoming(lab, enough(6, 12),
                      "rmmod irqhop; insmod /lab/irqhop-test.ko")


# -- what a guest changes meanwhile -------------------------------------------


def reloaded(lab, seconds):
    """How often the ITS read an interrupt's configuration again."""
    reloads = lab.trace.read().reloads
    before = sum(reloads[device] for device in DEVICE_ID.values())
    lab.m.run(f"sleep {seconds}")
    lab.trace.read()
    return sum(reloads[device] for device in DEVICE_ID.values()) - before


def away_reloaded(lab):
    """A guest's INVALL is for the vCPU where an interrupt has its home: those
    that are away have to be looked after."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    before = reloaded(lab, 1)
    expect(before == 0, f"not enabled: {before} INV")
    enable(lab, "storm")
    lab.read_start()
    seconds = 4
    away = reloaded(lab, seconds)
    expect(away >= seconds, f"in {seconds} s of hops only {away} INV")
    lab.m.run("irqhop disable l2")
    lab.read_stop()
    lab.expect_home("disabled")
    return f"{away} INV in {seconds} s of hops; none when not enabled"
