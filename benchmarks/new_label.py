"""Is a label from a few images better than a probe, and what does the label graph add?

    python -m benchmarks.new_label --emoji FOLDER --out benchmarks/results/new_label.md

Each label in turn is new: nobody has labelled it among the training images, and the known labels
are learnt from the training split alone. Its k images come from k groups of one random half (by
groups) of validation and test, its average precision (AP) is measured on the other half, if it has
two images there; four halves. The labels' differences are bootstrapped.

The control is a logistic regression on the same vectors. It has the best of eight settings by mean
AP of the *other* labels in this same protocol: unweighted with a ridge of 1e-3, 1e-4 or 3e-5, and
half of the weight on the positives with 1e-2, 1e-3, 3e-4, 1e-4 or 3e-5.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.emoji import emoji_folder
from imlgcn.comparison.environment import describe
from imlgcn.data.dataset import load_dataset
from imlgcn.data.groups import find_groups
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.ranking import average_precision
from imlgcn.models import create_backbone
from imlgcn.models.heads.kernel import KernelHead
from imlgcn.models.kernel_regression import unit_roots
from imlgcn.models.new_label.formula import Examples, fit_parts
from imlgcn.models.new_label.ground import Ground
from imlgcn.models.new_label.parts import probe
from imlgcn.models.new_label.practice import usual_weights
from imlgcn.progress import Progress, TerminalProgress
from imlgcn.training.extract import extract_features

COUNTS = (1, 5, 10, 20)
HALVES = 4
AT_ONCE = 160  # labels fitted side by side
SETTINGS = [(False, 1e-3), (False, 1e-4), (False, 3e-5)] + [
    (True, ridge) for ridge in (1e-2, 1e-3, 3e-4, 1e-4, 3e-5)
]
SAMPLES = 2000
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """A data set as the protocol sees it: what is known, and the images that are not."""

    ground: Ground
    units: Tensor  # of all images (N, D)
    vectors: Tensor  # of all images (N, V)
    targets: NDArray[np.int8]  # (N, L)
    groups: NDArray[np.int64]
    pool: NDArray[np.intp]  # images of validation and test

    @classmethod
    def of(cls, source: str | Path, progress: Progress) -> World:
        """Read a data set and fit the kernel on its training split."""
        dataset = load_dataset(source)
        groups = find_groups(dataset, progress=progress)
        backbone = create_backbone("efficientnet_lite0", size=224)
        backbone.image_settings = backbone.image_settings.model_copy(update={"fit": "pad"})
        features = extract_features(backbone, dataset, strict=True, progress=progress)
        split = np.array([record.split for record in dataset.records])
        learnt, pool = np.flatnonzero(split == "train"), np.flatnonzero(split != "train")
        part = features.select(learnt)
        channels = KernelHead.channels_of(backbone, {})
        context = LabelContext.from_targets(dataset.names, part.dataset.targets)
        head = KernelHead(channels, context)
        targets = torch.from_numpy(part.dataset.targets)
        head.fit(part.inputs(head), targets, torch.from_numpy(groups[learnt]))
        units = unit_roots(features.pooled("avg").flatten(1).double())
        with torch.no_grad():
            vectors = head.vectors(features.inputs(head)).double()
        own = torch.from_numpy(groups[learnt])
        ground = Ground(units[learnt], vectors[learnt], head.kernel_rate(), targets, own)
        return cls(ground, units, vectors, dataset.targets, groups, pool)


@dataclass(frozen=True, eq=False)
class Episode:
    """A label as if it were new: its images, and those it is judged on."""

    label: int
    images: NDArray[np.intp]
    judged: NDArray[np.intp]


def episodes(world: World, k: int) -> list[Episode]:
    """Return the episodes of all halves."""
    found = []
    for half in range(HALVES):
        rng = np.random.default_rng((0, half))
        names = np.unique(world.groups[world.pool])
        chosen = rng.permutation(names)[: len(names) // 2]
        inside = np.isin(world.groups[world.pool], chosen)
        given, judged = world.pool[inside], world.pool[~inside]
        for label in range(world.targets.shape[1]):
            shown = given[world.targets[given, label] == 1]
            own = np.unique(world.groups[shown])
            if len(own) < k or (world.targets[judged, label] == 1).sum() < 2:
                continue
            images = [
                rng.choice(shown[world.groups[shown] == group])
                for group in rng.permutation(own)[:k]
            ]
            found.append(Episode(label, np.array(images), judged))
    return found


def ap(world: World, episode: Episode, scores: Array) -> float:
    """Return the average precision of scores of the judged images, in percent."""
    truth = world.targets[episode.judged, episode.label][:, None]
    return 100 * float(average_precision(scores[:, None], truth)[0])


def control(world: World, cases: list[Episode]) -> Array:
    """Return the AP of the tuned probe in every episode."""
    ground = world.ground
    x = ground.centred(world.units)
    images = torch.cat([x[case.images] for case in cases])
    owner = torch.cat([torch.full((len(case.images),), at) for at, case in enumerate(cases)])
    shown = torch.ones(len(owner), dtype=torch.int64)
    everyone = torch.ones(len(ground.x), len(cases), dtype=torch.bool)
    found = []
    for half, ridge in SETTINGS:
        weights = probe(
            ground.x, everyone, images, owner, shown, ridge=ridge, half=half, tolerance=5e-4
        )
        scores = [(x[case.judged] @ weights[:, at]).numpy() for at, case in enumerate(cases)]
        found.append([ap(world, case, own) for case, own in zip(cases, scores, strict=True)])
    values = np.array(found)  # (settings, episodes)
    labels = np.array([case.label for case in cases])
    result = np.zeros(len(cases))
    for label in np.unique(labels):
        others = [by_label(cases, row, without=label).mean() for row in values]
        result[labels == label] = values[int(np.argmax(others)), labels == label]
    return result


def ours(world: World, cases: list[Episode], *, known: bool) -> dict[str, Array]:
    """Return the AP of the formula in every episode, and of it without the graph."""
    ground, targets = world.ground, torch.from_numpy(world.targets)
    near = ground.kernel_to(world.vectors)
    found: dict[str, list[float]] = {"formula": [], "without the graph": []}
    for start in range(0, len(cases), AT_ONCE):
        part = cases[start : start + AT_ONCE]
        nobody = torch.full((len(ground.units),), -1)
        examples = [
            Examples(
                world.units[case.images],
                world.vectors[case.images],
                torch.ones(len(case.images)),
                nobody,
                targets[case.images] if known else None,
                case.label,
            )
            for case in part
        ]
        for case, parts in zip(part, fit_parts(ground, examples), strict=True):
            weights = usual_weights(len(case.images), known)
            recent = ground.kernel_between(world.vectors[case.judged], world.vectors[case.images])
            for name, own in zip(found, (weights, weights._replace(graph=0.0)), strict=True):
                formula = parts.join(own)
                scores = world.units[case.judged] @ formula.linear + near[case.judged] @ formula.old
                found[name].append(ap(world, case, (scores + recent @ formula.new).numpy()))
    return {name: np.array(values) for name, values in found.items()}


def by_label(cases: list[Episode], values: Array, without: int | None = None) -> Array:
    """Return the mean of each label over its episodes."""
    labels = np.array([case.label for case in cases])
    return np.array(
        [values[labels == label].mean() for label in np.unique(labels) if label != without]
    )


def interval(values: Array) -> str:
    """Return mean and 95 % interval by a bootstrap over labels."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (SAMPLES, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():+.1f} ({low:+.1f} to {high:+.1f})"


