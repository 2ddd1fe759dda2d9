# SPDX-License-Identifier: GPL-2.0-only
"""A guest that crashes while one of its CPUs cannot be stopped.

Its crash kernel runs on one vCPU. The vCPU of that CPU goes on running beside
it, with its LPIs enabled, and will never take an interrupt.
"""

import random
import time

import acts_guest
from acts import Storm
from state import Lab, expect

# vCPUs: one crashes, and goes on in the crash kernel; one cannot be stopped.
CRASHES, STUCK = 2, 3
# Reads in the crash kernel.
READS = 300
# So long, in seconds of this machine, until it is up.
PATIENCE = 1200

CRASH = acts_guest.IMAGES + f"""
kexec -i -c -p /tmp/Image --initrd=/tmp/initrd \\
    --append='{acts_guest.CRASH_APPEND}'
(
    sleep 0.3
    insmod /modules/stuck.ko cpu={STUCK}
    taskset -c {CRASHES} sh -c 'echo c >/proc/sysrq-trigger'
) </dev/null >/dev/null 2>&1 &
"""


def nothing_astray(since, when):
    """What the crash kernel has mapped never pointed anywhere but to it."""
    seen = since.pointed()
    stray = set(seen) - {CRASHES}
    expect(not stray, f"{when}: interrupts of the crash kernel on vCPU "
           f"{CRASHES} were pointed at vCPUs {sorted(stray)}, vCPU {STUCK} "
           f"is stuck: {dict(seen)}")
    return seen[CRASHES]


def crash(storm, since):
    """Crash, and wait until the crash kernel is up."""
    before = acts_guest.boots(storm)
    storm.lab.m.guest(CRASH, storm.guest, stage="loading a crash kernel")
    begun = time.monotonic()
    while acts_guest.boots(storm) == before:
        nothing_astray(since, "while it boots")
        expect(time.monotonic() - begun < PATIENCE,
               f"the crash kernel is not up after {PATIENCE} s")
        time.sleep(1)
    return time.monotonic() - begun


def spent(listing, vcpu, states):
    """Time in ms that a vCPU has spent in these states so far."""
    return sum(listing.times[vcpu][state] for state in states) // 1000000


def crashed(storm):
    """The guest has crashed: its interrupts stay with the crash kernel."""
    lab, since = storm.lab, acts_guest.Since(storm)
    with acts_guest.at_ease(storm):
        seconds = crash(storm, since)
    said = storm.lab.m.guest(acts_guest.CRASHED, storm.guest)
    expect(said.split() == ["0", "vmcore"], f"the crash kernel: {said}")
    before = lab.listing()
    acts_guest.crash_reads(storm, READS)
    acts_guest.answers(storm)
    after = lab.listing()
    expect(after.enabled, "not enabled any more")
    # There was where to hop to, and reason.
    out, runs = [spent(after, vcpu, states) - spent(before, vcpu, states)
                 for vcpu, states in ((CRASHES, ("preempted", "halted")),
                                      (STUCK, ("running",)))]
    expect(out > 0 and runs > 0, f"vCPU {CRASHES} was out for {out} ms, vCPU "
           f"{STUCK} ran for {runs} ms")
    wrong = [str(lpi) for lpi in after.lpis
             if lpi.home != CRASHES or lpi.target not in (CRASHES, None)]
    expect(after.lpis and not wrong,
           f"crash kernel on vCPU {CRASHES}: {', '.join(wrong) or 'no LPI'}")
    maps = nothing_astray(since, "after it was up")
    expect(maps >= 4, f"the crash kernel has mapped {maps} interrupts")
    return (f"the crash kernel is up after {seconds:.0f} s; {READS} reads, "
            f"vCPU {STUCK} ran for {runs} ms while vCPU {CRASHES} was out for "
            f"{out} ms: {maps} mappings, none of them there")


def stuck(lab):
    """Crash on one vCPU while another one spins with interrupts off."""
    lab.guest_options = acts_guest.GUEST
    try:
        lab.boot_guests(Lab.BOTH)
    finally:
        lab.guest_options = {}
    storm = Storm(lab, random.Random(0))
    storm.begin()
    try:
        text = crashed(storm)
    finally:
        storm.end()
        lab.m.save_guest_console()
        # It cannot be asked for its log, as other guests are at their end.
        lab.m.run("kill -9 $(cat /run/l2/pid)")
        lab.guests.pop("l2")
        lab.wait_gone(0)
    complaints = lab.complain("L1")
    expect(not complaints, "\n".join(complaints))
    return text
