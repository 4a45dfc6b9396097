# SPDX-License-Identifier: MIT
"""Draws a scenario as SVG: lines over the number of subscribers, or bars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from tools.measure import Results
from tools.report import ROWS, TITLES, number, shown

# Readable side by side, also for most people who see colours differently.
COLOURS = {
    "fanfare": "#d1222e",
    "floor": "#8c8c8c",
    "mutex_queue": "#7a4a1e",
    "moodycamel": "#e38b00",
    "tbb": "#b8a800",
    "crossbeam": "#1b7a35",
    "tokio_broadcast": "#66b54a",
    "go_loop": "#4aa8dc",
    "go_feed": "#1a4fa0",
    "boost_fiber": "#7d3fa8",
    "signals2": "#d774b4",
    "sigslot": "#2aa198",
    "standard_headers": "#8c8c8c",
}

# The arguments that lines run over.
X_AXES = {"subscribers": "subscribers", "others": "other subscribers"}

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 74, 170, 44, 52
BAR = 17

# Points of a line, by rival.
Lines = dict[str, list[tuple[float, float]]]


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


def plots(scenario: str, cases: list[str], results: Results) -> dict[str, str]:
    """The plots of a scenario, by the name of their file."""
    drawn: dict[str, str] = {}
    rest: list[str] = []
    for (fixed, axis), group in _groups(cases).items():
        lines = _lines(scenario, group, axis, results) if axis else {}
        if all(len(points) < 2 for points in lines.values()):
            rest += group
            continue
        title = TITLES.get(scenario, scenario)
        if fixed:
            title += " (" + ", ".join(fixed).replace(":", " ") + ")"
        drawn[_file_name(scenario, fixed)] = _line_plot(title, axis, lines)
    if rest:
        name = _file_name(scenario, ("other",) if drawn else ())
        drawn[name] = _bar_plot(scenario, rest, results)
    return drawn


def _groups(cases: list[str]) -> dict[tuple[tuple[str, ...], str], list[str]]:
    """Cases by what is the same in them, and the argument to draw over."""
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for case in cases:
        arguments = case.split("/")[1:]
        names = [argument.split(":")[0] for argument in arguments]
        axis = next((name for name in names if name in X_AXES), "")
        fixed = tuple(a for a in arguments if a.split(":")[0] != axis)
        groups.setdefault((fixed, axis), []).append(case)
    return groups


def _file_name(scenario: str, fixed: tuple[str, ...]) -> str:
    parts = [scenario, *(part.replace(":", "_") for part in fixed)]
    return "_".join(parts).lower() + ".svg"


def _lines(
    scenario: str, cases: list[str], axis: str, results: Results
) -> Lines:
    metric = shown(scenario)[0]
    lines: Lines = {}
    for rival in ROWS:
        for case in cases:
            cell = results[case].get(rival)
            if cell and metric in cell.samples and cell.median(metric) > 0:
                x = float(case.split(f"{axis}:")[1].split("/")[0])
                lines.setdefault(rival, []).append((x, cell.median(metric)))
    return lines


def _svg(height: float, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222">'
    )
    background = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
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


def _line_plot(title: str, axis: str, lines: Lines) -> str:
    all_y = [y for points in lines.values() for _, y in points]
    low, high = _around(min(all_y), max(all_y))
    y_scale = Scale(low, high, HEIGHT - BOTTOM, TOP)
    all_x = sorted({x for points in lines.values() for x, _ in points})
    # By rank: 0 has no logarithm, and all others are powers of ten.
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
    body.append(_text(middle, HEIGHT - 12, X_AXES[axis], "middle"))
    # fanfare comes last, above the others.
    for rival in sorted(lines, key=lambda name: name == "fanfare"):
        points = [(place[x], y_scale.at(y)) for x, y in lines[rival]]
        body += _line(rival, points)
    return _svg(HEIGHT, title, body + _legend(lines))


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


def _bar_plot(scenario: str, cases: list[str], results: Results) -> str:
    metric = shown(scenario)[0]
    blocks = [(case, _bars(results, case, metric)) for case in cases]
    values = [value for _, bars in blocks for _, value in bars]
    title = TITLES.get(scenario, scenario)
    if not values:
        return _svg(TOP + 20, title, [])
    # A bar as long as it is slow, from a decade below the fastest.
    scale = Scale(min(values) / 3, max(values), 150.0, WIDTH - 90.0)
    body: list[str] = []
    y = float(TOP)
    for case, bars in blocks:
        heading = ", ".join(case.split("/")[1:]).replace(":", " ")
        if heading:
            body.append(_text(16, y + 12, heading))
            y += 20
        for rival, value in bars:
            body += _bar(rival, value, y, scale)
            y += BAR + 3
        y += 12
    body.append(_text(16, y + 8, "Logarithmic: short is fast or small."))
    return _svg(y + 22, title, body)


def _bars(
    results: Results, case: str, metric: str
) -> list[tuple[str, float]]:
    bars = []
    for rival in ROWS:
        cell = results[case].get(rival)
        if cell and metric in cell.samples and cell.median(metric) > 0:
            bars.append((rival, cell.median(metric)))
    return sorted(bars, key=lambda bar: bar[1])


def _bar(rival: str, value: float, y: float, scale: Scale) -> list[str]:
    end = scale.at(value)
    thin = 0 if rival == "fanfare" else 3
    return [
        _text(scale.start - 8, y + 13, rival, "end"),
        f'<rect x="{scale.start}" y="{y + thin:.1f}" '
        f'width="{end - scale.start:.1f}" height="{BAR - 2 * thin}" '
        f'fill="{COLOURS[rival]}"/>',
        _text(end + 6, y + 13, number(value)),
    ]
