# SPDX-License-Identifier: GPL-2.0-only
"""A made-up host below a directory: /proc and /sys as far as irqhop looks."""

import os

QEMU = "qemu-system-aarch64"
# pid, vCPUs, command line.
VMS = (
    (101, 4, (QEMU, "-name", "guest=web,debug-threads=on")),
    (102, 2, (QEMU, "-name", "db", "-smp", "2")),
    (103, 1, (QEMU, "-name", "twin")),
    (104, 1, (QEMU, "-name", "twin")),
    (105, 0, ("some-vmm", "--quiet")),
    (106, 1, (QEMU, "-name", "101")),
    (107, 1, ("many-vms",)),
)
# host irq, what it does; see lpi_put() in fake.c for who has which.
IRQS = (
    (348, "vfio-msix[1](0000:00:05.0)\n"),
    (349, "vfio-msi[0](0000:00:06.0)\n"),
    (346, "vfio-msix[2](0000:00:07.0)\n"),
    (345, "eth0-rx-0\n"),
)
# address, class, vendor, device.
PCI = (
    ("0000:00:05.0", "0x010802", "0x1b36", "0x0010"),
    ("0000:00:06.0", "0x020000", "0x8086", "0x10d3"),
)
TRACING = "sys/kernel/tracing"
STALE = "irqhop-999999999"


def put(path, text):
    """A file, with the directories that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_vm(root, pid, vcpus, cmdline):
    """A process with descriptors of a VM, one of them a duplicate."""
    proc = root / "proc" / str(pid)
    files = {0: "/dev/null", 12: "anon_inode:kvm-vm", 95: "anon_inode:kvm-vm",
             50: "anon_inode:kvm-vcpu-stats:0"}
    files.update({20 + i: f"anon_inode:kvm-vcpu:{i}" for i in range(vcpus)})
    if vcpus:
        files[96] = "anon_inode:kvm-vcpu:0"
    (proc / "fd").mkdir(parents=True)
    for number, target in files.items():
        os.symlink(target, proc / "fd" / str(number))
    put(proc / "cmdline", "".join(arg + "\0" for arg in cmdline))
    put(proc / "comm", f"comm{pid}\n")
    put(proc / "status", f"Name:\tx\nTgid:\t{pid}\n")


def several(root, yes):
    """Whether process 107 holds a second VM (descriptor 60: see fake.c)."""
    path = root / "proc/107/fd/60"
    if yes:
        os.symlink("anon_inode:kvm-vm", path)
    else:
        path.unlink()


def passthrough(root):
    """From now on KVM uses GICv4 here, and a variant of vfio-pci has a
    device."""
    put(root / "proc/cmdline", "kvm-arm.vgic_v4_enable=1\n")
    for path in ("class/iommu/smmu3.0x1/type", "bus/pci/drivers/vfio-pci/bind",
                 "bus/pci/devices/0000:00:05.0/vfio-dev/vfio0/dev"):
        put(root / "sys" / path, "")


def make(root):
    """Five processes with a VM each, one with two, one thread, one other."""
    for vm in VMS:
        make_vm(root, *vm)
    several(root, True)
    for number, target in ((3, "/dev/kvm"), (4, "anon_inode:kvm-dev")):
        (root / "proc/108/fd").mkdir(parents=True, exist_ok=True)
        os.symlink(target, root / f"proc/108/fd/{number}")
    # The thread that made VM 102.
    put(root / "proc/1020/status", "Name:\tvmm\nTgid:\t102\n")
    (root / "proc/self/fd").mkdir(parents=True)
    for number in range(300, 310):
        os.symlink("anon_inode:kvm-vm", root / f"proc/self/fd/{number}")
    put(root / "proc/cmdline", "console=ttyAMA0\n")
    put(root / "proc/interrupts", " 11:  0     GICv3  27 Level  arch_timer\n")
    put(root / "sys/class/misc/kvm/dev", "10:232\n")
    for irq, actions in IRQS:
        put(root / f"sys/kernel/irq/{irq}/actions", actions)
    for address, *ids in PCI:
        for name, value in zip(("class", "vendor", "device"), ids):
            put(root / f"sys/bus/pci/devices/{address}/{name}", value + "\n")
    make_tracing(root)


def make_tracing(root):
    """Tracefs, with an instance that nobody has removed."""
    put(root / "proc/self/mounts",
        f"proc /proc proc rw 0 0\ntracefs /{TRACING} tracefs rw 0 0\n")
    (root / TRACING / "instances" / STALE).mkdir(parents=True)


def instances(root):
    """The trace instances there are."""
    return sorted(path.name for path in
                  (root / TRACING / "instances").iterdir())
