# SPDX-License-Identifier: GPL-2.0-only
"""Which cells make bench measures: data, and how it is ordered.

A cell is a work under a load on a kind of machine in a condition. Cells that
differ in nothing but the condition make a group, and are measured one right
after the other, in every round.
"""

import collections
import itertools

import conditions

Cell = collections.namedtuple(
    "Cell", "work overcommit vcpus path neighbours condition")
# more: what else the machine has, of lab/machine.py's options.
Kind = collections.namedtuple("Kind", "path vcpus more")
Rows = collections.namedtuple(
    "Rows", "works conditions overcommit vcpus path neighbours",
    defaults=((3,), (4,), ("direct",), ("spin",)))

NET = ("ping", "tcp-rr", "tcp-rr-paced", "udp-rr", "stream-in", "stream-out",
       "apache-c1", "apache-c8", "apache-c32", "memcached")
DISK = ("nvme-read-d1", "nvme-read-d4", "nvme-read-d32", "nvme-write-d1",
        "nvme-write-d4", "nvme-write-d32", "nvme-seq")
ALL = NET + DISK
POLICIES = ("recent", "summon", "donate", "spread", "sticky")
OPERATORS = ("rr", "nice", "slice", "haltpoll", "irqbalance",
             "queues", "queues-summon")
MOST = ("ping", "tcp-rr", "tcp-rr-paced", "stream-in", "stream-out",
        "apache-c1", "apache-c8", "nvme-read-d1")
MORE = ("apache-c32", "memcached")
KEY = ("ping", "tcp-rr-paced", "stream-in", "apache-c1", "nvme-read-d1")

# Under 40 minutes on two CPUs.
SUBSET = (
    Rows(MOST, ("alone",), (1,)),
    Rows(MOST, ("off", "recent", "summon")),
    Rows(MORE, ("alone",), (1,)),
    Rows(MORE, ("off", "summon")),
    Rows(("ping", "nvme-read-d1"), ("home",)),
    Rows(KEY, ("off", "summon", "donate"), (4,)),
    Rows(("stream-in",), ("donate",)),
    Rows(("ping", "apache-c1"), ("rr", "nice", "slice", "irqbalance")),
    Rows(("ping", "apache-c1"), ("off", "summon"), neighbours=("server",)),
)
FULL = (
    Rows(ALL, ("alone",), (1,), (2, 4), ("direct", "injected")),
    Rows(ALL, ("off", "home", *POLICIES), (2, 3, 4)),
    Rows(ALL, ("off", "recent", "summon"), (3, 4), (2, 8)),
    Rows(ALL, ("off", "recent", "summon"), (3, 4), path=("injected",)),
    Rows(KEY, ("off", "recent", "summon"), (3, 4), neighbours=("server",)),
    Rows(KEY, OPERATORS, (3, 4)),
    Rows(("ping",), ("fifo",)),
    Rows(KEY, OPERATORS, (3,), neighbours=("server",)),
)


def cells(plan):
    """The cells of a plan's rows, each once."""
    found = {}
    for rows in plan:
        for overcommit, vcpus, path, neighbours, work, condition in \
                itertools.product(rows.overcommit, rows.vcpus, rows.path,
                                  rows.neighbours, rows.works,
                                  rows.conditions):
            found[Cell(work, overcommit, vcpus, path, neighbours,
                       condition)] = None
    return list(found)


def name(cell):
    """A cell's name, and that of its files."""
    return (f"{cell.work}-{cell.overcommit}-{cell.vcpus}-{cell.path}-"
            f"{cell.neighbours}-{cell.condition}")


def kind(cell):
    """What kind of machine a cell wants."""
    return Kind(cell.path, cell.vcpus,
                conditions.CONDITIONS[cell.condition].machine)


def machines(found):
    """{kind of machine: [[cells of a group]]}, groups of a load together."""
    kinds = {}
    for cell in found:
        group = cell._replace(condition="")
        kinds.setdefault(kind(cell), {}).setdefault(group, []).append(cell)
    return {one: list(groups.values()) for one, groups in kinds.items()}


def dealt(groups, count):
    """The groups, dealt out to so many workers; a group and its reference
    (the same work, alone) stay together."""
    hands = [[] for _ in range(count)]
    order = list(dict.fromkeys(group[0].work for group in groups))
    for group in groups:
        hands[order.index(group[0].work) % count].append(group)
    return hands


def rotated(group, number):
    """A group's cells in the order of this round: nobody is always first."""
    first = (number - 1) % len(group)
    return group[first:] + group[:first]
