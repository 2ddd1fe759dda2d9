# SPDX-License-Identifier: GPL-2.0-only
"""Load for the emulated host: who competes with whom for which pCPU.

Every condition keeps every pCPU busy: busy pCPUs share the instruction clock
evenly, so with one of them idle the others would be faster machines. What has
nothing to do runs a filler in the idle class.

pCPUs are as in l1/host.sh: 0 the VMM's other threads and the rest, 1 the
outside client, 2-3 the guest when it shares, 2-5 the guest alone. One of 8
vCPUs shares all of 2-5.
"""

import time

# Overcommit, and the neighbours that make it: with 4 busy vCPUs on 2 pCPUs.
NEIGHBOURS = {2: 0, 3: 2, 4: 4, 6: 8}
# Which pCPUs a guest of so many vCPUs shares, and has alone.
SHARED = {2: "2-3", 4: "2-3", 8: "2-5"}
ALONE = {2: "2-3", 4: "2-5"}
ALL_PCPUS = "0-5"


def busy_guest(m, name="l2", vcpus=(0, 1, 2, 3)):
    """A spinner in the idle class on each of these vCPUs, and on no other."""
    m.guest(f"""
pids=$(pidof spin) && kill -9 $pids
# In a busy guest they take a while to end, and would be counted among the new.
tries=0
while pidof spin >/dev/null && [ $tries -lt 500 ]; do
    sleep 0.01
    tries=$((tries + 1))
done
for cpu in {" ".join(map(str, vcpus))}; do
    taskset -c $cpu chrt -i 0 spin </dev/null >/dev/null 2>&1 &
done
""", name)


def neighbours(m, count, cpus=SHARED[4], serve=False):
    """Exactly `count` neighbours on these pCPUs, started afresh.

    `serve`: they sleep and wake; otherwise they never sleep.
    """
    m.run(f"stop_all neighbour; neighbours {count} {cpus} "
          + "serve" * serve)


def pcpus(cpus):
    """The pCPUs of a range as taskset has it."""
    first, last = cpus.split("-")
    return range(int(first), int(last) + 1)


def wakeups(m, since, until):
    """How late the neighbours that serve woke between these times, in ns."""
    rows = (line.split() for line in m.run(
        "cat /run/neighbour.* 2>/dev/null || true").splitlines())
    return [int(row[1]) for row in rows
            if len(row) == 2 and since <= int(row[0]) < until]


def fillers(m, cpus):
    """Exactly one filler on each of these pCPUs, started afresh."""
    m.run("stop_all filler; filler " + " ".join(str(cpu) for cpu in cpus))


def place_guest(m, cpus, name="l2"):
    """Let the vCPU threads float on these pCPUs, and spread them afresh."""
    # Each of them is put on one pCPU first: where they happened to be does
    # not decide where they are.
    m.run(f"""
set -- {" ".join(map(str, pcpus(cpus)))}
for tid in $(guest_vcpu_tids {name} | cut -d" " -f2); do
    taskset -pc $1 $tid >/dev/null
    set -- "$@" $1
    shift
done
guest_place {name} {cpus}
""")


def set_alone(m, name="l2", vcpus=4):
    """Each vCPU on a pCPU of its own, and nobody else there."""
    m.run("stop_all neighbour")
    place_guest(m, ALONE[vcpus], name)
    fillers(m, others(ALONE[vcpus]))


def others(cpus):
    """The pCPUs that are not among these."""
    return [cpu for cpu in pcpus(ALL_PCPUS) if cpu not in pcpus(cpus)]


def set_shared(m, overcommit, name="l2", vcpus=4, serve=False):
    """The vCPUs on the pCPUs that they share, with the neighbours of that
    overcommit."""
    cpus = SHARED[vcpus]
    place_guest(m, cpus, name)
    neighbours(m, overcommit * len(pcpus(cpus)) - vcpus, cpus, serve)
    fillers(m, others(cpus))


def set_neighbours(m, count, name="l2", filled=(0, 1, 4, 5)):
    """The 4 vCPUs on 2 pCPUs, with so many neighbours; fillers on `filled`."""
    place_guest(m, SHARED[4], name)
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
