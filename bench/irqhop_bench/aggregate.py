# SPDX-License-Identifier: GPL-2.0-only
"""Put a run of `make bench` together as result.json (irqhop-bench/1).

Latency: over the operations of all rounds together, where each round has left
them; otherwise the mean weighted by n, and of each other figure the median of
the rounds' (the highest of their maxima). Throughput and shares: the mean of
the rounds.

Changes are against the same cell with irqhop off, in per cent. Worse by more
than noise is: of a mean, that the bootstrap interval of its change lies on the
wrong side of zero; of any other figure, that the best of at least three rounds
is worse than the worst of off's. The neighbours' share of the CPU has a
tolerance of its own, LOSS per cent.
"""

from . import bootstrap, names, penalty, split, stats, targets

SCHEMA = "irqhop-bench/1"
PERCENTILES = {"p50": 500, "p90": 900, "p99": 990, "p999": 999}
# Fewer rounds than this do not tell how far rounds differ by chance.
ENOUGH_ROUNDS = 3
# So many cells are named where many are missing.
NAMED = 5
# So much of their share, in per cent, the neighbours may lose.
LOSS = 1.0
COUNTERS = ("hops", "returns", "stranded", "in_handler", "held_back",
            "summons", "summons_held", "preemptions", "failed")


def _us(ns):
    return round(ns / 1000, 3)


def summary(latencies):
    """The figures of latencies in ns, in us."""
    ordered = sorted(latencies)
    out = {name: _us(stats.quantile(ordered, part, 1000))
           for name, part in PERCENTILES.items()}
    return {**out, "max": _us(ordered[-1]), "mean": _us(stats.mean(ordered))}


def _known(values):
    return [value for value in values if value is not None]


def _mean_known(values):
    return stats.mean(_known(values))


def latency(cells):
    """A cell's pooled latency figures, and from what; None if it has none."""
    have = [c for c in cells if c.data.get("latency")]
    if not have:
        return None
    if all(c.latencies for c in have):
        out = summary([ns for c in have for ns in c.latencies])
        return {**out, "from": "operations"}
    weights = [c.data["n"] for c in have]
    out = {name: stats.median_of_rounds([c.data["latency"][name]
                                         for c in have])
           for name in PERCENTILES}
    out["max"] = max(c.data["latency"]["max"] for c in have)
    out["mean"] = round(sum(w * c.data["latency"]["mean"] for w, c in
                            zip(weights, have)) / sum(weights), 3)
    return {**out, "from": "rounds"}


def mean_samples(cells):
    """Resampled means, in us, of a cell's latencies."""
    have = [c for c in cells if c.data.get("latency")]
    name = have[0].name if have else ""
    if have and all(c.latencies for c in have):
        return [ns / 1000 for ns in bootstrap.means(
            [c.latencies for c in have], name)]
    return bootstrap.means([[c.data["latency"]["mean"]] for c in have], name)


def oracle(cells):
    """The oracle's figures: pooled, or the mean of the rounds'."""
    if cells and all(c.oracle for c in cells):
        return summary([ns for c in cells for ns in c.oracle])
    have = _known(c.data.get("oracle") for c in cells)
    if not have:
        return None
    return {name: round(stats.mean([one[name] for one in have]), 3)
            for name in ("p50", "p90", "p99", "p999", "mean")
            if all(one.get(name) is not None for one in have)}


def throughput(cells):
    """Mean of the rounds; None if the work has none."""
    have = _known(c.data.get("throughput") for c in cells)
    if not have:
        return None
    return {"value": round(stats.mean([one["value"] for one in have]), 3),
            "unit": have[0]["unit"]}


def counters(cells):
    """The module's counters, added up, and hops a second; None if it had
    none."""
    have = _known(c.data.get("stat") for c in cells)
    if not have:
        return None
    out = {name: sum(one[name] for one in have) for name in COUNTERS
           if all(isinstance(one.get(name), (int, float)) for one in have)}
    seconds = sum(c.data.get("duration_s") or 0 for c in cells
                  if c.data.get("stat"))
    out["hops_per_s"] = (round(out["hops"] / seconds, 1)
                         if seconds and "hops" in out else None)
    return out


