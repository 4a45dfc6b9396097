# SPDX-License-Identifier: MIT
"""How fast fanfare has to be, next to whom; and whether it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.compile_cost import (
    COMPILED,
    COMPILE_TIME,
    FIVE_TYPES,
    FURTHER_TYPE,
    STANDARD_HEADERS,
)
from tools.measure import Results


@dataclass(frozen=True)
class Goal:
    """Our median over that of a rival is at most the limit."""

    name: str
    # A pattern for the cases; the worst of them counts.
    cases: str
    rival: str
    limit: float
    # The rival's case, where it is another one.
    against: str = ""
    # The limit is for the difference, not the ratio.
    difference: bool = False
    # What is compared, where it is not what _metric() says.
    metric: str = ""
    ours: str = "fanfare"


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    # None: there is nothing to compare.
    value: float | None
    case: str = ""

    @property
    def word(self) -> str:
        if self.value is None:
            return "NO DATA"
        return "met" if self.value <= self.goal.limit else "MISSED"


_SEND_MANY = r"W1_Send/subscribers:(10|100|1000)"
_STREAM_10 = r"W2_Stream/capacity:\d+/subscribers:10"
_STREAM_1 = r"W2_Stream/capacity:\d+/subscribers:1"
_STREAM_100 = r"W2_Stream/capacity:\d+/subscribers:100"
_STREAM_1000 = r"W2_Stream/capacity:\d+/subscribers:1000"
_STREAMS = (
    ("2. never slower, one subscriber", _STREAM_1),
    ("2. never slower", r"W2_Stream/capacity:\d+/subscribers:10+|W6_.*"),
    ("2. never slower, kilobyte", r"W8_.*"),
)
_RENDEZVOUS_1 = r"W3_Rendezvous/subscribers:1"
_RENDEZVOUS_MANY = r"W3_Rendezvous/subscribers:(10|100|1000)"
_ROUND_TRIP = r"W4_RoundTrip/.*"
_DROP = r"W17_DropOldest/.*"
_LAG = r"W9_Lag/subscribers:(1000|10000|100000)"

# tokio's channel is no blocking rival: its sender overwrites, never waits.
_BLOCKING = ("mutex_queue", "moodycamel", "tbb", "crossbeam", "go_loop")
# Those whose consumers are threads; goroutines are rivals, too.
_THREADS = (*_BLOCKING, "go_feed", "tokio_broadcast")

# Those that have a queue for each consumer, which can be full alone; and those
# that have one ring for all, where a send is one store.
_OWN_QUEUES = ("mutex_queue", "tbb", "crossbeam", "go_loop", "boost_fiber")
_SHARED_RINGS = ("tokio_broadcast", "async_broadcast")

GOALS = (
    Goal("1. send path, many subscribers", _SEND_MANY, "floor", 1.4),
    Goal("1. send path, one", "W1_Send/subscribers:1", "floor", 5.0),
    *(
        Goal("1. send path, many subscribers", _SEND_MANY, rival, 1.0)
        for rival in _BLOCKING
    ),
    *(
        Goal("1. send path, one", "W1_Send/subscribers:1", rival, 1.0)
        for rival in _BLOCKING
    ),
    Goal("1. send path", r"W1_Send/.*", "go_feed", 1 / 3),
    Goal("2. stream, 10 subscribers", _STREAM_10, "crossbeam", 0.4),
    Goal("2. stream, 10 subscribers", _STREAM_10, "go_feed", 0.2),
    Goal("2. stream, 1 subscriber", _STREAM_1, "crossbeam", 0.8),
    Goal("2. stream, 1 subscriber", _STREAM_1, "go_feed", 0.6),
    Goal("2. stream, 100 subscribers", _STREAM_100, "crossbeam", 0.8),
    Goal("2. stream, 100 subscribers", _STREAM_100, "go_feed", 0.6),
    Goal("2. stream, 1000 subscribers", _STREAM_1000, "crossbeam", 0.8),
    Goal("2. stream, 1000 subscribers", _STREAM_1000, "go_feed", 0.6),
    Goal("2. four senders", "W6_FourSenders", "crossbeam", 0.5),
    Goal("2. kilobyte", "W8_Kilobyte/.*", "crossbeam", 0.6),
    *(
        Goal(name, cases, rival, 1.0)
        for name, cases in _STREAMS
        for rival in _THREADS
    ),
    Goal("3. rendezvous, 1 subscriber", _RENDEZVOUS_1, "crossbeam", 0.8),
    Goal("3. rendezvous", _RENDEZVOUS_MANY, "crossbeam", 0.5),
    # The floor's round trip is two threads that spin, in a ring.
    Goal(
        "3. round trip",
        _ROUND_TRIP,
        "floor",
        1.5,
        against="W4_RoundTrip/capacity:1",
    ),
    Goal("3. round trip", _ROUND_TRIP, "crossbeam", 1.0),
    Goal("3. round trip", _ROUND_TRIP, "go_feed", 1.3),
    Goal("3. acknowledged", "W5_Acknowledged", "crossbeam", 0.2),
    Goal("4. subscribe", "W7_Subscribe/others:100000", "sigslot", 1.5),
    Goal(
        "4. subscribe, flat",
        "W7_Subscribe/others:(100|10000|100000)",
        "fanfare",
        2.0,
        against="W7_Subscribe/others:0",
    ),
    Goal("4. lag", _LAG, "fanfare", 2.0, against="W9_Lag/subscribers:100"),
    Goal("5. memory", "W10_Memory/.*", "go_feed", 1.0),
    Goal("5. compile time", COMPILE_TIME, "signals2", 0.5),
    Goal(
        "5. compile time, seconds more",
        COMPILE_TIME,
        STANDARD_HEADERS,
        0.25,
        difference=True,
    ),
    Goal("5. a further type", FURTHER_TYPE, "signals2", 0.35),
    Goal("5. five types", FIVE_TYPES, "signals2", 0.55),
    Goal(
        "5. five types, library compiled once",
        FIVE_TYPES,
        "signals2",
        0.55,
        ours=COMPILED,
    ),
    Goal("6. one at a time", "W13_Bursts/.*", "crossbeam", 1.2),
    *(
        Goal(f"6. keeping up, {word}", "W14_.*", rival, 1.0, metric=metric)
        for word, metric in (("median", "p50"), ("99th percentile", "p99"))
        for rival in ("crossbeam", "go_loop")
    ),
    Goal(
        "6. Receive of what is there",
        "W15_Receive",
        "fanfare",
        1.2,
        against="W15_TryReceive",
    ),
    *(
        Goal("7. drop the oldest, first", _DROP, rival, 1.0)
        for rival in _OWN_QUEUES
    ),
    *(
        Goal("7. drop the oldest, next to one ring for all", _DROP, rival, 1.0)
        for rival in _SHARED_RINGS
    ),
    *(
        Goal(
            "7. drop the oldest, next to a Send with room",
            rf"W17_DropOldest/capacity:\d+/subscribers:{subscribers}",
            "fanfare",
            2.0,
            against=f"W1_Send/subscribers:{subscribers}",
        )
        for subscribers in (10, 100)
    ),
    *(
        Goal("7. set the latest, first", r"W18_.*", rival, 1.0)
        for rival in (
            "mutex_queue",
            "tbb",
            "crossbeam",
            "tokio_watch",
            "go_loop",
        )
    ),
    *(
        Goal("7. replay, first", "W19_Replay", rival, 1.0)
        for rival in (
            "mutex_queue",
            "moodycamel",
            "tbb",
            "crossbeam",
            "async_broadcast",
            "go_loop",
            "boost_fiber",
        )
    ),
    *(
        Goal(
            "7. options, with room",
            f"W20_SendWithOptions/subscribers:{subscribers}",
            "fanfare",
            1.1,
            against=f"W1_Send/subscribers:{subscribers}",
        )
        for subscribers in (1, 10, 100)
    ),
)


def judge(results: Results) -> list[Verdict]:
    return [_verdict(goal, results) for goal in GOALS]


def _verdict(goal: Goal, results: Results) -> Verdict:
    values = list(_values(goal, results))
    if not values:
        return Verdict(goal, None)
    value, case = max(values)
    return Verdict(goal, value, case)


def _values(goal: Goal, results: Results) -> Iterator[tuple[float, str]]:
    for case, cells in results.items():
        if not re.fullmatch(goal.cases, case):
            continue
        ours = cells.get(goal.ours)
        theirs = results.get(goal.against or case, {}).get(goal.rival)
        if not ours or not theirs or theirs.error:
            continue
        if ours.error:
            # Who loses values has missed all goals.
            yield float("inf"), case
            continue
        metric = goal.metric or _metric(case)
        mine, other = ours.median(metric), theirs.median(metric)
        yield (mine - other if goal.difference else mine / other), case


def _metric(case: str) -> str:
    if case == COMPILE_TIME:
        return "seconds"
    if case in (FURTHER_TYPE, FIVE_TYPES):
        return "instructions"
    memory = case.startswith(("W10_", "W20_Memory"))
    return "bytes" if memory else "ns"
