# SPDX-License-Identifier: GPL-2.0-only
"""From RAW to the three files: result, schema, report and command line."""

import contextlib
import copy
import io
import json
import os
import shutil
import tempfile
import unittest
import xml.dom.minidom

import report
import synthetic_raw
from irqhop_bench import oracle, raw, result, schema, text

# Every vCPU on a pCPU all the time.
ALWAYS = {v: [(0, 10_000_000)] for v in range(4)}
MS = 1_000_000


def run_cli(*arguments):
    """(exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = report.main(list(arguments))
    return code, out.getvalue(), err.getvalue()


class Directory(unittest.TestCase):
    """A test with a RAW directory of its own."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="irqhop-bench-")
        self.addCleanup(shutil.rmtree, self.root)
        self.raw = os.path.join(self.root, "raw")
        self.out = os.path.join(self.root, "out")
        synthetic_raw.write_run(self.raw)

    def cell(self, work, overcommit, condition, latencies, spans=None,
             **more):
        """Write a cell with these latencies, sent 0.1 ms apart."""
        ops = [(100_000 * n, ns) for n, ns in enumerate(latencies)]
        return synthetic_raw.write_cell(
            self.raw, synthetic_raw.meta(work, overcommit, condition, **more),
            ops, spans or ALWAYS)

    def build(self):
        outcome = result.build(raw.read(self.raw), oracle.ONE_WAY_SHARE)
        schema.validate(outcome)
        return outcome


def stat(**more):
    out = dict.fromkeys(raw.STAT_COUNTS, 0)
    out["cost_hist"] = [0] * 256
    return {**out, **more}


def histogram(**buckets):
    counts = [0] * 256
    for name, count in buckets.items():
        counts[int(name[1:])] = count
    return counts


