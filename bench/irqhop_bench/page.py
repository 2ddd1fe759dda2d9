# SPDX-License-Identifier: GPL-2.0-only
"""report.html: one file with all in it, from result.json and the latencies.

It is well-formed XML besides, so that a test can read it.
"""

import html
import os

from . import charts, names, split, summary
from .summary import number, percent, share

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_MEASURED = '<span class="missing">not measured</span>'


def esc(text):
    """Text as text."""
    return html.escape(str(text), quote=True)


def tag(name, inner, **attributes):
    """An element; class_ is class."""
    words = "".join(' %s="%s"' % (key.rstrip("_").replace("_", "-"), esc(value))
                    for key, value in attributes.items() if value)
    return "<%s%s>%s</%s>" % (name, words, inner, name)


def items(lines, **attributes):
    """A list of sentences."""
    return tag("ul", "".join(tag("li", line) for line in lines), **attributes)


def table(header, rows, class_=""):
    """header [(text, class)]; rows [(class of row, [cells])], each already
    HTML. It scrolls in a box of its own."""
    head = tag("tr", "".join(tag("th", text, class_=c, scope="col")
                             for text, c in header))
    body = "".join(
        tag("tr", "".join(
            tag("th" if n == 0 else "td", cell, class_=header[n][1],
                scope="row" if n == 0 else "")
            for n, cell in enumerate(row)), class_=row_class)
        for row_class, row in rows)
    return tag("div", tag("table", tag("thead", head) + tag("tbody", body)),
               class_="scroll " + class_, tabindex="0")


class Figures:
    """Pictures, each with a name of its own."""

    def __init__(self):
        self.count = 0

    def figure(self, program, title, caption, alt):
        """A picture as an element."""
        self.count += 1
        svg = charts.inline(charts.draw(program), "f%d" % self.count, alt)
        return tag("figure", (tag("h4", esc(title)) if title else "") + svg
                   + (tag("figcaption", caption) if caption else ""))


def panels(figures):
    """Pictures side by side where there is room."""
    return tag("div", "".join(figures), class_="panels")


# -- sections --------------------------------------------------------------


def _first(result):
    """The summary: good, bad, and what is not known, in one place."""
    out = [tag("p", esc(summary.headline(result)), class_="lead")]
    out.append(tag(
        "p", "irqhop sends the interrupts of a device that is passed through "
        "to a virtual machine away from a vCPU that the host has preempted, "
        "to a vCPU of the same machine that is running. Below, "
        "\u201coff\u201d is the same host without it, \u201calone\u201d the "
        "same guest with a physical CPU for each of its vCPUs, and "
        "\u201cn:1\u201d means that n busy threads share each physical CPU."))
    out.append(tag(
        "p", "<strong>All of this was measured in an emulated host</strong>, "
        "in virtual time, where one instruction takes one nanosecond. Waits "
        "for the scheduler come out as on a machine; what hardware adds does "
        "not. Nothing here is a claim about hardware.", class_="emulated"))
    words = {"better": "better", "same": "no change", "worse": "worse"}
    at = summary.main_overcommit(result)
    found = summary.favourable(result)
    if found:
        out.append(tag("h3", "What irqhop did, at %d:1" % at))
        out.append(items([
            tag("span", words[v], class_="tag " + v) + esc(line)
            for v, line in found], class_="verdicts"))
        out.append(tag(
            "p", "\u201cbetter\u201d and \u201cno change\u201d speak of the "
            "mean, or of the throughput, and go by its interval; "
            "\u201cworse\u201d also of the p50 and the p99, where all "
            "rounds agree.", class_="note"))
    rest = summary.left(result)
    if rest:
        out.append(tag("h3", "What is left, and what it waits for"))
        out.append(items(map(esc, rest)))
        out.append(tag("p", 'What the names mean: <a href="#split">Where the '
                       "time went</a>.", class_="soft"))
    bad = [esc(line) for line in summary.unfavourable(result)]
    others = [esc(line) for line in summary.other_settings(result)]
    missing = [esc(line) for line in summary.not_measured(result)]
    left = tag("h3", "What speaks against it")
    left += items(bad) if bad else tag(
        "p", "No figure was worse with irqhop than without by more than "
        "noise, and no target was missed, in what was measured.")
    if others:
        left += tag("p", "Other settings that are worse than off in some figure by more than noise:", class_="soft")
        left += items(others, class_="soft")
    right = tag("h3", "What was not measured")
    right += items([esc(line) for line in summary.NEVER])
    if missing:
        right += tag("p", "In this run: " + "; ".join(missing) + ".",
                     class_="soft")
    out.append(tag("div", tag("div", left) + tag("div", right),
                   class_="columns"))
    if result["warnings"]:
        out.append(tag("h3", "Warnings"))
        out.append(items(map(esc, result["warnings"])))
    return "".join(out)


