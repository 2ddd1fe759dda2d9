# SPDX-License-Identifier: GPL-2.0-only
"""One operation as a picture has it: which vCPU ran when, where it waited."""

from bisect import bisect_right

_MARKS = {"way": "the request is sent", "handled": "vCPU %d takes the "
          "interrupt", "woken": "the task is woken", "task": "the task runs on "
          "vCPU %d", "out": "the answer is sent"}


def _us(ns):
    return round(ns / 1000, 3)


def _marks(chain, scene, end):
    """[(time, vCPU, text)] of an operation's phases."""
    last, before = None, None
    for phase, after in zip(chain, [*chain[1:], None]):
        again = (phase.state, phase.vcpu) == before
        before = (phase.state, phase.vcpu)
        # Between a request's completion and the waking of its task.
        between = (phase.state, last) == ("task", "handled") and \
            after and after.state == "woken"
        if again or between or phase.state == "polled":
            continue
        text = _MARKS[phase.state]
        if phase.state == "task" and last is None:
            text = "the task on vCPU %d sends its request"
        if phase.state == "way" and last == "handled":
            text = "nothing more to do until the next packet"
        if (phase.state, last, chain[0].state) == ("way", "task", "way"):
            text = _MARKS["out"]
        last = phase.state
        vcpu = phase.vcpu
        if phase.state == "way":
            # No "%d" is left in this text.
            vcpu = scene.targets(phase.begin, phase.begin + 1)[0][2]
            home = scene.pointed[0][1]
            text += "; its interrupt points at vCPU %d" % vcpu
            if vcpu != home:
                text += ", and not at its home, vCPU %d" % home
        yield phase.begin, vcpu, text % vcpu if "%d" in text else text
    yield end, None, "done"


def _hops(scene, begin, end):
    """[(time, vCPU, text)] of the moves meanwhile."""
    at = bisect_right(scene.pointed, (begin, float("inf")))
    for (_, old), (time, new) in zip(scene.pointed[max(0, at - 1):],
                                     scene.pointed[at:]):
        if time >= end:
            break
        yield time, new, "irqhop moves the interrupt from vCPU %d to %d" % (
            old, new)


def build(chain, scene, vcpus):
    """A cell's "timeline", of this operation."""
    begin, end = chain[0].begin, chain[-1].end
    length = end - begin
    first, last = begin - length // 8, end + length // 8

    def at(time):
        return _us(min(max(time, first), last) - first)

    runs = {str(v): [[at(a), at(b)] for a, b in scene.running.get(v, ())
                     if b > first and a < last] for v in vcpus}
    marks = sorted([*_marks(chain, scene, end), *_hops(scene, begin, end)],
                   key=lambda mark: mark[0])
    return {
        "length_us": _us(last - first), "latency_us": _us(length),
        "vcpus": runs,
        "waits": [{"from": at(w.begin), "to": at(w.end), "vcpu": w.vcpu,
                   "kind": w.name}
                  for phase in chain for w in scene.waits(phase)],
        "marks": [{"at": at(time), "vcpu": vcpu, "text": text}
                  for time, vcpu, text in marks],
    }


def choose(chains, scene):
    """Of some operations the one to show: whose interrupt came while the
    vCPU that it has by the guest's will was preempted, and of these the one
    of median latency; of all if there is none."""
    home = scene.pointed[0][1]

    def found_it_away(chain):
        return any(phase.state == "way" and scene.away(
            home, phase.begin, phase.begin + 1) for phase in chain)

    found = [c for c in chains if found_it_away(c)] or chains
    found = sorted(found, key=lambda c: c[-1].end - c[0].begin)
    return found[len(found) // 2] if found else None
