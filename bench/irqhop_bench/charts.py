# SPDX-License-Identifier: GPL-2.0-only
"""The report's pictures: gnuplot programs, and their SVG made fit to be part
of a page.

Each picture is small, and stands in a row of others where there is room:
so its letters are as large as the text's on a narrow window as well.
"""

import html
import math
import re
import shutil
import subprocess

from . import plot, split
from .names import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

WIDTH = 400
FONT = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif"

# (name, colour) of each wait.
WAIT_STYLE = {name: (split.NAMES[name], colour) for name, colour in zip(
    split.WAITS, (VERMILION, PURPLE, "#6A4C93", ORANGE, SKY, BLACK,
                  "#C9CCD1"))}


class ChartError(Exception):
    """A picture could not be drawn."""


def _text(words):
    """A gnuplot string."""
    return '"%s"' % str(words).replace("\\", "\\\\").replace('"', "'")


def _head(height):
    return [
        "set encoding utf8",
        "set term svg size %d,%d dynamic font '%s,13' noenhanced"
        % (WIDTH, height, FONT.split(",", maxsplit=1)[0]),
        "set minussign",
        "set border 3 lc rgb '#8a8f98' lw 0.8",
        "set tics nomirror scale 0.5 textcolor rgb '#333333'",
        "set grid lc rgb '#e3e5e8' lw 0.8 lt 1",
        "unset key"]


def draw(program):
    """What gnuplot makes of it."""
    if not shutil.which("gnuplot"):
        raise ChartError("gnuplot is not installed (gnuplot-nox)")
    # -d: whatever ~/.gnuplot says is not for this picture.
    done = subprocess.run(["gnuplot", "-d", "-"], input=program.encode(),
                          capture_output=True, check=False)
    svg = done.stdout.decode(errors="replace").rstrip()
    if done.returncode or not svg.endswith("</svg>"):
        raise ChartError("gnuplot failed: %s"
                         % done.stderr.decode(errors="replace").strip())
    return svg