def _reached(one):
    if one["reached"] is None:
        return NOT_MEASURED
    note = ""
    if one["missing"]:
        note = " (without %s: not measured)" % ", ".join(
            names.work_title(w) for w in one["missing"])
    if one["reached"]:
        return tag("span", "reached", class_="good") + esc(note)
    return tag("span", "not reached", class_="bad") + esc(note)


def _targets(result):
    rows = []
    for one in result["targets"]:
        ours = NOT_MEASURED
        if one["ours"] is not None:
            ours = esc(percent(one["ours"]))
            if one["interval"]:
                ours += tag("span", " (%s to %s)" % tuple(
                    map(percent, one["interval"])), class_="soft")
        rows.append(("", [
            esc(one["measure"]), esc(_minus(one["paper"])),
            esc(_minus(one["claim"])), esc(_minus(one["goal"])), ours,
            _reached(one), esc(one["cell"] or "\u2013")]))
    return tag(
        "p", "Changes against off in the same run, at 3:1 with 4 vCPUs and "
        "direct delivery unless the line says otherwise; where a line is "
        "about several cells, the worst of them, which the last column "
        "names. The published figures come from other machines, guests and "
        "loads. They stand here because they are of the same measure; the "
        "numbers cannot be compared.") + table(
            [("measure", "text wrap broad"), ("the paper", "text"),
             ("CoINT2 claims", "text"), ("to reach", "text wrap"),
             ("irqhop, here (95\u202f% interval)", ""),
             ("", "text wrap"), ("cell", "text")], rows) + tag(
                 "p", "The paper: L\u00fc et al., Chinese High Technology "
                 "Letters 34(8), 2024. CoINT2: INFOCOM 2025. "
                 "\u2013: no figure of that measure.", class_="note")


def _minus(text):
    return (text or "\u2013").replace("-", summary.MINUS)


def _removed(result, draw):
    out = []
    cells = summary.index(result)
    latency = [work for work in summary.works(result)
               if names.measure(work) != "throughput"]
    for at in summary.overcommits(result):
        for condition in summary.shown(result):
            rows = [_removed_row(work, cells.get((work, at, condition)))
                    for work in latency]
            if all(value is None for _, bars, _ in rows
                   for value, _ in bars):
                continue
            out.append(draw.figure(
                charts.bars(rows, "share of the penalty removed (%)",
                            (0, 100)),
                "%d:1, %s" % (at, names.condition_title(condition)), "",
                "Bars: share of the preemption penalty removed by %s at "
                "%d:1. " % (condition, at) + "; ".join(
                    _removed_words(row) for row in rows)))
    if not out:
        return tag("p", NOT_MEASURED)
    return tag(
        "p", "The penalty is what preemption adds to a latency: off less "
        "alone. 100 % removed is as good as alone, 0 is no better than off, "
        "less than 0 is worse than off. Look for bars that fall short of the "
        "right edge, and for any that point left.") + tag(
            "ul", charts.legend([(names.BLUE, "of the mean"),
                                 (names.SKY, "of the p99")]),
            class_="keys") + panels(out) + tag(
                "p", "Not given where off less alone is under 5 % of off: "
                "there is hardly a penalty to remove there.", class_="note")


