"""How fast a GPU trains: fine-tuning from photographs, and its steps alone, without the loader.

python -m benchmarks.gpu --workers 16 --out benchmarks/results/gpu.md

Every line is a process of its own; the epoch that is timed is the second, with workers that run.
The weights of `tresnet_m` are random here, which changes no time.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.photos import photo_folder
from benchmarks.training import Clock
from imlgcn.comparison.environment import describe

CASES = (  # backbone, size, batch
    ("efficientnet_lite0", 224, 32),
    ("efficientnet_lite0", 224, 128),
    ("tresnet_m", 224, 128),
    ("tresnet_m", 448, 128),
)
LABELS = 80  # as many as COCO has
PER_IMAGE = 3
STEPS = 20  # of the GPU alone
STAGE = "tune"


def main() -> None:
    """Time every case and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--images", type=int, default=2048, help="photographs of 640 x 480")
    parser.add_argument("--workers", type=int, default=2, help="processes that decode and augment")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        name, size, batch = arguments.case
        print(json.dumps(rates(arguments, name, int(size), int(batch))))
        return
    found = [(case, in_process(arguments, case)) for case in CASES]
    text = table(arguments, found)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def in_process(arguments: argparse.Namespace, case: tuple[str, int, int]) -> dict[str, float]:
    """Return what a process of its own measures."""
    options = ("--images", f"{arguments.images}", "--workers", f"{arguments.workers}")
    command = (sys.executable, "-m", "benchmarks.gpu", *options, "--case", *map(str, case))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def rates(arguments: argparse.Namespace, name: str, size: int, batch: int) -> dict[str, float]:
    """Return images/s from files and of the steps alone, and the GPU's peak memory in GB."""
    import torch

    from imlgcn.config import FineTuning, LossSettings
    from imlgcn.training.augmentation import augmented_batches
    from imlgcn.training.checkpoint import Checkpoints
    from imlgcn.training.fine_tune import fine_tune
    from imlgcn.training.loop import create_fabric

    settings = FineTuning(epochs=2, batch_size=batch, workers=arguments.workers)
    fabric, classifier, clock = create_fabric(), network(name, size), Clock()
    with tempfile.TemporaryDirectory() as folder:
        data = photographs(arguments.images, Path(folder))
        train = data.split("train")
        fine_tune(
            classifier,
            train,
            data.split("val"),
            settings=settings,
            loss=LossSettings(),
            seed=0,
            fabric=fabric,
            checkpoints=Checkpoints(Path(folder), STAGE),
            progress=clock,
            stage=STAGE,
        )
        image = classifier.backbone.image_settings
        few = train.select(range(min(4 * batch, len(train))))
        batches = list(augmented_batches(few, image, settings, fabric, seed=(0, 0)))
    cuda = torch.cuda.is_available()
    return {
        "files": len(train) / clock.seconds[f"{STAGE}, epoch 2"],
        "steps": batch * STEPS / seconds_of_steps(fabric, network(name, size), batches),
        "memory": torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0,
    }


def network(name: str, size: int):
    """Return the backbone with a linear head."""
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head

    backbone = create_backbone(name, size=size, pretrained=name.startswith("efficientnet"))
    labels = LabelContext.placeholder(LABELS)
    return MultiLabelClassifier(backbone, create_head("linear", backbone.out_channels, labels))


def photographs(number: int, folder: Path):
    """Return the photographs with random labels; 64 more are for validation."""
    from imlgcn.data.dataset import load_dataset

    random = np.random.default_rng(0)
    table = folder / "photos.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "labels", "split"))
        for n, path in enumerate(sorted(photo_folder(number + 64, 640, 480).glob("*.jpg"))):
            labels = random.choice(LABELS, PER_IMAGE, replace=False) if n >= LABELS else [n]
            split = "train" if n < number else "val"
            rows.writerow((path, ";".join(f"label {label:02}" for label in labels), split))
    return load_dataset(table)


def seconds_of_steps(fabric, classifier, batches) -> float:
    """Return how long `STEPS` steps take on batches that are on the device already."""
    import torch

    from imlgcn.losses import create_loss
    from imlgcn.training.optimization import Group, create_optimizer

    optimizer, schedule = create_optimizer([Group(classifier, 1e-4, 1e-4)], STEPS + 5)
    model, optimizer = fabric.setup(classifier, optimizer)
    criterion = create_loss("asymmetric")
    model.train()
    for step, (pixels, targets) in enumerate(islice(cycle(batches), STEPS + 5)):
        if step == 5:  # the first choose their kernels
            wait(torch)
            started = time.perf_counter()
        loss = criterion(model(pixels), targets)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        schedule.step()
    wait(torch)
    return time.perf_counter() - started


def wait(torch) -> None:
    """Wait until the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def table(arguments: argparse.Namespace, found: list) -> str:
    """Return the results as Markdown."""
    rows = [
        f"| `{name}` | {size} | {batch} | {case['files']:,.0f} | {case['steps']:,.0f} | "
        f"{case['memory']:.1f} |"
        for (name, size, batch), case in found
    ]
    return "\n".join(
        (
            "# Training and tagging on a GPU",
            "",
            describe(),
            f"- {arguments.images} JPEG photographs of 640 x 480, {LABELS} labels, "
            f"{arguments.workers} workers, one round, in the precision that imlgcn chooses",
            "",
            "| backbone | size | batch | from files, images/s | steps alone | memory, GB |",
            "|---|--:|--:|--:|--:|--:|",
            *rows,
            "",
            "From files: the second epoch, decoding and augmentation included. The GPU alone: its "
            "steps on batches that are there already, so the difference is what the loader costs.",
        )
    )


if __name__ == "__main__":
    main()
