# SPDX-License-Identifier: GPL-2.0-only
"""Read what `make bench` left: a JSON file per cell and round.

DIR/meta.json                       optional: versions, date, what was asked
DIR/cells/<cell-id>.<round>.json    a cell of a round (bench/cell.schema.json)
DIR/cells/<cell-id>.<round>.ops.gz  optional: "start_ns latency_ns" lines
DIR/cells/<cell-id>.<round>.oracle.gz   optional: the same with the latency
                                    that the oracle gives the operation
DIR/where/<cell-id>.json            optional: a traced cell (bench/where.py)

A run may have been cut short, and a report of what is there is wanted then
too: a file that cannot be used is left out, and said so.
"""

import gzip
import json
import os
import re
from collections import namedtuple
from dataclasses import dataclass, field

from . import names, split

Key = namedtuple("Key", "work overcommit vcpus path neighbours condition")
_TYPES = (str, int, int, str, str, str)
DEFAULTS = {"vcpus": 4, "path": "direct", "neighbours": "spin"}
_NAME = re.compile(r"(?P<id>.+)\.(?P<round>\d+)\.json")
FIGURES = ("p50", "p90", "p99", "p999", "max", "mean")


@dataclass
class Measured:
    """One cell of one round."""

    key: Key
    name: str             # the cell's id
    round: int
    data: dict
    latencies: list = None   # ns, in the order they were sent; None: no file
    oracle: list = None      # ns, the same


@dataclass
class Bench:
    """All that a run left."""

    meta: dict
    cells: list
    where: dict           # Key -> a traced cell
    problems: list = field(default_factory=list)

    def by_key(self):
        """{Key: [Measured by round]} in the report's order."""
        groups = {}
        for cell in sorted(self.cells, key=lambda c: c.round):
            groups.setdefault(cell.key, []).append(cell)
        return {key: groups[key] for key in sorted(groups, key=order)}


def order(key):
    """Sort keys in the order that one speaks of them."""
    return (names.work_order(key.work), key.path, key.vcpus, key.neighbours,
            key.overcommit, names.condition_order(key.condition))


def key_of(data):
    """The Key of a cell file's data; ValueError if it has none."""
    cell = data.get("cell") if isinstance(data, dict) else None
    if not isinstance(cell, dict):
        raise ValueError("no \"cell\"")
    cell = {**DEFAULTS, **cell}
    missing = [name for name in Key._fields if name not in cell]
    if missing:
        raise ValueError("\"cell\" has no %s" % missing[0])
    bad = [name for name, kind in zip(Key._fields, _TYPES)
           if not isinstance(cell[name], kind)]
    if bad:
        raise ValueError("%s is %r" % (bad[0], cell[bad[0]]))
    return Key(*(cell[name] for name in Key._fields))


def _json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _check(data):
    """What all that follows relies on."""
    if "error" in data:
        raise ValueError("it failed: %s"
                         % str(data["error"]).strip().partition("\n")[0])
    latency = data.get("latency")
    if latency is not None:
        missing = [f for f in FIGURES
                   if not isinstance(latency.get(f), (int, float))]
        if missing:
            raise ValueError("\"latency\" has no %s" % missing[0])
        if not data.get("n"):
            raise ValueError("latencies of no operations")
    through = data.get("throughput")
    if through is not None and not (
            isinstance(through.get("value"), (int, float))
            and isinstance(through.get("unit"), str)):
        raise ValueError("\"throughput\" has no value or no unit")


def _check_where(data):
    """The same for a traced cell."""
    waits = data.get("split")
    if waits is not None and not all(
            isinstance(waits.get(name), (int, float)) and waits[name] >= 0
            for name in split.WAITS):
        raise ValueError("\"split\" lacks a wait, or has one below zero")
    line = data.get("timeline")
    if line is not None and not {"length_us", "latency_us", "vcpus", "waits",
                                 "marks"} <= line.keys():
        raise ValueError("\"timeline\" lacks a key")
    return {name: data.get(name) for name in (
        "n", "slow", "over_us", "mean_us", "split", "none_ran_us", "oracle",
        "timeline")}


def _ops(path):
    """Latencies in ns; None if there is no such file."""
    if not os.path.exists(path):
        return None
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = sorted(tuple(map(int, line.split()[:2]))
                      for line in file if line.strip())
    return [latency for _, latency in rows] or None


def _listing(path):
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def _cell(directory, match):
    stem = os.path.join(directory, match[0][:-len(".json")])
    data = _json(stem + ".json")
    key = key_of(data)
    _check(data)
    return Measured(key, match["id"], int(match["round"]), data,
                    _ops(stem + ".ops.gz"), _ops(stem + ".oracle.gz"))


def read(root):
    """Everything usable below a directory."""
    bench = Bench({}, [], {})
    cells = os.path.join(root, "cells")
    where = os.path.join(root, "where")

    def use(name, work):
        try:
            work()
        except (OSError, EOFError, ValueError, AttributeError,
                TypeError) as error:
            bench.problems.append("%s is left out: %s" % (name, error))

    def add_where(name):
        data = _json(os.path.join(where, name))
        bench.where[key_of(data)] = _check_where(data)

    for name in _listing(cells):
        match = _NAME.fullmatch(name)
        if match:
            use(name, lambda m=match: bench.cells.append(_cell(cells, m)))
    for name in _listing(where):
        if name.endswith(".json"):
            use(name, lambda n=name: add_where(n))
    if os.path.exists(os.path.join(root, "meta.json")):
        use("meta.json", lambda: bench.meta.update(
            _json(os.path.join(root, "meta.json"))))
    return bench
