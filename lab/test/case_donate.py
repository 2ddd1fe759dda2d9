# SPDX-License-Identifier: GPL-2.0-only
"""Test of the policy "donate": a vCPU that is preempted in its kernel again and
again gets weight of one that spins, and everybody has his own back afterwards."""

import collections

from case_summon import KERNEL, PING, READS, SHARE
from state import enable, enough, expect, load

# They share a pCPU with two neighbours; the other two vCPUs another one.
GIVES = 2
# See kmod/donate.c.
NICE = {KERNEL: -2, GIVES: 4}
# What somebody gives the one that gets, meanwhile.
OWN = 5
PINGS = enough(500, 1500)
PLACE = f"""
stop_all neighbour filler
guest_vcpu_tids l2 | while read -r vcpu tid; do
    case $vcpu in
        {KERNEL}|{GIVES}) taskset -pc 3 $tid ;;
        *) taskset -pc 2 $tid ;;
    esac >/dev/null
done
for pcpu in 2 3; do
    for seed in 1 2; do
        setsid taskset -c $pcpu neighbour $pcpu$seed </dev/null >/dev/null 2>&1 &
    done
done
"""
RAN = """
pid=$(cat /run/l2/pid)
guest_vcpu_tids l2 | while read -r _ tid; do
    cut -d" " -f1 /proc/$pid/task/$tid/schedstat
done
clocks | cut -d" " -f3
"""
NICES = """
pid=$(cat /run/l2/pid)
guest_vcpu_tids l2 | while read -r vcpu tid; do
    echo $vcpu $(sed 's/.*) //' /proc/$pid/task/$tid/stat | cut -d" " -f17)
done
"""

Seen = collections.namedtuple("Seen", "gets gives all")


def nices(lab):
    """{vCPU: its thread's nice value}, of those that have one."""
    rows = (map(int, line.split()) for line in lab.m.run(NICES).splitlines())
    return {vcpu: nice for vcpu, nice in rows if nice}


def become(lab, wanted, when):
    """Wait until nice values are these."""
    for _ in range(100):
        found = nices(lab)
        if found == wanted:
            return
        # Interrupts have to point at it now and then.
        lab.m.run(PING.format(count=20))
    expect(False, f"{when}: nice values {found}, expected {wanted}")


def shares(lab):
    """The shares of a pCPU that vCPUs have while pings come."""
    lab.m.short_turns(True)
    text = lab.m.run(RAN + PING.format(count=PINGS)
                     .replace("\n", " >/dev/null\n") + RAN)
    lab.m.short_turns(False)
    rows = [int(line) for line in text.splitlines()]
    *ran, time = (b - a for a, b in zip(rows[:5], rows[5:]))
    return Seen(ran[KERNEL] / time, ran[GIVES] / time, sum(ran) / time)


def given(lab):
    """What each has without and with."""
    enable(lab, "summon")
    without = shares(lab)
    expect(not nices(lab) and lab.stat()["donations"] == 0,
           f"summon donates: nice values {nices(lab)}")
    lab.m.run("irqhop policy l2 donate")
    become(lab, NICE, "donate")
    with_it = shares(lab)
    told = (f"share of a pCPU of who gets {with_it.gets:.3f} instead of "
            f"{without.gets:.3f}, of who gives {with_it.gives:.3f} instead of "
            f"{without.gives:.3f}, of the VM {with_it.all:.3f} instead of "
            f"{without.all:.3f}")
    expect(with_it.gets > 1.25 * without.gets, told)
    # Half of what it would have if nobody paid.
    expect(abs(with_it.all - without.all) < SHARE, told)
    return told


def taken_back(lab, pid):
    """However it ends, everybody has his own."""
    lab.m.guest(f"kill -9 {pid}")
    become(lab, {}, "nothing to do any more")
    lab.m.guest(READS)
    become(lab, NICE, "again")
    stat = lab.stat()
    expect(stat["donations"] > 1 and stat["donated_ns"] > 0,
           f"{stat['donations']} donations, {stat['donated_ns']} ns")
    lab.m.run("irqhop policy l2 summon")
    become(lab, {}, "another policy")
    lab.m.run("irqhop policy l2 donate")
    become(lab, NICE, "after another policy")
    lab.m.run("irqhop disable l2")
    expect(not nices(lab), f"disabled: nice values {nices(lab)}")
    enable(lab, "donate")
    become(lab, NICE, "enabled again")
    tid = lab.m.run(f"guest_vcpu_tids l2 | sed -n 's/^{KERNEL} //p'").strip()
    lab.m.run(f"renice {OWN} -p $(({tid})) >/dev/null; irqhop disable l2")
    found = nices(lab)
    lab.m.run(f"renice 0 -p $(({tid})) >/dev/null")
    expect(found == {KERNEL: OWN}, f"somebody renices vCPU {KERNEL} to {OWN}, "
           f"irqhop is disabled: nice values {found}")
    enable(lab, "donate")
    become(lab, NICE, "enabled once more")
    lab.m.run("rmmod irqhop")
    expect(not nices(lab), f"unloaded: nice values {nices(lab)}")


def donate(lab):
    """A vCPU in its kernel shares a pCPU with one that spins, and with
    neighbours."""
    lab.module("irqhop-test")
    lab.m.run(PLACE)
    pid = lab.m.guest(READS)
    try:
        told = given(lab)
        taken_back(lab, pid)
    finally:
        lab.m.guest("! pids=$(pidof dd) || kill -9 $pids")
        load.set_quiet(lab.m)
    lab.module("irqhop-test")
    lab.expect_home("unloaded")
    return told
