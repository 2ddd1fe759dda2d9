#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn raw measurements into result.json, report.txt and latency.svg.

    python3 bench/report.py RAW_DIR OUT_DIR

Prints report.txt.  Exits with 1 and one line that names the file when raw
data is missing or cannot be right; nothing is written then.
"""

import argparse
import json
import os
import sys

from irqhop_bench import oracle, plot, raw, result, schema, text


def _share(value):
    share = float(value)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("not between 0 and 1")
    return share


def _arguments(argv):
    parser = argparse.ArgumentParser(
        description="Write result.json, report.txt and latency.svg.")
    parser.add_argument("raw_dir", help="what the runner left")
    parser.add_argument("out_dir", help="where to write")
    parser.add_argument("--partial", action="store_true",
                        help="take rounds that lack cells (the report says "
                        "so)")
    parser.add_argument("--no-plot", action="store_true",
                        help="do not draw latency.svg")
    for work, share in oracle.ONE_WAY_SHARE.items():
        parser.add_argument(
            "--%s-one-way" % work, type=_share, default=share, metavar="SHARE",
            help="part of alone's round trip before the interrupt, for the "
            "oracle (default %(default)s)")
    return parser.parse_args(argv)


def _write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def report(args):
    """Do all of it; whatever can fail on the data comes before writing."""
    shares = {work: getattr(args, "%s_one_way" % work)
              for work in oracle.ONE_WAY_SHARE}
    run = raw.read(args.raw_dir, args.partial)
    outcome = result.build(run, shares)
    schema.validate(outcome)
    page = text.render(outcome)
    os.makedirs(args.out_dir, exist_ok=True)
    _write(os.path.join(args.out_dir, "result.json"),
           json.dumps(outcome, indent=1) + "\n")
    _write(os.path.join(args.out_dir, "report.txt"), page)
    print(page, end="", flush=True)
    if not args.no_plot:
        plot.draw(os.path.join(args.out_dir, "latency.svg"),
                  plot.script(run.by_key(), result.oracle_cells(run, shares),
                              run.meta["path"], run.meta["versions"]))


def main(argv=None):
    args = _arguments(argv)
    try:
        report(args)
    except (raw.RawError, schema.SchemaError, plot.PlotError,
            OSError) as error:
        print("report: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
