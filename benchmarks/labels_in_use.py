"""What thousands of labels cost in use: a tagger of drawn labels, opened, asked, reported, served.

python -m benchmarks.labels_in_use runs/many --labels 10000 --images 20000

The network is an untrained EfficientNet-Lite0 with a random linear head; labels have names as data
sets have them, some long and some not in Latin letters. Scores of the evaluated images are drawn.
Letters: N images, L labels.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.report import draw_images
from imlgcn.labels.context import LabelContext
from imlgcn.labels.pairs import diagonal_of
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.metrics.calibration import Calibration
from imlgcn.tagger import Part, Tagger, TaggerInfo, save_tagger
from imlgcn.tagger.info import LabelCalibration, library_versions
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.tagger.scores_rows import scores_table

KINDS = ("Bulldog", "orchid", "sedan", "guitar", "bridge", "kettle", "warbler", "cheese", "jacket")
MANNERS = ("red", "wild", "small", "antique", "northern", "folding", "striped", "wooden", "giant")
PLACES = ("of the Alps", "in bloom", "at night", "under construction", "seen from behind", "")
OTHERS = ("山桜", "北極熊", "ёлка", "σκύλος", "طائر", "고양이", "ปลา", "crème brûlée", "Łódź")
LONG = "person who rides a horse-drawn carriage through a narrow street with cobblestones"
PER_IMAGE = 8  # labels
BLOCK = 500  # images whose scores are drawn at once


def names_of(count: int) -> tuple[str, ...]:
    """Return different label names.

    >>> names_of(3)
    ('Bulldog', 'orchid', 'sedan')
    """
    found: list[str] = []
    for number in range(count):
        kind, rest = KINDS[number % len(KINDS)], number // len(KINDS)
        manner, place = MANNERS[rest % len(MANNERS)], PLACES[rest // len(MANNERS) % len(PLACES)]
        name = kind if not rest else f"{manner} {kind} {place}".strip()
        if number % 97 == 96:
            name = OTHERS[number // 97 % len(OTHERS)]
        if number % 997 == 996:
            name = LONG
        again = rest // (len(MANNERS) * len(PLACES))
        found.append(f"{name} {again + 1}" if again else name)
    seen: dict[str, int] = {}
    for at, name in enumerate(found):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            found[at] = f"{name} ({seen[name]})"
    return tuple(found)


def draw_present(images: int, labels: int, seed: int) -> NDArray[np.int64]:
    """Return the labels of each image ``(N, 8)``, frequent ones first in the order of labels.

    A label brings others of its topic along, as in real data; one may be drawn twice.
    """
    generator = np.random.default_rng(seed)
    first = np.floor(labels ** generator.random((images, PER_IMAGE))).astype(np.int64) % labels
    for at in range(1, PER_IMAGE):  # half of them are a fixed neighbour of the one before
        near = (first[:, at - 1] // 3) % labels
        first[:, at] = np.where(generator.random(images) < 0.5, near, first[:, at])
    return first


def draw_scores(
    images: int, labels: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return logits and targets ``(N, L)``."""
    present = draw_present(images, labels, seed)
    targets = np.zeros((images, labels), np.int8)
    targets[np.arange(images)[:, None], present] = 1
    logits = np.random.default_rng(seed).standard_normal((images, labels), np.float32)
    logits -= 6
    logits += 6 * targets
    return logits, targets


