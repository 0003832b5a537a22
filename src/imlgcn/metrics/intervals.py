r"""Intervals of mAP and F1: groups of images are drawn anew, with replacement, or weighted anew.

Near duplicates are not independent evidence, so a group is drawn as a whole. A resample is a number
of times that each image is drawn, so nothing is sorted twice. Efron and Tibshirani, An Introduction
to the Bootstrap (1993).

F1 takes the Bayesian bootstrap (Rubin, Annals of Statistics 9, 1981): weights of
Dirichlet(1, ..., 1) over the groups in place of numbers of draws. A label without a positive has no
F1, and drawing loses the positives of rare labels. Counted as 0 there, the mean of a resample falls
below that of the data; left out, it rises above it; either way the interval of few images may miss
its own value. With weights above 0 every resample has the labels of the data.

Letters: B resamples, G groups, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.metrics.blocks import label_blocks, row_blocks
from imlgcn.metrics.inputs import check_inputs

ENTRIES = 5e7  # resamples x images x labels: about a second
WEIGHTS = 2**19  # made at once, 4 MB of them; of many images for AT_ONCE resamples
AT_ONCE = 8
RANKS = 1024  # images whose numbers are summed up at once: they fit into a cache


def number_of_samples(targets: NDArray[np.int8]) -> int:
    """Return how many resamples are affordable for targets ``(N, L)``: 100 to 1000."""
    return int(np.clip(ENTRIES / max(targets.size, 1), 100, 1000))


def resample(groups: ArrayLike, samples: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each image is drawn, ``(B, N)``, from its group ``(N,)``.

    >>> drawn = resample([0, 0, 1], samples=50)
    >>> bool((drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 0] + drawn[:, 2] == 2).all())
    True
    """
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    G = int(which.max()) + 1 if len(which) else 0
    generator = np.random.default_rng(seed)
    drawn = np.empty((samples, len(which)), np.float32)
    for row in drawn:
        row[:] = np.bincount(generator.integers(0, G, G), minlength=G)[which]
    return drawn


