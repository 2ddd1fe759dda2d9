#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make outlier: one slow read, end to end, from the host's and the guest's trace.

With irqhop on, traces the host's scheduler and, in the guest, the disk's
commands and interrupts and what they wake; puts both on the host's clock; and
prints what happened between submission and return of the slowest reads.
"""

import argparse
import os
import re
import sys

import cells
from cells import load
from irqhop_bench.ftrace import events
from machine import LabError, Machine, progress

GUEST_EVENTS = ("nvme/nvme_setup_cmd", "nvme/nvme_complete_rq",
                "irq/irq_handler_entry", "sched/sched_waking",
                "sched/sched_switch", "syscalls/sys_enter_pread64",
                "syscalls/sys_exit_pread64")


def record(lab, count):
    """Reads with both tracers on; returns host's and guest's events."""
    _, to_host = lab.clocks()
    lab.watch_start()
    enable = "\n".join(f"echo 1 >events/{name}/enable"
                       for name in GUEST_EVENTS)
    guest = lab.timed(lab.host.guest, f"""
cd /sys/kernel/tracing
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
echo 16384 >buffer_size_kb
{enable}
echo 1 >tracing_on
cd /tmp
/usr/bin/fio --name=r --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 \
    --ioengine=psync --number_ios={count} --thread --norandommap \
    --rate_iops={cells.READS_PER_S} --rate_process=poisson \
    --cpus_allowed={lab.reader_vcpu} >fio.out 2>&1
cd /sys/kernel/tracing
echo 0 >tracing_on; echo 0 >events/enable
cat trace""", "tracing reads in the guest")
    host = lab.host.run("""
cd /sys/kernel/tracing
echo 0 >tracing_on; echo 0 >events/sched/sched_switch/enable
cat trace""")
    return ([one[:4] for one in events(host)],
            [(to_host(one.time), *one[1:4]) for one in events(guest)])


def reads(guest):
    """[(begin, end)] of the reads, by the system calls."""
    begun, found = None, []
    for time, _, task, text in guest:
        if task != "fio" or "pread" not in text:
            continue
        if "->" not in text:
            begun = time
        elif begun is not None:
            found.append((begun, time))
            begun = None
    return found


def interesting(text, reader):
    """Whether a guest's event has to do with a read by that thread."""
    return (reader in text or text.startswith(("nvme_", "sys_pread64"))
            or "nvme0q1" in text)


def show(host, guest, begin, end):
    """The events from the read's begin to its end, in one column of time."""
    print(f"read that took {(end - begin) / 1000:.0f} us "
          "(emulated; us since its system call began):")
    rows = [(t, f"guest vCPU {cpu}: {text}") for t, cpu, _, text in guest
            if begin <= t <= end and interesting(text, "comm=fio")]
    rows += [(t, f"host pCPU {cpu}: {text}") for t, cpu, _, text in host
             if begin - 20_000 <= t <= end + 20_000]
    for time, text in sorted(rows):
        text = re.sub(r"sched_switch: prev_comm=(.+?) prev_pid=.* ==> "
                      r"next_comm=(.+?) next_pid=.*", r"\1 -> \2", text)
        print(f"{(time - begin) / 1000:10.0f}  {text[:96]}")
    print()


def main():
    """Boot, trace, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--overcommit", type=int, default=3,
                        choices=tuple(load.NEIGHBOURS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    try:
        with Machine(args.build,
                     os.path.join(args.build, "demo", "outlier")) as host:
            progress("outlier: booting the emulated host and its guest")
            host.start()
            lab = cells.Lab(host)
            lab.set_load(args.overcommit)
            lab.set_irqhop("--policy recent")
            progress("outlier: tracing\n")
            traces = record(lab, args.count)
    except LabError as error:
        print(f"\noutlier: {error}", file=sys.stderr)
        return 1
    slow = sorted(reads(traces[1]), key=lambda r: r[0] - r[1])[:args.show]
    for begin, end in slow:
        show(*traces, begin, end)
    return 0


if __name__ == "__main__":
    sys.exit(main())
