#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make demo: the same work alone, oversubscribed, and with irqhop.

Boots the lab once, runs every cell (work x overcommit x condition) in
interleaved rounds, and leaves what the report needs below OUT/raw.
"""

import argparse
import json
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
import machine  # noqa: E402
from machine import LabError, Machine, progress  # noqa: E402

VCPUS = 4
# Not the interrupt's home, and the same in every cell.
READER_VCPU = 3
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
CONDITIONS = [(1, "alone")] + [(overcommit, condition)
                               for overcommit in (3, 4)
                               for condition in ("off", "home", "on")]
POLICY = {"home": "home", "on": "recent"}
# Each work's interrupt, by its name in the guest's /proc/interrupts.
GUEST_IRQ = {"nvme": r"nvme0q1$", "ping": r"eth0-rx-0$"}
SWITCH = re.compile(
    r"\[\d+\] \S+ +(?P<time>\d+\.\d+): sched_switch: .*"
    r" prev_pid=(?P<prev>\d+) .*==> .* next_pid=(?P<next>\d+) ")


class Lab:
    """The booted lab, and what has to be known of it."""

    def __init__(self, host):
        self.host = host
        host.run("devices_setup")
        host.start_guest(vcpus=VCPUS)
        load.busy_guest(host)
        host.run("insmod /lab/irqhop.ko")
        self.vcpu_of = {int(tid): int(vcpu) for vcpu, tid in (
            line.split() for line in
            host.run("guest_vcpu_tids l2").splitlines())}
        if sorted(self.vcpu_of.values()) != list(range(VCPUS)):
            raise LabError(f"vCPU threads not found: {self.vcpu_of}")
        self.guest_offset = self._guest_offset()
        self.enabled_ns = 0
        self.home = {work: self._home_vcpu(work) for work in GUEST_IRQ}

    def _guest_offset(self):
        """How far the guest's counter is behind the host's, in ticks."""
        text = self.host.run("""
cd /sys/kernel/tracing
echo 'p:voffset kvm_arch_vcpu_load off=vcpu->kvm->arch.timer_data.voffset:u64' \
    >kprobe_events
