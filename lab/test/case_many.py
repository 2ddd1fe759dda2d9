# SPDX-License-Identifier: GPL-2.0-only
"""Tests of guests with few and many vCPUs, and of two VMs enabled at once."""

import os
import random

from acts import Storm
from state import DEVICE_ID, Lab, enable, expect, load

MSIS = 400
# MSIs at most, in all, until each queue's interrupt has hopped.
ENOUGH = 20 * MSIS


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
    """All at home, no complaint, no guest."""
    storm.disable()
    storm.logs()
    lab.complaints += storm.complaints
    storm.end()
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
    finish(lab, storm)
    return (f"1 vCPU: {storm.sums['msis']} MSIs = {storm.sums['handled']} "
            f"handler runs, {stat['preemptions']} preemptions, 0 hops")


def several(lab, vcpus):
    """A queue of the disk for each vCPU; each queue's interrupt hops."""
    boot(lab, vcpus)
    storm = Storm(lab, random.Random(vcpus))
    storm.vcpus = vcpus
    count, disk = queues(lab, "NVME")
    expect(count == vcpus + 1, f"{vcpus} vCPUs, the disk has {count} LPIs")
    count, nic = queues(lab, "NIC")
    expect(count > 2, f"{vcpus} vCPUs, the NIC has {count} LPIs")
    before = lab.trace.read().moves.copy()
    storm.begin()
    still = disk + nic
    msis = 0
    while still:
        # A chunk forgets those of the one before.
        lab.complaints += storm.complaints
        storm.chunk(MSIS, ())
        msis += storm.sums["msis"]
        still = [key for key in still if lab.trace.moves[key] == before[key]]
        expect(msis < ENOUGH, f"{vcpus} vCPUs: never hopped: {still}")
    stat = lab.stat()
    expect(stat["failed"] == 0, f"{stat['failed']} moves refused")
    finish(lab, storm)
    return (f"{vcpus} vCPUs: {len(disk)} + {len(nic)} interrupts of queues, "
            f"each moved; {msis} MSIs = {msis} handler runs, "
            f"{stat['hops']} hops")


def both(lab):
    """Two VMs, one with the disk and one with the NIC, both enabled."""
    lab.boot_guests(Lab.PAIR)
    storm = Storm(lab, random.Random(2))
    # Pings are answered by the other one.
    storm.guest = "l3"
    storm.begin()
    load.place_guest(lab.m, "2-3", "l2")
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
    return (f"2 VMs: {storm.sums['msis']} MSIs in the one, "
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
    """Guests with 1, 2 and 8 vCPUs, and two VMs."""
    return boots(build, logs, "many", 8, (
        single, lambda lab: several(lab, 2), lambda lab: several(lab, 8),
        both))
