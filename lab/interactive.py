#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""make lab: a shell in the emulated host (L1), with a guest (L2) running."""

import argparse
import os
import sys
import termios

from machine import LabError, Machine

WELCOME = r"""
You are in the emulated host (L1): 6 pCPUs, GICv4. A guest, l2, is running with an
NVMe disk and a NIC passed through; its vCPUs are busy, and two of the host's pCPUs
are shared with two neighbours.

  irqhop check; irqhop list l2; irqhop enable l2; irqhop stat l2
  ip netns exec outside ping -i 0.01 -c 200 10.99.0.2      from the outside client
  l2            the guest's console (leave it with Ctrl-])
  poweroff -f   the end; Ctrl-a x ends the emulator at once
"""


def prepare(host):
    """What the welcome text promises."""
    # pylint: disable=import-outside-toplevel
    import load
    host.run("devices_setup")
    host.start_guest()
    load.busy_guest(host)
    load.set_shared(host, 3)
    host.run("insmod /lab/irqhop.ko; mkdir -p /run/lab")
    host.run(f"cat >/run/lab/welcome.part <<'END'\n{WELCOME}\nEND\n"
             "mv /run/lab/welcome.part /run/lab/welcome")


def main():
    """Boot, prepare, and wait until the person has had enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    args = parser.parse_args()
    if not sys.stdin.isatty():
        print("lab: needs a terminal; for scripts there is lab/machine.py",
              file=sys.stderr)
        return 2
    terminal = termios.tcgetattr(sys.stdin)
    logs = os.path.join(args.build, "lab", "logs")
    print("lab: booting the emulated host and its guest; about a minute",
          flush=True)
    try:
        with Machine(args.build, logs, interactive=True) as host:
            host.start()
            prepare(host)
            host.process.wait()
    except LabError as error:
        print(f"\r\nlab: {error}", file=sys.stderr)
        return 1
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
