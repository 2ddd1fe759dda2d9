# SPDX-License-Identifier: GPL-2.0-only
"""irqhop trace and monitor, as far as they end by themselves."""

from tap import Row

ON = {"FAKE_ENABLED": "101:recent"}
# What the kernel writes; a task may be called anything.
PIPE = """\
 CPU 3/KVM-1234  [002] d.h1.   123.456789: hop: vm=101 intid=8193 from=0 to=2 \
reason=preempted cost=412
           <...>-7     [011] dNh2.   124.000001: return: vm=101 intid=8193 \
from=2 to=0 reason=home-runs cost=380
     a [1] b: c-99     [000] d..1. 12345.000002: stranded: vm=1020 intid=8200 \
vcpu=1 home=-1
CPU:2 [LOST 17 EVENTS]
            qemu-5     [001] d....   125.000003: held_back: vm=101 intid=8193 \
reason=bound
            qemu-5     [001]         126.000004: in_handler: vm=101 vcpu=2
            qemu-5     [001] .....   127.000005: let_go: vm=101 reason=16 \
moves failed in a row
"""
TURN = """\
          <idle>-0     [003] d.h1.   128.000006: turn: vm=101 moves=3 \
lag=5120 time=2410
"""
TURN_TEXT = """\
   128.000006  [003]  VM 101      turn        3 moves, 2410 ns, 5120 ns after \
the context switch
"""
TURN_ON = "/events/irqhop/turn/enable: 1"
BAD = " x-1 [000] d.h1. 1.000000: hop: vm=x intid=1\n" + PIPE
RAW = "".join(line + "\n" for line in PIPE.splitlines() if "LOST" not in line)
LOST = "^irqhop: 17 events of pCPU 2 were lost$"
TEXT = """\
   123.456789  [002]  VM 101      hop         interrupt 8193: vCPU 0 -> 2, \
preempted, 412 ns
   124.000001  [011]  VM 101      return      interrupt 8193: vCPU 2 -> 0, \
home-runs, 380 ns
 12345.000002  [000]  VM 102      stranded    interrupt 8200: target vCPU 1, \
home none
   125.000003  [001]  VM 101      held_back   interrupt 8193: bound
   126.000004  [001]  VM 101      in_handler  vCPU 2
   127.000005  [001]  VM 101      let_go      16 moves failed in a row
"""
EVENTS = ("hop", "return", "stranded", "held_back", "in_handler", "let_go")
SET_UP = ["removed", "removed", "trace_clock: mono",
          "trace_options: nolatency-format", "tracing_on: 1"]
ALL_ON = SET_UP + [f"/events/irqhop/{name}/enable: 1" for name in EVENTS]
ONE_VM = ALL_ON + [f"/events/irqhop/{name}/filter: vm == 101"
                   for name in EVENTS]


