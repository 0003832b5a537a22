r"""How likely each label of the data is wrong or missing, from out-of-fold scores.

Logistic regression with few weights, which all labels share, is fitted on the data's own labels,
right or wrong: q, the probability that an image is given the label. It sees

- the calibrated out-of-fold logit of the label;
- the largest logit among the image's other present labels, and among its other absent ones: a label
  is doubtful where another explains the image;
- what absent labels say against it (:mod:`imlgcn.auditing.evidence`);
- for a missing label, what present labels say, and how many there are; for a wrong one the label's
  frequency instead: a wrong label is often one that goes with the others, so these cannot vouch for
  it.

.. math::
    P(\text{missing}) = \frac{1 - a}{a}\, \frac{q}{1 - q}, \qquad
    P(\text{wrong}) = b\, \frac{1 - q}{q}\, \frac{\pi}{1 - \pi}

a is the fraction of the surest entries that have their label (Elkan and Noto, Learning Classifiers
from Only Positive and Unlabeled Data, KDD 2008), b the fraction of present labels that are wrong,
the same for all labels, :math:`\pi` the frequency of the label.

Shapes: N images, L labels, E entries, F features of an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.auditing.evidence import Floats, pair_evidence
from imlgcn.metrics.calibration import fit_platt, sigmoid

LEAST = -8.0  # in place of the logit of another label, where there is none
MOST_LABELS = 4  # other labels of an image; more are not told apart
PRESENT = 50_000  # present entries to fit some thirty numbers on, drawn where there are more
NEGATIVES = 20  # absent entries to fit on, for each present one: more change nothing
RIDGE = 1.0  # on standardised features of thousands of entries
EDGE = 0.1  # the surest entries: so many of the present, and of the absent ones
USUAL = (0.01, 0.95)  # quantiles of present entries, at which what others say is cut off
STEPS = 50  # of Newton's method, at most
BLOCK = 1 << 18  # entries judged at once

Column = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Doubts:
    """What is doubtful about targets.

    Attributes:
        probability: that the image shows the label, calibrated, out of fold ``(N, L)``.
        error: that the data are wrong about it ``(N, L)``; 0 where the target is unknown.
    """

    probability: Floats
    error: Floats


def find_doubts(
    scores: NDArray[np.floating], targets: NDArray[np.int8], groups: NDArray[np.int64]
) -> Doubts:
    """Judge targets ``(N, L)``: 1 present, 0 absent, -1 unknown, by out-of-fold scores ``(N, L)``.

    Images of one number in ``groups`` ``(N,)`` were held out together.
    """
    calibration = fit_platt(scores, targets)
    logits = scores * calibration.slope + calibration.intercept
    base, frequency = _base(logits, targets, groups)
    error = np.zeros(targets.shape)
    missing = _fit(base, _of_missing, targets)
    absent = targets == 0
    error[absent] = _saturated(_missing_odds(missing, targets) * np.exp(missing[absent]))
    wrong = _fit(base, _of_wrong, targets) - frequency
    present = targets == 1
    error[present] = _saturated(_wrong_fraction(wrong, targets) * np.exp(-wrong[present]))
    return Doubts(sigmoid(logits), error)


class _Base(NamedTuple):
    """What features are made of, each ``(N, L)`` or, of some entries, ``(E,)``."""

    logit: Column
    against: Column  # by absent labels, below 0
    best_present: Column  # logit of another label of the image
    best_absent: Column
    in_favour: Column  # by present labels
    others: Column  # present labels of the image besides this one
    frequency: Column  # its logit

    def entries(self, chosen: NDArray[np.intp] | slice) -> _Base:
        """Return those of some entries, counted row by row."""
        return _Base(*(column.reshape(-1)[chosen].astype(np.float64) for column in self))


def _base(
    logits: Floats, targets: NDArray[np.int8], groups: NDArray[np.int64]
) -> tuple[_Base, Floats]:
    """Return what features are made of, in half the memory; and logits of frequencies ``(L,)``."""
    present = targets == 1
    evidence = pair_evidence(targets, groups)
    known = np.maximum((targets >= 0).sum(axis=0), 1)
    fraction = np.clip(present.sum(axis=0), 0.5, known - 0.5) / known  # of the known images
    frequency: Floats = np.log(fraction / (1 - fraction))
    columns = (
        logits,
        -np.sqrt(np.maximum(-evidence.absent, 0)),
        _best_other(logits, present),
        _best_other(logits, targets == 0),
        evidence.present,
        np.minimum(present.sum(axis=1, keepdims=True) - present, MOST_LABELS),
        np.broadcast_to(frequency, logits.shape),
    )
    columns = columns[:1] + tuple(_within(c, present) for c in columns[1:5]) + columns[5:]
    return _Base(*(column.astype(np.float32) for column in columns)), frequency


def _within(column: Floats, present: NDArray[np.bool_]) -> Floats:
    """Return a column ``(N, L)`` cut off where hardly a present entry is: no square runs away."""
    if not present.any():
        return column
    low, high = np.quantile(column[present], USUAL)
    return np.clip(column, low, high)


def _best_other(logits: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Return for each entry the largest logit of another chosen label of the image, or LEAST."""
    values = np.pad(np.where(chosen, logits, LEAST), ((0, 0), (2, 0)), constant_values=LEAST)
    second, first = np.partition(values, -2, axis=1)[:, -2:].T[..., None]
    best: Floats = np.where(values[:, 2:] == first, second, first)
    return np.maximum(best, LEAST)


