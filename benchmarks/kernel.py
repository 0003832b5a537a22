"""The kernel head beyond what a factor can hold: accuracy of landmarks, time and memory.

    python -m benchmarks.kernel --emoji emoji.zip --out benchmarks/results/kernel.md

Accuracy: 20,000 views (crops, mirrored, smaller; five of each training image) of Open Clip Art and
the emoji set (:mod:`benchmarks.emoji`) joined, 80 labels: all 38 of clip art and the 42 most
frequent of the emoji, each absent on the other set's images. The number of landmarks was chosen on
the validation images, which nothing here has learnt. Features of frozen EfficientNet-Lite0 are kept
in ``--features``.

Time and memory: mixtures of pairs of such feature vectors, each case in a process of its own. An
unknown target is drawn for every label on its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from imlgcn.comparison.environment import describe
from imlgcn.config import HeadTraining
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.images import open_image
from imlgcn.data.transforms import WHITE, EvalTransform, normalize
from imlgcn.files import cache_dir
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import Backbone, create_backbone, falkon, kernel_fit
from imlgcn.models.heads import create_head
from imlgcn.models.kernel_fit import Fitted, fit_kernel
from imlgcn.models.kernel_regression import squared_distances, unit_roots
from imlgcn.training.optimization import Group, create_optimizer

VIEWS, IMAGES, LABELS, EMOJI = 5, 20_000, 80, 42
LANDMARKS = (2_500, 5_000, 10_000, 14_000)
GAMMA, RIDGE = 2.0, 0.1  # the head's defaults
RATES = (3e-3, 1e-2, 3e-2, 1e-1)  # of the linear head
CASES = {  # what -> images, share of unknown targets, what is done
    "2,000, all targets known, held out by group and fold": (2_000, 0.0, "held"),
    "2,000, each label its own 10 % unknown, fit": (2_000, 0.1, "fit"),
    "2,000, each label its own 10 % unknown, held out by group and fold": (2_000, 0.1, "held"),
    "20,000, exact, fit": (20_000, 0.0, "fit"),
    "20,000, exact, held out by group and fold": (20_000, 0.0, "held"),
    "50,000, landmarks, fit": (50_000, 0.0, "fit"),
    "50,000, landmarks, held out by five folds": (50_000, 0.0, "folds"),
}


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emoji", default="emoji.zip")
    parser.add_argument("--features", type=Path, default=cache_dir() / "benchmarks" / "views")
    parser.add_argument("--only", choices=("accuracy", "time"))
    parser.add_argument("--case", help="one case of the times, in this process")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.case:
        return print(measure(given.features, *CASES[given.case]))
    lines = ["# The kernel head on many images", "", describe(), ""]
    made = views(given.features, given.emoji)
    if given.only != "time":
        lines += [*accuracy(made), ""]
    if given.only != "accuracy":
        lines += times(given.features)
    print(text := "\n".join(lines).strip())
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def views(folder: Path, emoji: str) -> dict[str, NDArray[Any]]:
    """Return features, targets and sets of the views to learn, of val and of test; made once."""
    file = folder / "views.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, **make_views([load_dataset("openclipart"), load_dataset(emoji)]))
    with np.load(file) as stored:
        return dict(stored)


def make_views(sets: list[Dataset]) -> dict[str, NDArray[Any]]:
    """Extract the features of the views."""
    records = [record for each in sets for record in each.records]
    which = np.repeat([0, 1], [len(each) for each in sets])
    split = np.array([record.split for record in records])
    targets = np.zeros((len(records), sum(len(each.names) for each in sets)), np.int8)
    first = len(sets[0].names)
    targets[which == 0, :first], targets[which == 1, first:] = sets[0].targets, sets[1].targets
    frequent = np.argsort(-targets[split != "test"].sum(0)[first:], kind="stable")[:EMOJI]
    targets = targets[:, np.r_[:first, first + np.sort(frequent)]]
    backbone = create_backbone("efficientnet_lite0").eval().requires_grad_(False)
    backbone.image_settings = backbone.image_settings.model_copy(update={"fit": "pad"})
    paths = [record.path for record in records]
    train = np.flatnonzero(split == "train")
    made = [extract(backbone, paths, train, view) for view in range(VIEWS)]
    found = {
        "train_x": np.concatenate(made)[:IMAGES],
        "train_t": np.tile(targets[train], (VIEWS, 1))[:IMAGES],
    }
    for name in ("val", "test"):
        rows = np.flatnonzero(split == name)
        found |= {f"{name}_x": extract(backbone, paths, rows, 0)}
        found |= {f"{name}_t": targets[rows], f"{name}_set": which[rows]}
    return found


def extract(
    backbone: Backbone, paths: list[Any], rows: NDArray[np.int64], number: int
) -> NDArray[np.float32]:
    """Return the pooled features of one view of each of ``rows``."""
    transform = EvalTransform(backbone.image_settings)
    found = []
    for start in range(0, len(rows), 32):
        images = [
            transform(view(open_image(paths[row]).convert("RGB"), row, number))
            for row in rows[start : start + 32]
        ]
        pixels = torch.from_numpy(normalize(np.stack(images), backbone.image_settings))
        found.append(backbone(pixels).mean((2, 3)).numpy())
    return np.concatenate(found)


def view(image: Image.Image, row: int, number: int) -> Image.Image:
    """Return a part of the image, perhaps mirrored, on a larger white square; 0: the image."""
    if not number:
        return image
    rng = np.random.default_rng([row, number])
    share = rng.uniform(0.75, 1)
    width, height = (max(int(side * share), 1) for side in image.size)
    x, y = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
    image = image.crop((x, y, x + width, y + height))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side = int(max(image.size) / rng.uniform(0.8, 1))
    square = Image.new("RGB", (side, side), WHITE)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def accuracy(made: dict[str, NDArray[Any]]) -> Iterator[str]:
    """Yield a table: mAP of the linear head, the exact solution, and by number of landmarks."""
    yield f"{len(made['train_x']):,} views, {LABELS} labels; mAP on images that were not learnt:"
    yield ""
    yield "| solution | val, clip art | val, emoji | test, clip art | test, emoji |"
    yield "|---|--:|--:|--:|--:|"
    linear = [judge(made, train_linear(made, rate)) for rate in RATES]
    yield "| linear head, the best of four learning rates on val | " + line(max(linear, key=of_val))
    units = unit_roots(torch.from_numpy(made["train_x"]).double()).half()
    for count in (None, *LANDMARKS):
        kernel_fit.EXACT_IMAGES = len(units) if count is None else 0
        use_landmarks(count or falkon.LANDMARKS)
        found = fit_kernel(units, torch.from_numpy(made["train_t"]), GAMMA, RIDGE)
        what = f"{count:,} landmarks" if count else "exact"
        yield f"| {what} | {line(judge(made, scorer(found, units)))}"


def of_val(values: list[float]) -> float:
    """Return the mean mAP of both sets' validation images."""
    return sum(values[:2])


