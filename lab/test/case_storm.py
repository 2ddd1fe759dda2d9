# SPDX-License-Identifier: GPL-2.0-only
"""Tests of acts of guest and host: one by one, and a short storm of them."""

import collections
import os
import random

from acts import Storm
from exact import told
import storm as runner
from state import expect

# MSIs before and after each act.
AROUND = 300
# Of the short storm: so that what a change is tested with does not depend on
# luck, it is the same each time.
SEED, CHUNKS = os.environ.get("STORM_SEED", "344"), (1, 2)
# Of the test of handlers.
HANDLER_CHUNKS = 3
# Acts that weigh less take a minute and more: they are left to the storm.
WEIGHTY = 2


def each(lab, which, path="direct"):
    """The acts of a table once, in order; each is counted by itself."""
    seen, sums = [], collections.Counter()
    storm = Storm(lab, random.Random(0))
    storm.begin()
    for act in runner.table(which, path=path):
        if act.weight < WEIGHTY:
            continue
        storm.rng.seed(act.name)
        storm.chunk(AROUND, [act])
        expect(not storm.complaints,
               f"act {act.name}: " + "\n".join(storm.complaints))
        sums.update(storm.sums)
        seen += storm.acts
    storm.end()
    return (f"{len(seen)} acts: {' '.join(seen)}; "
            f"{told(sums['msis'], sums['handled'])}, {sums['hops']} hops")


def guest_acts(lab):
    """What a guest does."""
    return each(lab, "guest")


def host_acts(lab):
    """What a host does."""
    return each(lab, "host")


def short(lab):
    """A short storm."""
    acts = runner.table()
    done, sums = [], collections.Counter()
    storm = Storm(lab, random.Random(0))
    storm.begin()
    for number in CHUNKS:
        try:
            runner.chunk(storm, SEED, number, acts)
            expect(not storm.complaints, "\n".join(storm.complaints))
        except (runner.Failure, runner.LabError) as error:
            raise type(error)(
                f"seed {SEED}, chunk {number}, after "
                f"{' '.join(storm.acts) or 'no act'}: "
                + "\n".join([str(error), *storm.complaints])) from error
        sums.update(storm.sums)
        done += storm.acts
    storm.end()
    return (f"seed {SEED}: {told(sums['msis'], sums['handled'])}, "
            f"{sums['hops']} hops, {len(CHUNKS)} chunks with {' '.join(done)}")


def in_handler(build, logs):
    """vCPUs are preempted in handlers again and again, and these keep their
    interrupts. Before 6.6 a guest loses one that arrives elsewhere then."""
    sums = collections.Counter()
    with runner.started(build, os.path.join(logs, "in-handler")) as storm:
        for _ in range(HANDLER_CHUNKS):
            storm.chunk(runner.MSIS, ())
            expect(not storm.complaints, "\n".join(storm.complaints))
            sums.update(storm.sums)
        kept = storm.lab.stat()["in_handler"]
        release = storm.lab.m.guest("uname -r").strip()
        storm.end()
    expect(kept > HANDLER_CHUNKS * 10, f"preempted in a handler {kept} times")
    return (f"guest {release}: {told(sums['msis'], sums['handled'])}, "
            f"{sums['hops']} hops, preempted in a handler {kept} times")
