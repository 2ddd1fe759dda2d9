# SPDX-License-Identifier: GPL-2.0-only
"""The text of a kernel's trace, and what of a guest's is about an operation."""

import re
from collections import namedtuple

from .split import Event, Span

LINE = re.compile(r"^\s*(?P<task>.+)-(?P<tid>\d+)\s+\[(?P<cpu>\d+)\] \S+ +"
                  r"(?P<s>\d+)\.(?P<us>\d+): (?P<text>.*)$")
# time in ns.
Line = namedtuple("Line", "time cpu task text tid")

_ENTRY = re.compile(r"irq=(\d+) name=(.*)")
_POLL = re.compile(r"for device (\S+) work (\d+) budget (\d+)")
_WAKING = re.compile(r"comm=(.+) pid=(\d+) prio=")
_SWITCH = re.compile(r"prev_comm=(.+?) prev_pid=(\d+) .*prev_state=(\S+) ==> "
                     r"next_comm=(.+?) next_pid=(\d+) ")
_MOVE = re.compile(r"intid=(?P<intid>\d+) from=(?P<from>-?\d+) "
                   r"to=(?P<to>-?\d+)")


def events(trace):
    """[Line] of a trace's text."""
    found = (LINE.match(line) for line in trace.splitlines())
    return [Line((int(m["s"]) * 1_000_000 + int(m["us"])) * 1000,
                 int(m["cpu"]), m["task"].strip(), m["text"], int(m["tid"]))
            for m in found if m]


def moves(lines, intid, home):
    """[(time, vCPU)]: where an interrupt pointed, from the host's trace of
    irqhop's moves; at home until the first."""
    found = [(0, home)]
    for line in lines:
        name, _, rest = line.text.partition(": ")
        move = _MOVE.search(rest) if name in ("hop", "return") else None
        if move and int(move["intid"]) == intid:
            found.append((line.time, int(move["to"])))
    return found


class Guest:
    """A guest's trace, taken apart: events [split.Event] of one device and
    one program, and doing {vCPU: [split.Span]}."""

    def __init__(self, lines, irq_name, program, sends):
        """irq_name: the device's interrupt, as a pattern. program: what the
        task is called, None if there is none. sends: the event that says
        that a request, or an answer, is with the device."""
        self.events = []
        self.doing = {}
        self._irq = re.compile(irq_name)
        self._program = program
        self._open = {}      # vCPU -> [(time, whether it is the device's)]
        self._polls = {}     # vCPU -> time
        # A program may have threads that do other things.
        self._tids = {line.tid for line in lines
                      if line.task == program
                      and line.text.startswith("nvme_setup_cmd:")}
        for line in lines:
            name, _, rest = line.text.partition(": ")
            look = getattr(self, "_" + name, None)
            if look:
                look(line, rest)
            if name == sends:
                self._add(line, "sent")
        # They were found by their ends, and are looked for by their begins.
        for spans in self.doing.values():
            spans.sort()

    def _add(self, line, kind):
        self.events.append(Event(line.time, kind, line.cpu))

    def _span(self, line, begin, doing):
        self.doing.setdefault(line.cpu, []).append(
            Span(begin, line.time, doing))

    def _irq_handler_entry(self, line, rest):
        found = _ENTRY.match(rest)
        own = bool(found and self._irq.search(found[2]))
        self._open.setdefault(line.cpu, []).append((line.time, own))
        if own:
            self._add(line, "handler")
            # Until a poll has found less than it could have.
            self._polls.setdefault(line.cpu, line.time)

    def _irq_handler_exit(self, line, _):
        if self._open.get(line.cpu):
            begin, own = self._open[line.cpu].pop()
            self._span(line, begin, "handler")
            if own:
                self._add(line, "handled")

    def _ipi_entry(self, line, _):
        self._open.setdefault(line.cpu, []).append((line.time, False))

    _ipi_exit = _irq_handler_exit

    def _napi_poll(self, line, rest):
        found = _POLL.search(rest)
        if not found:
            return
        work, budget = int(found[2]), int(found[3])
        if work < budget and line.cpu in self._polls:
            self._span(line, self._polls.pop(line.cpu), "poll")
        if work:
            self._add(line, "polled")

    def _netif_receive_skb(self, line, _):
        self._add(line, "received")

    def _nvme_complete_rq(self, line, _):
        self._add(line, "completed")

    def _is_program(self, comm, tid):
        if self._program is None or comm != self._program:
            return False
        return not self._tids or int(tid) in self._tids

    def _sched_waking(self, line, rest):
        found = _WAKING.match(rest)
        if found and self._is_program(*found.groups()):
            self._add(line, "woken")

    def _sched_switch(self, line, rest):
        found = _SWITCH.match(rest)
        if not found:
            return
        if self._is_program(found[1], found[2]) and \
                not found[3].startswith("R"):
            self._add(line, "sleeps")
        if self._is_program(found[4], found[5]):
            self._add(line, "runs")