class Result(Directory):
    def test_pools_operations_not_rounds(self):
        self.cell("ping", 1, "alone", [1000] * 9)
        self.cell("ping", 1, "alone", [11000], number=2)
        [cell] = self.build()["cells"]
        self.assertEqual((cell["n"], cell["mean_us"], cell["max_us"]),
                         (10, 2, 11))
        self.assertEqual([r["mean_us"] for r in cell["rounds"]], [1, 11])

    def test_oracle_uses_the_pooled_median_of_alone(self):
        # Median over both rounds: 60 us. Arrivals from 30 us on.
        self.cell("nvme", 1, "alone", [60_000] * 3)
        self.cell("nvme", 1, "alone", [90_000], number=2)
        # Any vCPU from 0.05 ms on, the reader from 0.25 ms on.
        spans = {0: [(0, 20_000)], 1: [(50_000, MS)], 3: [(250_000, MS)]}
        for number in (1, 2):
            self.cell("nvme", 3, "off", [500_000, 500_000], spans,
                      number=number)
            self.cell("nvme", 3, "on", [100_000, 100_000], spans,
                      number=number)
        cells = {c["condition"]: c for c in self.build()["cells"]}
        # Sent at 0 and 100 us: waits 20 and 0; the reader's vCPU is off for
        # 250 and 150.
        self.assertEqual(cells["on"]["oracle_mean_us"], 70)
        self.assertEqual(cells["on"]["second_wait_mean_us"], 190)
        self.assertEqual(cells["on"]["oracle_with_second_wait_mean_us"], 260)
        # The first of each round found none; from 20 to 50 us none ran.
        self.assertEqual(cells["on"]["oracle_waited"], 2)
        self.assertEqual(cells["on"]["none_ran"], 0.03)

    def test_lost_and_doubled(self):
        def ran(count):
            return [count, 0, 0, 0]
        self.cell("nvme", 1, "alone", [60_000], msis_sent=10,
                  guest_interrupts_by_vcpu=ran(7))                 # lost 3
        self.cell("nvme", 3, "on", [60_000], msis_sent=10, io_timeouts=2,
                  guest_interrupts_by_vcpu=ran(14))       # 2 lost, 4 doubled
        self.cell("nvme", 4, "on", [60_000], msis_sent=None, io_timeouts=1,
                  guest_interrupts_by_vcpu=ran(99))       # 1 lost
        self.cell("nvme", 4, "home", [60_000], msis_sent=5, resends=2,
                  guest_interrupts_by_vcpu=ran(8))        # 1 doubled
        self.cell("ping", 1, "alone", [60_000], msis_sent=10,
                  guest_interrupts_by_vcpu=ran(12))       # ping: not doubled
        got = self.build()
        self.assertEqual((got["lost"], got["doubled"]), (6, 5))
        self.assertEqual(got["msis_unknown"], {"cells": 1, "of": 5})

    def test_lost_does_not_cancel_doubled_of_another_round(self):
        for number, ran in ((1, 5), (2, 15)):
            self.cell("nvme", 1, "alone", [60_000], number=number,
                      msis_sent=10, guest_interrupts_by_vcpu=[ran, 0, 0, 0])
        got = self.build()
        self.assertEqual((got["lost"], got["doubled"]), (5, 5))

    def test_hops(self):
        self.cell("ping", 1, "alone", [1000])
        self.cell("ping", 3, "on", [1000], stat=stat(
            hops=30, returns=4, failed=1, cost_max_ns=9000,
            cost_hist=histogram(b50=30)), duration_ns=2_000_000_000)
        self.cell("ping", 4, "on", [1000], stat=stat(
            hops=60, returns=5, failed=2, cost_max_ns=7000,
            cost_hist=histogram(b60=31)))
        got = self.build()
        self.assertEqual({k: got["hops"][k] for k in (
            "count", "returns", "failed", "median_instructions",
            "max_instructions")}, {
                "count": 90, "returns": 9, "failed": 3,
                "median_instructions": 60 * 64 + 32,
                "max_instructions": 9000})
        moves = {c["overcommit"]: c["moves"] for c in got["cells"]}
        self.assertIsNone(moves[1])
        self.assertEqual(moves[3]["hops_per_s"], 15)
        # Without duration_ns: by the 10 ms of the scheduler's record.
        self.assertEqual(moves[4]["hops_per_s"], 6000)

    def test_direct(self):
        self.cell("ping", 1, "alone", [1000],
                  guest_interrupts_by_vcpu=[1, 2, 3, 4])
        self.cell("nvme", 1, "alone", [1000], host_vfio_interrupts=2,
                  guest_interrupts_by_vcpu=[10, 0, 0, 5])
        got = self.build()
        self.assertEqual(got["direct"], {
            "host_vfio_interrupts": 2, "guest_interrupts": 25,
            "guest_interrupts_by_vcpu": [11, 2, 3, 9]})
        self.assertEqual(got["path"], {
            "name": "direct", "host_work_interrupts": 0, "cells": 2,
            "cells_wrong": 1})

    def test_injected(self):
        synthetic_raw.write_run(self.raw, path="injected")
        # Merged on the way, or not known what was sent: nothing wrong.
        self.cell("ping", 1, "alone", [1000], host_vfio_interrupts=12,
                  host_work_interrupts=11,
                  guest_interrupts_by_vcpu=[1, 2, 3, 4])
        self.cell("nvme", 1, "alone", [1000], msis_sent=16,
                  host_vfio_interrupts=15, host_work_interrupts=15,
                  guest_interrupts_by_vcpu=[10, 0, 0, 5])
        self.assertEqual(self.build()["path"], {
            "name": "injected", "host_work_interrupts": 26, "cells": 2,
            "cells_wrong": 0})
        # One that is wrong twice is one.
        self.cell("nvme", 3, "off", [1000], msis_sent=13,
                  host_vfio_interrupts=14, host_work_interrupts=14,
                  guest_interrupts_by_vcpu=[15, 0, 0, 0])
        self.assertEqual(self.build()["path"]["cells_wrong"], 1)


