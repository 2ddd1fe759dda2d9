# SPDX-License-Identifier: GPL-2.0-only
"""irqhop check, stat and verify."""

from tap import Row

ON = {"FAKE_ENABLED": "101:recent"}
TWO = {"FAKE_ENABLED": "101:recent 102:home"}
# As the fake has it: all moves but one in one bucket, that one in the last.
HIST = [0, 0, 0, 99] + [0] * 251 + [1]
RAW = f"""\
pid=101
name=web
policy=recent
enabled_ns=10000000000
hops=100
returns=2
failed=3
stranded=4
in_handler=5
held_back=6
over_bound=7
preemptions=1099511627776
summons=12
summons_held=13
donations=14
donated_ns=2500000000
turns=108
irqs_off_max_ns=45000
irqs_off_sum_ns=4000000
cost_max_ns=20000
cost_sum_ns=20000
cost_median_ns=224
cost_hist={",".join(map(str, HIST))}
"""
# An old module's.
RAW_OLD = "".join(line for line in RAW.splitlines(True)
                  if not line.startswith(("turns", "irqs_off", "summons",
                                           "donat")))
JSON = {"pid": 101, "name": "web", "policy": "recent", "return": "lazy",
        "halted": "hop", "max_hops": 500, "enabled_ns": 10 ** 10,
        "summons": 12, "summons_held": 13,
        "donations": 14, "donated_ns": 2500000000,
        "turns": 108, "irqs_off_max_ns": 45000, "irqs_off_sum_ns": 4000000,
        "hops": 100, "returns": 2, "failed": 3,
        "stranded": 4, "in_handler": 5, "held_back": 6, "over_bound": 7,
        "preemptions": 1 << 40, "cost_max_ns": 20000, "cost_sum_ns": 20000,
        "cost_median_ns": 224, "cost_median_open": False,
        "cost_bucket_ns": 64, "cost_hist": HIST}
JSON_OLD = {**JSON, "halted": None, "turns": None, "irqs_off_max_ns": None,
            "irqs_off_sum_ns": None, "summons": None, "summons_held": None,
            "donations": None, "donated_ns": None}
OLD = {**ON, "FAKE_OLD": 1}
STAT = [
    Row("stat --raw", "stat web --raw", exact=RAW, env=ON),
    Row("stat --raw of all", "stat -r", env=TWO,
        exact=RAW + "\n" + RAW.replace("101", "102").replace("web", "db")
        .replace("recent", "home")),
    Row("stat", "stat", env=ON, out="^ +101 +100 +2 +3 +4 +5 +6 +7 "
        "+1099511627776 +224 +20000 +108 +45000 +0.040% +12 +13 +14 +25.000%  web$"),
    Row("stat of an old module", "stat", env=OLD, out="^ +101 +100 +2 +3 +4 "
        "+5 +6 +7 +1099511627776 +224 +20000 +- +- +- +- +- +- +-  web$"),
    Row("stat --raw of an old module", "stat web --raw", exact=RAW_OLD,
        env=OLD),
    Row("stat --json of an old module", "stat --json web", schema="stat",
        env=OLD, holds=lambda found: found == {"vms": [JSON_OLD]}),
    Row("stat --json", "stat --json web", schema="stat", env=ON,
        holds=lambda found: found == {"vms": [JSON]}),
    Row("stat --json of all", "stat -j", schema="stat", env=TWO,
        holds=lambda found: [vm["pid"] for vm in found["vms"]] == [101, 102]),
    Row("stat --json --interval", "stat -j -i 0.01 -n 3", schema="stat",
        env=ON, lines=True, holds=lambda found: len(found) == 3),
    Row("stat --json of none", "stat --json", schema="stat",
        err="^irqhop: no VM is enabled$",
        holds=lambda found: found == {"vms": []}),
    Row("stat --count waits a second", "stat -r -n 2 web",
        env={**ON, "FAKE_SLEEP": 1}, log=["sleep 1"], exact=RAW + "\n" + RAW),
    Row("stat of none", "stat", 0, None, "^irqhop: no VM is enabled$"),
    Row("stat --raw of none", "stat --raw", 0, None, "no VM is enabled$"),
    Row("stat of one that is not enabled", "stat web", 1, None,
        r"VM 101 \(web\) is not enabled; 'irqhop enable 101'"),
    Row("stat of a bad name", "stat nobody", 4, None, "no VM 'nobody'"),
    Row("stat of a VM that ends", "stat web", 4, None, "has ended",
        env={"FAKE_PIDFD": 3}),
    Row("stat without the module", "stat", 3, None, "not loaded",
        env={"FAKE_ABSENT": 1}),
    Row("stat --interval, and the module is unloaded", "stat -i 0.01 web", 3,
        "^ +101 ", "was unloaded meanwhile", env={**ON, "FAKE_GONE_AT": 3}),
    Row("stat of all, and the module is unloaded", "stat -i 0.01", 3,
        "^ +101 ", "was unloaded meanwhile", env={**ON, "FAKE_GONE_AT": 3}),
]
ARM64 = {"FAKE_UNAME": "aarch64 6.12.38+deb12-arm64"}
# World.py's host has no GICv4 and no VFIO; the module says what it can.
NO_DIRECT = {**ARM64, "FAKE_CAPS": 4}
NOTES = ("gicv4", "kvm-gicv4", "iommu", "vfio-pci", "devices")


