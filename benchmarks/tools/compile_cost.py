# SPDX-License-Identifier: MIT
"""W11: what including a library costs: time to compile, size of a program.

What a type of event costs is counted in instructions of g++, by cachegrind:
they do not depend on what else the machine does.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tools.measure import CaseFailed, Job, Plan

COMPILE_TIME = "W11_CompileTime"
PROGRAM_SIZE = "W11_ProgramSize"
FIRST_TYPE = "W11_FirstType"  # more than the headers alone
FURTHER_TYPE = "W11_FurtherType"
FIVE_TYPES = "W11_FiveTypes"  # the whole program
STANDARD_HEADERS = "standard_headers"
COMPILED = "fanfare_compiled"


@dataclass(frozen=True)
class Library:
    headers: tuple[str, ...]
    # One value through the smallest program.
    use: str = ""
    libraries: tuple[str, ...] = ()
    # The same with the type Event, in a function of its own.
    event: str = ""
    options: tuple[str, ...] = ()


_FEED_EVENT = (
    "fanfare::Feed<Event> feed; fanfare::Channel<Event> channel(1);"
    " auto subscription = feed.Subscribe(channel);"
    " feed.Send(Event{0}); return channel.Receive()->value;"
)

LIBRARIES = {
    "fanfare": Library(
        ("fanfare/fanfare.h",),
        "fanfare::Feed<int> feed; fanfare::Channel<int> channel(1);"
        " auto subscription = feed.Subscribe(channel);"
        " feed.Send(0); return *channel.Receive();",
        event=_FEED_EVENT,
    ),
    # A file of a program that links fanfare::compiled.
    COMPILED: Library(
        ("fanfare/fanfare.h",),
        event=_FEED_EVENT,
        options=("-DFANFARE_SEPARATE_COMPILATION",),
    ),
    "moodycamel": Library(
        ("readerwriterqueue/readerwritercircularbuffer.h",),
        "moodycamel::BlockingReaderWriterCircularBuffer<int> queue(1);"
        " int value; queue.wait_enqueue(0); queue.wait_dequeue(value);"
        " return value;",
    ),
    "tbb": Library(
        ("tbb/concurrent_queue.h",),
        "tbb::concurrent_bounded_queue<int> queue; int value;"
        " queue.push(0); queue.pop(value); return value;",
        ("-ltbb",),
    ),
    "boost_fiber": Library(
        (
            "boost/fiber/buffered_channel.hpp",
            "boost/fiber/unbuffered_channel.hpp",
        ),
        "boost::fibers::buffered_channel<int> channel(2); int value;"
        " channel.push(0); channel.pop(value); return value;",
        ("-lboost_fiber", "-lboost_context"),
    ),
    "signals2": Library(
        ("boost/signals2.hpp",),
        "boost::signals2::signal<void(int)> signal; int value;"
        " signal.connect([&](int i) { value = i; }); signal(0); return value;",
        event="boost::signals2::signal<void(const Event&)> signal; int value;"
        " auto c = signal.connect([&](const Event& e) { value = e.value; });"
        " signal(Event{0}); return value;",
    ),
    "sigslot": Library(
        ("sigslot/signal.hpp",),
        "sigslot::signal<int> signal; int value;"
        " signal.connect([&](int i) { value = i; }); signal(0); return value;",
    ),
}


class Bench:
    """Compiles little programs in a folder."""

    def __init__(self, root: Path, build: Path, sigslot: Path | None) -> None:
        self._build = build
        self._compiler = os.environ.get("CXX", "c++")
        self._includes = [f"-I{root / 'include'}"]
        if sigslot:
            self._includes.append(f"-isystem{sigslot / 'include'}")
        build.mkdir(parents=True, exist_ok=True)
        self._libraries = {
            STANDARD_HEADERS: Library(self._standard_headers(root / "include"))
        } | LIBRARIES

    def plan(self, rivals: list[str]) -> Plan:
        """The jobs for those of the rivals that are a C++ library."""
        plan: Plan = {COMPILE_TIME: {}, PROGRAM_SIZE: {}}
        for rival in [*rivals, COMPILED, STANDARD_HEADERS]:
            if rival not in self._libraries:
                continue
            plan[COMPILE_TIME][rival] = self._compile_time(rival)
            if self._libraries[rival].use:
                plan[PROGRAM_SIZE][rival] = self._program_size(rival)
            if self._can_count() and self._libraries[rival].event:
                for case, more, less in (
                    (FIRST_TYPE, 1, 0),
                    (FURTHER_TYPE, 2, 1),
                    (FIVE_TYPES, 5, None),
                ):
                    job = self._instructions(rival, more, less)
                    plan.setdefault(case, {})[rival] = job
        return plan

    def _compile_time(self, rival: str) -> Job:
        source = self._write(rival, "include", "")

        def job() -> dict[str, float]:
            start = time.perf_counter()
            options = [*self._libraries[rival].options, "-c", "-o"]
            self._compile([source, *options, source.with_suffix(".o")])
            return {"seconds": time.perf_counter() - start}

        return job

    def _program_size(self, rival: str) -> Job:
        library = LIBRARIES[rival]
        source = self._write(rival, "use", library.use)
        program = source.with_suffix("")

        def job() -> dict[str, float]:
            # What was linked once does not change.
            if not program.exists():
                options = [source, "-s", "-pthread", "-o", program]
                self._compile([*options, *library.libraries])
            return {"kilobytes": program.stat().st_size / 1024}

        program.unlink(missing_ok=True)
        return job

    def _can_count(self) -> bool:
        """Whether there are valgrind and a compiler with -wrapper, g++."""
        done = subprocess.run(
            [self._compiler, "--version"], capture_output=True, text=True
        )
        gnu = "Free Software Foundation" in done.stdout
        return gnu and shutil.which("valgrind") is not None

    def _instructions(self, rival: str, more: int, less: int | None) -> Job:
        def job() -> dict[str, float]:
            count = self._count(rival, more)
            if less is not None:
                count -= self._count(rival, less)
            return {"instructions": count}

        return job

    @functools.cache  # they are the same each time
    def _count(self, rival: str, types: int) -> int:
        """To compile a program with so many types of events."""
        library = self._libraries[rival]
        lines = [f"#include <{header}>" for header in library.headers]
        for number in range(types):
            lines += [
                f"namespace event{number} {{",
                "struct Event { int value; };",
                f"int Use() {{ {library.event} }}",
                "}",
            ]
        source = self._build / f"types{types}_{rival}.cc"
        source.write_text("\n".join([*lines, ""]))
        counter = (
            "valgrind,--tool=cachegrind,--cache-sim=no,"
            "--cachegrind-out-file=/dev/null"
        )
        said = self._compile(
            ["-wrapper", counter, *library.options]
            + ["-S", source, "-o", "/dev/null"]
        )
        refs = re.search(r"I\s+refs:\s+([\d,]+)", said)
        if refs is None:
            raise CaseFailed("cachegrind tells no number")
        return int(refs[1].replace(",", ""))

    def _write(self, rival: str, kind: str, body: str) -> Path:
        headers = self._libraries[rival].headers
        lines = [f"#include <{header}>" for header in headers]
        source = self._build / f"{kind}_{rival}.cc"
        source.write_text("\n".join([*lines, f"int main() {{ {body} }}", ""]))
        return source

    def _standard_headers(self, include: Path) -> tuple[str, ...]:
        """What fanfare's headers include that is not of fanfare."""
        source = include / LIBRARIES["fanfare"].headers[0]
        trace = self._compile(["-x", "c++", "-fsyntax-only", "-H", source])
        found: set[str] = set()
        opened: list[str] = []  # each by the one before
        for dots, file in re.findall(r"^(\.+) (.+)$", trace, re.MULTILINE):
            del opened[len(dots) - 1 :]
            by_us = all(name.startswith(str(include)) for name in opened)
            if by_us and not file.startswith(str(include)):
                found.add(Path(file).name)
            opened.append(file)
        return tuple(sorted(found))

    def _compile(self, arguments: list[object]) -> str:
        """What the compiler says, if it is no error."""
        command = [self._compiler, "-std=c++20", "-O2", *self._includes]
        command += map(str, arguments)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.splitlines() or ["no message"]
            raise CaseFailed(f"it does not compile: {lines[0]}")
        return done.stderr
