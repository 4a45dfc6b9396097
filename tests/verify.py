#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs everything that speaks for the library, and prints what it found.

Each check is a leg with a name. Logs go to build/verify/<leg>.log, the table to
build/verify/table.md; every figure in it was read from the output of what ran.
A leg whose packages are missing installs them with apt-get, if run as root, or
else is MISSING.

Exit code 1 if a leg found a fault, could not run, or is MISSING.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "verify"


class Missing(Exception):
    """What a leg needs is not on this machine."""


class Failed(Exception):
    """A step did not do what the next one builds upon."""


@dataclasses.dataclass
class Result:
    """A row of the table. None: the check has no such figure."""

    scenarios: int | None = None
    tried: dict[str, int] = dataclasses.field(default_factory=dict)
    planted: int | None = None
    caught: int | None = None
    faults: int | None = None
    note: str = ""
    seconds: float = 0.0

    def good(self) -> bool:
        return self.faults == 0 and not self.note


@dataclasses.dataclass
class Job:
    """A leg at work: runs commands, whose output goes to its log."""

    leg: Leg
    options: argparse.Namespace
    log: Path

    @property
    def folder(self) -> Path:
        return BUILD / self.leg.name

    def run(
        self,
        *command: object,
        environment: dict[str, str] | None = None,
        minutes: float = 60,
    ) -> tuple[int, str]:
        """The exit code and the output; everything that the command started
        has ended."""
        words = [str(word) for word in command]
        with self.log.open("a") as log:
            log.write(f"\n$ {' '.join(words)}\n")
            log.flush()
            start = log.tell()
            process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(60 * minutes)
            except subprocess.TimeoutExpired:
                code = -1
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        with self.log.open(errors="replace") as log:
            log.seek(start)
            return code, log.read()

    def must(self, *command: object, what: str) -> None:
        if self.run(*command)[0] != 0:
            raise Failed(what)


@dataclasses.dataclass(frozen=True)
class Leg:
    name: str
    # The bug that it exists to catch, or what it asks.
    catches: str
    work: Callable[[Job], Result]
    packages: tuple[str, ...] = ()


# What the legs do.


def preset(job: Job) -> Result:
    """The steps of the workflow of that name, but every test tells more."""
    build_preset(job, job.leg.name)
    return run_tests(job, "--preset", job.leg.name)


def build_preset(job: Job, name: str, *target: str) -> None:
    """All of it, or that target alone."""
    job.must("cmake", "--preset", name, what="is not configured")
    jobs = ("--parallel", job.options.jobs)
    what = ("--target", *target) if target else ()
    words = ("--build", "--preset", name, *jobs, *what)
    job.must("cmake", *words, what="does not build")


def build_leg(
    compiler: str,
    flags: str,
    *definitions: str,
    without: str = "slow",
    ctest: tuple[str, ...] = (),
    stack: int | None = None,
) -> Callable[[Job], Result]:
    """Builds all in a folder of its own and runs the tests, but not those with
    the label `without`: they build other people's projects. `stack` is what a
    thread gets, in bytes."""

    def work(job: Job) -> Result:
        job.must(
            "cmake",
            "-S",
            ROOT,
            "-B",
            job.folder,
            *generator(),
            f"-DCMAKE_CXX_COMPILER={compiler}",
            "-DCMAKE_BUILD_TYPE=None",
            f"-DCMAKE_CXX_FLAGS={flags}",
            *definitions,
            what="is not configured",
        )
        jobs = ("--parallel", job.options.jobs)
        job.must("cmake", "--build", job.folder, *jobs, what="does not build")
        left_out = ("-LE", without) if without else ()
        words = ("--test-dir", job.folder, *left_out, *ctest)
        return run_tests(job, *words, stack=stack)

    return work


def with_header_catch2(work: Callable[[Job], Result]) -> Callable[[Job], Result]:
    """Sets Catch2_DIR to a package of Catch2's one header: the library of an
    installed package is for another machine or another standard library."""

    def wrapped(job: Job) -> Result:
        header = Path("/usr/include/catch2/catch.hpp")
        modules = Path("/usr/lib/cmake/Catch2")
        if not header.exists() or not (modules / "Catch.cmake").exists():
            raise Missing("Catch2 2.13 as a header")
        package = BUILD / "catch2"
        (package / "include" / "catch2").mkdir(parents=True, exist_ok=True)
        shutil.copy(header, package / "include" / "catch2")
        for module in ("Catch.cmake", "CatchAddTests.cmake"):
            shutil.copy(modules / module, package)
        (package / "Catch2Config.cmake").write_text(
            "list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})\n"
            "if(NOT TARGET Catch2::Catch2)\n"
            "  add_library(Catch2::Catch2 INTERFACE IMPORTED)\n"
            "  target_include_directories(\n"
            "    Catch2::Catch2 INTERFACE ${CMAKE_CURRENT_LIST_DIR}/include)\n"
            "endif()\n"
        )
        return work(job)

    return wrapped


