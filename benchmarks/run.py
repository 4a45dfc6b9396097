#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures fanfare next to its rivals and writes the results.

Builds the programs of all rivals, runs each case of each of them in a process
of its own, in turns, and writes results.json, table.md and a plot for each
scenario. A rival that is not on this machine is MISSING, and the run does not
count for the goals.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

# Nothing is left behind in the source tree.
sys.dont_write_bytecode = True

from tools import build, compile_cost, measure, plot, report  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "benchmark"


def main() -> int:
    options = parse_options()
    chosen = [name for name in report.RIVALS if wanted(options, name)]
    if options.redraw:
        run = report.Run.load(options.output / "results.json")
    else:
        programs = build_all(options)
        missing = [name for name in chosen if name not in programs]
        for name in missing:
            build.note(f"MISSING: {name}")
        plan = make_plan(options, programs, chosen)
        build.note(f"{len(plan)} cases, {options.rounds} rounds")
        results = measure.run_rounds(plan, options.rounds)
        run = report.Run(about(options), missing, results)
    write(run, options.output)
    build.note(f"Written to {os.path.relpath(options.output)}")
    print("\n".join(report.goals_table(run)))
    cells = [cell for row in run.results.values() for cell in row.values()]
    return 1 if any(cell.error for cell in cells) else 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--min-time", type=float, default=0.1, help="seconds per measurement"
    )
    parser.add_argument(
        "--filter", type=re.compile, default="", help="a pattern for cases"
    )
    parser.add_argument(
        "--rivals", type=names, default=[], help="only these, as in a,b"
    )
    parser.add_argument(
        "--go-ethereum",
        type=folder,
        default=os.environ.get("FANFARE_GO_ETHEREUM_DIR"),
        help="a checkout, for go_feed",
    )
    parser.add_argument(
        "--sigslot",
        type=folder,
        default=os.environ.get("FANFARE_SIGSLOT_DIR"),
        help="a checkout of palacaze/sigslot",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--output",
        type=Path,
        help="a folder (results/; build/benchmark/part, if not all is measured)",
    )
    parser.add_argument(
        "--redraw",
        action="store_true",
        help="measure nothing: tables and plots of the last results.json",
    )
    options = parser.parse_args()
    if options.output is None:
        part = options.filter.pattern or options.rivals
        options.output = BUILD / "part" if part else HERE / "results"
    return options


def names(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in report.RIVALS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return chosen


def folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"not a folder: {text}")
    return path


def wanted(options: argparse.Namespace, rival: str) -> bool:
    return not options.rivals or rival in options.rivals


def build_all(options: argparse.Namespace) -> build.Programs:
    build.note("Building")
    definitions: dict[str, object] = {}
    if options.sigslot:
        definitions["FANFARE_SIGSLOT_DIR"] = options.sigslot
    jobs = options.jobs
    programs = build.cpp(ROOT, BUILD / "cpp", jobs, definitions)
    programs |= build.rust(HERE / "rivals" / "rust", BUILD / "rust", jobs)
    programs |= build.go(
        HERE / "rivals" / "go", BUILD / "go", jobs, options.go_ethereum
    )
    return programs


def make_plan(
    options: argparse.Namespace, programs: build.Programs, chosen: list[str]
) -> measure.Plan:
    """All cases that the filter lets through, in the order of the tables."""
    plan: measure.Plan = {}
    there = [rival for rival in chosen if rival in programs]
    for rival in there:
        for case in measure.cases_of(programs[rival]):
            jobs = plan.setdefault(case, {})
            jobs[rival] = program_job(programs[rival], case, options.min_time)
    bench = compile_cost.Bench(ROOT, BUILD / "compile", options.sigslot)
    plan |= bench.plan(there)
    kept = [case for case in plan if re.search(options.filter, case)]
    return {case: plan[case] for case in sorted(kept, key=report.order)}


def program_job(program: Path, case: str, min_time: float) -> measure.Job:
    return lambda: measure.run_case(program, case, min_time)


def about(options: argparse.Namespace) -> dict[str, object]:
    """What the figures depend on; no host name and no path."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    only = {"cases": options.filter.pattern, "rivals": options.rivals}
    chosen = {name: value for name, value in only.items() if value}
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": kernel(),
        "compilers": compilers(),
        "commit": commit(),
        "date": today.isoformat(),
        "rounds": options.rounds,
        "seconds per measurement": options.min_time,
    } | ({"only": chosen} if chosen else {})


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.machine()


def kernel() -> str:
    version = ".".join(platform.release().split(".")[:2])
    return f"{platform.system()} {version}"


def compilers() -> dict[str, str]:
    commands = {
        "C++": [os.environ.get("CXX", "c++"), "--version"],
        "Go": ["go", "version"],
        "Rust": ["rustc", "--version"],
    }
    return {name: first_line(command) for name, command in commands.items()}


def commit() -> str:
    git = ["git", "-C", str(ROOT)]
    name = first_line([*git, "rev-parse", "HEAD"])
    folders = ["include", "benchmarks", ":!benchmarks/results"]
    changed = first_line([*git, "status", "--porcelain", "--", *folders])
    return f"{name} with changes" if changed else name


def first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "none"
    return (done.stdout.splitlines() or [""])[0]


def write(run: report.Run, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    run.save(output / "results.json")
    (output / "table.md").write_text(report.markdown(run))
    for old in output.glob("w*.svg"):
        old.unlink()
    for scenario, cases in report.scenarios(run.results).items():
        for name, svg in plot.plots(scenario, cases, run.results).items():
            (output / name).write_text(svg)


if __name__ == "__main__":
    sys.exit(main())