def _removed_row(work, cell):
    gone = cell["removed"] if cell else None
    values = [None if not gone or gone[f] is None else 100 * gone[f]
              for f in ("mean", "p99")]
    note = "not measured" if not gone else "not given"
    return (names.work_title(work),
            list(zip(values, (names.BLUE, names.SKY))), note)


def _removed_words(row):
    label, bars, note = row
    words = [note if value is None else "%.0f %%" % value
             for value, _ in bars]
    return "%s: mean %s, p99 %s" % (label, *words)


def _distributions(result, groups, draw):
    """`groups` is {Key: [Measured]}."""
    out = []
    for work in summary.works(result):
        if names.measure(work) == "throughput":
            continue
        for at in summary.overcommits(result):
            curves, points = _curves(groups, work, at, result)
            if {"off", "on"} & set(curves):
                out.append(draw.figure(
                    charts.distribution(curves, points),
                    "%s, %d:1" % (names.work_title(work), at),
                    esc(_missing_curves(curves, points)),
                    "Latency distribution of %s at %d:1; %s" % (
                        names.work_plain(work), at, "; ".join(
                            "%s: %d operations" % (charts.CURVES[n][0],
                                                   len(c))
                            for n, c in curves.items()))))
    if not out:
        return tag("p", NOT_MEASURED)
    return tag(
        "p", "For each latency, how many of the operations took at least as "
        "long: the further left and down a line runs, the better. Look at "
        "the right end of the blue line (irqhop) beside the red one (off): "
        "that is what the slowest operations still wait. The green line is "
        "the oracle, the limit of any redirect: every interrupt taken the "
        "instant some vCPU of the guest runs (dots: only its p50, p90, p99 "
        "and p99.9 are known, from a traced run).") + tag(
            "ul", charts.legend([(c, t) for t, c, _
                                 in charts.CURVES.values()]),
            class_="keys") + panels(out)


def _curves(groups, work, at, result):
    """Latencies by curve; and points, where only figures are known."""
    called = {"alone": "alone", "off": "off", "recent": "recent",
              result["policy"]: "on"}
    curves, points = {}, {}
    for key, cells in groups.items():
        name = called.get(key.condition)
        if not name or key.work != work or not _usual(key, at):
            continue
        have = [ns for c in cells for ns in c.latencies or ()]
        if have:
            curves[name] = have
        if name == "on" and all(c.oracle for c in cells):
            curves["oracle"] = [ns for c in cells for ns in c.oracle]
    if "oracle" not in curves:
        points["oracle"] = _oracle_points(result, work, at)
    return curves, {n: found for n, found in points.items() if found}


def _usual(key, at):
    """Whether a cell is in the usual setting; alone, nobody is near."""
    where = summary.SETTING
    return (key.vcpus, key.path) == (where["vcpus"], where["path"]) and (
        key.condition == "alone" or (key.overcommit, key.neighbours)
        == (at, where["neighbours"]))


def _oracle_points(result, work, at):
    """[(us, share)] by the cell's own figures, or those of a traced one."""
    cell = summary.index(result).get((work, at, result["policy"])) or {}
    traced = summary.traced(result).get((work, at, result["policy"])) or {}
    known = cell.get("oracle") or traced.get("oracle") or {}
    return [(known[name], share) for name, share in (
        ("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p999", 0.001))
        if known.get(name)]


def _missing_curves(curves, points):
    missing = [charts.CURVES[name][0] for name in charts.CURVES
               if name not in curves and name not in points
               and name != "recent"]
    return "Not measured: %s." % ", ".join(missing) if missing else ""


