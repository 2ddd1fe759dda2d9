# SPDX-License-Identifier: GPL-2.0-only
"""Tests of acts of guest and host: one by one, and a short storm of them."""

import collections
import os

from exact import told
import storm as runner
from state import expect

# MSIs before and after each act.
AROUND = 600
# Of the short storm.
CHUNKS = 2
# Acts that weigh less take a minute and more: they are left to the storm.
WEIGHTY = 2


def each(build, logs, which, path="direct"):
    """The acts of a table once, in order; each is counted by itself."""
    seen = []
    name = f"{which}-acts" if path == "direct" else f"{path}-{which}-acts"
    with runner.started(build, os.path.join(logs, name), path=path) as storm:
        sums = collections.Counter()
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


def guest_acts(build, logs):
    """What a guest does."""
    return each(build, logs, "guest")


def host_acts(build, logs):
    """What a host does."""
    return each(build, logs, "host")


def short(build, logs):
    """A short storm; another one each time."""
    seed = os.urandom(4).hex()
    acts = runner.table()
    done, sums = [], collections.Counter()
    with runner.started(build, os.path.join(logs, "storm")) as storm:
        for number in range(1, CHUNKS + 1):
            try:
                runner.chunk(storm, seed, number, acts)
                expect(not storm.complaints, "\n".join(storm.complaints))
            except (runner.Failure, runner.LabError) as error:
                raise type(error)(
                    f"seed {seed}, chunk {number}, after "
                    f"{' '.join(storm.acts) or 'no act'}: {error}") from error
            sums.update(storm.sums)
            done += storm.acts
        storm.end()
    return (f"seed {seed}: {told(sums['msis'], sums['handled'])}, "
            f"{sums['hops']} hops, {len(done)} acts of {len(acts)} kinds, "
            f"{CHUNKS} chunks")
