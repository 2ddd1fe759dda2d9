# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what choices.py and costs.py make of what they measured."""

import argparse
import unittest

import choices
import costs
import demo


def cell(number, rule, latencies, **counts):
    """A cell of a round, as choices.run_cell leaves it."""
    stat = {name: counts.get(name, 0) for name in choices.COUNTERS}
    return {"work": "ping", "rule": rule, "round": number, "spinners": 2,
            "neighbours": 4, "lost": 0, "busy_pcpus": 6,
            "latencies": latencies, "taken": [number, 0, 0, 5],
            "stat": stat if choices.RULES[rule] else None,
            "duration_ns": 500_000_000 if choices.RULES[rule] else None}


class Choices(unittest.TestCase):
    """A table and choices.json."""

    def setUp(self):
        self.cells = choices.pooled([
            cell(1, "off", [1_000_000] * 3), cell(2, "off", [3_000_000]),
            cell(1, "lazy", [100_000] * 2, hops=30, returns=10),
            cell(2, "lazy", [300_000] * 2, hops=50)])
        self.page = choices.page({"cells": self.cells})

    def test_pools_the_rounds_of_a_rule(self):
        self.assertEqual(
            [(c["rule"], c["n"], c["mean_us"], c["max_us"])
             for c in self.cells],
            [("off", 4, 1500, 3000), ("lazy", 4, 200, 300)])

    def test_rates_are_of_all_rounds(self):
        self.assertIsNone(choices.rate(self.cells[0], "hops"))
        self.assertEqual(choices.rate(self.cells[1], "hops"), 80)
        self.assertEqual(choices.rate(self.cells[1], "returns"), 10)

    def test_says_the_spread(self):
        off, lazy = (next(line for line in self.page.splitlines()
                          if line.startswith(rule))
                     for rule in ("off", "lazy"))
        self.assertIn("1000..3000", off)
        self.assertIn("100.0..300.0", lazy)
        self.assertEqual(off.split()[-4:], ["-"] * 3 + ["3/0/0/10"])
        self.assertEqual(lazy.split()[-4:], ["80", "10", "0", "3/0/0/10"])

    def test_refuses_what_it_does_not_know(self):
        parse = choices.chosen(choices.RULES, "rules")
        self.assertEqual(parse("eager,off"), ["eager", "off"])
        with self.assertRaises(argparse.ArgumentTypeError):
            parse("off,best")


class Demo(unittest.TestCase):
    """Which overcommits."""

    def test_overcommits(self):
        self.assertEqual(demo.overcommit_list("6,3,6"), [3, 6])
        for bad in ("", "5", "3;4", "3,x"):
            with self.assertRaises(argparse.ArgumentTypeError):
                demo.overcommit_list(bad)

    def test_alone_is_in_every_round(self):
        self.assertEqual(demo.conditions([6]),
                         [(1, "alone"), (6, "off"), (6, "home"), (6, "on")])


TRACE = """
 CPU 0/KVM-100 [002] d..1. 12.000100: turn: vm=7 moves=2 lag=500 time=1700
 CPU 1/KVM-101 [003] d..1. 12.000101: turn: vm=7 moves=2 lag=700 time=1900
 CPU 0/KVM-100 [002] d..1. 12.000102: turn: vm=7 moves=2 lag=2400 time=90000
 neighbour-102 [003] d..1. 12.000400: turn: vm=7 moves=0 lag=400 time=1100
 neighbour-102 [003] d..1. 12.000400: hop: vm=7 intid=8200 from=0 to=1
"""


class Costs(unittest.TestCase):
    """Turns, and a line through them."""

    def test_turns_by_moves(self):
        turns = costs.turns_of(TRACE)
        self.assertEqual(costs.by_moves(turns),
                         {0: [1, 1100], 2: [3, 1900]})
        # The third was in the same interrupt as the first.
        self.assertEqual([turn["lag"] for turn in turns], [500, 700, 0, 400])

    def test_limits(self):
        self.assertEqual(costs.limits("64:0,16:10000"),
                         [(64, 0), (16, 10000)])
        for bad in ("", "64", "64:0,", "a:b"):
            with self.assertRaises(argparse.ArgumentTypeError):
                costs.limits(bad)

    def test_shares_of_a_pcpu(self):
        point = {"vcpus": 4, "per_vcpu": 1, "overcommit": 3, "rule": "lazy",
                 "max_moves": 64, "max_hops": 0,
                 "counters": {"preemptions": 100}, "seconds": 0.5,
                 "turns": 300, "moves": 250, "instructions": 1_000_000,
                 "with_lag": 2_000_000, "by_moves": {0: [200, 1000],
                                                     2: [100, 8000]}}
        # 2 million instructions a second are 0.2 % of a pCPU.
        self.assertEqual(costs.row(point)[4:], [
            "64:0", "200", "600", "2.5", "10000", "20000", "0.200", "0.400"])
        page = costs.page({"points": [point, point]})
        self.assertRegex(page, r"(?m)^lazy +2 +200 +8000$")


if __name__ == "__main__":
    unittest.main()
