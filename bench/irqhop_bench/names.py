# SPDX-License-Identifier: GPL-2.0-only
"""What the works and conditions of `make bench` are called, in one place.

A work or a condition that is not here is shown by the name it has.
"""

from collections import namedtuple

# measure: what is compared first. per: what one operation is.
Work = namedtuple("Work", "title plain measure")
WORKS = {
    "ping": Work("Ping", "network round trip (ping)", "latency"),
    "tcp-rr": Work("TCP request/response", "TCP request/response without "
                   "pauses", "latency"),
    "tcp-rr-paced": Work("TCP request/response, paced",
                         "TCP request/response with pauses", "latency"),
    "udp-rr": Work("UDP request/response", "UDP request/response", "latency"),
    "stream-in": Work("TCP stream in", "TCP stream to the guest",
                      "throughput"),
    "stream-out": Work("TCP stream out", "TCP stream from the guest",
                       "throughput"),
    "apache-c1": Work("Apache, 1 at a time", "Apache, one request at a time",
                      "latency"),
    "apache-c8": Work("Apache, 8 at a time", "Apache, 8 requests at a time",
                      "latency"),
    "apache-c32": Work("Apache, 32 at a time", "Apache, 32 requests at a "
                       "time", "latency"),
    "memcached": Work("memcached", "memcached, get", "latency"),
    "nvme-read-d1": Work("Disk read, depth 1", "4 KiB disk reads, one at a "
                         "time", "latency"),
    "nvme-read-d4": Work("Disk read, depth 4", "4 KiB disk reads, 4 at a "
                         "time", "latency"),
    "nvme-read-d32": Work("Disk read, depth 32", "4 KiB disk reads, 32 at a "
                          "time", "latency"),
    "nvme-write-d1": Work("Disk write, depth 1", "4 KiB disk writes, one at "
                          "a time", "latency"),
    "nvme-write-d4": Work("Disk write, depth 4", "4 KiB disk writes, 4 at a "
                          "time", "latency"),
    "nvme-write-d32": Work("Disk write, depth 32", "4 KiB disk writes, 32 at "
                           "a time", "latency"),
    "nvme-seq": Work("Disk, sequential", "128 KiB sequential disk reads",
                     "throughput"),
    "nvme-read-d1-20us": Work("Disk read, depth 1, 20 us device",
                              "4 KiB disk reads, one at a time, from a disk "
                              "that takes 20 us", "latency"),
    "nvme-read-d1-80us": Work("Disk read, depth 1, 80 us device",
                              "4 KiB disk reads, one at a time, from a disk "
                              "that takes 80 us", "latency"),
}

# group: the reference, irqhop's own, or what operators do without it.
Condition = namedtuple("Condition", "title group")
CONDITIONS = {
    "alone": Condition("alone (no overcommit)", "reference"),
    "off": Condition("off (stock)", "reference"),
    "home": Condition("null control (policy home)", "control"),
    "summon": Condition("irqhop, summon", "irqhop"),
    "recent": Condition("irqhop, recent (redirect alone)", "irqhop"),
    "donate": Condition("irqhop, donate", "irqhop"),
    "spread": Condition("irqhop, spread", "irqhop"),
    "sticky": Condition("irqhop, sticky", "irqhop"),
    "fifo": Condition("vCPUs at SCHED_FIFO", "today"),
    "rr": Condition("vCPUs at SCHED_RR", "today"),
    "nice": Condition("vCPUs at nice -20", "today"),
    "slice": Condition("shorter slice", "today"),
    "haltpoll": Condition("halt polling", "today"),
    "irqbalance": Condition("irqbalance in the guest", "today"),
    "queues": Condition("more queues", "today"),
    "queues-summon": Condition("irqhop, summon, more queues", "irqhop"),
}

# Okabe and Ito's palette: told apart by colour-blind readers too.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


def work_title(work):
    """A heading for a work."""
    return WORKS[work].title if work in WORKS else work


def work_plain(work):
    """The same within a sentence."""
    return WORKS[work].plain if work in WORKS else work


def measure(work):
    """What a work is first compared by: latency or throughput."""
    return WORKS[work].measure if work in WORKS else "latency"


def condition_title(condition):
    """A condition's name in tables and beside bars."""
    known = CONDITIONS.get(condition)
    return known.title if known else condition


def default_policy(seen):
    """Which of these conditions is meant by irqhop, where nobody says: the
    first that there is of irqhop's own."""
    own = [name for name, known in CONDITIONS.items()
           if known.group == "irqhop" and name in seen]
    return own[0] if own else "summon"


def group(condition):
    """Whose a condition is; one that is not known is irqhop's (a policy)."""
    known = CONDITIONS.get(condition)
    return known.group if known else "irqhop"


def _rank(name, known):
    """In the order above; what is not there comes last, by name."""
    order = list(known)
    return (order.index(name) if name in order else len(order), name)


def work_order(work):
    """Sort key."""
    return _rank(work, WORKS)


def condition_order(condition):
    """Sort key."""
    return _rank(condition, CONDITIONS)
