r"""Thresholds per label from a validation set, shrunk toward the shared one.

A threshold chosen on ten positives is mostly noise. So the counts of all labels together, scaled to
``strength`` positives, are added to each label's own:

.. math:: TP_l(t) + k\,TP(t)/P, \quad \hat P_l(t) + k\,\hat P(t)/P, \quad P_l + k

(true positives, predicted positives and positives at threshold t), and the threshold is chosen on
these counts. A label without positives gets the shared one, a common label its own.

Letters: N images, L labels, P positives, T candidate thresholds, k strength.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.config import InputError
from imlgcn.metrics.inputs import Floats, check_inputs

CANDIDATES = 1000  # quantiles of the positives' probabilities; more change nothing measurable


class OperatingPoint(NamedTuple):
    """What a threshold is chosen for: best F1, a given precision or recall, or a fixed value."""

    kind: Literal["f1", "precision", "recall", "fixed"]
    value: float


def parse_operating_point(text: str | float) -> OperatingPoint:
    """Read ``f1``, ``precision=0.9``, ``recall=0.9`` or a number from 0 to 1.

    >>> parse_operating_point("precision=0.9")
    OperatingPoint(kind='precision', value=0.9)
    """
    kind, equals, number = str(text).strip().lower().rpartition("=")
    if (kind, number) == ("", "f1") and not equals:
        return OperatingPoint("f1", 0.0)
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if 0 <= value <= 1:
        if kind == "precision":
            return OperatingPoint("precision", value)
        if kind == "recall":
            return OperatingPoint("recall", value)
        if not equals:
            return OperatingPoint("fixed", value)
    raise InputError(
        f"unknown threshold {text!r}; use f1, precision=0.9, recall=0.9 or a number from 0 to 1"
    )


def fit_thresholds(
    probabilities: ArrayLike,
    targets: ArrayLike,
    operating_point: str | float = "f1",
    *,
    strength: float = 40.0,
) -> NDArray[np.float64]:
    """Return a threshold per label; a label is predicted at or above it.

    ``precision=x``: the lowest threshold that reaches x (if none does, the most precise one);
    ``recall=x``: the highest that reaches x. Calibrate the probabilities first, because the shared
    counts compare them across labels. ``strength`` 0 fits each label alone; 40 was chosen by
    cross-validation on the validation images of Open Clip Art, where 20 did about as well.

    Raises:
        InputError: unknown operating point, or scores and targets that do not fit.

    Shape:
        - probabilities, targets ``(N, L)``, output ``(L,)``

    >>> fit_thresholds([[0.9], [0.6], [0.4], [0.2]], [[1], [1], [0], [0]]).tolist()
    [0.6]
    """
    point = parse_operating_point(operating_point)
    if point.kind == "fixed":
        _, targets = check_inputs(probabilities, targets)
        return np.full(targets.shape[1], point.value)
    return ThresholdFit(probabilities, targets, strength=strength).thresholds(point)


class ThresholdFit:
    """The joined counts, made once: thresholds for any number of operating points.

    Args:
        probabilities, targets, strength: as for :func:`fit_thresholds`.
    """

    def __init__(
        self, probabilities: ArrayLike, targets: ArrayLike, *, strength: float = 40.0
    ) -> None:
        probabilities, targets = check_inputs(probabilities, targets)
        positive = targets == 1
        self._num_labels = targets.shape[1]
        self._candidates: NDArray[np.float64] = np.empty(0)
        if not positive.any():
            return
        # the best threshold is always a positive's probability: a lower one only adds negatives
        levels = np.linspace(0, 1, CANDIDATES)
        quantiles = np.quantile(probabilities[positive], levels, method="nearest")
        self._candidates = np.unique(quantiles)  # (T,)
        true_positives = _count_from(probabilities, positive, self._candidates)  # (L, T)
        predicted = _count_from(probabilities, targets >= 0, self._candidates)  # (L, T)
        positives = positive.sum(axis=0)[:, None]  # (L, 1)
        strength = max(strength, 1e-9)  # never 0: a label without positives has shared counts only
        total = positives.sum()
        self._true_positives = true_positives + strength * true_positives.sum(axis=0) / total
        shared = strength * predicted.sum(axis=0) / total  # (T,)
        self._predicted = np.where(positives > 0, predicted, 0) + shared
        self._positives = positives + strength

    def thresholds(self, point: OperatingPoint) -> NDArray[np.float64]:
        """Return a threshold per label (L,); 0.5 where no label has a positive."""
        if point.kind == "fixed" or not len(self._candidates):
            fixed = point.value if point.kind == "fixed" else 0.5
            return np.full(self._num_labels, fixed)
        best = _choose(point, self._true_positives, self._predicted, self._positives)  # (L,)
        return self._candidates[best].astype(np.float64)


def _count_from(
    scores: Floats, counted: NDArray[np.bool_], candidates: Floats
) -> NDArray[np.float64]:
    """Return how many of each label's counted scores are at or above each candidate, (L, T)."""
    columns = zip(scores.T, counted.T, strict=True)
    chosen = [np.sort(column[mask]) for column, mask in columns]
    return np.array([len(s) - np.searchsorted(s, candidates, side="left") for s in chosen], float)


def _choose(
    point: OperatingPoint,
    true_positives: NDArray[np.float64],
    predicted: NDArray[np.float64],
    positives: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Return the index of the chosen candidate for each label (L,); candidates ascend."""
    if point.kind == "f1":
        return np.asarray(np.argmax(2 * true_positives / (predicted + positives), axis=1))
    if point.kind == "recall":
        reached = true_positives / positives >= point.value - 1e-8  # true at the first: recall 1
        return np.asarray(reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1))
    precision = true_positives / predicted
    reached = precision >= point.value - 1e-8
    lowest, most_precise = np.argmax(reached, axis=1), np.argmax(precision, axis=1)
    return np.asarray(np.where(reached.any(axis=1), lowest, most_precise))
