# SPDX-License-Identifier: GPL-2.0-only
"""Test of what irqhop costs a host's context switches.

One pCPU works, the others idle, so virtual time counts its instructions: one
a nanosecond.
"""

import re

from state import enable, expect

PCPU = 5
SWITCHES = 20000
ROUNDS = 9
# Instructions; repeated without a change, the figure differs by about one.
NOISE = 2
# The probe itself (make check counts it) and the tracepoint's way to it.
MOST = 60


def switch(lab):
    """Instructions of one context switch, the least of some rounds."""
    text = lab.m.run(f"switches {PCPU} {SWITCHES} {ROUNDS}")
    return int(re.search(r"least=(\d+)", text).group(1)) / 1000


def vmm(lab, signal):
    """Stop or continue every VMM: the vCPUs are not to run meanwhile."""
    lab.m.run("".join(f"kill -{signal} $(cat /run/{name}/pid)\n"
                      for name in lab.guests) + "sleep 0.1")


def probe_cost(lab):
    """Not loaded, loaded, enabled, disabled."""
    seen = {}
    lab.m.run("stop_all neighbour filler")
    for stage, way in (
            ("not loaded", lambda: lab.module(None)),
            ("loaded", lambda: lab.module("irqhop")),
            ("enabled", lambda: enable(lab, "recent")),
            ("disabled", lambda: lab.m.run("irqhop disable l2"))):
        way()
        vmm(lab, "STOP")
        try:
            seen[stage] = switch(lab)
        finally:
            vmm(lab, "CONT")
    base = seen["not loaded"]
    more = {stage: value - base for stage, value in seen.items()}
    for stage in ("loaded", "disabled"):
        expect(abs(more[stage]) <= NOISE,
               f"{stage}: a switch takes {more[stage]:+.1f} instructions")
    expect(NOISE < more["enabled"] <= MOST,
           f"enabled: a switch takes {more['enabled']:+.1f} instructions")
    return (f"a switch of {base:.0f} instructions takes {more['loaded']:+.1f} "
            f"with the module loaded, {more['enabled']:+.1f} with a VM "
            f"enabled, {more['disabled']:+.1f} when it is disabled again")
