r"""Thresholds per label from held-out scores, shrunk toward the shared one.

A threshold chosen on ten positives is mostly noise. So the counts of all labels, scaled to ``k``
positives, are added to each label's own:

.. math:: TP_l(t) + k\,TP(t), \quad \hat P_l(t) + k\,\hat P(t), \quad P_l + k

(true positives, predicted positives and positives at threshold t), and the threshold is chosen on
these counts. :math:`TP(t)` and :math:`\hat P(t)` are per positive: of all labels together, where
every positive weighs the same, or of the mean label, where every label does. A label without
positives gets the shared threshold, a common label its own.

For F1, ``k`` and the kind of sharing (:data:`RULES`) are chosen by cross-validation on the same
scores. ``f1-micro`` takes the rule with the best F1 over all labels together (OF1), ``f1-macro``
that with the best mean F1 of the labels, ``f1`` that with the largest product of the two: a loss of
one percent in either then weighs the same.

Letters: N images, L labels, P positives, T candidate thresholds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.blocks import columns
from imlgcn.metrics.inputs import Floats, check_inputs

CANDIDATES = 1000  # quantiles of the positives' probabilities; more change nothing measurable
STRENGTH = 40.0  # for a wanted precision or recall
FOLDS = 5  # of the cross-validation, where none are given


class Rule(NamedTuple):
    """How a label's counts are joined with the shared ones."""

    shared: Literal["together", "mean label"]
    strength: float  # k


# what the cross-validation chooses from; of equals the first
SHARED: tuple[Literal["together"], Literal["mean label"]] = ("together", "mean label")
STRENGTHS = (1e9, 160.0, 80.0, 40.0, 20.0, 10.0)
RULES = tuple(Rule(shared, strength) for strength in STRENGTHS for shared in SHARED)


class OperatingPoint(NamedTuple):
    """What a threshold is chosen for: best F1, a given precision or recall, or a fixed value."""

    kind: Literal["f1", "f1-macro", "f1-micro", "precision", "recall", "fixed"]
    value: float = 0.0


def parse_operating_point(text: str | float) -> OperatingPoint:
    """Read ``f1``, ``f1-macro``, ``f1-micro``, ``precision=0.9``, ``recall=0.9`` or a number.

    >>> parse_operating_point("precision=0.9")
    OperatingPoint(kind='precision', value=0.9)
    """
    words = str(text).strip().lower()
    if words in ("f1", "f1-macro", "f1-micro"):
        return OperatingPoint(words)  # type: ignore[arg-type]  # just tested
    kind, equals, number = words.rpartition("=")
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
        f"unknown threshold {text!r}; use f1, f1-macro, f1-micro, precision=0.9, recall=0.9 or a "
        "number from 0 to 1"
    )


