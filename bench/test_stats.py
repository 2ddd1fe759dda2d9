# SPDX-License-Identifier: GPL-2.0-only
"""Statistics, oracle and penalty against answers worked out by hand."""

import unittest

import synthetic_raw
from irqhop_bench import oracle, penalty, plot, slow, stats
from irqhop_bench.raw import Cell


class Percentile(unittest.TestCase):
    def test_nearest_rank(self):
        values = [15, 20, 35, 40, 50]
        self.assertEqual(stats.percentile(values, 50), 35)
        self.assertEqual(stats.percentile(values, 40), 20)
        self.assertEqual(stats.percentile(values, 41), 35)
        self.assertEqual(stats.percentile(values, 90), 50)
        self.assertEqual(stats.percentile(values, 100), 50)
        self.assertEqual(stats.percentile(values, 1), 15)

    def test_even_number_is_not_interpolated(self):
        self.assertEqual(stats.percentile([1, 2, 3, 4], 50), 2)

    def test_whole_ranks_are_exact(self):
        # 7 % of 100 is 7.000000000000001 in floating point.
        values = list(range(1, 101))
        for p in range(1, 101):
            self.assertEqual(stats.percentile(values, p), p)

    def test_one_and_none(self):
        self.assertEqual(stats.percentile([7], 99), 7)
        with self.assertRaises(ValueError):
            stats.percentile([], 50)
        with self.assertRaises(ValueError):
            stats.percentile([1], 0)

    def test_summary(self):
        # 1..200 us, out of order.
        got = stats.summary([n * 1000 for n in range(200, 0, -1)])
        self.assertEqual(got, {"n": 200, "p50_us": 100, "p90_us": 180,
                               "p99_us": 198, "max_us": 200,
                               "mean_us": 100.5})


class Histogram(unittest.TestCase):
    def test_median(self):
        counts = [0] * 256
        counts[10], counts[20] = 3, 2
        self.assertEqual(stats.histogram_median(counts), 10 * 64 + 32)
        counts[20] = 4
        self.assertEqual(stats.histogram_median(counts), 20 * 64 + 32)

    def test_open_end_and_nothing(self):
        self.assertIsNone(stats.histogram_median([0] * 256))
        self.assertIsNone(stats.histogram_median([0] * 255 + [1]))

    def test_add(self):
        self.assertEqual(stats.add_histograms([[1, 2], [3, 4]]), [4, 6])


def make_cell(sends, running, **more):
    meta = synthetic_raw.meta("nvme", 3, "on", **more)
    return Cell("-", meta, sends, [1] * len(sends), running)


class Timeline(unittest.TestCase):
    def setUp(self):
        # Overlapping, touching and contained intervals; out of order.
        self.line = oracle.Timeline(
            [(300, 400), (100, 150), (120, 200), (130, 140), (400, 450)],
            50)

    def test_union(self):
        self.assertEqual(self.line.starts, [100, 300])
        self.assertEqual(self.line.ends, [200, 450])

    def test_wait(self):
        for time, wait in ((50, 50), (99, 1), (100, 0), (199, 0), (200, 100),
                           (299, 1), (300, 0), (400, 0), (449, 0)):
            self.assertEqual(self.line.wait(time), wait, time)

    def test_unknown(self):
        # Before the record, after it, and nobody runs any more.
        for time in (0, 49, 450, 2000):
            self.assertIsNone(self.line.wait(time), time)


    def test_off_until_it_has_run(self):
        # Runs 100..200 and 300..450.
        for time, need, off in ((100, 100, 0), (150, 50, 0), (150, 51, 100),
                                (50, 10, 50), (200, 150, 100), (60, 140, 140),
                                (300, 150, 0)):
            self.assertEqual(self.line.off(time, need), off, (time, need))
        for time, need in ((49, 1), (300, 151), (450, 1), (2000, 1)):
            self.assertIsNone(self.line.off(time, need), (time, need))

    def test_away(self):
        for start, end, off in ((100, 200, 0), (50, 100, 50), (150, 310, 100),
                                (50, 500, 200), (210, 220, 10), (120, 120, 0),
                                (300, 200, 0), (440, 460, 10)):
            self.assertEqual(self.line.away(start, end), off, (start, end))


