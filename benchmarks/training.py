"""How fast training is: heads from the cache, feature extraction, fine-tuning; with rivals.

python -m benchmarks.training --out benchmarks/results/training.md

Ours and rivals take turns, each fine-tuning round in a process of its own; medians of the rounds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from imlgcn.comparison.environment import describe
from imlgcn.progress import Advance, Progress

SIZE = 160  # of fine-tuning
RIVAL = ("benchmarks.rivals.training_loop", "--size", str(SIZE))
OURS = "imlgcn, `fine_tune`"
WRITTEN = "bare PyTorch loop as people write it"
TUNED = "bare PyTorch loop, channels-last"


class Clock(Progress):
    """Notes how long each bar took."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def bar(self, stage: str, total: int, unit: str = "images") -> Iterator[Advance]:
        started = time.perf_counter()
        yield lambda step: None
        self.seconds[stage] = time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=256, help="of each round")
    parser.add_argument("--one-epoch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_epoch:
        print(fine_tune_rate(arguments.images))
        return
    tuning = fine_tuning(arguments.rounds, arguments.images)
    extraction = extraction_rates(arguments.rounds, 3 * arguments.images)
    text = table(arguments, tuning, extraction, head_rates(arguments.rounds))
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def fine_tuning(rounds: int, images: int) -> dict[str, list[float]]:
    """Return images/s of one epoch, workers' start included, of every loop in turn."""
    commands = {
        OURS: ("benchmarks.training", "--one-epoch"),
        WRITTEN: RIVAL,
        TUNED: (*RIVAL, "--channels-last"),
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            whole = (sys.executable, "-m", *command, "--images", str(images))
            done = subprocess.run(whole, check=True, capture_output=True, text=True)
            found[name].append(float(done.stdout.split()[-1]))
    return found


def fine_tune_rate(images: int) -> float:
    """Return images/s of one epoch of Lite0 and a linear head, with the default settings."""
    from imlgcn.config import FineTuning, LossSettings
    from imlgcn.data.dataset import load_dataset
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
    from imlgcn.training.checkpoint import Checkpoints
    from imlgcn.training.fine_tune import fine_tune
    from imlgcn.training.loop import create_fabric

    data = load_dataset("openclipart")
    train, val = data.split("train").select(range(images)), data.split("val").select(range(16))
    backbone = create_backbone("efficientnet_lite0", size=SIZE)
    labels = LabelContext.placeholder(len(data.names))
    classifier = MultiLabelClassifier(
        backbone, create_head("linear", backbone.out_channels, labels)
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        fine_tune(
            classifier,
            train,
            val,
            settings=FineTuning(epochs=1),
            loss=LossSettings(),
            seed=0,
            fabric=create_fabric(),
            checkpoints=Checkpoints(Path(folder), "tune"),
            progress=clock,
            stage="tune",
        )
    return images / clock.seconds["tune, epoch 1"]


def extraction_rates(rounds: int, images: int) -> dict[str, list[float]]:
    """Return images/s from files, and of torch engines on pixels that are in memory already."""
    from imlgcn.data.dataset import load_dataset
    from imlgcn.data.transforms import load_input
    from imlgcn.engines.device import batch_size, choose_device
    from imlgcn.engines.torch import throughput_threads
    from imlgcn.models import create_backbone
    from imlgcn.training.extract import extract_features, pooling_extractor

    data = load_dataset("openclipart").split("train").select(range(images))
    backbone = create_backbone("efficientnet_lite0")
    image = backbone.image_settings
    pixels = np.stack([load_input(path, image) for path in data.paths])  # (N, S, S, 3)
    extract, size = pooling_extractor(backbone), batch_size(choose_device())

    def in_memory() -> None:
        with throughput_threads() as streams, ThreadPoolExecutor(streams) as pool:
            list(pool.map(extract, np.split(pixels, range(size, len(pixels), size))))

    ways = {
        "engine alone: torch, folded, pixels in memory": in_memory,
        "`extract_features`, from files": partial(
            extract_features, backbone, data, use_cache=False
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    in_memory()
    for _ in range(rounds):
        for name, work in ways.items():
            started = time.perf_counter()
            work()
            found[name].append(images / (time.perf_counter() - started))
    return found


def head_rates(rounds: int) -> dict[str, list[float]]:
    """Return images/s of training heads on features that are in memory, in one epoch's shape."""
    from imlgcn.config import HeadTraining, LossSettings
    from imlgcn.data.dataset import load_dataset
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import create_head
    from imlgcn.training.extract import ImageFeatures
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.stages import train_head

    data = load_dataset("openclipart")
    random = np.random.default_rng(0)
    values = random.standard_normal((len(data), 2, 1280), np.float32)
    features = ImageFeatures(data, values, {})
    train, val = features.split("train")[1], features.split("val")[1]
    context = LabelContext.from_targets(data.names, train.dataset.targets).with_embeddings(
        image_pca=random.standard_normal((len(data.names), 37), np.float32)
    )
    found: dict[str, list[float]] = {"linear head": [], "iml_gcn head": []}
    settings = HeadTraining(epochs=5)
    for _ in range(rounds):
        for name, kind in zip(found, ("linear", "iml_gcn"), strict=True):
            clock = Clock()
            train_head(
                create_head(kind, 1280, context),
                train,
                val,
                settings=settings,
                loss=LossSettings(),
                seed=0,
                fabric=create_fabric(),
                progress=clock,
                stage="head",
            )
            found[name].append(settings.epochs * len(train.values) / clock.seconds["head"])
    return found


def table(
    arguments: argparse.Namespace,
    tuning: dict[str, list[float]],
    extraction: dict[str, list[float]],
    heads: dict[str, list[float]],
) -> str:
    """Return the results as Markdown."""
    engine = next(iter(extraction))
    return "\n".join(
        (
            "# Speed of training",
            "",
            describe("python -m benchmarks.training --out benchmarks/results/training.md"),
            f"- medians of {arguments.rounds} alternating rounds of {arguments.images} images of "
            "Open Clip Art; (smallest to largest)",
            "",
            f"## Fine-tuning `efficientnet_lite0` at {SIZE} px, batches of 32, two workers",
            "",
            "One epoch in a process of its own, from the start of the workers to the last step; "
            "resize, RandAugment, flip, a box cut out, AdamW, clipping, OneCycle, an average of "
            "the weights, in all three. Ours also keeps the batch norms' statistics, its default "
            "on small data, pads instead of squashing, and has the asymmetric loss where the loops "
            "have binary cross-entropy.",
            "",
            *lines(tuning, OURS),
            "",
            "## Features of a frozen `efficientnet_lite0` at 224 px",
            "",
            f"{3 * arguments.images} images a round; from files, folding the batch norms included.",
            "",
            *lines(extraction, engine, invert=True),
            "",
            "## Heads on features in memory, validation after every epoch included",
            "",
            *lines(heads, None),
        )
    )


def lines(found: dict[str, list[float]], base: str | None, *, invert: bool = False) -> list[str]:
    """Return a table; the last column compares with ``base``, as each is to it or it to each."""
    rows = ["| | images/s | ratio |" if base else "| | images/s | |", "|---|---|---|"]
    for name, rates in found.items():
        ratio = ""
        if base:
            pairs = zip(rates, found[base], strict=True)
            value = median(own / other if invert else other / own for own, other in pairs)
            ratio = f"{value:.2f}" if invert else f"ours is {value:.2f} times as fast"
        shown = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        rows.append(f"| {name} | {shown} | {ratio if name != base else ''} |")
    return rows


if __name__ == "__main__":
    main()
