# SPDX-License-Identifier: GPL-2.0-only
"""Where an operation's time went, by made-up events."""

import random
import unittest

from irqhop_bench import split
from irqhop_bench.split import Event, Phase, Span

# Two vCPUs take turns on a pCPU, 10 each.
TURNS = {0: [(0, 10), (20, 30), (40, 50)], 1: [(10, 20), (30, 40), (50, 60)]}


def scene(running=None, doing=None, pointed=((0, 0),), polls=True):
    """A scene in which nobody does anything."""
    return split.Scene(running or TURNS, doing or {}, list(pointed), polls)


def events(*rows):
    """[Event] of (time, kind, vCPU)."""
    return [Event(*row) for row in rows]


def parts(chain, where, **more):
    """The parts that are not zero."""
    return {name: ns for name, ns
            in split.divide(where, chain, **more).items() if ns}


class Phases(unittest.TestCase):
    def states(self, rows, begin, end, task=None):
        """[(state, begin, end, vCPU)]."""
        return [(p.state, p.begin, p.end, p.vcpu) for p in
                split.phases(events(*rows), begin, end, task)]

    def test_ping(self):
        self.assertEqual(
            self.states([(5, "handler", 0), (6, "handled", 0),
                         (7, "received", 0), (9, "sent", 0),
                         (10, "polled", 0)], 0, 12),
            [("way", 0, 5, None), ("handled", 5, 6, 0),
             ("handled", 6, 9, 0), ("out", 9, 12, None)])

    def test_read(self):
        self.assertEqual(
            self.states([(2, "sent", 3), (3, "sleeps", 3),
                         (8, "handler", 0), (9, "woken", 0),
                         (9, "handled", 0), (20, "runs", 3)], 0, 22, 3),
            [("task", 0, 2, 3), ("way", 2, 8, None), ("handled", 8, 9, 0),
             ("woken", 9, 20, 3), ("task", 20, 22, 3)])

    def test_read_that_had_not_slept(self):
        # Woken before it slept: it goes on without a switch.
        self.assertEqual(
            self.states([(2, "sent", 3), (8, "handler", 0),
                         (9, "woken", 0)], 0, 22, 3)[-1],
            ("task", 9, 22, 3))

    def test_completed_by_an_ipi(self):
        self.assertEqual(
            self.states([(2, "sent", 3), (8, "handler", 0),
                         (9, "handled", 0), (18, "completed", 3),
                         (19, "woken", 3), (20, "runs", 3)], 0, 22, 3)[2:],
            [("handled", 8, 9, 0), ("woken", 9, 18, 3),
             ("task", 18, 19, 3), ("woken", 19, 20, 3),
             ("task", 20, 22, 3)])

    def test_completed_and_nobody_was_woken(self):
        # The task had not slept yet, and goes on when its vCPU does.
        self.assertEqual(
            self.states([(2, "sent", 3), (8, "handler", 0),
                         (9, "handled", 0), (10, "completed", 0)],
                        0, 22, 3)[2:],
            [("handled", 8, 9, 0), ("handled", 9, 10, 0),
             ("task", 10, 22, 3)])

    def test_sent_just_before(self):
        self.assertEqual(
            self.states([(-3, "sent", 3), (8, "handler", 0)], 0, 9, 3),
            [("way", 0, 8, None), ("handled", 8, 9, 0)])

    def test_found_by_a_poll(self):
        self.assertEqual(
            self.states([(7, "received", 1), (9, "sent", 1)], 0, 12)[0],
            ("polled", 0, 7, 1))

    def test_two_exchanges(self):
        # A connection is made by the kernel alone; then a request.
        self.assertEqual(
            [s[0] for s in self.states(
                [(5, "handler", 0), (6, "received", 0), (7, "polled", 0),
                 (15, "handler", 1), (16, "woken", 1), (17, "runs", 2),
                 (19, "handler", 0), (21, "sleeps", 2)], 0, 25)],
            ["way", "handled", "way", "handled", "woken", "task", "out"])

    def test_wakes_where_it_runs(self):
        # The task was last seen on vCPU 1, and wakes on vCPU 2.
        self.assertEqual(
            self.states([(1, "runs", 1), (5, "woken", 0), (9, "runs", 2)],
                        0, 12)[1], ("woken", 5, 9, 2))

    def test_answered_by_a_task_that_had_not_slept(self):
        chain = split.phases(events(
            (5, "handler", 0), (6, "received", 0), (7, "polled", 0),
            (20, "sleeps", 1)), 0, 25, awake=1)
        self.assertEqual([(p.state, p.begin, p.end, p.vcpu) for p in chain],
                         [("way", 0, 5, None), ("handled", 5, 6, 0),
                          ("task", 6, 20, 1), ("out", 20, 25, None)])

    def test_moves_while_it_runs(self):
        self.assertEqual(
            self.states([(2, "sent", 3), (5, "handler", 0), (6, "woken", 0),
                         (7, "runs", 3), (9, "runs", 2)], 0, 12, 3)[-2:],
            [("task", 7, 9, 3), ("task", 9, 12, 2)])

    def test_phases_are_the_operation(self):
        rng = random.Random(3)
        kinds = [name for name in vars(split.Chain) if name not in (
            "become", "end") and not name.startswith("_")]
        for _ in range(300):
            rows = sorted((rng.randrange(1, 50), rng.choice(kinds),
                           rng.randrange(4)) for _ in range(8))
            chain = split.phases(events(*rows), 0, 50,
                                 rng.choice((None, 3)), rng.choice((None, 1)))
            self.assertEqual(chain[0].begin, 0)
            self.assertEqual(chain[-1].end, 50)
            for one, after in zip(chain, chain[1:]):
                self.assertEqual(one.end, after.begin)
            self.assertEqual(sum(split.divide(scene(), chain).values()), 50)


