# SPDX-License-Identifier: GPL-2.0-only
"""Tests of guests with few and many vCPUs, and of two VMs enabled at once."""

import os
import random

from acts import Storm
from state import DEVICE_ID, Lab, enable, enough, expect, load

MSIS = enough(200, 400)
# MSIs at least of each queue of the disk in a round, and rounds at most until
# each queue's interrupt has hopped.
EACH = enough(20, 40)
ROUNDS = 4


def boot(lab, vcpus):
    """A guest with so many vCPUs, all of them busy."""
    lab.trace.read().new_vpes.clear()
    lab.m.start_guest("l2", vcpus)
    lab.guests["l2"] = Lab.BOTH["l2"]
    lab.vpes["l2"] = list(lab.trace.read().new_vpes)
    expect(len(lab.vpes["l2"]) == vcpus,
           f"{vcpus} vCPUs, {len(lab.vpes['l2'])} vPEs")
    load.busy_guest(lab.m, "l2", range(vcpus))


def finish(lab, storm):
    """All at home, no complaint."""
    storm.disable()
    storm.logs()
    lab.complaints += storm.complaints
    storm.end()


def finish_guests(lab, storm):
    """The same, and no guest is left."""
    finish(lab, storm)
    for name in list(lab.guests):
        lab.end_guest(name)


def queues(lab, device):
    """How many of a device's interrupts there are, and which of them are
    used by a queue: all but that for the rest, the first."""
    keys = sorted(key for key in lab.trace.read().intid
                  if key[0] == DEVICE_ID[device])
    return len(keys), keys[1:]


def single(lab):
    """One vCPU: there is nowhere to hop to, and nothing is lost by it."""
    boot(lab, 1)
    storm = Storm(lab, random.Random(1))
    storm.vcpus = 1
    storm.begin()
    moved = lab.moved()
    storm.go_on(MSIS)
    storm.io_pause()
    storm.agree()
    moved = lab.moved() - moved
    stat = lab.stat()
    expect(stat["preemptions"] > 20, f"{stat['preemptions']} preemptions only")
    expect(stat["hops"] == moved == 0,
           f"1 vCPU: {stat['hops']} hops, {moved} moves by the ITS")
    finish_guests(lab, storm)
    return (f"1 vCPU: {storm.told()}, {stat['preemptions']} preemptions, "
            "0 hops")


def queue_runs(lab, storm):
    """Handler runs of each of the disk's queues so far, by vCPU."""
    rows = [line.split() for line in lab.m.guest(
        "grep -w 'nvme0q[1-9][0-9]*' /proc/interrupts",
        storm.guest).splitlines()]
    return {int(row[-1].removeprefix("nvme0q")):
            [int(word) for word in row[1:storm.vcpus + 1]] for row in rows}


def queue_sent(lab, queues_there):
    """exact.Sent of each of these queues so far."""
    return {queue: lab.sent(queue.__eq__)[0] for queue in queues_there}


def visit(lab, storm):
    """The reader goes from vCPU to vCPU, and so from queue to queue; then all
    has to be as it should."""
    storm.io_start()
    for vcpu in range(storm.vcpus):
        lab.m.guest("read -r pid </tmp/fio.pid\n"
                    f"taskset -ap {1 << vcpu:x} $pid >/dev/null", storm.guest)
        storm.run(EACH)
    storm.io_pause()
    storm.agree()


def compare(storm, sent, runs):
    """Each queue of its own: as many handler runs as MSIs. Return how many of
    them were on another vCPU than where the queue's most were."""
    expect(len(runs) == storm.vcpus,
           f"{storm.vcpus} vCPUs, the disk has queues {sorted(runs)}")
    for queue, by_vcpu in runs.items():
        wrong = sent[queue].wrong(sum(by_vcpu))
        expect(not wrong, f"queue {queue}: {wrong} {by_vcpu}")
        # One that was under way as the reader came or went is another's.
        expect(sent[queue].msis >= EACH - 2,
               f"queue {queue} was hardly read through: {sent}")
    away = sum(sum(by_vcpu) - max(by_vcpu) for by_vcpu in runs.values())
    expect(away > EACH, f"only {away} handler runs elsewhere: {runs}")
    return away


