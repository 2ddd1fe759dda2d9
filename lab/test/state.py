# SPDX-License-Identifier: GPL-2.0-only
"""What the tests look at: where interrupts point, and how many there were.

Three records say where an interrupt points, and they are kept apart. Of one
that the hardware delivers: KVM's (the home), the ITS driver's as irqhop reads
it (the target), and the commands that the emulated ITS was given, which is
what the hardware does. Of one that KVM injects: the guest's own (the home),
KVM's, by which it delivers, and irqhop's.
"""

import collections
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))

from exact import Account, Sent  # noqa: E402
import load  # noqa: E402
from machine import BAD_LINES, LabError, Machine  # noqa: E402

# What the devices that are passed through are called by the host's ITS.
DEVICE_ID = {"NVME": 0x28, "NIC": 0x30}
# VENDOR:CLASS of all of them in the guest.
PCI_CLASS = {"NVME": "1b36:010802", "NIC": "8086:020000",
             "VHOST": "1af4:020000", "VDISK": "1af4:010000"}
# The disk's only I/O queue has its second vector.
QUEUE = DEVICE_ID["NVME"], 1
GUEST_IP = "10.99.0.2"
# How often counts that do not agree are looked at, before they are believed.
LOOKS = 5
SELF_TEST = "BUG: self-test of the lab"
# make test-long: tests that only count on and on do so for longer.
LONG = bool(os.environ.get("LAB_LONG"))


class Failure(Exception):
    """A test's finding; the text says what was expected and what was seen."""


def enough(short, long):
    """How much of something: in make test, and in make test-long."""
    return long if LONG else short


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
    HANDLER = re.compile(r"gicv3_icv_(iar_read|eoir_write) .* "
                         r"value (0x[0-9a-f]+)")

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.account = Account()
        self.msis = self.account.msis
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
        found = self.HANDLER.search(line)
        if found:
            intid = int(found.group(2), 16)
            if found.group(1) == "iar_read":
                self.account.begun(intid)
            else:
                self.account.ended(intid)
            return
        found = self.MSIX.search(line)
        if found:
            self.account.sent(int(found.group(1)))
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
            if key[0] == DEVICE_ID["NVME"]:
                self.account.know(key[1], self.intid[key])
            else:
                self.account.forget(self.intid[key])


class Lpi:
    """One of irqhop list's interrupts."""

    def __init__(self, said):
        self.intid, self.home = said["intid"], said["home"]
        self.target, self.delivery = said["target"], said["delivery"]

    def __str__(self):
        return f"{self.intid}: home {self.home} target {self.target}"