def table(name: str, world: World, counts: tuple[int, ...], progress: Progress) -> list[str]:
    """Return the rows of one data set."""
    rows = []
    for k in counts:
        cases = episodes(world, k)
        if not cases:
            continue
        tuned = control(world, cases)
        row = [
            name,
            str(k),
            str(len(by_label(cases, tuned))),
            f"{by_label(cases, tuned).mean():.1f}",
        ]
        for known in (True, False):
            found = ours(world, cases, known=known)
            row.append(interval(by_label(cases, found["formula"] - tuned)))
            graph = found["formula"] - found["without the graph"]
            row.append(interval(by_label(cases, graph)))
        rows.append("| " + " | ".join(row) + " |")
        progress.say(rows[-1])
    return rows


def main() -> None:
    """Measure both sets and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emoji", type=Path, help="folder of the emoji set")
    parser.add_argument("--set", action="append", choices=("clip art", "emoji"))
    parser.add_argument("--count", action="append", type=int, choices=COUNTS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    progress = TerminalProgress()
    lines = [*HEADER, describe("python -m benchmarks.new_label --emoji FOLDER"), "", *COLUMNS]
    for name in given.set or ("clip art", "emoji"):
        source = "openclipart" if name == "clip art" else given.emoji or emoji_folder()
        lines += table(name, World.of(source, progress), tuple(given.count or COUNTS), progress)
    print(text := "\n".join(lines) + "\n")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


HEADER = [
    "# A new label from k images",
    "",
    "Average precision in points, against the tuned probe, and what the graph adds; 95 % intervals",
    "by a bootstrap over labels. `benchmarks/new_label.py` has the protocol.",
    "",
]
COLUMNS = [
    "| set | k | labels | probe | known labels: gain | graph | not known: gain | graph |",
    "|---|--:|--:|--:|--:|--:|--:|--:|",
]

if __name__ == "__main__":
    main()
