# SPDX-License-Identifier: GPL-2.0-only
"""Tests of VMs that end, and of those beside an enabled one."""

import re

from state import DEVICE_ID, Lab, enable, expect, load


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
    _, runs = lab.expect_exact(before, "the other VM", "l3", at_least=200)
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


def disable_beside(lab):
    """Disable one VM again and again, while another one stays enabled: the
    host goes on watching, and may know nothing more of the one."""
    lab.module("irqhop-test")
    load.set_shared(lab.m, 4)
    load.place_guest(lab.m, "2-3", "l3")
    # Two vCPUs of the one that is disabled have a pCPU to themselves, so that
    # no switch tells it that the VM is gone.
    lab.m.run("""
stop_all filler
guest_vcpu_tids l2 | while read -r vcpu tid; do
    [ $vcpu -ge 2 ] || taskset -pc $((vcpu + 4)) $tid >/dev/null
done
""")
    enable(lab, "storm", "l3")
    before = lab.counts("l3")
    lab.read_start("l3")
    cycles = 8
    for cycle in range(cycles):
        moves = lab.trace.read().moves[DEVICE_ID["NIC"]]
        enable(lab, "storm", "l2")
        sent, received = lab.pinged(lab.m.run(f"""
for cpu in 4 5; do
    timeout 0.1 taskset -c $cpu spin &
done
{lab.PING} -c 20
wait
"""))[0]
        expect(sent == received, f"cycle {cycle}: {received} of {sent} pings")
        # Then a switch comes where they ran undisturbed.
        lab.m.run("irqhop disable l2; sleep 0.02\n"
                  "taskset -c 4 true; taskset -c 5 true; sleep 0.02")
        lab.expect_home(f"cycle {cycle}", "l2")
        moves = lab.trace.read().moves[DEVICE_ID["NIC"]] - moves
        expect(moves > 20, f"cycle {cycle}: only {moves} moves")
    lab.read_stop("l3")
    _, runs = lab.expect_exact(before, "the other VM", "l3", at_least=200)
    hops = lab.stat("l3")["hops"]
    expect(hops > 50, f"the other VM hopped {hops} times only")
    lab.m.run("irqhop disable l3")
    lab.expect_home("in the end", "l3")
    return (f"disabled {cycles} times, all at home; the other VM meanwhile: "
            f"{hops} hops, {sum(runs)} reads, none lost")
