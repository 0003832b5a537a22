"""Rules that say which images to label next, for :mod:`benchmarks.suggest`.

Each takes what is known and returns 50 images; `imlgcn suggest` is ``coverage``. L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.kernel_trials import fit
from benchmarks.splits import score
from imlgcn.metrics.calibration import fit_platt
from imlgcn.models.heads.kernel import KernelHead
from imlgcn.models.image_space import ImageSpace
from imlgcn.suggestion.coverage import Coverage, doubt, unknown_after
from imlgcn.suggestion.folder import ALMOST_SAME
from imlgcn.training.extract import ImageFeatures

AT_ONCE = 50
Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is known when images are to be chosen.

    ``rows`` of the pool are labelled, ``left`` are not; ``rng`` is for chance.
    """

    pool: ImageFeatures
    groups: NDArray[np.int64]
    rows: Rows
    left: Rows
    rng: np.random.Generator

    @cached_property
    def head(self) -> KernelHead:
        """The kernel head fitted on what is labelled."""
        return fit(self.pool.select(self.rows), self.groups[self.rows])

    @cached_property
    def space(self) -> ImageSpace:
        """The space of the head."""
        return self.head.image_space()

    @cached_property
    def vectors(self) -> Tensor:
        """Those of the images that are left."""
        return self.space.vectors(self.pool.select(self.left).inputs(self.head))

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of the images that are left, calibrated on held-out scores of those labelled."""
        labelled = self.pool.select(self.rows)
        targets = labelled.dataset.targets
        groups = torch.from_numpy(self.groups[self.rows])
        held = self.head.held_out(labelled.inputs(self.head), torch.from_numpy(targets), groups)
        calibration = fit_platt(held[0].numpy(), targets)
        return calibration.apply(score(self.head, self.pool.select(self.left)))

    @property
    def positives(self) -> NDArray[np.int64]:
        """Labelled images that show each label."""
        return (self.pool.dataset.targets[self.rows] == 1).sum(0)


Rule = Callable[[Asked], Rows]  # positions in `left`


def by_value(value: Callable[[Asked], NDArray[np.float64]]) -> Rule:
    """Return the rule that takes the images of the largest values."""
    return lambda asked: np.argsort(-value(asked), kind="stable")[:AT_ONCE]


def entropy(asked: Asked) -> NDArray[np.float64]:
    """Return the entropy of all labels, summed."""
    return doubt(asked.probabilities, np.zeros_like(asked.positives)).sum(1)


def farthest(asked: Asked) -> Rows:
    """Take the image farthest from all that are labelled or taken, and so on (k-centre)."""
    far = asked.space.distances(asked.vectors, asked.space.fitted).min(1).values
    found = []
    for _ in range(AT_ONCE):
        row = int(far.argmax())
        found.append(row)
        far = far.minimum(asked.space.distances(asked.vectors, asked.vectors[[row]])[:, 0])
        far[row] = -1
    return np.array(found)


def variance(asked: Asked, weights: NDArray[np.float64] | None = None) -> Rows:
    """Take the image of the largest variance, times a weight, and so on."""
    P = unknown_after(asked.space, asked.vectors)
    r = torch.ones(len(P)) if weights is None else torch.from_numpy(weights).float()
    found = []
    for _ in range(AT_ONCE):
        row = int((P.diagonal() * r).argmax())
        found.append(row)
        r[row] = 0
        p = P[row].clone()
        P.addr_(p, p, alpha=-1 / (float(p[row]) + asked.space.ridge))
    return np.array(found)


def coverage(asked: Asked, weights: NDArray[np.float64] | None = None) -> Rows:
    """Take what `imlgcn suggest` takes."""
    space, vectors = asked.space, asked.vectors
    r = None if weights is None else torch.from_numpy(weights)
    known = Coverage(unknown_after(space, vectors), space.ridge, r)
    free = space.distances(vectors, space.fitted).min(1).values > ALMOST_SAME
    found = []
    while len(found) < AT_ONCE:
        row, _ = known.best(free)
        known.label(row)
        free &= space.distances(vectors[[row]], vectors)[0] > ALMOST_SAME
        free[row] = False
        found.append(row)
    return np.array(found)


RULES: dict[str, Rule] = {
    "random": lambda asked: asked.rng.permutation(len(asked.left))[:AT_ONCE],
    "least confident": by_value(lambda asked: -np.abs(asked.probabilities - 0.5).min(1)),
    "entropy": by_value(entropy),
    "expected number of tags": by_value(lambda asked: asked.probabilities.sum(1)),
    "expected tags, rare ones more": by_value(
        lambda asked: (asked.probabilities / np.sqrt(1 + asked.positives)).sum(1)
    ),
    "farthest first": farthest,
    "variance": variance,
    "variance x entropy": lambda asked: variance(asked, entropy(asked)),
    "coverage": coverage,
    "coverage, rare labels": lambda asked: coverage(
        asked, doubt(asked.probabilities, asked.positives).sum(1)
    ),
}