def trace_rows(pipe, bad, turn):
    """Rows; the arguments are files with what the kernel writes."""
    env = {"FAKE_TRACE": pipe}
    return [
        # The first one also removes what a dead process has left behind.
        Row("trace", "trace --count 6", exact=TEXT, err=LOST, env=env,
            log=ALL_ON),
        Row("trace --raw", "trace --raw -n 6", exact=RAW, err=LOST, env=env),
        Row("trace --json", "trace --json -n 6", schema="trace", env=env,
            lines=True, holds=lambda found:
            [line["event"] for line in found] == [
                "hop", "return", "stranded", "lost", "held_back",
                "in_handler", "let_go"] and
            found[0] == {"event": "hop", "time_us": 123456789, "cpu": 2,
                         "pid": 101, "intid": 8193, "from": 0, "to": 2,
                         "reason": "preempted", "cost_ns": 412} and
            found[2]["target"] == 1 and found[2]["home"] is None and
            found[2]["pid"] == 102 and
            found[3] == {"event": "lost", "cpu": 2, "events": 17}),
        Row("trace --count", "trace -n 2", env=env,
            exact="".join(TEXT.splitlines(True)[:2])),
        Row("trace --duration", "trace --duration 1", exact=TEXT, err=LOST,
            env=env),
        Row("trace VM", "trace web -d 0.05",
            log=ONE_VM[1:], env=ON, exact=""),
        Row("trace --event", "trace -e hop -e let_go -d 0.01", exact="",
            log=SET_UP[1:] + ["/events/irqhop/hop/enable: 1",
                              "/events/irqhop/let_go/enable: 1"]),
        # It is not among those of ALL_ON: it is to be asked for.
        Row("trace --event turn", "trace --event turn -n 1",
            exact=TURN_TEXT, env={"FAKE_TRACE": turn},
            log=SET_UP[1:] + [TURN_ON]),
        Row("trace --event turn beside another", "trace -e turn -e hop web "
            "-d 0.01", exact="", env=ON, log=SET_UP[1:] + [
                TURN_ON, "/events/irqhop/turn/filter: vm == 101",
                "/events/irqhop/hop/enable: 1",
                "/events/irqhop/hop/filter: vm == 101"]),
        Row("trace --event turn --json", "trace -e turn --json -n 1",
            env={"FAKE_TRACE": turn}, schema="trace", lines=True,
            holds=lambda found: found == [{
                "event": "turn", "time_us": 128000006, "cpu": 3, "pid": 101,
                "moves": 3, "lag_ns": 5120, "time_ns": 2410}]),
        Row("trace --event turn of an old module", "trace -e turn", 1, None,
            "^irqhop: cannot switch on trace event turn: ",
            env={"FAKE_OLD": 1}, log=[*SET_UP[1:-1], "tracing_on: 0"]),
        Row("trace of an old module", "trace -n 6", exact=TEXT, err=LOST,
            env={**env, "FAKE_OLD": 1}),
        Row("trace: what is not understood", "trace -n 1",
            out="^ +123.456789 ", err="not understood: .* hop: vm=x",
            env={"FAKE_TRACE": bad}),
        Row("trace of one that is not enabled", "trace db", 1, None,
            "is not enabled", log=[]),
        Row("trace of a bad name", "trace nobody", 4, None, "no VM 'nobody'"),
        Row("trace of a VM that ends", "trace web", 4, None, "has ended",
            env={"FAKE_PIDFD": 3}),
        Row("trace with a module that has no events", "trace", 3, None,
            "no trace events of irqhop", env={"FAKE_EVENTS": 0},
            log=["removed"]),
        Row("trace without the module", "trace", 3, None, "not loaded",
            env={"FAKE_ABSENT": 1}),
        Row("trace without privilege", "trace", 5, None, "needs root",
            env={"FAKE_NOCAP": 1}),
    ]


# Without /proc/self/mounts.
NO_TRACEFS = [
    Row("trace without tracefs", "trace", 1, None,
        "not mounted; mount it with 'mount -t tracefs nodev "
        "/sys/kernel/tracing'"),
]
NOTICES = """\
enabled 101 recent
other
disabled 1020 0 0
disabled 101 1 0
disabled 888 2 0
lost
disabled 101 3 2 16 moves failed
"""
UNLOADED = "disabled 101 1 0\nunloaded\n"
WHEN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}  VM "
NOTED = (
    r"101 \(web\) enabled, policy recent\n",
    r"102 \(db\) disabled: somebody asked for it\n",
    r"101 \(web\) disabled: the module is being unloaded\n",
    r"888 \(\?\) disabled: the VM has ended\n",
    r"101 \(web\) disabled: irqhop has let go of it: 16 moves failed; 2 "
    r"interrupts could not be sent home\n",
)


def monitor_rows(notices, unloaded, bad):
    """Rows; the arguments are files with notifications."""
    env = {"FAKE_NOTICES": notices}
    return [
        Row("monitor", "monitor -n 5", env=env,
            out=r"\A" + WHEN + WHEN.join(NOTED) + r"\Z",
            err="^irqhop: notifications were lost: see 'irqhop list'$"),
        Row("monitor --json", "monitor --json -n 5", env=env, lines=True,
            schema="monitor", holds=lambda found:
            [line.get("reason") for line in found] ==
            [None, "disabled", "unload", "gone", None, "let-go"] and
            found[4] == {"event": "lost"} and
            found[5]["message"] == "16 moves failed" and
            found[5]["not_home"] == 2 and found[3]["name"] is None),
        Row("monitor --count", "monitor -n 1", env=env,
            out=r"\A" + WHEN + NOTED[0] + r"\Z"),
        Row("monitor --duration", "monitor -d 0.05", exact=""),
        Row("monitor, and the module is unloaded", "monitor", 3,
            WHEN + NOTED[2], "was unloaded meanwhile",
            env={"FAKE_NOTICES": unloaded}),
        Row("monitor: a bad notification", "monitor", 1, None,
            "makes no sense", env={"FAKE_NOTICES": bad}),
        Row("monitor when the module notifies nobody", "monitor", 1, None,
            "cannot listen to notifications", env={"FAKE_MUTE": 1}),
        Row("monitor without the module", "monitor", 3, None, "not loaded",
            env={"FAKE_ABSENT": 1}),
        Row("monitor without privilege", "monitor", 5, None, "needs root",
            env={"FAKE_NOCAP": 1}),
    ]
