# SPDX-License-Identifier: GPL-2.0-only
"""latency.svg by gnuplot: complementary distributions, log-log.

One panel per work (row) and overcommit (column).  For each latency the
share of operations that took at least as long: the tail, where the penalty
is, gets as much room as the rest.  All rounds pooled; the oracle is that of
the on cell's send times.
"""

import math
import shutil
import subprocess

from .path import TITLES as PATH_TITLES
from .raw import CONDITIONS, alone_key

# Okabe and Ito's palette: told apart by colour-blind readers too.  home lies
# on off if all is well, so it is dashed and drawn over it.
STYLES = {
    "alone": ("alone", "lw 2.5 lc rgb '#000000'"),
    "off": ("irqhop off", "lw 3.5 lc rgb '#D55E00'"),
    "home": ("home (null control)", "lw 2 lc rgb '#E69F00' dt (6,4)"),
    "on": ("irqhop on", "lw 3 lc rgb '#0072B2'"),
    "oracle": ("oracle (redirect limit)",
               "lw 2 lc rgb '#009E73' dt (2,3)"),
}
ORDER = ("alone", "off", "home", "oracle", "on")
TITLES = {"ping": "ping, round trip", "nvme": "NVMe read"}
# Ranks drawn per decade: more than the picture can show, few enough to keep
# the file small.
PER_DECADE = 80
TOP, BOTTOM = 70, 88
PANEL_WIDTH, PANEL_HEIGHT = 560, 370


class PlotError(Exception):
    """The picture could not be drawn."""


def tail_points(latencies_ns):
    """[(us, share that took at least that long)], the longest included.

    Ranks from the longest are thinned evenly in their logarithm, so the
    tail is complete and the bulk is not drawn a thousand times over.
    """
    ordered = sorted(latencies_ns, reverse=True)
    n = len(ordered)
    count = max(1, math.ceil(PER_DECADE * math.log10(n))) if n > 1 else 1
    ranks = {round(n ** (i / count)) for i in range(count + 1)}
    # The share that took at least as long goes by the last of equal values.
    points = {}
    for rank in sorted(ranks | {1, n}):
        points[ordered[rank - 1]] = rank / n
    return sorted((ns / 1000, share) for ns, share in points.items())


def steps(points):
    """A distribution's own shape: corners instead of slanted lines.

    At the latency itself the share still holds; right of it, the next one.
    """
    out = []
    for (x, share), (_, after) in zip(points, points[1:]):
        out += [(x, share), (x, after)]
    return out + points[-1:]


def _curves(groups, oracles, work, overcommit):
    """{name: latencies in ns} of one panel."""
    out = {}
    for condition in CONDITIONS:
        key = ((work, overcommit, condition) if condition != "alone"
               else alone_key(groups, work, overcommit))
        if key in groups:
            out[condition] = [ns for c in groups[key] for ns in c.latencies]
    oracle = oracles.get((work, overcommit, "on"))
    if oracle and oracle.usable(oracle.unknown):
        out["oracle"] = oracle.latencies
    return out


def panels(groups):
    """(rows, columns) of the picture: works and overcommits with anything
    to compare; alone by itself only if there is nothing else."""
    keys = [k for k in groups if k[2] != "alone"] or list(groups)
    return (list(dict.fromkeys(k[0] for k in keys)),
            sorted({k[1] for k in keys}))


def _data_block(name, curve):
    rows = "\n".join("%.3f %.6g" % point
                     for point in steps(tail_points(curve)))
    return "$%s << END\n%s\nEND" % (name, rows)


def _range(curves):
    """A decade-ish frame around all curves of a work, in us."""
    values = [ns for curve in curves for ns in curve]
    return 0.7 * min(values) / 1000, 1.4 * max(values) / 1000


def _panel(curves, title, frame, x, y, bottom):
    """gnuplot commands for one panel at (x, y) of the whole, from 0 to 1."""
    ends = {name: 1 / len(curve) for name, curve in curves.items()}
    lines = ["set lmargin at screen %.4f" % x[0],
             "set rmargin at screen %.4f" % x[1],
             "set bmargin at screen %.4f" % y[0],
             "set tmargin at screen %.4f" % y[1],
             "set title '%s'" % title,
             "set xlabel '%s'" % ("latency (us, virtual time)"
                                  if bottom else ""),
             "set xrange [%.6g:%.6g]" % frame,
             "set yrange [%.6g:1.25]" % (0.7 * min(ends.values()))]
    blocks, plots = [], []
    for name in ORDER:
        if name in curves:
            block = name
            blocks.append(_data_block(block, curves[name]))
            plots.append("$%s using 1:2 with lines %s notitle"
                         % (block, STYLES[name][1]))
    return blocks + lines + ["plot " + ", ".join(plots)]


