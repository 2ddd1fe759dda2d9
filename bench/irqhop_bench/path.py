# SPDX-License-Identifier: GPL-2.0-only
"""Which way the devices' interrupts came to the guest, and whether they did.

direct    delivered by the interrupt hardware (GICv4): none goes through the
          host, so the host takes no VFIO interrupt at all
injected  each goes through the host, where KVM injects it: of the work's own
          interrupt the host has taken at least as many as the guest has
          handled, and no more than the device has sent, where that is known.
          The guest may handle fewer: two of which the first still waits are
          one for it.

The bounds are those of each cell of each round, so that one round's surplus
does not hide another one's lack.
"""

PATHS = ("direct", "injected")
TITLES = {"direct": "direct interrupts", "injected": "injected interrupts"}
WORDS = {
    "direct": "direct: the GICv4 delivers the devices' interrupts to the "
    "guest, with no exit",
    "injected": "injected: the host takes the devices' interrupts (on pCPU 0) "
    "and KVM injects them; GICv4 is not used",
}


def _wrong_direct(cell):
    taken = cell.meta["host_vfio_interrupts"]
    if taken:
        yield "the host took %d VFIO interrupts: not all were direct" % taken


def _wrong_injected(cell):
    host = cell.meta["host_work_interrupts"]
    guest = sum(cell.meta["guest_interrupts_by_vcpu"])
    sent = cell.meta["msis_sent"]
    if guest > host:
        yield ("the guest handled %d interrupts, the host took %d: not all "
               "were injected" % (guest, host))
    if sent is not None and host > sent:
        yield ("the host took %d interrupts, the device sent %d"
               % (host, sent))


_WRONG = {"direct": _wrong_direct, "injected": _wrong_injected}


def wrong(path, cells):
    """[(cell, what it counted that contradicts this path)]."""
    return [(cell, why) for cell in cells for why in _WRONG[path](cell)]


def entry(path, cells):
    """result.json's "path"."""
    return {
        "name": path,
        "host_work_interrupts": sum(c.meta["host_work_interrupts"]
                                    for c in cells),
        "cells": len(cells),
        "cells_wrong": len({cell.path for cell, _ in wrong(path, cells)}),
    }


def warnings(path, cells):
    """A line for each contradiction."""
    return ["%s-%s-%s, round %d: %s" % (*cell.key, cell.round, why)
            for cell, why in wrong(path, cells)]
