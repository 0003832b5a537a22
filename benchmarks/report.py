"""Seconds to write report.html for taggers of several sizes, gallery and activation maps included.

python -m benchmarks.report --out benchmarks/results/report.md

Scores, labels and images are drawn at random; the network is an untrained EfficientNet-Lite0 with a
linear head. Each size runs in its own process, from the start of Python to the file on disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.comparison.environment import describe
from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.labels.context import LabelContext
from imlgcn.report import write_report
from imlgcn.tagger import Part, Tagger, TaggerInfo, save_tagger
from imlgcn.tagger.info import library_versions
from imlgcn.tagger.scores import ScoredSplit, write_predictions

# images, labels, seconds that are allowed (None: no promise)
SIZES = ((440, 38, 15.0), (40_137, 80, 60.0), (10_000, 500, None))
FILES = 60  # image files; all names of a large set share them
TOPICS = 10  # labels of one topic occur together


def main() -> None:
    """Make and time every size, or write the report of one that is made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="folder to keep the taggers and reports in")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        print(json.dumps(write(arguments.write)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.keep or Path(temporary)
        rows = [measure(work, *size) for size in SIZES]
    text = table(rows)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def measure(work: Path, images: int, labels: int, allowed: float | None) -> str:
    """Return the table's row of one size."""
    folder = work / f"{images}x{labels}"
    make_tagger(folder, images, labels)
    command = (sys.executable, "-m", "benchmarks.report", "--write", str(folder))
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout)
    limit = "-" if allowed is None else f"{allowed:.0f}"
    return (
        f"| {images:,} x {labels} | {seconds:.1f} | {limit} | {found['cpu']:.1f} | "
        f"{found['size'] / 1e6:.2f} | {found['memory']:,.0f} |"
    )


def write(folder: Path) -> dict[str, float]:
    """Write the report of a tagger that `make_tagger` made; return what it took."""
    tagger = Tagger.load(folder)
    files = sorted((folder / "images").iterdir())
    count = json.loads((folder / "metrics.json").read_text())["num_images"]
    images = {f"{row}.jpg": files[row % len(files)] for row in range(count)}
    path = write_report(tagger, images=images)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss / 1024,
        "size": path.stat().st_size,
    }


def make_tagger(folder: Path, images: int, labels: int) -> Tagger:
    """Write a tagger folder with random scores of a test split and a validation split."""
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head

    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(f"label {index}" for index in range(labels))
    splits = {"val": draw(images // 4, labels, seed=1), "test": draw(images, labels, seed=2)}
    calibration = fit_label_calibration(*splits["val"])
    metrics = {
        "split": "test",
        "head": "linear",
        **evaluate_split(*splits["test"], names, calibration),
    }
    metrics["control"] = {"head": "linear", **evaluate_split(*splits["test"], names, calibration)}
    metrics["difference_to_control"] = {"mAP": 0.4, "low": -0.3, "high": 1.1}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    context = LabelContext.from_targets(names, draw(2 * images, labels, seed=3)[1])
    vectors = np.random.default_rng(4).normal(size=(labels, 64)).astype(np.float32)
    context = context.with_embeddings(image=vectors)
    backbone = create_backbone("efficientnet_lite0", pretrained=False)
    head = create_head("linear", backbone.channels(1), context)
    info = TaggerInfo(
        labels=list(names),
        backbone=Part(name="efficientnet_lite0"),
        head=Part(name="linear"),
        image=backbone.image_settings,
        calibration=calibration,
        versions=library_versions(),
    )
    tagger = save_tagger(folder, MultiLabelClassifier(backbone, head), context, info)
    write_predictions(
        folder / "predictions.parquet",
        names,
        [scored(tagger, name, *part) for name, part in splits.items()],
    )
    rows = [
        {"stage": "linear head", "epoch": epoch, "loss": 3 / epoch, "val_mAP": 40 + epoch}
        for epoch in range(1, 41)
    ]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    draw_images(folder / "images")
    return tagger


def draw(images: int, labels: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return logits and targets (N, L): about three labels an image, those of a topic together."""
    generator = np.random.default_rng(seed)
    topic = generator.integers(0, TOPICS, images)
    own = topic[:, None] == np.arange(labels) % TOPICS  # (N, L)
    chance = np.where(own, 20.0, 1.0) / labels  # about two labels of its topic and one other
    frequency = np.linspace(1.8, 0.2, labels)
    targets = (generator.random((images, labels)) < chance * frequency).astype(np.int8)
    for child in range(labels // 3, labels):  # most labels bring a more frequent one with them
        targets[:, child // 3] |= targets[:, child] & (generator.random(images) < 0.6)
    logits = generator.normal(size=targets.shape) + 2.5 * targets - 2
    return logits.astype(np.float32), targets


def scored(
    tagger: Tagger, split: str, logits: NDArray[np.float32], targets: NDArray[np.int8]
) -> ScoredSplit:
    """Return a split with calibrated probabilities and a control that is a little worse."""
    noise = np.random.default_rng(5).normal(size=logits.shape)
    return ScoredSplit(
        split,
        tuple(f"{row}.jpg" for row in range(len(logits))),
        logits,
        tagger.calibration.apply(logits),
        targets,
        control=(logits + 0.3 * noise).astype(np.float32),
    )


def draw_images(folder: Path) -> None:
    """Write JPEG files as large as those of COCO, of smooth colours."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(6)
    for index in range(FILES):
        small = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC)
        image.save(folder / f"{index:03d}.jpg", quality=90)


def table(rows: list[str]) -> str:
    """Return the results as Markdown."""
    return "\n".join(
        (
            "# Writing report.html",
            "",
            describe("python -m benchmarks.report --out benchmarks/results/report.md"),
            "",
            *(__doc__.splitlines()[4:6]),
            "",
            "| images x labels | seconds | allowed | CPU seconds | MB written | MB of memory |",
            "|---|---|---|---|---|---|",
            *rows,
        )
    )


if __name__ == "__main__":
    main()
