#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures fanfare next to its rivals and writes the results.

Builds the programs of all rivals, runs each case of each of them in a process
of its own, in turns, and writes results.json, table.md and some plots. A
rival that is not on this machine is MISSING, and the run does not count for
the goals.
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
        whole = make_plan(options, programs)
        plan = part_of(whole, options)
        build.note(f"{len(plan)} cases, {options.rounds} rounds")
        results = measure.run_rounds(plan, options.rounds)
        run = report.Run(about(options), missing, results)
        if options.add:
            run = add(run, options.output / "results.json")
        note_part(run, whole)
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
        help="a folder (results/ and the processor; build/benchmark/part, if "
        "not all is measured)",
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="add to the results that are there, or replace those measured "
        "again; they must be of the same commit and machine",
    )
    parser.add_argument(
        "--redraw",
        action="store_true",
        help="measure nothing: tables and plots of the last results.json",
    )
    options = parser.parse_args()
    if options.output is None:
        part = options.filter.pattern or options.rivals
        results = HERE / "results" / folder_name(processor())
        whole = options.add or not part
        options.output = results if whole else BUILD / "part"
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
    """What only W11 has is measured with any choice."""
    chosen = options.rivals or report.RIVALS
    return rival in chosen or rival not in report.RIVALS


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
    options: argparse.Namespace, programs: build.Programs
) -> measure.Plan:
    """All that this machine can measure, in the order of the tables."""
    plan: measure.Plan = {}
    there = [rival for rival in report.RIVALS if rival in programs]
    for rival in there:
        for case in measure.cases_of(programs[rival]):
            jobs = plan.setdefault(case, {})
            jobs[rival] = program_job(programs[rival], case, options.min_time)
    bench = compile_cost.Bench(ROOT, BUILD / "compile", options.sigslot)
    plan |= bench.plan(there)
    return {case: plan[case] for case in sorted(plan, key=report.order)}


def part_of(whole: measure.Plan, options: argparse.Namespace) -> measure.Plan:
    """What the filter lets through, for the chosen rivals."""
    plan: measure.Plan = {}
    for case, jobs in whole.items():
        for rival, job in jobs.items():
            if re.search(options.filter, case) and wanted(options, rival):
                plan.setdefault(case, {})[rival] = job
    return plan


def program_job(program: Path, case: str, min_time: float) -> measure.Job:
    return lambda: measure.run_case(program, case, min_time)


def about(options: argparse.Namespace) -> dict[str, object]:
    """What the figures depend on; no host name and no path."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": kernel(),
        "compilers": compilers(),
        "commit": commit(),
        "date": today.isoformat(),
        "rounds": options.rounds,
        "seconds per measurement": options.min_time,
    }


def add(run: report.Run, path: Path) -> report.Run:
    """The run together with what an earlier one has measured."""
    if not path.exists():
        return run
    old = report.Run.load(path)
    for name, value in run.about.items():
        if name != "date" and old.about.get(name) != value:
            raise SystemExit(f"{path} has another {name}")
    cases = sorted({*old.results, *run.results}, key=report.order)
    results = {
        case: old.results.get(case, {}) | run.results.get(case, {})
        for case in cases
    }
    missing = {*old.missing, *run.missing}
    found = {rival for cells in results.values() for rival in cells}
    return report.Run(run.about, sorted(missing - found), results)


def note_part(run: report.Run, whole: measure.Plan) -> None:
    """Says in a run how much of all there is it has measured."""
    cells = [(case, rival) for case, jobs in whole.items() for rival in jobs]
    done = sum(rival in run.results.get(case, {}) for case, rival in cells)
    if done < len(cells):
        run.about["part"] = f"{done} of {len(cells)} measurements"


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.machine()


def folder_name(processor: str) -> str:
    """Such as amd-epyc, of what a processor calls itself."""
    noise = r"\((R|TM)\)|\b(Processor|CPU)\b|\d+-Core\b|@.*"
    return "-".join(re.sub(noise, " ", processor).lower().split())


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
    for old in output.glob("w*.svg"):
        old.unlink()
    plots = plot.draw(run)
    for name, svg in plots.values():
        (output / name).write_text(svg)
    names = {scenario: name for scenario, (name, _) in plots.items()}
    (output / "table.md").write_text(report.markdown(run, names))


if __name__ == "__main__":
    sys.exit(main())
