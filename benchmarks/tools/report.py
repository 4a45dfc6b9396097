# SPDX-License-Identifier: MIT
"""Writes results as JSON, and as tables for people."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tools import goals
from tools.measure import Cell, Results

# All rivals, in the order of all tables.
RIVALS = (
    "fanfare",
    "floor",
    "mutex_queue",
    "moodycamel",
    "tbb",
    "crossbeam",
    "tokio_broadcast",
    "tokio_watch",
    "async_broadcast",
    "go_loop",
    "go_feed",
    "boost_fiber",
    "signals2",
    "sigslot",
)
# With what only W11 has.
ROWS = (*RIVALS, "fanfare_compiled", "standard_headers")

TITLES = {
    "W1_Send": "W1: send into channels with room, ns per delivery",
    "W1_Drain": "W1: receive what is there, ns per delivery",
    "W2_Stream": "W2: a stream to consumers, ns per delivery",
    "W2_StreamLatency": "W2: from Send to Receive in a stream, ns",
    "W3_Rendezvous": "W3: capacity 0, ns per delivery",
    "W4_RoundTrip": "W4: an event and its reply, ns per round trip",
    "W4_RoundTripLatency": "W4: an event and its reply, ns",
    "W5_Acknowledged": "W5: an event that three acknowledge, ns per round",
    "W6_FourSenders": "W6: four senders, ten consumers, ns per delivery",
    "W7_Subscribe": "W7: subscribe and unsubscribe, ns per pair",
    "W7_UnsubscribeBlocked": "W7: unsubscribe from a blocked Send, ns",
    "W8_Kilobyte": "W8: a stream of 1 KiB values, ns per delivery",
    "W9_Lag": "W9: a Send blocked on all its channels, ns per delivery",
    "W9_LagOneByOne": "W9: the same, one at a time, ns per delivery",
    "W10_Memory": "W10: bytes per subscription with its channel",
    "W12_Idle": "W12: idle consumers, ns of processor a second for each",
    "W13_Bursts": "W13: send a burst and receive it, one thread, ns per value",
    "W14_Paced": "W14: a consumer that keeps up, from Send to Receive, ns",
    "W15_Receive": "W15: send a value and Receive it, ns",
    "W15_TryReceive": "W15: send a value and TryReceive it, ns",
    "W16_FeedsInTurn": "W16: four feeds and a sender, in turn, ns per value",
    "W16_FeedsAtOnce": "W16: four feeds and a sender, at once, ns per value",
    "W17_DropOldest": "W17: replace the oldest in full channels, ns per channel",
    "W18_SetLatest": "W18: set what subscribers read the latest of, ns per set",
    "W19_Replay": "W19: subscribe, receive the last 16 values, leave, ns",
    "W20_SendString": "W20: send a short string, with room, ns per delivery",
    "W20_SendWithOptions": "W20: as W1, subscribed with options, ns",
    "W20_TrySendFull": "W20: TrySend to full channels, ns per channel",
    "W20_BlockedSend": "W20: a Send that waits for its channel, ns",
    "W20_Memory": "W20: bytes per subscription",
    "W20_MemoryWithOptions": "W20: bytes per subscription with options",
    "W11_CompileTime": "W11: seconds to compile a program that includes it",
    "W11_ProgramSize": "W11: KiB of a small stripped program",
    "W11_FirstType": "W11: a type of event, instructions of the compiler",
    "W11_FurtherType": "W11: a further type, instructions of the compiler",
    "W11_FiveTypes": "W11: five types, instructions of the compiler",
}

METRIC_TITLES = {
    "p50": "Median",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
    "cpu": "Processor time of the process for an event, the sender's included",
}


@dataclass
class Run:
    """All there is to know about a run."""

    # Processor, compilers, commit and so on; no host name, no path.
    about: dict[str, object]
    missing: list[str]
    results: Results

    def save(self, path: Path) -> None:
        cases = {
            case: {rival: _to_json(cell) for rival, cell in cells.items()}
            for case, cells in self.results.items()
        }
        content = {
            "about": self.about,
            "missing": self.missing,
            "cases": cases,
        }
        text = json.dumps(content, indent=1)
        # Samples stand in a line, not below each other.
        text = re.sub(r"\[[^][{}]*\]", lambda m: _one_line(m[0]), text)
        path.write_text(text + "\n")

    @staticmethod
    def load(path: Path) -> Run:
        content = json.loads(path.read_text())
        results = {
            case: {rival: _from_json(cell) for rival, cell in cells.items()}
            for case, cells in content["cases"].items()
        }
        return Run(content["about"], content["missing"], results)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("[ ", "[").replace(" ]", "]")


def _to_json(cell: Cell) -> dict[str, object]:
    if cell.error:
        return {"error": cell.error}
    return {
        metric: {
            "median": cell.median(metric),
            "min": min(samples),
            "max": max(samples),
            "samples": samples,
        }
        for metric, samples in cell.samples.items()
    }


def _from_json(cell: dict) -> Cell:
    if "error" in cell:
        return Cell(error=cell["error"])
    return Cell({name: numbers["samples"] for name, numbers in cell.items()})


def order(case: str) -> tuple[int, list[tuple[int, str]]]:
    """Sorts cases as their titles are, and 128 before 1024."""
    scenario = case.split("/")[0]
    known = list(TITLES)
    place = known.index(scenario) if scenario in known else len(known)
    parts = re.findall(r"\d+|\D+", case)
    return place, [(int(p), "") if p.isdigit() else (0, p) for p in parts]


def scenarios(results: Results) -> dict[str, list[str]]:
    """The cases of each scenario, such as W1_Send, in their order."""
    found: dict[str, list[str]] = {}
    for case in results:
        found.setdefault(case.split("/")[0], []).append(case)
    return found


def shown(scenario: str) -> tuple[str, ...]:
    """The metrics of a scenario that tables show."""
    if scenario.endswith("Latency"):
        return ("p50", "p999")
    if scenario == "W14_Paced":
        return ("p50", "p99", "p999", "cpu")
    fixed = {
        "W10_Memory": "bytes",
        "W20_Memory": "bytes",
        "W20_MemoryWithOptions": "bytes",
        "W11_CompileTime": "seconds",
        "W11_ProgramSize": "kilobytes",
        "W11_FirstType": "instructions",
        "W11_FurtherType": "instructions",
        "W11_FiveTypes": "instructions",
    }
    return (fixed.get(scenario, "ns"),)


def number(value: float) -> str:
    """Three digits that matter, or the whole number."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def markdown(run: Run, plots: dict[str, str]) -> str:
    """The tables, each after the plot of its scenario, a name of a file."""
    lines = [f"# Results: {run.about['processor']}", ""]
    lines += [f"- {name}: {_plain(v)}" for name, v in run.about.items()]
    lines += [
        "",
        "Medians ± half of the interquartile range; in brackets the ratio to",
        "fanfare.",
        "–: the rival cannot do it. MISSING: it is not on this machine.",
        "",
    ]
    for scenario, cases in scenarios(run.results).items():
        lines += _table(run, scenario, cases, plots.get(scenario))
    lines += goals_table(run)
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {v}" for name, v in value.items())
    return str(value)


