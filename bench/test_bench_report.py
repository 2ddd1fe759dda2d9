# SPDX-License-Identifier: GPL-2.0-only
"""From the cells of `make bench` to result.json and report.html."""

import contextlib
import copy
import io
import json
import os
import random
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree

import jsonschema

import bench_report
import plan
import synthetic_cells
from irqhop_bench import (aggregate, bootstrap, cellfiles, charts, names,
                          page, split, summary, targets)

US = 1000


class Directory(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="irqhop-bench-")
        self.addCleanup(shutil.rmtree, self.root)

    def cell(self, work, overcommit, condition, latencies=(), number=1,
             **more):
        """Leave a cell with these latencies in us, sent 1 ms apart."""
        ops = [(n * 1000 * US, us * US) for n, us in enumerate(latencies)]
        return synthetic_cells.write_cell(self.root, synthetic_cells.cell(
            work, overcommit, condition, number, **more), ops)

    def build(self):
        """result.json's data; it has to keep what the schema promises."""
        result = aggregate.build(cellfiles.read(self.root))
        validate(result)
        return result

    def cells(self):
        """{condition: cell}."""
        return {c["condition"]: c for c in self.build()["cells"]}


def validate(result):
    """By a library, so that our own checker is not its own judge."""
    with open(bench_report.SCHEMA_FILE, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(result, schema)


class Pooling(Directory):
    def test_operations_of_all_rounds(self):
        self.cell("ping", 3, "off", list(range(1, 501)))
        self.cell("ping", 3, "off", list(range(501, 1001)), number=2)
        got = self.cells()["off"]
        self.assertEqual(got["n"], 1000)
        self.assertEqual(got["latency"], {
            "p50": 500, "p90": 900, "p99": 990, "p999": 999, "max": 1000,
            "mean": 500.5, "from": "operations"})
        self.assertEqual([r["mean"] for r in got["rounds"]],
                         [250.5, 750.5])

    def test_rounds_where_operations_are_not_kept(self):
        def figures(mean, most):
            return {"p50": mean, "p90": mean, "p99": most, "p999": most,
                    "max": most, "mean": mean}
        for number, mean, most, count in ((1, 10, 20, 100), (2, 40, 90, 300),
                                          (3, 20, 50, 100)):
            self.cell("ping", 3, "off", number=number, n=count,
                      latency=figures(mean, most))
        got = self.cells()["off"]["latency"]
        self.assertEqual(got, {"p50": 20, "p90": 20, "p99": 50, "p999": 50,
                               "max": 90, "mean": 30, "from": "rounds"})

    def test_counters_add_up(self):
        for number, hops in ((1, 30), (2, 70)):
            self.cell("ping", 3, "recent", [10], number, lost=number,
                      stat={"hops": hops, "stranded": 1, "turns": 9},
                      duration_s=2.5)
        got = self.cells()["recent"]
        self.assertEqual(got["stat"], {"hops": 100, "stranded": 2,
                                       "hops_per_s": 20})
        self.assertEqual((got["lost"], got["duration_s"]), (3, 5))

    def test_throughput_and_shares_are_means(self):
        for number, value, share in ((1, 100, 0.3), (2, 140, 0.34)):
            self.cell("stream-in", 3, "off", number=number, throughput={
                "value": value, "unit": "Mbit/s"},
                neighbours={"cpu_share": share, "latency": None})
        got = self.cells()["off"]
        self.assertEqual(got["throughput"],
                         {"value": 120, "unit": "Mbit/s"})
        self.assertAlmostEqual(got["neighbours_got"]["cpu_share"], 0.32)
        self.assertIsNone(got["latency"])
        self.assertIsNone(got["mean_interval"])

    def test_settings_are_kept_apart(self):
        for where in ({}, {"vcpus": 8}, {"path": "injected"},
                      {"neighbours": "server"}):
            self.cell("ping", 3, "off", [100], where=where)
        self.assertEqual(len(self.build()["cells"]), 4)


class Bootstrap(unittest.TestCase):
    def test_same_data_same_interval(self):
        rounds = [[float(v % 17) for v in range(200)] for _ in range(3)]
        self.assertEqual(bootstrap.means(rounds, "a"),
                         bootstrap.means(rounds, "a"))
        self.assertNotEqual(bootstrap.means(rounds, "a"),
                            bootstrap.means(rounds, "b"))

    def test_interval_of_independent_values(self):
        # The mean of 900 values of variance 1/12: 1.96 standard errors on
        # either side are 0.0377 apart.
        rng = random.Random(1)
        rounds = [[rng.random() for _ in range(300)] for _ in range(3)]
        low, high = bootstrap.interval(bootstrap.means(rounds, "x"))
        self.assertLess(low, 0.5)
        self.assertGreater(high, 0.5)
        self.assertTrue(0.025 < high - low < 0.06, high - low)

    def test_neighbouring_values_are_no_independent_ones(self):
        # The same values, in long runs and shuffled.
        runs = [float(n // 50 % 2) for n in range(1000)]
        mixed = runs[:]
        random.Random(2).shuffle(mixed)
        width = [high - low for low, high in (
            bootstrap.interval(bootstrap.means([values], "x"))
            for values in (runs, mixed))]
        self.assertGreater(width[0], 2 * width[1])

    def test_rounds_that_differ_widen_it(self):
        low, high = bootstrap.interval(bootstrap.means(
            [[1.0] * 50, [2.0] * 50, [3.0] * 50], "x"))
        self.assertEqual((low, high), (1, 3))
        self.assertEqual(bootstrap.interval(bootstrap.means(
            [[2.0] * 50] * 3, "x")), [2, 2])

    def test_nothing(self):
        self.assertEqual(bootstrap.means([], "x"), [])
        self.assertIsNone(bootstrap.interval([]))
        self.assertIsNone(bootstrap.change_interval([], [1.0]))

    def test_change(self):
        self.assertEqual(bootstrap.change_interval([1.0] * 9, [4.0] * 9),
                         [-75, -75])


class Against(Directory):
    def three(self, condition, means, **more):
        """Three rounds with these means."""
        for number, mean in enumerate(means, 1):
            self.cell("ping", more.get("overcommit", 3), condition,
                      [mean - 1, mean, mean, mean + 1], number)

    def test_share_of_the_penalty_removed(self):
        self.cell("ping", 1, "alone", [100])
        self.cell("ping", 3, "off", [1100])
        self.cell("ping", 3, "recent", [200])
        self.cell("ping", 3, "spread", [1600])
        got = self.cells()
        self.assertEqual(got["recent"]["removed"],
                         {"mean": 0.9, "p99": 0.9, "why": {}})
        self.assertEqual(got["spread"]["removed"]["mean"], -0.5)
        self.assertIsNone(got["off"]["removed"])
        self.assertIsNone(got["alone"]["removed"])

    def test_not_given_without_a_penalty(self):
        self.cell("ping", 1, "alone", [960])
        self.cell("ping", 3, "off", [1000])
        self.cell("ping", 3, "recent", [500])
        gone = self.cells()["recent"]["removed"]
        self.assertIsNone(gone["mean"])
        self.assertIn("under 5 %", gone["why"]["mean"])

    def test_change(self):
        self.cell("ping", 3, "off", [1000])
        self.cell("ping", 3, "recent", [250])
        got = self.cells()
        self.assertEqual(got["recent"]["against_off"]["mean"], -75)
        self.assertIsNone(got["off"]["against_off"])

    def test_worse_by_more_than_noise(self):
        self.three("off", (100, 101, 102))
        self.three("recent", (120, 121, 122))
        self.three("spread", (99, 104, 100))
        self.three("sticky", (50, 51, 52))
        got = self.cells()
        self.assertEqual(got["recent"]["against_off"]["worse"],
                         ["mean", "p50", "p99"])
        self.assertEqual(got["spread"]["against_off"]["worse"], [])
        self.assertEqual(got["sticky"]["against_off"]["worse"], [])
        self.assertEqual({(w["condition"], w["figure"])
                          for w in self.build()["worse"]},
                         {("recent", f) for f in ("mean", "p50", "p99")})

    def test_two_rounds_tell_nothing_of_a_percentile(self):
        for number in (1, 2):
            self.cell("stream-in", 3, "off", number=number, throughput={
                "value": 100, "unit": "Mbit/s"})
            self.cell("stream-in", 3, "recent", number=number, throughput={
                "value": 50, "unit": "Mbit/s"})
        self.assertEqual(self.cells()["recent"]["against_off"]["worse"], [])
        for condition, value in (("off", 90), ("recent", 80)):
            self.cell("stream-in", 3, condition, number=3, throughput={
                "value": value, "unit": "Mbit/s"})
        self.assertEqual(self.cells()["recent"]["against_off"]["worse"],
                         ["throughput"])

    def test_what_the_neighbours_lose(self):
        def got(share):
            return {"cpu_share": share, "latency": {"p50": 5, "p99": 10}}
        self.cell("ping", 3, "off", [100], neighbours=got(0.5))
        self.cell("ping", 3, "recent", [100], neighbours=got(0.496))
        self.cell("ping", 3, "nice", [100], neighbours=got(0.25))
        cells = self.cells()
        self.assertEqual(cells["recent"]["against_off"]["worse"], [])
        self.assertEqual(cells["nice"]["against_off"]["worse"],
                         ["cpu_share"])
        self.assertEqual(cells["nice"]["against_off"]["cpu_share"], -50)
        self.assertEqual(cells["nice"]["against_off"]["neighbour_p99"], 0)


class Targets(Directory):
    def judged(self):
        """{measure: target}."""
        return {t["measure"]: t for t in self.build()["targets"]}

    def test_reached_and_not(self):
        for number in (1, 2, 3):
            self.cell("ping", 3, "off", [1000] * 9, number)
            self.cell("ping", 3, "recent", [60] * 9, number)
        got = self.judged()
        mean = got["Network round trip (ping), mean"]
        self.assertEqual((mean["ours"], mean["reached"]), (-94, True))
        self.assertIs(got["Network round trip (ping), p99"]["reached"],
                      False)

    def test_not_measured(self):
        self.cell("ping", 3, "off", [1000])
        for one in self.judged().values():
            self.assertIsNone(one["ours"])
            self.assertIsNone(one["reached"])

    def test_another_setting_does_not_count(self):
        where = {"vcpus": 8}
        self.cell("ping", 3, "off", [1000], where=where)
        self.cell("ping", 3, "recent", [10], where=where)
        self.assertIsNone(
            self.judged()["Network round trip (ping), mean"]["reached"])

    def test_never_worse_is_judged_by_the_worst_cell(self):
        def rate(value):
            return {"value": value, "unit": "Mbit/s"}
        for number in (1, 2, 3):
            for work, value in (("stream-in", 150), ("stream-out", 80)):
                self.cell(work, 4, "off", number=number,
                          throughput=rate(100))
                self.cell(work, 4, "recent", number=number,
                          throughput=rate(value))
        got = self.judged()
        both = got["TCP stream, either way, throughput"]
        self.assertEqual((both["ours"], both["reached"], both["missing"]),
                         (-20, False, []))
        self.assertIn("stream-out", both["cell"])
        self.assertIs(got["TCP stream in at 4:1, throughput"]["reached"],
                      True)

    def test_another_policy_than_the_reports(self):
        for condition, value in (("off", 100), ("recent", 104),
                                 ("donate", 160)):
            self.cell("stream-in", 4, condition,
                      throughput={"value": value, "unit": "Mbit/s"})
        got = self.judged()
        for measure, ours, reached in (
                ("TCP stream in at 4:1, throughput", 4, False),
                ("TCP stream in at 4:1, policy donate, throughput",
                 60, True)):
            self.assertEqual((got[measure]["ours"], got[measure]["reached"]),
                             (ours, reached))

    def test_says_which_work_is_missing(self):
        for condition in ("off", "recent"):
            self.cell("apache-c8", 3, condition, [1000])
        [one] = [t for m, t in self.judged().items() if "8 and 32" in m]
        self.assertEqual((one["reached"], one["missing"]),
                         (True, ["apache-c32"]))

    def test_neighbours_may_not_win_either(self):
        for condition, share in (("off", 0.5), ("recent", 0.51)):
            self.cell("ping", 3, condition, [10], neighbours={
                "cpu_share": share, "latency": None})
        self.assertIs(self.judged()["Neighbours' share of the CPU"]
                      ["reached"], False)

    def test_works_are_known(self):
        for target in targets.TARGETS:
            for work in target.works or ():
                self.assertIn(work, names.WORKS)


class Names(unittest.TestCase):
    def test_all_that_is_measured_has_a_name(self):
        for cell in plan.cells(plan.SUBSET + plan.FULL):
            self.assertIn(cell.work, names.WORKS)
            self.assertIn(cell.condition, names.CONDITIONS)

    def test_default_policy(self):
        self.assertEqual(names.default_policy({"off", "recent", "summon"}),
                         "summon")
        self.assertEqual(names.default_policy({"off", "spread", "recent"}),
                         "recent")
        self.assertEqual(names.default_policy({"off", "fifo"}), "summon")


class Files(Directory):
    def test_left_out_and_said_so(self):
        self.cell("ping", 3, "off", [100])
        folder = os.path.join(self.root, "cells")
        for name, text in (("a.1.json", "{"), ("b.1.json", "[]"),
                           ("c.1.json", '{"cell": {"work": "ping"}}'),
                           ("d.1.json", '{"cell": {"work": "x", '
                            '"overcommit": "3", "condition": "off"}}'),
                           ("notes.txt", "?")):
            with open(os.path.join(folder, name), "w",
                      encoding="utf-8") as file:
                file.write(text)
        with open(os.path.join(folder, "ping-3-4-direct-spin-off.1.ops.gz"),
                  "r+b") as file:
            file.truncate(12)
        bench = cellfiles.read(self.root)
        self.assertEqual(bench.cells, [])
        self.assertEqual(len(bench.problems), 5)

    def test_asked_for_and_not_there(self):
        self.cell("ping", 3, "off", [100])
        with open(os.path.join(self.root, "meta.json"), "w",
                  encoding="utf-8") as file:
            json.dump({"complete": False, "cells": [
                "ping-3-4-direct-spin-off", "ping-3-4-direct-spin-recent"]},
                file)
        self.assertIn("1 of the 2 cells that were asked for are not there: "
                      "ping-3-4-direct-spin-recent", self.build()["warnings"])

    def test_failed_is_left_out(self):
        path = self.cell("ping", 3, "off", [100])
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        data["error"] = "no answer\nlog: x"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file)
        self.assertEqual(
            cellfiles.read(self.root).problems,
            ["ping-3-4-direct-spin-off.1.json is left out: it failed: no "
             "answer"])

    def test_usual_settings_may_be_left_out(self):
        path = self.cell("ping", 3, "off", [100])
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        for name in cellfiles.DEFAULTS:
            del data["cell"][name]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file)
        [cell] = cellfiles.read(self.root).cells
        self.assertEqual((cell.key.vcpus, cell.key.path), (4, "direct"))

    def test_operations_are_in_order(self):
        synthetic_cells.write_cell(
            self.root, synthetic_cells.cell("ping", 3, "off"),
            [(300, 3), (100, 1), (200, 2)])
        [cell] = cellfiles.read(self.root).cells
        self.assertEqual(cell.latencies, [1, 2, 3])


def tags(root):
    """All elements of a page, by name without the namespace."""
    return [(element.tag.rsplit("}", 1)[-1], element)
            for element in root.iter()]


class Page(unittest.TestCase):
    """report.html of a whole made-up run."""

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="irqhop-bench-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        synthetic_cells.write(cls.root, count=60)
        with contextlib.redirect_stdout(io.StringIO()):
            cls.code = bench_report.main([cls.root])
        with open(os.path.join(cls.root, "report.html"),
                  encoding="utf-8") as file:
            cls.text = file.read()
        with open(os.path.join(cls.root, "result.json"),
                  encoding="utf-8") as file:
            cls.result = json.load(file)
        cls.tree = xml.etree.ElementTree.fromstring(
            cls.text.partition("\n")[2])

    def test_written(self):
        self.assertEqual(self.code, 0)
        validate(self.result)
        self.assertTrue(self.text.startswith("<!DOCTYPE html>\n"))

    def test_nothing_from_outside(self):
        for name, element in tags(self.tree):
            self.assertNotIn(name, ("script", "link", "img", "iframe",
                                    "object", "embed", "image"))
            for key, value in element.attrib.items():
                self.assertFalse(key.startswith("on"), (name, key))
                if key.rsplit("}", 1)[-1] in ("href", "src", "data"):
                    self.assertTrue(value.startswith("#"), value)
        self.assertNotIn("@import", self.text)
        self.assertIsNone(re.search(r"url\((?!['\"]?#)", self.text))

    def test_ids_and_links(self):
        ids = [e.get("id") for _, e in tags(self.tree) if e.get("id")]
        self.assertEqual(len(ids), len(set(ids)))
        for _, element in tags(self.tree):
            for key, value in element.attrib.items():
                if key.rsplit("}", 1)[-1] == "href":
                    self.assertIn(value[1:], ids)

    def test_sections_in_order(self):
        self.assertEqual(
            [e.get("id") for name, e in tags(self.tree)
             if name == "section"],
            ["summary", "targets", "removed", "latency", "timeline", "split",
             "neighbours", "tables", "conditions", "repeat"])

    def test_pictures_say_what_they_show(self):
        pictures = [e for name, e in tags(self.tree) if name == "svg"]
        self.assertGreater(len(pictures), 30)
        for picture in pictures:
            self.assertEqual(picture.get("role"), "img")
            self.assertGreater(len(picture.get("aria-label")), 30)
            self.assertIsNone(picture.get("width"))
            self.assertTrue(picture.get("viewBox"))

    def test_tables_scroll(self):
        boxes = [e for _, e in tags(self.tree)
                 if "scroll" in (e.get("class") or "").split()]
        inside = sum(name == "table" for box in boxes
                     for name, _ in tags(box))
        self.assertEqual(inside, sum(name == "table"
                                     for name, _ in tags(self.tree)))

    def test_rows_are_as_long_as_their_header(self):
        for name, element in tags(self.tree):
            if name == "table":
                rows = [len(list(e)) for n, e in tags(element) if n == "tr"]
                self.assertEqual(len(set(rows)), 1, rows)

    def test_unfavourable_stands_in_the_summary(self):
        section = next(e for name, e in tags(self.tree)
                       if e.get("id") == "summary")
        text = " ".join(section.itertext())
        for said in ("What speaks against it", "What was not measured",
                     "emulated", "better than irqhop in",
                     "real hardware", "injected delivery"):
            self.assertIn(said, text)

    def test_every_page_is_the_same(self):
        again = page.render(self.result,
                            cellfiles.read(self.root).by_key())
        self.assertEqual(self.text, again)


class Missing(Directory):
    """Whatever is missing is said, and nothing breaks."""

    def page(self):
        bench = cellfiles.read(self.root)
        result = aggregate.build(bench)
        validate(result)
        text = page.render(result, bench.by_key())
        xml.etree.ElementTree.fromstring(text.partition("\n")[2])
        return text

    def test_one_cell_alone(self):
        self.cell("ping", 1, "alone", [100] * 5)
        text = self.page()
        self.assertIn("nothing can be said about what it does", text)
        self.assertGreater(text.count("not measured"), 15)

    def test_off_without_on(self):
        self.cell("ping", 3, "off", [100] * 5)
        self.assertIn("not measured", self.page())

    def test_no_alone_no_throughput_unknown_names(self):
        for condition in ("off", "recent", "greedy"):
            self.cell("doom", 2, condition, [100] * 5)
        self.cell("stream-in", 2, "off")
        self.cell("stream-in", 2, "recent")
        text = self.page()
        self.assertIn("doom", text)
        self.assertIn("greedy", text)

    def test_markup_in_names_is_text(self):
        for condition in ("off", "recent", "<b>'\"&"):
            self.cell("<i>", 3, condition, [100] * 5)
        self.assertIn("&lt;i&gt;", self.page())

    def test_worse_is_red_and_on_top(self):
        for number in (1, 2, 3):
            self.cell("apache-c8", 3, "off", [100] * 9, number)
            self.cell("apache-c8", 3, "recent", [200] * 9, number)
        text = self.page()
        self.assertIn("mean worse than off (+100.0", text)
        self.assertIn('class="tag worse"', text)
        self.assertIn('<span class="bad">+100.0', text)

    def test_nothing_at_all(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = bench_report.main([self.root])
        self.assertEqual(code, 1)
        self.assertIn("no cells", errors.getvalue())
        self.assertEqual(os.listdir(self.root), [])


class Left(unittest.TestCase):
    """What slow operations still wait for."""

    def said(self, slow, none_ran=0, **waits):
        """The line, where off had 50 slow ones."""
        def one(condition, slow):
            return {"cell": {"work": "ping", "overcommit": 3,
                             "condition": condition}, "n": 100, "slow": slow,
                    "none_ran_us": none_ran,
                    "split": {**dict.fromkeys(split.WAITS, 0), **waits}}
        [line] = summary.left({"policy": "recent", "traced": [
            one("recent", slow), one("off", 50)]})
        return line

    def test_says_what_most_of_it_is(self):
        line = self.said(7, second_wait=60, poll_window=30, other=10)
        self.assertIn("slow were 7 of 100 operations with irqhop, 50 of 100 "
                      "without", line)
        self.assertIn("second wait 60\u202f% and poll window 30\u202f%",
                      line)
        self.assertNotIn("other", line)

    def test_says_that_nobody_ran(self):
        line = self.said(7, none_ran=90, interrupt_preempted=100)
        self.assertIn("90\u202f% of that while no vCPU", line)
        self.assertNotIn("no vCPU", self.said(7, none_ran=40,
                                              interrupt_preempted=100))

    def test_none_is_slow(self):
        self.assertNotIn("wait", self.said(0))


class Schema(Directory):
    """What the schema does not allow."""

    def test_required(self):
        self.cell("ping", 3, "off", [100])
        self.cell("ping", 3, "recent", [100])
        good = self.build()
        for where, key in (((), "targets"), (("cells", 1), "against_off"),
                           (("cells", 1, "against_off"), "worse"),
                           (("cells", 0, "latency"), "p999"),
                           (("targets", 0), "reached")):
            bad = copy.deepcopy(good)
            at = bad
            for step in where:
                at = at[step]
            del at[key]
            with self.assertRaises(jsonschema.ValidationError, msg=key):
                validate(bad)


class Charts(unittest.TestCase):
    def test_tics_are_round(self):
        self.assertEqual(charts.tics(-100, 20), (-100, 20, 20))
        self.assertEqual(charts.tics(0, 7000, 5), (0, 2000, 7000))

    def test_no_minus_before_nothing(self):
        self.assertEqual(charts.short(-0.04), "0.0")
        self.assertEqual(charts.short(-12.4), "\u221212")
        self.assertEqual(summary.percent(-0.04), "+0.0\u202f%")

    def test_ids_get_a_name_of_their_own(self):
        svg = ("<?xml?><svg width=\"4\" height=\"5\" viewBox=\"0 0 4 5\">"
               "<title>Gnuplot</title><g id=\"a\"/><use href='#a'/>"
               "<p fill=\"url(#a)\"/></svg>")
        got = charts.inline(svg, "f1", "a \"b\"")
        self.assertIn('id="f1-a"', got)
        self.assertIn("href='#f1-a'", got)
        self.assertIn("url(#f1-a)", got)
        self.assertIn('aria-label="a &quot;b&quot;"', got)
        self.assertNotIn("Gnuplot", got)
        self.assertNotIn("width", got)


if __name__ == "__main__":
    unittest.main()
