# SPDX-License-Identifier: GPL-2.0-only
"""What the tests look at: where interrupts point, and how many there were.

Three records say where an interrupt points, and they are kept apart: KVM's
(the home), the ITS driver's as irqhop reads it (the target), and the commands
that the emulated ITS was given, which is what the hardware does.
"""

import collections
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))

import load  # noqa: E402
from machine import BAD_LINES, LabError, Machine  # noqa: E402

# What the devices are called by the ITS.
DEVICE_ID = {"NVME": 0x28, "NIC": 0x30}
# The disk's only I/O queue has its second vector.
QUEUE = DEVICE_ID["NVME"], 1
GUEST_IP = "10.99.0.2"
SELF_TEST = "BUG: self-test of the lab"


class Failure(Exception):
    """A test's finding; the text says what was expected and what was seen."""


def expect(true, text):
    """Fail with this text unless it is true."""
    if not true:
        raise Failure(text)


def enable(lab, policy, name="l2"):
    """Enable, and show that it is."""
    lab.m.run(f"irqhop enable --policy {policy} {name}")
    expect(lab.listing(name).enabled, f"{name} is not enabled")


class Trace:
    """The devices' own trace, read as it grows."""

    COMMAND = re.compile(
        r"command (VMAPI|VMAPTI|VMOVI|DISCARD|MAPTI|MAPI) "
        r"DeviceID (0x[0-9a-f]+) EventID (0x[0-9a-f]+)"
        r"(?:.*? vPEID (0x[0-9a-f]+))?(?: .*?vINTID (0x[0-9a-f]+))?")
    VMAPP = re.compile(r"command VMAPP vPEID (0x[0-9a-f]+) .* V (\d)")
    INV = re.compile(r"command INV DeviceID (0x[0-9a-f]+) ")
    MSIX = re.compile(r"pci_nvme_irq_msix raising MSI-X IRQ vector (\d+)")

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.msis = collections.Counter()
        # VMOVI by (DeviceID, EventID), and by DeviceID.
        self.moves = collections.Counter()
        # INV by DeviceID.
        self.reloads = collections.Counter()
        self.vpe = {}
        # VMOVI in their order, as (key, vPE); whoever wants some clears it.
        self.steps = []
        self.intid = {}
        self.new_vpes = []

    def read(self):
        """Take in what was added since; QEMU flushes each line."""
        with open(self.path, "rb") as trace:
            trace.seek(self.offset)
            data = trace.read()
        data = data[:data.rfind(b"\n") + 1]
        self.offset += len(data)
        for line in data.decode("ascii", "replace").splitlines():
            self._line(line)
        return self

    def _line(self, line):
        found = self.MSIX.search(line)
        if found:
            self.msis[int(found.group(1))] += 1
            return
        found = self.COMMAND.search(line)
        if found:
            self._command(*found.groups())
            return
        found = self.INV.search(line)
        if found:
            self.reloads[int(found.group(1), 16)] += 1
            return
        found = self.VMAPP.search(line)
        if found and found.group(2) == "1":
            vpe = int(found.group(1), 16)
            if vpe not in self.new_vpes:
                self.new_vpes.append(vpe)

    def _command(self, verb, device, event, vpe, intid):
        key = int(device, 16), int(event, 16)
        if verb in ("DISCARD", "MAPTI", "MAPI"):
            self.vpe.pop(key, None)
            self.intid.pop(key, None)
            return
        self.vpe[key] = int(vpe, 16)
        if verb == "VMOVI":
            self.moves[key[0]] += 1
            self.moves[key] += 1
            self.steps.append((key, self.vpe[key]))
        else:
            self.intid[key] = int(intid, 16)


class Lpi:
    """One of irqhop list's interrupts."""

    def __init__(self, said):
        self.intid, self.home = said["intid"], said["home"]
        self.target, self.delivery = said["target"], said["delivery"]

    def __str__(self):
        return f"{self.intid}: home {self.home} target {self.target}"


class Listing:
    """What irqhop list says of a VM."""

    def __init__(self, text):
        said = json.loads(text)
        self.pid, self.enabled = said["pid"], said["enabled"]
        self.vcpus = {vcpu["id"]: vcpu["state"] for vcpu in said["vcpus"]}
        # ns by state, of each vCPU.
        self.times = {vcpu["id"]: vcpu["time_ns"] for vcpu in said["vcpus"]}
        self.lpis = [Lpi(lpi) for lpi in said["interrupts"]]

    def away(self):
        """Those that do not point home."""
        return [lpi for lpi in self.lpis if lpi.home != lpi.target]


