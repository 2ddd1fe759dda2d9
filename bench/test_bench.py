# SPDX-License-Identifier: GPL-2.0-only
"""Tests of make bench's plan, of its files, and of what clients print."""

import argparse
import json
import os
import tempfile
import unittest
from unittest import mock

import bench
from cells import LabError
import conditions
import plan
import works
from irqhop_bench import measures, schema


class Plan(unittest.TestCase):
    """Which cells, and in which order."""

    def setUp(self):
        self.full = plan.cells(plan.FULL)

    def test_names_are_unique(self):
        names = [plan.name(cell) for cell in self.full]
        self.assertEqual(len(names), len(set(names)))

    def test_all_is_known(self):
        for cell in self.full + plan.cells(plan.SUBSET):
            self.assertIn(cell.work, works.WORKS)
            self.assertIn(cell.condition, conditions.CONDITIONS)

    def test_everything_measured_has_an_off_beside_it(self):
        def off(cell):
            return cell._replace(condition="off")
        have = set(self.full)
        for cell in self.full:
            if cell.overcommit > 1:
                self.assertIn(off(cell), have, plan.name(cell))

    def test_conditions_of_a_comparison_are_neighbours(self):
        for groups in plan.machines(self.full).values():
            for group in groups:
                self.assertEqual(
                    len({cell._replace(condition="") for cell in group}), 1)

    def test_all_are_dealt_once(self):
        for groups in plan.machines(self.full).values():
            hands = plan.dealt(groups, 2)
            self.assertCountEqual(sum(hands, []), groups)

    def test_nobody_is_always_first(self):
        group = ["off", "home", "recent"]
        self.assertEqual([plan.rotated(group, n)[0] for n in (1, 2, 3, 4)],
                         ["off", "home", "recent", "off"])


class Runner(unittest.TestCase):
    """What it keeps, and what it says while it works."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.mkdir(os.path.join(self.folder.name, "cells"))
        self.args = argparse.Namespace(out=self.folder.name, rounds=1)
        self.worker = bench.Worker(self.args, (0, 1))
        self.group = plan.cells(plan.SUBSET)[:2]

    def measure(self, outcome):
        """The group's cells, by a host that does this."""
        with mock.patch.object(bench.Worker, "boot"), \
                mock.patch.object(bench, "measure", side_effect=outcome) \
                as measured:
            self.worker.measure_on(None, [self.group])
        return measured.call_count

    @staticmethod
    def good(_, cell, number):
        """A cell that is measured."""
        return {"cell": cell._asdict(), "round": number}, [(5, 7)], None

    def test_a_failed_cell_is_not_the_end(self):
        def fails(lab, cell, number):
            if cell == self.group[0]:
                raise LabError("no answer")
            return self.good(lab, cell, number)
        self.assertEqual(self.measure(fails), 2)
        failed, done = (bench.load_result(
            bench.file_of(self.folder.name, cell, 1)) for cell in self.group)
        self.assertEqual(failed["error"], "no answer")
        self.assertNotIn("error", done)

    def test_what_is_there_is_not_measured_again(self):
        self.measure(self.good)
        self.assertEqual(self.measure(self.good), 0)
        os.remove(bench.file_of(self.folder.name, self.group[1], 1))
        self.assertEqual(self.measure(self.good), 1)

    def test_operations_are_kept_as_they_were(self):
        self.measure(self.good)
        self.assertEqual(bench.read_rows(bench.file_of(
            self.folder.name, self.group[0], 1, "ops.gz")), [(5, 7)])

    def test_booting_is_no_part_of_the_estimate(self):
        self.assertEqual(bench.left([(0, 0), (1, 500)], 10), "")
        self.assertEqual(bench.left([(0, 0), (1, 500), (3, 620)], 10),
                         ", about 7 min left")


class Conditions(unittest.TestCase):
    """What is done in one is undone after it."""

    def test_what_is_left_of_one_is_noticed(self):
        lab = mock.Mock(as_booted=None)
        lab.host.run.return_value = "0 0\n2100000\n500000\n"
        with conditions.applied(lab, "off"):
            pass
        lab.host.run.return_value = "-20 0\n2100000\n500000\n"
        with self.assertRaises(LabError):
            with conditions.applied(lab, "home"):
                pass

    def test_it_is_undone_after_a_failure(self):
        lab = mock.Mock(as_booted=None)
        lab.host.run.return_value = "0 0\n"
        with self.assertRaises(LabError):
            with conditions.applied(lab, "nice"):
                raise LabError("no answer")
        self.assertIn("renice 0", lab.host.run.call_args[0][0])


