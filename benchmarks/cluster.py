"""CPU time for an image: `predict --cluster ray` against `predict` on one machine, in turns.

python -m benchmarks.cluster --out benchmarks/results/cluster.md

One core each: one worker against one thread. What a worker spends on its blocks is in the manifest;
`predict` is a whole process, whose start (of one image) is taken off. The wall time of the
cluster's run has Ray's start in it, some seconds, and is shown for what it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.bench_taggers import tagger_with_onnx
from benchmarks.photos import photo_folder
from benchmarks.processes import run
from imlgcn.comparison.environment import describe

IMLGCN = (sys.executable, "-c", "from imlgcn.cli import main; main()")
ONE_CORE = {"OMP_NUM_THREADS": "1"}
COMMAND = "python -m benchmarks.cluster --out benchmarks/results/cluster.md"


class Round(NamedTuple):
    """One run of each: milliseconds of CPU for an image, and seconds of the whole command."""

    one: float
    worker: float
    whole_one: float
    whole_cluster: float


def main() -> None:
    """Run both in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=400)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    tagger, photos = (
        tagger_with_onnx("efficientnet_lite0", 224),
        photo_folder(options.images, 640, 480),
    )
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            rounds.append(one_round(tagger, photos, options.images, Path(folder), number % 2 > 0))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)
    text = page(rounds, options.images, load)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def one_round(tagger: Path, photos: Path, images: int, folder: Path, turned: bool) -> Round:
    """Run each once; ``turned`` is the other order."""
    found: dict[str, tuple[float, float]] = {}
    for name in ("cluster", "one")[:: -1 if turned else 1]:
        if name == "one":
            found[name] = _one(tagger, photos, images, folder)
        else:
            found[name] = _cluster(tagger, photos, images, folder)
    return Round(found["one"][0], found["cluster"][0], found["one"][1], found["cluster"][1])


def _one(tagger: Path, photos: Path, images: int, folder: Path) -> tuple[float, float]:
    out = ("--out", str(folder / "one.parquet"), "--overwrite")
    first = min(photos.glob("*.jpg"))
    whole = run([*IMLGCN, "predict", str(tagger), str(photos), *out], ONE_CORE)
    start = run([*IMLGCN, "predict", str(tagger), str(first), *out], ONE_CORE)
    return 1000 * (whole.cpu - start.cpu) / (images - 1), whole.wall


def _cluster(tagger: Path, photos: Path, images: int, folder: Path) -> tuple[float, float]:
    out = folder / "cluster"
    shutil.rmtree(out, ignore_errors=True)
    command = [*IMLGCN, "predict", str(tagger), str(photos), "--cluster", "ray", "--out", str(out)]
    whole = run(command, ONE_CORE)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    blocks = [line for line in lines if "cpu_seconds" in line]
    assert sum(line["images"] for line in blocks) == images
    steady = sorted(blocks, key=lambda line: line["shard"])[1:]  # the first one opens the network
    spent = sum(line["cpu_seconds"] for line in steady)
    return 1000 * spent / sum(line["images"] for line in steady), whole.wall


def page(rounds: list[Round], images: int, load: float) -> str:
    """Return the page."""
    one, worker, whole_one, whole_cluster = (median(v) for v in zip(*rounds, strict=True))
    ratio = median(r.worker / r.one for r in rounds)
    each = ", ".join(f"{r.worker / r.one:.2f}" for r in rounds)
    lines = [
        "# Tagging on a cluster",
        "",
        describe(COMMAND),
        f"- engines: onnxruntime {version('onnxruntime')}, ray {version('ray')}",
        f"- {images} JPEGs of 640 x 480, `efficientnet_lite0` at 224; medians of {len(rounds)} "
        "alternating rounds",
        f"- load average at the start: {load:.1f}; CPU time counts, not the clock",
        "",
        "| | CPU ms/image | whole command, s |",
        "|---|---|---|",
        f"| `imlgcn predict`, one thread | {one:.2f} | {whole_one:.1f} |",
        f"| `imlgcn predict --cluster ray`, one worker | {worker:.2f} | {whole_cluster:.1f} |",
        "",
        f"A worker takes {ratio:.2f} times the CPU time of one machine for an image (the median of "
        f"the rounds' own ratios: {each}): reading, scoring, rows, and the files of its blocks. "
        "The rest of the whole command is the start and end of Ray.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
