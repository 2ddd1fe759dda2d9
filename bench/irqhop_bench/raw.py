# SPDX-License-Identifier: GPL-2.0-only
"""Read what the runner left, and refuse what cannot be right.

RAW/run.json
RAW/<round>/<work>-<overcommit>-<condition>/{cell.json,ops.csv,running.csv}

<round> is a number; a directory with any other name beside it is not a
round and is left alone.  Each problem is a RawError that names the file.
"""

import json
import os
import re
from dataclasses import dataclass

from .path import PATHS
from .stats import HIST_BUCKETS

WORKS = ("ping", "nvme")
OVERCOMMITS = (1, 3, 4, 6)
CONDITIONS = ("alone", "off", "home", "on")
VERSIONS = ("qemu", "host_kernel", "guest_kernel")

STAT_COUNTS = ("hops", "returns", "failed", "stranded", "in_handler",
               "held_back", "preemptions", "cost_max_ns", "cost_sum_ns")

# One thread cannot be on two pCPUs.  Events of two pCPUs may be some ns out
# of order, but not more than this.
OVERLAP_NS = 1000

_CELL_NAME = re.compile(r"(%s)-(%s)-(%s)" % (
    "|".join(WORKS), "|".join(map(str, OVERCOMMITS)), "|".join(CONDITIONS)))


class RawError(Exception):
    """Raw data that is missing or cannot be right; says which file."""


@dataclass
class Cell:
    """One cell of one round."""

    path: str
    meta: dict
    sends: list      # ns, host clock
    latencies: list  # ns, same order
    running: dict    # vCPU -> ascending [(start_ns, end_ns)]

    @property
    def key(self):
        """What makes it the same cell as another round's."""
        return (self.meta["work"], self.meta["overcommit"],
                self.meta["condition"])

    @property
    def round(self):
        return self.meta["round"]

    @property
    def window(self):
        """First and last moment that the scheduler's record covers."""
        spans = [span for spans in self.running.values() for span in spans]
        return min(s for s, _ in spans), max(e for _, e in spans)

    @property
    def duration_ns(self):
        """How long its counters counted, as far as is known.

        The runner may say so; otherwise the scheduler's record "covers the
        cell", and its length stands in.
        """
        start, end = self.window
        return self.meta.get("duration_ns") or end - start


@dataclass
class Run:
    """All of RAW."""

    meta: dict
    cells: list
    missing: list  # directories that other rounds have and this one has not

    @property
    def rounds(self):
        return sorted({cell.round for cell in self.cells})

    def by_key(self):
        """Cells of the same key, by round; keys in the report's order."""
        keys = sorted({cell.key for cell in self.cells}, key=key_order)
        return {key: sorted((c for c in self.cells if c.key == key),
                            key=lambda c: c.round) for key in keys}


def key_order(key):
    """Sort by work, overcommit, condition in the order we speak of them."""
    work, overcommit, condition = key
    return WORKS.index(work), overcommit, CONDITIONS.index(condition)


def alone_key(keys, work, overcommit):
    """The alone cell to compare with: of the same overcommit, if any."""
    same = (work, overcommit, "alone")
    return same if same in keys else (work, 1, "alone")


