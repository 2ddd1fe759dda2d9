# SPDX-License-Identifier: GPL-2.0-only
"""Tests of interrupts that KVM injects: of passed-through devices where the
host has no GICv4, of virtio devices with vhost, and of both kinds in one
guest."""

import collections
import contextlib
import random
import re

from acts import PINGS, Storm
from acts_guest import until, write_affinity
import case_storm as storm_tests
from case_hops import homecoming
from exact import Sent, told
from state import enough, expect, load

# MSIs of one look at the counts; a virtio disk's come more slowly.
MSIS = enough(1500, 4000)
VIRTIO_MSIS = enough(600, 1000)
# Looks at them.
LOOKS = enough(2, 3)
# How often the guest is to move an interrupt to just where irqhop has it.
MOVES_THERE = enough(2, 4)
# In so many turns at most.
TURNS_THERE = 50
MOVES_UNDER_LOAD = enough(4, 8)
# How often a guest is saved and restored, and where that is kept.
RESTORES = enough(2, 3)
STATE = "/run/l2.state"
GUEST_VIRTIO = {"l2": ("VDISK", "VHOST")}

# Whatever KVM injects comes by here. "pending" is the new one; it is fresh if
# the interrupt was on no vCPU's list, and one that is not may merge with the
# one before.
PROBE = "/sys/kernel/tracing/events/lab/queue"
PROBE_SET = f"""
[ ! -d {PROBE} ] || exit 0
irq='intid=irq->intid:u32 queued=irq->vcpu:x64'
irq="$irq pending=irq->pending_latch:u8 enabled=irq->enabled:u8"
cd /sys/kernel/tracing
echo "p:lab/queue vgic_queue_irq_unlock $irq" >kprobe_events
lpi='pending == 1 && intid >= 8192'
echo "hist:name=all:keys=intid if $lpi" >{PROBE}/trigger
echo "hist:name=fresh:keys=intid if $lpi && queued == 0 && enabled == 1" \\
    >>{PROBE}/trigger
"""
RUNS = "grep . /sys/kernel/irq/*/per_cpu_count"

# When a vCPU has left the guest, and for user space; each interrupt that irqhop
# sends home; and when the VMM goes on: its ioctl is done.
EVENTS = "kvm/kvm_exit kvm/kvm_userspace_exit irqhop/return raw_syscalls/sys_exit"
LEAVING = f"""
cd /sys/kernel/tracing
echo 'id == 29' >events/raw_syscalls/sys_exit/filter
echo >trace
for event in {EVENTS}; do
    echo 1 >events/$event/enable
done
cd /
"""
LEFT = f"""
cd /sys/kernel/tracing
for event in {EVENTS}; do
    echo 0 >events/$event/enable
done
grep -v '^#' trace | tail -n 500
"""

# Of one interrupt: what KVM was asked to inject, how many of these were fresh,
# and handler runs.
Count = collections.namedtuple("Count", "all fresh runs")


class Injections:
    """Counts what KVM injects, by INTID, beside what the guest handles."""

    def __init__(self, lab):
        self.lab = lab
        lab.m.run(PROBE_SET)
        # So that the guest has nothing to start for it later.
        lab.wanted()
        self.start = self.look()

    @staticmethod
    def injected(text):
        """{"all" or "fresh": {INTID: number}} from the probe's histograms."""
        counts = {}
        for name, rows in re.findall(r"hist:name=(\w+):(.*?)^Totals:", text,
                                     re.M | re.S):
            counts[name] = collections.Counter({
                int(intid): int(n) for intid, n in
                re.findall(r"intid: +(\d+) } hitcount: +(\d+)", rows)})
        return counts

    def sent(self):
        """What KVM was asked to inject so far, by INTID."""
        return self.injected(self.lab.m.run(f"cat {PROBE}/hist"))["all"]

    def look(self):
        """{INTID: Count} so far, of a moment at which nothing comes."""
        for _ in range(20):
            wanted = self.lab.wanted()
            text = self.lab.m.run(
                f"cat {PROBE}/hist; echo ====\nguest l2 <<'END'\n{RUNS}\nEND\n"
                f"sleep 0.1\necho ====\ncat {PROBE}/hist")
            before, runs, after = text.split("====\n")
            if before == after:
                break
        else:
            expect(False, "interrupts go on and on")
        runs = {int(irq): sum(map(int, row.split(","))) for irq, row
                in re.findall(r"/(\d+)/per_cpu_count:(.*)$", runs, re.M)}
        sent = self.injected(after)
        return {want.intid: Count(sent["all"][want.intid],
                                  sent["fresh"][want.intid], runs[want.irq])
                for want in wanted}

    def expect_bounds(self, when, device):
        """Each that was fresh was handled, and none was handled that was not
        injected. Return the sums of Count for this device."""
        now = self.look()
        total = Count(0, 0, 0)
        for intid in self.lab.intids(device):
            count = Count(*(b - a for a, b in
                            zip(self.start[intid], now[intid])))
            expect(count.fresh <= count.runs <= count.all,
                   f"{when}: {device}, LPI {intid}: {count.all} injected, "
                   f"{count.fresh} of them when nothing was pending, "
                   f"{count.runs} handler runs")
            total = Count(*map(sum, zip(total, count)))
        return total