class Warnings(Directory):
    def warned(self):
        return "\n".join(self.build()["warnings"])

    def quiet(self, *key, **more):
        more.setdefault("guest_interrupts_by_vcpu", [100, 0, 0, 0])
        latencies = more.pop("latencies", [60_000] * 100)
        self.cell(*key, latencies, {v: [(0, 20 * MS)] for v in range(4)},
                  **more)

    def test_none(self):
        self.quiet("ping", 1, "alone")
        self.quiet("ping", 3, "off")
        self.assertEqual(self.warned(), "")

    def test_busy_pcpus(self):
        self.quiet("ping", 1, "alone")
        self.quiet("ping", 3, "off", busy_pcpus=5)
        self.assertIn("busy pCPUs differ between cells (5, 6)",
                      self.warned())

    def test_off_that_is_not_at_home(self):
        self.quiet("ping", 1, "alone")
        self.quiet("ping", 3, "off",
                   guest_interrupts_by_vcpu=[90, 10, 0, 0])
        self.assertIn("ping-3-off: 10 of 100 interrupts were not taken at "
                      "home", self.warned())

    def test_null_control_that_hops(self):
        self.quiet("ping", 1, "alone")
        self.quiet("ping", 3, "home", stat=stat(hops=3))
        self.assertIn("ping-3-home: 3 hops", self.warned())

    def test_not_direct(self):
        self.quiet("ping", 1, "alone", host_vfio_interrupts=4)
        self.assertIn("ping-1-alone, round 1: the host took 4 VFIO "
                      "interrupts: not all were direct", self.warned())

    def injected(self, **more):
        """Warnings of a run on the injected path with such a cell."""
        synthetic_raw.write_run(self.raw, path="injected")
        self.quiet("nvme", 1, "alone", host_vfio_interrupts=130, **more)
        return self.warned()

    def test_injected(self):
        self.assertEqual(self.injected(host_work_interrupts=100,
                                       msis_sent=100), "")

    def test_not_by_the_host(self):
        self.assertIn("nvme-1-alone, round 1: the guest handled 100 "
                      "interrupts, the host took 99: not all were injected",
                      self.injected(host_work_interrupts=99))

    def test_more_than_were_sent(self):
        self.assertIn("the host took 102 interrupts, the device sent 101",
                      self.injected(host_work_interrupts=102,
                                    msis_sent=101))

    def test_faster_than_the_limit(self):
        self.quiet("ping", 1, "alone")
        self.quiet("ping", 3, "on", latencies=[50_000] * 100)
        self.assertIn("ping-3-on: the mean is over 5 % below", self.warned())

    def test_record_that_does_not_cover(self):
        self.quiet("ping", 1, "alone")
        self.cell("ping", 3, "off", [60_000] * 100, {0: [(0, 3 * MS)]})
        self.assertIn("ping-3-off: no oracle: running.csv does not cover 70 "
                      "of 100", self.warned())


