# SPDX-License-Identifier: GPL-2.0-only
"""A test of the policy "summon": what a redirect cannot help, and whether it
takes anything from the neighbours."""

import collections
import re

from exact import told
from state import GUEST_IP, enable, expect, load

OVERCOMMIT = 4
PINGS = 400
# The VM's share of the pCPUs that it shares, with and without, differs by less.
SHARE = 0.03
PING = (f"ip netns exec outside taskset -c 1 ping -q -n -i 0.002 -c {PINGS} "
        f"{GUEST_IP}\n")

Seen = collections.namedtuple("Seen", "mean slowest share summons stranded")


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


def pinged(lab, policy):
    """Pings from outside under a policy."""
    enable(lab, policy)
    ran, begun = used(lab)
    text = lab.m.run(PING)
    ran_then, ended = used(lab)
    stat = lab.stat()
    lab.m.run("irqhop disable l2")
    sent, received = lab.pinged(text)[0]
    expect(sent == received, f"{policy}: {received} of {sent} answered")
    rtt = re.search(r"rtt min/avg/max/mdev = [\d.]+/([\d.]+)/([\d.]+)/", text)
    return Seen(float(rtt.group(1)), float(rtt.group(2)),
                (ran_then - ran) / (ended - begun) / 2,
                stat["summons"], stat["stranded"])


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
    expect(seen["summon"].mean < 0.6 * seen["recent"].mean,
           f"pings take {seen['summon'].mean} ms on average, "
           f"{seen['recent'].mean} without summoning")
    expect(abs(seen["summon"].share - seen["recent"].share) < SHARE,
           f"the VM has {seen['summon'].share:.1%} of its pCPUs, "
           f"{seen['recent'].share:.1%} without summoning")
    lab.expect_home("disabled")
    return "; ".join(
        f"{policy}: mean {one.mean} ms, slowest {one.slowest}, the VM had "
        f"{one.share:.1%}, {one.summons} summoned"
        for policy, one in seen.items()) + f"; {told(msis, sum(runs))}"