def _json(path):
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise RawError("%s: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise RawError("%s: not JSON: %s" % (path, error)) from error
    if not isinstance(data, dict):
        raise RawError("%s: not a JSON object" % path)
    return data


def _is_count(value):
    return (isinstance(value, int) and not isinstance(value, bool)
            and value >= 0)


def _need(path, where, key, test, what):
    if key not in where:
        raise RawError("%s: %s is missing" % (path, key))
    if not test(where[key]):
        raise RawError("%s: %s is %r, not %s" % (path, key, where[key], what))


def _check_stat(path, stat):
    for key in STAT_COUNTS:
        _need(path, stat, key, _is_count, "a count")
    _need(path, stat, "cost_hist",
          lambda h: isinstance(h, list) and len(h) == HIST_BUCKETS
          and all(map(_is_count, h)), "a list of %d counts" % HIST_BUCKETS)


def _check_cell(path, meta, name, number, vcpus):
    """The cell says what its directory says, and nothing impossible."""
    for key, values in (("work", WORKS), ("overcommit", OVERCOMMITS),
                        ("condition", CONDITIONS), ("round", (number,))):
        _need(path, meta, key, values.__contains__,
              " or ".join(map(str, values)))
    if name != "%(work)s-%(overcommit)s-%(condition)s" % meta:
        raise RawError("%s: is about another cell than its directory" % path)

    def is_vcpu(value):
        return _is_count(value) and value < vcpus

    _need(path, meta, "home_vcpu", is_vcpu, "a vCPU")
    _need(path, meta, "reader_vcpu", lambda v: v is None or is_vcpu(v),
          "a vCPU or null")
    _need(path, meta, "eligible_vcpus",
          lambda v: isinstance(v, list) and v and all(map(is_vcpu, v)),
          "a list of vCPUs")
    _need(path, meta, "guest_interrupts_by_vcpu",
          lambda v: isinstance(v, list) and len(v) == vcpus
          and all(map(_is_count, v)), "a list of %d counts" % vcpus)
    for key in ("busy_pcpus", "host_vfio_interrupts", "host_work_interrupts",
                "io_timeouts"):
        _need(path, meta, key, _is_count, "a count")
    _need(path, meta, "msis_sent", lambda v: v is None or _is_count(v),
          "a count or null")
    _need(path, meta, "stat", lambda v: v is None or isinstance(v, dict),
          "an object or null")
    if meta["stat"] is not None:
        _check_stat(path, meta["stat"])


def _csv(path, header):
    """Yield (line number, integers) of a CSV file with this header."""
    columns = header.count(",") + 1
    try:
        with open(path, encoding="ascii") as file:
            first = file.readline().strip()
            if first != header:
                raise RawError("%s:1: header is %r, not %r"
                               % (path, first, header))
            for number, line in enumerate(file, 2):
                fields = line.strip().split(",")
                if len(fields) != columns:
                    raise RawError("%s:%d: %d fields, not %d (cut short?)"
                                   % (path, number, len(fields), columns))
                yield number, [int(field) for field in fields]
    except OSError as error:
        raise RawError("%s: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise RawError("%s: not a table of integers: %s"
                       % (path, error)) from error


def _read_ops(path):
    sends, latencies = [], []
    for number, (send, latency) in _csv(path, "send_ns,latency_ns"):
        if latency <= 0:
            raise RawError("%s:%d: latency %d" % (path, number, latency))
        sends.append(send)
        latencies.append(latency)
    if not sends:
        raise RawError("%s: no operations" % path)
    return sends, latencies


def _read_running(path, vcpus):
    running = {}
    for number, (start, end, vcpu) in _csv(path, "start_ns,end_ns,vcpu"):
        if end < start:
            raise RawError("%s:%d: ends before it starts" % (path, number))
        if not 0 <= vcpu < vcpus:
            raise RawError("%s:%d: no vCPU %d" % (path, number, vcpu))
        if end > start:
            running.setdefault(vcpu, []).append((start, end))
    if not running:
        raise RawError("%s: no intervals" % path)
    for vcpu, spans in running.items():
        spans.sort()
        for (_, end), (start, _) in zip(spans, spans[1:]):
            if end - start > OVERLAP_NS:
                raise RawError("%s: vCPU %d is twice on a pCPU at %d ns"
                               % (path, vcpu, start))
    return running


def _read_cell(path, name, number, vcpus):
    file = os.path.join(path, "cell.json")
    meta = _json(file)
    _check_cell(file, meta, name, number, vcpus)
    sends, latencies = _read_ops(os.path.join(path, "ops.csv"))
    running = _read_running(os.path.join(path, "running.csv"), vcpus)
    return Cell(path, meta, sends, latencies, running)


def _subdirectories(path):
    try:
        with os.scandir(path) as entries:
            return sorted(e.name for e in entries if e.is_dir())
    except OSError as error:
        raise RawError("%s: %s" % (path, error.strerror)) from error


def _read_run_json(path):
    meta = _json(path)
    _need(path, meta, "versions", lambda v: isinstance(v, dict), "an object")
    for key in VERSIONS:
        _need(path, meta["versions"], key, lambda v: isinstance(v, str),
              "a string")
    _need(path, meta, "path", PATHS.__contains__, " or ".join(PATHS))
    _need(path, meta, "vcpus", lambda v: _is_count(v) and v, "a number")
    _need(path, meta, "wall_s",
          lambda v: isinstance(v, (int, float)) and v >= 0, "a time")
    return meta


def _find_missing(root, cells):
    """Directories that a round lacks though another round has them."""
    keys = {cell.key for cell in cells}
    have = {(cell.round, cell.key) for cell in cells}
    return [os.path.join(root, str(number), "%s-%d-%s" % key)
            for number in sorted({cell.round for cell in cells})
            for key in sorted(keys, key=key_order)
            if (number, key) not in have]


def _check_references(root, cells):
    """Nothing can be said about a work without its alone cell."""
    keys = {cell.key for cell in cells}
    for work, overcommit, _ in sorted(keys):
        if alone_key(keys, work, overcommit) not in keys:
            raise RawError("%s: no round has a cell %s-1-alone"
                           % (root, work))


def read(root, partial=False):
    """Read all of RAW; `partial` takes rounds that lack cells."""
    meta = _read_run_json(os.path.join(root, "run.json"))
    cells = []
    for number in filter(str.isdigit, _subdirectories(root)):
        for name in _subdirectories(os.path.join(root, number)):
            path = os.path.join(root, number, name)
            if not _CELL_NAME.fullmatch(name):
                raise RawError("%s: not the name of a cell" % path)
            cells.append(_read_cell(path, name, int(number), meta["vcpus"]))
    if not cells:
        raise RawError("%s: no cells" % root)
    missing = _find_missing(root, cells)
    if missing and not partial:
        raise RawError("%s: missing, though another round has it "
                       "(--partial goes on without)" % missing[0])
    _check_references(root, cells)
    return Run(meta, cells, missing)
