# SPDX-License-Identifier: GPL-2.0-only
"""The command line itself: nothing here gets as far as a module."""

from tap import Row

COMMANDS = ("check", "list", "enable", "disable", "policy", "stat", "verify",
            "trace", "monitor")
# arguments, what is said; all have status 2.
MISTAKES = (
    ("", "a command is needed"),
    ("hop", "no command 'hop'"),
    ("--hop", "unrecognized option"),
    ("list --hop", "unrecognized option"),
    ("enable", "name a VM"),
    ("disable", "name a VM"),
    ("verify", "name a VM"),
    ("enable --all 1", "either"),
    ("verify --all 1", "either"),
    ("disable --policy recent 1", "unrecognized option"),
    ("disable --return eager 1", "unrecognized option"),
    ("disable --halted wake 1", "unrecognized option"),
    ("enable --policy 0123456789abcdef 1", "no policy '0123456789abcdef'"),
    ("enable --return 0123456789abcdef 1", "no return rule"),
    ("enable --halted 0123456789abcdef 1", "no halted rule"),
    ("enable --halted= 1", "no halted rule ''"),
    ("policy 1 0123456789abcdef", "no policy"),
    ("policy 1 recent 2", "Too many arguments"),
    ("policy --return eager", "name a VM"),
    ("policy --halted wake", "name a VM"),
    ("policy --max-hops 1", "name a VM"),
    ("list 1 2", "Too many arguments"),
    ("stat 1 2", "Too many arguments"),
    ("trace 1 2", "Too many arguments"),
    ("check 1", "Too many arguments"),
    ("monitor 1", "Too many arguments"),
    ("stat --raw --json", "either --raw or --json"),
    ("trace --raw --json", "either --raw or --json"),
    ("trace --event jump",
     "no event 'jump'; there are: hop return stranded held_back in_handler "
     "let_go turn"),
)
NO_SECONDS = ("0", "-1", "x", "1x", "nan", "inf", "86401", "")
NO_COUNT = ("0", "-1", "x", "99999999999999999999", "")
NO_HOPS = ("-1", "x", "1x", "4294967296", "")

ROWS = [
    Row("--help", "--help", out="^Usage: .*irqhop .*COMMAND"),
    Row("--version", "--version", out=r"^irqhop [0-9]+\.[0-9]+"),
] + [
    Row(f"--help names {command}", "--help", out=f"^  {command} ")
    for command in COMMANDS
] + [
    Row(f"{command} --help", f"{command} --help",
        out=f"^Usage: irqhop {command}") for command in COMMANDS
] + [
    Row(f"mistake: {args or 'nothing'}", args, 2, None, says)
    for args, says in MISTAKES
] + [
    Row(f"mistake: {command} {option} '{value}'",
        [*command.split(), option, value], 2, None, f"not a number of {what}")
    for command, option, what, values in (
        ("stat", "--interval", "seconds", NO_SECONDS),
        ("trace", "--duration", "seconds", NO_SECONDS),
        ("monitor", "--duration", "seconds", NO_SECONDS),
        ("stat", "--count", "times", NO_COUNT),
        ("trace", "--count", "times", NO_COUNT),
        ("enable 1", "--max-hops", "hops", NO_HOPS),
        ("policy 1", "--max-hops", "hops", NO_HOPS))
    for value in values
]
