# SPDX-License-Identifier: GPL-2.0-only
"""The booted lab, the work that is timed in it, and what is counted meanwhile.

A cell is one work under one load and one way to enable irqhop. For the
programs beside this one that measure.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
from machine import LabError, PCPUS  # noqa: E402

VCPUS = 4
# How a passed-through device's interrupts get to the guest: by the GICv4
# itself, or by way of the host and KVM, where that is not used.
PATHS = ("direct", "injected")
# Below 10 ms ping polls for its answers. Above, it waits in a sleep that ends with
# a tick, and would send just when the scheduler switches: no fair sample.
PING_INTERVAL_S = 0.002
# Reads come at random moments, as from somebody who has other things to do. One
# right after the other they fall into step with the host's scheduler, and a
# cell's mean says how it happened to do so: even "off" and "home" differ.
READS_PER_S = 400
# The guest's tracer notes when the first of these were submitted, to put fio's
# clock on the host's; they do not count.
WARM_UP_OPS = 30
# Each work's interrupt, by its name in the guest's /proc/interrupts and in the
# host's; one for each queue where there are several.
GUEST_IRQ = {"nvme": r"nvme0q[1-9]$", "ping": r"eth0-(rx-0|TxRx-[0-9])$"}
HOST_IRQ = {"nvme": "vfio-msix[1]($NVME)", "ping": "vfio-msix[0]($NIC)"}
SWITCH = re.compile(
    r"\[\d+\] \S+ +(?P<time>\d+\.\d+): sched_switch: .*"
    r" prev_pid=(?P<prev>\d+) .*==> .* next_pid=(?P<next>\d+) ")


class Lab:
    """The booted lab, and what has to be known of it."""

    def __init__(self, host, vcpus=VCPUS):
        self.host = host
        self.vcpus = vcpus
        self.path = PATHS[not host.direct]
        host.run("devices_setup")
        host.start_guest(vcpus=vcpus)
        load.busy_guest(host, vcpus=range(vcpus))
        host.run("insmod /lab/irqhop.ko")
        self.vcpu_of = {int(tid): int(vcpu) for vcpu, tid in (
            line.split() for line in
            host.run("guest_vcpu_tids l2").splitlines())}
        if sorted(self.vcpu_of.values()) != list(range(vcpus)):
            raise LabError(f"vCPU threads not found: {self.vcpu_of}")
        self.guest_offset = self._guest_offset()
        self.enabled_ns = None
        # The host's settings, once somebody has looked at them.
        self.as_booted = None
        self.home = {work: self._home_vcpu(work) for work in GUEST_IRQ}
        # Not the interrupt's home, and the same in every cell.
        self.reader_vcpu = max(set(range(vcpus)) - {self.home["nvme"]})

    def _guest_offset(self):
        """How far the guest's counter is behind the host's, in ticks."""
        return int(self.host.run("""