def several(lab, vcpus):
    """A queue of the disk for each vCPU; each is read through, and each
    queue's interrupt hops."""
    boot(lab, vcpus)
    storm = Storm(lab, random.Random(vcpus))
    storm.vcpus = vcpus
    count, disk = queues(lab, "NVME")
    expect(count == vcpus + 1, f"{vcpus} vCPUs, the disk has {count} LPIs")
    count, nic = queues(lab, "NIC")
    expect(count > 2, f"{vcpus} vCPUs, the NIC has {count} LPIs")
    before = queue_runs(lab, storm)
    sent = queue_sent(lab, before)
    moves = lab.trace.moves.copy()
    storm.begin()
    still = disk + nic
    for _ in range(ROUNDS):
        visit(lab, storm)
        still = [key for key in still if lab.trace.moves[key] == moves[key]]
        if not still:
            break
    expect(not still, f"{vcpus} vCPUs: never hopped: {still}")
    away = compare(storm, {
        queue: now - sent[queue]
        for queue, now in queue_sent(lab, before).items()}, {
        queue: [b - a for a, b in zip(before[queue], after)]
        for queue, after in queue_runs(lab, storm).items()})
    stat = lab.stat()
    expect(stat["failed"] == 0, f"{stat['failed']} moves refused")
    finish_guests(lab, storm)
    return (f"{vcpus} vCPUs: {len(disk)} + {len(nic)} interrupts of queues, "
            f"each moved; {storm.told()}, {away} of them elsewhere, "
            f"{stat['hops']} hops")


def two_vms(lab):
    """Two VMs, one with the disk and one with the NIC, both enabled."""
    storm = Storm(lab, random.Random(2))
    # Pings are answered by the other one.
    storm.guest = "l3"
    # First, or the fillers have to die beside its busy vCPUs.
    load.place_guest(lab.m, "2-3", "l2")
    storm.begin()
    # What others have left in the logs.
    lab.complaints += storm.complaints
    enable(lab, "storm", "l2")
    before = lab.trace.read().moves.copy()
    storm.chunk(MSIS, ())
    moves = {name: lab.trace.moves[device] - before[device]
             for name, device in DEVICE_ID.items()}
    expect(min(moves.values()) > 100, f"two VMs, moves: {moves}")
    for name in Lab.PAIR:
        stat = lab.stat(name)
        expect(stat["hops"] > 20 and stat["failed"] == 0,
               f"two VMs: {name}: {stat}")
    lab.m.run("irqhop verify l2; irqhop disable l2")
    lab.expect_home("disabled beside another", "l2")
    finish(lab, storm)
    return (f"{storm.sums['msis']} MSIs in the one, "
            f"{storm.sums['pings']} pings in the other, {moves['NVME']} and "
            f"{moves['NIC']} moves")


def boots(build, logs, name, queues_most, parts):
    """A machine with guests one after another; what `parts` saw."""
    lab = Lab(build, os.path.join(logs, name), queues=queues_most, nic="igb")
    notes = []
    try:
        lab.start()
        for part in parts:
            text, seconds = load.wall(lambda part=part: part(lab))
            notes.append(f"{text} [{seconds:.0f} s]")
        lab.complaints += lab.complain("L1")
    finally:
        lab.stop()
    expect(not lab.complaints, "\n".join(lab.complaints))
    return "; ".join(notes)


def many(build, logs):
    """Guests with 1, 2 and 16 vCPUs."""
    return boots(build, logs, "many", 16, (
        single, lambda lab: several(lab, 2), lambda lab: several(lab, 16)))
