# SPDX-License-Identifier: GPL-2.0-only
"""Acts of the guest: it says where its interrupts go, and what runs in it.

They are for a guest of 4 vCPUs with a queue of the disk for each of them, and
an igb or a NIC by vhost, whose interrupts anybody may move; those of the disk's
queues are managed by the guest's kernel. GUEST is what its start_guest() needs.
"""

import collections
import contextlib
import os
import re
import time

from acts import Act
from state import Trace, expect, load

# The kernel that comes up after a crash needs memory of its own.
GUEST = {"memory": 768, "append": "crashkernel=192M", "reboots": True,
         "hotplug": True}

# So long, in seconds of this machine, until an effect has to be seen.
PATIENCE = 30
# In a kernel's log: its interrupt controller was left in use by another one.
SECOND_HAND = "Booted with LPIs enabled"


def until(look, what):
    """Look again and again until there is nothing to complain of."""
    begun = time.monotonic()
    while (wrong := look()) and time.monotonic() - begun < PATIENCE:
        time.sleep(0.1)
    expect(not wrong, f"{what}: {wrong}")


def guest(storm, text, stage=None):
    """Run a script in the storm's guest."""
    return storm.lab.m.guest(text, storm.guest, stage=stage)


def lpis_of(storm, device):
    """INTIDs of a device's interrupts."""
    return storm.lab.intids(device, storm.guest)


def homes_agree(storm, homes):
    """What is wrong if these are not the homes by INTID for all."""
    wanted = storm.lab.homes(storm.guest)
    if wanted != homes:
        return f"the guest's homes are {wanted}, not {homes}"
    listing = storm.lab.listing(storm.guest)
    listed = {lpi.intid: lpi.home for lpi in listing.lpis}
    if listed != homes:
        return f"irqhop's homes are {listed}, not {homes}"
    wrong = storm.lab.misdelivered(listing, storm.guest)
    return f"delivered otherwise: {', '.join(wrong)}" if wrong else None


def taken_by(storm):
    """Runs of the devices' interrupt handlers so far, by vCPU."""
    text = guest(storm, "grep . /sys/kernel/irq/*/chip_name "
                 "/sys/kernel/irq/*/per_cpu_count")
    found = re.findall(r"/(\d+)/(\w+):(.*)$", text, re.M)
    ours = {irq for irq, _, value in found if re.match("ITS-(PCI-)?MSI", value)}
    rows = [map(int, value.split(",")) for irq, what, value in found
            if what == "per_cpu_count" and irq in ours]
    return [sum(column) for column in zip(*rows)]


class Taken:
    """Where handlers ran since this was made: no command to an ITS says where
    what KVM injects goes."""

    def __init__(self, storm):
        self.storm = storm
        self.before = taken_by(storm)

    def moved(self):
        """How often something was taken on each vCPU."""
        return collections.Counter({
            vcpu: after - before for vcpu, (before, after)
            in enumerate(zip(self.before, taken_by(self.storm)))})


def since_now(storm):
    """Whoever says what was moved where from now on."""
    return Since(storm) if storm.lab.m.direct else Taken(storm)


class Since:
    """What the ITS was told since this was made."""

    def __init__(self, storm):
        self.path = storm.lab.m.trace
        self.vpes = storm.lab.vpes[storm.guest]
        with open(self.path, "rb") as trace:
            self.offset = trace.seek(0, os.SEEK_END)

    def _commands(self):
        with open(self.path, "rb") as trace:
            trace.seek(self.offset)
            text = trace.read().decode("ascii", "replace")
        for verb, device, event, vpe, _ in Trace.COMMAND.findall(text):
            if vpe and int(vpe, 16) in self.vpes:
                yield verb, (device, event), self.vpes.index(int(vpe, 16))

    def moved(self):
        """How often something was moved to each vCPU."""
        return collections.Counter(vcpu for verb, _, vcpu in self._commands()
                                   if verb == "VMOVI")

    def pointed(self):
        """How often what was mapped since pointed at each vCPU."""
        seen, mapped = collections.Counter(), set()
        for verb, key, vcpu in self._commands():
            if verb != "VMOVI":
                mapped.add(key)
            if key in mapped:
                seen[vcpu] += 1
        return seen


