# SPDX-License-Identifier: MIT
"""Draws some scenarios as SVG: a line for each rival, over an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from tools.measure import Results
from tools.report import RIVALS, TITLES, Run, shown

# Readable side by side, also for most people who see colours differently.
COLOURS = {
    "fanfare": "#d1222e",
    "floor": "#8c8c8c",
    "mutex_queue": "#7a4a1e",
    "moodycamel": "#e38b00",
    "tbb": "#b8a800",
    "crossbeam": "#1b7a35",
    "tokio_broadcast": "#66b54a",
    "tokio_watch": "#2f4f2f",
    "async_broadcast": "#a3c76d",
    "go_loop": "#4aa8dc",
    "go_feed": "#1a4fa0",
    "boost_fiber": "#7d3fa8",
    "signals2": "#d774b4",
    "sigslot": "#2aa198",
}

# What the arguments are called that lines run over.
X_AXES = {
    "subscribers": "subscribers",
    "burst": "values in a burst",
    "every_ns": "ns between two events",
}

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 74, 170, 44, 52

# Points of a line, by rival.
Lines = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Plot:
    """Which cases of a scenario are drawn, over which of their arguments."""

    scenario: str
    axis: str
    # The other argument with its value, as in a case's name.
    fixed: str = ""

    def title(self) -> str:
        fixed = f" ({self.fixed.replace(':', ' ')})" if self.fixed else ""
        return TITLES[self.scenario] + fixed

    def file_name(self) -> str:
        name = f"{self.scenario}_{self.fixed}" if self.fixed else self.scenario
        return name.lower().replace(":", "_") + ".svg"

    def place(self, case: str) -> float | None:
        """Where a case is on the axis; None: it is not drawn."""
        scenario, *arguments = case.split("/")
        values = dict(argument.split(":") for argument in arguments)
        name, _, value = self.fixed.partition(":")
        if scenario != self.scenario or values.pop(name, "") != value:
            return None
        return float(values[self.axis])


PLOTS = (
    Plot("W1_Send", "subscribers"),
    Plot("W2_Stream", "subscribers", "capacity:128"),
    Plot("W3_Rendezvous", "subscribers"),
    Plot("W13_Bursts", "burst"),
    Plot("W14_Paced", "every_ns", "work_ns:700"),
)


@dataclass
class Scale:
    """Maps logarithms of values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        part = math.log10(value / self.low) / math.log10(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def decades(self) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def draw(run: Run) -> dict[str, tuple[str, str]]:
    """The plots, each as the name of its file and its SVG, by scenario."""
    drawn = {}
    for plot in PLOTS:
        lines = _lines(plot, run.results)
        if any(len(points) > 1 for points in lines.values()):
            svg = _line_plot(plot, lines, _source(run.about))
            drawn[plot.scenario] = (plot.file_name(), svg)
    return drawn


def _source(about: dict[str, object]) -> str:
    commit = str(about["commit"])[:7]
    return f"{about['processor']}, {about['cores']} cores, {commit}"


def _lines(plot: Plot, results: Results) -> Lines:
    metric = shown(plot.scenario)[0]
    lines: Lines = {}
    for case, cells in results.items():
        x = plot.place(case)
        if x is None:
            continue
        for rival in RIVALS:
            cell = cells.get(rival)
            if cell and metric in cell.samples and cell.median(metric) > 0:
                lines.setdefault(rival, []).append((x, cell.median(metric)))
    return lines


def _svg(title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#222">'
    )
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    heading = _text(16, 24, title, size=15)
    return "\n".join([head, background, heading, *body, "</svg>", ""])


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-size="{size}">{escape(text)}</text>'
    )


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="#ddd"/>'
    )


def _line_plot(plot: Plot, lines: Lines, source: str) -> str:
    all_y = [y for points in lines.values() for _, y in points]
    low, high = _around(min(all_y), max(all_y))
    y_scale = Scale(low, high, HEIGHT - BOTTOM, TOP)
    all_x = sorted({x for points in lines.values() for x, _ in points})
    # By rank: most steps are about as wide on a logarithmic axis.
    step = (WIDTH - LEFT - RIGHT) / (len(all_x) - 1)
    place = {x: LEFT + i * step for i, x in enumerate(all_x)}
    body = []
    for decade in y_scale.decades():
        y = y_scale.at(decade)
        body.append(_grid(LEFT, y, WIDTH - RIGHT, y))
        body.append(_text(LEFT - 8, y + 4, _decade(decade), "end"))
    for x, pixel in place.items():
        body.append(_grid(pixel, TOP, pixel, HEIGHT - BOTTOM))
        body.append(_text(pixel, HEIGHT - BOTTOM + 18, f"{x:,.0f}", "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    body.append(_text(middle, HEIGHT - 12, X_AXES[plot.axis], "middle"))
    body.append(_text(WIDTH - 16, HEIGHT - 12, source, "end", size=10))
    # fanfare comes last, above the others.
    for rival in sorted(lines, key=lambda name: name == "fanfare"):
        points = [(place[x], y_scale.at(y)) for x, y in lines[rival]]
        body += _line(rival, points)
    return _svg(plot.title(), body + _legend(lines))


def _around(low: float, high: float) -> tuple[float, float]:
    """Bounds with a little air that have two decades in them."""
    low, high = low / 1.2, high * 1.2
    floor = 10.0 ** math.floor(math.log10(low))
    ceiling = 10.0 ** math.ceil(math.log10(high))
    if high < floor * 10:
        return floor, ceiling
    return low, high if high > ceiling / 10 else ceiling


def _decade(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _line(rival: str, points: list[tuple[float, float]]) -> list[str]:
    colour = COLOURS[rival]
    ours = rival == "fanfare"
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if rival == "floor" else ""
    body = [
        f'<polyline points="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="{4 if ours else 1.8}"{dash}/>'
    ]
    for x, y in points:
        radius = 5 if ours else 3
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'
        )
    return body


def _legend(lines: Lines) -> list[str]:
    """Names in the order in which the lines end, so that they are found."""
    body = []
    x = WIDTH - RIGHT + 22
    order = sorted(lines, key=lambda name: -lines[name][-1][1])
    for i, rival in enumerate(order):
        y = TOP + 8 + i * 20
        thick = 4 if rival == "fanfare" else 1.8
        body.append(
            f'<line x1="{x}" y1="{y}" x2="{x + 22}" y2="{y}" '
            f'stroke="{COLOURS[rival]}" stroke-width="{thick}"/>'
        )
        body.append(_text(x + 29, y + 4, rival))
    return body