def resampled_map(
    scores: ArrayLike, targets: ArrayLike, drawn: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mAP (protocol "default") of each resample, (B,), as a fraction.

    A label without a positive in a resample is left out of it.

    Shape:
        - scores, targets ``(N, L)``, drawn ``(B, N)``, output ``(B,)``
    """
    scores, targets = check_inputs(scores, targets)
    by_image = np.ascontiguousarray(np.asarray(drawn).T)  # (N, B): an image's numbers side by side
    total, labels = np.zeros(len(drawn)), np.zeros(len(drawn))
    for s, t in zip(scores.T, targets.T, strict=True):
        known = np.flatnonzero(t >= 0)
        order = known[np.argsort(-s[known], kind="stable")]
        at = np.flatnonzero(t[order] == 1)  # (P,) ranks of the positives
        # the last rank of the same score: tied scores are counted together
        last = np.searchsorted(-s[order], -s[order][at], side="right") - 1
        retrieved = _sums_up_to(by_image, order, last).T  # (B, P)
        positive = by_image[order[at]].T.astype(np.float64)
        hits = np.cumsum(positive, axis=1)[:, np.searchsorted(at, last, side="right") - 1]
        precision = np.divide(hits, retrieved, out=np.zeros_like(hits), where=retrieved > 0)
        count = positive.sum(axis=1)  # (B,)
        total += np.divide((positive * precision).sum(axis=1), count, where=count > 0,
                           out=np.zeros_like(count))  # fmt: skip
        labels += count > 0
    return np.where(labels > 0, total / np.maximum(labels, 1), np.nan)


def _sums_up_to(
    by_image: NDArray[np.float32], order: NDArray[np.intp], last: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the sums of rows of ``by_image`` in ``order``, up to each of ``last``, ``(P, B)``.

    ``last`` ascend. What lies between two of them is summed up at once.
    """
    found = np.empty((len(last), by_image.shape[1]))
    before = np.zeros(by_image.shape[1])
    for start in range(0, len(order), RANKS):
        part = by_image[order[start : start + RANKS]]
        mine = slice(*np.searchsorted(last, (start, start + RANKS)))
        ends, which = np.unique(last[mine] - start, return_inverse=True)
        starts = np.concatenate([[0], ends + 1])
        between = np.add.reduceat(part, starts[starts < len(part)], axis=0, dtype=np.float64)
        sums = np.cumsum(between, axis=0) + before
        found[mine], before = sums[which], sums[-1]
    return found


def f1_intervals(
    predicted: ArrayLike, targets: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, list[float]]:
    """Return the 95 % intervals of ``OF1`` and ``CF1_per_label``, ``[low, high]`` in percent.

    These are the metrics of :func:`imlgcn.metrics.f1.precision_recall_f1` under 100 to 1000 random
    weights of the images (Bayesian bootstrap): ``OF1`` over all labels, ``CF1_per_label`` over
    those with a positive. Without ``groups`` each image has a weight of its own. Targets without a
    positive give an empty dictionary.

    Shape:
        - predicted (bool), targets ``(N, L)``, groups ``(N,)``
    """
    targets = np.asarray(targets)
    if not any((targets[rows] == 1).any() for rows in row_blocks(targets.shape)):
        return {}
    groups = np.arange(len(targets)) if groups is None else groups
    at_once = max(WEIGHTS // max(len(targets), 1), AT_ONCE)
    parts = [
        _weighted_f1(predicted, targets, weights)
        for weights in _random_weights(groups, number_of_samples(targets), at_once)
    ]
    values = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return {key: list(interval(100 * value)) for key, value in values.items()}


def f1_differences(
    predicted_a: ArrayLike, predicted_b: ArrayLike, targets: ArrayLike
) -> dict[str, list[float]]:
    """Return ``[difference, low, high]`` of ``OF1`` and ``CF1_per_label``, a minus b, in points.

    The 95 % intervals are of the same weights for both, as of :func:`f1_intervals`. With a
    leading axis of S seeds, it is the difference of the means over the seeds.

    Shape:
        - predicted_a, predicted_b (bool) ``(N, L)`` or ``(S, N, L)``, targets ``(N, L)``
    """
    targets = np.asarray(targets)
    if not (targets == 1).any():
        return {}
    samples = number_of_samples(targets)
    (weights,) = _random_weights(np.arange(len(targets)), samples, samples)
    weights = np.concatenate([np.ones((1, len(targets))), weights])  # first: as is
    means = []
    for runs in (np.asarray(predicted_a), np.asarray(predicted_b)):
        found = [_weighted_f1(run, targets, weights) for run in runs.reshape(-1, *targets.shape)]
        means.append({key: np.mean([each[key] for each in found], axis=0) for key in found[0]})
    a, b = means
    points = {key: 100 * (a[key] - b[key]) for key in a}
    return {key: [float(of[0]), *interval(of[1:])] for key, of in points.items()}


def _random_weights(groups: ArrayLike, samples: int, at_once: int) -> Iterator[NDArray[np.float64]]:
    """Yield weights ``(B, N)`` above 0 of the Bayesian bootstrap, so many resamples at once.

    They are exponential, that is Dirichlet(1, ..., 1) but for their sum, which F1 does not see.
    """
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    generator = np.random.default_rng(0)
    for start in range(0, samples, at_once):
        shape = (min(at_once, samples - start), int(which.max()) + 1)
        drawn = generator.standard_exponential(shape)
        yield np.maximum(drawn, np.finfo(np.float64).tiny, out=drawn)[:, which]


def _weighted_f1(
    predicted: ArrayLike, targets: NDArray[Any], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the F1s under each row of weights above 0, ``(B,)`` each, as fractions."""
    predicted = np.asarray(predicted)
    hits, total, mean = np.zeros((3, len(weights)))
    labels = 0
    for block in label_blocks(targets.shape):
        positive = targets[:, block] == 1
        tagged = predicted[:, block] & (targets[:, block] >= 0)
        shown = positive.any(axis=0)
        both = 2.0 * (weights @ (tagged & positive).astype(np.float64))  # (B, labels)
        either = weights @ (tagged.astype(np.int8) + positive).astype(np.float64)
        hits += both.sum(1)
        total += either.sum(1)
        mean += (both[:, shown] / either[:, shown]).sum(1)
        labels += int(shown.sum())
    return {"OF1": hits / total, "CF1_per_label": mean / labels}


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of resampled values (B,); NaN are left out, of nothing it is NaN."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