def windows(job: Job) -> Result:
    """Builds for Windows and runs the tests under Wine."""
    wine = shutil.which("wine64") or shutil.which("wine")
    if wine is None:
        raise Missing("wine64")
    os.environ |= {"WINEDEBUG": "-all", "WINEPREFIX": str(BUILD / "wine")}
    # A thread of a simulation costs Wine a hundred times what it costs Linux.
    os.environ.setdefault("FANFARE_HISTORIES", "500")
    server = shutil.which("wineserver")
    # One server for all tests, or each would start its own.
    if server:
        job.run(server, "--persistent", minutes=1)
    job.run(wine, "wineboot", "--init", minutes=5)
    try:
        return build_leg(
            "x86_64-w64-mingw32-g++-posix",
            "-O1",
            "-DCMAKE_SYSTEM_NAME=Windows",
            f"-DCMAKE_CROSSCOMPILING_EMULATOR={wine}",
            "-DCMAKE_EXE_LINKER_FLAGS=-static",
            "-DFANFARE_BUILD_EXAMPLES=OFF",
            CATCH2,
            # Where there is no futex, a ~stop_callback of libstdc++ 12 that
            # waits for its callback's end can sleep for ever: a program of the
            # standard library alone does within a thousand rounds. The stress
            # tests and these meet that nearly every time, others now and then.
            without="slow|stress",
            ctest=(
                "--exclude-regex",
                "however a Send is ended|anything may fail|"
                "Close and the wrapper's Unsubscribe at",
                *("--repeat", "after-timeout:4"),
            ),
        )(job)
    finally:
        if server:
            job.run(server, "--kill", minutes=1)


def generator() -> tuple[str, ...]:
    return ("-G", "Ninja") if shutil.which("ninja") else ()


def coverage(job: Job) -> Result:
    """Lines and branches, and whether the list of the uncovered ones is true."""
    program = HERE / "coverage" / "run.py"
    code, text = job.run(
        sys.executable, program, "--jobs", job.options.jobs, "--build", job.folder
    )
    covered = re.findall(r"^(\w+): (\d+) of (\d+) covered", text, re.M)
    wrong = re.search(r"^(\d+) differ from the list", text, re.M)
    if not covered or not wrong:
        raise Failed("did not end")
    tried = {f"{what} of {total}": int(hit) for what, hit, total in covered}
    result = Result(tests_run(text), tried, faults=int(wrong[1]))
    if code != 0 and result.good():
        result.note = "failed"
    return result


def mutants(job: Job) -> Result:
    code, text = job.run(
        sys.executable,
        HERE / "mutants" / "run.py",
        "--jobs",
        job.options.jobs + 1,  # some only wait
        minutes=90,
    )
    sums = re.search(
        r"^(\d+) mutants, (\d+) survived.*?, (\d+) could not", text, re.M
    )
    if not sums:
        raise Failed("did not end")
    planted, survived, unfit = (int(number) for number in sums.groups())
    caught = planted - survived - unfit
    return Result(planted, {}, planted, caught, survived + unfit)


def linearizability(job: Job) -> Result:
    """The programs of random histories, with many more of them, and others."""
    build_preset(job, "test")
    environment = {
        "FANFARE_HISTORIES": str(job.options.histories),
        "FANFARE_FIRST_SEED": str(job.options.seed),
    }
    names = ("linearizability_test", "feed_linearizability_test")
    programs = [(test_program("test", name),) for name in names]
    return run_programs(job, programs, environment)