def found_as(found, verdict):
    """What check --json has found so, in order."""
    return tuple(finding["what"] for finding in found["findings"]
                 if finding["verdict"] == verdict)


CHECK = [
    Row("check of a host without GICv4 and VFIO", "check", env=NO_DIRECT,
        out="^ok +redirect +injected only .for direct see "
        f"{', '.join(NOTES)}.$"),
    Row("check: what a note looks like", "check", env=NO_DIRECT,
        out="^note +gicv4 +the module found none, so a passed-through "
        "device's interrupts cost an exit each$"),
    Row("check --json of a host without GICv4 and VFIO", "check --json",
        schema="check", env=NO_DIRECT, holds=lambda found:
        found["redirect"] and found["injected"] and not found["direct"] and
        found_as(found, "note") == NOTES and
        len(found_as(found, "ok")) == len(found["findings"]) - len(NOTES)),
    Row("check of a host on which nothing can be redirected", "check --json",
        1, schema="check", env={**ARM64, "FAKE_CAPS": 0},
        holds=lambda found: found_as(found, "no") == ("redirect",) and
        not found["redirect"] and not found["injected"] and
        not found["direct"]),
    Row("check without the module names it", "check", 1,
        r"^no +redirect +not possible now: see gicv4, module$",
        env={**ARM64, "FAKE_ABSENT": 1}),
    Row("check with an untested kernel", "check --json", 1, schema="check",
        env={"FAKE_UNAME": "aarch64 5.10.0"}, holds=lambda found:
        found_as(found, "no") == ("kernel", "redirect") and
        not found["injected"]),
    Row("check --json", "check --json", 1, schema="check",
        holds=lambda found: not found["redirect"] and {
            "what": "module", "verdict": "ok",
            "text": "irqhop 9.9.9; this tool is " + found["findings"][-2][
                "text"].split()[-1]} in found["findings"]),
    Row("check with another family version", "check", 1,
        "^no +module +irqhop 9.9.9 is of another version than this tool",
        env={"FAKE_FAMILY": 1}),
]

# And with a GICv4 and a device passed through: see world.passthrough().
CHECK_DIRECT = [
    Row("check of a host with GICv4 and VFIO", "check", env=ARM64,
        out=r"^ok +redirect +direct \(GICv4\) and injected$"),
    Row("check --json of a host with GICv4 and VFIO", "check --json",
        schema="check", env=ARM64, holds=lambda found:
        found["redirect"] and found["injected"] and found["direct"] and
        len(found_as(found, "ok")) == len(found["findings"])),
    Row("check of a module that has direct ones only", "check --json",
        schema="check", env={**ARM64, "FAKE_CAPS": 1}, holds=lambda found:
        found["redirect"] and found["direct"] and not found["injected"] and
        found["findings"][-1]["text"] == "direct (GICv4) only"),
]

# 200 of the 300 are direct; all but one are away if the VM is enabled.
OK_ON = ("VM 101 (web): ok: 300 interrupts (200 direct, 100 injected; "
         "299 away, 1 stranded)\n")
OK_OFF = ("VM 102 (db): ok: 300 interrupts (200 direct, 100 injected; "
          "0 away, 0 stranded)\n")
LOOKS = ["sleep 0.75"] * 4
FAST = {**ON, "FAKE_SLEEP": 1}


def drift(text, what, out, vm="web", **more):
    """A row with drift that lasts; out: what is said after the VM."""
    vm_is = {"web": "101 (web)", "db": "102 (db)"}[vm]
    return Row(text, f"verify {vm}", 6, log=LOOKS, env={
        **FAST, "FAKE_DRIFT": what}, exact=f"VM {vm_is}: drift: {out}\n",
        **more)