def _share(cell):
    return (cell.data.get("neighbours") or {}).get("cpu_share")


def neighbours(cells):
    """What was left to them: share of the CPU, and wake-up latency."""
    waits = _known((c.data.get("neighbours") or {}).get("latency")
                   for c in cells)
    return {"cpu_share": _mean_known([_share(c) for c in cells]),
            "latency": {name: _mean_known([one.get(name) for one in waits])
                        for name in ("p50", "p99")} if waits else None}


def per_round(cell):
    """A round's own figures."""
    through = cell.data.get("throughput")
    figures = cell.data.get("latency")
    return {"round": cell.round, "n": cell.data.get("n"),
            **{name: figures[name] if figures else None
               for name in ("p50", "p99", "mean")},
            "throughput": through["value"] if through else None,
            "cpu_share": _share(cell)}


def entry(key, cells):
    """An entry of "cells" that looks at nothing but this cell."""
    counts = _known(c.data.get("n") for c in cells)
    return {
        "id": cells[0].name, **key._asdict(),
        "rounds": [per_round(c) for c in cells],
        "n": sum(counts),
        "latency": latency(cells),
        "throughput": throughput(cells),
        "lost": sum(c.data.get("lost") or 0 for c in cells),
        "neighbours_got": neighbours(cells),
        "vm_cpu_share": _mean_known([c.data.get("vm_cpu_share")
                                     for c in cells]),
        "oracle": oracle(cells),
        "stat": counters(cells),
        "duration_s": round(sum(c.data.get("duration_s") or 0
                                for c in cells), 3),
        "busy_pcpus": sorted(set(_known(c.data.get("busy_pcpus")
                                        for c in cells))),
    }


def traced(bench):
    """The splits: of bench/where.py's traced cells, and of cells that brought
    one along."""
    out = [{**one, "cell": key._asdict()} for key, one in bench.where.items()]
    for key, cells in bench.by_key().items():
        have = _known(c.data.get("split") for c in cells)
        if have and key not in bench.where:
            out.append({
                "cell": key._asdict(), "n": None, "slow": None,
                "over_us": None, "mean_us": None, "none_ran_us": None,
                "oracle": None, "timeline": None,
                "split": {name: stats.mean([one.get(name) or 0
                                            for one in have])
                          for name in split.WAITS}})
    return out


# -- against others -----------------------------------------------------


def change(new, old):
    """In per cent of the old; None where that means nothing."""
    if new is None or not old:
        return None
    return round(100 * (new / old - 1), 3)


def _rounds_apart(new, old, figure, lower_is_worse):
    """Whether all the new's rounds are worse than all the old's."""
    new, old = (_known(r[figure] for r in one["rounds"])
                for one in (new, old))
    if min(len(new), len(old)) < ENOUGH_ROUNDS:
        return False
    if lower_is_worse:
        return max(new) < min(old)
    return min(new) > max(old)


def _worse(cell, off, out):
    """Which figures are worse than off's by more than noise."""
    if out["mean_interval"] and out["mean_interval"][0] > 0:
        yield "mean"
    for figure in ("p50", "p99"):
        if cell["latency"] and _rounds_apart(cell, off, figure, False):
            yield figure
    # Where latencies are what counts, operations a second say the same again,
    # or how often the client asked.
    counts = names.measure(cell["work"]) == "throughput" or \
        not cell["latency"]
    if cell["throughput"] and counts and _rounds_apart(cell, off, "throughput", True):
        yield "throughput"
    if out["cpu_share"] is not None and out["cpu_share"] < -LOSS:
        yield "cpu_share"