# -- where the guest wants its interrupts -------------------------------------

# irq, the vCPU where it goes, name
INTERRUPTS = """
awk -F: '/ITS-(PCI-)?MSI/ { print $1 + 0 }' /proc/interrupts | while read -r irq
do
    echo "$irq $(cat /proc/irq/$irq/effective_affinity_list)" \\
        "$(cat /sys/kernel/irq/$irq/actions)"
done
"""


def interrupts(storm):
    """{irq: (vCPU, name)} of the guest's MSIs."""
    rows = [line.split() for line in guest(storm, INTERRUPTS).splitlines()]
    return {int(row[0]): (int(row[1]), row[2]) for row in rows}


def movable(storm):
    """{irq: vCPU} of the MSIs that the guest's administrator may move."""
    return {irq: vcpu for irq, (vcpu, name) in interrupts(storm).items()
            if not re.fullmatch(r"nvme0q[1-9]\d*|virtio\d+-req\.\d+", name)}


def write_affinity(storm, wanted):
    """Move interrupts, {irq: vCPU}."""
    guest(storm, "\n".join(f"echo {vcpu} >/proc/irq/{irq}/smp_affinity_list"
                           for irq, vcpu in wanted.items()))


def affinity_one(storm):
    """One interrupt of the NIC goes elsewhere."""
    irqs = {wanted.irq: wanted.cpu for wanted
            in storm.lab.wanted(storm.guest) if wanted.device == storm.nic}
    irq = storm.rng.choice(sorted(irqs))
    vcpu = storm.rng.choice([v for v in range(storm.vcpus) if v != irqs[irq]])
    before = storm.lab.homes(storm.guest)
    write_affinity(storm, {irq: vcpu})
    after = storm.lab.homes(storm.guest)
    moved = [intid for intid in before if after.get(intid) != before[intid]]
    expect(len(moved) == 1 and after[moved[0]] == vcpu,
           f"irq {irq} from vCPU {irqs[irq]} to {vcpu}: homes before {before},"
           f" after {after}")
    until(lambda: homes_agree(storm, after), f"irq {irq} to vCPU {vcpu}")
    return f"irq {irq} to vCPU {vcpu}"


def affinity_all(storm):
    """All that can be moved go to one vCPU, and are spread again."""
    vcpu = storm.rng.randrange(storm.vcpus)
    irqs = sorted(movable(storm))
    ours = {wanted.intid for wanted in storm.lab.wanted(storm.guest)
            if wanted.irq in irqs}
    expect(len(irqs) == len(ours) > 2, f"irqs {irqs}, LPIs {ours}")
    homes = storm.lab.homes(storm.guest)
    write_affinity(storm, {irq: vcpu for irq in irqs})
    homes.update({intid: vcpu for intid in ours})
    until(lambda: homes_agree(storm, homes), f"all to vCPU {vcpu}")
    spread = {irq: n % storm.vcpus for n, irq in enumerate(irqs)}
    write_affinity(storm, spread)
    homes = storm.lab.homes(storm.guest)
    each = [sum(homes[intid] == v for intid in ours)
            for v in range(storm.vcpus)]
    expect(max(each) - min(each) <= 1, f"spread over the vCPUs: {each}")
    until(lambda: homes_agree(storm, homes), "spread again")
    return f"{len(irqs)} to vCPU {vcpu}"


# -- vCPUs that are off -------------------------------------------------------


def switch_cpu(storm, cpu, on):
    """Switch a CPU of the guest off or on, as its administrator does."""
    guest(storm, f"echo {int(on)} >/sys/devices/system/cpu/cpu{cpu}/online",
          stage=f"switching CPU {cpu} {'on' if on else 'off'}")


def busy_cpus(storm, cpus):
    """Spinners on these vCPUs; one that was off has lost its own."""
    load.busy_guest(storm.lab.m, storm.guest, cpus)
    guest(storm, "pidof spin >/tmp/spin.pids")


