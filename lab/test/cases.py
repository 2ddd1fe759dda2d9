# SPDX-License-Identifier: GPL-2.0-only
"""The table of the tests; they are in the case_*.py, by what they are about.

A test takes the lab and returns what was seen; it raises Failure otherwise.
"""

import collections
import os

import case_cost as cost
import case_donate as donate
import case_faults as faults
import case_hops as hops
import case_host as host
import case_kdump as kdump
import case_injected as injected
import case_many as many
import case_policies as policies
import case_storm as storm
import case_summon as summon
import case_tool as tool
import case_trace as trace
import case_vcpus as vcpus
import case_vms as vms
from state import Lab
import storm as runner

# machine: what Lab is told for it; those alike share a machine.
Test = collections.namedtuple(
    "Test", "name function guests needs shows machine", defaults=({},))


def missing(build, test):
    """Why a test cannot be run, or None."""
    for path in test.needs:
        if not os.path.exists(os.path.join(build, "lab", path)):
            return f"{build}/lab/{path} is not there; make images"
    return None


def tidy(lab):
    """Whatever a failed test may have left behind."""
    lab.m.run("""
stop_all neighbour filler hold ping irqhop perf trace-cmd bpftrace
[ ! -d /sys/module/irqhop ] || rmmod irqhop
""", stage="tidying up after a failure")
    for name in list(lab.guests):
        lab.end_guest(name)