def count(present: NDArray[np.int64], labels: int) -> SparseMatrix:
    """Return the pair counts of images that show the labels ``present`` ``(N, 8)``."""
    codes = [
        np.unique(
            np.stack([np.arange(len(present)), present[:, a] * labels + present[:, b]]), axis=1
        )
        for a in range(PER_IMAGE)
        for b in range(PER_IMAGE)
    ]
    both = np.unique(np.concatenate(codes, axis=1), axis=1)[1]
    pairs, values = np.unique(both, return_counts=True)
    return SparseMatrix.from_entries(pairs // labels, pairs % labels, values, (labels, labels))


def make_tagger(folder: Path, labels: int, images: int) -> Tagger:
    """Write a tagger folder with ``labels`` and scores of ``images`` held-out ones."""
    import torch

    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head

    folder.mkdir(parents=True, exist_ok=True)
    names, generator = names_of(labels), np.random.default_rng(0)
    counts = count(draw_present(2 * images, labels, seed=3), labels)
    context = LabelContext(names, counts, diagonal_of(counts), 2 * images)
    backbone = create_backbone("efficientnet_lite0", pretrained=True)
    head = create_head("linear", backbone.channels(1), context)
    with torch.no_grad():
        for weight in head.parameters():
            weight.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
    positives = (diagonal_of(counts) // 4).tolist()
    calibration = LabelCalibration(
        slope=[1.0] * labels,
        intercept=[-3.0] * labels,
        threshold=(0.2 + 0.4 * generator.random(labels)).round(4).tolist(),
        positives=positives,
    )
    metrics = _metrics(names, positives, images)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    info = TaggerInfo(
        labels=list(names),
        backbone=Part(name="efficientnet_lite0", weights=backbone.weights_id),
        head=Part(name="linear"),
        image=backbone.image_settings,
        calibration=calibration,
        metrics={key: metrics[key] for key in ("mAP", "protocol", "split", "num_images")},
        versions=library_versions(),
    )
    tagger = save_tagger(folder, MultiLabelClassifier(backbone, head), context, info)
    write_scores(folder / "predictions.parquet", names, images, tagger.calibration)
    draw_images(folder / "images")
    return tagger


def write_scores(path: Path, names: tuple[str, ...], images: int, own: Calibration) -> None:
    """Write scores of a validation split, a few images at a time: all may not fit into memory."""
    L, writer = len(names), None
    for start in range(0, images, BLOCK):
        count = min(BLOCK, images - start)
        logits, targets = draw_scores(count, L, seed=start)
        files = tuple(f"{row:06}.jpg" for row in range(start, start + count))
        part = ScoredSplit("val", files, logits, own.apply(logits), targets, control=logits[::-1])
        table = scores_table(names, part)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _metrics(names: tuple[str, ...], positives: list[int], images: int) -> dict[str, object]:
    generator = np.random.default_rng(5)
    numbers = generator.beta(4, 3, (len(names), 4)) * 100
    keys = ("AP", "precision", "recall", "F1")
    per_label = {
        name: {
            **dict(zip(keys, row.tolist(), strict=True)),
            "positives": have,
            "threshold": float(row[0] / 200 + 0.1),
        }
        for name, row, have in zip(names, numbers, positives, strict=True)
    }
    never = [name for name, have in zip(names, positives, strict=True) if not have]
    for name in never:
        per_label[name] |= {"AP": None, "recall": None, "F1": None}
    found: dict[str, object] = {
        "protocol": "default",
        "split": "val",
        "num_images": images,
        "mAP": 57.1,
        "micro_AP": 61.2,
        "OF1": 58.8,
        "CF1": 55.2,
        "CF1_per_label": 51.0,
        "ECE": 0.4,
        "log_loss": 9.4,
        "head": "linear",
        "left_out": never,
        "per_label": per_label,
    }
    found["control"] = {**found, "mAP": 55.0, "head": "linear", "per_label": {}}
    return {**found, "difference_to_control": {"mAP": 2.1, "low": 1.2, "high": 3.0}}


def timed(what: str, code: str, *arguments: str) -> str:
    """Run Python code in a process of its own; return a row of the table."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    end = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    done = subprocess.run(
        [sys.executable, "-c", code + end, *arguments], capture_output=True, text=True
    )
    if done.returncode:
        return f"| {what} | failed: {done.stderr.strip().splitlines()[-1]} | | |"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    *said, memory = done.stdout.split("\n")[:-1]
    seconds = time.perf_counter() - started
    return f"| {what} | {seconds:.1f} | {cpu:.1f} | {float(memory):,.0f} | {' '.join(said)} |"


OPEN = "import sys; from imlgcn.tagger import Tagger; t = Tagger.load(sys.argv[1])\n"
STEPS = {
    "open and tag one image": OPEN + "print(len(t(sys.argv[2] + '/000.jpg')), 'tags')",
    "the same, two labels known": OPEN
    + "print(len(t(sys.argv[2] + '/000.jpg', known={t.labels[5]: 1, t.labels[9]: 0})), 'tags')",
    "report.html": OPEN
    + "from imlgcn.report import write_report; from pathlib import Path\n"
    + "fs = sorted(Path(sys.argv[2]).iterdir())\n"
    + "im = {f'{i:06}.jpg': fs[i % len(fs)] for i in range(int(sys.argv[3]))}\n"
    + "print(f'{write_report(t, images=im).stat().st_size / 1e6:.2f} MB')",
    "label graph": OPEN
    + "from imlgcn.views.label_graph import *\n"
    + "g = graph_figure(summarise_graph(t.folder.context, 0.4).drawn)\n"
    + "g.savefig('/dev/null', format='svg')",
}


def main() -> None:
    """Make the tagger, unless the folder has it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    if not (options.folder / "model.json").is_file():
        make_tagger(options.folder, options.labels, options.images)
    for file in sorted(options.folder.iterdir()):
        if file.is_file():
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    print("\n| what | seconds | CPU seconds | MB of memory | |\n|---|---|---|---|---|")
    given = (str(options.folder), str(options.folder / "images"), str(options.images))
    for what, code in STEPS.items():
        print(timed(what, code, *given), flush=True)


if __name__ == "__main__":
    main()