class Oracle(unittest.TestCase):
    RUNNING = {0: [(0, 1000)], 1: [(3000, 4000)], 2: [(2000, 2500)],
               3: [(5000, 6000), (9000, 10000)]}

    def test_arrival_wait_and_second_wait(self):
        # Alone takes 100, half of it one way: arrivals 550, 1050, 4950.
        cell = make_cell([500, 1000, 4900], self.RUNNING)
        got = oracle.consult(cell, 100, 0.5)
        # Waits 0, 950 (vCPU 2 at 2000), 50 (vCPU 3 at 5000).
        self.assertEqual(got.latencies, [100, 1050, 150])
        # vCPU 3 is off until 5000 and then runs for 100: 4500, 4000, 100.
        self.assertEqual(got.second, [4500, 3050, 50])
        self.assertEqual(got.with_second, [4600, 4100, 200])
        summary = got.summary()
        self.assertEqual(summary["oracle_mean_us"], 0.433)
        self.assertEqual(summary["oracle_p99_us"], 1.05)
        self.assertEqual(summary["oracle_max_us"], 1.05)
        self.assertEqual(summary["second_wait_mean_us"], 2.533)
        self.assertEqual(summary["oracle_with_second_wait_mean_us"], 2.967)
        self.assertEqual(summary["oracle_with_second_wait_p99_us"], 4.6)

    def test_preempted_anywhere_on_the_way(self):
        # vCPU 3 leaves at 6000 for 3000; 0 runs throughout, so no wait.
        running = {**self.RUNNING, 0: [(0, 20000)]}
        # Before the interrupt, at it, after it, and just after the end.
        cell = make_cell([5970, 5950, 5910, 5900], running)
        got = oracle.consult(cell, 100, 0.5)
        self.assertEqual(got.latencies, [100] * 4)
        self.assertEqual(got.second, [3000, 3000, 3000, 0])

    def test_share_moves_the_arrival(self):
        cell = make_cell([950], self.RUNNING)
        self.assertEqual(oracle.consult(cell, 100, 0).latencies, [100])
        self.assertEqual(oracle.consult(cell, 100, 1).latencies, [1050])
        self.assertEqual(oracle.mean_range_us([cell], 100), [0.1, 1.05])

    def test_only_eligible_vcpus_count(self):
        cell = make_cell([1000], self.RUNNING, eligible_vcpus=[1])
        got = oracle.consult(cell, 100, 0.5)
        self.assertEqual(got.latencies, [100 + 1950])

    def test_no_reader_no_second_wait(self):
        cell = make_cell([500], self.RUNNING, reader_vcpu=None)
        summary = oracle.consult(cell, 100, 0.5).summary()
        self.assertEqual(summary["oracle_mean_us"], 0.1)
        self.assertIsNone(summary["second_wait_mean_us"])
        self.assertIsNone(summary["oracle_with_second_wait_mean_us"])

    def test_outside_the_record(self):
        # One of 200 is tolerated and left out; one of two is not.
        cell = make_cell([500] * 199 + [20000], self.RUNNING)
        got = oracle.consult(cell, 100, 0.5)
        self.assertEqual(got.unknown, 1)
        self.assertEqual(got.summary()["oracle_mean_us"], 0.1)
        cell = make_cell([500, 20000], self.RUNNING)
        self.assertIsNone(
            oracle.consult(cell, 100, 0.5).summary()["oracle_mean_us"])

    def test_reader_unknown_leaves_the_oracle(self):
        running = {**self.RUNNING, 3: [(100, 200)]}
        got = oracle.consult(make_cell([500], running), 100, 0.5)
        self.assertEqual(got.second_unknown, 1)
        self.assertEqual(got.summary()["oracle_mean_us"], 0.1)
        self.assertIsNone(got.summary()["second_wait_mean_us"])

    def test_pool(self):
        parts = [oracle.consult(make_cell([send], self.RUNNING), 100, 0.5)
                 for send in (500, 1000)]
        got = oracle.pool(parts)
        self.assertEqual(got.latencies, [100, 1050])
        self.assertEqual(got.second, [4500, 3050])

    def test_against_a_slow_search(self):
        import random
        rng = random.Random(3)
        spans = synthetic_raw.schedule(rng, 4, 200_000_000)
        sends = [rng.randrange(3_000_000, 150_000_000) for _ in range(300)]
        got = oracle.consult(make_cell(sends, spans), 60_000, 0.5)
        for send, latency, second in zip(sends, got.latencies, got.second):
            wait = synthetic_raw.wait(spans, range(4), send + 30_000)
            self.assertEqual(latency, 60_000 + wait)
            self.assertEqual(second, max(0, synthetic_raw.off(
                spans, 3, send, 60_000) - wait))