def points_at(storm, cpus):
    """What points at one of these vCPUs, by any of the records."""
    listing = storm.lab.listing(storm.guest)
    found = [f"irqhop list: {lpi}" for lpi in listing.lpis
             if lpi.home in cpus or lpi.target in cpus]
    for name, record in (("home", storm.lab.homes(storm.guest)),
                         ("delivered", storm.lab.hardware(storm.guest))):
        found += [f"{name}: {intid} at {vcpu}" for intid, vcpu
                  in record.items() if vcpu in cpus]
    if listing.enabled:
        found += [f"vCPU {cpu} is {listing.vcpus[cpu]}" for cpu in cpus
                  if listing.vcpus[cpu] != "off"]
    return ", ".join(found)


def taken(storm, cpus):
    """Runs of the devices' interrupt handlers on these vCPUs so far."""
    runs = taken_by(storm)
    return sum(runs[cpu] for cpu in cpus)


def nothing_there(storm, cpus):
    """CPUs that are off: no interrupt wants them, and they take none."""
    when = f"off: {cpus}"
    until(lambda: points_at(storm, cpus), when)
    since = since_now(storm)
    before = taken(storm, cpus)
    storm.run(100)
    moved = since.moved()
    expect(not any(moved[cpu] for cpu in cpus),
           f"{when}: moves to each vCPU: {dict(moved)}")
    after = taken(storm, cpus)
    expect(after == before, f"{when}: they took {after - before} interrupts")
    wrong = points_at(storm, cpus)
    expect(not wrong, f"{when}, later: {wrong}")
    return sum(moved.values())


def used_again(storm, cpus):
    """CPUs that are on again are where interrupts go."""
    since = since_now(storm)

    def unused():
        listing = storm.lab.listing(storm.guest)
        off = [cpu for cpu in cpus if listing.vcpus[cpu] == "off"]
        if off:
            return f"vCPUs {off} are still off"
        if not listing.enabled:
            return None
        moved = since.moved()
        cold = [cpu for cpu in cpus if not moved[cpu]]
        return f"nothing hops to {cold}" if cold else None

    until(unused, f"on again: {cpus}")


def cpus_off(storm, cpus):
    """Switch them off, look, and switch them on in another order."""
    for cpu in cpus:
        switch_cpu(storm, cpu, False)
    steps = nothing_there(storm, cpus)
    for cpu in storm.rng.sample(cpus, len(cpus)):
        switch_cpu(storm, cpu, True)
    busy_cpus(storm, range(storm.vcpus))
    used_again(storm, cpus)
    return f"vCPUs {' '.join(map(str, cpus))} off, {steps} moves meanwhile"


def cpu_offline(storm):
    """One CPU goes off and comes back."""
    return cpus_off(storm, [storm.rng.randrange(storm.vcpus)])


def cpus_offline(storm):
    """All but one CPU go off and come back."""
    return cpus_off(storm, storm.rng.sample(range(storm.vcpus),
                                            storm.vcpus - 1))


# -- drivers ------------------------------------------------------------------


def there_again(storm, device, count):
    """A device has so many interrupts, delivered as it should be."""
    def look():
        found = lpis_of(storm, device)
        if len(found) != count:
            return f"{len(found)} interrupts, not {count}"
        return homes_agree(storm, storm.lab.homes(storm.guest))
    until(look, f"{device} again")


def gone(storm, device):
    """None of a device's interrupts is left."""
    def look():
        left = lpis_of(storm, device)
        if left:
            return f"the ITS still has {left}"
        return homes_agree(storm, storm.lab.homes(storm.guest))
    until(look, f"{device} gone")


def answers(storm):
    """The guest's NIC works."""
    sent, received = storm.lab.pinged(storm.lab.m.run(
        f"ping_ok() {{ {storm.lab.PING} -c 1 -W 1 >/dev/null; }}\n"
        "wait_for 600 ping_ok || die 'no ping is answered'\n"
        f"{storm.lab.PING} -c 20 || true"))[0]
    expect(sent == received, f"{received} of {sent} pings answered")