VERIFY = [
    Row("verify", "verify web db", env=FAST, exact=OK_ON + OK_OFF, log=[]),
    drift("verify: home", "8192:ehome:1",
          "interrupt 8192: home by KVM 3, by irqhop 1"),
    drift("verify: no home", "8192:home:99",
          "interrupt 8192: home by KVM none, by irqhop 3"),
    drift("verify: target", "8192:target:2",
          "interrupt 8192: target by the ITS driver 2, by irqhop 0"),
    drift("verify: unknown", "8192:ehome:99 8192:etarget:99",
          "interrupt 8192: home 3, target 0, but not in irqhop's table"),
    drift("verify: home of an injected one", "8194:ehome:3",
          "interrupt 8194: home by KVM 1, by irqhop 3"),
    drift("verify: target of an injected one", "8194:target:3",
          "interrupt 8194: target by KVM 3, by irqhop 2"),
    drift("verify: unknown, injected", "8194:ehome:99 8194:etarget:99",
          "interrupt 8194: home 1, target 2, but not in irqhop's table"),
    drift("verify: injected and nowhere, but in the table",
          "8485:etarget:2",
          "interrupt 8485: target by KVM none, by irqhop 2"),
    drift("verify: not enabled, not at home", "8192:target:2",
          "interrupt 8192: home 3, target 2, but the VM is not enabled",
          vm="db"),
    Row("verify: several", "verify web", 6, log=LOOKS, env={
        **FAST, "FAKE_DRIFT": "8192:target:2 8193:ehome:0 8195:ehome:3:4"},
        exact="VM 101 (web): drift: interrupt 8192: target by the ITS driver "
        "2, by irqhop 0\nVM 101 (web): drift: interrupt 8193: home by KVM 2, "
        "by irqhop 0\n"),
    Row("verify: gone after a moment", "verify web", exact=OK_ON,
        log=LOOKS[:2], env={**FAST, "FAKE_DRIFT": "8192:target:2:2"}),
    Row("verify: gone in the last look", "verify web", exact=OK_ON,
        log=LOOKS, env={**FAST, "FAKE_DRIFT": "8192:target:2:4"}),
    Row("verify: another value each time", "verify web", exact=OK_ON,
        log=LOOKS[:1], env={**FAST, "FAKE_DRIFT":
                            "8192:target:2:1 8192:target:1"}),
    Row("verify: the module's own tables", "verify web", 6, log=[],
        env={**FAST, "FAKE_CHECK": "lists differ"},
        exact="VM 101 (web): irqhop's tables contradict each other: lists "
        "differ\n"),
    Row("verify --json", "verify --json web db", schema="verify", env=FAST,
        holds=lambda found: found["ok"] and
        [vm["enabled"] for vm in found["vms"]] == [True, False] and
        [[vm[key] for key in ("direct", "injected", "away")]
         for vm in found["vms"]] == [[200, 100, 299], [200, 100, 0]]),
    Row("verify --json with drift", "verify --json web db", 6,
        schema="verify", env={**FAST, "FAKE_DRIFT":
                              "8192:ehome:1 8194:etarget:3",
                              "FAKE_CHECK": "no"},
        holds=lambda found: not found["ok"] and
        [vm["ok"] for vm in found["vms"]] == [False, True] and
        found["vms"][0]["message"] == "no" and
        found["vms"][0]["drift"] == [{
            "intid": 8192, "delivery": "direct", "kind": "home", "home": 3,
            "target": 0, "engine_home": 1, "engine_target": 0}, {
            "intid": 8194, "delivery": "injected", "kind": "target",
            "home": 1, "target": 2, "engine_home": 1, "engine_target": 3}]),
    Row("verify --all", "verify --all", 1, r"^VM 102 \(db\): ok: ",
        "holds several VMs", env=FAST),
    Row("verify of a bad name", "verify web nobody", 4, None,
        "no VM 'nobody'"),
    Row("verify of a VM that ends", "verify web", 4, None, "has ended",
        env={"FAKE_PIDFD": 3}),
    Row("verify of a VM that has no ITS", "verify web", 1, None,
        r"cannot verify VM 101 \(web\): no GICv3$",
        env={"FAKE_FAIL": "5:95:no GICv3"}),
    Row("verify, and the module is unloaded", "verify web", 3, None,
        "was unloaded meanwhile", env={**FAST, "FAKE_GONE_AT": 1}),
    Row("verify, and the module is unloaded between looks", "verify web", 3,
        None, "was unloaded meanwhile",
        env={**FAST, "FAKE_GONE_AT": 4, "FAKE_DRIFT": "8192:target:2"}),
    Row("verify without the module", "verify web", 3, None, "not loaded",
        env={"FAKE_ABSENT": 1}),
    Row("verify without privilege", "verify web", 5, None, "needs root",
        env={"FAKE_NOCAP": 1}),
]
