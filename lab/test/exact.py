# SPDX-License-Identifier: GPL-2.0-only
"""What the disk sent, beside what its guest took, in their order.

Handler runs are as many as MSIs, less those that merged: one that comes while
the one before is pending is the same interrupt. That happens at depth 1 too. A
handler that is not done finds the completion of the next read, whose MSI is
pending, and wakes the reader; the read after that may end before any vCPU has
taken that MSI.

The emulator traces an MSI, and a vCPU that takes an interrupt or is done with
it, as they happen. So what merged is counted. Of what was lost no handler
begins behind it; or the next MSI came nevertheless, but no handler was there
that could have found the completion.
"""

import collections


class Sent(collections.namedtuple("Sent", "msis merged lost again")):
    """Counts of some vectors: MSIs; those of them before which one was pending
    still, whose completion a handler could have found; or none could; handlers
    that began with no MSI pending."""

    def __sub__(self, before):
        return Sent(*(a - b for a, b in zip(self, before)))

    def __add__(self, more):
        return Sent(*map(sum, zip(self, more)))

    def wrong(self, runs, waiting=(), direct=True):
        """What does not fit so many handler runs, or None. `waiting`: vectors
        whose last MSI was not taken. Of an interrupt that KVM injects (not
        `direct`) the MSI may wait in the host when the one before is taken,
        and has a handler run of its own."""
        least = self.msis - self.merged
        most = least if direct else min(self.msis, least + self.again)
        found = [f"LOST: no handler began after the last MSI of vector {vector}"
                 for vector in sorted(waiting)]
        if self.lost:
            found.append(f"{self.lost} LOST: the next MSI came before a "
                         "handler began")
        if runs < least:
            found.append(f"{least - runs} LOST by the counts")
        if runs > most:
            found.append(f"{runs - most} DOUBLED")
        if not found:
            return None
        return (f"{'; '.join(found)}: {self.msis} MSIs sent, {self.merged} "
                f"merged, {self.again} handlers besides, {runs} handler runs")


def told(msis, runs, merged=None):
    """For people: so many MSIs, as many handler runs, or what merged: the
    difference, where that is all there can be."""
    if msis == runs:
        return f"{msis} MSIs = as many handler runs"
    merged = msis - runs if merged is None else merged
    return f"{msis} MSIs, {merged} of them merged, {runs} handler runs"


class Account:
    """The same for each vector of the disk, from lines of the trace."""

    def __init__(self):
        self.msis = collections.Counter()
        self.merged = collections.Counter()
        self.lost = collections.Counter()
        self.again = collections.Counter()
        # Of each vector: handlers that are not done; and where the last MSI
        # was not taken, whether there was one when it came.
        self.handlers = collections.Counter()
        self.waiting = {}
        self.intid, self.vector = {}, {}

    def know(self, vector, intid):
        """The guest has this LPI for a vector from now on. One that is taken
        out of the ITS keeps it: KVM may go on with it by itself."""
        if self.intid.get(vector) == intid:
            return
        self.vector.pop(self.intid.pop(vector, None), None)
        self.forget(intid)
        self.intid[vector], self.vector[intid] = intid, vector

    def forget(self, intid):
        """Something else has this LPI from now on."""
        self.intid.pop(self.vector.pop(intid, None), None)

    def rest(self):
        """Nothing is under way, and a count begins: what was pending or not
        done in a guest that is gone stays so."""
        self.waiting.clear()
        self.handlers.clear()

    def sent(self, vector):
        """The disk has sent an MSI."""
        self.msis[vector] += 1
        found = self.waiting.get(vector)
        self.merged[vector] += found is True
        self.lost[vector] += found is False
        self.waiting[vector] = self.handlers[vector] > 0

    def begun(self, intid):
        """A vCPU has taken an interrupt: its handler begins."""
        vector = self.vector.get(intid)
        if vector is None:
            return
        self.handlers[vector] += 1
        if self.waiting.pop(vector, None) is None:
            self.again[vector] += 1

    def ended(self, intid):
        """A vCPU is done with an interrupt."""
        vector = self.vector.get(intid)
        if vector is not None and self.handlers[vector]:
            self.handlers[vector] -= 1

    def count(self, wanted):
        """Sent, of the vectors for which wanted(vector)."""
        return Sent(*(sum(number for vector, number in counter.items()
                          if wanted(vector)) for counter in
                      (self.msis, self.merged, self.lost, self.again)))
