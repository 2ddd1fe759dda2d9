# SPDX-License-Identifier: GPL-2.0-only
"""Where an operation's time went, from what host and guest traced.

An operation is a chain of phases, each of which waits for one vCPU: for the
one that its interrupt points at, for the one that handles it, for the one of
the task that it wakes. Of a phase's time the part that this vCPU is off its
pCPU is a wait, with a name; the rest is the work itself. So the parts of an
operation add up to its latency.

    way      the request, or an answer that the task waits for, is on its way
             to the guest: until the interrupt's handler begins, or a driver
             that polls takes it
    handled  from there until a task is woken, the answer is sent, or the
             driver has polled
    woken    until the task runs
    task     it runs, until it sleeps or has sent its request

A vCPU that is off may be so for more than itself: preempted inside a handler
it keeps its interrupts, and preempted while its driver polls it keeps the
device's interrupt masked. What it was doing when it left decides the name.

What a task waits for in the guest's own run queue, on a vCPU that runs, is no
wait for the host, and counts as other.
"""

from bisect import bisect_right
from collections import namedtuple

# In the order in which they can happen.
WAITS = ("interrupt_preempted", "in_handler", "poll_window", "second_wait",
         "own_task_preempted", "device", "other")

NAMES = {
    "interrupt_preempted": "interrupt on a preempted vCPU",
    "in_handler": "in a handler",
    "poll_window": "poll window",
    "second_wait": "second wait",
    "own_task_preempted": "own task preempted",
    "device": "device",
    "other": "other",
}
MEANING = {
    "interrupt_preempted": "the vCPU that the interrupt pointed at was "
    "preempted, and its handler could not begin",
    "in_handler": "the same, or the handler had begun, and the vCPU had been "
    "preempted inside a handler: it keeps its interrupts until it is back",
    "poll_window": "the driver polls with its interrupt masked, and the vCPU "
    "that polls was preempted: there is no interrupt to redirect",
    "second_wait": "the interrupt was taken, and the vCPU of the task that it "
    "wakes, or that it sends an IPI to, was preempted",
    "own_task_preempted": "the task of the operation was running, and its "
    "vCPU was preempted",
    "device": "the device, and the way there: as long as the fastest "
    "operation of the cell took from its request to the handler",
    "other": "the rest: the way through both kernels and over the wire",
}

# kind: handler, handled (its end), received (by the network's stack), polled,
# completed (by the block layer), woken, runs, sleeps, sent.
Event = namedtuple("Event", "time kind vcpu")
# vcpu None: whichever the interrupt points at.
Phase = namedtuple("Phase", "begin end state vcpu")
# What a vCPU was at from begin to end: handler or poll.
Span = namedtuple("Span", "begin end doing")
Wait = namedtuple("Wait", "begin end vcpu name")


class Chain:
    """The phases of one operation, built from its events in their order."""

    def __init__(self, begin, state, vcpu, awake=None):
        self.phases = []
        self.since = begin
        self.state = state
        self.vcpu = vcpu       # of the state
        self.task = vcpu       # where the task was last seen
        self.awake = awake     # where it is, as long as it has not slept

    def become(self, time, state, vcpu, waited_for=None):
        """The current phase ends, and another begins."""
        # What is known to be the operation's may have been before its begin.
        time = max(time, self.since)
        if time > self.since:
            self.phases.append(Phase(self.since, time, self.state,
                                     self.vcpu if waited_for is None
                                     else waited_for))
        self.since, self.state, self.vcpu = time, state, vcpu

    def handler(self, event):
        """The device's interrupt handler begins."""
        if self.state == "way":
            self.become(event.time, "handled", event.vcpu)

    def received(self, event):
        """The stack has a packet: without a handler, a poll has found it. A
        task that has not slept is not woken, and reads it by itself."""
        if self.state == "way":
            self.state = "polled"
            self.become(event.time, "handled", event.vcpu, event.vcpu)
        if self.state == "handled" and self.awake is not None:
            self.become(event.time, "task", self.awake)

    def handled(self, event):
        """The handler ends; see completed()."""
        if self.state == "handled" and event.vcpu == self.vcpu:
            self.become(event.time, "handled", event.vcpu)

    def completed(self, event):
        """The request is completed: on another vCPU, if by an IPI to it. A
        task that slept is woken next; one that did not goes on by itself."""
        if self.state == "handled":
            if event.vcpu != self.vcpu:
                self.state = "woken"
            self.become(event.time, "task", self.task, event.vcpu)

    def polled(self, event):
        """The driver has polled, and nobody was woken."""
        if self.state == "handled" and event.vcpu == self.vcpu:
            self.become(event.time, "way", None)

    def woken(self, event):
        """Somebody wakes the task: the handler, or one task the next."""
        if self.state in ("way", "handled", "task"):
            self.become(event.time, "woken", self.task)

    def runs(self, event):
        """The task is switched to."""
        if self.state == "woken":
            self.become(event.time, "task", event.vcpu, event.vcpu)
        elif self.state == "task" and event.vcpu != self.vcpu:
            self.become(event.time, "task", event.vcpu)
        self.task = event.vcpu
        if self.awake is not None:
            self.awake = event.vcpu

    def sleeps(self, event):
        """The task is switched from, and not because of another one."""
        self.awake = None
        if self.state == "task":
            self.become(event.time, "way", None)

    def sent(self, event):
        """The request, or the answer, is with the device."""
        if self.state in ("task", "handled"):
            self.become(event.time, "way", None)

    def end(self, time):
        """The operation is over; returns its phases."""
        if self.state == "way":
            # No interrupt came of it: it was on its way out.
            self.state = "out"
        elif self.state == "woken":
            # It did not have to be switched to: it had not slept yet.
            self.state = "task"
        self.become(time, "out", None)
        return self.phases


