# SPDX-License-Identifier: GPL-2.0-only
"""Put everything together as result.json (schema irqhop-result/1).

Pooling: a cell's figures are taken over the operations of all its rounds
together, so that a p99 has as many operations behind it as there are; n is
their total.  A round with more operations weighs more.  "rounds" in each
cell has the same figures per round, and shares of the penalty are computed
per round (see penalty).  The host's counters are added up.

One instruction is 1 ns of virtual time, so a hop's cost in ns is its cost in
instructions.  All pCPUs share that clock: when a pCPU's turn ends within a
move, the cost has other pCPUs' turns in it.  The maximum surely does; the
median (of the 64 ns histogram, see stats) hardly.

Lost, per cell and round: max(0, MSIs sent - handler runs) where the device's
trace says what was sent, plus I/O time-outs.  An MSI that is both missing and
timed out counts twice, and MSIs of ping may merge, which counts as lost
here: an upper bound.  Doubled, per cell and round of nvme only (depth 1 on one
queue, where the counts must be equal): handler runs beyond MSIs sent and
resends that the guest counted ("resends" in cell.json, if the runner has it).
"""

from . import oracle, path, penalty, slow, stats
from .raw import VERSIONS, alone_key

SCHEMA = "irqhop-result/1"
SUMS = ("hops", "returns", "failed", "stranded", "in_handler", "held_back",
        "preemptions", "cost_sum_ns")
# Fewer operations in a round than this, and its p99 is as good as its maximum.
FEW = 100


def alone_medians(groups):
    """Median round trip in ns of each alone cell, over all its rounds."""
    return {key: stats.percentile(
                sorted(ns for cell in cells for ns in cell.latencies), 50)
            for key, cells in groups.items() if key[2] == "alone"}


def handler_runs(cell):
    return sum(cell.meta["guest_interrupts_by_vcpu"])


def lost(cell):
    """Upper bound of the interrupts that a cell lost."""
    sent = cell.meta["msis_sent"]
    short = 0 if sent is None else max(0, sent - handler_runs(cell))
    return short + cell.meta["io_timeouts"]


def doubled(cell):
    """Interrupts that a cell handled twice; None where that can't be told."""
    sent = cell.meta["msis_sent"]
    if sent is None or cell.meta["work"] != "nvme":
        return None
    return max(0, handler_runs(cell) - sent - cell.meta.get("resends", 0))


def _sum_known(values):
    """Sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def interrupts(cells):
    """Where the interrupts of one cell's rounds went."""
    return {
        "by_vcpu": [sum(column) for column in zip(
            *(c.meta["guest_interrupts_by_vcpu"] for c in cells))],
        "host_vfio": sum(c.meta["host_vfio_interrupts"] for c in cells),
        "host_work": sum(c.meta["host_work_interrupts"] for c in cells),
        "msis_sent": (None if any(c.meta["msis_sent"] is None for c in cells)
                      else sum(c.meta["msis_sent"] for c in cells)),
        "io_timeouts": sum(c.meta["io_timeouts"] for c in cells),
        "lost": sum(map(lost, cells)),
        "doubled": _sum_known(map(doubled, cells)),
    }


def moves(cells):
    """The module's counters of some cells as one; None if it had none."""
    have = [cell for cell in cells if cell.meta["stat"] is not None]
    if not have:
        return None
    all_stat = [cell.meta["stat"] for cell in have]
    hist = stats.add_histograms(stat["cost_hist"] for stat in all_stat)
    out = {name: sum(stat[name] for stat in all_stat) for name in SUMS}
    out["measured"] = sum(hist)
    out["median_instructions"] = stats.histogram_median(hist)
    out["max_instructions"] = (max(s["cost_max_ns"] for s in all_stat)
                               if sum(hist) else None)
    seconds = sum(cell.duration_ns for cell in have) / 1e9
    out["seconds"] = round(seconds, 6)
    out["hops_per_s"] = round(out["hops"] / seconds, 3)
    return out


def cell_entry(key, cells, alone_ns, share):
    """One entry of "cells": all rounds pooled, and each by itself."""
    work, overcommit, condition = key
    oracles = [oracle.consult(cell, alone_ns, share) for cell in cells]
    out = {"work": work, "overcommit": overcommit, "condition": condition}
    out.update(stats.summary([ns for c in cells for ns in c.latencies]))
    out.update(oracle.pool(oracles).summary())
    out["oracle_mean_range_us"] = oracle.mean_range_us(cells, alone_ns)
    out["none_ran"] = oracle.none_ran(cells)
    out["slow"] = slow.entry(cells, alone_ns, share)
    out["rounds"] = [
        {"round": cell.round, **stats.summary(cell.latencies),
         **one.summary()} for cell, one in zip(cells, oracles)]
    out["interrupts"] = interrupts(cells)
    out["moves"] = moves(cells)
    out["busy_pcpus"] = sorted({c.meta["busy_pcpus"] for c in cells})
    for name in ("home_vcpu", "reader_vcpu"):
        values = [c.meta[name] for c in cells]
        out[name] = values[0] if len(set(values)) == 1 else None
    out["eligible_vcpus"] = sorted(
        {v for c in cells for v in c.meta["eligible_vcpus"]})
    return out