echo 1 >events/kprobes/voffset/enable
wait_for 100 grep -q voffset: trace
echo 0 >events/kprobes/voffset/enable
grep voffset: trace | tail -n 1
echo >kprobe_events; echo >trace
""", stage="finding the guest's clock")
        return int(re.search(r"off=(\d+)", text).group(1))

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

    def set_load(self, overcommit):
        """Who shares which pCPUs."""
        if overcommit == 1:
            load.set_alone(self.host)
        else:
            load.set_shared(self.host, overcommit)
        # Until the host's load balancer has had its say.
        self.host.run("sleep 0.3")

    def set_irqhop(self, condition):
        """Enable or disable, and see that what should be at home is."""
        self.host.run("irqhop disable l2 2>/dev/null || true")
        away = [line for line in self.irqs() if line[1] != line[2]]
        if away:
            raise LabError(f"not at home with irqhop off: {away}")
        if condition in POLICY:
            text = self.host.run(
                f"clocks; irqhop enable l2 --policy {POLICY[condition]}")
            self.enabled_ns = int(text.split()[2])

    def irqs(self):
        """[INTID, home, target, delivery] of each of the guest's LPIs."""
        text = self.host.run("irqhop list l2")
        table = text[text.index("INTID"):].splitlines()[1:]
        return [line.split()[:4] for line in table if line.strip()]

    def stat(self):
        """The module's counters for the guest since it was enabled, and for
        how long that is, in ns."""
        first, _, text = self.host.run(
            "clocks; irqhop stat l2 --raw").partition("\n")
        values = dict(line.split("=", 1) for line in text.splitlines()
                      if "=" in line)
        stat = {name: int(value) for name, value in values.items()
                if name not in ("pid", "name", "policy", "cost_hist")}
        stat["cost_hist"] = [int(n) for n in values["cost_hist"].split(",")]
        return stat, int(first.split()[2]) - self.enabled_ns

    # -- what is counted around a cell -------------------------------------

    def counts(self, work):
        """Counters that only grow: take them before and after."""
        guest = self.host.guest("cat /proc/interrupts")
        rows = [line.split() for line in guest.splitlines()
                if re.search(GUEST_IRQ[work], line.strip())]
        if len(rows) != 1:
            raise LabError(f"the guest has {len(rows)} interrupts for {work}")
        return {
            "guest": [int(n) for n in rows[0][1:1 + VCPUS]],
            "host": int(self.host.run("direct_counts")),
            "cpus": load.cpu_times(self.host),
            "msis": self.host.count_msis(),
        }

    def _home_vcpu(self, work):
        """The vCPU that the guest has given the work's interrupt."""
        text = self.host.guest(f"""
irq=$(grep -E '{GUEST_IRQ[work]}' /proc/interrupts | cut -d: -f1)
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
        intervals += [(first, last, vcpu) for vcpu in range(VCPUS)
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

    def nvme(self, count):
        """The same for 4 KiB random reads at queue depth 1, by fio."""
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
/usr/bin/fio --name=r --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 \
    --ioengine=psync --iodepth=1 --number_ios={count + WARM_UP_OPS} --thread \
    --cpus_allowed={READER_VCPU} --randrepeat=0 --norandommap \
    --rate_iops={READS_PER_S} --rate_process=poisson \
    --write_lat_log=/tmp/r --log_offset=1 --log_issue_time=1 >fio.out 2>&1 ||
    {{ cat fio.out; exit 1; }}
wait
grep nvme_setup_cmd: /sys/kernel/tracing/trace
echo ---
cut -d, -f2,7 r_clat.1.log""", "reading from the guest's NVMe disk")
        trace, _, log = text.partition("---\n")
        submitted = [round(float(s) * 1e9) for s in re.findall(
            r" (\d+\.\d+): nvme_setup_cmd:", trace)]
        rows = [tuple(int(v) for v in line.split(","))
                for line in log.splitlines() if line.strip()]
        # The command is set up soon after the system call begins; the least
        # difference of many is closest to none.
        start = min(s - issue for s, (_, issue) in zip(submitted, rows))
        ops = [(to_host(start + issue), latency)
               for latency, issue in rows[WARM_UP_OPS:]]
        return ops, count - len(ops)


def run_cell(lab, path, cell, count):
    """One cell of one round; leaves its files in `path`."""
    work = cell["work"]
    before = lab.counts(work)
    lab.watch_start()
    ops, lost = getattr(lab, work)(count)
    running = lab.watch_stop()
    after = lab.counts(work)
    ends = [ops[0][0] - 1_000_000, ops[-1][0] + ops[-1][1] + 1_000_000]
    if running is None:
        running = [(*ends, vcpu) for vcpu in range(VCPUS)]
    elif cell["overcommit"] == 1:
        # Its vCPUs hardly ever leave: the record need not reach the ends.
        running = stretch(running, ends)
    cell.update({
        "reader_vcpu": READER_VCPU if work == "nvme" else None,
        "home_vcpu": lab.home[work],
        "eligible_vcpus": list(range(VCPUS)),
        "busy_pcpus": busy_pcpus(before["cpus"], after["cpus"]),
        "host_vfio_interrupts": after["host"] - before["host"],
        "guest_interrupts_by_vcpu": [a - b for a, b in zip(after["guest"],
                                                           before["guest"])],
        "msis_sent": after["msis"] - before["msis"] if work == "nvme"
        else None,
        "io_timeouts": lost,
    })
    if cell["condition"] in POLICY:
        cell["stat"], cell["duration_ns"] = lab.stat()
    else:
        cell["stat"] = None
    os.makedirs(path)
    write_csv(os.path.join(path, "ops.csv"), "send_ns,latency_ns", ops)
    write_csv(os.path.join(path, "running.csv"), "start_ns,end_ns,vcpu",
              running)
    with open(os.path.join(path, "cell.json"), "w", encoding="utf-8") as file:
        json.dump(cell, file)


