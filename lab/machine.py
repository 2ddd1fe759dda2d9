# SPDX-License-Identifier: GPL-2.0-only
"""The emulated host (L1): boot it, run scripts in it, read its devices' trace.

Everything is emulated in virtual time (QEMU's -icount): one instruction of any
pCPU is one nanosecond, and what a program in the lab measures does not depend
on how fast or how busy the machine below is.
"""

import base64
import collections
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

PCPUS = 6
# What lab/src/agent.c takes, in bytes.
SCRIPT_MAX = 1 << 20
# Under -icount QEMU runs the busy pCPUs one after the other; a pass over all of
# them lasts until the next timer of the machine is due, commonly a millisecond
# and more, and a pCPU sees nothing of the others' doings before its turn. A
# timer of QEMU's own that is always due soon keeps the passes short. A packet
# filter on a wire with nothing on it has one, and re-arms it by itself. (A
# timer that a guest has to re-arm makes only every other pass short.)
TURN_US = 100
TRACE_EVENTS = (
    "pci_nvme_irq_msix",
    "gicv3_its_cmd_vmapti",
    "gicv3_its_cmd_vmapi",
    "gicv3_its_cmd_vmovi",
    "gicv3_its_cmd_discard",
    "gicv3_its_cmd_mapti",
    "gicv3_its_cmd_vmapp",
    "gicv3_its_cmd_inv",
    "gicv3_its_cmd_int",
)
# Of each interrupt that a vCPU takes, the timers' too: when its handler begins
# and when it ends.
TRACE_HANDLERS = (
    "gicv3_icv_iar_read",
    "gicv3_icv_eoir_write",
)
# Lines of a kernel's log that no run of ours may leave behind.
BAD_LINES = re.compile(
    r"WARNING:|BUG:|Oops|Unable to handle kernel|rcu:.*(stall|detected)"
    r"|Call trace:|blocked for more than|Kernel panic|irq \d+: nobody cared"
    r"|I/O timeout|timeout, completion polled|NETDEV WATCHDOG")


# What a kernel says of itself that does not go on as it was.
CRASH = re.compile(r".*(Unable to handle kernel|Internal error:|kernel BUG at"
                   r"|Kernel panic).*")


class LabError(Exception):
    """The lab did not do what it was told; the text says at which stage."""


class LabTimeout(LabError):
    """A script does not end."""


def tail(path, lines=15):
    """The last lines of a log, for an error message."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return "".join(collections.deque(log, maxlen=lines))
    except OSError as error:
        return f"({error})"


def die_with_parent():
    """Between fork and exec: no emulator outlives whoever started it, however
    that ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Port:
    """One of the host's ports: a script goes in, what it prints comes out.

    `path`: of the socket; `check`: called again and again while there is
    nothing to read, with what is being done; raises if there is no hope."""

    def __init__(self, path, check):
        self.path, self.check = path, check
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.pending = b""

    def close(self):
        """Nothing more is said."""
        self.socket.close()

    def _receive(self, deadline, stage):
        self.socket.settimeout(1)
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except TimeoutError:
                data = None
            except OSError as error:
                self.check(stage)
                raise LabError(f"{stage}: the port {self.path}: {error}"
                               ) from error
            if data:
                self.pending += data
                return
            self.check(stage)
            if time.monotonic() > deadline:
                raise LabTimeout(f"{stage}: no end after the time allowed")
            if data == b"":
                time.sleep(0.1)

    def _line(self, deadline, stage):
        while b"\n" not in self.pending:
            self._receive(deadline, stage)
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("ascii", "replace")

    def script(self, text, limit, stage):
        """Run a shell script; return its exit status and output."""
        data = text.encode()
        if len(data) > SCRIPT_MAX:
            raise LabError(f"{stage}: a script of {len(data)} bytes; the agent "
                           f"takes {SCRIPT_MAX}")
        deadline = time.monotonic() + limit
        self.socket.settimeout(limit)
        try:
            self.socket.sendall(b"run %d\n" % len(data) + data)
        except OSError as error:
            raise LabError(f"{stage}: the port {self.path}: {error}"
                           ) from error
        output = b""
        while True:
            line = self._line(deadline, stage)
            word, _, value = line.partition(" ")
            if word == "end":
                return int(value), output.decode("utf-8", "replace")
            if word != "out":
                raise LabError(f"{stage}: the port said {line!r}")
            size = int(value)
            while len(self.pending) < size:
                self._receive(deadline, stage)
            output += self.pending[:size]
            self.pending = self.pending[size:]


