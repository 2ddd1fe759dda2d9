# SPDX-License-Identifier: GPL-2.0-only
"""Acts of guest and host that change where interrupts may or should go, and
the storm: hops at every preemption, with I/O that is counted exactly.

MSIs by the device's own trace, less those that merged, and handler runs by the
guest's kernel are equal in number, whatever happens to the interrupts in
between (exact.py).
"""

import collections
import contextlib
import json
import re
import time

from case_hops import slices
from exact import told
from state import (BAD_LINES, GUEST_IP, LOOKS, SELF_TEST, Failure, Listing,
                   enable, expect, load)

# name    short, lower case with dashes
# do      function(storm); returns None or a short note, raises Failure
# io      reads and pings go on meanwhile; False: they are stopped before
# weight  how often, relative to the others; 0: only if it is named
# shows   one line for people
Act = collections.namedtuple("Act", "name do io weight shows")

# Linux before this loses an interrupt that arrives elsewhere while its handler
# is in progress. Policy "storm" moves interrupts off vCPUs that run, and the
# rule "eager" does, where nobody can see whether they are in a handler: so they
# are not for such a guest.
RESENDS = 6, 6
# So long, in seconds of this machine, no read may take.
STALLED = 30
# Preempted this often, in us.
SLICE_US = 600
# The disk's first vector is that of its admin queue.
ADMIN = 0

# In the guest, where a program's start takes long: its vCPUs get a quarter of
# a pCPU each. The shell can do most of it by itself.
CALM = """
read -r spins </tmp/spin.pids
kill -STOP $spins
"""
BUSY = """
read -r spins </tmp/spin.pids
kill -CONT $spins
"""
QUEUES = """
grep . /sys/kernel/irq/*/actions /sys/kernel/irq/*/per_cpu_count
"""
READS = """
taskset {mask:x} fio --name=read --filename={disk} --rw=randread \\
    --bs=4k --direct=1 --ioengine=psync --thread --output-format=terse \\
    --time_based --runtime=1000000 </dev/null >/tmp/read.out 2>/tmp/read.err &
echo $! >/tmp/fio.pid
"""
# A read that is under way is finished before its thread stops.
READS_STOP = """
read -r pid </tmp/fio.pid
kill -STOP $pid || { cat /tmp/read.out /tmp/read.err; exit 7; }
for task in /proc/$pid/task/*; do
    while read -r _ _ state _ <$task/stat && [ "$state" != T ]; do :; done
done
"""
READS_GO_ON = """
read -r pid </tmp/fio.pid
taskset -ap {mask:x} $pid >/dev/null
kill -CONT $pid
"""
READS_END = """
read -r pid </tmp/fio.pid
kill -INT $pid
kill -CONT $pid
while [ -d /proc/$pid ]; do sleep 0.01; done
cat /tmp/read.out
"""
# In the host. Twice, because neighbours follow one another all the time.
REST = """
pkill -STOP -x 'neighbour|ping' || :
pkill -STOP -x 'neighbour|ping' || :
"""
GO_ON = """
pkill -CONT -x 'neighbour|ping' || :
"""
# The outside client's kernel counts what it sends and gets.
PINGS = """
echoes()
{
    ip netns exec outside awk '/^Icmp:/ {
        if (named++) { for (i in name) value[name[i]] = $i }
        else for (i = 2; i <= NF; i++) name[i] = $i
    } END { print value["OutEchos"], value["InEchoReps"] }' /proc/net/snmp
}
answered() { set -- $(echoes); [ $1 = $2 ]; }
"""
PING = ("ip netns exec outside taskset -c 1 ping -q -n -i 0.01 {address} "
        "</dev/null >/tmp/ping.out 2>&1 &\n")
LOG = "\n--- dmesg\n"


def release(text):
    """The first two numbers of what uname -r says."""
    first, second = text.split(".")[:2]
    return int(first), int(second)


