"""Programs timed as whole processes, in turns, and their table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

RATE = re.compile(r"([\d.]+) images/s")
OURS = re.compile(r"Tagging: (\d+) images in ([\d.]+) s")


# starts a program from a small process: Linux counts the memory of the one that forks to its child
SMALL = """
import os, sys
child = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
print("used", used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
USED = re.compile(r"^used ([\d.]+) (\d+)$", re.MULTILINE)


class Run(NamedTuple):
    """One process: images/s by its own clock, and from outside wall and CPU time and memory."""

    rate: float
    wall: float
    cpu: float
    memory: float  # MB at its peak


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; its errors are ours."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", SMALL, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    wall, text = time.perf_counter() - started, done.stdout
    used = USED.search(text)
    if done.returncode or not used:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{text}")
    ours, theirs = OURS.search(text), RATE.search(text)
    rate = int(ours[1]) / float(ours[2]) if ours else float(theirs[1]) if theirs else 0.0
    return Run(rate, wall, float(used[1]), int(used[2]) / 1024)


class System(NamedTuple):
    """A row of a table."""

    name: str
    command: list[str]
    environment: Mapping[str, str] | None = None
    every_round: bool = True


def alternate(systems: Iterable[System], rounds: int) -> dict[str, list[Run]]:
    """Run all systems in turns."""
    found: dict[str, list[Run]] = {}
    for number in range(rounds):
        for system in systems:
            if system.every_round or not number:
                print(f"round {number + 1}: {system.name}", file=sys.stderr)
                try:
                    done = run(system.command, system.environment)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    continue
                found.setdefault(system.name, []).append(done)
    return found


def table(found: Mapping[str, Sequence[Run]], images: int, base: str) -> str:
    """Return medians as Markdown, and how many times as fast as each system ``base`` is."""
    first = found[base]
    lines = [
        "| system | rounds | images/s inside | whole process, s | CPU ms/image | peak MB | "
        "ours is x inside | x whole |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in found.items():
        # ratios within a round: both met the same machine
        inside = median(a.rate / b.rate for a, b in zip(first, runs, strict=False))
        whole = median(b.wall / a.wall for a, b in zip(first, runs, strict=False))
        rate, wall, cpu, memory = (median(values) for values in zip(*runs, strict=True))
        lines.append(
            f"| {name} | {len(runs)} | {rate:.1f} | {wall:.1f} | {1000 * cpu / images:.1f} | "
            f"{memory:.0f} | {inside:.2f} | {whole:.2f} |"
        )
    return "\n".join(lines)
