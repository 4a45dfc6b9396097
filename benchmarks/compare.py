#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two commits of fanfare, case by case: A B A B …

Both are measured by the benchmarks of the working tree, each with the include
folder of its commit. Without a second commit, the working tree is B.
"""

from __future__ import annotations

import argparse
import io
import math
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path

# Nothing is left behind in the source tree.
sys.dont_write_bytecode = True

from tools import build, measure  # noqa: E402
from tools.measure import Cell  # noqa: E402
from tools.report import number, shown  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "compare"

# A difference is called one if it is at least so large, and less likely than
# this to be chance. With fewer than six rounds nothing is.
LEAST_DIFFERENCE = 0.02
CHANCE = 0.01


def main() -> int:
    options = parse_options()
    programs = {
        "a": build_one("a", options.a, options.jobs),
        "b": build_one("b", options.b, options.jobs),
    }
    plan = make_plan(programs, options)
    build.note(f"{len(plan)} cases, {options.rounds} rounds")
    results = measure.run_rounds(plan, options.rounds)
    print(f"A: {options.a}\nB: {options.b or 'the working tree'}\n")
    print_table(results)
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a", help="a commit")
    parser.add_argument("b", nargs="?", help="another, or the working tree")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--min-time", type=float, default=0.1, help="seconds per measurement"
    )
    parser.add_argument(
        "--filter", type=re.compile, default="", help="a pattern for cases"
    )
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


def build_one(name: str, commit: str | None, jobs: int) -> Path:
    """Exports include/ and builds fanfare's program with it."""
    build.note(f"Building {name.upper()}: {commit or 'the working tree'}")
    folder = BUILD / name
    include = folder / "include"
    shutil.rmtree(include, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    if commit:
        export(commit, folder)
    else:
        shutil.copytree(ROOT / "include", include)
    # The headers of a commit are older than what was last built with others.
    for header in include.rglob("*.h"):
        header.touch()
    programs = build.cpp(
        ROOT,
        folder / "build",
        jobs,
        {"FANFARE_INCLUDE_DIR": include},
        target="bench_fanfare",
    )
    return programs["fanfare"]


def export(commit: str, folder: Path) -> None:
    command = ["git", "-C", str(ROOT), "archive", commit, "include"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)


def make_plan(
    programs: dict[str, Path], options: argparse.Namespace
) -> measure.Plan:
    plan: measure.Plan = {}
    for case in measure.cases_of(programs["a"]):
        if re.search(options.filter, case):
            plan[case] = {
                name: job(program, case, options.min_time)
                for name, program in programs.items()
            }
    return plan


def job(program: Path, case: str, min_time: float) -> measure.Job:
    return lambda: measure.run_case(program, case, min_time)


def print_table(results: measure.Results) -> None:
    width = max((len(case) for case in results), default=0) + 5
    heads = f"{'A':>10} {'B':>10} {'B/A':>6} {'spread':>7}"
    print(f"{'case':<{width}} {heads}")
    ratios = []
    for case, cells in results.items():
        a, b = cells["a"], cells["b"]
        if a.error or b.error:
            print(f"{case:<{width}} FAILED: {a.error or b.error}")
            continue
        for metric in shown(case.split("/")[0]):
            name = case if metric in ("ns", "bytes") else f"{case} {metric}"
            print(f"{name:<{width}} {row(a, b, metric)}")
            ratios.append(b.median(metric) / a.median(metric))
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"{'geometric mean':<{width}} {'':>21} {mean:>6.3f}")


def row(a: Cell, b: Cell, metric: str) -> str:
    """Medians, their ratio, the spread of both in per cent, and a flag."""
    first, second = a.median(metric), b.median(metric)
    ratio = second / first
    spread = a.spread(metric) / first + b.spread(metric) / second
    return (
        f"{number(first):>10} {number(second):>10} {ratio:>6.3f} "
        f"{'±' + format(spread * 100, '.1f') + '%':>7} {flag(a, b, metric)}"
    ).rstrip()


def flag(a: Cell, b: Cell, metric: str) -> str:
    ratio = b.median(metric) / a.median(metric)
    chance = by_chance(a.samples[metric], b.samples[metric])
    if abs(ratio - 1) < LEAST_DIFFERENCE or chance > CHANCE:
        return ""
    if ratio < 1:
        return "smaller" if metric == "bytes" else "faster"
    return "LARGER" if metric == "bytes" else "SLOWER"


def by_chance(a: list[float], b: list[float]) -> float:
    """How likely two samples of the same thing are as far apart as these.

    Mann and Whitney's test, with the normal distribution for its sum.
    """
    above = sum((x > y) + (x == y) / 2 for x in a for y in b)
    pairs = len(a) * len(b)
    deviation = math.sqrt(pairs * (len(a) + len(b) + 1) / 12)
    distance = abs(above - pairs / 2) - 0.5
    return 2 * (1 - statistics.NormalDist().cdf(distance / deviation))


if __name__ == "__main__":
    sys.exit(main())