def hops_entry(run):
    """Top-level "hops": every cell in which the module was loaded."""
    out = {"count": 0, "returns": 0, "failed": 0,
           "median_instructions": None, "max_instructions": None}
    total = moves(run.cells)
    if total:
        out.update(total)
        out["count"] = out.pop("hops")
        # Over cells that hop and cells that don't, a rate says nothing.
        del out["seconds"], out["hops_per_s"]
    return out


def direct_entry(run):
    """Top-level "direct": what shows whether it was, on either path."""
    total = interrupts(run.cells)
    return {"host_vfio_interrupts": total["host_vfio"],
            "guest_interrupts": sum(total["by_vcpu"]),
            "guest_interrupts_by_vcpu": total["by_vcpu"]}


def oracle_cells(run, shares):
    """The pooled oracle of every `on` cell, for the picture."""
    groups = run.by_key()
    alone = alone_medians(groups)
    return {key: oracle.pool(
                [oracle.consult(c, alone[alone_key(groups, *key[:2])],
                                shares[key[0]]) for c in cells])
            for key, cells in groups.items() if key[2] == "on"}


def _warn_cell(cell):
    """What puts one cell in doubt."""
    name = "%(work)s-%(overcommit)s-%(condition)s" % cell
    few = [r for r in cell["rounds"] if r["n"] < FEW]
    if few:
        yield ("%s: under %d operations in %d of %d rounds: their p99 is "
               "little more than their maximum"
               % (name, FEW, len(few), len(cell["rounds"])))
    if cell["oracle_mean_us"] is None:
        yield ("%s: no oracle: running.csv does not cover %d of %d operations"
               % (name, cell["oracle_unknown"], cell["n"]))
    elif cell["mean_us"] < 0.95 * cell["oracle_mean_us"]:
        yield ("%s: the mean is over 5 %% below the oracle's, which should "
               "be a limit: its fixed time does not fit" % name)
    if cell["condition"] == "alone":
        if cell["mean_us"] > 2 * cell["p50_us"]:
            yield ("%s: the mean is over twice the p50: not a quiet "
                   "reference" % name)
    if cell["condition"] != "on":
        yield from _warn_not_home(name, cell)


def _warn_not_home(name, cell):
    """Without irqhop (or with policy home) interrupts stay at home."""
    by_vcpu, home = cell["interrupts"]["by_vcpu"], cell["home_vcpu"]
    if home is None:
        yield "%s: its rounds differ in home vCPU" % name
    elif sum(by_vcpu) - by_vcpu[home] > 0.01 * sum(by_vcpu):
        yield ("%s: %d of %d interrupts were not taken at home (vCPU %d)"
               % (name, sum(by_vcpu) - by_vcpu[home], sum(by_vcpu), home))
    if cell["moves"] and cell["moves"]["hops"]:
        yield ("%s: %d hops where there should be none"
               % (name, cell["moves"]["hops"]))


def warnings(run, cells):
    """Everything found that puts the figures in doubt, one line each."""
    out = ["missing: %s" % directory for directory in run.missing]
    busy = {n for cell in cells for n in cell["busy_pcpus"]}
    if len(busy) > 1:
        out.append("busy pCPUs differ between cells (%s): they compare "
                   "different machines" % ", ".join(map(str, sorted(busy))))
    out += path.warnings(run.meta["path"], run.cells)
    for cell in cells:
        out += _warn_cell(cell)
    return out


def build(run, shares):
    """result.json from a raw.Run; shares are the one-way shares by work."""
    groups = run.by_key()
    alone = alone_medians(groups)
    cells = [cell_entry(key, group, alone[alone_key(groups, *key[:2])],
                        shares[key[0]]) for key, group in groups.items()]
    unknown = sum(c.meta["msis_sent"] is None for c in run.cells)
    versions = {name: str(run.meta["versions"][name]) for name in VERSIONS}
    versions.update((k, str(v)) for k, v in run.meta["versions"].items())
    return {
        "schema": SCHEMA,
        "emulated": True,
        "versions": versions,
        "vcpus": run.meta["vcpus"],
        "cells": cells,
        "penalty": penalty.compute(cells),
        "hops": hops_entry(run),
        "path": path.entry(run.meta["path"], run.cells),
        "direct": direct_entry(run),
        "lost": sum(map(lost, run.cells)),
        "doubled": sum(filter(None, map(doubled, run.cells))),
        "wall_s": run.meta["wall_s"],
        "pooling": "cells: all rounds' operations together; penalty: per "
                   "round, then the median of the rounds",
        "rounds": run.rounds,
        "one_way_share": {work: shares[work]
                          for work in sorted({key[0] for key in groups})},
        "msis_unknown": {"cells": unknown, "of": len(run.cells)},
        "warnings": warnings(run, cells),
        "lab": run.meta.get("lab", {}),
        "started": run.meta.get("started"),
    }
