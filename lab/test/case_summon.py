# SPDX-License-Identifier: GPL-2.0-only
"""A test of the policy "summon": what a redirect cannot help, and whether it
takes anything from the neighbours."""

import collections
import re

from exact import told
from state import GUEST_IP, enable, enough, expect, load

OVERCOMMIT = 4
PINGS = enough(600, 800)
# An answer that takes longer has waited for a vCPU; in ms.
SLOW = 1
# The VM's share of the pCPUs that it shares, with and without, differs by less.
SHARE = 0.03
PING = (f"ip netns exec outside taskset -c 1 ping -n -i 0.002 -c {PINGS} "
        f"{GUEST_IP}\n")

Seen = collections.namedtuple("Seen", "mean slow share slice summons")


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
    times = [float(time) for time in re.findall(r" time=([\d.]+) ms", text)]
    return Seen(sum(times) / len(times),
                sum(time > SLOW for time in times) / len(times),
                (ran_then - ran) / (ended - begun) / 2,
                (ran_then - ran) / stat["preemptions"] * 1e3,
                stat["summons"])


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
    expect(abs(seen["summon"].share - seen["recent"].share) < SHARE,
           f"the VM has {seen['summon'].share:.1%} of its pCPUs, "
           f"{seen['recent'].share:.1%} without summoning")
    lab.expect_home("disabled")
    return "; ".join(
        f"{policy}: mean {one.mean:.3f} ms, {one.slow:.1%} over {SLOW} ms, the "
        f"VM had {one.share:.1%}, {one.slice:.2f} ms at a time, "
        f"{one.summons} summoned"
        for policy, one in seen.items()) + f"; {told(msis, sum(runs))}"
