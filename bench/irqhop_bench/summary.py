# SPDX-License-Identifier: GPL-2.0-only
"""The report's first page in plain words, computed from result.json alone.

Each sentence has words for the unfavourable case, and what was not measured is
said in the same place.
"""

from . import names, split
from .targets import SETTING, in_setting

MINUS, THIN = "\u2212", "\u202f"
FIGURE_WORDS = {"mean": "mean", "p50": "median", "p90": "p90", "p99": "p99",
                "p999": "p99.9", "throughput": "throughput",
                "cpu_share": "neighbours\u2019 share of the CPU"}
# What a whole evaluation has.
WANTED = {"overcommit": (2, 3, 4), "vcpus": (2, 4, 8),
          "path": ("direct", "injected"), "neighbours": ("spin", "server")}
NEVER = ("real hardware: everything here is emulated",
         "x86 with posted interrupts",
         "how long a real interrupt controller takes to move an interrupt")


def number(value):
    """A number for people: three figures or so, thousands apart."""
    if value is None:
        return "\u2013"
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else (
        1 if size >= 10 else 2)
    return "{:,.{}f}".format(value, digits).replace(",", THIN).replace(
        "-", MINUS)


def percent(value, digits=1):
    """A change, with its sign."""
    if value is None:
        return "\u2013"
    # No minus before what is rounded to nothing.
    value = round(value, digits) + 0.0
    return "{:+.{}f}{}%".format(value, digits, THIN).replace("-", MINUS)


def share(value):
    """A share of 1 as per cent, without a sign."""
    if value is None:
        return "\u2013"
    return "{:.1f}{}%".format(100 * value, THIN).replace("-", MINUS)


def capital(text):
    """With a capital letter at the beginning, and no other change."""
    return text[:1].upper() + text[1:]


def setting(cell):
    """A cell's setting where it is not the usual one, in words."""
    words = ["%d:1" % cell["overcommit"]]
    if cell["vcpus"] != SETTING["vcpus"]:
        words.append("%d vCPUs" % cell["vcpus"])
    if cell["path"] != SETTING["path"]:
        words.append(cell["path"])
    if cell["neighbours"] != SETTING["neighbours"]:
        words.append("neighbours that sleep and wake")
    return ", ".join(words)


def index(result):
    """{(work, overcommit, condition): cell} in the usual setting."""
    return {(c["work"], c["overcommit"], c["condition"]): c
            for c in result["cells"] if in_setting(c)}


def overcommits(result):
    """Which there are beside alone, in the usual setting."""
    return sorted({c["overcommit"] for c in result["cells"]
                   if in_setting(c) and c["condition"] != "alone"})


def main_overcommit(result):
    """3 if it was measured, else the nearest."""
    have = overcommits(result)
    return min(have, key=lambda n: (abs(n - 3), n)) if have else None


def shown(result):
    """The conditions that the pictures have beside off: the policy that is
    meant by irqhop, and the redirect alone."""
    seen = {c["condition"] for c in result["cells"]} | {
        t["cell"]["condition"] for t in result["traced"]}
    return [name for name in dict.fromkeys(("recent", result["policy"]))
            if name in seen]


def works(result):
    """All works that were measured, in order."""
    return sorted({c["work"] for c in result["cells"]}, key=names.work_order)


def verdict(cell):
    """better, worse, or same (by more than noise) against off; None if that
    is not known."""
    against = cell["against_off"]
    if against is None:
        return None
    figure = ("throughput" if names.measure(cell["work"]) == "throughput"
              else "mean")
    if set(against["worse"]) - {"cpu_share"}:
        return "worse"
    if figure == "mean":
        span = against["mean_interval"]
        return "better" if span and span[1] < 0 else "same"
    rounds = [r["throughput"] for r in cell["rounds"]
              if r["throughput"] is not None]
    if against["throughput"] is None or len(rounds) < 3:
        return "same"
    return "better" if against["throughput"] > 0 and _rounds_above(
        rounds, cell, against) else "same"


def _rounds_above(rounds, cell, against):
    """Whether each round is above off's mean."""
    off = cell["throughput"]["value"] / (1 + against["throughput"] / 100)
    return min(rounds) > off


