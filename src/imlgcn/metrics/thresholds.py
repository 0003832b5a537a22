r"""Thresholds per label from a validation set, shrunk toward the shared one.

A threshold that is best on ten positives is mostly chance. So each label's counts are joined with
the counts of all labels together, worth ``strength`` positives:

.. math:: hits_l(t) + k\,hits(t)/P, \quad said_l(t) + k\,said(t)/P, \quad P_l + k

and the threshold is read off the joined curve. A label without positives gets the shared one, a
common label its own. Letters: N images, L labels, P positives, T candidate thresholds, k strength.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.config import InputError
from imlgcn.metrics.inputs import Floats, check_inputs

CANDIDATES = 1000  # quantiles of the positives' probabilities; finer changes nothing measurable


class Goal(NamedTuple):
    """What a threshold is for: the best F1, a wanted precision or recall, or a fixed value."""

    kind: Literal["f1", "precision", "recall", "fixed"]
    value: float


def parse_goal(text: str | float) -> Goal:
    """Read ``f1``, ``precision=0.9``, ``recall=0.9`` or a number.

    >>> parse_goal("precision=0.9")
    Goal(kind='precision', value=0.9)
    """
    kind, equals, number = str(text).strip().lower().rpartition("=")
    if (kind, number) == ("", "f1") and not equals:
        return Goal("f1", 0.0)
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if 0 <= value <= 1:
        if kind == "precision":
            return Goal("precision", value)
        if kind == "recall":
            return Goal("recall", value)
        if not equals:
            return Goal("fixed", value)
    raise InputError(
        f"threshold {text!r} is not known; use f1, precision=0.9, recall=0.9 or a number 0..1"
    )


def fit_thresholds(
    probabilities: ArrayLike,
    targets: ArrayLike,
    goal: str | float = "f1",
    *,
    strength: float = 40.0,
) -> NDArray[np.float64]:
    """Return a threshold per label; predict what is at or above it.

    ``precision=x``: the lowest threshold that reaches it (where none does, the most precise one);
    ``recall=x``: the highest that reaches it. Probabilities should be calibrated first, because the
    shared curve compares them across labels. ``strength`` 0 fits each label alone; 40 was chosen by
    cross-validation on the validation images of Open Clip Art, where 20 did about as well.

    Shape:
        - probabilities, targets ``(N, L)``, output ``(L,)``

    >>> fit_thresholds([[0.9], [0.6], [0.4], [0.2]], [[1], [1], [0], [0]]).tolist()
    [0.6]
    """
    wanted = parse_goal(goal)
    if wanted.kind == "fixed":
        _, targets = check_inputs(probabilities, targets)
        return np.full(targets.shape[1], wanted.value)
    return ThresholdFit(probabilities, targets, strength=strength).thresholds(wanted)


class ThresholdFit:
    """The joined curves, counted once: thresholds for any number of goals (`fit_thresholds`)."""

    def __init__(
        self, probabilities: ArrayLike, targets: ArrayLike, *, strength: float = 40.0
    ) -> None:
        probabilities, targets = check_inputs(probabilities, targets)
        positive = targets == 1
        self._num_labels = targets.shape[1]
        if not positive.any():
            self._candidates = np.empty(0)
            return
        # the best threshold is always at a positive: anything between two only adds negatives
        places = np.linspace(0, 1, CANDIDATES)
        quantiles = np.quantile(probabilities[positive], places, method="nearest")
        self._candidates = np.unique(quantiles)  # (T,)
        hits = _count_from(probabilities, positive, self._candidates)  # (L, T)
        said = _count_from(probabilities, targets >= 0, self._candidates)  # (L, T)
        positives = positive.sum(axis=0)[:, None]  # (L, 1)
        share = max(strength, 1e-9)  # never 0: a label without positives has the shared curve only
        total = positives.sum()
        self._hits = hits + share * hits.sum(axis=0) / total
        self._said = np.where(positives > 0, said, 0) + share * said.sum(axis=0) / total
        self._positives = positives + share

    def thresholds(self, goal: Goal) -> NDArray[np.float64]:
        """Return a threshold per label (L,); 0.5 where no label has a positive."""
        if goal.kind == "fixed" or not len(self._candidates):
            fixed = goal.value if goal.kind == "fixed" else 0.5
            return np.full(self._num_labels, fixed)
        best = _choose(goal, self._hits, self._said, self._positives)  # (L,)
        return self._candidates[best].astype(np.float64)


def _count_from(
    scores: Floats, counted: NDArray[np.bool_], candidates: Floats
) -> NDArray[np.float64]:
    """Return for each label how many of its counted scores are at or above each candidate."""
    columns = zip(scores.T, counted.T, strict=True)
    chosen = [np.sort(column[mask]) for column, mask in columns]
    return np.array([len(s) - np.searchsorted(s, candidates, side="left") for s in chosen], float)


def _choose(
    goal: Goal,
    hits: NDArray[np.float64],
    said: NDArray[np.float64],
    positives: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Return the index of the chosen candidate for each label; candidates rise."""
    if goal.kind == "f1":
        return np.asarray(np.argmax(2 * hits / (said + positives), axis=1))
    if goal.kind == "recall":
        reached = hits / positives >= goal.value - 1e-8  # the first one always is: recall 1
        return np.asarray(reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1))
    precision = hits / said
    reached = precision >= goal.value - 1e-8
    lowest, most_precise = np.argmax(reached, axis=1), np.argmax(precision, axis=1)
    return np.asarray(np.where(reached.any(axis=1), lowest, most_precise))