def against_off(cell, off, samples):
    """Changes against off; None without it, or if this is off."""
    if off is None or cell is off or cell["condition"] == "alone":
        return None
    latencies = [one["latency"] or {} for one in (cell, off)]
    out = {name: change(*(one.get(name) for one in latencies))
           for name in ("mean", "p50", "p90", "p99", "p999", "max")}
    out["mean_interval"] = bootstrap.change_interval(
        samples[cell["id"]], samples[off["id"]])
    values = [(one["throughput"] or {}).get("value") for one in (cell, off)]
    out["throughput"] = change(*values)
    out["cpu_share"] = change(*(one["neighbours_got"]["cpu_share"]
                                for one in (cell, off)))
    waits = [one["neighbours_got"]["latency"] or {} for one in (cell, off)]
    out["neighbour_p99"] = change(*(one.get("p99") for one in waits))
    out["rounds"] = min(len(cell["rounds"]), len(off["rounds"]))
    out["worse"] = list(_worse(cell, off, out))
    return out


def removed(cell, off, alone):
    """The share of the preemption penalty removed, of mean and p99."""
    if None in (off, alone) or cell is off or cell["condition"] == "alone" \
            or not all(one["latency"] for one in (cell, off, alone)):
        return None
    out = {"why": {}}
    for figure in ("mean", "p99"):
        share, why = penalty.removed(*(one["latency"][figure]
                                       for one in (off, cell, alone)))
        out[figure] = None if share is None else round(share, 6)
        if why:
            out["why"][figure] = why
    return out


def _references(index, key):
    """(off, alone) of a cell; either may be missing."""
    off = index.get(key._replace(condition="off"))
    alone = [entry for other, entry in index.items()
             if (other.work, other.vcpus, other.path, other.condition)
             == (key.work, key.vcpus, key.path, "alone")]
    return off, alone[0] if alone else None


def _compare(index, groups):
    """Fill in what looks at several cells."""
    samples = {index[key]["id"]: mean_samples(cells)
               for key, cells in groups.items()}
    for key, cell in index.items():
        off, alone = _references(index, key)
        cell["mean_interval"] = bootstrap.interval(samples[cell["id"]])
        cell["against_off"] = against_off(cell, off, samples)
        cell["removed"] = removed(cell, off, alone)


def warnings(bench, cells):
    """What puts figures in doubt."""
    out = list(bench.problems)
    busy = {n for cell in cells for n in cell["busy_pcpus"]}
    if len(busy) > 1:
        out.append("busy pCPUs differ between cells (%s): they compare "
                   "different machines" % ", ".join(map(str, sorted(busy))))
    few = [c["id"] for c in cells if len(c["rounds"]) < ENOUGH_ROUNDS]
    if few:
        out.append("%d of %d cells have fewer than %d rounds: how far their "
                   "rounds differ by chance is not known"
                   % (len(few), len(cells), ENOUGH_ROUNDS))
    asked = set(bench.meta.get("cells") or ())
    missing = sorted(asked - {c["id"] for c in cells})
    if missing:
        out.append("%d of the %d cells that were asked for are not there: %s"
                   % (len(missing), len(asked),
                      ", ".join(missing[:NAMED])
                      + ", ..." * (len(missing) > NAMED)))
    elif bench.meta.get("complete") is False:
        out.append("the run is not complete: some cells lack rounds")
    out += ["%s: %d operations were not answered" % (c["id"], c["lost"])
            for c in cells if c["lost"]]
    return out


def build(bench):
    """result.json from a cellfiles.Bench."""
    groups = bench.by_key()
    index = {key: entry(key, cells) for key, cells in groups.items()}
    _compare(index, groups)
    cells = list(index.values())
    policy = bench.meta.get("irqhop") or names.default_policy(
        {key.condition for key in index})
    return {
        "schema": SCHEMA,
        "emulated": True,
        "meta": bench.meta,
        "policy": policy,
        "bootstrap": {"seed": bootstrap.SEED,
                      "resamples": bootstrap.RESAMPLES, "level": 0.95},
        "cells": cells,
        "traced": traced(bench),
        "targets": targets.judge(cells, policy),
        "worse": [{"id": c["id"], "condition": c["condition"], "figure": f,
                   "change": c["against_off"][f]}
                  for c in cells if c["against_off"]
                  for f in c["against_off"]["worse"]],
        "warnings": warnings(bench, cells),
    }
