# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the host: the lab's pCPUs, the kernels' logs."""

import os
import re

import case_cost as cost
from state import SELF_TEST, Machine, enable, expect, load
from machine import PCPUS, Port


def idle_share(lab, seconds=1):
    """Idle time of each pCPU, in per cent of so many seconds."""
    before = load.idle_times(lab.m)
    begun = float(lab.m.run("cut -d' ' -f1 /proc/uptime"))
    lab.m.run(f"sleep {seconds}")
    after = load.idle_times(lab.m)
    spent = float(lab.m.run("cut -d' ' -f1 /proc/uptime")) - begun
    return [(b - a) / spent for a, b in zip(before, after)]


def busy_pcpus(lab):
    """Every condition of the demonstration keeps every pCPU busy."""
    lab.module(None)
    seen = []
    for name, condition in (
            ("alone", load.set_alone),
            ("3", lambda m: load.set_shared(m, 3)),
            ("4", lambda m: load.set_shared(m, 4))):
        condition(lab.m)
        lab.m.run("sleep 0.2")
        idle = idle_share(lab)
        expect(len(idle) == 6, f"{len(idle)} pCPUs")
        expect(max(idle) <= 1, f"condition {name}: idle for per cent "
               + " ".join(f"{share:.0f}" for share in idle))
        seen.append(f"{name} {max(idle):.1f} %")
    # And it would be seen if one were not.
    lab.m.run("stop_all filler")
    idle = idle_share(lab)
    expect(idle[1] > 50 and idle[5] > 50,
           f"an idle pCPU counts as idle for {idle[1]:.0f} % only")
    return ("most idle pCPU: " + ", ".join(seen)
            + f"; without fillers {max(idle):.0f} %")


def neighbours_serve(lab):
    """Neighbours that sleep note how late they woke, and get CPU time."""
    lab.module(None)
    load.set_shared(lab.m, 4, serve=True)
    before, after = (
        [int(n) for n in lab.m.run(
            f"sleep {wait}; clocks | cut -d' ' -f3; neighbours_usec").split()]
        for wait in (0, 1))
    late = load.wakeups(lab.m, before[0], after[0])
    share = (after[1] - before[1]) * 1000 / (after[0] - before[0]) / 2
    idle = idle_share(lab)
    load.set_shared(lab.m, 4)
    expect(len(late) > 100 and min(late) >= 0,
           f"{len(late)} wake-ups noted of 4 neighbours in a second")
    expect(0.1 < share < 0.9, f"the neighbours got {share:.2f} of 2 pCPUs")
    expect(max(idle) <= 1, "with neighbours that sleep a pCPU idles")
    expect(not lab.m.run("cat /run/neighbour.* 2>/dev/null || true"),
           "neighbours that never sleep note something")
    return (f"{len(late)} wake-ups, p50 {sorted(late)[len(late) // 2]} ns, "
            f"{share:.2f} of the pCPUs")


def clean_logs(lab):
    """Nothing that a kernel complains of, in any of them."""
    for name in ["L1", *lab.guests]:
        lab.complaints += lab.complain(name)
        script = f"echo '{SELF_TEST}' >/dev/kmsg"
        (lab.m.run if name == "L1" else
         lambda text, name=name: lab.m.guest(text, name))(script)
    caught = lab.m.bad_lines(tuple(lab.guests))
    caught = [line for line in caught if SELF_TEST in line]
    expect(len(caught) == 1 + len(lab.guests),
           f"the self-test's lines were found in {caught}")
    expect(not lab.complaints, "\n".join(lab.complaints))
    return (f"no complaint in the host's log and {len(lab.guests)} guests'; "
            "a line put there is found")


def stuck(lab):
    """What is written down where a script does not end; also if nobody
    answers at the port for that."""
    with open(lab.m.stuck(), encoding="utf-8") as log:
        text = log.read()
    for what in ("agent serve", "CPU 3/KVM", "lab: L2 is up", "VCPU 3 TYP",
                 "LPI 8192"):
        expect(what in text, f"no '{what}' in {log.name}")
    port = Port(lab.m.control_path + ".look", lambda stage: None)
    try:
        with open(lab.m.stuck(limit=2), encoding="utf-8") as log:
            text = log.read()
    finally:
        port.close()
    pcpus = len(re.findall(r"(?m)^CPU#\d", text))
    expect("no end after the time allowed" in text and pcpus == PCPUS,
           f"no answer: registers of {pcpus} pCPUs in {log.name}")
    return f"threads, console, vgic-state; else the registers of {pcpus} pCPUs"


# -- what irqhop leaves alone -------------------------------------------------


PROBED = ["sched_switch", "sched_process_exit", "kvm_mmio",
          "kvm_userspace_exit", "irq_handler_entry", "kvm_handle_sys_reg"]