def _traced_pairs(result):
    """[(work, overcommit)] in order."""
    wanted = ("off", *summary.shown(result))
    return sorted({key[:2] for key in summary.traced(result) if key[2] in wanted},
                  key=lambda k: (names.work_order(k[0]), k[1]))


def _timelines(result, draw):
    traced = summary.traced(result)
    out, used = [], set()
    for work, at in _traced_pairs(result):
        for condition in ("off", *summary.shown(result)):
            line = (traced.get((work, at, condition)) or {}).get("timeline")
            if not line:
                continue
            used |= {wait["kind"] for wait in line["waits"]}
            out.append(draw.figure(
                charts.timeline(line), "%s, %d:1, %s: %s\u202f\u00b5s" % (
                    names.work_title(work), at, condition,
                    number(line["latency_us"])),
                tag("ol", "".join(
                    tag("li", "%s\u202f\u00b5s: %s" % (
                        number(mark["at"]), esc(mark["text"])))
                    for mark in line["marks"]), class_="marks"),
                "Timeline of one operation of %s at %d:1, %s. %s" % (
                    names.work_plain(work), at, condition, "; ".join(
                        "%s us: %s" % (number(m["at"]), m["text"])
                        for m in line["marks"]))))
    if not out:
        return tag("p", NOT_MEASURED)
    styles = [(colour, text) for name, (text, colour)
              in charts.WAIT_STYLE.items() if name in used]
    return tag(
        "p", "One operation from the traces of host and guest, on one clock: "
        "of those whose interrupt came while its own vCPU was preempted, the "
        "one of median latency. A row is a vCPU: blue while it is on a physical CPU, "
        "pale while it is preempted. The thin bar is what the operation "
        "waits for, and on which vCPU. Look for the thin bar on a pale "
        "stretch: without irqhop the interrupt waits there while another "
        "row is blue.") + tag("ul", charts.legend(
            [(charts.RUNS, "vCPU runs"), (charts.BUSY, "preempted"),
             *styles]), class_="keys") + panels(out)


def _split(result, draw):
    traced = summary.traced(result)
    out, rows = [], []
    for work, at in _traced_pairs(result):
        pair = [(condition, traced[work, at, condition]) for condition
                in ("off", *summary.shown(result))
                if (work, at, condition) in traced]
        per_op = [(c, _per_operation(t)) for c, t in pair]
        out.append(draw.figure(
            charts.stacked(per_op, "\u00b5s per operation"),
            "%s, %d:1" % (names.work_title(work), at), "",
            "Stacked bars: where the slow operations of %s at %d:1 waited, "
            "in us per operation. %s" % (
                names.work_plain(work), at, "; ".join(
                    "%s: %s" % (label, ", ".join(
                        "%s %s" % (charts.WAIT_STYLE[n][0], charts.plain(v))
                        for n, v in waits.items() if v >= 0.5) or "none")
                    for label, waits in per_op))))
        rows += [_split_row(work, at, n, *one) for n, one in enumerate(pair)]
    if not out:
        return tag("p", NOT_MEASURED)
    return tag(
        "p", "What the slow operations waited for, spread over all "
        "operations of the cell, so that off and irqhop can be compared: a "
        "bar\u2019s length is what slow operations add to the mean. Look at "
        "which colour is left with irqhop.") + tag(
            "ul", charts.legend([(colour, text) for text, colour
                                 in charts.WAIT_STYLE.values()]),
            class_="keys") + panels(out) + tag(
                "p", "The same in figures, as the mean of the slow "
                "operations (\u00b5s). These cells are traced, which costs "
                "time of its own: their latencies are not those of the "
                "tables below.") + table(
                    [("work", "text"), ("", ""), ("condition", "text"),
                     ("n", ""), ("slow", ""), ("slow is over", "")]
                    + [(charts.WAIT_STYLE[split.WAITS[0]][0], ""),
                       ("of that, no vCPU ran", "")]
                    + [(charts.WAIT_STYLE[n][0], "")
                       for n in split.WAITS[1:]], rows) + _glossary()


