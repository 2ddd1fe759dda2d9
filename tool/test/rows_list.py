# SPDX-License-Identifier: GPL-2.0-only
"""irqhop list, and how VMs are named."""

from tap import Row

ON = {"FAKE_ENABLED": "101:recent"}
OFF = """\
    103      1  no       -                twin
    104      1  no       -                twin
    105      -  no       -                comm105
    106      1  no       -                101
    107      1  no       -                comm107
"""
TABLE = """\
    PID  VCPUS  ENABLED  POLICY           NAME
    101      4  yes      recent           web
    102      2  yes      home             db
""" + OFF
ONE = """\
pid      101
name     web
vcpus    4
enabled  yes
policy   recent
return   lazy
halted   hop
max-hops 500

   VCPU  STATE          RUNNING   PREEMPTED  IN-HANDLER      HALTED     \
BLOCKED        USER         OFF     UNKNOWN
      0  running          60.0%       30.0%           -           -           \
-           -           -       10.0%
      1  preempted        60.0%       30.0%        0.0%           -           \
-           -           -       10.0%
      2  in-handler       60.0%       30.0%        0.0%           -           \
-           -           -       10.0%
      3  halted           60.0%       30.0%        0.0%           -           \
-           -           -       10.0%

  INTID   HOME  TARGET  DELIVERY  HOST-IRQ  FLAGS             DEVICE
   8192      3       0  direct         349  enabled           \
0000:00:06.0 ethernet msi 0
   8193      2       3  direct         348  enabled           \
0000:00:05.0 nvme msix 1
   8194      1       2  injected         -  masked,pending    -
   8195      0       1  direct         346  enabled           \
0000:00:07.0 device msix 2
   8196      3       0  direct         345  enabled           -
"""
NVME = {"address": "0000:00:05.0", "type": "nvme", "class": "0x010802",
        "vendor_id": "0x1b36", "device_id": "0x0010", "interrupt": "msix",
        "vector": 1}


def all_of(vms, **values):
    """Whether each of the first VMs has such a value."""
    return all([vm[key] for vm in vms["vms"]][:len(want)] == list(want)
               for key, want in values.items())


ROWS = [
    Row("list without the module", "list", out="^ +101 +4 +- +- +web$",
        env={"FAKE_ABSENT": 1}),
    Row("list", "list", exact=TABLE +
        "    777      4  yes      recent           ?\n",
        env={"FAKE_ENABLED": "101:recent 1020:home 777:recent"}),
    Row("list asks again when the dump was inconsistent", "list", exact=TABLE,
        env={"FAKE_INTR": 1, "FAKE_ENABLED": "101:recent 102:home"}),
    Row("list when the module refuses", "list", out="^ +101 +4 +- ",
        err="the module does not say",
        env={"FAKE_FAIL": "4:1:No", "FAKE_NOCAP": 1}),
    Row("list when the module fails", "list", 1, "^ +101 +4 +- ",
        "^irqhop: cannot list the enabled VMs: full$",
        env={"FAKE_FAIL": "4:12:full"}),
    Row("list with another ABI version", "list", 3, "^ +101 +4 +- ",
        r"^irqhop: the module \(9.9.9\) speaks version 99, this tool .* "
        r"version \d+; install both", env={"FAKE_ABI": 99}),
    Row("list --json", "list --json", schema="list",
        env={"FAKE_ENABLED": "101:recent 777:home"},
        holds=lambda found: all_of(
            found, pid=(101, 102), name=("web", "db"), vcpus=(4, 2),
            enabled=(True, False), policy=("recent", None),
            halted=("hop", None), max_hops=(500, None)) and
        found["vms"][-1]["name"] is None),
    Row("list --json with an old module", "list --json", schema="list",
        env={**ON, "FAKE_OLD": 1}, holds=lambda found: all_of(
            found, policy=("recent", None), halted=(None, None))),
    Row("list --json without the module", "list --json", schema="list",
        env={"FAKE_ABSENT": 1},
        holds=lambda found: all_of(found, enabled=(None, None))),
    Row("list VM", "list web", head=ONE, env=ON),
    Row("list VM: all LPIs of all messages", "list web", env=ON,
        out="^   8491      0       1  injected         -  masked,pending"),
    Row("list VM: no home", "list 101", env=ON,
        out="^   8485      -       -  injected"),
    Row("list VM: stranded", "list 101", env=ON,
        out="^   8484      3       0  direct +57  enabled,stranded  -$"),
    Row("list VM that is not enabled", "list db", out="^      1  -$"),
    Row("list VM that is not enabled: injected", "list db",
        out="^   8194      1       1  injected         -  masked,pending    "
        "-$"),
    Row("list VM that is not enabled: settings", "list db",
        out="^enabled  no\npolicy   -\nreturn   -\nhalted   -\nmax-hops -$"),
    Row("list VM with an old module: settings", "list web",
        out="^policy   recent\nreturn   lazy\nhalted   -\nmax-hops 500$",
        env={**ON, "FAKE_OLD": 1}),
    Row("list VM --json with an old module", "list --json web",
        schema="list-vm", env={**ON, "FAKE_OLD": 1},
        holds=lambda found: found["halted"] is None),
    Row("list VM: the last message's error", "list db", 1, None,
        r"^irqhop: cannot list the interrupts of VM 102 \(db\): gone bad$",
        env={"FAKE_FAIL": "5:5:gone bad"}),
    Row("list VM without the module", "list web", 3, None, "not loaded",
        env={"FAKE_ABSENT": 1}),
    Row("list VM without privilege", "list web", 5, None, "needs root",
        env={"FAKE_NOCAP": 1}),
    Row("list VM --json", "list --json web", schema="list-vm", env=ON,
        holds=lambda found:
            len(found["interrupts"]) == 300 and
            found["interrupts"][1]["device"] == NVME and
            found["interrupts"][1]["engine_target"] == 3 and
            [found["interrupts"][2][key] for key in (
                "delivery", "home", "target", "engine_home", "engine_target",
                "host_irq")] == ["injected", 1, 2, 1, 2, None] and
            found["interrupts"][2]["device"] is None and
            [i["stranded"] for i in found["interrupts"]].count(True) == 1 and
            found["halted"] == "hop" and
            found["vcpus"][1]["state"] == "preempted" and
            found["vcpus"][1]["time_ns"]["running"] == 5999999999),
    Row("list VM --json of one that is not enabled", "list --json db",
        schema="list-vm", holds=lambda found: not found["enabled"] and
        found["halted"] is None and found["vcpus"] == [
            {"id": i, "state": None, "time_ns": None} for i in range(2)]),
    Row("a pid goes before a name", "list 101", out="^name     web$"),
    Row("a name that is a number", "list 1010", 4, None, "no VM '1010'"),
    Row("comm where there is no -name", "list comm105", out="^pid      105$"),
    Row("an ambiguous name", "list twin", 4, None,
        "^irqhop: several VMs are called 'twin'; name one by its pid: "
        "103 104$"),
    Row("a process without a VM", "list 108", 4, None,
        "process '108' has no VM"),
    Row("a process with several VMs", "list 107", 1, None,
        "holds several VMs"),
    Row("a VM that ends meanwhile", "list web", 4, None,
        r"^irqhop: VM 101 \(web\) has ended$", env={"FAKE_PIDFD": 3}),
    Row("a VM whose descriptor is closed", "list web", 4, None, "has ended",
        env={"FAKE_PIDFD": 9}),
    Row("a descriptor that is refused", "list web", 5, None, "ptrace_scope",
        env={"FAKE_PIDFD": 1}),
]