class Lab:
    """One machine, with the guests that a test wants and a tally of them."""

    BOTH = {"l2": ("NVME", "NIC")}
    PAIR = {"l2": ("NIC",), "l3": ("NVME",)}
    # A test that boots machines of its own, and has no other beside them.
    OWN = {}

    def __init__(self, build, logs, module=None, **machine):
        tracers = os.path.join(build, "lab", "tracers.ext4")
        # What is used after it was freed shall not be found as it was.
        self.m = Machine(build, logs, cmdline="init_on_free=1",
                         tracers=os.path.exists(tracers), **machine)
        self.m.__enter__()
        self.replacement = module
        # What start_guest() is told besides.
        self.guest_options = {}
        self.logs = self.m.logs
        self.trace = Trace(self.m.trace)
        self.guests = {}
        self.vpes = {}
        self.complaints = []

    def start(self):
        """Boot the host."""
        self.m.start()
        if self.replacement:
            stripped = os.path.join(self.logs, "irqhop-test.ko")
            subprocess.run(["aarch64-linux-gnu-strip", "-g", "-o", stripped,
                            self.replacement], check=True)
            self.m.upload(stripped, "/lab/irqhop-test.ko")
        self.m.run("devices_setup")

    def stop(self):
        """End the machine."""
        self.m.stop()

    # -- guests -------------------------------------------------------------

    def want(self, guests):
        """Have exactly these guests; what runs is kept if it is the same.

        None: whichever there are.
        """
        if guests is None:
            guests = self.guests or self.BOTH
        if self.guests == guests:
            return
        for name in list(self.guests):
            self.end_guest(name)
        self.boot_guests(guests)

    def boot_guests(self, guests):
        """Start guests, and only when all are up make them busy."""
        for name, devices in guests.items():
            self._boot_guest(name, devices)
        for name in guests:
            load.busy_guest(self.m, name)
            # What a test runs in a guest keeps off vCPU 1: that one may be
            # stopped.
            self.m.guest("for pid in $(pidof agent); do taskset -p d $pid; "
                         "done", name)

    def _boot_guest(self, name, devices):
        """Start a guest, and learn which vPEs are its vCPUs."""
        self.trace.read().new_vpes.clear()
        self.m.start_guest(name, devices=" ".join("$" + d for d in devices),
                           **self.guest_options)
        self.guests[name] = devices
        self.vpes[name] = list(self.trace.read().new_vpes)
        expect(len(self.vpes[name]) == 4,
               f"booting {name}: the ITS was given {len(self.vpes[name])} "
               "vPEs, not 4")

    def end_guest(self, name):
        """Take down a guest; its log is looked at before."""
        self.complaints += self.complain(name)
        self.m.run(f"kill -9 $(cat /run/{name}/pid)")
        self.guests.pop(name)
        self.wait_gone(len(self.guests))

    def moved(self):
        """VMOVI for all devices so far."""
        moves = self.trace.read().moves
        return sum(moves[device] for device in DEVICE_ID.values())

    def wait_gone(self, left):
        """Wait until KVM knows no more VMs than these."""
        self.m.run("gone() { set -- /sys/kernel/debug/kvm/*-*; "
                   f"[ -e \"$1\" ] || set --; [ $# -le {left} ]; }}\n"
                   "wait_for 30 gone || die 'KVM does not let go of the VM'",
                   stage="waiting for KVM to let go of the VM")

    # -- the module -----------------------------------------------------------

    def module(self, which):
        """Have "irqhop", "irqhop-test" or None freshly loaded."""
        self.m.run("[ ! -d /sys/module/irqhop ] || rmmod irqhop")
        if which:
            self.m.run(f"insmod /lab/{which}.ko")

    def listing(self, name="l2"):
        """irqhop list NAME."""
        return Listing(self.m.run(f"irqhop list --json {name}"))

    def stat(self, name="l2"):
        """irqhop stat NAME, as numbers."""
        pairs = (line.split("=", 1) for line in
                 self.m.run(f"irqhop stat --raw {name}").split())
        return {key: int(value) for key, value in pairs
                if value.isdigit()}

    # -- where interrupts point ----------------------------------------------

    def homes(self, name="l2"):
        """KVM's own record: vCPU by INTID, direct ones only."""
        text = self.m.run(
            f"grep -h LPI /sys/kernel/debug/kvm/$(cat /run/{name}/pid)-*"
            "/vgic-state")
        rows = [line.split() for line in text.splitlines()]
        # The H of the flags PLAEHCG says that the hardware delivers it.
        return {int(row[1]): int(row[2]) for row in rows if row[3][4] == "1"}

    def hardware(self, name="l2"):
        """What the ITS was told last: vCPU by INTID."""
        self.trace.read()
        devices = [DEVICE_ID[device] for device in self.guests[name]]
        return {self.trace.intid[key]: self.vpes[name].index(vpe)
                for key, vpe in self.trace.vpe.items() if key[0] in devices}

    def expect_home(self, when, name="l2", listing=None):
        """All three records agree that every interrupt is at home."""
        listing = listing or self.listing(name)
        homes = self.homes(name)
        hardware = self.hardware(name)
        expect(len(homes) >= 2, f"{when}: KVM has {len(homes)} direct LPIs")
        for lpi in listing.lpis:
            expect(lpi.delivery == "direct" and lpi.home == lpi.target,
                   f"{when}: irqhop list: {lpi} ({lpi.delivery})")
        listed = {lpi.intid: lpi.home for lpi in listing.lpis}
        expect(listed == homes,
               f"{when}: homes by irqhop list {listed}, by KVM {homes}")
        expect(hardware == homes,
               f"{when}: the ITS points at {hardware}, "
               f"KVM's homes are {homes}")
        return homes

    # -- how many there were --------------------------------------------------

    def handled(self, name="l2", match="nvme0q1"):
        """Handler runs of an interrupt, by vCPU."""
        line = self.m.guest(f"grep -w '{match}' /proc/interrupts", name)
        return [int(word) for word in line.split()[1:5]]

    def counts(self, name="l2"):
        """(MSIs that the disk's queue has sent, handler runs by vCPU)."""
        handled = self.handled(name)
        return self.trace.read().msis[1], handled

    def expect_exact(self, before, when, name="l2", at_least=0):
        """As many handler runs as MSIs since `before`. Return runs by vCPU."""
        msis, handled = self.counts(name)
        msis -= before[0]
        runs = [b - a for a, b in zip(before[1], handled)]
        expect(msis == sum(runs),
               f"{when}: {msis} MSIs sent, {sum(runs)} handler runs {runs}")
        expect(msis >= at_least,
               f"{when}: only {msis} MSIs, at least {at_least} expected")
        return runs

    # -- load in the guest ----------------------------------------------------

    FIO = ("fio --name=read --filename=/dev/nvme0n1 --rw=randread --bs=4k "
           "--direct=1 --ioengine=psync --thread --cpus_allowed=3 "
           "--output-format=terse")

    def read_start(self, name="l2"):
        """Start reading, one at a time, until told to stop."""
        before = self.trace.read().msis[1]
        self.m.guest(f"{self.FIO} --time_based --runtime=100000 "
                     "</dev/null >/tmp/read.out 2>&1 &", name)
        for _ in range(200):
            if self.trace.read().msis[1] - before > 20:
                return
            self.m.run("sleep 0.1")
        raise Failure(f"{name} does not begin to read")

    def read_stop(self, name="l2"):
        """Stop reading. Return how many reads there were."""
        text = self.m.guest(
            "kill -INT $(pidof fio)\nn=0\nwhile pidof fio >/dev/null; do "
            "sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || exit 7; done\n"
            "cat /tmp/read.out", name, stage=f"waiting for fio in {name}")
        return self.reads(text)

    @staticmethod
    def reads(text):
        """Reads done, from fio's terse line; an error in it is a failure."""
        lines = [line for line in text.splitlines()
                 if line.startswith("3;fio-")]
        expect(len(lines) == 1, f"fio said:\n{text}")
        fields = lines[0].split(";")
        expect(fields[4] == "0", f"fio: error {fields[4]}\n{text}")
        return int(fields[5]) // 4

    PING = f"ip netns exec outside taskset -c 1 ping -q -n -i 0.01 {GUEST_IP}"

    @staticmethod
    def pinged(text):
        """(sent, received) of each ping in the text."""
        return [(int(a), int(b)) for a, b in re.findall(
            r"(\d+) packets transmitted, (\d+) received", text)]

    # -- complaints -----------------------------------------------------------

    def complain(self, name):
        """Bad lines of one kernel's log; L1 is the host."""
        text = (self.m.run("dmesg") if name == "L1" else
                self.m.guest("dmesg", name))
        with open(os.path.join(self.logs, f"{name}-dmesg.log"), "w",
                  encoding="utf-8") as log:
            log.write(text)
        if name != "L1":
            self.m.save_guest_console(name)
        return [f"{name}: {line}" for line in text.splitlines()
                if BAD_LINES.search(line) and SELF_TEST not in line]


__all__ = ["DEVICE_ID", "Failure", "Lab", "LabError", "Listing", "Machine",
           "QUEUE", "SELF_TEST", "Trace", "enable", "expect", "load"]
