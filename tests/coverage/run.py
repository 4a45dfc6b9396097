#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tells which lines and branches of the library the tests do not reach, and
compares them with uncovered.txt.

Builds the tests with g++ and --coverage, runs them, and reads gcov. A line of a
template is covered if it is in one instantiation, and so are its branches, all
of them in those of one shape; branches that are taken when something throws do
not count. What is instantiated nowhere has no lines.

Exit code 1 if a line or branch is uncovered and not listed, or listed and
covered, or if a test fails.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEADERS = ROOT / "include" / "fanfare"
FLAGS = "-O0 --coverage -fprofile-abs-path -fprofile-update=atomic"


@dataclasses.dataclass
class Line:
    """What all instantiations of a line did."""

    count: int = 0
    # By the number of branches: how often each was taken.
    branches: dict[int, list[int]] = dataclasses.field(default_factory=dict)

    def add(self, count: int, taken: list[int]) -> None:
        self.count += count
        if not taken:
            return
        sums = self.branches.setdefault(len(taken), [0] * len(taken))
        for i, one in enumerate(taken):
            sums[i] += one

    def best(self) -> list[int]:
        """The shape with the smallest share of branches not taken.

        A file that has k instantiations has k times the branches of one; they
        are added up."""
        shapes = dict(self.branches)
        if shapes:
            one = min(shapes)
            shapes[one] = [0] * one
            for length, taken in self.branches.items():
                for i, count in enumerate(taken if length % one == 0 else []):
                    shapes[one][i % one] += count
        return min(
            shapes.values(), key=lambda s: s.count(0) / len(s), default=[]
        )


# A header's name, "line" or "branch", the line's text.
Place = tuple[str, str, str]
Lines = dict[tuple[str, int], Line]


def main() -> int:
    options = parse_options()
    if not options.read:
        build(options)
        passed = run_tests(options)
    else:
        passed = True
    lines = read(options)
    uncovered, sums = judge(lines)
    listed = read_list()
    wrong = 0
    for place in sorted(uncovered.keys() - listed.keys()):
        numbers = ", ".join(str(number) for number in uncovered[place])
        print("not covered, not listed: {}:{}: {}: {}".format(
            place[0], numbers, *place[1:]))
        wrong += 1
    for place in sorted(listed.keys() - uncovered.keys()):
        if listed[place] == "sometimes":
            continue
        print("listed, but covered or gone: {}: {}: {}".format(*place))
        wrong += 1
    for what, (hit, total) in sums.items():
        print(f"{what}: {hit} of {total} covered")
    print(f"{len(listed)} listed")
    print(f"{wrong} differ from the list")
    return 0 if passed and wrong == 0 else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--build", type=Path, default=ROOT / "build" / "coverage"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--compiler", default="g++-12")
    parser.add_argument("--gcov", default="gcov-12")
    parser.add_argument(
        "--read", action="store_true", help="only read the last run's figures"
    )
    options = parser.parse_args()
    options.build = options.build.resolve()
    return options


def build(options: argparse.Namespace) -> None:
    configure = [
        *("cmake", "-S", ROOT, "-B", options.build),
        f"-DCMAKE_CXX_COMPILER={options.compiler}",
        "-DCMAKE_BUILD_TYPE=None",
        f"-DCMAKE_CXX_FLAGS={FLAGS}",
        "-DFANFARE_BUILD_EXAMPLES=OFF",
    ]
    subprocess.run(configure, check=True)
    jobs = ["--parallel", str(options.jobs)]
    # Listing the test cases runs the programs, so the counts are older.
    subprocess.run(["cmake", "--build", options.build, *jobs], check=True)
    for counts in options.build.rglob("*.gcda"):
        counts.unlink()


def run_tests(options: argparse.Namespace) -> bool:
    # The slow ones run no code of the library in this build.
    command = ["ctest", "--test-dir", options.build, "-LE", "slow"]
    jobs = ["--parallel", str(options.jobs)]
    return subprocess.run([*command, *jobs]).returncode == 0


def read(options: argparse.Namespace) -> Lines:
    """gcov's counts of all lines of the headers."""
    lines: Lines = collections.defaultdict(Line)

    def gcov(counts: Path) -> str:
        command = [options.gcov, "--json-format", "--stdout", "-b", counts]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=options.build
        )
        return done.stdout

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for text in pool.map(gcov, sorted(options.build.rglob("*.gcda"))):
            for document in text.splitlines():
                for file in json.loads(document)["files"]:
                    add(file, lines)
    if not lines:
        sys.exit(f"no counts in {options.build}")
    return lines


def add(file: dict, lines: Lines) -> None:
    path = Path(file["file"])
    if not path.is_relative_to(HEADERS):
        return
    header = str(path.relative_to(HEADERS))
    for line in file["lines"]:
        taken = [b["count"] for b in line["branches"] if not b["throw"]]
        lines[header, line["line_number"]].add(line["count"], taken)


def judge(
    lines: Lines,
) -> tuple[dict[Place, list[int]], dict[str, tuple[int, int]]]:
    """Where something is uncovered, with the lines' numbers, and the sums."""
    texts = {
        header: (HEADERS / header).read_text().splitlines()
        for header in {header for header, _ in lines}
    }
    uncovered: dict[Place, list[int]] = collections.defaultdict(list)
    branches = [0, 0]
    missed = 0
    for (header, number), line in sorted(lines.items()):
        text = texts[header][number - 1].strip()
        taken = line.best()
        branches[0] += len(taken) - taken.count(0)
        branches[1] += len(taken)
        if line.count == 0:
            missed += 1
            uncovered[header, "line", text].append(number)
        elif 0 in taken:
            uncovered[header, "branch", text].append(number)
    sums = {
        "lines": (len(lines) - missed, len(lines)),
        "branches": (branches[0], branches[1]),
    }
    return uncovered, sums


def read_list() -> dict[Place, str]:
    """Of each place whether it is uncovered always or sometimes."""
    text = (HERE / "uncovered.txt").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    listed: dict[Place, str] = {}
    for block in filter(None, re.split(r"\n\s*\n", text.strip())):
        match = re.fullmatch(
            r"(?P<header>\S+): (?P<sometimes>sometimes )?"
            r"(?P<kind>line|branch)\n"
            r"(?P<texts>(?:- .*\n)+)(?P<reason>(?s:.+))",
            block,
        )
        if match is None:
            sys.exit(f"uncovered.txt: cannot read\n{block}")
        for line in match["texts"].splitlines():
            place = (match["header"], match["kind"], line[2:])
            listed[place] = "sometimes" if match["sometimes"] else "always"
    return listed


if __name__ == "__main__":
    sys.exit(main())
