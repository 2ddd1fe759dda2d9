# SPDX-License-Identifier: GPL-2.0-only
"""Load for the emulated host: who competes with whom for which pCPU.

Every condition keeps every pCPU busy: busy pCPUs share the instruction clock
evenly, so with one of them idle the others would be faster machines. What has
nothing to do runs a filler in the idle class.

pCPUs are as in l1/host.sh: 0 the VMM's other threads and the rest, 1 the
outside client, 2-3 the guest when it shares, 2-5 the guest alone.
"""

import time

# Overcommit, and the neighbours that make it: with 4 busy vCPUs on 2 pCPUs.
NEIGHBOURS = {3: 2, 4: 4, 6: 8}
ALL_PCPUS = "0-5"


def busy_guest(m, name="l2", vcpus=(0, 1, 2, 3)):
    """A spinner in the idle class on each of these vCPUs, and on no other."""
    m.guest(f"""
pids=$(pidof spin) && kill $pids
for cpu in {" ".join(map(str, vcpus))}; do
    taskset -c $cpu chrt -i 0 spin </dev/null >/dev/null 2>&1 &
done
""", name)


def neighbours(m, count):
    """Exactly `count` neighbours on the shared pCPUs, started afresh."""
    m.run(f"stop_all neighbour; neighbours {count}")


def fillers(m, cpus):
    """Exactly one filler on each of these pCPUs, started afresh."""
    m.run("stop_all filler; filler " + " ".join(str(cpu) for cpu in cpus))


def place_guest(m, cpus, name="l2"):
    """Let the vCPU threads float on these pCPUs, and spread them afresh."""
    # Each of them is put on one pCPU first: where they happened to be does
    # not decide where they are.
    m.run(f"""
first={cpus.split("-", maxsplit=1)[0]} last={cpus.rsplit("-", maxsplit=1)[-1]}
cpu=$first
for tid in $(guest_vcpu_tids {name} | cut -d" " -f2); do
    taskset -pc $cpu $tid >/dev/null
    cpu=$((cpu + 1))
    [ $cpu -le $last ] || cpu=$first
done
guest_place {name} {cpus}
""")


def set_alone(m, name="l2"):
    """4 vCPUs on 4 pCPUs, and nobody else there."""
    m.run("stop_all neighbour")
    place_guest(m, "2-5", name)
    fillers(m, (0, 1))


def set_shared(m, overcommit, name="l2"):
    """The 4 vCPUs on 2 pCPUs, with the neighbours of that overcommit."""
    set_neighbours(m, NEIGHBOURS[overcommit], name)


def set_neighbours(m, count, name="l2", filled=(0, 1, 4, 5)):
    """The 4 vCPUs on 2 pCPUs, with so many neighbours; fillers on `filled`."""
    place_guest(m, "2-3", name)
    neighbours(m, count)
    fillers(m, filled)


def set_quiet(m, name="l2"):
    """No load in the host; the guest keeps its own."""
    m.run("stop_all neighbour filler")
    place_guest(m, "2-5", name)


def cpu_times(m):
    """(idle, total) of each pCPU so far, in hundredths of a second."""
    rows = [[int(n) for n in line.split()[1:9]] for line in
            m.run("grep '^cpu[0-9]' /proc/stat").splitlines()]
    return [(row[3] + row[4], sum(row)) for row in rows]


def idle_times(m):
    """Idle time of each pCPU so far, in hundredths of a second."""
    return [idle for idle, _ in cpu_times(m)]


def wall(work):
    """What `work` returns, and how many seconds of this machine it took."""
    begun = time.monotonic()
    result = work()
    return result, time.monotonic() - begun
