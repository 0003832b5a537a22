"""The formulas of new labels, with what to expect of them.

Shapes: N images the head was fitted on, M of them that the formulas use, Q images that were added,
L labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.growing.examples import Known
from imlgcn.growing.pool import Pool
from imlgcn.models.new_label.formula import Examples, Formula, Weights, fit_parts
from imlgcn.models.new_label.ground import Ground
from imlgcn.models.new_label.practice import Expectation, practise

AT_ONCE = 250  # labels fitted side by side
TRIED = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)  # numbers of images that are tried
PROBE_ONLY = Weights(kernel=0.0, graph=0.0, lda=0.0, probe=1.0)


@dataclass(frozen=True, eq=False)
class Learnt:
    """One label's formula.

    Attributes:
        name: of the label.
        images: k, how many images show it.
        rows: which of the Q images took part, in the order of ``formula.new``.
        formula: of its score.
        expectation: what labels of the tagger reached when they were tried as if they were new.
        slope, intercept: what makes a probability of the score.
        trained: it is a label of the head, solved on more images.
    """

    name: str
    images: int
    rows: NDArray[np.intp]
    formula: Formula
    expectation: Expectation
    slope: float
    intercept: float
    trained: bool = False


def learn(
    ground: Ground, known: Known | None, pool: Pool, names: Sequence[str], share: float
) -> list[Learnt]:
    """Return the formulas of labels of the pool; ``known`` None: from a probe alone."""
    columns = [pool.labels.index(name) for name in names]
    rows = [np.flatnonzero(pool.targets[:, column] >= 0) for column in columns]
    units = pool.units
    many = [
        _examples(ground, known, pool, units, column, own)
        for column, own in zip(columns, rows, strict=True)
    ]

    @cache
    def expect(images: int, *, labelled: bool) -> Expectation:
        more = next((k for k in TRIED if k >= 4 * images), None) if len(names) == 1 else None
        return practise(ground, images, known=labelled, more=more)

    found = []
    for start in range(0, len(many), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        fitted = fit_parts(ground, many[part])
        for name, own, examples, parts in zip(
            names[part], rows[part], many[part], fitted, strict=True
        ):
            tried = max(k for k in TRIED if k <= max(examples.count, 1))
            expected = expect(tried, labelled=examples.labels is not None)
            weights = PROBE_ONLY if known is None else expected.weights
            found.append(
                Learnt(
                    name=name,
                    images=examples.count,
                    rows=own,
                    formula=parts.join(weights),
                    expectation=expected._replace(weights=weights),
                    slope=expected.slope,
                    intercept=expected.intercept + math.log(share / (1 - share)),
                )
            )
    return found


def _examples(
    ground: Ground,
    known: Known | None,
    pool: Pool,
    units: Tensor,
    column: int,
    rows: NDArray[np.intp],
) -> Examples:
    targets = torch.from_numpy(pool.targets[rows, column].astype(np.float64))
    if known is None:
        nobody = torch.full((len(ground.units),), -1)
        return Examples(units[rows], units[rows], targets, nobody)
    labels = pool.targets[rows][:, known.labels]
    return Examples(
        units=units[rows],
        kernel_units=pool.vectors[rows],
        targets=targets,
        answers=torch.from_numpy(pool.answers[known.rows, column].astype(np.int64)),
        labels=torch.from_numpy(labels) if (labels >= 0).any() else None,
    )
