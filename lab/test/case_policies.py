# SPDX-License-Identifier: GPL-2.0-only
"""Tests of policies, return rules and the bound, by what the ITS was told."""

from case_hops import slices
from state import DEVICE_ID, enough, expect

SECONDS = 0.4


def uptime(lab):
    """The host's clock, in seconds of virtual time."""
    return float(lab.m.run("cut -d' ' -f1 /proc/uptime"))


def crowd(lab, vcpus):
    """Each vCPU on its own pCPU; these share it with a neighbour."""
    lab.m.run(f"""
stop_all neighbour filler
guest_vcpu_tids l2 | while read -r vcpu tid; do
    taskset -pc $((vcpu + 2)) $tid >/dev/null
done
for vcpu in {" ".join(map(str, vcpus))}; do
    setsid taskset -c $((vcpu + 2)) neighbour $vcpu </dev/null >/dev/null 2>&1 &
done
""")


def loaded(lab, work):
    """Do this work under load; the load ends whatever comes of it."""
    lab.module("irqhop-test")
    lab.expect_home("before")
    # Or all pCPUs would switch together, at the tick.
    slices(lab, 600)
    lab.read_start()
    try:
        seen = work(lab)
    finally:
        slices(lab, None)
    lab.expect_home("disabled")
    lab.read_stop()
    return seen


class Moves:
    """What the ITS was told while the VM was enabled in one way."""

    def __init__(self, lab, options, seconds=SECONDS):
        keys = [key for key in lab.trace.read().intid
                if key[0] in DEVICE_ID.values()]
        # Of each interrupt its home's vPE: none is away now.
        self.homes = {key: lab.trace.vpe[key] for key in keys}
        lab.trace.steps.clear()
        lab.m.run(f"irqhop enable {options} l2")
        before = uptime(lab)
        lab.m.run(f"sleep {seconds}")
        self.seconds = uptime(lab) - before
        self.stat = lab.stat()
        steps = list(lab.trace.read().steps)
        lab.m.run("irqhop disable l2")
        self.returns = sum(self.homes[key] == vpe for key, vpe in steps)
        self.hops = len(steps) - self.returns
        self.home = self.returns / (len(steps) or 1)
        self.back, self.split = self._choices(steps)

    def _choices(self, steps):
        """Shares: of moves, those to where the interrupt was before it came;
        of vCPUs that gave several away, those that gave them to several."""
        at, prev = dict(self.homes), {}
        back = split = 0
        batches = []
        source = None
        for key, vpe in steps:
            if at[key] != source or vpe == source:
                batches.append([])
            source = at[key]
            batches[-1].append(vpe)
            back += prev.get(key) == vpe
            prev[key], at[key] = at[key], vpe
        several = [batch for batch in batches if len(batch) > 1]
        split = sum(len(set(batch)) > 1 for batch in several)
        return back / (len(steps) or 1), split / (len(several) or 1)

    def __str__(self):
        return (f"{self.hops} hops, {100 * self.home:.0f} % of moves home, "
                f"{100 * self.back:.0f} % back, {100 * self.split:.0f} % "
                "split")


def policies(lab):
    """Each policy, and each return rule, for the same time under load."""
    return loaded(lab, each_policy)


def each_policy(lab):
    """The same, with the load in place."""
    # On average two vCPUs run, so there is mostly a choice of where to go.
    crowd(lab, range(4))
    home = Moves(lab, "--policy home")
    expect(home.hops == home.returns == 0, f"policy home: {home}")
    seen = {name: Moves(lab, f"--policy {name} --return never")
            for name in ("recent", "spread", "sticky")}
    seen["lazy"] = Moves(lab, "--policy recent --return lazy")
    # The home comes and goes; wherever else an interrupt is, it may stay.
    crowd(lab, sorted(set(lab.homes().values()))[:1])
    alone = {name: Moves(lab, f"--policy recent --return {name}")
             for name in ("lazy", "eager")}
    expect_choices(seen, alone)
    return "; ".join([f"{name}: {moves}" for name, moves in seen.items()]
                     + [f"one home crowded, {name}: {moves}"
                        for name, moves in alone.items()])


def expect_choices(seen, alone):
    """What sets each of them apart."""
    def differ(true, what, one, other):
        expect(true, f"{what}: {one} and {other}")

    for name, moves in seen.items():
        expect(moves.hops > 100, f"{name}: only {moves.hops} hops")
    recent, spread = seen["recent"], seen["spread"]
    differ(recent.split < 0.08 and spread.split > 0.12,
           "spread gives to several, recent to one", spread, recent)
    # How sticky chooses shows in the unit tests alone: here each of the few
    # vCPUs that run has most often been an interrupt's target just before.
    differ(seen["lazy"].home > recent.home + 0.03,
           "lazy goes home more than never", seen["lazy"], recent)
    lazy, eager = alone["lazy"], alone["eager"]
    differ(eager.returns > 50 and eager.returns > 5 * lazy.returns,
           "eager goes home when that runs, lazy stays", eager, lazy)


BOUND = 100
# See IRQHOP_MIN_BURST.
BURST = 64


def max_hops(lab):
    """A bound holds over seconds, and more is wanted than it allows."""
    return loaded(lab, bounded)


def bounded(lab):
    """The same, with the load in place."""
    crowd(lab, range(4))
    free = Moves(lab, "--policy storm --max-hops 0")
    bound = Moves(lab, f"--policy storm --max-hops {BOUND}", enough(1.5, 3))
    # The clock was read a little after it was enabled, and before the end.
    allowed = BOUND * (bound.seconds + 0.3) + BURST
    expect(free.hops / free.seconds > 3 * BOUND,
           f"not bounded, {free.hops} hops in {free.seconds:.1f} s: too few "
           "to show anything")
    expect(bound.hops <= allowed,
           f"{bound.hops} hops in {bound.seconds:.1f} s, {allowed:.0f} allowed")
    expect(bound.hops > BOUND * bound.seconds / 2,
           f"only {bound.hops} hops in {bound.seconds:.1f} s")
    expect(bound.stat["over_bound"] > 0 and free.stat["over_bound"] == 0,
           f"held back by the bound: {bound.stat['over_bound']} times with, "
           f"{free.stat['over_bound']} without")
    return (f"without a bound {free.hops / free.seconds:.0f} hops a second; "
            f"at most {BOUND}: {bound.hops} in {bound.seconds:.1f} s, "
            f"{bound.stat['over_bound']} held back")