class Away(unittest.TestCase):
    def test_within_a_turn(self):
        self.assertEqual(scene().away(0, 2, 8), [])

    def test_across_turns(self):
        self.assertEqual(scene().away(0, 5, 45), [(10, 10, 20),
                                                  (30, 30, 40)])

    def test_begins_and_ends_while_off(self):
        self.assertEqual(scene().away(0, 12, 18), [(10, 12, 18)])

    def test_after_the_last_turn(self):
        self.assertEqual(scene().away(0, 45, 70), [(50, 50, 70)])
        self.assertEqual(scene().away(0, 55, 70), [(50, 55, 70)])

    def test_never_ran(self):
        self.assertEqual(scene().away(7, 5, 9), [(5, 5, 9)])


class Names(unittest.TestCase):
    def one(self, state, vcpu, **more):
        """The parts of a phase from 5 to 25."""
        return parts([Phase(5, 25, state, vcpu)], scene(**more))

    def test_interrupt(self):
        self.assertEqual(self.one("way", None),
                         {"interrupt_preempted": 10, "other": 10})

    def test_interrupt_that_hops(self):
        # It points at vCPU 1 from 12 on, which runs: 10 to 12 are lost.
        self.assertEqual(self.one("way", None, pointed=[(0, 0), (12, 1)]),
                         {"interrupt_preempted": 2 + 5, "other": 13})

    def test_left_inside_a_handler(self):
        doing = {0: [Span(9, 21, "handler")]}
        self.assertEqual(self.one("way", None, doing=doing),
                         {"in_handler": 10, "other": 10})
        self.assertEqual(self.one("handled", 0, doing=doing),
                         {"in_handler": 10, "other": 10})

    def test_left_while_it_polled(self):
        doing = {0: [Span(8, 22, "poll"), Span(8, 9, "handler")]}
        self.assertEqual(self.one("way", None, doing=doing),
                         {"poll_window": 10, "other": 10})
        # A handler that interrupts a poll.
        doing = {0: [Span(8, 22, "poll"), Span(9, 21, "handler")]}
        self.assertEqual(self.one("way", None, doing=doing),
                         {"in_handler": 10, "other": 10})

    def test_handled(self):
        self.assertEqual(self.one("handled", 0),
                         {"poll_window": 10, "other": 10})
        self.assertEqual(self.one("handled", 0, polls=False),
                         {"in_handler": 10, "other": 10})

    def test_tasks(self):
        self.assertEqual(self.one("woken", 0),
                         {"second_wait": 10, "other": 10})
        self.assertEqual(self.one("task", 0),
                         {"own_task_preempted": 10, "other": 10})

    def test_out(self):
        self.assertEqual(self.one("out", None), {"other": 20})

    def test_device(self):
        self.assertEqual(parts([Phase(5, 25, "way", None)], scene(),
                               device_ns=7),
                         {"interrupt_preempted": 10, "device": 7,
                          "other": 3})
        self.assertEqual(parts([Phase(5, 25, "way", None)], scene(),
                               device_ns=70),
                         {"interrupt_preempted": 10, "device": 10})

    def test_mean(self):
        zero = dict.fromkeys(split.WAITS, 0)
        self.assertEqual(
            split.mean([{**zero, "device": 1000}, {**zero, "device": 4000}])
            ["device"], 2.5)
        self.assertIsNone(split.mean([]))

    def test_ways(self):
        self.assertEqual(split.ways([Phase(0, 4, "way", None),
                                     Phase(4, 9, "task", 0)]), [4])


if __name__ == "__main__":
    unittest.main()