class VirtioStorm(Storm):
    """The same with a virtio disk: what it sends is what KVM injects."""

    DISK, QUEUE = "/dev/vda", r"virtio\d+-req\.\d+"

    def __init__(self, lab, rng, injections, off=False):
        super().__init__(lab, rng, off)
        self.injections = injections
        self.intids = lab.intids("VDISK")
        # How often what was pending was injected once more.
        self.again = 0

    def sent(self):
        """Injected for the disk so far; nothing is known of merges."""
        sent = self.injections.sent()
        return Sent(sum(sent[intid] for intid in self.intids) - self.again,
                    0, 0, 0), ()

    @staticmethod
    def every_read(reads, msis):
        """One that was finished while the handler still looked for more needs
        no interrupt of its own."""
        expect(0.9 * reads - 1 <= msis <= reads + 1,
               f"{reads} reads, {msis} interrupts")


# -- what the guest wants meanwhile -------------------------------------------


@contextlib.contextmanager
def undisturbed(storm):
    """A policy that leaves alone what is at a vCPU that runs, and a pCPU for
    each of them: what is away stays where it is."""
    m = storm.lab.m
    m.run(f"irqhop policy {storm.guest} recent")
    storm.neighbours(False)
    load.place_guest(m, "2-5")
    m.run("sleep 0.1")
    try:
        yield
    finally:
        load.place_guest(m, "2-3")
        storm.neighbours(True)
        m.run(f"irqhop policy {storm.guest} storm")


def wants_it_there(storm, want, vcpu, when):
    """The guest moves an interrupt to this vCPU, and everybody knows that this
    is its home."""
    write_affinity(storm, {want.irq: vcpu})

    def wrong():
        home = storm.lab.homes()[want.intid]
        lpi, = (lpi for lpi in storm.lab.listing().lpis
                if lpi.intid == want.intid)
        if not home == lpi.home == vcpu:
            return f"home by the guest {home}, by irqhop {lpi}"
        return None
    until(wrong, f"{when}: LPI {want.intid} to vCPU {vcpu}")


def away(storm):
    """[(Wanted, target)] of the NIC's interrupts that are away."""
    nic = {want.intid: want for want in storm.lab.wanted()
           if want.device in ("NIC", "VHOST")}
    return [(nic[lpi.intid], lpi.target) for lpi
            in storm.lab.listing().away() if lpi.intid in nic]


def moved_there(storm):
    """The guest moves what is away to just where irqhop has put it, while it
    is certain to be there. In two turns of three it is not: what was away has
    gone home, or goes on moving."""
    there = none = moving = 0
    while there < MOVES_THERE:
        turn = there + none + moving
        expect(turn < TURNS_THERE, f"{there} moved to where they were in "
               f"{turn} turns: none was away in {none}, and in {moving} they "
               "went on moving")
        storm.run(100)
        with undisturbed(storm):
            # A command of the guest's brings all the others home.
            found = away(storm)
            if not found:
                none += 1
            elif found != away(storm):
                moving += 1
            else:
                want, vcpu = storm.rng.choice(found)
                wants_it_there(storm, want, vcpu, f"to its target, turn {turn}")
                there += 1
    return (f"{there} moved to just where they were, "
            f"{there + none + moving} turns")


def moved_under_load(storm):
    """The guest moves interrupts while they hop, half of the time to where
    they are seen."""
    count = none = 0
    while count < MOVES_UNDER_LOAD:
        expect(count + none < TURNS_THERE,
               f"none was away in {none} of {count + none} turns")
        found = away(storm)
        if not found:
            none += 1
            storm.run(20)
            continue
        want, vcpu = storm.rng.choice(found)
        if count % 2:
            vcpu = storm.rng.randrange(storm.vcpus)
        wants_it_there(storm, want, vcpu, f"under load, move {count}")
        count += 1
    return f"{count} moved under load, {count + none} turns"