def random_programs(job: Job) -> Result:
    """The random programs, as they are, on one core, and sanitized."""
    name = "random_program_test"
    commands: list[tuple[object, ...]] = []
    for build in ("test", "tsan", "asan"):
        build_preset(job, build, name)
        commands.append((test_program(build, name),))
    commands.append(("taskset", "--cpu-list", "0", test_program("test", name)))
    environment = {
        "FANFARE_HISTORIES": str(job.options.programs),
        "FANFARE_FIRST_SEED": str(job.options.seed),
        "TSAN_OPTIONS": "halt_on_error=1 second_deadlock_stack=1",
        "ASAN_OPTIONS": "detect_stack_use_after_return=1",
    }
    return run_programs(job, commands, environment)


def test_program(preset: str, name: str) -> Path:
    return ROOT / "build" / preset / "tests" / name


def run_programs(
    job: Job, commands: list[tuple[object, ...]], environment: dict[str, str]
) -> Result:
    result = Result(0, faults=0)
    tried: collections.Counter[str] = collections.Counter()
    for command in commands:
        environment |= {"FANFARE_TELL_TRIED": "1"}
        code, text = job.run(*command, environment=environment, minutes=30)
        cases = catch2_cases(text)
        if cases is None:
            raise Failed(f"{command[-1]} did not end")
        result.scenarios += cases[0]
        result.faults += cases[1] or (1 if code else 0)
        tried.update(tried_in(text))
    result.tried = dict(tried)
    return result


def stress(job: Job) -> Result:
    build_preset(job, "test")
    seconds = {"FANFARE_STRESS_SECONDS": str(job.options.stress_seconds)}
    # One at a time: they have more threads than there are processors.
    options = ("--test-dir", ROOT / "build" / "test", "-L", "stress")
    return run_tests(job, *options, environment=seconds, jobs=1)


def model(job: Job) -> Result:
    """Every scenario of the model checker."""
    build_preset(job, "test")
    program = ROOT / "build" / "test" / "tests" / "model_check"
    schedules = ("--schedules", job.options.schedules)
    seed = ("--seed", job.options.seed)
    code, text = job.run(program, *schedules, *seed, minutes=40)
    # The name, how many were all of their kind, and how many were random.
    rows = re.findall(r"^(\w+) +(\d+) +(?:\d+|any) +(\d+) ", text, re.M)
    tried = sum(int(orderly) + int(random) for _, orderly, random in rows)
    failed = len(re.findall(r"--replay", text))
    faults = max(failed, 0 if code == 0 else 1)
    return Result(len(rows), {"schedules": tried}, faults=faults)


def warnings(job: Job) -> Result:
    """Compiles what uses everything with each list of warnings, at several
    levels of optimization; then runs it where overflows and conversions that
    lose something are told."""
    source = HERE / "warnings" / "everything.cc"
    base = ("-std=c++20", "-pthread", "-I", ROOT / "include", source)
    job.folder.mkdir(exist_ok=True)
    program = job.folder / "everything"
    result = Result(0, faults=0)
    for compiler, flags, levels in (
        (GXX, "gcc.txt", ("-O0", "-O1", "-O2", "-O3", "-O3 -DNDEBUG")),
        ("clang++", "clang.txt", ("-O0", "-O2")),
    ):
        text = (HERE / "warnings" / flags).read_text()
        listed = [line for line in text.splitlines() if line.startswith("-")]
        for level in levels:
            result.scenarios += 1
            words = (compiler, *level.split(), *listed, "-Werror", *base)
            if job.run(*words, "-o", program)[0] != 0:
                result.faults += 1
                result.note = f"{compiler} {level}"
    sanitize = "-fsanitize=undefined,integer,implicit-conversion"
    words = ("clang++", "-O1", "-g", sanitize, *base)
    job.must(*words, "-o", program, what="is not sanitized")
    code, text = job.run(program, minutes=2)
    # The standard library's own are none of ours.
    ours = set(re.findall(r"fanfare/\S+: runtime error:.*", text))
    result.scenarios += 1
    result.faults += len(ours) or (1 if code else 0)
    return result


# What they read in the output.


def run_tests(
    job: Job,
    *selection: object,
    environment: dict[str, str] | None = None,
    jobs: int | None = None,
    stack: int | None = None,
) -> Result:
    """Runs CTest."""
    told = {"FANFARE_TELL_TRIED": "1"} | (environment or {})
    parallel = ("--parallel", jobs or job.options.jobs)
    limit = ("prlimit", f"--stack={stack}") if stack else ()
    code, text = job.run(
        *limit, "ctest", *selection, *parallel, "--verbose", environment=told
    )
    sums = re.search(r"tests passed, (\d+) tests failed out of (\d+)", text)
    if not sums:
        raise Failed("runs no tests")
    failed, total = int(sums[1]), int(sums[2])
    result = Result(total, tried_in(text), faults=failed)
    if failed:
        names = re.findall(r"^\s*\d+ - (.*?) \(", text.split(sums[0])[1], re.M)
        result.note = "; ".join(names[:3])
    elif code != 0:
        result.note = "ctest failed"
    return result