class Clients(unittest.TestCase):
    """What programs print."""

    def test_requests_go_from_connect_to_close(self):
        trace = """
 ab-7 [001] ...1. 10.000100: sys_connect(fd: 4, uservaddr: aa, addrlen: 10)
 ab-7 [001] ...1. 10.000200: sys_connect(fd: 5, uservaddr: aa, addrlen: 10)
 ab-7 [001] ...1. 10.000300: sys_close(fd: 3)
 ab-7 [001] ...1. 10.000500: sys_close(fd: 5)
 ab-7 [001] ...1. 10.000900: sys_close(fd: 4)
 ab-7 [001] ...1. 10.001000: sys_connect(fd: 4, uservaddr: aa, addrlen: 10)
"""
        self.assertEqual(works.requests(trace),
                         [(10_000_200_000, 300_000),
                          (10_000_100_000, 800_000)])

    def test_the_first_connect_of_a_request_counts(self):
        trace = """
 ab-7 [001] ...1. 10.000100: sys_connect(fd: 4, uservaddr: aa, addrlen: 10)
 ab-7 [001] ...1. 10.000600: sys_connect(fd: 4, uservaddr: aa, addrlen: 10)
 ab-7 [001] ...1. 10.000900: sys_close(fd: 4)
"""
        self.assertEqual(works.requests(trace), [(10_000_100_000, 800_000)])

    def test_exchanges_are_to_the_nanosecond(self):
        log = """packet, txTime(sec), rxTime(sec), rtt(usec)
812, 107.803663728, 107.804295248, 631.520
813, 107.804295424, 107.804695424, 400.000
"""
        self.assertEqual(works.exchanges(log),
                         [(107_803_663_728, 631_520),
                          (107_804_295_424, 400_000)])

    def test_bandwidth_is_of_all_bytes(self):
        ops = [(0, 1_000_000), (500_000, 500_000)]
        self.assertEqual(works.bandwidth(ops, "128k"),
                         {"value": 2097.152, "unit": "Mbit/s"})


class Measures(unittest.TestCase):
    """A cell's file."""

    def test_latencies(self):
        found = measures.latency([n * 1000 for n in range(1, 2001)])
        self.assertEqual(found, {"p50": 1000, "p90": 1800, "p99": 1980,
                                 "p999": 1998, "max": 2000, "mean": 1000.5})
        self.assertIsNone(measures.latency([]))

    def test_rate_is_over_the_whole_span(self):
        self.assertEqual(measures.rate([(0, 10), (500_000_000, 500_000_000)]),
                         {"value": 2, "unit": "ops/s"})

    def test_shares_are_of_all_pcpus(self):
        before = {"now_ns": 0, "vm_ns": 100, "neighbours_ns": 0}
        after = {"now_ns": 1000, "vm_ns": 1300, "neighbours_ns": 800}
        self.assertEqual(measures.share(before, after, "vm_ns", 2), 0.6)
        self.assertEqual(
            measures.neighbours(before, after, 2, [])["cpu_share"], 0.4)

    def test_a_cell_fits_its_schema(self):
        use = {"now_ns": 0, "vm_ns": 0, "vm_wait_ns": 0, "neighbours_ns": 0,
               "host": 3, "taken": [1, 2]}
        later = {**use, "now_ns": 2_000_000_000, "vm_ns": 1_000_000_000,
                 "taken": [5, 2]}
        more = {"pcpus": 2, "stat": None, "busy_pcpus": 6,
                "wakeups_ns": [5000, 7000]}
        cell = plan.cells(plan.SUBSET)[0]
        found = measures.cell(
            cell._asdict(), 1, works.Outcome([(0, 9000), (10_000, 7000)], 1,
                                             None), (use, later, more))
        with open(os.path.join(os.path.dirname(__file__),
                               "cell.schema.json"), encoding="utf-8") as file:
            schema.check(found, json.load(file))
        self.assertEqual((found["vm_cpu_share"], found["lost"]), (0.25, 1))
        self.assertEqual(found["interrupts"]["by_vcpu"], [4, 0])
        self.assertEqual(found["neighbours"]["latency"]["n"], 2)


if __name__ == "__main__":
    unittest.main()