BOTH, PAIR = Lab.BOTH, Lab.PAIR
INJECTED = {"direct": False}
ACTS, INJECTED_ACTS = runner.machine("direct"), runner.machine("injected")
PRODUCTION = ("extra/irqhop.ko", "extra/bin/irqhop")
STORM = PRODUCTION + ("extra/irqhop-test.ko",)
TRACERS = STORM + ("tracers.ext4",)
TESTS = (
    Test("refusals", host.refusals, Lab.OWN, STORM,
         "hosts and VMs that irqhop does not work on are refused, and why"),
    Test("busy-pcpus", host.busy_pcpus, BOTH, (),
         "each condition of the demonstration keeps all pCPUs busy"),
    Test("neighbours-serve", host.neighbours_serve, BOTH, (),
         "neighbours that sleep and wake say how late they woke"),
    Test("errors", tool.errors, BOTH, STORM,
         "exit statuses, messages, and that a failure changes nothing"),
    Test("nothing-registered", host.nothing_registered, BOTH,
         STORM + ("bin/probes",),
         "no probe is on sched_switch while no VM is enabled"),
    Test("probe-cost", cost.probe_cost, BOTH, PRODUCTION + ("bin/switches",),
         "a context switch costs more only while a VM is enabled"),
    Test("verify", tool.verify, BOTH, STORM,
         "irqhop verify finds drift where there is some, and only there"),
    Test("state-times", vcpus.state_times, BOTH, STORM,
         "times in states add up, and are what the scheduler says"),
    Test("policies", policies.policies, BOTH, STORM,
         "each policy and return rule by what the ITS was told"),
    Test("max-hops", policies.max_hops, BOTH, STORM,
         "no more hops a second than allowed"),
    Test("summon", summon.summon, BOTH, STORM,
         "vCPUs that nobody runs are summoned, and get no more than their share"),
    Test("give-way", summon.give_way, BOTH, STORM,
         "vCPUs that spin give way before the tick, and no others"),
    Test("siblings", summon.siblings, BOTH, STORM,
         "who is summoned waits for another one of its VM in its kernel"),
    Test("spinning", summon.spinning, BOTH, STORM,
         "a guest whose vCPUs are summoned to spin for locks is left alone"),
    Test("summon-flood", summon.summon_flood, BOTH, STORM,
         "IPIs without end: few are summoned, the rest is counted"),
    Test("summon-pcpus", summon.summon_pcpus, BOTH, STORM,
         "pCPUs go and come while vCPUs are summoned"),
    Test("donate", donate.donate, BOTH, STORM,
         "who polls gets weight of a vCPU that spins, for as long as that is"),
    Test("let-go-move", faults.let_go_move, BOTH, STORM,
         "moves that are refused: irqhop lets go, all is home"),
    Test("let-go-slow", faults.let_go_slow, BOTH, STORM,
         "an ITS that does not answer: the same"),
    Test("let-go-table", faults.let_go_table, BOTH, STORM,
         "tables that contradict each other: the same"),
    Test("trace-irqhop", trace.irqhop, BOTH, STORM,
         "irqhop trace shows each hop"),
    Test("trace-perf", trace.perf, BOTH, TRACERS,
         "perf shows each hop"),
    Test("trace-cmd", trace.trace_cmd, BOTH, TRACERS,
         "trace-cmd shows each hop"),
    Test("trace-bpftrace", trace.bpftrace, BOTH, TRACERS,
         "bpftrace shows each hop"),
    Test("msi-exact-default", hops.msi_exact_default, BOTH, PRODUCTION,
         "default policy: as many handler runs as MSIs"),
    Test("disable-under-load", hops.disable_under_load, BOTH, STORM,
         "irqhop disable leaves every interrupt at home"),
    Test("unload-under-load", hops.unload_under_load, BOTH, STORM,
         "rmmod leaves every interrupt at home"),
    Test("user-space-vcpu", vcpus.user_space_vcpu, BOTH, STORM + ("bin/hold",),
         "a vCPU in user space gets nothing"),
    Test("msi-exact", hops.msi_exact, BOTH, STORM,
         "hops at every preemption, for long: as many handler runs as MSIs"),
    Test("away-reloaded", hops.away_reloaded, BOTH, STORM,
         "a guest's INVALL reaches interrupts that are away"),
    Test("vmm-killed", vms.vmm_killed, BOTH, STORM,
         "the VMM is killed while interrupts hop"),
    Test("second-vm", vms.second_vm, PAIR, STORM,
         "a VM that is not enabled is left alone"),
    Test("disable-beside", vms.disable_beside, PAIR, STORM,
         "a VM is disabled while another one stays enabled"),
    Test("two-vms", many.two_vms, PAIR, STORM,
         "two VMs are enabled at once, and both hop"),
    Test("mixed", injected.mixed, Lab.MIXED, STORM,
         "direct and injected interrupts in one guest"),
    Test("stuck", host.stuck, None, (),
         "how host and guests stand where a script does not end"),
    Test("clean-logs", host.clean_logs, None, (),
         "no kernel complains"),
    # These have machines of another kind, and look at their logs themselves.
    Test("many", many.many, Lab.OWN, STORM,
         "guests with 1, 2 and 16 vCPUs: all queues hop"),
    Test("injected", injected.injected, BOTH, STORM,
         "a host without GICv4: what KVM injects hops, and nothing is lost",
         INJECTED),
    Test("injected-vhost", injected.vhost, injected.GUEST_VIRTIO, STORM,
         "the same for virtio devices, with vhost in the host's kernel",
         INJECTED),
    Test("save-restore", injected.save_restore, injected.GUEST_VIRTIO, STORM,
         "a guest with injected interrupts is saved and restored", INJECTED),
    Test("guest-acts", storm.guest_acts, BOTH, STORM,
         "whatever the guest does to its interrupts: as many runs as MSIs",
         ACTS),
    Test("host-acts", storm.host_acts, BOTH, STORM,
         "whatever the host does to the guest: the same", ACTS),
    Test("storm", storm.short, BOTH, STORM,
         "a short storm of all that; STORM_SEED=X: another one", ACTS),
)

# Too long for each change: only if they are named.
LONG = (
    Test("in-handler", storm.in_handler, Lab.OWN, STORM,
         "vCPUs preempted in handlers: what a guest before 6.6 would lose"),
    Test("injected-guest-acts", injected.guest_acts, BOTH, STORM,
         "whatever the guest does to injected interrupts", INJECTED_ACTS),
    Test("injected-host-acts", injected.host_acts, BOTH, STORM,
         "whatever the host does to their guest", INJECTED_ACTS),
    Test("mixed-guest-acts", injected.mixed_guest_acts, Lab.MIXED, STORM,
         "whatever a guest with both kinds does to its interrupts", ACTS),
    Test("mixed-host-acts", injected.mixed_host_acts, Lab.MIXED, STORM,
         "whatever the host does to it", ACTS),
    # It boots a guest of its own.
    Test("kdump-stuck", kdump.stuck, {}, STORM,
         "a crash kernel beside a vCPU that it cannot stop: none hops there"),
)

# Of two parts the second, which goes on beside the other one and behind the
# suites of make test that need no emulated host.
SECOND_PART = ("refusals", "many", "guest-acts", "host-acts", "storm",
               "injected-vhost", "save-restore")


def part(number):
    """The tests of one of the two parts."""
    return tuple(test for test in TESTS
                 if (test.name in SECOND_PART) == (number == 2))