def says_work(cell, off):
    """A sentence about one work: cell against off."""
    against = cell["against_off"]
    if names.measure(cell["work"]) == "throughput" and cell["throughput"]:
        return "%s: %s \u2192 %s %s (%s)" % (
            capital(names.work_plain(cell["work"])),
            number(off["throughput"]["value"]),
            number(cell["throughput"]["value"]), cell["throughput"]["unit"],
            percent(against["throughput"]))
    if not cell["latency"] or not off["latency"]:
        return "%s: no latencies" % names.work_plain(cell["work"])
    span = against["mean_interval"]
    out = "%s: mean %s \u2192 %s\u202f\u00b5s (%s%s), p99 %s \u2192 %s"\
        "\u202f\u00b5s (%s)" % (
            capital(names.work_plain(cell["work"])),
            number(off["latency"]["mean"]), number(cell["latency"]["mean"]),
            percent(against["mean"]),
            "; 95\u202f%% interval %s to %s" % tuple(map(percent, span))
            if span else "",
            number(off["latency"]["p99"]), number(cell["latency"]["p99"]),
            percent(against["p99"]))
    gone = (cell["removed"] or {}).get("mean")
    if gone is not None:
        out += "; %s of the penalty in the mean is gone" % share(gone)
    return out


def pairs(result, overcommit, condition):
    """[(cell, off)] of the works at this overcommit, in the usual setting."""
    cells = index(result)
    found = [(cells.get((work, overcommit, condition)),
              cells.get((work, overcommit, "off")))
             for work in works(result)]
    return [(cell, off) for cell, off in found
            if cell and off and cell["against_off"]]


def headline(result):
    """One or two sentences: how many works became better, same, worse."""
    at = main_overcommit(result)
    found = pairs(result, at, result["policy"]) if at else []
    if not found:
        return ("Nothing was measured yet both with irqhop and without it: "
                "nothing can be said about what it does.")
    verdicts = [verdict(cell) for cell, _ in found]
    parts = ["%d %s" % (verdicts.count(word), text) for word, text in (
        ("better", "became faster by more than noise"),
        ("same", "changed by no more than noise"),
        ("worse", "became worse in some figure by more than noise"))
        if word in verdicts]
    return ("With irqhop, of %d kind%s of work measured with %d busy threads "
            "for each physical CPU, %s." % (
                len(found), "" if len(found) == 1 else "s", at,
                _and(parts)))


def _and(parts):
    return parts[0] if len(parts) < 2 else "%s and %s" % (
        ", ".join(parts[:-1]), parts[-1])


def favourable(result):
    """[(verdict, sentence)] of each work at the main overcommit."""
    at = main_overcommit(result)
    return [(verdict(cell), says_work(cell, off) + _says_alone(result, cell))
            for cell, off in (pairs(result, at, result["policy"])
                              if at else [])]


def _says_alone(result, cell):
    """What the redirect does without what a policy adds to it."""
    if result["policy"] == "recent":
        return ""
    other = index(result).get((cell["work"], cell["overcommit"], "recent"))
    figure = ("throughput" if names.measure(cell["work"]) == "throughput"
              else "mean")
    change = ((other or {}).get("against_off") or {}).get(figure)
    return "" if change is None else (
        ". The redirect alone (policy recent): %s" % percent(change))


def _says_worse(cell, figure):
    value = percent(cell["against_off"][figure])
    if figure == "cpu_share":
        return ("%s at %s took from its neighbours: their share of the CPU "
                "changed by %s" % (names.work_title(cell["work"]),
                                   setting(cell), value))
    return "%s at %s: %s worse than off (%s)" % (
        names.work_title(cell["work"]), setting(cell),
        FIGURE_WORDS[figure], value)


def _says_target(one):
    missing = ("; not reached" if one["reached"] is False else "")
    return "%s: the goal was %s, measured %s in the worst cell%s" % (
        one["measure"], one["goal"].replace("-", MINUS),
        percent(one["ours"]), missing)


def _beats(cell, ours):
    """Whether what operators do today did better than irqhop there, by more
    than a hundredth of off."""
    figure = ("throughput" if names.measure(cell["work"]) == "throughput"
              else "mean")
    theirs, own = (one["against_off"][figure] for one in (cell, ours))
    if None in (theirs, own):
        return False
    return theirs > own + 1 if figure == "throughput" else theirs < own - 1


def _better_today(result):
    """What operators do today that did better than irqhop, and its cost."""
    cells = index(result)
    found = {}
    for (work, overcommit, condition), cell in cells.items():
        ours = cells.get((work, overcommit, result["policy"]))
        if names.group(condition) == "today" and ours and \
                ours["against_off"] and cell["against_off"]:
            found.setdefault(condition, []).append((cell, _beats(cell, ours)))
    for condition in sorted(found, key=names.condition_order):
        better = [cell for cell, beats in found[condition] if beats]
        if better:
            costs = [c["against_off"]["cpu_share"] for c in better
                     if c["against_off"]["cpu_share"] is not None]
            yield ("%s: better than irqhop in %d of %d cells (%s)%s" % (
                names.condition_title(condition), len(better),
                len(found[condition]), "; ".join(
                    names.work_title(w) for w in dict.fromkeys(
                        c["work"] for c in better)),
                "" if not costs else "; there the neighbours\u2019 share of "
                "the CPU changes by %s" % _span(costs)))