class Storm:
    """A guest with I/O whose interrupts hop at every preemption.

    lab     state.Lab with the guest
    rng     random.Random: the only source of chance
    guest   the guest's name
    vcpus   its number of vCPUs
    off     never enable irqhop: what do the kernels complain of without it?
    """

    # What is read, and what the interrupts of its queues are called.
    DISK, QUEUE = "/dev/nvme0n1", r"nvme0q[1-9]\d*"

    def __init__(self, lab, rng, off=False):
        self.lab, self.rng, self.off = lab, rng, off
        self.guest, self.vcpus = "l2", 4
        self.policy = "storm"
        # Since the chunk began: acts done, and MSIs, handler runs, pings.
        self.acts = []
        self.sums = collections.Counter()
        self.complaints = []
        self.queues = collections.Counter()
        # reading: there is I/O now. reader: counts of the fio that there is,
        # which may rest. start: (MSIs, handler runs, pings) at its start.
        self.reading = False
        self.reader, self.start = None, None

    @property
    def nic(self):
        """Which NIC the guest has; its disk comes first."""
        return self.lab.guests[self.guest][1]

    # -- irqhop ---------------------------------------------------------------

    def enabled(self):
        """Whether irqhop is enabled for the guest now."""
        status, text = self.lab.m.script(
            f"[ -d /sys/module/irqhop ] && irqhop list --json {self.guest}")
        return status == 0 and Listing(text).enabled

    def enable(self):
        """Load the test module if need be, and enable with the policy."""
        self.lab.m.run(
            "[ -d /sys/module/irqhop ] || insmod /lab/irqhop-test.ko")
        if not self.off:
            enable(self.lab, self.policy, self.guest)

    def disable(self):
        """Disable, and find every interrupt at home."""
        if self.enabled():
            self.lab.m.run(f"irqhop disable {self.guest}")
        self.lab.expect_home("disabled", self.guest)

    # -- the load -------------------------------------------------------------

    def begin(self):
        """Put the load in place, and enable."""
        if release(self.lab.m.guest("uname -r", self.guest)) < RESENDS:
            self.policy = "sticky"
        load.set_shared(self.lab.m, 4, self.guest)
        # What would idle is of no interest here, only in the way.
        self.lab.m.run("stop_all filler")
        self._know_spinners()
        self.short_slices()
        self.lab.m.short_turns(True, 200)
        self.lab.module("irqhop-test")
        self.enable()
        self.logs()

    def end(self):
        """Take the load away."""
        if self.reader is not None:
            self.io_stop()
        self.lab.m.run("[ ! -d /sys/module/irqhop ] || rmmod irqhop")
        self.lab.m.short_turns(False)
        slices(self.lab, None)
        load.set_quiet(self.lab.m, self.guest)

    def short_slices(self):
        """Have vCPUs preempted often. The kernel forgets it where a pCPU goes
        or comes, and has slices as long as it thinks right for so many."""
        slices(self.lab, SLICE_US)

    def neighbours(self, on):
        """Let the neighbours go on, or rest. At rest nobody preempts a vCPU,
        and what the guest is told to do is done several times sooner."""
        self.lab.m.run(GO_ON if on else REST)

    def guest_new(self):
        """A guest has booted afresh: wait for it, and make it busy."""
        m = self.lab.m
        m.run(f"""
speaks() {{ echo true | timeout 20 agent call /run/{self.guest}/agent; }}
wait_for 3000 speaks || die "{self.guest} does not come up"
""", stage=f"waiting for {self.guest} to come up afresh")
        m.guest("for pid in $(pidof agent); do taskset -p d $pid; done",
                self.guest)
        load.busy_guest(m, self.guest, range(self.vcpus))
        self._know_spinners()
        load.place_guest(m, "2-3", self.guest)
        self.reader, self.start = None, None

    def _know_spinners(self):
        self.lab.m.guest("pidof spin >/tmp/spin.pids", self.guest)

    # -- I/O, counted ---------------------------------------------------------

    def sent(self):
        """(Sent by the disk's queues so far, vectors whose last MSI was not
        taken)."""
        self.lab.trace.steps.clear()
        return self.lab.sent(ADMIN.__ne__)

    def msis(self):
        """MSIs that the disk's queues have sent so far."""
        return self.sent()[0].msis

    def handled(self, text):
        """Handler runs by (irq, name) of the disk's queues."""
        names, runs = {}, {}
        for irq, what, value in re.findall(
                r"^/sys/kernel/irq/(\d+)/(\w+):(.*)$", text, re.M):
            if what == "actions" and re.fullmatch(self.QUEUE, value):
                names[irq] = value
            elif what == "per_cpu_count":
                runs[irq] = sum(map(int, value.split(",")))
        return {(int(irq), name): runs[irq] for irq, name in names.items()}

    @staticmethod
    def pings(line):
        """(sent, answered), as the outside client's kernel says."""
        sent, answered = map(int, line.split())
        return sent, answered

    def io_start(self):
        """One reader at depth 1 that floats over the vCPUs, and pings."""
        expect(not self.reading, "io_start: there is I/O already")
        # Nothing is under way, so that the two are of the same moment.
        if self.reader is None:
            self.rest()
        before = self.sent()[0]
        if self.reader is not None:
            self._io_go_on()
        else:
            self._io_new()
        self.start = before, *self.start[1:]
        self.reading = True
        self.run(20)

    def rest(self):
        """Nothing is under way, and a count begins."""
        self.lab.rest(self.guest)

    def _reader(self):
        """Which vCPUs the reader may use, by chance: all, or one."""
        return self.rng.choice([(1 << self.vcpus) - 1]
                               + [1 << vcpu for vcpu in range(self.vcpus)])

    def _io_new(self):
        text = self.lab.m.run(
            PINGS + REST + "echoes\n"
            f"guest {self.guest} <<'END'\n" + CALM + QUEUES
            + READS.format(mask=self._reader(), disk=self.DISK) + BUSY
            + "END\n" + GO_ON
            + PING.format(address=GUEST_IP), stage="starting I/O")
        pings, text = text.split("\n", 1)
        self.start = None, self.handled(text), self.pings(pings)
        self.reader = collections.Counter()

    def _io_go_on(self):
        self.lab.m.run(f"guest {self.guest} <<'END'\n"
                       + READS_GO_ON.format(mask=self._reader()) + BUSY
                       + "END\n" + GO_ON)

    def run(self, count):
        """Let the disk send so many MSIs more."""
        goal = self.msis() + count
        last, since = None, time.monotonic()
        while (now := self.msis()) < goal:
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > STALLED:
                raise Failure(f"no MSI for {STALLED} s, {goal - now} were "
                              f"still to come\n{self.look()}")
            time.sleep(0.02)

    def look(self):
        """Where everything points, for whoever has to find out."""
        _, text = self.lab.m.script(
            f". /lab/host.sh\nirqhop list {self.guest}\n"
            f"irqhop stat --raw {self.guest}\n"
            f"cat /sys/kernel/debug/kvm/$(cat /run/{self.guest}/pid)-*/"
            "vgic-state\ndmesg | tail -n 20\n"
            f"timeout 60 agent call /run/{self.guest}/agent <<'END'\n"
            f"{QUEUES}grep ITS /proc/interrupts\ndmesg | tail -n 20\nEND\n")
        return text

    def _io_rest(self, script, stage):
        """Do this in the guest, which leaves no read under way, and compare
        what was sent with what was handled. Return what the script said."""
        status, text = self.lab.m.script(
            ". /lab/host.sh\n" + PINGS + REST
            + f"guest {self.guest} <<'END'\n" + CALM + script + QUEUES
            + f"echo '{LOG.strip()}'; dmesg -c\nEND\n"
            "status=$?\nwait_for 20 answered\nechoes\nexit $status\n",
            stage=stage)
        self.reading = False
        if status:
            raise Failure(f"{stage}: the reader has ended:\n{text}\n"
                          f"{self.look()}")
        text, _, log = text.partition(LOG)
        *log, pings = log.splitlines()
        self._complaints("guest", "\n".join(log))
        self._exact(self.pings(pings), *self._settled(text))
        return text

    def _settled(self, text):
        """(Handler runs by (irq, name), Sent since the start, what does not
        fit). The last MSI may be on its way still, if its completion was found
        before: then have another look."""
        for _ in range(LOOKS):
            after = self.handled(text)
            sent, waiting = self.sent()
            sent -= self.start[0]
            runs = sum(after.values()) - sum(self.start[1].values())
            wrong = sent.wrong(runs, waiting, self.lab.m.direct)
            if not wrong:
                break
            text = self.lab.m.guest(f"sleep 0.2\n{QUEUES}", self.guest)
        return after, sent, wrong

    def io_pause(self):
        """Let I/O rest: none lost, none doubled so far."""
        expect(self.reading, "io_pause: there is no I/O")
        self._io_rest(READS_STOP, "letting I/O rest")

    def io_stop(self):
        """End I/O: none lost, none doubled. The load goes on."""
        expect(self.reader is not None, "io_stop: there is no I/O")
        text = self._io_rest(READS_END, "ending I/O")
        reads, msis = self.lab.reads(text), self.reader["msis"]
        self.reader = None
        self.lab.m.run(f"stop_all ping\nguest {self.guest} <<'END'\n" + BUSY
                       + "END\n" + GO_ON, stage="ending I/O")
        self.every_read(reads, msis)

    @staticmethod
    def every_read(reads, msis):
        """Each read ends with an MSI of its own; the last was interrupted."""
        expect(abs(reads - msis) <= 1, f"{reads} reads, {msis} MSIs")

    def _exact(self, pings, after, sent, wrong):
        """What was sent since the start was handled, and none of it twice."""
        begun, before, pinged = self.start
        expect(after.keys() == before.keys(),
               f"the disk's interrupts changed under I/O: {before}, {after}")
        runs = {name: after[irq, name] - before[irq, name]
                for irq, name in after}
        sums = {"msis": sent.msis, "handled": sum(runs.values()),
                "merged": 0 if wrong else sent.msis - sum(runs.values()),
                "pings": pings[0] - pinged[0],
                "answers": pings[1] - pinged[1]}
        self.sums.update(sums)
        self.reader.update(sums)
        expect(not wrong, f"{wrong} {runs}")
        expect(sums["pings"] == sums["answers"],
               f"{sums['pings']} pings sent, {sums['answers']} answered")
        self.queues.update(runs)
        self.start = sent + begun, after, pings

    def told(self):
        """For people: what was sent, and what was handled."""
        return told(self.sums["msis"], self.sums["handled"],
                    self.sums["merged"])

    @contextlib.contextmanager
    def no_pings(self):
        """No ping is under way, and none is sent."""
        self.lab.m.run(PINGS + "pkill -STOP -x ping\n"
                       "wait_for 20 answered || die 'no answer: '$(echoes)")
        try:
            yield
        finally:
            self.lab.m.run("pkill -CONT -x ping")

    # -- complaints -----------------------------------------------------------

    def _complaints(self, where, text):
        """Keep what a kernel said since the last time; remember bad lines."""
        with open(f"{self.lab.logs}/storm-{where}.log", "a",
                  encoding="utf-8") as log:
            log.write(text)
        self.complaints += [
            f"{where}: {line}" for line in text.splitlines()
            if BAD_LINES.search(line) and SELF_TEST not in line]

    def logs(self):
        """Look at both kernels' logs since the last time."""
        self._complaints("host", self.lab.m.run("dmesg -c"))
        self._complaints("guest", self.lab.m.guest("dmesg -c", self.guest))

    # -- acts -----------------------------------------------------------------

    def act(self, act):
        """Do one act, with or without I/O, as it wants it."""
        try:
            if act.io and not self.reading:
                self.io_start()
            elif not act.io and self.reader is not None:
                self.io_stop()
            act.do(self)
        except Failure as error:
            raise Failure(f"act {act.name}: {error}") from error
        self.acts.append(act.name)

    def agree(self):
        """The records agree, and irqhop has not let go of the guest."""
        status, text = self.lab.m.script(
            f"irqhop verify --json {self.guest} >/tmp/verify.out\n"
            "status=$?\ndmesg -c >/tmp/dmesg.out\ncat /tmp/verify.out\n"
            f"echo '{LOG.strip()}'\ncat /tmp/dmesg.out\nexit $status\n")
        text, _, log = text.partition(LOG)
        self._complaints("host", log)
        if status:
            raise Failure(f"irqhop verify: status {status}\n{text}\n"
                          f"{self.look()}")
        expect(self.off or json.loads(text)["vms"][0]["enabled"],
               f"irqhop is not enabled any more\n{log}")

    def chunk(self, msis, acts):
        """So many MSIs at least, with these acts spread over them; then
        everything has to be as it should. What is left in acts, sums and
        complaints is this chunk's, also when it fails."""
        self.acts.clear()
        self.sums.clear()
        self.complaints.clear()
        moved = self.lab.moved()
        for act in acts:
            self.go_on(msis // (len(acts) + 1))
            self.act(act)
        self.go_on(msis // (len(acts) + 1))
        self.io_pause()
        self.agree()
        self.sums["hops"] = self.lab.moved() - moved
        expect(self.off or self.sums["hops"], "no hop at all")

    def go_on(self, msis):
        """So many MSIs more."""
        if not self.reading:
            self.io_start()
        self.run(msis)