insmod /lab/voffset.ko
wait_for 100 grep -qv '^0$' /sys/module/voffset/parameters/offset
cat /sys/module/voffset/parameters/offset
rmmod voffset
""", stage="finding the guest's clock"))

    def clocks(self):
        """Two functions: the host's CLOCK_REALTIME and the guest's
        CLOCK_MONOTONIC, in ns, to the host's CLOCK_MONOTONIC."""
        counter, frequency, mono, real = map(
            int, self.host.run("clocks").split())
        guest_counter, _, guest_mono, _ = map(
            int, self.host.guest("clocks").split())
        behind = (counter - guest_counter - self.guest_offset) \
            * 1_000_000_000 // frequency
        return (lambda ns: ns - real + mono,
                lambda ns: ns - guest_mono - behind + mono)

    # -- conditions -------------------------------------------------------

    def set_load(self, overcommit, serve=False):
        """Who shares which pCPUs; `serve`: with neighbours that sleep."""
        if overcommit == 1:
            load.set_alone(self.host, vcpus=self.vcpus)
        else:
            load.set_shared(self.host, overcommit, vcpus=self.vcpus,
                            serve=serve)
        self.settle()

    def settle(self):
        """Until the host's load balancer has had its say."""
        self.host.run("sleep 0.3")

    def set_irqhop(self, options):
        """Enable with these options of irqhop enable's, or disable (None),
        and see that what should be at home is, and comes the right way."""
        self.host.run("irqhop disable l2 2>/dev/null || true")
        irqs = self.irqs()
        away = [line for line in irqs if line[1] != line[2]]
        if away:
            raise LabError(f"not at home with irqhop off: {away}")
        other = [line for line in irqs if line[3] != self.path]
        if other or not irqs:
            raise LabError(f"not all are {self.path}: {other or 'no LPIs'}")
        self.enabled_ns = None
        if options is not None:
            text = self.host.run(f"clocks; irqhop enable l2 {options}")
            self.enabled_ns = int(text.split()[2])

    def irqs(self):
        """[INTID, home, target, delivery] of each of the guest's LPIs."""
        text = self.host.run("irqhop list l2")
        table = text[text.index("INTID"):].splitlines()[1:]
        return [line.split()[:4] for line in table if line.strip()]

    def stat(self):
        """The module's counters for the guest since it was enabled, and for
        how long that is, in ns; None twice while it is not."""
        if self.enabled_ns is None:
            return None, None
        first, _, text = self.host.run(
            "clocks; irqhop stat l2 --raw").partition("\n")
        values = dict(line.split("=", 1) for line in text.splitlines()
                      if "=" in line)
        stat = {name: int(value) for name, value in values.items()
                if value.isdigit() and name not in ("pid", "name")}
        stat["cost_hist"] = [int(n) for n in values["cost_hist"].split(",")]
        return stat, int(first.split()[2]) - self.enabled_ns

    # -- what is counted around a cell -------------------------------------

    def counts(self, work, over=False):
        """Counters that only grow: take them before, and when it is over.

        From the device to the guest, and back: one that comes in between is
        never counted as taken without being counted as sent.
        """
        look = {
            "msis": self.host.count_msis,
            "host": lambda: int(self.host.run("direct_counts")),
            "host_work": lambda: self.host_taken(work),
            "guest": lambda: self.taken()[work],
            "cpus": lambda: load.cpu_times(self.host),
        }
        return {name: look[name]()
                for name in (reversed(look) if over else look)}

    def usage(self, work):
        """What each side has used so far, and what interrupts there were."""
        # Close to each other: it takes a while to ask who the vCPUs are.
        text = self.host.run("""
tasks=/proc/$(cat /run/l2/pid)/task
files=$(guest_vcpu_tids l2 | sed "s|.* \\(.*\\)|$tasks/\\1/schedstat|")
clocks | cut -d" " -f3
neighbours_usec
cat $files
""").splitlines()
        vcpus = [[int(n) for n in line.split()] for line in text[2:]]
        return {"now_ns": int(text[0]),
                "neighbours_ns": int(text[1]) * 1000,
                "vm_ns": sum(row[0] for row in vcpus),
                "vm_wait_ns": sum(row[1] for row in vcpus),
                "host": int(self.host.run("direct_counts")),
                "taken": self.taken()[work],
                "cpus": load.cpu_times(self.host)}

    def taken(self):
        """{work: how many of its interrupts each vCPU has taken so far}."""
        guest = self.host.guest("cat /proc/interrupts")
        found = {}
        for work, name in GUEST_IRQ.items():
            rows = [line.split() for line in guest.splitlines()
                    if re.search(name, line.strip())]
            if not rows:
                raise LabError(f"the guest has no interrupt for {work}")
            found[work] = [sum(int(row[1 + vcpu]) for row in rows)
                           for vcpu in range(self.vcpus)]
        return found

    def host_taken(self, work):
        """How often the host has taken the work's interrupt so far."""
        text = self.host.run(
            f'grep -F " {HOST_IRQ[work]}" /proc/interrupts || true')
        rows = text.splitlines()
        if len(rows) != 1:
            raise LabError(f"the host has {len(rows)} interrupts for {work}")
        return sum(int(n) for n in rows[0].split()[1:1 + PCPUS])

    def _home_vcpu(self, work):
        """The vCPU that the guest has given the work's (first) interrupt."""
        text = self.host.guest(f"""
irq=$(grep -m 1 -E '{GUEST_IRQ[work]}' /proc/interrupts | cut -d: -f1)
cat /proc/irq/$((irq))/effective_affinity_list""")
        return int(text)

    def watch_start(self):
        """Record which thread is on which pCPU that vCPUs may use."""
        self.host.run("""
cd /sys/kernel/tracing
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
echo 8192 >buffer_size_kb; echo 3c >tracing_cpumask
echo 'prev_comm ~ "CPU */KVM" || next_comm ~ "CPU */KVM"' \
    >events/sched/sched_switch/filter
echo 1 >events/sched/sched_switch/enable; echo 1 >tracing_on""")

    def watch_stop(self):
        """[(start ns, end ns, vCPU)] while the watch was on."""
        text = self.host.run("""
cd /sys/kernel/tracing
echo 0 >tracing_on; echo 0 >events/sched/sched_switch/enable
grep -c . per_cpu/cpu2/stats >/dev/null
cat per_cpu/cpu*/stats | awk '/^overrun:/ { n += $2 } END { print n }'
cat trace""")
        lost, _, trace = text.partition("\n")
        if int(lost):
            raise LabError(f"the host's tracer lost {lost} events")
        return self._intervals(trace)

    def _intervals(self, trace):
        since, intervals, first, last = {}, [], None, None
        for line in trace.splitlines():
            found = SWITCH.search(line)
            if not found:
                continue
            whole, _, part = found["time"].partition(".")
            last = int(whole) * 1_000_000_000 + int(part) * 1000
            first = first or last
            leaves = self.vcpu_of.get(int(found["prev"]))
            comes = self.vcpu_of.get(int(found["next"]))
            if leaves is not None:
                # Without a beginning it was there when the watch began.
                intervals.append((since.pop(leaves, first), last, leaves))
            if comes is not None:
                since[comes] = last
        if first is None:
            # Alone, nobody need be switched at all: then all ran throughout.
            return None
        # A vCPU with no switch at all never left its pCPU.
        seen = {vcpu for _, _, vcpu in intervals} | set(since)
        intervals += [(begun, last, vcpu) for vcpu, begun in since.items()]
        intervals += [(first, last, vcpu) for vcpu in range(self.vcpus)
                      if vcpu not in seen]
        return sorted(intervals)

    # -- work --------------------------------------------------------------

    def timed(self, run, script, stage):
        """Run what is measured, with short turns: only then are they needed,
        and they cost real time."""
        self.host.short_turns(True)
        try:
            return run(script, stage=stage)
        finally:
            self.host.short_turns(False)

    def ping(self, count):
        """[(send ns, latency ns)] and how many got no answer."""
        to_host, _ = self.clocks()
        ping = "ip netns exec outside taskset -c $CLIENT_CPU ping -n"
        # The first few pay for the neighbour entry and cold caches.
        text = self.timed(self.host.run, f"""
{ping} -q -i 0.01 -c 10 $GUEST_IP >/dev/null || true
{ping} -D -i {PING_INTERVAL_S} -c {count} $GUEST_IP || true
""", "pinging the guest")
        ops = []
        for received, rtt in re.findall(
                r"^\[(\d+\.\d+)\] \d+ bytes .* time=([\d.]+) ms", text,
                re.MULTILINE):
            latency = round(float(rtt) * 1e6)
            ops.append((to_host(round(float(received) * 1e9)) - latency,
                        latency))
        return ops, count - len(ops)

    def nvme(self, count, access="randread", depth=1, size="4k"):
        """The same for reads or writes of the disk, by fio; 4 KiB random
        reads one at a time, unless told otherwise.

        At depth 1 they come at random moments; deeper, each as soon as there
        is place for it.
        """
        # One thread submits them in either case.
        how = f"--ioengine=psync --rate_iops={READS_PER_S} " \
            "--rate_process=poisson" if depth == 1 else \
            f"--ioengine=libaio --iodepth={depth}"
        _, to_host = self.clocks()
        text = self.timed(self.host.guest, f"""
cd /sys/kernel/tracing
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
echo 'qid == 1' >events/nvme/nvme_setup_cmd/filter
echo 1 >events/nvme/nvme_setup_cmd/enable; echo 1 >tracing_on
cd /tmp; rm -f r_*.log
( tries=0
  until [ "$(grep -c nvme_setup_cmd: /sys/kernel/tracing/trace)" -ge 10 ] ||
      [ $tries = 1000 ]; do sleep 0.01; tries=$((tries + 1)); done
  echo 0 >/sys/kernel/tracing/events/nvme/nvme_setup_cmd/enable ) &
/usr/bin/fio --name=r --filename=/dev/nvme0n1 --rw={access} --bs={size} \
    --direct=1 {how} --number_ios={count + WARM_UP_OPS} --thread \
    --cpus_allowed={self.reader_vcpu} --randrepeat=0 --norandommap \
    --write_lat_log=/tmp/r --log_offset=1 --log_issue_time=1 >fio.out 2>&1 ||
    {{ cat fio.out; exit 1; }}
wait
grep nvme_setup_cmd: /sys/kernel/tracing/trace
echo ---
cut -d, -f2,7 r_clat.1.log""", "reading from the guest's NVMe disk")
        trace, _, log = text.partition("---\n")
        submitted = [round(float(s) * 1e9) for s in re.findall(
            r" (\d+\.\d+): nvme_setup_cmd:", trace)]
        # In the order in which they were submitted.
        rows = sorted((tuple(int(v) for v in line.split(","))
                       for line in log.splitlines() if line.strip()),
                      key=lambda row: row[1])
        # The command is set up soon after the system call begins; the least
        # difference of many is closest to none.
        start = min(s - issue for s, (_, issue) in zip(submitted, rows))
        ops = [(to_host(start + issue), latency)
               for latency, issue in rows[WARM_UP_OPS:]]
        return ops, count - len(ops)

    # -- a cell -------------------------------------------------------------

    def cell(self, work, count):
        """Do `count` operations of a work.

        Returns what was counted meanwhile, for the operations that were
        answered (send ns, latency ns), and when which vCPU ran, as watch_stop
        has it.
        """
        before = self.counts(work)
        self.watch_start()
        ops, lost = getattr(self, work)(count)
        running = self.watch_stop()
        after = self.counts(work, over=True)
        facts = {
            "work": work,
            "reader_vcpu": self.reader_vcpu if work == "nvme" else None,
            "home_vcpu": self.home[work],
            "eligible_vcpus": list(range(self.vcpus)),
            "busy_pcpus": busy_pcpus(before["cpus"], after["cpus"]),
            "host_vfio_interrupts": after["host"] - before["host"],
            "host_work_interrupts":
                after["host_work"] - before["host_work"],
            "guest_interrupts_by_vcpu": [
                a - b for a, b in zip(after["guest"], before["guest"])],
            "msis_sent": after["msis"] - before["msis"] if work == "nvme"
            else None,
            "io_timeouts": lost,
        }
        facts["stat"], facts["duration_ns"] = self.stat()
        return facts, ops, running


def busy_pcpus(before, after):
    """How many pCPUs were idle for less than a hundredth of the time: a vCPU
    sleeps for a moment now and then, alone, and a tick is soon counted."""
    return sum((idle - was_idle) * 100 < total - was_total
               for (was_idle, was_total), (idle, total) in zip(before, after))


def resolved(path):
    """What lab/fetch has written down there, of versions."""
    with open(path, encoding="utf-8") as file:
        return dict(line.strip().split("=", 1) for line in file
                    if "=" in line)


def versions(build):
    """What the lab is made of, as lab/fetch resolved it."""
    env = resolved(os.path.join(build, "versions.env"))
    return {"qemu": env["QEMU_VERSION"], "host_kernel": env["HOST_KERNEL"],
            "guest_kernel": env["GUEST_KERNEL"],
            "host_kernel_package": env["KERNEL_PACKAGE_VERSION"],
            "vmm": "QEMU " + env["L1_QEMU_VERSION"],
            "fio": env["FIO_VERSION"],
            "wfe_traps": env["QEMU_WFE_TRAPS"] == "1"}
