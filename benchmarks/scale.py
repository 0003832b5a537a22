"""How each stage of a training and of its use grows with images and labels.

python -m benchmarks.scale --out benchmarks/results/scale.md

Images are drawn: 1,280 features each, and 3 to 8 labels whose frequencies fall as in a Zipf law.
Every cell runs in a process of its own with one thread; its seconds are those of a core (user and
system, with child processes), without what makes its input, its memory is the peak of the process,
input included. A cell that would take more than ``--seconds`` or 8 GiB is cut off, and larger ones
of its row are left out. What was measured is kept in ``--cache``, so that a run goes on where the
last one ended; ``--again`` forgets what was measured of a stage.

The exponent is that between the last two sizes: of images beyond 20,000, of labels beyond 1,000.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.comparison.environment import describe
from imlgcn.files import cache_dir

IMAGES = (1_000, 10_000, 30_000, 100_000, 1_000_000)
LABELS = (100, 1_000, 10_000)
FEW_LABELS, SOME_IMAGES = LABELS[0], 10_000  # of what is not varied
BEYOND = {"N": 20_000, "L": 1_000}
MEMORY = 8 << 30
MODULES = ("benchmarks.scale_stages", "benchmarks.scale_scores", "benchmarks.scale_folder")
STAGES = (
    *("check", "split", "duplicates", "count", "embed", "linear", "iml_gcn", "stratify", "kernel"),
    *("held_out", "choose", "calibrate", "known", "evaluate", "difference", "support", "save"),
    *("load", "predict", "report", "audit"),
)
WITHOUT_LABELS = ("duplicates",)  # nothing to vary
NOTES = """
Where the slope is not that of the algorithm: between 30,000 and 100,000 images, scores of 100
labels outgrow the processor's cache (32 MB). `kernel` makes 2,800 landmarks stand for ever more
images, and its conjugate gradients take more steps, up to the 50 that they may: 18, 30 and 46 for
11, 36 and 114 images a landmark (of 700). `known` and `audit` fit on a sample of fixed size.
`check`, `count` and `split` look names and labels up one by one: a million records lie scattered in
memory. `report` draws top lists. Where features are in a file, the peak has the pages of the file
that were in memory.
"""
EXIT_MEMORY, EXIT_TIME = 77, 78


class Cell(NamedTuple):
    """What is measured: a stage with so many images and labels."""

    stage: str
    N: int
    L: int

    @property
    def key(self) -> str:
        return f"{self.stage} {self.N} {self.L}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one")
    parser.add_argument("--seconds", type=int, default=300, help="of a core, for a cell")
    parser.add_argument("--least", type=int, default=IMAGES[0], help="images, for now")
    parser.add_argument("--most", type=int, default=IMAGES[-1], help="images, for now")
    parser.add_argument("--cache", type=Path, default=cache_dir() / "benchmarks" / "scale.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell:
        stage, N, L = given.cell
        sys.exit(in_this_process(Cell(stage, int(N), int(L)), given.seconds))
    found = json.loads(given.cache.read_text()) if given.cache.is_file() else {}
    stages = given.stage or STAGES
    if given.again:
        found = {key: value for key, value in found.items() if key.split()[0] not in stages}
    given.cache.parent.mkdir(parents=True, exist_ok=True)
    for cell in (cell for stage in stages for row in rows(stage) for cell in row):
        if given.least <= cell.N <= given.most and cell.key not in found:
            found[cell.key] = measure(cell, found, given.seconds)
            print(cell.key, found[cell.key], file=sys.stderr, flush=True)
            given.cache.write_text(json.dumps(found, indent=1))
    print(text := page(found))
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def rows(stage: str) -> list[list[Cell]]:
    """Return the cells of a stage: by images, and by labels where it looks at them."""
    by_images = [Cell(stage, N, FEW_LABELS) for N in IMAGES]
    by_labels = [Cell(stage, SOME_IMAGES, L) for L in LABELS]
    return [by_images] if stage in WITHOUT_LABELS else [by_images, by_labels]


def measure(cell: Cell, found: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """Run a cell in a process; what smaller ones of its row could not do, it is not asked to."""
    for row in rows(cell.stage):
        before = row[: row.index(cell)] if cell in row else []
        if any("cut" in found.get(each.key, {}) for each in before):
            return {"cut": "not tried"}
    command = (sys.executable, "-m", "benchmarks.scale", "--seconds", str(seconds))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--cell", *map(str, cell)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (EXIT_MEMORY, -6, -9):  # aborted, or killed
        return {"cut": "over 8 GiB"}
    if done.returncode in (EXIT_TIME, -24):
        return {"cut": f"over {seconds} s"}
    if done.returncode:
        raise RuntimeError(f"{cell} ended with {done.returncode}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def in_this_process(cell: Cell, seconds: int) -> int:
    """Print what a cell took, as JSON; the input it needs may take as long again."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (2 * seconds, 2 * seconds + 5))
    import numpy as np
    import torch

    torch.set_num_threads(1)
    np.seterr(all="ignore")
    try:
        work = stage_of(cell.stage)(cell)
        began = used()
        told = work()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            return EXIT_MEMORY
        raise
    took = used() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    more = told if isinstance(told, dict) and "MB" in told else {}
    at = {"load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}
    print(json.dumps({"seconds": took, "memory": peak, **more, **at}))
    return EXIT_TIME if took > seconds else 0


def stage_of(name: str) -> Callable[[Cell], Callable[[], Any]]:
    """Return the function of a stage."""
    modules = map(import_module, MODULES)
    function = next(getattr(module, name) for module in modules if hasattr(module, name))
    data = import_module(MODULES[0]).Data
    return lambda cell: function(data(cell.N, cell.L))


def used() -> float:
    """Return the seconds of a core that this process and its children have taken."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def exponent(sizes: Iterable[int], seconds: Iterable[float | None], beyond: int) -> float | None:
    """Return the slope of log seconds over log sizes, of the last two that were measured.

    None where fewer than two lie at or beyond ``beyond``.

    >>> exponent([10, 100, 1000, 10000], [1.0, 1.0, 2.0, None], 50)
    0.3
    """
    known = [(n, s) for n, s in zip(sizes, seconds, strict=True) if s and n >= beyond]
    if len(known) < 2:
        return None
    (n, s), (m, t) = known[-2:]
    return round(math.log(t / s) / math.log(m / n), 2)


def page(found: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    lines = ["# Growth with images and labels", ""]
    lines += [describe("python -m benchmarks.scale --out benchmarks/results/scale.md"), ""]
    dates = sorted({each["date"] for each in found.values() if "date" in each})
    loads = [each["load"] for each in found.values() if "load" in each]
    if loads:
        lines += [
            f"- measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, one thread; other "
            f"programs used the machine as well: its load was {min(loads):.1f} to {max(loads):.1f}",
            "",
        ]
    lines += [*__doc__.splitlines()[4:], *NOTES.splitlines(), ""]
    for index, (letter, sizes, what) in enumerate(
        (
            ("N", IMAGES, f"images, {FEW_LABELS} labels"),
            ("L", LABELS, f"labels, {SOME_IMAGES:,} images"),
        )
    ):
        for quantity, key in (("Seconds of a core", "seconds"), ("Peak memory in MB", "memory")):
            lines += [f"## {quantity} by {what}", "", *table(found, index, letter, sizes, key), ""]
    return "\n".join(lines).strip()


def table(
    found: Mapping[str, Any], index: int, letter: str, sizes: tuple[int, ...], key: str
) -> list[str]:
    """Return a table with a row for each stage, and its exponent."""
    digits = 2 if key == "seconds" else 0
    lines = [
        f"| stage | {' | '.join(f'{size:,}' for size in sizes)} | exponent |",
        f"|---|{'--:|' * (len(sizes) + 1)}",
    ]
    for stage in STAGES:
        if index >= len(rows(stage)):
            continue
        results = [found.get(cell.key, {}) for cell in rows(stage)[index]]
        values = [each.get(key) for each in results]
        cells = [
            f"{value:,.{digits}f}" if value else each.get("cut", "not measured")
            for value, each in zip(values, results, strict=True)
        ]
        power = exponent(sizes, values, BEYOND[letter])
        name = stage_name(stage)
        lines.append(f"| {name} | {' | '.join(cells)} | {'' if power is None else power} |")
    return lines


def stage_name(stage: str) -> str:
    """Return the name with what it does: the first line of its function."""
    modules = map(import_module, MODULES)
    function = next(getattr(module, stage) for module in modules if hasattr(module, stage))
    return f"`{stage}`: {function.__doc__.splitlines()[0][:-1]}"


if __name__ == "__main__":
    main()