def _of_missing(base: _Base) -> Floats:
    """Return the features ``(E, F)`` that tell missing labels; an image without others is apart."""
    none = (base.others == 0).astype(np.float64)
    apart = [none, none * base.logit, none * base.best_absent]
    return np.stack([*_products(base[:-1]), *apart], 1)


def _of_wrong(base: _Base) -> Floats:
    """Return the features ``(E, F)`` that tell wrong labels."""
    return np.stack(_products([*base[:4], base.frequency]), 1)


def _products(columns: Sequence[Column]) -> list[Column]:
    """Return 1, the columns, and the product of every two, squares included."""
    squares = (a * b for a, b in combinations_with_replacement(columns, 2))
    return [np.ones_like(columns[0]), *columns, *squares]


def _fit(base: _Base, features: Callable[[_Base], Floats], targets: NDArray[np.int8]) -> Floats:
    """Return the logit of q ``(N, L)``, by weighted logistic regression on the known targets."""
    present, of_present = _drawn(np.flatnonzero(targets == 1), PRESENT)
    absent, of_absent = _drawn(np.flatnonzero(targets == 0), NEGATIVES * max(len(present), 1))
    given = np.concatenate([np.ones(len(present)), np.zeros(len(absent))])
    weights = np.where(given == 1, of_present, of_absent)
    learnt = features(base.entries(np.concatenate([present, absent])))
    scale = learnt.std(axis=0)
    scale[scale == 0] = 1
    found = _logistic(learnt / scale, given, weights) / scale
    parts = [slice(start, start + BLOCK) for start in range(0, targets.size, BLOCK)]
    return np.concatenate([features(base.entries(part)) @ found for part in parts]).reshape(
        targets.shape
    )


def _drawn(entries: NDArray[np.intp], most: int) -> tuple[NDArray[np.intp], float]:
    """Return at most so many of the entries, and how many each of them stands for."""
    if len(entries) <= most:
        return entries, 1.0
    drawn = np.sort(np.random.default_rng(0).choice(entries, most, replace=False))
    return drawn, len(entries) / most


def _logistic(features: Floats, given: Floats, weights: Floats) -> Floats:
    """Return the coefficients ``(F,)`` of ridge logistic regression, by Newton's method."""
    found = np.zeros(features.shape[1])

    def loss(b: Floats) -> float:
        u = features @ b
        return float(weights @ (np.logaddexp(0, u) - given * u) + RIDGE / 2 * b @ b)

    current = loss(found)
    for _ in range(STEPS):
        p = sigmoid(features @ found)
        gradient = features.T @ (weights * (p - given)) + RIDGE * found
        curvature = (features * (weights * p * (1 - p))[:, None]).T @ features
        step = np.linalg.solve(curvature + RIDGE * np.eye(len(found)), gradient)
        while (there := loss(found - step)) > current and np.abs(step).max() > 1e-9:
            step = step / 2
        if there > current - 1e-6:
            break
        found, current = found - step, there
    return found


def _missing_odds(logits: Floats, targets: NDArray[np.int8]) -> float:
    """Return (1 - a) / a: of the surest entries, those without their label to those with it."""
    known, present = targets >= 0, targets == 1
    count = min(int(known.sum()), max(1, round(EDGE * int(present.sum()))))
    surest = np.argpartition(-logits[known], count - 1)[:count]
    have = int(present[known][surest].sum())
    return (count - have + 1) / (have + 1)  # as if one more of each were seen


def _wrong_fraction(ratios: Floats, targets: NDArray[np.int8]) -> float:
    """Return b: how many present labels lie where the lowest tenth of the absent ones does."""
    absent, present = ratios[targets == 0], ratios[targets == 1]
    if not len(absent) or not len(present):
        return 0.0
    low = int((present < np.quantile(absent, EDGE)).sum())
    return min(1.0, (low + 1) / (len(present) + 1) / EDGE)


def _saturated(x: Floats) -> Floats:
    """Return estimates of a probability, those above 1/2 bent to stay below 1: the order is kept.

    >>> _saturated(np.array([0.25, 0.5, 1.0])).tolist()
    [0.25, 0.5, 0.75]
    """
    return np.where(x <= 0.5, x, 1 - 0.25 / np.maximum(x, 0.25))
