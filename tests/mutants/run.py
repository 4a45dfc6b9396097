#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Applies the faults of mutants.txt to a copy of the tree, one by one, and
tells which of them the tests do not notice.

Usage: run.py [NAME...]                 all of them, or those named; --jobs N

First come the programs without a fault: one that fails then notices nothing.
One that takes three times as long with a fault, and ten seconds more, hangs,
unless it takes as long without the fault now: then the machine is busy, and the
fault is given twice the time.

Exit code 1 if one survived, 2 if one could not be tried.
"""

import argparse
import concurrent.futures
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 300  # seconds that a program may take without a fault


def read_mutants():
    text = (ROOT / "tests/mutants/mutants.txt").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    for block in re.split(r"\n\s*\n", text.strip()):
        match = re.fullmatch(
            r"(?P<name>[\w-]+): (?P<programs>[\w: ]+)\n(?P<header>\S+)\n"
            r"- (?P<old>.*?)\n\+ ?(?P<new>.*?)(?:\n@(?P<nth>\d+))?", block, re.S)
        if match is None:
            sys.exit(f"mutants.txt: cannot read\n{block}")
        yield match.groupdict()


class Tree:
    """A copy of the project in which one mutant at a time is built. `good` is
    where all of them find the programs without a fault."""

    def __init__(self, folder, good):
        self.root = pathlib.Path(folder)
        self.good = good
        self.built = 0.0  # when the last program was
        shutil.copytree(ROOT, self.root, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("build", ".git"))
        # clang++ takes half the time of g++.
        compiler = shutil.which("clang++") or "c++"
        self.run("cmake", "-S", self.root, "-B", self.root / "build",
                 f"-DCMAKE_CXX_COMPILER={compiler}",
                 "-DCMAKE_BUILD_TYPE=None", "-DFANFARE_BUILD_EXAMPLES=OFF",
                 "-DCMAKE_CXX_FLAGS=-O0 -w -fsanitize=address",
                 check=True)

    @staticmethod
    def run(*command, **options):
        return subprocess.run([str(word) for word in command],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **options)

    def noticed(self, mutant, timeouts):
        """Which program noticed the mutant, and how; None: nobody did. The
        timeouts are by program."""
        header = self.root / "include/fanfare" / mutant["header"]
        original = header.read_text()
        parts = original.split(mutant["old"])
        nth = int(mutant["nth"] or 1)
        if len(parts) != 2 and not (mutant["nth"] and len(parts) > nth):
            raise LookupError(f"{mutant['name']}: stands {len(parts) - 1} times")
        mutated = (mutant["old"].join(parts[:nth]) + mutant["new"] +
                   mutant["old"].join(parts[nth:]))
        header.write_text(mutated)
        try:
            for program in mutant["programs"].split():
                how = self.outcome(program, timeouts[program])
                while how == "hangs" and self.is_busy(program, timeouts):
                    timeouts[program] *= 2
                    how = self.outcome(program, timeouts[program])
                if how:
                    return f"{program} {how}"
        finally:
            header.write_text(original)
        return None

    def control(self, program):
        """How the program fails without a fault, if it does. Keeps it."""
        how = self.outcome(program, LONGEST)
        if how is None:
            name = program.split(":")[0]
            copy = self.root / name  # moved: another tree may do the same
            shutil.copy(self.root / "build" / "tests" / name, copy)
            copy.replace(self.good / name)
        return how

    def is_busy(self, program, timeouts):
        """Whether the program without the fault takes too long, too."""
        try:
            self.start(self.good, program, timeouts[program])
            return False
        except subprocess.TimeoutExpired:
            return True

    def outcome(self, program, timeout):
        """How it fails, if it does."""
        build = self.root / "build"
        # Listing the tests is a part of the build and may be what hangs.
        try:
            if self.run("cmake", "--build", build, "--target",
                        program.split(":")[0], timeout=600).returncode:
                return "does not build"
            self.built = time.monotonic()
            return ("fails" if self.start(build / "tests", program,
                                          timeout).returncode else None)
        except subprocess.TimeoutExpired:
            return "hangs"

    def start(self, folder, program, timeout):
        program, *arguments = program.split(":")
        if program != "model_check":
            arguments.append("--abort")  # the first failure says it all
        return self.run(folder / program, *arguments, timeout=timeout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--jobs", type=int, default=3)
    arguments = parser.parse_args()
    mutants = list(read_mutants())
    if unknown := set(arguments.names) - {m["name"] for m in mutants}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    if arguments.names:
        mutants = [m for m in mutants if m["name"] in arguments.names]

    survivors, unfit = [], []
    timeouts = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        good = folder / "good"
        good.mkdir()
        trees = queue.Queue()
        for job in range(arguments.jobs):
            trees.put(Tree(folder / str(job), good))

        def judge(mutant):
            tree = trees.get()
            start = time.monotonic()
            try:
                how = tree.noticed(mutant, timeouts)
                if how is None:
                    survivors.append(mutant["name"])
                elif how.endswith("build"):
                    unfit.append(mutant["name"])
                took = time.monotonic() - start
                return f"{mutant['name']}: {how or 'SURVIVED'} ({took:.0f} s)"
            except LookupError as error:
                unfit.append(mutant["name"])
                return str(error)
            finally:
                trees.put(tree)

        def control(program):
            tree = trees.get()
            try:
                how = tree.control(program)
                timeouts[program] = 10 + 3 * (time.monotonic() - tree.built)
                return how
            finally:
                trees.put(tree)

        programs = sorted({p for m in mutants for p in m["programs"].split()})
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            for program, how in zip(programs, pool.map(control, programs)):
                if how:
                    print(f"{program} without a fault: {how}", flush=True)
                    unfit.append(program)
            if unfit:
                sys.exit(2)
            for line in pool.map(judge, mutants):
                print(line, flush=True)

    print(f"{len(mutants)} mutants, {len(survivors)} survived "
          f"{survivors or ''}, {len(unfit)} could not be tried {unfit or ''}")
    sys.exit(2 if unfit else 1 if survivors else 0)


if __name__ == "__main__":
    main()