def _span(values):
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else "%s to %s" % (low, high)


def unfavourable(result):
    """Every sentence that speaks against irqhop."""
    own = [c for c in result["cells"] if c["condition"] == result["policy"]
           and c["against_off"]]
    out = [_says_worse(c, figure) for c in own
           for figure in c["against_off"]["worse"]]
    out += [_says_target(one) for one in result["targets"]
            if one["reached"] is False]
    out += _better_today(result)
    lost = sum(c["lost"] for c in own)
    if lost:
        out.append("%d operations were not answered with irqhop on (%d with "
                   "it off)" % (lost, sum(
                       c["lost"] for c in result["cells"]
                       if c["condition"] == "off")))
    return out


def traced(result):
    """{(work, overcommit, condition): a traced cell}."""
    return {(t["cell"]["work"], t["cell"]["overcommit"],
             t["cell"]["condition"]): t for t in result["traced"]}


def _says_waits(one):
    """What the slow operations of a traced cell waited for most."""
    waits = {name: us for name, us in one["split"].items() if us > 0}
    total = sum(waits.values())
    most = sorted(waits, key=waits.get, reverse=True)[:2]
    parts = []
    for name in most:
        part = "%s %.0f\u202f%%" % (split.NAMES[name],
                                   100 * waits[name] / total)
        none_ran = one["none_ran_us"] or 0
        if name == "interrupt_preempted" and 2 * none_ran > waits[name]:
            part += " (%.0f\u202f%% of that while no vCPU of the guest ran " \
                "at all, where no redirect can help)" % (
                    100 * none_ran / waits[name])
        parts.append(part)
    return _and(parts)


def left(result):
    """What slow operations still wait for with irqhop, a line each work."""
    cells = traced(result)
    out = []
    for (work, overcommit, condition), one in cells.items():
        off = cells.get((work, overcommit, "off"))
        if condition != result["policy"] or not off or not one["n"] or \
                not off["n"]:
            continue
        line = "%s at %d:1: slow were %d of %d operations with irqhop, %d " \
            "of %d without" % (names.work_title(work), overcommit,
                               one["slow"], one["n"], off["slow"], off["n"])
        if one["slow"]:
            line += ". What they wait for most with irqhop: %s" \
                % _says_waits(one)
        out.append(((names.work_order(work), overcommit), line))
    return [line for _, line in sorted(out)]


def other_settings(result):
    """How often each other setting is worse than off, a line each."""
    counts = {}
    for cell in result["cells"]:
        name = cell["condition"]
        if names.group(name) == "reference" or name == result["policy"] or \
                not cell["against_off"]:
            continue
        total, bad = counts.get(name, (0, 0))
        counts[name] = (total + 1, bad + bool(cell["against_off"]["worse"]))
    out = []
    for name in sorted(counts, key=names.condition_order):
        total, bad = counts[name]
        out.append("%s: in %d of %d cells%s" % (
            names.condition_title(name), bad, total,
            ". It moves nothing: so often does chance look like harm"
            if names.group(name) == "control" else ""))
    return out


def not_measured(result):
    """What a whole evaluation has and this one has not."""
    done = {c["work"] for c in result["cells"]
            if c["condition"] == result["policy"] and c["against_off"]}
    out = [names.work_plain(work) for work in names.WORKS
           if work not in done]
    cells = result["cells"]
    have = {
        "overcommit": {c["overcommit"] for c in cells},
        "vcpus": {c["vcpus"] for c in cells},
        "path": {c["path"] for c in cells},
        "neighbours": {c["neighbours"] for c in cells}}
    words = {"overcommit": "overcommit %s:1", "vcpus": "%s vCPUs",
             "path": "%s delivery", "neighbours": "neighbours of kind "
             "\u201c%s\u201d"}
    for what, wanted in WANTED.items():
        out += [words[what] % one for one in wanted
                if one not in have[what]]
    seen = {c["condition"] for c in cells}
    out += [names.condition_title(name) for name in names.CONDITIONS
            if name not in seen]
    if not result["traced"]:
        out.append("where the time went (no traces)")
    return out