def _per_operation(one):
    """The split over all operations, where their number is known."""
    factor = one["slow"] / one["n"] if one.get("n") else 1
    return {name: (one["split"].get(name) or 0) * factor
            for name in split.WAITS} if one["split"] else {}


def _split_row(work, at, first, condition, one):
    return ("first" if first == 0 else "", [
        esc(names.work_title(work)), "%d:1" % at,
        esc(names.condition_title(condition)), number(one.get("n")),
        number(one.get("slow")), number(one.get("over_us")),
        *(number(us) for us in _split_figures(one))])


def _split_figures(one):
    """A split as the table has it: after the first wait, that part of it in
    which no vCPU ran."""
    parts = [(one["split"] or {}).get(name) for name in split.WAITS]
    return [parts[0], one["none_ran_us"], *parts[1:]]


def _glossary():
    return items([
        "<strong>%s</strong>: %s" % (esc(charts.WAIT_STYLE[name][0]),
                                     esc(text))
        for name, text in split.MEANING.items()], class_="soft")


def _neighbour_rows(result, work, at):
    """[(label, [(value, colour)], note)] of each condition there is."""
    cells = summary.index(result)
    figure = ("throughput" if names.measure(work) == "throughput"
              else "mean")
    rows = []
    for condition in sorted({c for _, o, c in cells if o == at}
                            - {"off", "alone"}, key=names.condition_order):
        cell = cells.get((work, at, condition))
        against = (cell["against_off"] if cell else None) or {}
        if against.get(figure) is not None:
            rows.append((names.condition_title(condition), [
                (against[figure], names.BLUE),
                (against["cpu_share"], names.VERMILION)], "not measured"))
    return rows


def _neighbours(result, draw):
    at = summary.main_overcommit(result)
    out = []
    for work in summary.works(result):
        rows = _neighbour_rows(result, work, at) if at else []
        if not rows:
            continue
        what = ("throughput" if names.measure(work) == "throughput"
                else "mean latency")
        out.append(draw.figure(
            charts.bars(rows, "change against off (%)", (-100, 20)),
            "%s, %d:1: %s" % (names.work_title(work), at, what), "",
            "Bars: %s of %s at %d:1, and the neighbours\u2019 share of the "
            "CPU, both against off. %s" % (
                what, names.work_plain(work), at, "; ".join(
                    "%s: %s and %s" % (label, percent(pair[0][0]),
                                       percent(pair[1][0]))
                    for label, pair, _ in rows))))
    if not out:
        return tag("p", NOT_MEASURED)
    today = {c["condition"] for c in result["cells"]
             if names.group(c["condition"]) == "today"}
    note = "" if today else tag(
        "p", "What operators do today (SCHED_FIFO, nice, slice, halt "
        "polling, irqbalance, queues): " + NOT_MEASURED + ".")
    return tag(
        "p", "A remedy that starves the neighbours is no remedy. The blue "
        "bar is what a setting does to the work, the red one what it does to "
        "the share of the CPU that the neighbours get. Look for a long blue "
        "bar (to the left for a latency, to the right for a throughput) with "
        "no red one below it.") + tag("ul", charts.legend([
            (names.BLUE, "the work"),
            (names.VERMILION, "the neighbours\u2019 share of the CPU")]),
            class_="keys") + note + panels(out) + _neighbour_latency(result)


