# SPDX-License-Identifier: GPL-2.0-only
"""The counting of MSIs, by traces made up here."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from exact import told  # noqa: E402
from state import DEVICE_ID, QUEUE, Trace  # noqa: E402

INTID = 0x2001
MSI = f"pci_nvme_irq_msix raising MSI-X IRQ vector {QUEUE[1]}\n"
BEGUN = f"gicv3_icv_iar_read GICv3 ICV_IAR1 read cpu 0x3 value {INTID:#x}\n"
ENDED = f"gicv3_icv_eoir_write GICv3 ICV_EOIR1 write cpu 0x3 value {INTID:#x}\n"
TAKEN = BEGUN + ENDED
# A timer's, and that nothing was pending.
OTHERS = ("gicv3_icv_iar_read GICv3 ICV_IAR1 read cpu 0x2 value 0x1b\n"
          "gicv3_icv_eoir_write GICv3 ICV_EOIR1 write cpu 0x2 value 0x1b\n"
          "gicv3_icv_iar_read GICv3 ICV_IAR1 read cpu 0x2 value 0x3ff\n")
# The handler finds the next completion before its MSI is taken.
MERGED = BEGUN + MSI + MSI + ENDED + TAKEN
MOVED = (f"gicv3_its_cmd_vmovi GICv3 ITS: command VMOVI DeviceID "
         f"{QUEUE[0]:#x} EventID {QUEUE[1]:#x} vPEID 0x2 D 1\n")


def mapped(device, event, intid):
    """A vLPI is mapped for this event."""
    return (f"gicv3_its_cmd_vmapti GICv3 ITS: command VMAPTI DeviceID "
            f"{device:#x} EventID {event:#x} vPEID 0x1 vINTID {intid:#x} "
            "Dbell_pINTID 0x3ff\n")


class Exact(unittest.TestCase):
    """Each test is a trace, and what it has to be taken for."""

    def setUp(self):
        handle, path = tempfile.mkstemp()
        os.close(handle)
        self.addCleanup(os.remove, path)
        self.trace = Trace(path)
        self.see(mapped(*QUEUE, INTID))

    def see(self, *lines):
        """This is added to the trace."""
        with open(self.trace.path, "a", encoding="ascii") as trace:
            trace.writelines(lines)
        self.trace.read()

    def wrong(self, runs, direct=True):
        """What is found wrong with so many handler runs."""
        account = self.trace.account
        return account.count(QUEUE[1].__eq__).wrong(runs, account.waiting,
                                                    direct)

    def test_each_is_taken(self):
        """Whatever else is taken in between, and wherever it hops."""
        for _ in range(3):
            self.see(MSI, OTHERS, MOVED, TAKEN, OTHERS)
        self.assertIsNone(self.wrong(3))
        self.assertIn("1 LOST", self.wrong(2))
        self.assertIn("1 DOUBLED", self.wrong(4))

    def test_merged(self):
        """One that comes while the one before is pending is no loss."""
        self.see(MSI, MERGED, OTHERS, MSI, TAKEN)
        self.assertEqual(self.trace.account.count(QUEUE[1].__eq__),
                         (4, 1, 0, 0))
        self.assertIsNone(self.wrong(3))

    def test_merged_again(self):
        """A handler may find more than one."""
        self.see(MSI, BEGUN, MSI, MSI, MSI, ENDED, TAKEN)
        self.assertIsNone(self.wrong(2))

    def test_merged_but_lost(self):
        """A merge does not make up for a handler that did not run."""
        self.see(MSI, MERGED, MSI, TAKEN)
        self.assertIn("1 LOST", self.wrong(2))

    def test_merged_but_doubled(self):
        """Nor for one that ran once more: the sums would be equal."""
        self.see(MSI, MERGED, TAKEN)
        self.assertIn("1 DOUBLED", self.wrong(3))

    def test_last_is_lost(self):
        """No handler after it, whatever the sums say."""
        self.see(MSI, TAKEN, MSI)
        for runs in 1, 2:
            self.assertIn("LOST: no handler", self.wrong(runs))

    def test_one_on_the_way_is_lost(self):
        """The next one comes although no handler can have found it."""
        self.see(MSI, TAKEN, MSI, MSI, TAKEN)
        for runs in 2, 3:
            self.assertIn("1 LOST: the next MSI", self.wrong(runs))

    def test_postponed(self):
        """Taken while its handler runs elsewhere, and sent again."""
        self.see(MSI, BEGUN, MSI, BEGUN, ENDED, ENDED, TAKEN)
        self.assertEqual(self.trace.account.count(QUEUE[1].__eq__),
                         (2, 0, 0, 1))
        self.assertIsNone(self.wrong(2))
        self.assertIn("1 DOUBLED", self.wrong(3))

    def test_injected(self):
        """An MSI may be on its way through the host when the one before is
        taken; it need not be, and there are no more runs than MSIs."""
        self.see(MSI, MERGED, TAKEN)
        self.assertIsNone(self.wrong(3, direct=False))
        self.assertIsNone(self.wrong(2, direct=False))
        self.assertIn("1 LOST", self.wrong(1, direct=False))
        self.assertIn("1 DOUBLED", self.wrong(4, direct=False))

    def test_injected_no_more_than_taken(self):
        """Nor are there more than were taken."""
        self.see(MSI, MERGED)
        self.assertIn("1 DOUBLED", self.wrong(3, direct=False))

    def test_numbered_anew(self):
        """The guest has set up its devices again, with other LPIs."""
        self.see(MSI, TAKEN, mapped(*QUEUE, INTID + 8),
                 mapped(DEVICE_ID["NIC"], 0, INTID), MSI, TAKEN)
        self.assertIn("LOST: no handler", self.wrong(2))
        self.see(TAKEN.replace(f"{INTID:#x}", f"{INTID + 8:#x}"))
        self.assertIsNone(self.wrong(2))

    def test_rest(self):
        """What was pending for a guest that is gone takes no part."""
        self.see(MSI)
        before = self.trace.account.count(QUEUE[1].__eq__)
        self.trace.account.rest()
        self.see(MSI, TAKEN)
        account = self.trace.account
        self.assertIsNone((account.count(QUEUE[1].__eq__) - before).wrong(
            1, account.waiting))

    def test_told(self):
        """A merge is told of."""
        self.assertEqual(told(5, 5), "5 MSIs = as many handler runs")
        self.assertIn("1 of them merged", told(5, 4))


if __name__ == "__main__":
    unittest.main()