def tests_run(text: str) -> int | None:
    sums = re.search(r"tests passed, \d+ tests failed out of (\d+)", text)
    return int(sums[1]) if sums else None


def tried_in(text: str) -> dict[str, int]:
    """The sums of what support/tried.h printed."""
    tried: collections.Counter[str] = collections.Counter()
    # CTest writes the number of the test in front.
    for count, what in re.findall(r"^(?:\d+: )?tried: (\d+) (\w+)", text, re.M):
        tried[what] += int(count)
    return dict(tried)


def catch2_cases(text: str) -> tuple[int, int] | None:
    """How many test cases ran, and how many of them failed."""
    if good := re.search(r"All tests passed \(.*? in (\d+) test cases?\)", text):
        return int(good[1]), 0
    bad = re.search(r"test cases: *(\d+) .*?(\d+) failed", text)
    return (int(bad[1]), int(bad[2])) if bad else None


# With libc++ 18 and 19, std::stop_token hides behind this flag.
LIBCXX = "-stdlib=libc++ -fexperimental-library"
GXX = "g++-12"
CATCH2 = f"-DCatch2_DIR={BUILD / 'catch2'}"

LEGS = [
    Leg("test", "a promise that is not kept: g++, -O2", preset),
    Leg(
        "tsan",
        "a data race, a lock order that can deadlock",
        preset,
    ),
    Leg(
        "asan",
        "memory used after its end, leaks, undefined behaviour; what g++ alone "
        "accepts: names, constraints, lambdas (clang++ 14 is the oldest)",
        preset,
        ("clang",),
    ),
    Leg(
        "clang",
        "a fault that a sanitizer hides; gdb and what clang++ tells it",
        preset,
        ("clang",),
    ),
    Leg(
        "clang-19",
        "a stricter reading of C++20, new warnings, other words in the errors "
        "that compile_fail/ expects, and what clang's optimizer alone makes of "
        "undefined behaviour and of weak memory orders",
        build_leg("clang++-19", "-O2", without=""),
        ("clang-19",),
    ),
    Leg(
        "libc++",
        "an include that only libstdc++ brings along, and what the standard "
        "leaves open, such as what is left of a string moved from",
        with_header_catch2(build_leg("clang++-19", f"-O0 {LIBCXX}", CATCH2)),
        ("clang-19", "libc++-19-dev", "libc++abi-19-dev", "catch2"),
    ),
    Leg(
        "O3",
        "what users' release builds see: warnings after more inlining, loops "
        "that are turned around (g++ 12 is the oldest)",
        # That a vector of std::jthread grows is a false alarm to g++ 12.
        build_leg(GXX, "-O3 -DNDEBUG -Wno-array-bounds"),
        ("g++-12",),
    ),
    Leg(
        "m32",
        "a size_t or pointer taken for 64 bits, a counter that overflows; a "
        "lifetime that is too short, which -O0's stack and -O2's inlining hide; "
        "a typeid or dynamic_cast that has crept in",
        # A thousand threads of a test shall fit into three gigabytes.
        with_header_catch2(
            build_leg(GXX, "-O1 -m32 -fno-rtti", CATCH2, stack=1 << 20)
        ),
        ("g++-12", "g++-12-multilib", "gcc-multilib", "catch2"),
    ),
    Leg(
        "windows",
        "what only POSIX has, and another scheduler, clock and thread_local",
        with_header_catch2(windows),
        ("g++-mingw-w64-x86-64-posix", "wine", "wine64", "catch2"),
    ),
    Leg(
        "coverage",
        "a line or branch that no test has seen, and what works only when "
        "inlined: an undefined constant, a deep recursion (g++, -O0)",
        coverage,
        ("g++-12",),
    ),
    Leg(
        "linearizability",
        "an outcome that no order of the calls explains",
        linearizability,
    ),
    Leg(
        "warnings",
        "what a user's compiler says of the headers if it is asked for more "
        "than -Wall, and arithmetic that wraps or loses bits without meaning to",
        warnings,
        ("g++-12", "clang"),
    ),
    Leg(
        "random",
        "two features that break each other: a value lost, doubled, reordered "
        "or delivered after its subscription's end (-O2, TSan, ASan, one core)",
        random_programs,
    ),
    Leg("model", "an order of events that breaks a promise", model),
    Leg(
        "stress",
        "a value lost or doubled, a thread that never returns, under load",
        stress,
    ),
    Leg("mutants", "a test that would not notice", mutants),
]