def rebind(storm, device, driver, leave, back):
    """A driver lets its device go, and takes it again."""
    count = len(lpis_of(storm, device))
    expect(count > 1, f"{device} has {count} interrupts")
    where = f"/sys/bus/pci/drivers/{driver}"
    address = guest(storm, f"cd {where}; echo 0000:*").strip()
    guest(storm, f"{leave}\necho {address} >{where}/unbind")
    gone(storm, device)
    guest(storm, f"echo {address} >{where}/bind\n{back}")
    there_again(storm, device, count)
    return f"{count} interrupts"


def rebind_disk(storm):
    """nvme is unbound and bound."""
    return rebind(storm, "NVME", "nvme", "", """
n=0
until [ -b /dev/nvme0n1 ]; do
    sleep 0.1
    n=$((n + 1))
    [ $n -lt 600 ]
done
""")


def rebind_nic(storm):
    """The NIC's driver is unbound and bound."""
    driver = {"NIC": "igb", "VHOST": "virtio-pci"}[storm.nic]
    note = rebind(storm, storm.nic, driver, "", "nic-up")
    answers(storm)
    return note


def nic_down(storm):
    """igb gives its interrupts back, and asks for them again."""
    count = len(lpis_of(storm, storm.nic))
    guest(storm, "ip link set eth0 down")
    if storm.nic == "NIC":
        gone(storm, "NIC")
    guest(storm, "ip link set eth0 up")
    there_again(storm, storm.nic, count)
    answers(storm)


def nic_queues(storm):
    """The NIC gets another number of queues, and the old one again."""
    for queues in (storm.rng.randrange(1, storm.vcpus), storm.vcpus):
        guest(storm, f"ethtool -L eth0 combined {queues}")
        # One for each way of each queue, and one for the rest; virtio-net
        # keeps those of all the queues that it could have.
        ways = queues if storm.nic == "NIC" else storm.vcpus
        there_again(storm, storm.nic, 2 * ways + 1)
    answers(storm)
    return f"{queues} queues"


RESET = """
queues() { dmesg | grep -c 'nvme0: .* default/read/poll queues' || :; }
before=$(queues)
fio --name=read --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 \\
    --ioengine=psync --thread --output-format=terse --time_based \\
    --runtime=1000000 </dev/null >/tmp/reset.out 2>&1 &
sleep 1
echo 1 >/sys/class/nvme/nvme0/reset_controller
sleep 1
kill -INT $!
wait $! || :
cat /tmp/reset.out
echo "resets $(($(queues) - before))"
"""


def reset_disk(storm):
    """The disk is reset while it is read; no read fails."""
    count = len(lpis_of(storm, "NVME"))
    text = guest(storm, RESET)
    resets = int(re.search(r"^resets (\d+)$", text, re.M).group(1))
    expect(resets == 1, f"{resets} resets\n{text}")
    reads = storm.lab.reads(text)
    expect(reads > 10, f"only {reads} reads while the disk was reset")
    there_again(storm, "NVME", count)
    return f"{reads} reads"


# -- another kernel -----------------------------------------------------------


@contextlib.contextmanager
def at_ease(storm):
    """With the neighbours at rest and QEMU's turns long, while a guest boots:
    it is sooner done, and its vCPUs still preempt each other."""
    storm.neighbours(False)
    storm.lab.m.short_turns(False)
    try:
        yield
    finally:
        storm.lab.m.short_turns(True, 200)
        storm.neighbours(True)


def boots(storm):
    """How often the guest's init has come up so far."""
    return int(storm.lab.m.run(
        f"grep -c 'lab: L2 is up' /run/{storm.guest}/console.log"))


def anew(storm, count, how):
    """The guest has come up once more, and irqhop is still enabled."""
    name = storm.guest
    storm.lab.m.run(
        f"up() {{ [ $(grep -c 'lab: L2 is up' /run/{name}/console.log) = "
        f"{count} ]; }}\nwait_for 400 up || {{ tail -n 60 "
        f"/run/{name}/console.log; irqhop list {name}; grep -h LPI "
        f"/sys/kernel/debug/kvm/*/vgic-state; "
        f"die '{how}: {name} does not come up'; }}",
        stage=f"{how}: waiting for {name}")
    listing = storm.lab.listing(name)
    expect(storm.off or listing.enabled, f"{how}: not enabled any more")