class Slow(unittest.TestCase):
    # ms; home is 0, its task is on 3.
    RUNNING = {v: [(start * 1_000_000, end * 1_000_000)
                   for start, end in spans]
               for v, spans in {
                   0: [(0, 10), (20, 30), (40, 50)],
                   1: [(8, 18), (33, 39)],
                   3: [(0, 21), (29, 30), (40, 50)]}.items()}
    ALONE = 100_000

    def causes(self, ops, condition="off", **more):
        """The causes of operations (send ms, latency ms), not the zeros."""
        cell = make_cell([round(send * 1_000_000) for send, _ in ops],
                         self.RUNNING, **more)
        cell.meta["condition"] = condition
        cell.latencies = [round(ms * 1_000_000) for _, ms in ops]
        found = slow.causes(cell, self.ALONE, 0.5)
        return {cause: count for cause, count in found.items() if count}

    def test_limit(self):
        self.assertEqual(slow.limit_ns(100_000), 1_000_000)
        self.assertEqual(slow.limit_ns(300_000), 1_500_000)
        self.assertEqual(self.causes([(12, 0.9), (12, 1)]), {})

    def test_interrupt(self):
        self.assertEqual(self.causes([(12, 8.1)]), {"interrupt": 1})
        # Late at the home, it finds its task's vCPU gone: 1 ms, then 8.
        self.assertEqual(self.causes([(19, 10.1)]), {"interrupt": 1})

    def test_task(self):
        self.assertEqual(self.causes([(22, 7.1)]), {"task": 1})
        # Preempted after the interrupt was to come, before it was done.
        self.assertEqual(self.causes([(20.9, 8.2)]), {"task": 1})

    def test_stranded(self):
        self.assertEqual(self.causes([(30.5, 2.6)]), {"stranded": 1})
        self.assertEqual(self.causes([(30.5, 2.6)], "on"), {"stranded": 1})

    def test_unexplained(self):
        self.assertEqual(self.causes([(1, 5)]), {"unexplained": 1})
        # The home is off for less than alone's median: no wait.
        self.assertEqual(self.causes([(19.9, 1.05)]), {"unexplained": 1})

    def test_with_irqhop_on_the_task_comes_first(self):
        op = [(33.5, 6.6)]
        self.assertEqual(self.causes(op), {"interrupt": 1})
        self.assertEqual(self.causes(op, "on"), {"task": 1})
        self.assertEqual(self.causes([(12, 8.1)], "on"), {"interrupt": 1})

    def test_no_reader(self):
        self.assertEqual(self.causes([(22, 7.1), (12, 8.1)],
                                     reader_vcpu=None),
                         {"interrupt": 1, "unexplained": 1})

    def test_outside_the_record(self):
        self.assertEqual(self.causes([(60, 5)], reader_vcpu=None),
                         {"unexplained": 1})

    def test_rounds_add_up(self):
        cells = []
        for _ in range(2):
            cell = make_cell([12_000_000], self.RUNNING)
            cell.meta["condition"] = "off"
            cell.latencies = [8_100_000]
            cells.append(cell)
        self.assertEqual(slow.entry(cells, self.ALONE, 0.5), {
            "over_us": 1000, "count": 2, "stranded": 0, "interrupt": 2,
            "task": 0, "unexplained": 0})


