"""What missing labels cost, and what it helps to know which are unknown, or to doubt absent ones.

    python -m benchmarks.missing_labels --emoji FOLDER --out benchmarks/results/missing-labels.md

10 to 90 % of the positives of train and validation are removed at random; mAP on the test images,
which keep theirs. The head learns the removed ones as

- negative: they count as absent, as in data that list what somebody happened to tag;
- ignored: they are known to be unknown (``--unknown-as ignore``): the most that can be hoped for;
- doubted: first as negative; what :func:`imlgcn.auditing.doubts.find_doubts` then holds for missing
  with more than half is ignored, and the head is fitted again. Nobody is asked.

Without any absent label there is nothing to learn: where all known targets are 1, so is the score.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.emoji import emoji_folder
from benchmarks.planting import GAMMA, HeldOut, kernel_units, read
from imlgcn.auditing.doubts import find_doubts
from imlgcn.comparison.environment import describe
from imlgcn.data.ready import with_learnable_labels
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import create_backbone
from imlgcn.models.kernel_inverse import PartInverse
from imlgcn.models.kernel_regression import gaussian_, squared_distances
from imlgcn.progress import SILENT, TerminalProgress
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.resolve import plan_run
from imlgcn.training.run import Run
from imlgcn.training.system import System

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
SEEDS = {"kernel": 2, "linear": 1}
WAYS = ("negative", "ignored", "doubted")

Targets = NDArray[np.int8]
Scores = NDArray[np.floating]


class Kernel:
    """The kernel head for any targets: one inverse serves them all."""

    def __init__(self, learnt: ImageFeatures, asked: ImageFeatures, groups: NDArray[np.int64]):
        self.held_out = HeldOut(learnt, groups)
        distances = squared_distances(kernel_units(learnt, asked), kernel_units(learnt))
        self.asked = gaussian_(distances, GAMMA, self.held_out.scale)  # (Q, N)

    def __call__(self, targets: Targets) -> Scores:
        """Return the scores of the asked images ``(Q, L)``."""
        T = torch.from_numpy(targets.astype(np.float64))
        scores = T.new_zeros(len(self.asked), T.shape[1])
        patterns, which = torch.unique(T >= 0, dim=1, return_inverse=True)
        for index, known in enumerate(patterns.T):
            labels, rows = which == index, known.nonzero()[:, 0]
            part = PartInverse(self.held_out.inverse, rows, (~known).nonzero()[:, 0])
            mean = T[rows][:, labels].mean(0)
            weights = part.solve(T[rows][:, labels] - mean)
            scores[:, labels] = self.asked[:, rows] @ weights + mean
        found: Scores = scores.numpy()
        return found


@dataclass(frozen=True, eq=False)
class Material:
    """Learnt and asked images of one set, and the heads."""

    learnt: ImageFeatures
    asked: ImageFeatures
    groups: NDArray[np.int64]
    kernel: Kernel

    @classmethod
    def of(cls, features: ImageFeatures, groups: NDArray[np.int64]) -> Material:
        """Take train and validation to learn, test to ask."""
        dataset = with_learnable_labels(features.dataset, SILENT, splits=("train", "val"))
        features = replace(features, dataset=dataset)
        test = np.array([record.split == "test" for record in dataset.records])
        learnt, asked = (features.select(np.flatnonzero(rows)) for rows in (~test, test))
        kept = np.unique(groups[~test], return_inverse=True)[1]
        return cls(learnt, asked, kept, Kernel(learnt, asked, kept))

    def linear(self, targets: Targets) -> Scores:
        """Return the scores of the asked images by a linear head."""
        settings = plan_run("", {"head": "linear"}).settings("small")
        backbone = create_backbone(settings.backbone)
        run = Run(settings, {}, create_fabric("cpu"), "cpu", Path())
        dataset = replace(self.learnt.dataset, targets=targets)
        system = System(run, settings, backbone, dataset.names)
        head = system.fit_head(replace(self.learnt, dataset=dataset))
        return score_features(head, self.asked.inputs(head))

    def mean_ap(self, scores: Scores) -> float:
        """Return mAP in percent on the asked images."""
        return 100 * mean_average_precision(scores, self.asked.dataset.targets)[0]

    def taught(self, rate: float, seed: int) -> dict[str, Targets]:
        """Return targets to learn with a fraction of the positives removed, for each way."""
        targets = self.learnt.dataset.targets
        rng = np.random.default_rng(seed)
        rows, labels = np.nonzero(targets == 1)
        chosen = rng.choice(len(rows), round(rate * len(rows)), replace=False)
        negative, ignored = targets.copy(), targets.copy()
        negative[rows[chosen], labels[chosen]] = 0
        ignored[rows[chosen], labels[chosen]] = -1
        doubts = find_doubts(self.kernel.held_out(negative), negative, self.groups)
        doubted = np.where((doubts.error > 0.5) & (negative == 0), -1, negative).astype(np.int8)
        return dict(zip(WAYS, (negative, ignored, doubted), strict=True))


def table(data: Material, say: Callable[[str], None]) -> list[str]:
    """Return the lines of the table of one set."""
    heads: dict[str, Callable[[Targets], Scores]] = {"kernel": data.kernel, "linear": data.linear}
    full = {name: data.mean_ap(score(data.learnt.dataset.targets)) for name, score in heads.items()}
    columns = [(name, way) for name in heads for way in WAYS]
    lines = [f"| removed | {' | '.join(f'{name}, {way}' for name, way in columns)} |"]
    lines += ["|--:|" + "--:|" * len(columns)]
    lines += [f"| none | {' | '.join(f'{full[name]:.1f}' for name, _ in columns)} |"]
    for rate in RATES:
        found: dict[tuple[str, str], list[float]] = {column: [] for column in columns}
        for seed in range(max(SEEDS.values())):
            taught = data.taught(rate, seed)
            for name, way in columns:
                if seed < SEEDS[name]:
                    found[name, way].append(data.mean_ap(heads[name](taught[way])))
            say(f"{rate:.0%}, seed {seed}")
        lines.append(
            f"| {rate:.0%} | {' | '.join(f'{np.mean(found[column]):.1f}' for column in columns)} |"
        )
    return lines


def main() -> None:
    """Run both sets and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emoji", type=Path, help="folder of the emoji set")
    parser.add_argument("--set", action="append", choices=("clip art", "emoji"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    progress = TerminalProgress()
    lines = [*HEADER, describe("python -m benchmarks.missing_labels --emoji FOLDER")]
    for name in given.set or ("clip art", "emoji"):
        source = "openclipart" if name == "clip art" else given.emoji or emoji_folder()
        data = Material.of(*read(source, progress))
        lines += ["", f"## {name}", "", *table(data, progress.say)]
    print(text := "\n".join(lines) + "\n")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


HEADER = [
    "# Training with missing labels",
    "",
    "mAP on the test images, percent; positives of train and validation removed at random, mean of "
    "2 drawings (kernel), or of 1 (linear). Removed labels are learnt as *negative*, *ignored* as "
    "unknown, or as negative but *doubted*: ignored where the audit holds them for missing.",
    "",
]


if __name__ == "__main__":
    main()