def busy_pcpus(before, after):
    """How many pCPUs were idle for less than a hundredth of the time: a vCPU
    sleeps for a moment now and then, alone, and a tick is soon counted."""
    return sum((idle - was_idle) * 100 < total - was_total
               for (was_idle, was_total), (idle, total) in zip(before, after))


def stretch(running, ends):
    """The first and last interval of each vCPU, out to the cell's ends."""
    result = []
    for vcpu in range(VCPUS):
        spans = [list(span[:2]) for span in running if span[2] == vcpu]
        spans[0][0] = min(spans[0][0], ends[0])
        spans[-1][1] = max(spans[-1][1], ends[1])
        result += [(*span, vcpu) for span in spans]
    return sorted(result)


def write_csv(path, header, rows):
    """Rows of numbers below a header."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(header + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)


def run_rounds(lab, raw, rounds, count):
    """Every cell once a round, in an order that turns with the rounds."""
    cells = [(overcommit, condition, work) for overcommit, condition
             in CONDITIONS for work in ("ping", "nvme")]
    done, begun = 0, time.monotonic()
    for number in range(1, rounds + 1):
        for overcommit, condition in CONDITIONS:
            lab.set_load(overcommit)
            lab.set_irqhop(condition)
            for work in ("ping", "nvme"):
                if work == "nvme":
                    # Counters of its own.
                    lab.set_irqhop(condition)
                progress(f"demo: round {number} of {rounds}: {work}, "
                         f"overcommit {overcommit}:1, {condition} "
                         f"({done * 100 // (rounds * len(cells))} %, "
                         f"{time.monotonic() - begun:.0f} s)")
                cell = {"work": work, "overcommit": overcommit,
                        "condition": condition, "round": number}
                run_cell(lab, os.path.join(
                    raw, str(number), f"{work}-{overcommit}-{condition}"),
                    cell, count)
                done += 1
    lab.set_irqhop("off")
    progress(f"demo: {done} cells in {time.monotonic() - begun:.0f} s\n")


def versions(build):
    """What the lab is made of, as lab/fetch resolved it."""
    with open(os.path.join(build, "versions.env"), encoding="utf-8") as file:
        env = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return {"qemu": env["QEMU_VERSION"], "host_kernel": env["HOST_KERNEL"],
            "guest_kernel": env["GUEST_KERNEL"],
            "host_kernel_package": env["KERNEL_PACKAGE_VERSION"],
            "vmm": "QEMU " + env["L1_QEMU_VERSION"],
            "fio": env["FIO_VERSION"],
            "wfe_traps": env["QEMU_WFE_TRAPS"] == "1"}


def main():
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default="build/demo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000,
                        help="operations a cell and round")
    args = parser.parse_args()
    raw = os.path.join(args.out, "raw")
    shutil.rmtree(raw, ignore_errors=True)
    os.makedirs(raw)
    begun, started = time.monotonic(), time.time()
    try:
        with Machine(args.build, os.path.join(args.out, "logs")) as host:
            progress("demo: booting the emulated host and its guest")
            host.start()
            lab = Lab(host)
            run_rounds(lab, raw, args.rounds, args.count)
            bad = host.bad_lines()
    except LabError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    if bad:
        print("demo: the kernels complained:\n" + "\n".join(bad),
              file=sys.stderr)
        return 1
    with open(os.path.join(raw, "run.json"), "w", encoding="utf-8") as file:
        json.dump({"versions": versions(args.build), "vcpus": VCPUS,
                   "started": round(started),
                   "wall_s": round(time.monotonic() - begun, 1),
                   "lab": {"pcpus": machine.PCPUS,
                           "turn_us": machine.TURN_US,
                           "ping_interval_ms": PING_INTERVAL_S * 1000,
                           "reads_per_s": READS_PER_S,
                           "nic_moderation": "off"}}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
