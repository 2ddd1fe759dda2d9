# SPDX-License-Identifier: GPL-2.0-only
"""report.txt, written from result.json alone.

Each sentence at the top is computed from the figures and has words for the
unfavourable case; nothing here claims what the data does not show.
"""

import textwrap

from .path import TITLES, WORDS
from .slow import CAUSES

WIDTH = 100
# What counts as worse than off: less than this is not told from noise.
WORSE = 0.05
# Shares by rounds and over all pooled that differ by more: say both on top.
DISAGREE = 0.1
# A smaller share of the p99 removed: say on top what stands behind it.
EXPLAIN = 0.9
FIGURES = ("p50_us", "p90_us", "p99_us", "max_us", "mean_us")


def number(value, digits=1):
    """A number for people; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return "%.0f" % value
    return "%.*f" % (digits, value)


def percent(share):
    """A share as per cent; "not given" where there is none."""
    return "not given" if share is None else "%.1f %%" % (100 * share)


def wrap(text, indent="", first=None):
    """Lines of at most WIDTH columns."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent,
                         initial_indent=indent if first is None else first,
                         break_on_hyphens=False)


def heading(text):
    return ["", text, "-" * len(text)]


def table(header, rows, left=1):
    """Aligned columns, the first `left` of them to the left."""
    cells = [[str(c) for c in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        lines.append("  ".join(
            c.ljust(w) if i < left else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths))).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return lines


def _index(result):
    return {(c["work"], c["overcommit"], c["condition"]): c
            for c in result["cells"]}


def _works(result):
    """Works in the order of the cells."""
    return list(dict.fromkeys(c["work"] for c in result["cells"]))


def _pairs(result, work=None):
    """(off, on, penalty) wherever all three are there."""
    index = _index(result)
    for entry in result["penalty"]:
        if work not in (None, entry["work"]):
            continue
        off, on = (index.get((entry["work"], entry["overcommit"], condition))
                   for condition in ("off", "on"))
        if off and on:
            yield off, on, entry


def worse_figures(result):
    """Every figure that irqhop made worse than off, as text."""
    out = []
    for off, on, _ in _pairs(result):
        for figure in FIGURES:
            if on[figure] > (1 + WORSE) * off[figure]:
                out.append("%s of %s at overcommit %d (%s -> %s us)" % (
                    figure[:-3], on["work"], on["overcommit"],
                    number(off[figure]), number(on[figure])))
    return out


def _verb(before, after):
    if after < (1 - WORSE) * before:
        return "fell from"
    if after > (1 + WORSE) * before:
        return "ROSE from"
    return "hardly changed, from"


def _says_means(work, pairs, index):
    parts = ["%s %s to %s us at overcommit %d" % (
        _verb(off["mean_us"], on["mean_us"]), number(off["mean_us"]),
        number(on["mean_us"]), on["overcommit"]) for off, on, _ in pairs]
    alone = index.get((work, 1, "alone"))
    return "%s, mean latency: %s%s." % (
        work, "; ".join(parts),
        " (alone: %s)" % number(alone["mean_us"]) if alone else "")


def _says_share(entry, name, figure):
    share, pooled = entry[name], entry["pooled"][name]
    text = "%s %s the %s" % (
        percent(share), "for" if share is None else "of", figure)
    notes = []
    if share is not None and share < 0:
        notes.append("WORSE than off")
    if None not in (share, pooled) and abs(share - pooled) > DISAGREE:
        notes.append("rounds disagree; pooled: %s" % percent(pooled))
    return text + (" (%s)" % "; ".join(notes) if notes else "")


def _says_shares(work, pairs):
    parts = ["at %d: %s, %s" % (
        entry["overcommit"], _says_share(entry, "mean_removed", "mean"),
        _says_share(entry, "p99_removed", "p99")) for _, _, entry in pairs]
    return "%s, share of the preemption penalty that irqhop removed %s." % (
        work, "; ".join(parts))


_BEHIND = {
    "task": "%d of these waited for the vCPU of their own task",
    "stranded": "%d of these waited because no vCPU of the VM ran",
    "interrupt": "%d of these may have waited for an interrupt on a preempted "
                 "vCPU",
    "unexplained": "%d unexplained",
}


def _says_behind(off, on):
    """What stands behind a p99 of which little was removed."""
    found = on["slow"]
    parts = ["%s at %d, behind the p99: %d operation%s of %d over %s us with "
             "irqhop on (off: %d)" % (
                 on["work"], on["overcommit"], found["count"],
                 "" if found["count"] == 1 else "s", on["n"],
                 number(found["over_us"], 0), off["slow"]["count"])]
    parts += [words % found[cause] for cause, words in _BEHIND.items()
              if found[cause]]
    return "; ".join(parts) + "."


def _says_faults(result):
    figures = worse_figures(result)
    unknown = result["msis_unknown"]
    told = "" if not unknown["cells"] else (
        " (in %(cells)d of %(of)d cells what the device sent is not known)"
        % unknown)
    return ("Interrupts lost: %d, doubled: %d%s. Figures worse with irqhop "
            "than off: %s. Warnings: %s." % (
                result["lost"], result["doubled"], told,
                "%d, listed below" % len(figures) if figures else "none",
                "%d, listed below" % len(result["warnings"])
                if result["warnings"] else "none"))


def summary(result):
    """A few sentences: what was seen."""
    index = _index(result)
    says = []
    for work in _works(result):
        pairs = list(_pairs(result, work))
        if pairs:
            says.append(_says_means(work, pairs, index))
            says.append(_says_shares(work, pairs))
            says += [_says_behind(off, on) for off, on, entry in pairs
                     if entry["p99_removed"] is not None
                     and entry["p99_removed"] < EXPLAIN]
    if not says:
        says.append("No work was measured both with irqhop on and off: "
                    "nothing can be said about what it does.")
    says.append(_says_faults(result))
    return [line for text in says for line in wrap(text, "  ", "")]


def latencies(result):
    lines = []
    for work in _works(result):
        lines += heading("%s: latency in us of virtual time" % work)
        lines += _latency_table([c for c in result["cells"]
                                 if c["work"] == work])
    lines += ["", *_latency_notes(result)]
    return lines


def _latency_table(cells):
    # A work whose task sits nowhere has no second wait: no empty columns.
    second = any(c.get("second_wait_mean_us") is not None for c in cells)
    header = ["oc", "cond", "n", "p50", "p90", "p99", "max", "mean",
              "oracle", "its p99"]
    if second:
        header += ["2nd wait", "oracle+2nd", "its p99"]
    rows = []
    for c in cells:
        row = [c["overcommit"], c["condition"], c["n"],
               *(number(c[figure]) for figure in FIGURES),
               number(c["oracle_mean_us"]), number(c["oracle_p99_us"])]
        if second:
            row += [number(c["second_wait_mean_us"]),
                    number(c["oracle_with_second_wait_mean_us"]),
                    number(c["oracle_with_second_wait_p99_us"])]
        rows.append(row)
    return table(header, rows, left=2)


def _latency_notes(result):
    spans = [c["oracle_mean_range_us"] for c in result["cells"]
             if c["oracle_mean_range_us"]]
    unknown = sum(c["oracle_unknown"] for c in result["cells"])
    shares = ", ".join("%s %g" % pair
                       for pair in result["one_way_share"].items())
    text = [
        "oc: overcommit. Percentiles by nearest rank, over the operations "
        "of all rounds together.",
        "oracle: mean, had every interrupt been taken the instant any "
        "eligible vCPU ran (same send times, same schedule): the limit of "
        "any redirect. its p99: that of the column before. The fixed part "
        "is the median of alone; assumed to lie before the interrupt: %s of "
        "it (not measured%s)." % (
            shares, "; any other share moves an oracle mean by %s us at "
            "most" % number(max(b - a for a, b in spans)) if spans else ""),
    ]
    if any(c.get("second_wait_mean_us") is not None
           for c in result["cells"]):
        text.append(
            "2nd wait: mean, what an operation waits for its own task's vCPU "
            "beyond its wait for the interrupt: alone's median of that vCPU's "
            "time has to pass from the send on, before or after the "
            "interrupt. No redirect changes it, and it is not in the oracle. "
            "oracle+2nd: both together, right to within alone's median: an "
            "operation that takes longer is missed if its vCPU leaves late, "
            "so at the p99 it may lie far too low.")
    if unknown:
        text.append("%d operations lie outside the scheduler's record: they "
                    "are in the latencies, not in the oracle." % unknown)
    return [line for one in text for line in wrap(one, "  ", "")]


def _spread(shares):
    given = [share for share in shares if share is not None]
    if not given:
        return "-"
    low, high = min(given), max(given)
    return "%.1f..%.1f" % (100 * low, 100 * high)


def _short_percent(share):
    return "-" if share is None else "%.1f" % (100 * share)


def penalties(result):
    lines = heading("Share of the preemption penalty removed, in per cent: "
                    "(off - on) / (off - alone)")
    header = ["work", "oc", "mean", "rounds", "pooled", "p99", "rounds",
              "pooled", "home", "its p99", "oracle", "its p99"]
    rows, why = [], []
    for e in result["penalty"]:
        per, pooled = e["rounds"], e["pooled"]
        rows.append([e["work"], e["overcommit"],
                     _short_percent(e["mean_removed"]),
                     _spread(per["mean_removed"]),
                     _short_percent(pooled["mean_removed"]),
                     _short_percent(e["p99_removed"]),
                     _spread(per["p99_removed"]),
                     _short_percent(pooled["p99_removed"]),
                     _short_percent(e["home_mean_removed"]),
                     _short_percent(e["home_p99_removed"]),
                     _short_percent(e["oracle_mean_removed"]),
                     _short_percent(e["oracle_p99_removed"])])
        why += _why(e)
    if not rows:
        return lines + ["No cell with irqhop off."]
    lines += table(header, rows)
    lines += wrap(
        "Median of %d round(s); beside it the lowest..highest round, and the "
        "share from all rounds pooled. 100: as good as alone; 0: no better "
        "than off; below 0: worse. home: the null control (module loaded, "
        "policy home), should be near 0. oracle: what any redirect could "
        "have removed; beside each its p99." % len(result["rounds"]),
        "  ", "")
    return lines + why


def _why(entry):
    """Why shares of on are not given, or not by every round."""
    lines = []
    for name in ("mean_removed", "p99_removed"):
        what = "%s at %d, %s" % (entry["work"], entry["overcommit"],
                                 name.split("_")[0])
        shares = entry["rounds"][name]
        missing = sum(share is None for share in shares)
        if entry[name] is None:
            lines += wrap("%s: not given: %s" % (
                what, entry["why"].get(name, "")), "  ", "")
        elif missing:
            lines += wrap("%s: not given by %d of %d rounds, left out" % (
                what, missing, len(shares)), "  ", "")
    return lines


def _over(cell, name):
    """How far the mean is over one of its limits, and each round's."""
    over = [None if c[name] is None else c["mean_us"] / c[name] - 1
            for c in (cell, *cell["rounds"])]
    return [_short_percent(over[0]), _spread(over[1:])]


def limits(result):
    lines = heading("Over the limit with irqhop on, in per cent")
    rows = [[c["work"], c["overcommit"], number(c["mean_us"]),
             number(c["oracle_mean_us"]), *_over(c, "oracle_mean_us"),
             number(c["oracle_with_second_wait_mean_us"]),
             *_over(c, "oracle_with_second_wait_mean_us"),
             "-" if c["oracle_waited"] is None
             else number(100 * c["oracle_waited"] / c["n"]),
             number(100 * c["none_ran"])]
            for c in result["cells"] if c["condition"] == "on"]
    lines += table(["work", "oc", "mean", "oracle", "over", "rounds",
                    "oracle+2nd", "over", "rounds", "met none", "none ran"],
                   rows)
    return lines + wrap(
        "over: by how much the mean is above the one before it; below 0 where "
        "the limit's fixed part is too long, or its second wait. met none: "
        "operations whose interrupt came while no vCPU of the VM ran. none "
        "ran: the share of the time.", "  ", "")


def slow(result):
    lines = heading("Where the slow operations waited")
    header = ["work", "oc", "cond", "n", "slow", "stranded", "interrupt",
              "task", "unexplained"]
    rows = [[c["work"], c["overcommit"], c["condition"], c["n"],
             c["slow"]["count"], *(_of_slow(c, cause) for cause in CAUSES)]
            for c in result["cells"]
            if c["condition"] in ("off", "on") or c["slow"]["count"]]
    lines += table(header, rows, left=3)
    over = ", ".join("%s %s us" % (work, number(us, 0)) for work, us in {
        c["work"]: c["slow"]["over_us"] for c in result["cells"]}.items())
    text = [
        "slow: operations over 1 ms and over five times alone's median (%s); "
        "beside it, in per cent of them, the wait that makes up half of "
        "their latency or more, by the scheduler's record." % over,
        "stranded: no vCPU of the VM ran when the interrupt came. interrupt: "
        "its home was off its pCPU, though another vCPU ran; with what its "
        "task had to wait because it was late. With irqhop on a suspicion: "
        "the record does not say where the interrupt pointed.",
        "task: the vCPU of the operation's own task was off its pCPU (nvme "
        "only: no task of the guest is known for ping); no redirect changes "
        "that. unexplained: none of these.",
    ]
    return lines + [line for one in text for line in wrap(one, "  ", "")]


def _of_slow(cell, cause):
    """A cause's share of the slow operations, in per cent."""
    slow_ops = cell["slow"]
    if not slow_ops["count"]:
        return "-"
    return number(100 * slow_ops[cause] / slow_ops["count"])


def worse(result):
    lines = heading("Worse with irqhop on than off, by over %.0f %%"
                    % (100 * WORSE))
    found = worse_figures(result)
    for text in found or ["Nothing."]:
        lines += wrap(text, "  ", "")
    return lines


_COST = {
    "direct": "Of a call of the ITS driver's; the interrupt hardware's own "
              "wait is not measured (the emulated ITS answers at once).",
    "injected": "Of a change of KVM's record and queues, with the kick of "
                "whoever has to look at them, but not what the kicked vCPU "
                "does.",
}


def hops(result):
    lines = heading("Hops and what they cost")
    header = ["work", "oc", "cond", "hops", "/s", "returned", "failed",
              "stranded", "in handler", "held back", "median", "max"]
    rows = []
    for c in result["cells"]:
        m = c["moves"]
        # All zero is what every cell but `on` should have: no row for it.
        if m and (c["condition"] in ("on", "home") or m["hops"]):
            rows.append([c["work"], c["overcommit"], c["condition"],
                         m["hops"], number(m["hops_per_s"]), m["returns"],
                         m["failed"], m["stranded"], m["in_handler"],
                         m["held_back"], number(m["median_instructions"]),
                         number(m["max_instructions"])])
    if not rows:
        return lines + ["The module was loaded in no cell."]
    lines += table(header, rows, left=3)
    total = result["hops"]
    lines += wrap("All: %d hops, %d returned, %d failed; median %s, maximum "
                  "%s instructions a move (%s measured)." % (
                      total["count"], total["returns"], total["failed"],
                      number(total["median_instructions"]),
                      number(total["max_instructions"]),
                      total.get("measured", 0)), "  ", "")
    return lines + wrap(
        "Cost in instructions: one is 1 ns of virtual time. Median from a "
        "histogram of 64 wide buckets. A pCPU's turn in the emulator may end "
        "within a move: the maximum includes other pCPUs' turns. %s"
        % _COST[result["path"]["name"]], "  ", "")


def interrupts(result):
    lines = heading("Who took the device's interrupts")
    header = ["work", "oc", "cond", "MSIs sent",
              *("vCPU %d" % n for n in range(result["vcpus"])), "host",
              "VFIO", "time-outs", "lost", "doubled"]
    rows = [[c["work"], c["overcommit"], c["condition"],
             number(c["interrupts"]["msis_sent"]),
             *c["interrupts"]["by_vcpu"],
             *(c["interrupts"][name] for name in (
                 "host_work", "host_vfio", "io_timeouts", "lost")),
             number(c["interrupts"]["doubled"])] for c in result["cells"]]
    lines += table(header, rows, left=3)
    lines += wrap(_says_path(result), "  ", "")
    return lines + wrap(
        "host: how many of the work's own interrupt the host took; VFIO: of "
        "all of the devices' interrupts. Lost: MSIs sent without a handler "
        "run, plus I/O time-outs: an upper bound, since MSIs of ping may "
        "merge. Doubled: nvme only (depth 1 on one queue). \"-\": not known "
        "or not to be told.", "  ", "")


def _says_path(result):
    """Whether the interrupts came the way that the report is about."""
    way, direct = result["path"], result["direct"]
    host, guest = way["host_work_interrupts"], direct["guest_interrupts"]
    if way["cells_wrong"]:
        return ("NOT all %s: the host took %d VFIO interrupts, %d of the "
                "works' own, the guest %d; wrong in %d of %d cells, see the "
                "warnings." % (
                    way["name"], direct["host_vfio_interrupts"], host, guest,
                    way["cells_wrong"], way["cells"]))
    if not guest:
        return "The guest took no interrupt: nothing is shown."
    if way["name"] == "direct":
        return ("All direct: the guest took %d interrupts, the host took no "
                "VFIO interrupt; delivered through the host, each would have "
                "counted there." % guest)
    return ("All injected: each went through the host. The guest took %d "
            "interrupts, and of the same ones the host %d: in each cell no "
            "fewer than the guest, and no more than the device sent, where "
            "that is known. The others of the %d VFIO interrupts are those "
            "that no work waits for." % (
                guest, host, direct["host_vfio_interrupts"]))


def warnings(result):
    lines = heading("Warnings")
    for text in result["warnings"] or ["None."]:
        lines += wrap(text, "  ", "")
    return lines


def _values(cells, name):
    """What the cells have there, but for those that have nothing."""
    found = {c[name] for c in cells if c[name] is not None}
    return ", ".join(map(str, sorted(found)))


def _places(result):
    """Home, reader and eligible vCPUs, per work."""
    for work in _works(result):
        cells = [c for c in result["cells"] if c["work"] == work]
        text = "%s: home vCPU %s" % (work, _values(cells, "home_vcpu")
                                     or "differs")
        readers = _values(cells, "reader_vcpu")
        if readers:
            text += "; its task on vCPU %s" % readers
        yield text


def conditions(result):
    busy = sorted({n for c in result["cells"] for n in c["busy_pcpus"]})
    lines = heading("Conditions")
    text = ["%s: %s" % pair for pair in result["versions"].items()]
    text += [
        "path: %s" % WORDS[result["path"]["name"]],
        "%d vCPUs; busy pCPUs: %s" % (result["vcpus"],
                                      ", ".join(map(str, busy))),
        *_places(result),
        "overcommit: (busy vCPUs + neighbour threads) / pCPUs that they "
        "share; 1 is alone: same guest, same work, a pCPU for each vCPU",
        "alone, off: irqhop not in use; home: module loaded, policy home "
        "(null control); on: irqhop",
        "rounds: %s, conditions interleaved within each"
        % ", ".join(map(str, result["rounds"])),
        "wall time: %s s%s" % (
            number(result["wall_s"]), "; started: %s" % result["started"]
            if result["started"] is not None else ""),
    ]
    text += ["%s: %s" % pair for pair in result["lab"].items()]
    for one in text:
        lines += wrap(one, "  ", "")
    return lines + wrap("Figures are from emulation in virtual time; nothing "
                        "here is a claim about hardware.", "  ", "")


def render(result):
    """The whole report."""
    lines = ["irqhop: report, %s (emulated, virtual time)"
             % TITLES[result["path"]["name"]], ""]
    for part in (summary, latencies, penalties, limits, slow, worse, hops,
                 interrupts, warnings, conditions):
        lines += part(result)
    return "\n".join(lines) + "\n"
