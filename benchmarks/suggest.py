"""Do labels of suggested images teach more than labels of images at random?

    python -m benchmarks.suggest --emoji FOLDER --out benchmarks/results/suggest.md

The splits of :mod:`benchmarks.splits`, train and val as the images that may be labelled (the pool):
50 of them, drawn at random, are labelled first, then 50 at a time until there are 400. After each
time the kernel head is fitted anew, and its mAP on the test images computed. Every rule starts with
the same 50. The rules were compared and settled on six other splits (seeds 100 to 105).

And are the images that :func:`imlgcn.similar` finds more like an image than those of the nearest
features? For each test image with labels, how many of the ten nearest images of train and val show
one of its labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.emoji import emoji_folder
from benchmarks.graph import interval
from benchmarks.kernel_trials import fit
from benchmarks.splits import BACKBONE, PARTS, TEST_TO_LEARNT, score
from benchmarks.suggest_rules import AT_ONCE, RULES, Asked, Rule
from imlgcn.comparison.environment import describe
from imlgcn.data.dataset import load_dataset
from imlgcn.data.groups import find_groups
from imlgcn.data.split import stratify
from imlgcn.metrics.ranking import average_precision
from imlgcn.progress import Progress, TerminalProgress
from imlgcn.training.extract import ImageFeatures, extract_features

MOST = 400  # images labelled in the end
REPORTED = (100, 200, 400)
NEAREST = 10

Curves = dict[str, NDArray[np.float64]]  # rule -> (splits, times, 2): mAP of all and of rare labels


@dataclass(frozen=True, eq=False)
class Split:
    """The pool, which images of it belong together ``(N,)``, and the test images."""

    pool: ImageFeatures
    groups: NDArray[np.int64]
    test: ImageFeatures


def curve(rule: Rule, split: Split, seed: int) -> NDArray[np.float64]:
    """Return the mAP of all and of rare labels ``(times, 2)`` as images are labelled by a rule.

    Rare: the half of the labels that the fewest images of the pool show.
    """
    pool, groups, test = split.pool, split.groups, split.test
    counts = (pool.dataset.targets == 1).sum(0)
    rare = counts <= np.median(counts)
    rows = np.random.default_rng(seed).permutation(len(groups))[:AT_ONCE]
    rng = np.random.default_rng([seed, 1])
    found = []
    while True:
        left = np.setdiff1d(np.arange(len(groups)), rows)
        asked = Asked(pool, groups, rows, left, rng)
        ap = 100 * average_precision(score(asked.head, test), test.dataset.targets)
        found.append((np.nanmean(ap), np.nanmean(ap[rare])))
        if len(rows) >= MOST:
            return np.array(found)
        rows = np.concatenate([rows, left[rule(asked)]])


def precision_of_nearest(split: Split) -> NDArray[np.float64]:
    """Return precision at 10 in percent by the kernel's distance, and by the cosine, ``(2,)``.

    The kernel is fitted on the pool.
    """
    pool, groups, test = split.pool, split.groups, split.test
    head = fit(pool, groups)
    space = head.image_space()
    raw = [torch.nn.functional.normalize(part.pooled("avg").flatten(1)) for part in (test, pool)]
    near = (
        -space.distances(space.vectors(test.inputs(head)), space.fitted),
        raw[0] @ raw[1].mT,
    )
    shown, asked = pool.dataset.targets == 1, test.dataset.targets == 1
    some = asked.any(1)
    found = []
    for values in near:
        first = values.topk(NEAREST).indices.numpy()  # (tests, 10)
        shared = (shown[first] & asked[:, None]).any(2)
        found.append(100 * shared[some].mean())
    return np.array(found)


def run(
    source: str | Path, rules: Sequence[str], seeds: Sequence[int], progress: Progress
) -> tuple[Curves, NDArray[np.float64]]:
    """Return the curves of each rule, and precision at 10 ``(splits, 2)``."""
    dataset = load_dataset(source)
    groups = find_groups(dataset, progress=progress)
    BACKBONE.image_settings = BACKBONE.image_settings.model_copy(update={"fit": "pad"})
    features = extract_features(BACKBONE, dataset, strict=True, progress=progress)
    curves: dict[str, list[NDArray[np.float64]]] = {rule: [] for rule in rules}
    nearest = []
    for seed in seeds:
        part = stratify(dataset.targets == 1, groups, np.array(list(PARTS.values())), seed=seed)
        is_test = part == list(PARTS).index("test")
        pool, test = (features.select(np.flatnonzero(rows)) for rows in (~is_test, is_test))
        split = Split(pool, groups[~is_test], test)
        nearest.append(precision_of_nearest(split))
        for rule in rules:
            curves[rule].append(curve(RULES[rule], split, seed))
            means = area(curves[rule][-1][None])[0]
            progress.say(f"split {seed}, {rule}: {means[0]:.2f}, rare {means[1]:.2f}")
    return {rule: np.array(found) for rule, found in curves.items()}, np.array(nearest)


def area(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean height ``(splits, 2)`` of curves, by trapezia."""
    return np.trapezoid(curves, axis=1) / (curves.shape[1] - 1)