def as_before(storm, how, counts, second_hand):
    """Everything is there again, in a kernel that was started like this."""
    storm.guest_new()
    log = guest(storm, "dmesg")
    expect((SECOND_HAND in log) == second_hand,
           f"{how}: '{SECOND_HAND}' in the log: {SECOND_HAND in log}")
    for device, count in counts.items():
        there_again(storm, device, count)
    answers(storm)


def counted(storm):
    """How many interrupts each device has."""
    return {device: len(lpis_of(storm, device))
            for device in storm.lab.guests[storm.guest]}


MONITOR = """
monitor()
{
    (echo "$1"; sleep 0.2) | socat - UNIX-CONNECT:/run/%s/monitor >/dev/null
}
"""


def in_handler(storm):
    """How often a vCPU was preempted inside a handler so far."""
    return 0 if storm.off else storm.lab.stat(storm.guest)["in_handler"]


def pause(storm):
    """All vCPUs are in user space: everything is at home."""
    lab, monitor = storm.lab, MONITOR % storm.guest
    homes = lab.homes(storm.guest)
    for _ in range(10):
        before = in_handler(storm)
        lab.m.run(monitor + "monitor stop")
        listing = lab.listing(storm.guest)
        wrong = set(listing.vcpus.values()) - {"user", "off"}
        expect(storm.off or not wrong, f"paused: vCPUs are {listing.vcpus}")
        if in_handler(storm) == before:
            break
        # One was stopped inside a handler, and keeps what it has.
        lab.m.run(monitor + "monitor cont; sleep 0.1")
    lab.expect_home("paused", storm.guest, listing, homes)


def reboot(storm):
    """The guest reboots by itself, or is reset by its VMM."""
    counts, before = counted(storm), boots(storm)
    by_itself = storm.rng.random() < 0.5
    if by_itself:
        guest(storm, "(sleep 0.2; reboot -f) </dev/null >/dev/null 2>&1 &")
    else:
        pause(storm)
        storm.lab.m.run(MONITOR % storm.guest
                        + "monitor system_reset; monitor cont")
    with at_ease(storm):
        anew(storm, before + 1, "reboot")
        as_before(storm, "reboot", counts, False)
    return "by itself" if by_itself else "by its VMM"


# /tmp/Image and /tmp/initrd are what the guest was booted with. It has more to
# do here than to be busy.
IMAGES = """
kill -STOP $(pidof spin) || :
[ -e /tmp/Image ] || cat /dev/vda >/tmp/Image
[ -e /tmp/initrd ] || cat /dev/vdb >/tmp/initrd
"""
# The kernel that takes over finds LPIs enabled. If it lay where the LPI tables
# of the one before are, it would take these for reserved, use them, and
# overwrite itself (gic_check_reserved_range()).
MEM_MIN = 0x50000000
CRASH_APPEND = ("console=ttyAMA0 quiet panic=-1 audit=0 mitigations=off "
                "nr_cpus=1 reset_devices")


def kexec(storm):
    """The guest starts another kernel without a reset."""
    counts, before = counted(storm), boots(storm)
    cpu = storm.rng.randrange(storm.vcpus)
    with at_ease(storm):
        guest(storm, IMAGES + f"""
kexec -i -c -l /tmp/Image --initrd=/tmp/initrd --reuse-cmdline \\
    --mem-min={MEM_MIN}
(sleep 0.2; taskset -c {cpu} kexec -e) </dev/null >/dev/null 2>&1 &
""", stage="loading a kernel")
        anew(storm, before + 1, "kexec")
        as_before(storm, "kexec", counts, True)
    return f"from CPU {cpu}"