class Schema(Directory):
    def setUp(self):
        super().setUp()
        self.cell("nvme", 1, "alone", [60_000])
        self.cell("nvme", 3, "off", [900_000])
        self.cell("nvme", 3, "on", [70_000])
        self.good = self.build()

    def test_exactly_the_agreed_keys(self):
        """The agreed keys are all required, at every level."""
        for where, keys in (
                ((), "schema emulated versions vcpus cells penalty hops "
                 "path direct lost doubled wall_s"),
                (("versions",), "qemu host_kernel guest_kernel"),
                (("cells", 0), "work overcommit condition n p50_us p90_us "
                 "p99_us max_us mean_us oracle_mean_us"),
                (("penalty", 0), "work overcommit mean_removed p99_removed"),
                (("hops",), "count returns failed median_instructions "
                 "max_instructions"),
                (("path",), "name host_work_interrupts cells cells_wrong"),
                (("direct",), "host_vfio_interrupts guest_interrupts "
                 "guest_interrupts_by_vcpu")):
            for key in keys.split():
                bad = copy.deepcopy(self.good)
                at = bad
                for step in where:
                    at = at[step]
                del at[key]
                with self.assertRaises(schema.SchemaError, msg=key):
                    schema.validate(bad)

    def test_wrong_values(self):
        for where, value in (
                (("schema",), "irqhop-result/2"),
                (("emulated",), False),
                (("emulated",), 1),
                (("vcpus",), "4"),
                (("vcpus",), 3),
                (("lost",), -1),
                (("lost",), 1.5),
                (("lost",), True),
                (("cells",), []),
                (("cells", 0, "work"), "disk"),
                (("cells", 0, "overcommit"), 2),
                (("cells", 0, "condition"), "ON"),
                (("cells", 0, "mean_us"), None),
                (("cells", 0, "p90_us"), 1e9),
                (("penalty", 0, "p99_removed"), "97 %"),
                (("hops", "median_instructions"), -5),
                (("path", "name"), "posted"),
                (("direct", "guest_interrupts"), 1),
                (("cells", 1), self.good["cells"][0])):
            bad = copy.deepcopy(self.good)
            at = bad
            for step in where[:-1]:
                at = at[step]
            at[where[-1]] = value
            with self.assertRaises(schema.SchemaError, msg=where):
                schema.validate(bad)

    def test_null_where_allowed(self):
        self.good["penalty"][0]["mean_removed"] = None
        self.good["cells"][0]["oracle_mean_us"] = None
        schema.validate(self.good)

    def test_unknown_keyword_is_refused(self):
        with self.assertRaises(schema.SchemaError):
            schema.check("x", {"pattern": "y"})