def make_entry(condition, rounds):
    """A cell of result.json; rounds are (mean, p99), the last one pooled
    too."""
    return {"work": "ping", "overcommit": 1 if condition == "alone" else 3,
            "condition": condition, "mean_us": rounds[-1][0],
            "p99_us": rounds[-1][1], "oracle_mean_us": 50,
            "oracle_p99_us": 60,
            "rounds": [{"round": n, "mean_us": mean, "p99_us": p99,
                        "oracle_mean_us": 150, "oracle_p99_us": 400}
                       for n, (mean, p99) in enumerate(rounds, 1)]}


class Penalty(unittest.TestCase):
    def test_formula(self):
        self.assertEqual(penalty.removed(1000, 200, 100), (800 / 900, None))
        self.assertEqual(penalty.removed(1000, 1000, 100)[0], 0)
        self.assertEqual(penalty.removed(1000, 100, 100)[0], 1)
        self.assertLess(penalty.removed(1000, 1100, 100)[0], 0)

    def test_gate(self):
        self.assertIsNotNone(penalty.removed(1000, 10, 950)[0])
        share, why = penalty.removed(1000, 10, 951)
        self.assertIsNone(share)
        self.assertIn("4.9 %", why)
        # Alone worse than off.
        self.assertIsNone(penalty.removed(1000, 10, 1200)[0])

    def test_per_round_then_median(self):
        [got] = penalty.compute([
            make_entry("alone", [(100, 200)] * 3),
            make_entry("off", [(1100, 2200), (2100, 2200), (600, 210)]),
            make_entry("on", [(600, 1200), (300, 200), (500, 205)])])
        self.assertEqual(got["rounds"]["mean_removed"], [0.5, 0.9, 0.2])
        self.assertEqual(got["mean_removed"], 0.5)
        # 210 - 200 is under 5 % of 210: the third round says nothing.
        self.assertEqual(got["rounds"]["p99_removed"], [0.5, 1, None])
        self.assertEqual(got["p99_removed"], 0.75)
        self.assertEqual(got["pooled"]["mean_removed"], 0.2)
        self.assertEqual(got["rounds"]["oracle_mean_removed"],
                         [0.95, 0.975, 0.9])
        self.assertEqual(got["rounds"]["oracle_p99_removed"],
                         [0.9, 0.9, None])
        self.assertIsNone(got["home_mean_removed"])

    def test_not_given_without_a_majority(self):
        [got] = penalty.compute([
            make_entry("alone", [(100, 200)] * 2),
            make_entry("off", [(101, 2200), (1100, 2200)]),
            make_entry("on", [(100, 1200), (100, 1200)])])
        self.assertIsNone(got["mean_removed"])
        self.assertIn("under 5 %", got["why"]["mean_removed"])
        self.assertEqual(got["p99_removed"], 0.5)

    def test_rounds_are_matched_by_number(self):
        # off lacks round 1: on's round 1 must not meet off's round 2.
        off = make_entry("off", [(0, 0), (1100, 2200)])
        del off["rounds"][0]
        [got] = penalty.compute([
            make_entry("alone", [(900, 200), (100, 200)]), off,
            make_entry("on", [(5000, 9999), (600, 1200)])])
        self.assertEqual(got["rounds"]["mean_removed"], [None, 0.5])


class Curve(unittest.TestCase):
    def test_small_sample_is_complete(self):
        points = plot.tail_points([3000, 1000, 2000, 2000])
        self.assertEqual(points, [(1, 1), (2, 0.75), (3, 0.25)])

    def test_thinned_but_whole(self):
        points = plot.tail_points(list(range(1000, 10_001_000, 1000)))
        self.assertLess(len(points), 4.1 * plot.PER_DECADE)
        self.assertEqual(points[0], (1, 1))
        self.assertEqual(points[-1], (10000, 0.0001))
        for x, share in points:
            self.assertAlmostEqual(share, (10001 - x) / 10000)


if __name__ == "__main__":
    unittest.main()