def phases(events, begin, end, task=None, awake=None):
    """An operation's phases. `task`: the vCPU of the task that begins it; None
    if it comes from outside. `awake`: then the vCPU of the task that is to
    answer, if it has not slept since the one before."""
    chain = Chain(begin, "way" if task is None else "task", task, awake)
    for event in events:
        getattr(chain, event.kind)(event)
    return chain.end(end)


class Scene:
    """What is known of the vCPUs: when each ran, what each was doing, and
    where the interrupt pointed."""

    def __init__(self, running, doing, pointed, polls):
        """running {vCPU: [(begin, end)]}, doing {vCPU: [Span]}, both in
        order; pointed [(time, vCPU)], from the beginning on. polls: the
        device's driver polls with its interrupt masked."""
        self.running = running
        self.doing = doing
        self.pointed = pointed
        self.polls = polls
        self._ends = {v: [end for _, end in spans]
                      for v, spans in running.items()}
        self._begins = {v: [span.begin for span in spans]
                        for v, spans in doing.items()}

    def away(self, vcpu, begin, end):
        """[(since when, begin, end)] of the times it was off its pCPU."""
        spans, ends = self.running.get(vcpu, ()), self._ends.get(vcpu, ())
        at = bisect_right(ends, begin)
        left = ends[at - 1] if at else begin
        found = []
        while begin < end:
            start, stop = spans[at] if at < len(spans) else (end, end)
            if start > begin:
                found.append((left, begin, min(start, end)))
            begin, left, at = max(begin, stop), stop, at + 1
            if at > len(spans):
                break
        return found

    def was_doing(self, vcpu, time):
        """handler, poll or None: a handler is the narrower of the two."""
        spans = self.doing.get(vcpu, ())
        at = bisect_right(self._begins.get(vcpu, ()), time)
        # A poll may have begun before some handlers.
        near = {span.doing for span in spans[max(0, at - 64):at]
                if span.end >= time}
        return "handler" if "handler" in near else \
            "poll" if "poll" in near else None

    def targets(self, begin, end):
        """[(begin, end, vCPU)]: where the interrupt pointed meanwhile."""
        at = max(1, bisect_right(self.pointed, (begin, float("inf"))))
        found = []
        while begin < end:
            until = self.pointed[at][0] if at < len(self.pointed) else end
            found.append((begin, min(until, end), self.pointed[at - 1][1]))
            begin, at = until, at + 1
        return found

    def _name(self, state, vcpu, left):
        """What a wait in this state is called, of a vCPU that left then."""
        if state == "woken":
            return "second_wait"
        if state == "task":
            return "own_task_preempted"
        if state == "polled":
            return "poll_window"
        doing = self.was_doing(vcpu, left)
        if doing == "handler":
            return "in_handler"
        if state == "way":
            return "poll_window" if doing else "interrupt_preempted"
        return "poll_window" if self.polls else "in_handler"

    def waits(self, phase):
        """[Wait] of a phase."""
        if phase.state == "out":
            return []
        parts = ([(phase.begin, phase.end, phase.vcpu)]
                 if phase.vcpu is not None
                 else self.targets(phase.begin, phase.end))
        return [Wait(start, stop, vcpu, self._name(phase.state, vcpu, left))
                for begin, end, vcpu in parts
                for left, start, stop in self.away(vcpu, begin, end)]


def divide(scene, chain, device_ns=0):
    """{wait: ns} of an operation's phases. `device_ns`: so much of a way is
    the device's."""
    out = dict.fromkeys(WAITS, 0)
    for phase in chain:
        rest = phase.end - phase.begin
        for wait in scene.waits(phase):
            out[wait.name] += wait.end - wait.begin
            rest -= wait.end - wait.begin
        if phase.state == "way" and device_ns:
            device = min(rest, device_ns)
            out["device"] += device
            rest -= device
        out["other"] += rest
    return out


def ways(chain):
    """How long the ways of an operation took, in ns."""
    return [phase.end - phase.begin for phase in chain
            if phase.state == "way"]


def mean(parts, unit=1000):
    """The mean of some operations' parts, in us; None of nothing."""
    if not parts:
        return None
    return {name: round(sum(one[name] for one in parts)
                        / len(parts) / unit, 3) for name in WAITS}
