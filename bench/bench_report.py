#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn what `make bench` measured into result.json and report.html.

    python3 bench/bench_report.py [DIR]

DIR (build/bench) has the cells, and gets the two files. What was not measured
is said in them; exits with 1 where there is nothing at all.
"""

import argparse
import json
import os
import sys

from irqhop_bench import aggregate, cellfiles, charts, page, schema

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "bench.schema.json")


def _write(path, content):
    """The whole file or none."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(path + ".part", path)


def report(directory):
    """Read, put together, write; returns where the page is."""
    bench = cellfiles.read(directory)
    if not bench.cells and not bench.where:
        raise FileNotFoundError("%s: no cells" % directory + "".join(
            "; " + line for line in bench.problems))
    result = aggregate.build(bench)
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        schema.check(result, json.load(file))
    target = os.path.join(directory, "report.html")
    text = page.render(result, bench.by_key())
    _write(os.path.join(directory, "result.json"),
           json.dumps(result, indent=1) + "\n")
    _write(target, text)
    return target, result


def main(argv=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", default="build/bench",
                        metavar="DIR")
    args = parser.parse_args(argv)
    try:
        target, result = report(args.directory)
    except (OSError, schema.SchemaError, charts.ChartError) as error:
        print("bench_report: %s" % error, file=sys.stderr)
        return 1
    for line in result["warnings"]:
        print("bench_report: %s" % line, file=sys.stderr)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