class Machine:
    """One emulated host. Use it as a context manager: it always goes away."""

    def __init__(self, build, logs, direct=True, cmdline="", interactive=False,
                 tracers=False, gic=4, queues=1, nic="e1000e", vectors=0,
                 handlers=False, programs=False):
        """`queues`: the disk's I/O queues, `vectors`: its MSI-X vectors, if
        it is to have more than it needs; `nic`: the NIC for the guest;
        `handlers`: trace when vCPUs take interrupts, too; `programs`: with
        those of the benchmark, for host and guests."""
        self.build = os.path.abspath(build)
        self.logs = os.path.abspath(logs)
        self.direct = direct
        self.cmdline = cmdline
        self.interactive = interactive
        self.tracers = tracers
        self.programs = programs
        self.gic = gic
        self.queues = queues
        self.nic = nic
        self.vectors = max(vectors, queues + 2)
        self.trace_events = TRACE_EVENTS + (TRACE_HANDLERS if handlers else ())
        self.qmp = None
        # Whether turns are short now.
        self.short = False
        self.console = os.path.join(self.logs, "l1-console.log")
        self.trace = os.path.join(self.logs, "device-trace.log")
        self.process = None
        self.control_path = None
        self.control = None

    def __enter__(self):
        os.makedirs(self.logs, exist_ok=True)
        for path in (self.console, self.trace):
            if os.path.exists(path):
                os.remove(path)
        return self

    def __exit__(self, *_):
        self.stop()

    # -- starting and stopping -------------------------------------------

    def command(self, control):
        """QEMU's command line, for a control port that listens there."""
        images = os.path.join(self.build, "lab")
        append = (
            "console=ttyAMA0 panic=-1 quiet nokaslr audit=0 mitigations=off "
            "noautogroup irqaffinity=0 rcupdate.rcu_cpu_stall_timeout=300 "
            "hung_task_timeout_secs=0 transparent_hugepage=madvise "
            f"kvm-arm.vgic_v4_enable={int(self.direct)} {self.cmdline}")
        if self.interactive:
            append += " lab.shell"
            serial = ["-chardev", "stdio,id=con,mux=on,signal=off,"
                      f"logfile={self.console}"]
        else:
            serial = ["-chardev", f"file,id=con,path={self.console}"]
        command = [
            os.path.join(self.build, "bin", "qemu-system-aarch64"),
            "-name", "irqhop-lab,debug-threads=on",
            "-M", f"virt,virtualization=on,gic-version={self.gic},"
            "iommu=smmuv3",
            "-cpu", "neoverse-n1", "-smp", str(PCPUS), "-m", "2560",
            "-accel", "tcg,thread=single",
            # A person's idle host waits in real time; a script's need not.
            "-icount", f"shift=0,sleep={'on' if self.interactive else 'off'}",
            "-rtc", "clock=vm",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", os.path.join(images, "Image"),
            "-initrd", os.path.join(images, "l1-initrd.gz"),
            "-append", append,
            *serial, "-serial", "chardev:con",
            "-drive", "if=none,id=root,format=raw,snapshot=on,"
            f"cache=unsafe,file={images}/l1root.ext4",
            "-device", "virtio-blk-pci,drive=root,addr=1",
            "-drive", "if=none,id=payload,format=raw,readonly=on,"
            f"file={images}/payload.tar",
            "-device", "virtio-blk-pci,drive=payload,addr=2",
            "-device", "virtio-serial-pci,addr=3",
            "-chardev", f"socket,id=ctl,path={control},server=on,wait=off",
            "-device", "virtserialport,chardev=ctl,name=lab.control",
            "-chardev",
            f"socket,id=look,path={control}.look,server=on,wait=off",
            "-device", "virtserialport,chardev=look,name=lab.look",
            "-blockdev", "driver=null-co,node-name=nv,size=1073741824,"
            "read-zeroes=on",
            "-device", "nvme,drive=nv,serial=lab0,addr=5,"
            f"max_ioqpairs={self.queues},msix_qsize={self.vectors}",
            "-netdev", "hubport,hubid=0,id=n0",
            "-device", f"{self.nic},netdev=n0,addr=6,mac=52:54:00:00:00:02",
            "-netdev", "hubport,hubid=0,id=n1",
            "-device", "e1000e,netdev=n1,addr=7,mac=52:54:00:00:00:01",
            "-netdev", "hubport,hubid=9,id=turns",
            "-chardev", f"socket,id=qmp,path={control}.qmp,server=on,wait=off",
            "-mon", "chardev=qmp,mode=control",
            "-D", self.trace,
        ]
        if self.tracers:
            command += [
                "-drive", "if=none,id=tracers,format=raw,readonly=on,"
                f"file={images}/tracers.ext4",
                "-device", "virtio-blk-pci,drive=tracers,addr=4,"
                "serial=tracers"]
        if self.programs:
            command += [
                "-drive", "if=none,id=programs,format=raw,readonly=on,"
                f"file={images}/programs.tar",
                "-device", "virtio-blk-pci,drive=programs,addr=8,"
                "serial=programs"]
        for event in self.trace_events:
            command += ["-trace", f"enable={event}"]
        return command

    def start(self, limit=300):
        """Boot until the control port answers; at most `limit` seconds."""
        control = os.path.join(self.logs, "control")
        if len(control) > 100:
            # A socket's path is short; the working directory is not.
            control = os.path.relpath(control)
        self.control_path = control
        if os.path.exists(control):
            os.remove(control)
        errors = os.path.join(self.logs, "qemu.log")
        with open(errors, "wb") as log:
            self.process = subprocess.Popen(
                self.command(control), preexec_fn=die_with_parent,
                stdin=None if self.interactive else subprocess.DEVNULL,
                stdout=None if self.interactive else log, stderr=log)
        begun = time.monotonic()
        while True:
            try:
                self.control = Port(control, self._check)
                break
            except OSError as error:
                self._check_alive("starting QEMU", errors)
                if time.monotonic() - begun > 20:
                    raise LabError("starting QEMU: its control port does not "
                                   f"open\n{tail(errors)}log: {errors}"
                                   ) from error
                time.sleep(0.05)
        self.run("true", limit=limit, stage="booting the host (L1)")
        if self.tracers:
            self.run("mkdir -p /tracers; mount -o ro $(disk tracers) /tracers")
        if self.programs:
            self.run("programs-unpack", stage="unpacking programs")
        self._prefer_devices()

    def stop(self):
        """End QEMU, by the pid that was started here."""
        if self.qmp:
            self.qmp.close()
            self.qmp = None
        if self.control:
            self.control.close()
            self.control = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def _check_alive(self, stage, log):
        if self.process.poll() is not None:
            raise LabError(f"{stage}: QEMU ended with status "
                           f"{self.process.returncode}\n{tail(log)}log: {log}")

    def _check(self, stage):
        """Whoever waits for a host that has crashed waits in vain."""
        self._check_alive(stage, self.console)
        with open(self.console, encoding="utf-8", errors="replace") as log:
            found = CRASH.search(log.read())
        if found:
            raise LabError(f"{stage}: the host's kernel crashed: "
                           f"{found.group().strip()}\nlog: {self.console}")

    def _prefer_devices(self):
        """Let the devices answer at once, whatever else this machine does.

        QEMU completes disk requests on its main thread, in real time, while
        the pCPUs' thread goes on with virtual time. So both are put on one
        CPU, on which the main thread takes precedence: virtual time stands
        still while a device works.
        """
        pid = self.process.pid
        cpu = {int(os.environ.get("LAB_CPU", max(os.sched_getaffinity(0))))}
        threads = {int(tid): self._thread_name(pid, tid)
                   for tid in os.listdir(f"/proc/{pid}/task")}
        for tid in threads:
            os.sched_setaffinity(tid, cpu)
        try:
            os.sched_setscheduler(
                pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                os.sched_param(1))
        except PermissionError:
            # Not root: then the pCPUs' thread steps back instead.
            for tid, name in threads.items():
                if name.startswith("ALL CPUs"):
                    os.sched_setscheduler(tid, os.SCHED_IDLE,
                                          os.sched_param(0))

    @staticmethod
    def _thread_name(pid, tid):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii",
                  errors="replace") as comm:
            return comm.read().strip()

    def short_turns(self, on, interval_us=TURN_US):
        """Keep QEMU's turns short (see TURN_US); costs real time, so only
        while something is measured."""
        if on:
            self._monitor("object-add", {
                "qom-type": "filter-buffer", "id": "turns0",
                "netdev": "turns", "interval": interval_us})
        else:
            self._monitor("object-del", {"id": "turns0"})
        self.short = on

    def _monitor(self, execute, arguments):
        """One command to QEMU's own monitor."""
        if not self.qmp:
            port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            port.settimeout(60)
            port.connect(self.control_path + ".qmp")
            self.qmp = port.makefile("rw", encoding="utf-8")
            self.qmp.readline()
            self._monitor("qmp_capabilities", {})
        self.qmp.write(json.dumps({"execute": execute,
                                   "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "error" in answer:
                raise LabError(f"QEMU's monitor, {execute}: "
                               f"{answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    # -- scripts ----------------------------------------------------------

    def script(self, text, limit=600, stage=None):
        """Run a shell script in L1; return its exit status and output."""
        stage = stage or "running a script in the host (L1)"
        try:
            return self.control.script(text, limit, stage)
        except LabTimeout as error:
            raise LabError(f"{error}\n{tail(self.console)}log: {self.console}\n"
                           f"how host and guests stood then: {self.stuck()}"
                           ) from error

    def stuck(self, limit=60):
        """Write down how host and guests stand; return the log's path."""
        log = os.path.join(self.logs, "stuck.log")
        with open(log, "w", encoding="utf-8") as file:
            try:
                file.write(self._look("stuck 2>&1", limit))
            except (LabError, OSError) as error:
                file.write(f"{error}\n")
                try:
                    # What do its pCPUs do, then?
                    file.write(self._monitor(
                        "human-monitor-command",
                        {"command-line": "info registers -a"}))
                except (LabError, OSError, ValueError) as worse:
                    file.write(f"{worse}\n")
        return log

    def _look(self, text, limit):
        """A script by the port that is for looking: the one that does not end
        has the other."""
        with contextlib.closing(Port(self.control_path + ".look",
                                     self._check)) as port:
            _, output = port.script(
                f"[ ! -f /lab/host.sh ] || . /lab/host.sh\n{text}\n", limit,
                "looking what is stuck")
        return output

    def run(self, text, limit=600, stage=None):
        """Run a script that has to succeed, with host.sh; return its output."""
        status, output = self.script(
            f"set -e\n[ ! -f /lab/host.sh ] || . /lab/host.sh\n{text}\n",
            limit, stage)
        if status:
            raise LabError(
                f"{stage or 'a script in the host (L1)'}: status {status}\n"
                f"{output}{tail(self.console)}log: {self.console}")
        return output

    def upload(self, source, target):
        """Copy a file of this machine's to L1; at most some 700 KB."""
        with open(source, "rb") as data:
            text = base64.encodebytes(data.read()).decode("ascii")
        self.run(f"base64 -d >{target} <<'END_OF_FILE'\n{text}END_OF_FILE",
                 stage=f"copying {source} to the host (L1)")

    def guest(self, text, name="l2", limit=600, stage=None):
        """Run a script in a guest; return its output."""
        return self.run(f"guest {name} <<'END_OF_GUEST_SCRIPT'\nset -e\n{text}\n"
                        "END_OF_GUEST_SCRIPT", limit,
                        stage or f"running a script in the guest ({name})")

    def start_guest(self, name="l2", vcpus=4, devices="$NVME $NIC", memory=512,
                    append="", reboots=False, hotplug=False, state=""):
        """Start a guest, and leave its console's log beside the host's.

        `memory` in MB; `append` to its kernel's command line; `reboots`: it
        may reset itself, and has what kexec loads on /dev/vda and /dev/vdb;
        `hotplug`: its devices sit in slots; `state`: restore it from there.
        """
        stage = f"booting the guest ({name})"
        try:
            self.run(f"GUEST_MEMORY={memory} GUEST_APPEND='{append}'\n"
                     f"GUEST_REBOOTS={'y' if reboots else ''}\n"
                     f"GUEST_HOTPLUG={'y' if hotplug else ''}\n"
                     f"GUEST_PROGRAMS={'y' if self.programs else ''}\n"
                     f"GUEST_STATE={state}\n"
                     f"guest_start {name} {vcpus} {devices}", stage=stage)
        finally:
            self.save_guest_console(name)

    def save_guest_console(self, name="l2"):
        """Copy the guest's console and its VMM's log to where the logs are."""
        for source, target in (("console.log", f"{name}-console.log"),
                               ("log", f"{name}-qemu.log")):
            _, text = self.script(f"cat /run/{name}/{source} 2>/dev/null")
            with open(os.path.join(self.logs, target), "w",
                      encoding="utf-8") as log:
                log.write(text)

    # -- what the devices and the kernels left behind ----------------------

    def traced(self, pattern):
        """Lines of the devices' own trace so far that match."""
        wanted = re.compile(pattern)
        with open(self.trace, encoding="utf-8", errors="replace") as trace:
            return [line for line in trace if wanted.search(line)]

    def count_msis(self):
        """How many interrupts the NVMe device's I/O queue has sent so far."""
        return len(self.traced(r"pci_nvme_irq_msix .*vector 1\b"))

    def bad_lines(self, guests=("l2",)):
        """Complaints of the host's and the guests' kernels, if any."""
        found = []
        logs = [("L1", self.run("dmesg"))]
        for name in guests:
            logs.append((name, self.guest("dmesg", name)))
        for where, text in logs:
            found += [f"{where}: {line}" for line in text.splitlines()
                      if BAD_LINES.search(line)]
        return found


def progress(text):
    """A line that says where we are; kept on one line on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    else:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