def _neighbour_latency(result):
    rows = []
    for c in result["cells"]:
        waits = c["neighbours_got"]["latency"]
        if waits and c["condition"] != "alone":
            against = c["against_off"] or {}
            rows.append(("own" if c["condition"] == result["policy"] else
                         "", [
                esc(names.work_title(c["work"])), summary.setting(c),
                esc(names.condition_title(c["condition"])),
                share(c["neighbours_got"]["cpu_share"])
                if c["neighbours_got"]["cpu_share"] is not None else "\u2013",
                number(waits["p50"]), number(waits["p99"]),
                percent(against.get("neighbour_p99"))]))
    if not rows:
        return tag("p", "How long neighbours that sleep and wake wait to "
                   "run: " + NOT_MEASURED + ".")
    return tag("h3", "How long neighbours that sleep and wake wait to run "
               "(\u00b5s)") + table(
                   [("work", "text"), ("setting", "text"),
                    ("condition", "text"), ("share of the CPU", ""),
                    ("p50", ""), ("p99", ""), ("p99 against off", "")], rows)


_LATENCY = ("p50", "p90", "p99", "p999", "max", "mean")


def _tables(result):
    out = []
    for work in summary.works(result):
        cells = [c for c in result["cells"] if c["work"] == work]
        out.append(tag("h3", esc(names.work_title(work))))
        out.append(_work_table(result, cells))
    return tag(
        "p", "Latencies in \u00b5s of virtual time, over the operations of "
        "all rounds together; percentiles by nearest rank. In brackets: the "
        "95\u202f% interval of the mean by the bootstrap. A figure that is "
        "worse than off by more than noise is red. hops, stranded, in "
        "handler, held back: what irqhop\u2019s counters say, over all "
        "rounds. Scroll sideways for what does not fit.") + "".join(out)


def _work_table(result, cells):
    header = [("condition", "text"), ("setting", "text"), ("rounds", ""),
              ("n", "")]
    header += [(summary.FIGURE_WORDS.get(f, f).replace("median", "p50"), "")
               for f in _LATENCY]
    header += [("mean, 95\u202f% interval", ""), ("mean against off", ""),
               ("penalty removed", ""), ("of the p99", ""),
               ("oracle, mean", ""), ("throughput", ""), ("against off", ""),
               ("neighbours\u2019 share", ""), ("against off", ""),
               ("not answered", ""), ("hops", ""), ("hops/s", ""),
               ("stranded", ""), ("in handler", ""), ("held back", ""),
               ("summons", "")]
    rows, last = [], None
    for c in cells:
        where = summary.setting(c)
        rows.append(("first" if where != last else "own" if c["condition"]
                     == result["policy"] else "", _row(c, where)))
        last = where
    return table(header, rows, "sticky")


def _row(c, where):
    against = c["against_off"] or {}
    bad = set(against.get("worse", ()))

    def mark(text, figure):
        return tag("span", text, class_="bad" if figure in bad else "") \
            if figure in bad else text

    latency = c["latency"] or {}
    gone = c["removed"] or {}
    stat = c["stat"] or {}
    through = c["throughput"]
    return [
        esc(names.condition_title(c["condition"])), esc(where),
        str(len(c["rounds"])), number(c["n"]),
        *(mark(number(latency.get(f)), f) for f in _LATENCY),
        "\u2013" if not c["mean_interval"] or not c["latency"] else
        "%s\u2013%s" % tuple(map(number, c["mean_interval"])),
        mark(percent(against.get("mean")), "mean"),
        share(gone.get("mean")), share(gone.get("p99")),
        number((c["oracle"] or {}).get("mean")),
        mark("%s %s" % (number(through["value"]), esc(through["unit"]))
             if through else "\u2013", "throughput"),
        mark(percent(against.get("throughput")), "throughput"),
        share(c["neighbours_got"]["cpu_share"]),
        mark(percent(against.get("cpu_share"), 2), "cpu_share"),
        number(c["lost"]),
        *(number(stat.get(name)) for name in (
            "hops", "hops_per_s", "stranded", "in_handler", "held_back",
            "summons"))]