# What .ci/run asks of every change.
QUICK = ["test", "tsan", "asan", "clang"]


def main() -> int:
    options = parse_options()
    if options.list:
        width = max(len(leg.name) for leg in LEGS)
        for leg in LEGS:
            print(f"{leg.name:{width}}  {leg.catches}")
        return 0
    chosen = options.names or (QUICK if options.quick else [])
    named = {leg.name: leg for leg in LEGS}
    legs = [named[name] for name in chosen] if chosen else LEGS
    BUILD.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Result] = {}
    try:
        for leg in legs:
            print(f"{leg.name} …", file=sys.stderr, flush=True)
            rows[leg.name] = run_leg(leg, options)
    finally:
        text = "\n".join(table(rows)) + "\n"
        (BUILD / "table.md").write_text(text)
        print(text, end="", flush=True)
    return 0 if all(row.good() for row in rows.values()) else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", type=leg_name, metavar="LEG", help="only these"
    )
    parser.add_argument("--list", action="store_true", help="the legs")
    parser.add_argument(
        "--quick", action="store_true", help=f"only {', '.join(QUICK)}"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--histories", type=int, default=20_000, help="of each kind"
    )
    parser.add_argument(
        "--programs", type=int, default=2_000, help="that are random"
    )
    parser.add_argument(
        "--stress-seconds", type=float, default=10, help="for each case"
    )
    parser.add_argument(
        "--schedules", type=int, default=1_000_000, help="of each scenario"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=int(time.time()),
        help="where what is random begins (the time)",
    )
    return parser.parse_args()


def leg_name(text: str) -> str:
    if text not in [leg.name for leg in LEGS]:
        raise argparse.ArgumentTypeError(f"no such leg: {text}")
    return text


def run_leg(leg: Leg, options: argparse.Namespace) -> Result:
    log = BUILD / f"{leg.name}.log"
    log.write_text(f"{leg.name}: {leg.catches}\n")
    start = time.monotonic()
    job = Job(leg, options, log)
    try:
        install(job, leg.packages)
        result = leg.work(job)
    except Missing as what:
        result = Result(note=f"MISSING: {what}")
    except Failed as what:
        result = Result(faults=1, note=str(what))
    result.seconds = time.monotonic() - start
    return result


def install(job: Job, packages: tuple[str, ...]) -> None:
    """Whatever of these packages of Debian is not there."""
    if shutil.which("dpkg-query") is None:
        return  # Another distribution: the build will tell.
    missing = [name for name in packages if not installed(name)]
    if not missing:
        return
    if os.geteuid() == 0:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        job.run("apt-get", "update", minutes=5, environment=quiet)
        job.run(
            *("apt-get", "install", "--yes", "--no-install-recommends"),
            *missing,
            environment=quiet,
            minutes=15,
        )
        missing = [name for name in missing if not installed(name)]
    if missing:
        raise Missing(", ".join(missing))


def installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}"]
    done = subprocess.run([*query, package], capture_output=True, text=True)
    return done.stdout == "installed"


HEAD = (
    "check",
    "scenarios",
    "schedules or operations tried",
    "planted bugs caught",
    "faults found",
    "seconds",
)


def table(rows: dict[str, Result]) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield "| --- | ---: | --- | ---: | ---: | ---: |"
    for name, row in rows.items():
        tried = ", ".join(f"{n:,} {what}" for what, n in row.tried.items())
        caught = "" if row.caught is None else f"{row.caught} of {row.planted}"
        faults = number(row.faults) + (f" ({row.note})" if row.note else "")
        cells = [name, number(row.scenarios), tried, caught, faults.strip()]
        yield f"| {' | '.join(cells)} | {row.seconds:,.0f} |"
    yield f"| all | | | | | {sum(r.seconds for r in rows.values()):,.0f} |"


def number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