def _legend(names):
    """A frame without a graph whose key is the legend of all panels."""
    plots = ", ".join("NaN with lines %s title '%s'"
                      % (STYLES[name][1], STYLES[name][0])
                      for name in STYLES if name in names)
    return ["set lmargin at screen 0.02", "set rmargin at screen 0.98",
            "set tmargin at screen LEGEND_TOP", "set bmargin at screen 0.0",
            "unset title", "unset xlabel", "unset ylabel", "unset tics",
            "unset border", "unset grid", "unset label", "unset logscale",
            "set xrange [0:1]", "set yrange [0:1]",
            "set key at screen 0.5,LEGEND_MID center center horizontal "
            "reverse Left width -1 maxcols 5 samplen 3 font ',11'",
            "plot " + plots]


def script(groups, oracles, path, versions):
    """The whole gnuplot program, data included."""
    rows, columns = panels(groups)
    width = PANEL_WIDTH * max(len(columns), 2)
    height = TOP + BOTTOM + PANEL_HEIGHT * len(rows)
    caption = ("%s; emulated (TCG, virtual time), not a claim about hardware; "
               "QEMU %s, host %s, guest %s" % (
                   PATH_TITLES[path], *(
                       str(versions[k]).replace("'", "")
                       for k in ("qemu", "host_kernel", "guest_kernel"))))
    out = [
        "set encoding utf8",
        "set term svg size %d,%d dynamic background rgb 'white' "
        "font 'DejaVu Sans,Arial,sans-serif' fontscale 1.0"
        % (width, height),
        "LEGEND_TOP = %.4f" % (BOTTOM / height),
        "LEGEND_MID = %.4f" % (42 / height),
        "set multiplot",
        "set label 1 'Latency distributions: what preemption of the home "
        "vCPU adds, and what irqhop leaves of it' at screen 0.5,%.4f center "
        "font ',17' noenhanced" % (1 - 24 / height),
        "set label 2 '%s' at screen 0.5,%.4f center font ',11' "
        "textcolor rgb '#555555' noenhanced" % (caption, 14 / height),
        "set logscale xy",
        "set grid xtics ytics lc rgb '#dddddd' lw 1 lt 1",
        "set border 3 lc rgb '#555555'",
        "set xtics nomirror format '%.0f'",
        "set ytics nomirror ('100 %%' 1, '50 %%' 0.5, '10 %%' 0.1, "
        "'1 %%' 0.01, '0.1 %%' 0.001, '0.01 %%' 0.0001)",
        "set tics textcolor rgb '#222222'",
        "unset key",
    ]
    names = set()
    for r, work in enumerate(rows):
        found = {oc: _curves(groups, oracles, work, oc) for oc in columns}
        frame = _range([c for curves in found.values()
                        for c in curves.values()])
        for c, overcommit in enumerate(columns):
            curves = found[overcommit]
            if not curves:
                continue
            names |= curves.keys()
            x = ((c + 0.15) / len(columns), (c + 0.97) / len(columns))
            base = BOTTOM + PANEL_HEIGHT * (len(rows) - 1 - r)
            y = ((base + 55) / height, (base + PANEL_HEIGHT - 30) / height)
            out.append("set ylabel '%s' offset 0.5" % (
                "share of operations that took at least as long"
                if c == 0 else ""))
            out += _panel(curves, "%s, overcommit %d" % (
                TITLES[work], overcommit), frame, x, y, r == len(rows) - 1)
            # Labels are the page's: once is enough.
            out += ["unset label"]
    return "\n".join(out + _legend(names) + ["unset multiplot", ""])


def draw(path, program):
    """Run gnuplot; write the picture only if it came out whole."""
    if not shutil.which("gnuplot"):
        raise PlotError("%s: gnuplot is not installed (gnuplot-nox)" % path)
    # -d: whatever ~/.gnuplot says is not for this picture.
    done = subprocess.run(["gnuplot", "-d", "-"], input=program.encode(),
                          capture_output=True, check=False)
    if done.returncode or not done.stdout.rstrip().endswith(b"</svg>"):
        raise PlotError("%s: gnuplot failed: %s" % (
            path, done.stderr.decode(errors="replace").strip()))
    with open(path, "wb") as file:
        file.write(done.stdout)