class Refused(Directory):
    """Bad raw data: non-zero exit, the file named, nothing written."""

    def setUp(self):
        super().setUp()
        self.alone = self.cell("ping", 1, "alone", [1000] * 3)
        self.off = self.cell("ping", 3, "off", [1000] * 3)

    def refused(self, *said):
        code, _, err = run_cli(self.raw, self.out, "--no-plot")
        self.assertEqual(code, 1)
        for one in said:
            self.assertIn(one, err)
        self.assertFalse(os.path.exists(self.out))

    def write(self, name, content):
        path = os.path.join(self.off, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def change(self, **more):
        path = os.path.join(self.off, "cell.json")
        with open(path, encoding="utf-8") as file:
            meta = json.load(file)
        return self.write("cell.json", json.dumps({**meta, **more}))

    def test_nothing_wrong(self):
        self.assertEqual(run_cli(self.raw, self.out, "--no-plot")[0], 0)

    def test_no_directory(self):
        shutil.rmtree(self.raw)
        self.refused("run.json", "No such file")

    def test_missing_files(self):
        for name in ("cell.json", "ops.csv", "running.csv"):
            path = os.path.join(self.off, name)
            os.rename(path, path + ".gone")
            self.refused(path, "No such file")
            os.rename(path + ".gone", path)

    def test_corrupt_json(self):
        self.refused(self.write("cell.json", '{"work": "pi'), "not JSON")

    def test_corrupt_csv(self):
        head = "send_ns,latency_ns\n"
        for content, said in (
                ("", "header"), ("a,b\n1,2\n", "header"),
                (head, "no operations"), (head + "1,2\n3\n", "ops.csv:3"),
                (head + "1,x\n", "not a table"),
                (head + "1,0\n", "latency 0"), (head + "1,-5\n", "latency")):
            self.refused(self.write("ops.csv", content), said)

    def test_impossible_intervals(self):
        head = "start_ns,end_ns,vcpu\n"
        for content, said in (
                (head, "no intervals"), (head + "9,8,0\n", "ends before"),
                (head + "1,2,4\n", "no vCPU 4"),
                (head + "0,9000,1\n5000,20000,1\n", "twice on a pCPU")):
            self.refused(self.write("running.csv", content), said)

    def test_impossible_cell(self):
        for key, value in (("round", 2), ("overcommit", 4), ("overcommit", 2),
                           ("home_vcpu", 9), ("eligible_vcpus", []),
                           ("guest_interrupts_by_vcpu", [1, 2, 3]),
                           ("msis_sent", -1), ("io_timeouts", None),
                           ("host_work_interrupts", None),
                           ("stat", {"hops": 1})):
            path = self.change(**{key: value})
            self.refused(path)
            self.change(**{key: synthetic_raw.meta("ping", 3, "off")[key]})

    def test_cell_missing_from_a_round(self):
        self.cell("ping", 1, "alone", [1000], number=2)
        self.refused(os.path.join(self.raw, "2", "ping-3-off"), "--partial")
        code, page, _ = run_cli(self.raw, self.out, "--no-plot", "--partial")
        self.assertEqual(code, 0)
        self.assertIn("missing: ", page)

    def test_unknown_path(self):
        synthetic_raw.write_run(self.raw, path="posted")
        self.refused("run.json", "direct or injected")

    def test_no_alone(self):
        shutil.rmtree(self.alone)
        self.refused("ping-1-alone")

    def test_unknown_cell(self):
        os.rename(self.off, self.off[:-3] + "of")
        self.refused("ping-3-of", "not the name of a cell")


class Words(Directory):
    """The sentences on top follow the data, whichever way it goes."""

    def page(self, off, on, **more):
        self.cell("ping", 1, "alone", [100_000] * 100)
        self.cell("ping", 3, "off", [off] * 100)
        self.cell("ping", 3, "on", [on] * 100, **more)
        return " ".join(text.render(self.build()).split())

    def test_better(self):
        page = self.page(1_100_000, 200_000)
        self.assertIn("fell from 1100 to 200.0 us at overcommit 3 "
                      "(alone: 100.0)", page)
        self.assertIn("at 3: 90.0 % of the mean, 90.0 % of the p99", page)
        self.assertIn("Figures worse with irqhop than off: none", page)

    def test_worse(self):
        page = self.page(1_100_000, 2_100_000)
        self.assertIn("ROSE from 1100 to 2100 us", page)
        self.assertIn("-100.0 % of the mean (WORSE than off)", page)
        self.assertIn("than off: 5, listed below", page)
        self.assertIn("p99 of ping at overcommit 3 (1100 -> 2100 us)", page)

    def test_no_penalty_to_remove(self):
        page = self.page(103_000, 101_000)
        self.assertIn("hardly changed, from 103.0 to 101.0", page)
        self.assertIn("not given for the mean", page)
        self.assertIn("ping at 3, mean: not given: off - alone is 2.9 % of "
                      "off, under 5 %", page)

    def test_faults_are_on_top(self):
        page = self.page(1_100_000, 200_000, io_timeouts=3,
                         host_vfio_interrupts=7)
        self.assertIn("Interrupts lost: 3, doubled: 0", page)
        self.assertIn("NOT all direct: the host took 7", page)

    def behind(self, work, slow_ops, spans, **more):
        """The page where 2 of 100 operations keep on's p99 where it was."""
        self.cell(work, 1, "alone", [100_000] * 100, **more)
        self.cell(work, 3, "off", [5 * MS] * 100, spans, **more)
        self.cell(work, 3, "on", [100_000] * 98 + slow_ops, spans, **more)
        return " ".join(text.render(self.build()).split())

    def test_behind_the_p99(self):
        # The reader's vCPU is off from 9.75 ms to 15 ms, the others run on.
        spans = {0: [(0, 40 * MS)], 3: [(0, 9_750_000), (15 * MS, 40 * MS)]}
        page = self.behind("nvme", [6 * MS, 6 * MS], spans)
        self.assertIn("nvme at 3, behind the p99: 2 operations of 100 over "
                      "1000 us with irqhop on (off: 100); 2 of these waited "
                      "for the vCPU of their own task. ", page)

    def test_behind_the_p99_without_a_task(self):
        spans = {0: [(0, 9_750_000), (15 * MS, 40 * MS)]}
        page = self.behind("ping", [6 * MS, 99 * MS], spans, reader_vcpu=None)
        self.assertIn("; 1 of these waited because no vCPU of the VM ran; 1 "
                      "unexplained. ", page)

    def test_nothing_behind_a_p99_that_was_removed(self):
        self.assertNotIn("behind", self.page(1_100_000, 200_000))

    def test_rounds_that_disagree(self):
        self.cell("ping", 3, "off", [1_100_000] * 10, number=2)
        self.cell("ping", 1, "alone", [100_000] * 10, number=2)
        self.cell("ping", 3, "on", [1_100_000] * 10, number=2)
        page = self.page(1_100_000, 100_000)
        # Rounds say 100 % and 0 %: their median 50 %, the pool 90.9 %.
        self.assertIn("50.0 % of the mean (rounds disagree; pooled: 90.9 %)",
                      page)


class EndToEnd(unittest.TestCase):
    """From a whole directory of raw data, one of each path."""

    PATH = "direct"
    # What the page says, and no page of the other path.
    SAYS = ("report, direct interrupts", "All direct", "the emulated ITS "
            "answers at once", "path: direct: the GICv4 delivers")

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="irqhop-bench-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.raw = os.path.join(cls.root, "raw")
        cls.out = os.path.join(cls.root, "build", "demo")
        synthetic_raw.write(cls.raw, rounds=2, count=120, path=cls.PATH)
        cls.drawn = shutil.which("gnuplot") is not None
        cls.code, cls.page, cls.err = run_cli(
            cls.raw, cls.out, *([] if cls.drawn else ["--no-plot"]))

    def test_exit(self):
        self.assertEqual((self.code, self.err), (0, ""))

    def test_result(self):
        with open(os.path.join(self.out, "result.json"),
                  encoding="utf-8") as file:
            got = json.load(file)
        schema.validate(got)
        self.assertEqual(len(got["cells"]), 14)
        self.assertEqual({c["n"] for c in got["cells"]}, {240})
        self.assertEqual((got["lost"], got["doubled"]), (0, 0))
        self.assertEqual(got["warnings"], [])
        for entry in got["penalty"]:
            # The toy's irqhop works, and its null control does nothing.
            self.assertGreater(entry["mean_removed"], 0.7)
            self.assertLess(abs(entry["home_mean_removed"]), 0.5)

    def test_report(self):
        with open(os.path.join(self.out, "report.txt"),
                  encoding="utf-8") as file:
            self.assertEqual(file.read(), self.page)
        for line in self.page.splitlines():
            self.assertLessEqual(len(line), text.WIDTH, line)
        for must in ("2nd wait", "oracle", "nothing here is a claim about "
                     "hardware", "in handler", "interleaved", *self.SAYS):
            self.assertIn(must, " ".join(self.page.split()))

    def test_picture(self):
        if not self.drawn:
            self.skipTest("no gnuplot")
        path = os.path.join(self.out, "latency.svg")
        with open(path, encoding="utf-8") as file:
            svg = file.read()
        xml.dom.minidom.parseString(svg)
        for must in ("ping, round trip, overcommit 3", "NVMe read, "
                     "overcommit 4", "latency (us, virtual time)",
                     "emulated (TCG, virtual time)", "irqhop off",
                     "irqhop on", "alone", "oracle", "home (null control)",
                     self.PATH + " interrupts"):
            self.assertIn(must, svg)


class EndToEndInjected(EndToEnd):
    """The same."""

    PATH = "injected"
    SAYS = ("report, injected interrupts", "All injected: each went through "
            "the host. The guest took 3360 interrupts, and of the same ones "
            "the host 3360", "Of a change of KVM's record", "path: injected: "
            "the host takes the devices' interrupts (on pCPU 0)")

    def test_nothing_of_the_other_path(self):
        """Nothing that is true of direct ones only."""
        for word in ("direct", "ITS", "no exit"):
            self.assertNotRegex(self.page, r"\b%s\b" % word)


if __name__ == "__main__":
    unittest.main()
