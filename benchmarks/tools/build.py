# SPDX-License-Identifier: MIT
"""Builds the programs of all rivals that this machine can build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Where a program is, by the name of its rival.
Programs = dict[str, Path]

# What go_feed needs of go-ethereum. All else, and its go.mod, which asks for a
# newer Go and a hundred modules, stays behind.
GO_ETHEREUM_FOLDERS = ("event", "common/mclock")

# The rivals that are written in Rust.
RUST = ("crossbeam", "tokio_broadcast", "tokio_watch", "async_broadcast")


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list[object], **options) -> None:
    """Runs a command; its output is shown only when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode != 0:
        note(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, words)


def cpp(
    root: Path,
    build: Path,
    jobs: int,
    definitions: dict[str, object],
    target: str | None = None,
) -> Programs:
    """Builds the rivals that are written in C++."""
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "FANFARE_BUILD_BENCHMARKS": "ON",
        "FANFARE_BUILD_TESTS": "OFF",
        "FANFARE_BUILD_EXAMPLES": "OFF",
    } | definitions
    options = [f"-D{name}={value}" for name, value in settings.items()]
    # A program of before, whose rival is gone, must not be taken for new.
    for program in _programs(build / "benchmarks").values():
        program.unlink()
    # A rival's folder counts only in the run that it is given for.
    forget = "-UFANFARE_SIGSLOT_*"
    run(["cmake", "-S", root, "-B", build, forget, *options])
    chosen = ["--target", target] if target else []
    run(["cmake", "--build", build, "--parallel", jobs, *chosen])
    return _programs(build / "benchmarks")


def rust(source: Path, build: Path, jobs: int) -> Programs:
    """Builds each of the Rust rivals whose Debian package is installed."""
    built = {}
    for rival in RUST:
        # The configuration that names Debian's folder is found from here.
        command = ["cargo", "build", "--release", "--offline", "--jobs", jobs]
        command += ["--no-default-features", "--features", rival]
        command += ["--bin", f"bench_{rival}", "--target-dir", build]
        if _try_to_build(rival, command, cwd=source):
            built[rival] = build / "release" / f"bench_{rival}"
    return built


def go(
    source: Path, build: Path, jobs: int, go_ethereum: Path | None
) -> Programs:
    """Builds go_loop, and go_feed if there is a copy of go-ethereum."""
    build.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "GOPROXY": "off",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    command: list[object] = ["go", "build", "-p", jobs, "-o", build]
    commands = {"go_loop": [*command, "./go_loop"]}
    if go_ethereum:
        modfile = _prepare_go_feed(source, build, go_ethereum)
        commands["go_feed"] = [*command, f"-modfile={modfile}", "./go_feed"]
    return {
        rival: build / rival
        for rival, command in commands.items()
        if _try_to_build(rival, command, cwd=source, env=environment)
    }


def _prepare_go_feed(source: Path, build: Path, go_ethereum: Path) -> Path:
    """Copies what is needed of go-ethereum; returns a go.mod that uses it."""
    copy = build / "go-ethereum"
    shutil.rmtree(copy, ignore_errors=True)
    for folder in GO_ETHEREUM_FOLDERS:
        (copy / folder).mkdir(parents=True)
        for file in sorted((go_ethereum / folder).iterdir()):
            wanted = file.suffix in (".go", ".s")
            if wanted and not file.name.endswith("_test.go"):
                shutil.copy(file, copy / folder)
    module = "github.com/ethereum/go-ethereum"
    (copy / "go.mod").write_text(f"module {module}\n\ngo 1.19\n")
    modfile = build / "go_feed.mod"
    modfile.write_text(
        (source / "go.mod").read_text()
        + f"\nrequire {module} v0.0.0\n\nreplace {module} => {copy}\n"
    )
    return modfile


def _try_to_build(rival: str, command: list[object], **options) -> bool:
    if not shutil.which(str(command[0])):
        note(f"{rival} is MISSING: there is no {command[0]}")
        return False
    try:
        run(command, **options)
    except subprocess.CalledProcessError:
        note(f"{rival} is MISSING: it could not be built")
        return False
    return True


def _programs(folder: Path) -> Programs:
    found = sorted(folder.glob("bench_*"))
    return {
        path.name.removeprefix("bench_"): path
        for path in found
        if path.is_file() and os.access(path, os.X_OK)
    }