# One of the guest's interrupts: its number there, its LPI, and the CPU that
# the guest wants it on.
Wanted = collections.namedtuple("Wanted", "irq intid cpu device")


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
    # Where the hardware delivers, the disk's interrupts are direct, and vhost's
    # are injected all the same.
    MIXED = {"l2": ("NVME", "VHOST")}
    # A test that boots machines of its own, and has no other beside them.
    OWN = {}
    # A file to be used instead of the test build of the module.
    replacement = None

    def __init__(self, build, logs, guest_options=None, **machine):
        tracers = os.path.join(build, "lab", "tracers.ext4")
        # What is used after it was freed shall not be found as it was.
        self.m = Machine(build, logs, cmdline="init_on_free=1",
                         handlers=True,
                         tracers=os.path.exists(tracers), **machine)
        self.m.__enter__()
        # What start_guest() is told besides.
        self.guest_options = guest_options or {}
        self.logs = self.m.logs
        self.trace = Trace(self.m.trace)
        self.guests = {}
        self.vpes = {}
        # Of each guest: hops in all, and when last looked, by irqhop stat.
        self.hops = {}
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
        vpes = 4 if self.m.direct else 0
        expect(len(self.vpes[name]) == vpes,
               f"booting {name}: the ITS was given {len(self.vpes[name])} "
               f"vPEs, not {vpes}")

    def end_guest(self, name):
        """Take down a guest; its log is looked at before."""
        self.complaints += self.complain(name)
        self.m.run(f"kill -9 $(cat /run/{name}/pid)")
        self.guests.pop(name)
        self.wait_gone(len(self.guests))

    def moved(self):
        """VMOVI for all devices so far; where the ITS does not deliver all of
        them, hops by irqhop's own count."""
        if any(self.devices(name, direct=False) for name in self.guests):
            return sum(self._hopped(name) for name in self.guests)
        moves = self.trace.read().moves
        return sum(moves[device] for device in DEVICE_ID.values())

    def _hopped(self, name):
        """Hops of a guest's so far, whatever happened to the module."""
        status, text = self.m.script(f"irqhop stat --raw {name}")
        found = re.search(r"^hops=(\d+)", text, re.M)
        now = int(found.group(1)) if status == 0 and found else 0
        total, last = self.hops.get(name, (0, 0))
        self.hops[name] = total + (now - last if now >= last else now), now
        return self.hops[name][0]

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

    def devices(self, name, direct):
        """A guest's devices whose interrupts are direct, or injected."""
        return [device for device in self.guests[name]
                if (device in DEVICE_ID and self.m.direct) == direct]

    def kvm(self, name="l2"):
        """KVM's own record: (vCPU, direct) by INTID."""
        text = self.m.run(
            f"grep -h LPI /sys/kernel/debug/kvm/$(cat /run/{name}/pid)-*"
            "/vgic-state")
        rows = [line.split() for line in text.splitlines()]
        # The H of the flags PLAEHCG says that the hardware delivers it.
        return {int(row[1]): (int(row[2]), row[3][4] == "1") for row in rows}

    def wanted(self, name="l2"):
        """The guest's own record of its devices' interrupts."""
        # In a busy guest the start of a program takes long.
        text = self.m.guest("[ -e /proc/lpis ] || insmod /modules/lpis.ko\n"
                            "while read -r line; do echo \"$line\"; done "
                            "</proc/lpis", name)
        names = {value: key for key, value in PCI_CLASS.items()}
        rows = [line.split() for line in text.splitlines()]
        return [Wanted(*map(int, row[:3]), names[row[3]]) for row in rows]

    def intids(self, device, name="l2"):
        """INTIDs of a device's interrupts: by the ITS's commands if they are
        direct, or else by the guest's word."""
        if device in self.devices(name, direct=True):
            intid = self.trace.read().intid
            return {intid[key] for key in intid if key[0] == DEVICE_ID[device]}
        return {wanted.intid for wanted in self.wanted(name)
                if wanted.device == device}

    def homes(self, name="l2"):
        """Where the guest wants them, vCPU by INTID: by KVM's record those
        that are direct, by its own those that are injected."""
        homes = {}
        if self.devices(name, direct=True):
            homes = {intid: vcpu for intid, (vcpu, direct)
                     in self.kvm(name).items() if direct}
        injected = self.devices(name, direct=False)
        if injected:
            homes.update({wanted.intid: wanted.cpu
                          for wanted in self.wanted(name)
                          if wanted.device in injected})
        return homes

    def hardware(self, name="l2"):
        """Where they are delivered, vCPU by INTID: what the ITS was told last,
        and KVM's record of those that are injected."""
        self.trace.read()
        devices = [DEVICE_ID[device]
                   for device in self.devices(name, direct=True)]
        targets = {self.trace.intid[key]: self.vpes[name].index(vpe)
                   for key, vpe in self.trace.vpe.items() if key[0] in devices}
        if self.devices(name, direct=False):
            targets.update({intid: vcpu for intid, (vcpu, direct)
                            in self.kvm(name).items() if not direct})
        return targets

    def misdelivered(self, listing, name="l2"):
        """Those that irqhop list has as direct and KVM not, or the reverse;
        and any that are not as the guest's devices are."""
        ways = [way for way, direct in (("direct", True), ("injected", False))
                if self.devices(name, direct)]
        kvm = self.kvm(name)
        return [f"{lpi} ({lpi.delivery})" for lpi in listing.lpis
                if lpi.delivery not in ways or
                kvm.get(lpi.intid, (None, None))[1] !=
                (lpi.delivery == "direct")]

    def expect_home(self, when, name="l2", listing=None, homes=None):
        """All three records agree that every interrupt is at home. `homes`: as
        lab.homes() had them, for a guest that cannot be asked now."""
        listing = listing or self.listing(name)
        homes = homes or self.homes(name)
        hardware = self.hardware(name)
        expect(len(homes) >= 2, f"{when}: {name} has {len(homes)} LPIs")
        wrong = self.misdelivered(listing, name)
        expect(not wrong, f"{when}: irqhop list: {'; '.join(wrong)}")
        away = listing.away()
        expect(not away, f"{when}: irqhop list: {'; '.join(map(str, away))}")
        listed = {lpi.intid: lpi.home for lpi in listing.lpis}
        expect(listed == homes,
               f"{when}: homes by irqhop list {listed}, by the guest's will "
               f"{homes}")
        expect(hardware == homes,
               f"{when}: they are delivered to {hardware}, homes are {homes}")
        return homes

    # -- how many there were --------------------------------------------------

    def handled(self, name="l2", match="nvme0q1"):
        """Handler runs of an interrupt, by vCPU."""
        line = self.m.guest(f"grep -w '{match}' /proc/interrupts", name)
        return [int(word) for word in line.split()[1:5]]

    def rest(self, name="l2"):
        """Nothing is under way, and a count of the disk's MSIs begins."""
        account = self.trace.read().account
        account.rest()
        if "NVME" in self.devices(name, direct=False):
            # Linux numbers a device's LPIs in the order of its vectors.
            for vector, intid in enumerate(sorted(self.intids("NVME", name))):
                account.know(vector, intid)

    def sent(self, wanted):
        """(Sent so far, vectors whose last MSI was not taken) of the disk's
        vectors for which wanted(vector). Of two guests the trace does not say
        which of them took an interrupt: there MSIs are all that is known."""
        account = self.trace.read().account
        sent = account.count(wanted)
        if len(self.guests) > 1:
            return Sent(sent.msis, 0, 0, 0), ()
        return sent, tuple(filter(wanted, account.waiting))

    def counts(self, name="l2"):
        """(Sent by the disk's queue, handler runs by vCPU), at rest."""
        self.rest(name)
        handled = self.handled(name)
        return self.sent(QUEUE[1].__eq__)[0], handled

    def expect_exact(self, before, when, name="l2", at_least=0):
        """As many handler runs since `before` as MSIs that did not merge.
        Return the MSIs, and runs by vCPU."""
        for _ in range(LOOKS):
            handled = self.handled(name)
            sent, waiting = self.sent(QUEUE[1].__eq__)
            sent -= before[0]
            runs = [b - a for a, b in zip(before[1], handled)]
            wrong = sent.wrong(sum(runs), waiting, self.m.direct)
            if not wrong:
                break
            # The last MSI may be on its way, its completion found before.
            self.m.run("sleep 0.2")
        expect(not wrong, f"{when}: {wrong} {runs}")
        expect(sent.msis >= at_least,
               f"{when}: only {sent.msis} MSIs, at least {at_least} expected")
        return sent.msis, runs

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


__all__ = ["DEVICE_ID", "Failure", "LOOKS", "Lab", "LabError", "Listing",
           "Machine", "QUEUE", "SELF_TEST", "Trace", "enable", "enough", "expect",
           "load"]
