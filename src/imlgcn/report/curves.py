"""The numbers behind the curves: precision against recall, and probability against frequency.

Letters: N images, L labels, P positives, K bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class PrecisionRecall(NamedTuple):
    """Points that some threshold reaches, by falling threshold: fractions, two for a positive."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


class Reliability(NamedTuple):
    """Filled bins only, (K,): mean probability, share that is present, and entries."""

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    entries: NDArray[np.int64]


def precision_recall(
    scores: Floats, targets: NDArray[np.int8], *, points: int = 40
) -> PrecisionRecall:
    """Return the curve of one label; tied scores enter together, unknown entries are left out.

    Each positive gives two points: where it has just entered, and just before the next one does
    (the same recall, less precision). Of more than ``points`` positives, that many are kept, evenly
    spread, the first and last among them. A label without a positive has an empty curve.

    Shape:
        - scores, targets ``(N,)``

    >>> curve = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    >>> curve.recall.tolist(), curve.precision.round(2).tolist()
    ([0.5, 0.5, 1.0, 1.0], [1.0, 0.5, 0.67, 0.67])
    """
    known = targets >= 0
    scores, positive = scores[known], targets[known] == 1
    ours = np.sort(scores[positive])[::-1]  # (P,)
    if not len(ours):
        return PrecisionRecall(np.zeros(0), np.zeros(0))
    everyone = np.sort(scores)
    hits = np.searchsorted(-ours, -ours, side="right")
    entered = len(everyone) - np.searchsorted(everyone, ours, side="left")
    following = ours[np.minimum(hits, len(ours) - 1)]
    before_next = len(everyone) - np.searchsorted(everyone, following, side="right")
    counted = np.stack([entered, np.where(hits < len(ours), before_next, entered)])  # (2, P)
    kept = np.unique(np.linspace(0, len(ours) - 1, min(points, len(ours))).round().astype(int))
    recall = np.repeat(hits[kept] / len(ours), 2)
    return PrecisionRecall(recall, (hits / counted)[:, kept].T.ravel())


def reliability(probabilities: Floats, targets: NDArray[np.int8], *, bins: int = 15) -> Reliability:
    """Pool all known entries into bins of equal width, as the calibration error (ECE) does.

    Shape:
        - probabilities, targets ``(N, L)``
    """
    known = targets >= 0
    p, present = probabilities[known].astype(np.float64), targets[known] == 1
    place = np.clip((p * bins).astype(np.intp), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    mean = np.bincount(place, weights=p, minlength=bins)[filled] / count[filled]
    share = np.bincount(place, weights=present, minlength=bins)[filled] / count[filled]
    return Reliability(mean, share, count[filled])
