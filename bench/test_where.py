# SPDX-License-Identifier: GPL-2.0-only
"""From traces' text to events, spans and a timeline."""

import tempfile
import unittest
import unittest.mock

import where
from irqhop_bench import cellfiles, ftrace, split, timeline
from irqhop_bench.split import Event, Phase, Span

READ = """\
# tracer: nop
             fio-701     [003] .....  10.000010: nvme_setup_cmd: nvme0: disk=nvme0n1, qid=1, cmdid=1
             fio-700     [000] d..2.  10.000011: sched_switch: prev_comm=fio prev_pid=700 prev_prio=120 prev_state=S ==> next_comm=spin next_pid=90 next_prio=120
             fio-701     [003] d..2.  10.000020: sched_switch: prev_comm=fio prev_pid=701 prev_prio=120 prev_state=D ==> next_comm=spin next_pid=91 next_prio=120
            spin-90      [000] d.h1.  10.000050: irq_handler_entry: irq=12 name=arch_timer
            spin-90      [000] d.h1.  10.000052: irq_handler_exit: irq=12 ret=handled
            spin-90      [000] d.h1.  10.000060: irq_handler_entry: irq=45 name=nvme0q1
            spin-90      [000] d.h1.  10.000062: nvme_complete_rq: nvme0: disk=nvme0n1, qid=1, cmdid=1
            spin-90      [000] d.h2.  10.000063: sched_waking: comm=fio pid=700 prio=120 target_cpu=003
            spin-90      [000] d.h2.  10.000064: sched_waking: comm=fio pid=701 prio=120 target_cpu=003
            spin-90      [000] d.h1.  10.000070: irq_handler_exit: irq=45 ret=handled
            spin-91      [003] d.h..  10.000080: ipi_entry: (Rescheduling interrupts)
            spin-91      [003] d.h..  10.000081: ipi_exit: (Rescheduling interrupts)
            spin-91      [003] d..2.  10.000085: sched_switch: prev_comm=spin prev_pid=91 prev_prio=120 prev_state=R ==> next_comm=fio next_pid=701 next_prio=120
"""
PING = """\
            spin-90      [001] d.h1.  20.000100: irq_handler_entry: irq=50 name=eth0-rx-0
            spin-90      [001] d.h1.  20.000104: irq_handler_exit: irq=50 ret=handled
            spin-90      [001] ..s1.  20.000110: netif_receive_skb: dev=eth0 skbaddr=00000000e5 len=84
            spin-90      [001] ..s1.  20.000120: net_dev_xmit: dev=eth0 skbaddr=00000000e5 len=98 rc=0
            spin-90      [001] ..s1.  20.000130: napi_poll: napi poll on napi struct 00000000ab for device eth0 work 1 budget 64
            spin-90      [001] ..s1.  20.000150: napi_poll: napi poll on napi struct 00000000ab for device eth0 work 0 budget 64
"""
MOVES = """\
          <idle>-0       [002] d.h2.  5.000001: hop: vm=7 intid=8195 from=0 to=2 reason=preempted cost=4000
          <idle>-0       [002] d.h2.  5.000002: hop: vm=7 intid=8199 from=0 to=3 reason=preempted cost=4000
          <idle>-0       [003] d.h2.  5.000009: return: vm=7 intid=8195 from=2 to=0 reason=home-runs cost=4000
"""
S = 1_000_000_000
US = 1000