def _conditions(result):
    meta = result["meta"]
    facts = []
    for name, label in (("date", "date"), ("asked_for", "asked for"),
                        ("only", "only"), ("rounds", "rounds a cell"),
                        ("complete", "complete"),
                        ("wall_s", "real time, s")):
        if meta.get(name) is not None:
            facts.append((label, _plain(meta[name])))
    for name, value in (meta.get("versions") or {}).items():
        facts.append((name.replace("_", " "), _plain(value)))
    boot = result["bootstrap"]
    facts.append(("bootstrap", "%d resamples, seed %d" % (boot["resamples"],
                                                          boot["seed"])))
    words = [
        "The guest has 4 vCPUs unless a setting says otherwise, all of them "
        "kept busy by tasks of the guest\u2019s idle class, as on a "
        "consolidated host.",
        "The host has 6 physical CPUs: oversubscribed, the vCPUs float on "
        "two of them, which they share with the neighbours; the client and "
        "the rest of the host have others.",
        "Every physical CPU is kept busy in every condition: in virtual time "
        "an idle one would make the others faster.",
        "off begins with every interrupt at home; the null control has "
        "irqhop enabled with a policy that never moves one.",
        "Direct: the interrupt hardware (GICv4) delivers a device\u2019s "
        "interrupts to a vCPU that runs, without an exit. Injected: KVM "
        "does."]
    return items(words) + table(
        [("what", "text"), ("", "text")],
        [("", [esc(a), esc(b)]) for a, b in facts], "short")


def _plain(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _repeat(_):
    return tag(
        "p", "On a Debian machine (12 or later, x86-64; nothing special in "
        "hardware), in irqhop\u2019s sources:") + tag("pre", esc(
            "make bench         # a chosen subset\n"
            "make bench-full    # everything; goes on where it stopped\n"
            "make where         # traced: the split and the timelines")) \
        + tag("p", "Some cells only, by their names in the table of the "
              "targets:") + tag("pre", esc(
                  "make bench BENCH_FLAGS=\"--only 'ping-3-*'\"\n"
                  "make where WHERE_FLAGS=\"--works ping --overcommit 3\"")) \
        + tag("p", "Beside this page lies <code>result.json</code> with all "
              "figures, per round as well. What is measured and how stands "
              "in <code>docs/bench.md</code>, the report\u2019s arithmetic "
              "and the keys of <code>result.json</code> in "
              "<code>docs/bench-report.md</code>.")


SECTIONS = [
    ("summary", "Summary", lambda r, g, d: _first(r)),
    ("targets", "The targets", lambda r, g, d: _targets(r)),
    ("removed", "How much of the penalty is gone",
     lambda r, g, d: _removed(r, d)),
    ("latency", "Latencies, all of them", _distributions),
    ("timeline", "One interrupt, with and without irqhop",
     lambda r, g, d: _timelines(r, d)),
    ("split", "Where the time went", lambda r, g, d: _split(r, d)),
    ("neighbours", "What it costs the neighbours",
     lambda r, g, d: _neighbours(r, d)),
    ("tables", "All figures", lambda r, g, d: _tables(r)),
    ("conditions", "Conditions and versions",
     lambda r, g, d: _conditions(r)),
    ("repeat", "How to repeat it", lambda r, g, d: _repeat(r)),
]


def render(result, groups):
    """The page; `groups` is cellfiles.Bench.by_key()."""
    draw = Figures()
    parts = [tag("section", tag("h2", esc(title)) + make(result, groups,
                                                         draw), id=name)
             for name, title, make in SECTIONS]
    with open(os.path.join(HERE, "page.css"), encoding="utf-8") as file:
        style = file.read()
    contents = tag("nav", items([
        tag("a", esc(title), href="#" + name)
        for name, title, _ in SECTIONS]), aria_label="Contents")
    return (
        '<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        'lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1"/>\n<title>irqhop: what it does for which '
        "work</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n%s%s"
        "%s\n</main>\n</body>\n</html>\n" % (
            style, tag("header", tag(
                "h1", "irqhop: what it does for which work") + tag(
                    "p", "Measured in an emulated host, in virtual time",
                    class_="soft")), contents, "\n".join(parts)))
