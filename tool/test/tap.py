# SPDX-License-Identifier: GPL-2.0-only
"""Runs the tool as tables of rows say, and reports in TAP."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import typing

import jsonschema

SCHEMAS = pathlib.Path(__file__).parents[2] / "docs" / "schema"
TIMEOUT = 30


@dataclasses.dataclass
class Row:
    """One run of the tool, and what is expected of it.

    out and err are regular expressions; "" is anything, None nothing at all.
    An error is one line that begins with "irqhop: ", or as many as errors
    says; mistakes on the command line are argp's to print.
    """

    text: str
    args: str
    status: int = 0
    out: typing.Optional[str] = ""
    err: typing.Optional[str] = None
    env: dict = dataclasses.field(default_factory=dict)
    errors: int = 1
    # All of standard output, its beginning, and the log in any order.
    exact: typing.Optional[str] = None
    head: str = ""
    log: typing.Optional[list] = None
    # Standard output is JSON by this schema, one object or (lines) several;
    # holds is asked whether it is the right one.
    schema: typing.Optional[str] = None
    lines: bool = False
    holds: typing.Callable = None


def said(pattern, text):
    """Whether text is as a Row's out or err has it."""
    if pattern is None:
        return not text
    return not pattern or re.search(pattern, text, re.M) is not None


class Tap:
    """Runs rows against one program and counts."""

    def __init__(self, program, root, log):
        self.program = str(program)
        self.root = root
        self.log = log
        self.count = 0
        self.failed = 0
        self.schemas = {}

    def environment(self, env):
        """What the program is to see: the row's, and little else."""
        base = {name: os.environ[name] for name in ("PATH", "HOME")
                if name in os.environ}
        base.update(LC_ALL="C", TZ="UTC", FAKE_ROOT=str(self.root),
                    FAKE_LOG=str(self.log))
        base.update({name: str(value) for name, value in env.items()})
        return base

    def result(self, text, wrong, details=""):
        """One line; wrong is a list of what is."""
        self.count += 1
        if not wrong:
            print(f"ok {self.count} - {text}", flush=True)
            return
        self.failed += 1
        print(f"not ok {self.count} - {text}")
        for line in (wrong + details.splitlines()):
            print(f"# {line}")

    def skip(self, text, why):
        """A test that cannot be run here."""
        self.count += 1
        print(f"ok {self.count} - {text} # SKIP {why}")

    def command(self, args, env=None, prefix=()):
        """Runs it to its end."""
        argv = list(prefix) + [self.program]
        argv += args if isinstance(args, list) else args.split()
        return subprocess.run(argv, env=self.environment(env or {}),
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False,
                              timeout=TIMEOUT)

    def row(self, row, prefix=()):
        """One row."""
        self.log.write_text("")
        done = self.command(row.args, row.env, prefix)
        self.result(row.text, self.wrong(row, done),
                    f"{row.args}\nout:\n{done.stdout}\nerr:\n{done.stderr}")

    def rows(self, rows):
        """All of a table."""
        for row in rows:
            self.row(row)

    def wrong(self, row, done):
        """What is not as the row has it."""
        wrong = []
        if done.returncode != row.status:
            wrong.append(f"status {done.returncode}, not {row.status}")
        if not said(row.out, done.stdout):
            wrong.append(f"standard output is not {row.out!r}")
        if not said(row.err, done.stderr):
            wrong.append(f"standard error is not {row.err!r}")
        if row.exact is not None and done.stdout != row.exact:
            wrong.append(f"standard output is not exactly:\n{row.exact}")
        if not done.stdout.startswith(row.head):
            wrong.append(f"standard output does not begin:\n{row.head}")
        wrong += self.wrong_errors(row, done.stderr)
        if row.log is not None:
            log = self.log.read_text().splitlines()
            if sorted(log) != sorted(row.log):
                wrong.append(f"the log is {log}")
        if row.schema:
            wrong += self.wrong_json(row, done.stdout)
        return wrong

    @staticmethod
    def wrong_errors(row, text):
        """Errors are single lines with the program's name."""
        lines = text.splitlines()
        if row.err is None or row.status == 2 and "Try `" in text:
            return []
        if len(lines) == row.errors and all(line.startswith("irqhop: ")
                                            for line in lines):
            return []
        return [f"{len(lines)} lines on standard error, not {row.errors}"]

    def schema(self, name):
        """A validator that knows only what the schema says."""
        if name not in self.schemas:
            schema = json.loads((SCHEMAS / f"{name}.json").read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            self.schemas[name] = jsonschema.Draft202012Validator(schema)
        return self.schemas[name]

    def wrong_json(self, row, text):
        """What is wrong with JSON on standard output."""
        try:
            found = [json.loads(line) for line in text.splitlines()] \
                if row.lines else json.loads(text)
        except ValueError as error:
            return [f"no JSON: {error}"]
        wrong = []
        for value in found if row.lines else [found]:
            wrong += [f"{row.schema}.json: {error.json_path}: {error.message}"
                      for error in self.schema(row.schema).iter_errors(value)]
        if row.holds and not row.holds(found):
            wrong.append("JSON is not what it is to be")
        return wrong
