# SPDX-License-Identifier: MIT
"""Runs cases, round after round, and keeps what was measured."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.build import note

# What programs report and results keep, the most telling first; "ns" are per
# delivery, p50, p99 and p999 are quantiles of latency in nanoseconds, and
# "cpu" is the processor time of the process in nanoseconds per event.
METRICS = (
    "p50",
    "p99",
    "p999",
    "cpu",
    "bytes",
    "seconds",
    "kilobytes",
    "instructions",
    "ns",
)

TIMEOUT_SECONDS = 300

# Measures once.
Job = Callable[[], dict[str, float]]

# The jobs of all cases, by case and rival.
Plan = dict[str, dict[str, Job]]


class CaseFailed(Exception):
    """A value was lost, or the program did not end well."""


@dataclass
class Cell:
    """What one rival reached in one case: samples by metric, or an error."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""

    def median(self, metric: str) -> float:
        return statistics.median(self.samples[metric])

    def _quartiles(self, metric: str) -> tuple[float, float]:
        samples = self.samples[metric]
        if len(samples) < 2:
            return samples[0], samples[0]
        cuts = statistics.quantiles(samples, n=4, method="inclusive")
        return cuts[0], cuts[2]

    def spread(self, metric: str) -> float:
        """Half of the range that the middle half of the samples is in."""
        low, high = self._quartiles(metric)
        return (high - low) / 2

    def main_metric(self) -> str:
        return next(name for name in METRICS if name in self.samples)

    def add(self, values: dict[str, float]) -> None:
        for metric, value in values.items():
            # More digits than these mean nothing.
            rounded = float(f"{value:.5g}")
            self.samples.setdefault(metric, []).append(rounded)


# By case and rival.
Results = dict[str, dict[str, Cell]]


def cases_of(program: Path) -> list[str]:
    command = [str(program), "--benchmark_list_tests"]
    listed = subprocess.run(
        command, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def run_case(program: Path, case: str, min_time: float) -> dict[str, float]:
    """Runs one case in a process of its own."""
    # In W9, most of the time passes until threads sleep, which is not measured.
    if case.startswith("W9_"):
        min_time /= 5
    command = [
        str(program),
        f"--benchmark_filter=^{case}$",
        "--benchmark_format=json",
        f"--benchmark_min_time={min_time}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise CaseFailed("it took too long") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise CaseFailed(f"exit code {done.returncode}: {lines[-1]}")
    try:
        (entry,) = json.loads(done.stdout)["benchmarks"]
    except (ValueError, KeyError) as error:
        raise CaseFailed("not one result") from error
    if entry.get("error_occurred"):
        raise CaseFailed(entry.get("error_message", "no message"))
    return {name: entry[name] for name in METRICS if name in entry}


def run_rounds(plan: Plan, rounds: int) -> Results:
    """Measures case by case; the rivals take turns in each of the rounds."""
    results: Results = {}
    start = time.monotonic()
    for done, (case, jobs) in enumerate(plan.items()):
        results[case] = _run_one(jobs, rounds)
        minutes = (time.monotonic() - start) / 60
        left = minutes / (done + 1) * (len(plan) - done - 1)
        note(
            f"[{done + 1}/{len(plan)}, {left:.0f} min left] "
            f"{case}: {_summary(results[case])}"
        )
    return results


def _run_one(jobs: dict[str, Job], rounds: int) -> dict[str, Cell]:
    cells = {rival: Cell() for rival in jobs}
    rivals = list(jobs)
    for number in range(rounds):
        # So that nobody always runs after the same neighbour has.
        shift = number % len(rivals)
        for rival in rivals[shift:] + rivals[:shift]:
            if cells[rival].error:
                continue
            try:
                cells[rival].add(jobs[rival]())
            except CaseFailed as error:
                cells[rival] = Cell(error=str(error))
                note(f"FAILED: {rival}: {error}")
    return cells


def _summary(cells: dict[str, Cell]) -> str:
    parts = []
    for rival, cell in cells.items():
        value = "FAILED"
        if not cell.error:
            value = f"{cell.median(cell.main_metric()):.4g}"
        parts.append(f"{rival} {value}")
    return ", ".join(parts)