def line(values: list[float]) -> str:
    """Return the cells of a row."""
    return " | ".join(f"{100 * value:.2f}" for value in values) + " |"


def judge(made: dict[str, NDArray[Any]], score: Callable[[Tensor], Tensor]) -> list[float]:
    """Return the mAP of each set's labels on its own images: val of both, test of both."""
    found = []
    for name in ("val", "test"):
        scores = score(torch.from_numpy(made[f"{name}_x"]))
        for number, labels in enumerate((slice(0, -EMOJI), slice(-EMOJI, None))):
            rows = made[f"{name}_set"] == number
            found.append(
                mean_average_precision(
                    scores[torch.from_numpy(rows)][:, labels], made[f"{name}_t"][rows][:, labels]
                )[0]
            )
    return found


def scorer(found: Fitted, units: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what scores features with a fitted kernel."""
    support, weights = units[found.rows].float(), found.weights.float()
    rate = -GAMMA / found.scale
    return lambda x: (squared_distances(unit_roots(x), support) * rate).exp() @ weights


def train_linear(made: dict[str, NDArray[Any]], rate: float) -> Callable[[Tensor], Tensor]:
    """Return a linear layer trained as the linear head is, with the binary cross-entropy."""
    torch.manual_seed(0)
    X, T = torch.from_numpy(made["train_x"]), torch.from_numpy(made["train_t"]).float()
    layer, how = nn.Linear(X.shape[1], T.shape[1]), HeadTraining()
    steps = how.epochs * -(-len(X) // how.batch_size)
    optimizer, schedule = create_optimizer([Group(layer, rate, how.weight_decay)], steps)
    for _ in range(how.epochs):
        for rows in torch.randperm(len(X)).split(how.batch_size):
            loss = nn.functional.binary_cross_entropy_with_logits(layer(X[rows]), T[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return layer.requires_grad_(False)


def use_landmarks(count: int) -> None:
    """Let every solution have so many landmarks."""
    falkon.Falkon.__init__.__kwdefaults__["most"] = count


def times(folder: Path) -> Iterator[str]:
    """Yield a table of seconds and peak memory, each case in a process of its own."""
    yield f"{LABELS} labels, 1,280 channels, {falkon.LANDMARKS:,} landmarks:"
    yield ""
    yield "| images | seconds | seconds of a core | peak memory, GiB | load of the machine before |"
    yield "|---|--:|--:|--:|--:|"
    for case in CASES:
        command = [sys.executable, "-m", "benchmarks.kernel", "--features", folder, "--case", case]
        cells = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        yield f"| {case} | {cells} |"


def measure(folder: Path, count: int, unknown: float, what: str) -> str:
    """Return cells: seconds of a fit or of held-out scores, of a core, peak memory, load."""
    features, targets = mixtures(folder, count, unknown)
    head = create_head("kernel", features.shape[1], LabelContext.placeholder(LABELS))
    numbers = torch.arange(count) // 2
    groups = {"held": (numbers, numbers % 5), "folds": (numbers % 5,)}.get(what)
    load, start, busy = os.getloadavg()[0], time.perf_counter(), time.process_time()
    if groups is None:
        head.fit(features, targets)
    else:
        head.held_out(features, targets, *groups)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"{seconds:.1f} | {busy:.1f} | {peak:.2f} | {load:.1f}"


def mixtures(folder: Path, count: int, unknown: float) -> tuple[Tensor, Tensor]:
    """Return features ``(count, C, 1, 1)`` between two images each, with the first's targets."""
    with np.load(folder / "views.npz") as stored:
        X, T = torch.from_numpy(stored["train_x"]), torch.from_numpy(stored["train_t"])
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randint(len(X), (2, count), generator=generator)
    features = torch.empty(count, X.shape[1])
    for part in torch.arange(count).split(4096):
        features[part] = X[one[part]].lerp(X[other[part]], 0.15)
    targets = T[one]
    targets[torch.rand(targets.shape, generator=generator) < unknown] = -1
    return features[:, :, None, None], targets


if __name__ == "__main__":
    main()