def wanted_elsewhere(storm):
    """All of that, with I/O."""
    storm.io_start()
    notes = [moved_there(storm), moved_under_load(storm)]
    storm.io_pause()
    storm.agree()
    return ", ".join(notes)


# -- the tests ----------------------------------------------------------------


def no_complaints(lab):
    """A look at the logs in the end."""
    for name in ["L1", *lab.guests]:
        lab.complaints += lab.complain(name)
    expect(not lab.complaints, "\n".join(lab.complaints))


def hop_and_count(storm, when, wanted=MSIS):
    """Hops at every preemption; the counts are looked at now and then."""
    sums = collections.Counter()
    before = storm.lab.stat()
    for _ in range(LOOKS):
        storm.chunk(wanted, ())
        expect(not storm.complaints, "\n".join(storm.complaints))
        sums.update(storm.sums)
    stat = storm.lab.stat()
    expect(stat["failed"] == before["failed"],
           f"{when}: {stat['failed']} moves refused")
    expect(sums["hops"] > sums["msis"] // 20,
           f"{when}: {sums['hops']} hops for {sums['msis']} MSIs")
    return (f"{told(sums['msis'], sums['handled'])}, {sums['hops']} hops")


def leave_off(storm):
    """Disabled, all is at home; the load goes."""
    storm.io_stop()
    storm.disable()
    storm.logs()
    storm.lab.complaints += storm.complaints
    storm.end()


