# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the tool: what it says, and its statuses."""

import json
import re

from case_faults import fault
from state import enable, enough, expect, load


# What is done, expected status, what standard error is to say (one line).
NOT_LOADED = (
    ("irqhop enable l2", 3, "not loaded"),
    ("irqhop disable l2", 3, "not loaded"),
    ("irqhop stat", 3, "not loaded"),
    ("irqhop list l2", 3, "not loaded"),
    ("irqhop list", 0, None),
    ("irqhop check", 1, None),
)
LOADED = (
    ("irqhop check", 0, None),
    ("irqhop enable nosuch", 4, "nosuch"),
    ("irqhop enable l2 nosuch", 4, "nosuch"),
    ("irqhop enable 999999", 4, "999999"),
    ("irqhop list nosuch", 4, "nosuch"),
    ("irqhop disable nosuch", 4, "nosuch"),
    ("irqhop enable --policy nosuch l2", 2, "nosuch.*recent"),
    # A policy for tests: the production module has none.
    ("irqhop enable --policy storm l2", 2, "storm.*recent"),
    ("irqhop disable l2", 0, "not enabled"),
    ("$nobody irqhop enable l2", 5, "root|permi"),
    ("$nobody irqhop disable l2", 5, "root|permi"),
    ("$nobody irqhop stat", 5, "root|permi"),
    ("$nobody irqhop enable nosuch", 5, "root|permi"),
)
ENABLED = (
    ("irqhop enable l2", 0, "already"),
    ("irqhop enable nosuch l2", 4, "nosuch"),
    ("irqhop enable --policy nosuch l2", 2, "nosuch.*recent"),
    ("$nobody irqhop disable l2", 5, "root|permi"),
)


def attempt(lab, rows, enabled):
    """Try each row; the VM stays as it is, with its policy and counters."""
    for command, want, says in rows:
        status, text = lab.m.script(
            "nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'\n"
            f"{command} >/tmp/out 2>/tmp/err\n"
            "status=$?\ncat /tmp/err\nexit $status")
        expect(status == want,
               f"{command}: status {status}, not {want}: {text}")
        lines = text.splitlines()
        expect(len(lines) == (1 if says else 0) and
               (not says or re.search(says, text)),
               f"{command}: standard error is not one line with "
               f"{says!r}: {text!r}")
        listed = lab.m.run("irqhop list")
        expect(re.search(enabled + r" +l2$", listed, re.M),
               f"after {command}: {listed}")


def errors(lab):
    """What goes wrong has its status, one line, and no effect."""
    load.set_quiet(lab.m)
    lab.module(None)
    moves = lab.moved()
    attempt(lab, NOT_LOADED, "- +-")
    lab.module("irqhop")
    attempt(lab, LOADED, "no +-")
    twice = lab.m.script("insmod /lab/irqhop-test.ko")
    expect(twice[0] != 0, "a second module could be loaded")
    expect(lab.moved() == moves,
           "interrupts were moved with no VM enabled")
    lab.expect_home("not enabled")
    lab.m.run("irqhop enable --policy home l2")
    attempt(lab, ENABLED, "yes +home")
    lab.m.run("irqhop enable --policy recent l2")
    expect(re.search(r"yes +recent +l2$", lab.m.run("irqhop list"), re.M),
           "the policy of an enabled VM cannot be changed")
    lab.m.run("irqhop disable l2")
    lab.expect_home("disabled")
    return (f"{len(NOT_LOADED) + len(LOADED) + len(ENABLED)} commands: "
            "statuses and messages as documented, nothing changed")


# -- verify -------------------------------------------------------------------


def verified(lab, when):
    """irqhop verify finds nothing. Return what it says."""
    status, text = lab.m.script("irqhop verify --json l2")
    expect(status == 0, f"{when}: status {status}: {text}")
    said = json.loads(text)["vms"][0]
    expect(said["ok"] and not said["drift"] and said["message"] is None and
           said["interrupts"] >= 2, f"{when}: {said}")
    return said


def drifted(lab):
    """The engine takes other vCPUs for homes than KVM does."""
    fault(lab, "drift", 1000000)
    lab.m.run("sleep 2")
    homes = lab.homes()
    status, text = lab.m.script("irqhop verify --json l2")
    expect(status == 6, f"drift: status {status}, not 6: {text}")
    said = json.loads(text)["vms"][0]
    expect(not said["ok"] and said["looks"] > 1, f"drift: {said}")
    found = {row["intid"]: row for row in said["drift"]
             if row["kind"] == "home"}
    expect(set(found) == set(homes),
           f"drift: found of {sorted(found)}, there is of {sorted(homes)}")
    for intid, row in found.items():
        expect(row["home"] == homes[intid] and
               row["engine_home"] == (homes[intid] + 1) % 4, f"drift: {row}")
    status, text = lab.m.script("irqhop verify l2")
    expect(status == 6 and len(re.findall(
        r"drift: interrupt \d+: home by KVM \d, by irqhop \d", text))
           == len(homes), f"drift, in words: status {status}: {text}")
    fault(lab, "none")
    lab.m.run("sleep 3")
    return len(found)


def verify(lab):
    """No drift while interrupts hop; the drift that a fault makes."""
    lab.module("irqhop-test")
    verified(lab, "not enabled")
    load.set_shared(lab.m, 4)
    lab.m.run("stop_all filler")
    enable(lab, "storm")
    lab.read_start()
    away = again = 0
    looks = enough(10, 20)
    for look in range(looks):
        said = verified(lab, f"look {look}")
        away += said["away"] > 0
        again += said["looks"] > 1
    expect(away > looks // 4, f"away in {away} of {looks} looks only")
    lab.read_stop()
    load.set_quiet(lab.m)
    lab.m.run("irqhop policy l2 home; sleep 1")
    expect(verified(lab, "at home")["away"] == 0, "policy home: away")
    drift = drifted(lab)
    verified(lab, "after the fault")
    lab.m.run("irqhop disable l2")
    verified(lab, "disabled")
    return (f"ok in {looks} looks under load, {away} times with interrupts "
            f"away, {again} times at a second look; the fault's drift of "
            f"{drift} interrupts is found, status 6, and gone after it")