def _table(
    run: Run, scenario: str, cases: list[str], plot: str | None
) -> list[str]:
    """A table for each of the metrics that are shown."""
    title = TITLES.get(scenario, scenario)
    lines = [f"## {title}", ""]
    if plot:
        lines += [f"![{title}]({plot})", ""]
    heads = [_arguments(case) for case in cases]
    metrics = shown(scenario)
    for metric in metrics:
        if len(metrics) > 1:
            lines += [f"{METRIC_TITLES[metric]}:", ""]
        lines.append(f"| {scenario} | {' | '.join(heads)} |")
        lines.append(f"| --- |{' ---: |' * len(cases)}")
        for rival in ROWS:
            texts = [_cell(run, case, rival, metric) for case in cases]
            if any(text != "–" for text in texts):
                lines.append(f"| {rival} | {' | '.join(texts)} |")
        lines.append("")
    return lines


def _arguments(case: str) -> str:
    return ", ".join(case.replace(":", " ").split("/")[1:]) or "all"


def _cell(run: Run, case: str, rival: str, metric: str) -> str:
    cell = run.results[case].get(rival)
    if not cell:
        return "MISSING" if rival in run.missing else "–"
    if cell.error or metric not in cell.samples:
        return "FAILED"
    text = f"{number(cell.median(metric))} ± {number(cell.spread(metric))}"
    ours = run.results[case].get("fanfare")
    if rival == "fanfare" or not ours or metric not in ours.samples:
        return text
    ratio = cell.median(metric) / ours.median(metric)
    return f"{text} ({number(ratio)}×)"


def goals_table(run: Run) -> list[str]:
    lines = [
        "## Goals",
        "",
        "fanfare's median over the rival's; of several cases the worst.",
        "",
        "| goal | next to | at most | measured | in | |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    for verdict in goals.judge(run.results):
        goal = verdict.goal
        value = "–" if verdict.value is None else f"{verdict.value:.2f}"
        rival = f"{goal.rival} {goal.against}".rstrip()
        lines.append(
            f"| {goal.name} | {rival} | {goal.limit:.2f} | {value} "
            f"| {verdict.case} | {verdict.word} |"
        )
    if run.missing:
        names = ", ".join(run.missing)
        lines += ["", f"This run does not count: MISSING: {names}."]
    elif "part" in run.about:
        lines += ["", "This run does not count: it is a part of all there is."]
    return lines