def fit_thresholds(
    probabilities: ArrayLike,
    targets: ArrayLike,
    operating_point: str | float = "f1",
    *,
    folds: ArrayLike | None = None,
    strength: float | None = None,
) -> NDArray[np.float64]:
    """Return a threshold per label; a label is predicted at or above it.

    ``precision=x``: the lowest threshold that reaches x (if none does, the most precise one);
    ``recall=x``: the highest that reaches x. Calibrate the probabilities first, because the shared
    counts compare them across labels.

    Args:
        probabilities, targets: of images that the scores were not fitted on.
        operating_point: as for :func:`parse_operating_point`.
        folds: ``(N,)`` numbers; images of one number (near duplicates, say) are held out together
            where the rule is chosen by cross-validation. None: every fifth image.
        strength: k, with the counts of all labels together; 0 fits each label alone. None: for F1
            by cross-validation, else 40.

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
    return ThresholdFit(probabilities, targets, folds=folds, strength=strength).thresholds(point)


class ThresholdFit:
    """The counts, made once: thresholds for any number of operating points.

    Args:
        probabilities, targets, folds, strength: as for :func:`fit_thresholds`.
    """

    def __init__(
        self,
        probabilities: ArrayLike,
        targets: ArrayLike,
        *,
        folds: ArrayLike | None = None,
        strength: float | None = None,
    ) -> None:
        self._probabilities, self._targets = check_inputs(probabilities, targets)
        self._folds = _every_fifth(self._targets) if folds is None else np.asarray(folds)
        if self._folds.shape != self._targets.shape[:1]:
            raise InputError(
                f"expected one fold per image; got {self._folds.shape} for {len(self._targets)}"
            )
        self._strength = strength
        self._counts = _Counts.of(self._probabilities, self._targets)
        self._qualities: NDArray[np.float64] | None = None  # (rules, 2), once they are needed

    def rule(self, kind: str) -> Rule:
        """Return the rule that is used for an operating point."""
        if self._strength is not None or not kind.startswith("f1"):
            return Rule("together", STRENGTH if self._strength is None else self._strength)
        if self._qualities is None:
            self._qualities = self._cross_validate()
        micro, macro = self._qualities.T
        value = {"f1": micro * macro, "f1-micro": micro, "f1-macro": macro}[kind]
        return RULES[int(np.argmax(value))]

    def thresholds(self, point: OperatingPoint) -> NDArray[np.float64]:
        """Return a threshold per label (L,); 0.5 where no label has a positive."""
        if point.kind == "fixed" or self._counts is None:
            fixed = point.value if point.kind == "fixed" else 0.5
            return np.full(self._targets.shape[1], fixed)
        return self._counts.thresholds(point, self.rule(point.kind))

    def _cross_validate(self) -> NDArray[np.float64]:
        """Return micro and macro F1 of every rule on held-out folds, (rules, 2)."""
        L = self._targets.shape[1]
        found = np.zeros((len(RULES), 2, L))  # true positives, and predicted plus positives
        for fold in np.unique(self._folds):
            out = self._folds == fold
            counts = _Counts.of(self._probabilities[~out], self._targets[~out])
            if counts is None:
                continue
            p, targets = self._probabilities[out], self._targets[out]
            for index, rule in enumerate(RULES):
                predicted = p >= counts.thresholds(OperatingPoint("f1"), rule)
                found[index, 0] += (predicted & (targets == 1)).sum(0)
                found[index, 1] += (predicted & (targets >= 0)).sum(0) + (targets == 1).sum(0)
        shown = (self._targets == 1).any(0)  # (L,)
        hits, total = found[:, 0, shown], np.maximum(found[:, 1, shown], 1)
        return np.stack([2 * hits.sum(1) / total.sum(1), (2 * hits / total).mean(1)], axis=1)


class _Counts(NamedTuple):
    """What lies at or above each candidate threshold."""

    candidates: NDArray[np.float64]  # (T,), ascending
    true_positives: NDArray[np.float64]  # (L, T)
    predicted: NDArray[np.float64]  # (L, T)
    positives: NDArray[np.float64]  # (L, 1)

    @classmethod
    def of(cls, probabilities: Floats, targets: NDArray[np.int8]) -> _Counts | None:
        """Count; None where no label has a positive."""
        positive = targets == 1
        if not positive.any():
            return None
        # the best threshold is always a positive's probability: a lower one only adds negatives
        levels = np.linspace(0, 1, CANDIDATES)
        candidates = np.unique(np.quantile(probabilities[positive], levels, method="nearest"))
        true_positives = _count_from(probabilities, positive, candidates)
        predicted = _count_from(probabilities, targets >= 0, candidates)
        positives = positive.sum(axis=0).astype(float)[:, None]
        return cls(candidates.astype(np.float64), true_positives, predicted, positives)

    def thresholds(self, point: OperatingPoint, rule: Rule) -> NDArray[np.float64]:
        """Return the chosen candidate of each label (L,), on counts joined by ``rule``."""
        shown = self.positives[:, 0] > 0
        hits, predicted, positives = (
            each[shown] for each in (self.true_positives, self.predicted, self.positives)
        )
        if rule.shared == "together":
            shared = hits.sum(0) / positives.sum(), predicted.sum(0) / positives.sum()
        else:
            shared = (hits / positives).mean(0), (predicted / positives).mean(0)
        k = max(rule.strength, 1e-9)  # never 0: a label without positives has shared counts only
        best = _choose(
            point,
            self.true_positives + k * shared[0],
            np.where(self.positives > 0, self.predicted, 0) + k * shared[1],
            self.positives + k,
        )
        return self.candidates[best]


def _every_fifth(targets: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return folds (N,); an image without a known target does not move the others'."""
    return np.asarray(np.cumsum((targets >= 0).any(axis=1)) % FOLDS)


def _count_from(
    scores: Floats, counted: NDArray[np.bool_], candidates: Floats
) -> NDArray[np.float64]:
    """Return how many of each label's counted scores are at or above each candidate, (L, T)."""
    found = np.empty((scores.shape[1], len(candidates)))
    for row, column, mask in zip(found, columns(scores), columns(counted), strict=True):
        chosen = np.sort(column[mask])
        row[:] = len(chosen) - np.searchsorted(chosen, candidates, side="left")
    return found


def _choose(
    point: OperatingPoint,
    true_positives: NDArray[np.float64],
    predicted: NDArray[np.float64],
    positives: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Return the index of the chosen candidate for each label (L,); candidates ascend."""
    if point.kind.startswith("f1"):
        return np.asarray(np.argmax(2 * true_positives / (predicted + positives), axis=1))
    if point.kind == "recall":
        reached = true_positives / positives >= point.value - 1e-8  # true at the first: recall 1
        return np.asarray(reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1))
    precision = true_positives / predicted
    reached = precision >= point.value - 1e-8
    lowest, most_precise = np.argmax(reached, axis=1), np.argmax(precision, axis=1)
    return np.asarray(np.where(reached.any(axis=1), lowest, most_precise))
