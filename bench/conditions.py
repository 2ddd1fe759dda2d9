# SPDX-License-Identifier: GPL-2.0-only
"""The conditions that make bench compares: irqhop, and what else there is.

A condition is data: options of irqhop enable's (None: it is not enabled), what
is done in the host or the guest before it and undone after it, and what
machine it needs.
"""

import collections
import contextlib

from cells import LabError

Condition = collections.namedtuple(
    "Condition", "irqhop host undo guest guest_undo machine",
    defaults=(None, "", "", "", "", ()))

# The one that stands for irqhop.
DEFAULT = "summon"
VCPU_TIDS = "$(guest_vcpu_tids l2 | cut -d' ' -f2)"
SLICE = "/sys/kernel/debug/sched/base_slice_ns"
HALT_POLL = "/sys/module/kvm/parameters/halt_poll_ns"


def setting(path, value):
    """(set, restore) of one of the kernel's settings."""
    return (f"cat {path} >/run/setting; echo {value} >{path}",
            f"cat /run/setting >{path}")


# irqbalance goes by what it has seen in an interval; it cannot move the disk's,
# whose affinity the kernel manages.
BALANCE = """
for irq in /proc/irq/[0-9]*; do
    [ ! -e $irq/smp_affinity_list ] ||
        echo "${irq##*/} $(cat $irq/smp_affinity_list)"
done >/tmp/irqs
chroot /programs irqbalance --interval=1 </dev/null >/tmp/irqbalance.log 2>&1
"""
UNBALANCE = """
kill $(pidof irqbalance)
while read -r irq cpus; do
    echo $cpus >/proc/irq/$irq/smp_affinity_list 2>/dev/null || :
done </tmp/irqs
"""

CONDITIONS = {
    # Each vCPU has a pCPU of its own: the reference.
    "alone": Condition(),
    "off": Condition(),
    # The null control: the module watches and never moves anything.
    "home": Condition("--policy home"),
    "recent": Condition("--policy recent"),
    "spread": Condition("--policy spread"),
    "sticky": Condition("--policy sticky"),
    "summon": Condition("--policy summon"),
    "donate": Condition("--policy donate"),
    # What else an operator can do about it, without irqhop.
    "fifo": Condition(
        host=f"for tid in {VCPU_TIDS}; do chrt -f -p 1 $tid; done",
        undo=f"for tid in {VCPU_TIDS}; do chrt -o -p 0 $tid; done"),
    "rr": Condition(
        host=f"for tid in {VCPU_TIDS}; do chrt -r -p 1 $tid; done",
        undo=f"for tid in {VCPU_TIDS}; do chrt -o -p 0 $tid; done"),
    "nice": Condition(
        host=f"for tid in {VCPU_TIDS}; do renice -20 -p $tid; done",
        undo=f"for tid in {VCPU_TIDS}; do renice 0 -p $tid; done"),
    "slice": Condition(None, *setting(SLICE, 500_000)),
    "haltpoll": Condition(None, *setting(HALT_POLL, 10_000_000)),
    "irqbalance": Condition(guest=BALANCE, guest_undo=UNBALANCE),
    # Interrupts spread over more queues: a queue for each vCPU.
    "queues": Condition(machine=(("queues", 4), ("nic", "igb"))),
    "queues-summon": Condition("--policy summon",
                               machine=(("queues", 4), ("nic", "igb"))),
}


# Class and nice value of each vCPU thread, and the host's settings.
AS_IT_IS = f"""
for tid in {VCPU_TIDS}; do
    sed 's/.*) //' /proc/$tid/stat | cut -d' ' -f17,39
done
cat {SLICE} {HALT_POLL}
"""


def expect_as_booted(lab):
    """Nothing is left of an earlier condition."""
    now = lab.host.run(AS_IT_IS)
    if lab.as_booted is None:
        lab.as_booted = now
    if now != lab.as_booted:
        raise LabError("not as it was when it was booted: "
                       f"{now.split()} instead of {lab.as_booted.split()}")


@contextlib.contextmanager
def applied(lab, name):
    """The lab in this condition; off again afterwards."""
    condition = CONDITIONS[name]
    lab.set_irqhop(None)
    expect_as_booted(lab)
    if condition.host:
        lab.host.run(condition.host, stage=f"condition {name}")
    try:
        if condition.guest:
            lab.host.guest(condition.guest, stage=f"condition {name}")
        if condition.irqhop:
            lab.set_irqhop(condition.irqhop)
        yield condition
    finally:
        if condition.guest_undo:
            lab.host.guest(condition.guest_undo, stage=f"after {name}")
        if condition.undo:
            lab.host.run(condition.undo, stage=f"after {name}")
        lab.set_irqhop(None)