def injected(lab):
    """Passed-through devices on a host without GICv4."""
    lab.module("irqhop-test")
    lab.expect_home("before")
    storm = Storm(lab, random.Random(1))
    storm.begin()
    runs = lab.handled()
    notes = [hop_and_count(storm, "injected")]
    runs = [b - a for a, b in zip(runs, lab.handled())]
    expect(sum(n > sum(runs) // 50 for n in runs) >= 3,
           f"handler runs by vCPU: {runs}")
    notes += [f"by vCPU {'/'.join(map(str, runs))}", wanted_elsewhere(storm)]
    leave_off(storm)
    notes += [homecoming(lab, enough(3, 6), "irqhop disable l2"),
              homecoming(lab, enough(3, 6),
                         "rmmod irqhop; insmod /lab/irqhop-test.ko")]
    no_complaints(lab)
    return "; ".join(notes)


def beside_vhost(storm, injections, when, *looks):
    """What a disk sends is counted, and of vhost's network what KVM injects;
    whatever else there is to look at comes before the guest moves any."""
    storm.begin()
    notes = [hop_and_count(storm, when, VIRTIO_MSIS),
             *(look(storm) for look in looks)]
    net = injections.expect_bounds(when, "VHOST")
    notes += [f"network: {net.fresh} <= {net.runs} handler runs <= "
              f"{net.all} injected", wanted_elsewhere(storm)]
    injections.expect_bounds(f"{when}, moved by the guest", "VHOST")
    leave_off(storm)
    no_complaints(storm.lab)
    return "; ".join(notes)


def vhost(lab):
    """A guest of virtio devices: vhost's network and the VMM's disk."""
    injections = Injections(lab)
    storm = VirtioStorm(lab, random.Random(2), injections)
    return beside_vhost(storm, injections, "vhost")


def both_away(storm):
    """Interrupts of both kinds are away now and then."""
    seen = collections.Counter()
    storm.io_start()
    for _ in range(20):
        seen.update({lpi.delivery for lpi in storm.lab.listing().away()})
        storm.run(20)
    storm.io_pause()
    expect(seen["direct"] > 2 and seen["injected"] > 2,
           f"in 20 looks something was away: {dict(seen)}")
    return (f"away in {seen['direct']} of 20 looks direct ones, in "
            f"{seen['injected']} injected ones")


def mixed(lab):
    """A disk whose interrupts are direct, and a network by vhost."""
    injections = Injections(lab)
    storm = Storm(lab, random.Random(3))
    return beside_vhost(storm, injections, "mixed", both_away)


def pending(lab):
    """INTIDs that are pending by KVM's record."""
    rows = lab.m.run("grep -h LPI /sys/kernel/debug/kvm/$(cat /run/l2/pid)-*"
                     "/vgic-state").splitlines()
    # The P of the flags PLAEHCG.
    return {int(row.split()[1]) for row in rows if row.split()[3][0] == "1"}


Leaving = collections.namedtuple("Leaving", "homes last back")


def leaving(text):
    """Of the last vCPU that left for user space: how many interrupts went home
    by that, and in us since it had left the guest: when the last of them was
    there, and when the VMM went on."""
    rows = [(task, 1e6 * float(time), event) for task, time, event in
            re.findall(r"-(\d+) +\[\d+\] \S+ +([\d.]+): (\w+):", text)]
    last, when, _ = [row for row in rows if row[2] == "kvm_userspace_exit"][-1]
    times = collections.defaultdict(list)
    for task, time, event in rows:
        if task == last or event == "return":
            times[event].append(time)
    since = max(time for time in times["kvm_exit"] if time <= when)
    back = min(time for time in times["sys_exit"] if time >= when)
    late = sum(time > back for time in times["return"])
    expect(not late, f"{late} went home after the VMM had gone on")
    homes = [time for time in times["return"] if time >= since]
    return Leaving(len(homes), max(homes, default=since) - since, back - since)


def save_and_restore(storm, when):
    """Save the guest, end its VMM, and go on with another one; reads are under
    way. Return the INTIDs that were pending meanwhile, and Leaving."""
    lab, homes = storm.lab, storm.lab.homes()
    text = lab.m.run(PINGS + "stop_all ping\nwait_for 20 answered\n"
                     + LEAVING + "monitor l2 stop >/dev/null\n" + LEFT)
    if not storm.off:
        lab.expect_home(f"{when}, to be saved", homes=homes)
    waiting = pending(lab)
    lab.m.run(f"guest_save l2 {STATE}", stage=f"{when}: saving the guest")
    lab.wait_gone(0)
    lab.m.start_guest(devices=" ".join("$" + d for d in lab.guests["l2"]),
                      state=STATE)
    expect(lab.kvm().keys() == homes.keys() and pending(lab) == waiting,
           f"{when}: restored with {lab.kvm()}, {pending(lab)} pending; it "
           f"was saved with {homes}, {waiting} pending")
    load.place_guest(lab.m, "2-3")
    lab.m.run(f"rm {STATE}\nmonitor l2 cont >/dev/null")
    storm.enable()
    return waiting, leaving(text)


def restored(storm):
    """Again and again; what was pending is injected once more by KVM."""
    lab = storm.lab
    disk, waited, lefts = lab.intids("VDISK"), 0, []
    for turn in range(RESTORES):
        storm.io_start()
        storm.run(VIRTIO_MSIS // RESTORES)
        again, left = save_and_restore(storm, f"restore {turn}")
        lefts.append(left)
        storm.again += len(again & disk)
        waited += len(again)
        storm.run(VIRTIO_MSIS // RESTORES)
        sent, received = lab.pinged(lab.m.run(f"{lab.PING} -c 50 || true"))[0]
        expect(sent == received, f"restore {turn}: {received} of {sent} pings")
        storm.io_stop()
        lab.m.run("irqhop verify l2")
    expect(any(left.homes for left in lefts), "nothing was ever away")
    return (f"{RESTORES} times, {waited} were pending then; "
            + ", ".join(str(left.homes) for left in lefts)
            + " went home as the last vCPU left, the last of them after "
            + ", ".join(f"{left.last:.0f}" for left in lefts)
            + " us; the VMM went on after "
            + ", ".join(f"{left.back:.0f}" for left in lefts) + " us")


def save_restore(lab):
    """A guest of virtio devices is saved and restored while it reads."""
    storm = VirtioStorm(lab, random.Random(4), Injections(lab))
    storm.begin()
    note = restored(storm)
    hops = lab.stat()["hops"]
    expect(hops > 50, f"after the last restore {hops} hops only")
    storm.disable()
    storm.logs()
    lab.complaints += storm.complaints
    storm.end()
    no_complaints(lab)
    return (f"{note}; {storm.sums['msis']} injected for the disk = as many "
            "handler runs")


def guest_acts(lab):
    """What a guest does."""
    return storm_tests.each(lab, "guest", "injected")


def host_acts(lab):
    """What a host does."""
    return storm_tests.each(lab, "host", "injected")


def mixed_guest_acts(lab):
    """What a guest does that has interrupts of both kinds."""
    return storm_tests.each(lab, "guest", "mixed")


def mixed_host_acts(lab):
    """What a host does."""
    return storm_tests.each(lab, "host", "mixed")