def table(curves: Curves) -> list[str]:
    """Return the lines of two tables: mAP, and differences to random images."""
    times = [count // AT_ONCE - 1 for count in REPORTED]
    heads = [*(f"{count} labelled" for count in REPORTED), "area", "area, rare labels"]
    lines = [f"| rule | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
    values = {
        rule: np.column_stack([found[:, times, 0], area(found)]) for rule, found in curves.items()
    }
    for rule, found in values.items():
        lines.append(f"| {rule} | {' | '.join(f'{v:.1f}' for v in found.mean(0))} |")
    pairs = [(rule, "random") for rule in values if rule != "random"]
    pairs.append(("coverage, rare labels", "coverage"))
    lines += ["", f"| difference | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
    for one, other in pairs:
        if one in values and other in values:
            cells = [interval(d, 1, TEST_TO_LEARNT) for d in (values[one] - values[other]).T]
            lines.append(f"| {one} - {other} | {' | '.join(cells)} |")
    return lines


def similarity_table(found: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Return the lines of the table of precision at 10."""
    lines = ["| set | as `similar` does | cosine of features | difference |", "|---|--:|--:|--:|"]
    for name, values in found.items():
        own, raw = values.mean(0)
        difference = interval(values[:, 0] - values[:, 1], 1, TEST_TO_LEARNT)
        lines.append(f"| {name} | {own:.1f} | {raw:.1f} | {difference} |")
    return lines


def main() -> None:
    """Run all rules and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first split")
    parser.add_argument("--emoji", type=Path, help="folder of the emoji set")
    parser.add_argument("--set", action="append", choices=("clip art", "emoji"))
    parser.add_argument("--rule", action="append", choices=RULES)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    lines = [*HEADER, describe("python -m benchmarks.suggest --emoji FOLDER")]
    nearest = {}
    for name in given.set or ("clip art", "emoji"):
        source = "openclipart" if name == "clip art" else given.emoji or emoji_folder()
        seeds = range(given.first, given.first + given.splits)
        found, nearest[name] = run(source, given.rule or list(RULES), seeds, TerminalProgress())
        lines += ["", f"## {name}, {given.splits} splits", "", *table(found)]
    lines += ["", "## The ten nearest images", "", NEAREST_SAYS, "", *similarity_table(nearest)]
    print(text := "\n".join(lines) + "\n")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


HEADER = [
    "# Labels of suggested images against labels of images at random",
    "",
    "Frozen EfficientNet-Lite0, kernel head, random splits; 50 random images are labelled, then 50 "
    "at a time by a rule. Test mAP in percent; area: the mean height of the curve from 50 to 400 "
    "images. Rare labels: the rarer half. 95 % corrected resampled t interval (Nadeau & Bengio "
    "2003), **bold** where it leaves out 0.",
    "",
]
NEAREST_SAYS = (
    "Of the ten nearest images of train and val, percent that show a label of the test image."
)


if __name__ == "__main__":
    main()
