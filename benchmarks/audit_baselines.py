"""Rankings of doubtful labels to compare the audit with: self-confidence, and cleanlab's method.

cleanlab's method, written anew from Thyagarajan et al., Identifying Incorrect Annotations in
Multi-Label Classification Data (2022), https://arxiv.org/abs/2211.13895, in three readings, as the
paper ranks images, not entries: *thresholds*, self-confidence less each class's confident
threshold; *filter*, first the entries that confident learning prunes one-vs-rest, by
self-confidence; *EMA*, images by the exponential moving average (0.8) of their self-confidences, an
image's entries by their own.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

EMA = 0.8

Targets = NDArray[np.int8]
Floats = NDArray[np.float64]


def self_confidence(p: Floats, targets: Targets) -> Floats:
    """Return 1 - the probability of what the data says ``(N, L)``."""
    return np.where(targets == 1, 1 - p, p)


def less_thresholds(p: Floats, targets: Targets) -> Floats:
    """Return the same of probabilities less the confident thresholds of each class."""
    t1, t0 = confident_thresholds(p, targets)
    most = np.maximum(t0, t1)
    shown = (p - t1 + most) / (1 - t0 - t1 + 2 * most)
    return np.where(targets == 1, 1 - shown, shown)


def pruned_first(p: Floats, targets: Targets) -> Floats:
    """Return self-confidence with the entries first that confident learning prunes."""
    t1, t0 = confident_thresholds(p, targets)
    above1, above0 = p >= t1, 1 - p >= t0
    as_present = above1 & (~above0 | (p > 0.5))
    as_absent = above0 & ~as_present
    doubt, present = self_confidence(p, targets), targets == 1
    for given, other, own in ((present, as_absent, as_present), (~present, as_present, as_absent)):
        confident = np.maximum((given & (other | own)).sum(axis=0), 1)
        count = np.rint((given & other).sum(axis=0) / confident * given.sum(axis=0)).astype(int)
        rank = np.argsort(np.argsort(np.where(given, -doubt, np.inf), axis=0), axis=0)
        doubt = doubt + (given & (rank < count))
    return doubt


def confident_thresholds(p: Floats, targets: Targets) -> tuple[Floats, Floats]:
    """Return the mean probability of present where present, and of absent where absent ``(L,)``."""
    present = targets == 1
    t1 = np.where(present, p, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    t0 = np.where(present, 0, 1 - p).sum(axis=0) / np.maximum((~present).sum(axis=0), 1)
    return t1, t0


def image_ema(p: Floats, targets: Targets) -> Floats:
    """Return 1 - the moving average of each image's self-confidences, lowest last ``(N,)``."""
    ordered = np.sort(1 - self_confidence(p, targets), axis=1)[:, ::-1]
    average = ordered[:, 0]
    for column in ordered.T[1:]:
        average = EMA * column + (1 - EMA) * average
    found: Floats = 1 - average
    return found


def images_first(p: Floats, targets: Targets) -> Floats:
    """Return a score that ranks by the image's moving average, then by the entry's own."""
    rank = np.argsort(np.argsort(image_ema(p, targets), kind="stable"))
    return rank[:, None] + self_confidence(p, targets)


BASELINES: dict[str, Callable[[Floats, Targets], Floats]] = {
    "self-confidence": self_confidence,
    "cleanlab, thresholds": less_thresholds,
    "cleanlab, filter": pruned_first,
    "cleanlab, EMA": images_first,
}