def crash(storm, cpu):
    """Crash on this CPU; the crash kernel comes up on it."""
    before = boots(storm)
    guest(storm, IMAGES + f"""
kexec -i -c -p /tmp/Image --initrd=/tmp/initrd --append='{CRASH_APPEND}'
(sleep 0.2; taskset -c {cpu} sh -c 'echo c >/proc/sysrq-trigger') \\
    </dev/null >/dev/null 2>&1 &
""", stage="loading a crash kernel")
    anew(storm, before + 1, "crash")


CRASHED = """
cat /sys/devices/system/cpu/online
[ -e /proc/vmcore ] && echo vmcore
spin </dev/null >/dev/null 2>&1 &
"""
RUNS = "awk '/nvme0q[1-9]/ { n += $2 } END { print n + 0 }' /proc/interrupts"


def crash_reads(storm, count):
    """So many reads in the crash kernel: none lost, none doubled."""
    storm.rest()
    before = storm.sent()[0]
    text = guest(storm, f"""
{RUNS}
fio --name=read --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 \\
    --ioengine=psync --thread --output-format=terse --number_ios={count}
{RUNS}
""", stage="reading in the crash kernel")
    lines = text.split()
    sent, waiting = storm.sent()
    sent -= before
    wrong = sent.wrong(int(lines[-1]) - int(lines[0]), waiting)
    reads = storm.lab.reads(text)
    expect(not wrong and sent.msis == reads == count, f"crash kernel: {count} "
           f"reads: {reads} done, {wrong or sent}")


def kdump(storm):
    """The guest crashes; a kernel with one CPU comes up on one vCPU."""
    counts = counted(storm)
    cpu = storm.rng.randrange(storm.vcpus)
    since = Since(storm)
    with at_ease(storm):
        crash(storm, cpu)
    said = guest(storm, CRASHED)
    expect(said.split() == ["0", "vmcore"], f"the crash kernel: {said}")
    crash_reads(storm, 300)
    answers(storm)
    listing = storm.lab.listing(storm.guest)
    # The slots' own interrupts are injected.
    wrong = [str(lpi) for lpi in listing.lpis
             if lpi.home != cpu or lpi.target not in (cpu, None)]
    expect(listing.lpis and not wrong,
           f"crash kernel on vCPU {cpu}: {', '.join(wrong) or 'no LPI'}")
    seen = since.pointed()
    expect(set(seen) == {cpu}, f"crash kernel on vCPU {cpu}: its interrupts "
           f"pointed at {seen}; vCPUs are {listing.vcpus}")
    before = boots(storm)
    guest(storm, "(sleep 0.2; reboot -f) </dev/null >/dev/null 2>&1 &")
    with at_ease(storm):
        anew(storm, before + 1, "after the crash")
        as_before(storm, "after the crash", counts, False)
    return f"on vCPU {cpu}"


ACTS = (
    Act("affinity-one", affinity_one, True, 10,
        "the guest moves one interrupt of its NIC to another vCPU"),
    Act("affinity-all", affinity_all, True, 5,
        "the guest moves all it can to one vCPU, and spreads them again"),
    Act("cpu-offline", cpu_offline, True, 5,
        "the guest switches a CPU off and on"),
    Act("cpus-offline", cpus_offline, True, 3,
        "the guest switches all CPUs but one off and on"),
    Act("rebind-disk", rebind_disk, False, 3,
        "the guest unbinds and binds its disk's driver"),
    Act("rebind-nic", rebind_nic, False, 3,
        "the guest unbinds and binds its NIC's driver"),
    Act("nic-down", nic_down, False, 3,
        "the guest takes its NIC down and up"),
    Act("nic-queues", nic_queues, False, 3,
        "the guest changes how many queues its NIC has"),
    Act("reset-disk", reset_disk, False, 3,
        "the guest resets its disk while it reads"),
    Act("reboot", reboot, False, 1,
        "the guest reboots"),
    Act("kexec", kexec, False, 1,
        "the guest starts another kernel"),
    # Its kernel boots so slowly that it takes five minutes.
    Act("kdump", kdump, False, 0,
        "the guest crashes, and a kernel with one CPU comes up"),
)