def inline(svg, name, alt):
    """An SVG as an element of a page: with a description, without a prolog,
    and with ids that no other picture has."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<(title|desc)>.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s(?:width|height)=\"[\d.]+\"(?=[^<>]*viewBox)", "", svg,
                 count=2)
    svg = re.sub(r"\bid=(['\"])", r"id=\1%s-" % name, svg)
    svg = re.sub(r"href=(['\"])#", r"href=\1#%s-" % name, svg)
    svg = re.sub(r"url\((['\"]?)#", r"url(\1#%s-" % name, svg)
    svg = re.sub(r"font-family=\"[^\"]*\"", 'font-family="%s"' % FONT, svg)
    # Room that gnuplot leaves between elements, of which it has thousands.
    svg = re.sub(r"\n\s*\n+", "\n", svg)
    return svg.replace("<svg", '<svg role="img" aria-label="%s"'
                       % html.escape(alt, quote=True), 1)


# -- bars ------------------------------------------------------------------


def _scale(values, low, high):
    """Axis limits: at least low..high, further if a value lies there."""
    return min([low, *values]), max([high, *values])


def tics(low, high, most=7):
    """(first, step, last) of at most so many round numbers between the
    limits."""
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100,
                                  200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4,
                                  1e5, 1e6, 1e9)
                if (high - low) / step <= most)
    return math.ceil(low / step) * step, step, high


def bars(rows, unit, limits):
    """Horizontal bars: rows [(label, [(value, colour)], note)]; of a value
    None the note is said in its place."""
    slots = max(len(bars_) for _, bars_, _ in rows)
    row = 29 + 15 * slots
    values = [value for _, bars_, _ in rows for value, _ in bars_
              if value is not None]
    low, high = _scale(values, *limits)
    room = 0.1 * (high - low)
    left = low - (room if low < 0 else 0)
    out = _head(50 + row * len(rows))
    out += ["set lmargin 1", "set rmargin 1.5", "set tmargin 0.4",
            "set bmargin 3", "set border 1",
            "set xrange [%g:%g]" % (left, high + room),
            "set xtics %g,%g,%g" % tics(low, high),
            "set yrange [%d:0]" % len(rows),
            "set xlabel %s offset 0,0.3 textcolor rgb '#333333'"
            % _text(unit),
            "unset grid", "set grid xtics lc rgb '#e3e5e8' lw 0.8 lt 1",
            "unset ytics",
            "set arrow 1 from 0,0 to 0,%g nohead lc rgb '#8a8f98' lw 1"
            % len(rows)]
    for n, (label, bars_, note) in enumerate(rows):
        out.append("set label %s at %g,%g left textcolor rgb '#222222'"
                   % (_text(label), left, n + 12 / row))
        for slot, (value, colour) in enumerate(bars_):
            out += _bar(value, colour, note,
                        (n + (23 + 15 * slot) / row, 13 / row))
    return "\n".join(out + ["plot NaN notitle"]) + "\n"


def _bar(value, colour, note, place):
    """One bar, of that (top, height), and its number."""
    top, height = place
    middle = top + height / 2
    if value is None:
        yield ("set label %s at 0,%g left offset 0.4,0 textcolor rgb "
               "'#777777' font ',11'" % (_text(note), middle))
        return
    yield ("set object rect from 0,%g to %g,%g fc rgb '%s' fs solid 1 "
           "noborder" % (top, value, top + height, colour))
    side, offset = ("left", 0.4) if value >= 0 else ("right", -0.4)
    yield ("set label %s at %g,%g %s offset %g,0 font ',11' textcolor rgb "
           "'#222222'" % (_text(short(value)), value, middle, side, offset))


def short(value):
    """A number beside a bar."""
    digits = 0 if abs(value) >= 10 else 1
    # No minus before what is rounded to nothing.
    return ("%.*f" % (digits, round(value, digits) + 0.0)).replace(
        "-", "\u2212")


def stacked(rows, unit):
    """Stacked horizontal bars: rows [(label, {wait: value})]."""
    height = 64 + 34 * len(rows)
    total = max([sum(waits.values()) for _, waits in rows] + [1e-9])
    out = _head(height)
    out += ["set lmargin 9", "set rmargin 2", "set tmargin 0.6",
            "set bmargin 3", "set border 1",
            "set xrange [0:%g]" % (1.17 * total),
            "set xtics %g,%g,%g" % tics(0, 1.1 * total, 5),
            "set yrange [%g:-0.6]" % (len(rows) - 0.4),
            "set xlabel %s offset 0,0.3 textcolor rgb '#333333'"
            % _text(unit),
            "unset grid", "set grid xtics lc rgb '#e3e5e8' lw 0.8 lt 1",
            "set ytics scale 0 (%s)" % ", ".join(
                "%s %d" % (_text(label), n)
                for n, (label, _) in enumerate(rows))]
    for n, (_, waits) in enumerate(rows):
        at = 0
        for name, (_, colour) in WAIT_STYLE.items():
            size = waits.get(name) or 0
            if size > 0:
                out.append("set object rect from %g,%g to %g,%g fc rgb '%s' "
                           "fs solid 1 noborder" % (at, n - 0.32, at + size,
                                                    n + 0.32, colour))
                at += size
        out.append("set label %s at %g,%d left offset 0.4,0 font ',11'"
                   % (_text(plain(at)), at, n))
    return "\n".join(out + ["plot NaN notitle"]) + "\n"


def plain(value):
    """A number of microseconds for people."""
    if value >= 100:
        return "{:,.0f}".format(value).replace(",", "\u202f")
    return "%.1f" % value if value >= 10 else "%.2f" % value


# -- distributions ---------------------------------------------------------

CURVES = {
    "alone": ("alone", BLACK, "lw 1.6 dt (2,2)"),
    "off": ("off (stock)", VERMILION, "lw 2.6"),
    "oracle": ("oracle", GREEN, "lw 1.8 dt (6,3)"),
    "recent": ("irqhop, redirect alone", SKY, "lw 1.8"),
    "on": ("irqhop", BLUE, "lw 2.6"),
}


def _decades(low, high):
    """Tics of a logarithmic axis: more than one, and not too many."""
    parts = (1,) if high / low > 100 else (1, 2, 5)
    return "set xtics (%s)" % ", ".join(
        "'%s' %g" % (_thousands(n * 10 ** k), n * 10 ** k)
        for k in range(-1, 7) for n in parts)


def _thousands(value):
    """A short label of a tic."""
    return "%gk" % (value / 1000) if value >= 10_000 else "%g" % value


def distribution(curves, points):
    """Tails: curves {name: latencies in ns}; points {name: [(us, share)]}
    where only figures are known."""
    values = [ns / 1000 for curve in curves.values()
              for ns in (min(curve), max(curve))]
    values += [us for known in points.values() for us, _ in known]
    longest = max([len(c) for c in curves.values()] + [1000])
    out = _head(330)
    out += ["set lmargin 9", "set rmargin 2", "set tmargin 0.6",
            "set bmargin 3.4", "set logscale xy",
            "set xrange [%.6g:%.6g]" % (0.7 * min(values),
                                        1.5 * max(values)),
            "set yrange [%.6g:1.3]" % (0.7 / longest),
            "set xtics format '%.0f'", "set mxtics 1", "set mytics 1",
            _decades(min(values), max(values)),
            "set ytics ('all' 1, '1 in 10' 0.1, '1 in 100' 0.01, "
            "'1 in 1000' 0.001, '1 in 10000' 0.0001)",
            "set xlabel 'took at least this long (\u00b5s, virtual time)' "
            "offset 0,0.2 textcolor rgb '#333333'"]
    plots = []
    for name, (_, colour, line) in CURVES.items():
        if name in curves:
            data = plot.steps(plot.tail_points(curves[name]))
            style = "with lines %s lc rgb '%s'" % (line, colour)
        elif name in points:
            data = points[name]
            style = ("with points pt 7 ps 0.6 lc rgb '%s'" % colour)
        else:
            continue
        out += ["$%s << END" % name,
                *("%.5g %.5g" % point for point in data), "END"]
        plots.append("$%s using 1:2 %s notitle" % (name, style))
    return "\n".join(out + ["plot " + ", ".join(plots)]) + "\n"


# -- one interrupt ---------------------------------------------------------

RUNS, BUSY = "#B9D4EA", "#E9EBEE"


def timeline(line):
    """Which vCPU ran when, where the operation waited: as where.py has it."""
    vcpus = sorted(line["vcpus"], key=int)
    marks = line["marks"]
    length = line["length_us"]
    scale, unit = (1000, "ms") if length > 3000 else (1, "\u00b5s")
    out = _head(98 + 44 * len(vcpus))
    out += ["set lmargin 8", "set rmargin 2", "set tmargin 2.8",
            "set bmargin 3", "set border 1", "unset grid",
            "set xrange [0:%g]" % (length / scale),
            "set yrange [%g:-0.55]" % (len(vcpus) - 0.45),
            "set xlabel 'time (%s)' offset 0,0.3 textcolor rgb '#333333'"
            % unit,
            "set ytics scale 0 (%s)" % ", ".join(
                "'vCPU %s' %d" % (v, n) for n, v in enumerate(vcpus))]
    for n, vcpu in enumerate(vcpus):
        out.append("set object rect from 0,%g to %g,%g fc rgb '%s' fs solid "
                   "1 noborder behind" % (n - 0.3, length / scale, n + 0.3,
                                          BUSY))
        out += ["set object rect from %g,%g to %g,%g fc rgb '%s' fs solid 1 "
                "noborder" % (a / scale, n - 0.3, b / scale, n + 0.3, RUNS)
                for a, b in line["vcpus"][vcpu]]
    rows = {int(v): n for n, v in enumerate(vcpus)}
    for wait in line["waits"]:
        n = rows[wait["vcpu"]]
        out.append("set object rect from %g,%g to %g,%g fc rgb '%s' fs solid "
                   "1 noborder front" % (wait["from"] / scale, n - 0.1,
                                         wait["to"] / scale, n + 0.1,
                                         WAIT_STYLE[wait["kind"]][1]))
    out += _marks(marks, rows, scale, length)
    return "\n".join(out + ["plot NaN notitle"]) + "\n"


def _marks(marks, rows, scale, length):
    """A numbered dot for each moment; those that would lie on each other are
    raised by turns."""
    last, lift = None, 0
    for number, mark in enumerate(marks, 1):
        near = last is not None and mark["at"] - last < 0.035 * length
        lift = (lift + 1) % 4 if near else 0
        last = mark["at"]
        n = rows.get(mark["vcpu"], -0.4)
        at = mark["at"] / scale
        top = -0.42
        yield ("set arrow from %g,%g to %g,%g nohead front lc rgb '#333333' "
               "lw 0.8" % (at, top, at, n))
        yield ("set label '%d' at %g,%g center front font ',11' offset 0,%g"
               % (number, at, top, 0.5 + 0.75 * lift))
        if mark["vcpu"] in rows:
            yield ("set label '' at %g,%g point pt 7 ps 0.4 lc rgb '#222222'"
                   " front" % (at, n))


def legend(entries):
    """[(colour, text)] as a list for the page."""
    return "".join('<li><span class="key" style="background:%s"></span>%s'
                   "</li>" % (colour, html.escape(text))
                   for colour, text in entries)