def probed(lab, points=" ".join(PROBED)):
    """(tracepoints that irqhop has a probe on, all probes), out of the kernel's
    own memory. The VMM rests meanwhile: the host has 200,000 symbols to go
    through, and this is of no interest to a guest."""
    cost.vmm(lab, "STOP")
    try:
        text = lab.m.run(f"probes {points}")
    finally:
        cost.vmm(lab, "CONT")
    return re.findall(r"^(\w+) .*\[irqhop\]$", text, re.M), text


def nothing_registered(lab):
    """A host with the module and no enabled VM is as it was."""
    lab.module("irqhop-test")
    on, _ = probed(lab)
    expect(not on, f"loaded: probes on {on}")
    for way, leave in (("disabled", "irqhop disable l2"),
                       ("unloaded", "rmmod irqhop")):
        enable(lab, "recent")
        on, _ = probed(lab)
        expect(on == PROBED, f"enabled: probes on {on}, not {PROBED}")
        lab.m.run(leave)
        left, _ = probed(lab)
        expect(not left, f"{way}: probes on {left}")
    lab.module(None)
    lab.m.run("echo 1 >/sys/kernel/tracing/events/sched/sched_switch/enable")
    _, other = probed(lab, "sched_switch")
    lab.m.run("echo 0 >/sys/kernel/tracing/events/sched/sched_switch/enable")
    expect(re.search(r" trace_event_raw_event_sched_switch$", other, re.M),
           f"another's probe on sched_switch is not seen: {other!r}")
    return ("loaded: no probe; enabled: on " + " and ".join(on)
            + "; disabled, unloaded: none")


# -- what it does not work on -------------------------------------------------


# A VM that never runs. Its interrupt controller is set up all the same, by the
# time that the monitor answers.
STILL = """
mkdir -p /run/still
setsid qemu-system-aarch64 -name still -M virt,{machine} -accel kvm -cpu host \\
    -smp 2 -m 128 -nodefaults -display none -S -pidfile /run/still/pid \\
    -chardev socket,id=mon,path=/run/still/monitor,server=on,wait=off \\
    -mon chardev=mon,mode=readline </dev/null >/run/still/log 2>&1 &
set_up() {{ (echo info status; sleep 0.1) |
    socat - UNIX-CONNECT:/run/still/monitor 2>/dev/null | grep -q paused; }}
wait_for 100 set_up || die "no VM: $(cat /run/still/log)"
"""
# What is booted; what the log is to say.
LOAD = (
    ({"cmdline": "kvm-arm.mode=protected"}, r"not loaded: protected KVM"),
    ({"gic": 2}, r"not loaded: this host has no GICv3"),
)
# What is booted, its VMs; what the tool is to say.
ENABLE = (
    ({"gic": 3}, (
        ("gic-version=3,its=off", r"no in-kernel ITS"),
        ("gic-version=2,kernel-irqchip=off", r"not an in-kernel GICv3"))),
)


def refused_load(m, says):
    """insmod fails, and one line says why."""
    status, text = m.script("dmesg -C; insmod /lab/irqhop.ko")
    expect(status != 0, f"loaded, although /{says}/")
    lines = [line for line in m.run("dmesg").splitlines()
             if "irqhop: " in line and "taint" not in line]
    expect(len(lines) == 1 and re.search(says, lines[0]),
           f"insmod: {text}not one line with /{says}/ in the log: {lines}")
    expect(m.run("[ -d /sys/module/irqhop ] || echo no").strip() == "no",
           f"it is there, although /{says}/")


def refused_enable(m, machine, says):
    """irqhop enable fails, and one line says why."""
    m.run("insmod /lab/irqhop.ko\n" + STILL.format(machine=machine))
    status, text = m.script("irqhop enable still")
    lines = text.splitlines()
    expect(status != 0 and len(lines) == 1 and re.search(says, lines[0]),
           f"{machine}: irqhop enable: status {status}, not one line with "
           f"/{says}/: {text}")
    listed = m.run("irqhop list")
    expect(re.search(r" no .* still$", listed, re.M), f"after it: {listed}")
    m.run("kill -9 $(cat /run/still/pid); rm -r /run/still; rmmod irqhop")


def refusals(build, logs):
    """Hosts that the module does not load on, VMs that it does not take."""
    for number, (host, says) in enumerate(LOAD + ENABLE):
        with Machine(build, os.path.join(logs, f"refusal-{number}"),
                     **host) as m:
            m.start()
            if isinstance(says, str):
                refused_load(m, says)
                continue
            for machine, why in says:
                refused_enable(m, machine, why)
    vms = sum(len(says) for _, says in ENABLE)
    return (f"{len(LOAD)} hosts: not loaded; {vms} VMs: not enabled; each with "
            "one line that says why. Not to be had in QEMU: GICv4.1")