class Trace(unittest.TestCase):
    def test_read(self):
        guest = ftrace.Guest(ftrace.events(READ), r"nvme0q1$", "fio",
                             "nvme_setup_cmd")
        self.assertEqual(
            [((e.time - 10 * S) // US, e.kind, e.vcpu)
             for e in guest.events],
            [(10, "sent", 3), (20, "sleeps", 3), (60, "handler", 0),
             (62, "completed", 0), (64, "woken", 0), (70, "handled", 0),
             (85, "runs", 3)])
        self.assertEqual(
            {v: [((s.begin - 10 * S) // US, (s.end - 10 * S) // US, s.doing)
                 for s in spans] for v, spans in guest.doing.items()},
            {0: [(50, 52, "handler"), (60, 70, "handler")],
             3: [(80, 81, "handler")]})

    def test_ping(self):
        guest = ftrace.Guest(ftrace.events(PING), r"eth0-rx-0$", None,
                             "net_dev_xmit")
        self.assertEqual(
            [((e.time - 20 * S) // US, e.kind) for e in guest.events],
            [(100, "handler"), (104, "handled"), (110, "received"),
             (120, "sent"), (130, "polled")])
        self.assertEqual(
            [((s.begin - 20 * S) // US, (s.end - 20 * S) // US, s.doing)
             for s in guest.doing[1]],
            [(100, 104, "handler"), (100, 130, "poll")])

    def test_moves(self):
        self.assertEqual(ftrace.moves(ftrace.events(MOVES), 8195, 0),
                         [(0, 0), (5 * S + 1 * US, 2), (5 * S + 9 * US, 0)])
        self.assertEqual(ftrace.moves([], 8195, 1), [(0, 1)])


class Timeline(unittest.TestCase):
    RUNNING = {0: [(0, 800), (1600, 3000)], 1: [(700, 1500)]}
    CHAIN = [Phase(1000, 1600, "way", None), Phase(1600, 1700, "handled", 0),
             Phase(1700, 1720, "handled", 0), Phase(1720, 1800, "out", None)]

    def test_build(self):
        scene = split.Scene(self.RUNNING, {}, [(0, 0)], True)
        line = timeline.build(self.CHAIN, scene, range(3))
        self.assertEqual((line["length_us"], line["latency_us"]), (1, 0.8))
        self.assertEqual(line["vcpus"], {
            "0": [[0.7, 1.0]], "1": [[0, 0.6]], "2": []})
        self.assertEqual(line["waits"], [{
            "from": 0.1, "to": 0.7, "vcpu": 0,
            "kind": "interrupt_preempted"}])
        self.assertEqual(
            [(m["at"], m["vcpu"], m["text"]) for m in line["marks"]],
            [(0.1, 0, "the request is sent; its interrupt points at vCPU 0"),
             (0.7, 0, "vCPU 0 takes the interrupt"),
             (0.82, None, "the answer is sent"), (0.9, None, "done")])

    def test_a_way_after_the_task_is_the_answer(self):
        scene = split.Scene(self.RUNNING, {}, [(0, 0)], True)
        texts = [m["text"] for m in timeline.build(
            [Phase(1000, 1600, "way", None), Phase(1600, 1700, "task", 0),
             Phase(1700, 1800, "way", None), Phase(1800, 1900, "handled", 0)],
            scene, range(2))["marks"]]
        self.assertEqual(sum("request" in text for text in texts), 1)
        self.assertTrue(texts[2].startswith("the answer is sent"))

    def test_moves_are_marked(self):
        scene = split.Scene(self.RUNNING, {}, [(0, 0), (1100, 1), (9000, 0)],
                            True)
        texts = [m["text"] for m in
                 timeline.build(self.CHAIN, scene, range(2))["marks"]]
        self.assertEqual(
            [t for t in texts if "irqhop" in t],
            ["irqhop moves the interrupt from vCPU 0 to 1"])

    def test_chosen_by_where_it_was_found(self):
        # vCPU 0 is away at 1000 and 1200; it runs at 1700.
        scene = split.Scene(self.RUNNING, {}, [(0, 0)], True)
        chains = [[Phase(1000, 1700, "way", None)],
                  [Phase(1200, 1650, "way", None)],
                  [Phase(1700, 2900, "way", None)]]
        self.assertIs(timeline.choose(chains, scene), chains[0])
        self.assertIs(timeline.choose(chains[2:], scene), chains[2])
        self.assertIsNone(timeline.choose([], scene))


class Operations(unittest.TestCase):
    def test_anchored_to_what_was_sent(self):
        lines = ftrace.events("".join(
            "  ping-9 [001] ..... 1.%06d: net_dev_xmit: dev=eth0 len=98 rc=0\n"
            % us for us in (1000, 3000, 5000)))
        self.assertEqual(
            where.anchored([(S + 1090 * US, 7), (S + 4950 * US, 8)], lines),
            [(S + 1000 * US, 7), (S + 5000 * US, 8)])
        with self.assertRaises(where.LabError):
            where.anchored([(1, 2)], [])

    def test_within(self):
        events = [Event(t, "sent", 0) for t in (1, 5, 6, 9, 20)]
        self.assertEqual(
            [(s, n, [e.time for e in found]) for s, n, found
             in where.within([(5, 2), (8, 3), (30, 1)], events)],
            [(5, 2, [5, 6]), (8, 3, [9]), (30, 1, [])])
        events.append(Event(21, "woken", 0))
        self.assertEqual(
            [[e.time for e in found] for _, _, found
             in where.within([(8, 3), (30, 1)], events, 10)],
            [[6, 9], [20]])
        events[-1] = Event(21, "completed", 0)
        self.assertEqual([found for _, _, found in
                          where.within([(30, 1)], events, 10)], [[]])

    def test_awake(self):
        events = [Event(1, "runs", 2), Event(4, "received", 0),
                  Event(6, "sleeps", 2)]
        self.assertEqual([where.awake(events, t) for t in (0, 1, 5, 6)],
                         [None, 2, 2, None])

    def test_alone_every_vcpu_runs(self):
        ops = [(100_000_000, 1_000), (200_000_000, 2_000)]
        running = where.by_vcpu(None, ops, 4)
        self.assertEqual(running[3], [(90_000_000, 210_002_000)])
        self.assertEqual(where.by_vcpu([(1, 2, 0), (4, 5, 0), (3, 4, 1)],
                                       ops, 4)[0], [(1, 2), (4, 5)])


class Whole(unittest.TestCase):
    """From text to parts that add up."""

    def test_read(self):
        guest = ftrace.Guest(ftrace.events(READ), r"nvme0q1$", "fio",
                             "nvme_setup_cmd")
        at = 10 * S
        # vCPU 3 is off from 66 on, until 79; vCPU 0 from 30 to 45.
        running = {0: [(at, at + 30 * US), (at + 45 * US, at + S)],
                   3: [(at, at + 66 * US), (at + 79 * US, at + S)]}
        scene = split.Scene(running, guest.doing, [(0, 0)], False)
        chain = split.phases(guest.events, at, at + 90 * US, 3)
        parts = split.divide(scene, chain)
        self.assertEqual(
            {name: ns // US for name, ns in parts.items() if ns},
            {"interrupt_preempted": 15, "second_wait": 13, "other": 62})

    def test_file_of_a_cell(self):
        at = 10 * S
        # Alone, and then with vCPU 3 preempted while it is woken.
        running = [(at, at + S, 0), (at, at + 66 * US, 3),
                   (at + 79 * US, at + S, 3)]
        lab = unittest.mock.Mock(vcpus=4, home={"nvme": 0})
        with unittest.mock.patch.object(where, "intid", return_value=8193):
            traced = where.Traced(lab, "nvme-read-d1", (
                [(at, 90 * US)], running, ftrace.events(READ), []))
        key = {"work": "nvme-read-d1", "overcommit": 3, "vcpus": 4,
               "path": "direct", "neighbours": "spin", "condition": "off"}
        data = where.entry(traced, key, (40 * US, 50 * US))
        self.assertEqual((data["n"], data["slow"], data["over_us"]),
                         (1, 1, 75))
        # The fastest way is this one's: all of it is the device's.
        self.assertEqual(
            {name: us for name, us in data["split"].items() if us},
            {"second_wait": 13, "device": 50, "other": 27})
        self.assertEqual(data["none_ran_us"], 0)
        self.assertEqual(data["oracle"]["mean"], 40)
        self.assertEqual(
            [m["text"] for m in data["timeline"]["marks"]],
            ["the task on vCPU 3 sends its request",
             "the request is sent; its interrupt points at vCPU 0",
             "vCPU 0 takes the interrupt", "the task is woken",
             "the task runs on vCPU 3", "done"])
        with tempfile.TemporaryDirectory() as out:
            where.write(out, data)
            [known] = cellfiles.read(out).where.values()
        self.assertEqual(known["timeline"], data["timeline"])
        # Nothing is slow where the limit is higher.
        calm = where.entry(traced, key, (40 * US, 90 * US))
        self.assertEqual((calm["slow"], sum(calm["split"].values())), (0, 0))

    def test_spans_hold_what_is_asked_for(self):
        scene = split.Scene({}, {1: [Span(0, 9, "poll"),
                                     Span(3, 4, "handler")]}, [(0, 0)], True)
        self.assertEqual([scene.was_doing(1, t) for t in (2, 4, 6, 10)],
                         ["poll", "handler", "poll", None])
        self.assertIsNone(scene.was_doing(0, 5))
        self.assertEqual(Event(1, "sent", 2).kind, "sent")


if __name__ == "__main__":
    unittest.main()
