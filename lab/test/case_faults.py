# SPDX-License-Identifier: GPL-2.0-only
"""Tests of letting go: what irqhop does when something is wrong.

The faults are made up by the test build of the module, see kmod/fault.c.
"""

import json
import re

from exact import told
from state import enable, expect, load

PARAMETERS = "/sys/module/irqhop/parameters"


def fault(lab, name, count=1):
    """Have this go wrong so often, from now on."""
    lab.m.run(f"echo {count} >{PARAMETERS}/fault_count\n"
              f"echo {name} >{PARAMETERS}/fault")


# Everyone who tells of it is asked. A tracing instance of its own, since
# others may use the main one.
WATCH = """
instance=/sys/kernel/tracing/instances/let_go
mkdir $instance
echo 1 >$instance/events/irqhop/let_go/enable
irqhop monitor --json >/tmp/monitor.out 2>&1 &
echo $! >/tmp/monitor.pid
dmesg | grep -c 'irqhop: .*let go' || true
"""
TOLD = """
instance=/sys/kernel/tracing/instances/let_go
kill $(cat /tmp/monitor.pid)
echo "== log"
dmesg | grep 'irqhop: .*let go' || true
echo "== trace"
grep -v '^#' $instance/trace || true
echo 0 >$instance/events/irqhop/let_go/enable
rmdir $instance
echo "== monitor"
cat /tmp/monitor.out
"""
WAIT = """
let_go() { irqhop list | grep -q ' no .* l2$'; }
wait_for 20 let_go || die "irqhop has not let go of it: $(irqhop list)"
"""


def expect_told(text, logged, why, pid):
    """One line in the log, one trace event, one notification, all say why."""
    log, trace, monitor = [
        part.splitlines()[1:] for part in text.split("== ")[1:]]
    log = log[logged:]
    expect(len(log) == 1 and re.search(why, log[0]),
           f"not one line with /{why}/ in the log: {log}")
    expect(len(trace) == 1 and re.search(f"let_go: .*vm={pid} .*{why}",
                                         trace[0]),
           f"not one event let_go with /{why}/: {trace}")
    said = [json.loads(line) for line in monitor]
    said = [line for line in said if line["event"] == "disabled"]
    expect(len(said) == 1, f"not one notification: {monitor}")
    expect(said[0]["reason"] == "let-go" and said[0]["not_home"] == 0 and
           said[0]["pid"] == pid and re.search(why, said[0]["message"]),
           f"the notification says {said[0]}")
    return log[0]


def let_go(lab, name, count, why):
    """A fault under load: all home, all told, nothing lost; and again."""
    lab.module("irqhop-test")
    lab.expect_home("before")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    before = lab.counts()
    lab.read_start()
    enable(lab, "storm")
    pid = lab.listing().pid
    logged = int(lab.m.run(WATCH))
    moves = lab.moved()
    lab.m.run("sleep 0.2")
    moves = lab.moved() - moves
    expect(moves > 20, f"only {moves} moves before the fault")
    lab.m.run(f"{lab.PING} -c 40 >/tmp/ping.out 2>&1 &")
    fault(lab, name, count)
    lab.m.run(WAIT, stage=f"fault {name}")
    listing = lab.listing()
    expect(not listing.enabled, "still enabled")
    lab.expect_home("let go", listing=listing)
    log = expect_told(lab.m.run(TOLD), logged, why, pid)
    ping = lab.m.run("ended() { ! pidof ping >/dev/null; }\n"
                     "wait_for 30 ended; cat /tmp/ping.out")
    sent, received = lab.pinged(ping)[0]
    expect(sent == received == 40, f"{received} of {sent} pings answered")
    left = lab.m.run(f"cat {PARAMETERS}/fault").strip()
    expect(left == f"{name} 0", f"the fault did not happen {count} times: "
           f"{left}")
    enable(lab, "storm")
    again = lab.moved()
    lab.m.run("sleep 0.2")
    again = lab.moved() - again
    expect(again > 20, f"enabled again, it moved {again} times only")
    lab.m.run("irqhop disable l2")
    lab.expect_home("disabled")
    reads = lab.read_stop()
    msis, runs = lab.expect_exact(before, "over all", at_least=100)
    expect(abs(reads - msis) <= 1, f"{reads} reads, {msis} interrupts")
    return (f"after {moves} moves: \"{log.split('irqhop: ')[1]}\", also by "
            f"event and notification; all home, {reads} reads, "
            f"{told(msis, sum(runs))}, {sent} pings, none lost; enabled "
            f"again, {again} moves")


def let_go_move(lab):
    """The driver refuses one move after the other."""
    return let_go(lab, "move", 16, "refuses")


def let_go_slow(lab):
    """A move takes as long as the driver waits for an ITS that is dead."""
    return let_go(lab, "slow", 1, "does not answer")


def let_go_table(lab):
    """The engine's record of an interrupt's target is overwritten."""
    return let_go(lab, "table", 1, "target|list|count|table")
