"""How much faster two processes fine-tune than one, a thread each, on inputs that are decoded.

python -m benchmarks.distributed --out benchmarks/results/distributed.md

One and two processes take turns, started in the same way; medians of the rounds. All
images are decoded before; the first epoch warms up, and the second is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from imlgcn.progress import SILENT, Advance, Progress

SIZE, BATCH = 160, 32
TIMED = "tune, epoch 2"


class Clock(Progress):
    """Notes how long each bar took, on the clock and on the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def bar(self, stage: str, total: int, unit: str = "images") -> Iterator[Advance]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield lambda step: None
        self.seconds[stage] = time.perf_counter() - wall, time.process_time() - cpu


class Round(NamedTuple):
    """Images/s, and CPU seconds of the process that took most."""

    rate: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=960)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to start
    found: dict[int, list[Round]] = {1: [], 2: []}
    for number in range(arguments.rounds):
        for processes, rounds in found.items():
            rounds.append(one_round(processes, arguments.images))
            print(f"round {number + 1}, processes: {processes}: {rounds[-1].rate:.1f} images/s")
    text = table(found, arguments.images)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def one_round(processes: int, images: int) -> Round:
    """Start so many processes, and return what they measured."""
    from imlgcn.training.launch import launch
    from imlgcn.training.layout import Layout

    with tempfile.TemporaryDirectory() as folder:
        arguments = {"images": images, "folder": Path(folder)}
        launch(tune, arguments, Layout(processes), SILENT)
        times = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    assert len(times) == processes
    walls, cpus = zip(*times, strict=True)
    return Round(images / max(walls), max(cpus))


def tune(images: int, folder: Path, progress: Progress) -> None:
    """Fine-tune for two epochs in one of the processes, and write the time of the second."""
    from imlgcn.config import FineTuning, LossSettings
    from imlgcn.data.dataset import load_dataset
    from imlgcn.data.image_input import as_image
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
    from imlgcn.training import augmentation
    from imlgcn.training.checkpoint import Checkpoints
    from imlgcn.training.fine_tune import fine_tune
    from imlgcn.training.layout import Layout
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.ranks import joined

    augmentation.as_image = decoded = cache(as_image)
    data = load_dataset("openclipart")
    backbone = create_backbone("efficientnet_lite0", size=SIZE)
    labels = LabelContext.placeholder(len(data.names))
    head = create_head("linear", backbone.out_channels, labels)
    train = data.split("train").select(range(images))
    for path in train.paths:  # as a shuffled epoch meets them: each process gets others every time
        decoded(path, size=SIZE, fit=backbone.image_settings.fit)
    clock = Clock()
    with joined(Layout.of()) as ranks:
        ranks.connect("cpu")
        fine_tune(
            MultiLabelClassifier(backbone, head),
            train,
            data.split("val").select(range(4)),
            settings=FineTuning(epochs=2, batch_size=BATCH, workers=0),
            loss=LossSettings(),
            seed=0,
            fabric=ranks.fabric or create_fabric("cpu"),
            checkpoints=Checkpoints(folder, "tune"),
            progress=clock,
            stage="tune",
            ranks=ranks,
        )
        (folder / f"{ranks.rank}.json").write_text(json.dumps(clock.seconds[TIMED]))
        ranks.wait()


def table(found: dict[int, list[Round]], images: int) -> str:
    """Return the results as Markdown."""
    from imlgcn.comparison.environment import describe

    ratios = [two.rate / one.rate for one, two in zip(found[1], found[2], strict=True)]
    by_cpu = [one.cpu / two.cpu for one, two in zip(found[1], found[2], strict=True)]
    lines = [
        "# Fine-tuning on two processes",
        "",
        describe(
            f"python -m benchmarks.distributed --rounds {len(ratios)} --images {images} "
            "--out benchmarks/results/distributed.md"
        ),
        f"- `efficientnet_lite0` at {SIZE} px with a linear head, {images} images of Open Clip Art "
        f"in batches of {BATCH} over all processes, one thread each, gloo",
        "- one epoch, RandAugment and the other augmentations included, decoding not; medians of "
        f"{len(ratios)} alternating rounds (smallest to largest)",
        "- CPU seconds are of the process that took most; what it waits for others is not in them",
        "",
        "| processes | images/s | CPU seconds | times as fast | by CPU seconds |",
        "|---|---|---|---|---|",
    ]
    for processes, rounds in found.items():
        rates, cpus = zip(*rounds, strict=True)
        compared = ("", "") if processes == 1 else (spread(ratios), spread(by_cpu))
        cells = (str(processes), spread(rates, 1), spread(cpus, 1), *compared)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float] | tuple[float, ...], digits: int = 2) -> str:
    """Return the median with the range."""
    low, middle, high = (
        f"{value:.{digits}f}" for value in (min(values), median(values), max(values))
    )
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    main()
