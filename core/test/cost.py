#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a decision costs: run the bench under Valgrind, and judge.

cost.py BENCH FOLDER: prints a table, and a line "ok ..." or "not ok ..." for
each limit. The status is 1 if a limit is exceeded.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

# Instructions of a whole hop decision: pop, look, decide, note the move. Per
# number of vCPUs; for each, a hop or a return as it comes, and one in the
# dearest circumstances: the policy keeps count of interrupts, it was on the
# lists of the stranded or of those held back, the guest has just moved it.
USUAL = ("hop", "hop-on", "hop-again", "return", "eager")
COUNTING = ("spread",)
LIMITS = {4: (200, 450), 512: (400, 450)}


def words_allowed(vcpus):
    """64-bit words of the engine's memory that a decision may read."""
    return 8 + vcpus // 64


def instructions(bench, folder):
    """{scene: instructions} of measured_hop, by Callgrind."""
    stem = os.path.join(folder, "callgrind.out")
    for old in glob.glob(stem + "*"):
        os.remove(old)
    subprocess.run(["valgrind", "--quiet", "--tool=callgrind",
                    f"--callgrind-out-file={stem}",
                    "--toggle-collect=measured_hop", bench], check=True,
                   stdout=subprocess.DEVNULL)
    result = {}
    for name in glob.glob(stem + ".*"):
        with open(name, encoding="ascii") as file:
            text = file.read()
        scene = re.search(r"^desc: Trigger: Client Request: (.+)$", text,
                          re.MULTILINE)
        total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
        if scene and total:
            result[scene[1]] = int(total[1])
    return result


def scene_words(lines, marks, areas):
    """Words of the areas read between the two marks, each time in turn."""
    begin, end = marks
    words = set()
    for line in lines:
        if line[:2] not in (" L", " S", " M"):
            continue
        address, size = line[3:].split(",")
        first = int(address, 16)
        if first == begin:
            words = set()
        elif first == end:
            yield len(words)
        elif line[1] in "LM":
            words.update(
                word for word in range(first // 8,
                                       (first + int(size) - 1) // 8 + 1)
                if any(low <= word * 8 < high for low, high in areas))


def words_read(bench):
    """{scene: words} that decide reads, by Lackey."""
    marks, areas, scenes = [], [], []
    said = subprocess.run([bench], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    for line in said.splitlines():
        kind, *rest = line.split(" ")
        if kind == "marks":
            marks = [int(value, 16) for value in rest]
        elif kind == "area":
            areas.append([int(value, 16) for value in rest])
        elif kind == "scene":
            scenes.append(" ".join(rest))
    # Millions of lines, of which sed, unlike us, can drop the most quickly.
    wanted = "/^ S 0*{:x},/,/^ S 0*{:x},/p".format(*marks)
    with subprocess.Popen(["valgrind", "--tool=lackey", "--trace-mem=yes",
                           bench], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as trace, \
         subprocess.Popen(["sed", "-n", wanted], stdin=trace.stderr,
                          stdout=subprocess.PIPE, text=True) as lines:
        counts = list(scene_words(lines.stdout, marks, areas))
    if trace.returncode or lines.returncode or len(counts) != len(scenes):
        sys.exit(f"cost.py: {len(scenes)} scenes, {len(counts)} measured")
    return dict(zip(scenes, counts))


def judge(number, limit, what):
    """Print a line; return whether it is within the limit."""
    print(f"{'ok' if number <= limit else 'not ok'} "
          f"{what}: {number}, at most {limit}")
    return number <= limit


def verdicts(hops, words, limits):
    """One line per limit, for the worst of the scenes that it is for."""
    good = True
    for vcpus, (usual, dear) in limits.items():
        groups = {True: [], False: []}
        for scene, number in hops.items():
            policy, name, size = scene.split(" ")
            if int(size) == vcpus:
                groups[name in USUAL and policy not in COUNTING].append(
                    (number, scene))
        good &= judge(max(groups[True])[0], usual - 1,
                      f"instructions of a usual hop, {vcpus} vCPUs "
                      f"({max(groups[True])[1]})")
        good &= judge(max(groups[False])[0], dear - 1,
                      f"instructions of the dearest hop, {vcpus} vCPUs "
                      f"({max(groups[False])[1]})")
        good &= judge(max(number for scene, number in words.items()
                          if scene.endswith(f" {vcpus}")),
                      words_allowed(vcpus),
                      f"words that a decision reads, {vcpus} vCPUs")
    return good


def main():
    """Measure, show, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("folder")
    parser.add_argument("--percent", type=int, default=100,
                        help="of the limits for instructions, to see it fail")
    args = parser.parse_args()
    hops = instructions(args.bench, args.folder)
    words = words_read(args.bench)
    if not hops or hops.keys() != words.keys():
        sys.exit("cost.py: Valgrind's tools have seen different scenes")
    print(f"{'policy, scene, vCPUs':30} {'instructions':>12} {'words':>6}")
    for scene in sorted(hops):
        print(f"{scene:30} {hops[scene]:12} {words[scene]:6}")
    limits = {vcpus: [limit * args.percent // 100 for limit in pair]
              for vcpus, pair in LIMITS.items()}
    return 0 if verdicts(hops, words, limits) else 1


if __name__ == "__main__":
    sys.exit(main())
