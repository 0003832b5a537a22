r"""Intervals of mAP and F1: groups of images are drawn anew, with replacement.

Near duplicates are no independent evidence, so a group is drawn as a whole. A resample is a number
of times that each image is drawn, so nothing is sorted twice. Efron and Tibshirani, An Introduction
to the Bootstrap (1993).

Letters: B resamples, G groups, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.metrics.blocks import label_blocks, row_blocks, rows_at_once
from imlgcn.metrics.inputs import check_inputs

ENTRIES = 5e7  # resamples x images x labels: about a second


def number_of_samples(targets: NDArray[np.int8]) -> int:
    """Return how many resamples are affordable for targets ``(N, L)``: 100 to 1000."""
    return int(np.clip(ENTRIES / max(targets.size, 1), 100, 1000))


def resample(groups: ArrayLike, samples: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each image is drawn, ``(B, N)``, from its group ``(N,)``.

    >>> drawn = resample([0, 0, 1], samples=50)
    >>> bool((drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 0] + drawn[:, 2] == 2).all())
    True
    """
    (drawn,) = _resamples(groups, samples, seed, max(samples, 1))
    return drawn


def _resamples(
    groups: ArrayLike, samples: int, seed: int, at_once: int
) -> Iterator[NDArray[np.float32]]:
    """Yield resamples, so many at once."""
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    G = int(which.max()) + 1 if len(which) else 0
    generator = np.random.default_rng(seed)
    for start in range(0, max(samples, 1), at_once):
        drawn = np.empty((min(at_once, samples - start), len(which)), np.float32)
        for row in drawn:
            row[:] = np.bincount(generator.integers(0, G, G), minlength=G)[which]
        yield drawn


def resampled_map(
    scores: ArrayLike, targets: ArrayLike, drawn: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mAP (protocol "default") of each resample, (B,), as a fraction.

    A label without a positive in a resample is left out of it.

    Shape:
        - scores, targets ``(N, L)``, drawn ``(B, N)``, output ``(B,)``
    """
    scores, targets = check_inputs(scores, targets)
    total, labels = np.zeros(len(drawn)), np.zeros(len(drawn))
    for s, t in zip(scores.T, targets.T, strict=True):
        known = np.flatnonzero(t >= 0)
        order = known[np.argsort(-s[known], kind="stable")]
        at = np.flatnonzero(t[order] == 1)  # (P,) ranks of the positives
        # the last rank of the same score: tied scores are counted together
        last = np.searchsorted(-s[order], -s[order][at], side="right") - 1
        weight = drawn[:, order]  # (B, K)
        retrieved = np.cumsum(weight, axis=1, dtype=np.float64)[:, last]  # (B, P)
        positive = weight[:, at].astype(np.float64)
        hits = np.cumsum(positive, axis=1)[:, np.searchsorted(at, last, side="right") - 1]
        precision = np.divide(hits, retrieved, out=np.zeros_like(hits), where=retrieved > 0)
        count = positive.sum(axis=1)  # (B,)
        total += np.divide((positive * precision).sum(axis=1), count, where=count > 0,
                           out=np.zeros_like(count))  # fmt: skip
        labels += count > 0
    return np.where(labels > 0, total / np.maximum(labels, 1), np.nan)


def f1_intervals(
    predicted: ArrayLike, targets: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, list[float]]:
    """Return the 95 % intervals of ``OF1`` and ``CF1_per_label``, ``[low, high]`` in percent.

    The labels are those with a positive. Without ``groups`` images are drawn one by one.

    Shape:
        - predicted (bool), targets ``(N, L)``, groups ``(N,)``
    """
    targets = np.asarray(targets)
    if not any((targets[rows] == 1).any() for rows in row_blocks(targets.shape)):
        return {}
    groups = np.arange(len(targets)) if groups is None else groups
    at_once = rows_at_once(len(targets))
    parts = [
        _resampled_f1(predicted, targets, drawn)
        for drawn in _resamples(groups, number_of_samples(targets), 0, at_once)
    ]
    values = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return {key: list(interval(100 * value)) for key, value in values.items()}


def f1_differences(
    predicted_a: ArrayLike, predicted_b: ArrayLike, targets: ArrayLike
) -> dict[str, list[float]]:
    """Return ``[difference, low, high]`` of ``OF1`` and ``CF1_per_label``, a minus b, in points.

    The 95 % intervals are of the same resamples for both, as of :func:`f1_intervals`. With a
    leading axis of S seeds, it is the difference of the means over the seeds.

    Shape:
        - predicted_a, predicted_b (bool) ``(N, L)`` or ``(S, N, L)``, targets ``(N, L)``
    """
    targets = np.asarray(targets)
    if not (targets == 1).any():
        return {}
    drawn = resample(np.arange(len(targets)), number_of_samples(targets))
    drawn = np.concatenate([np.ones((1, len(targets)), np.float32), drawn])  # first: as they are
    means = []
    for runs in (np.asarray(predicted_a), np.asarray(predicted_b)):
        found = [_resampled_f1(run, targets, drawn) for run in runs.reshape(-1, *targets.shape)]
        means.append({key: np.mean([each[key] for each in found], axis=0) for key in found[0]})
    a, b = means
    points = {key: 100 * (a[key] - b[key]) for key in a}
    return {key: [float(of[0]), *interval(of[1:])] for key, of in points.items()}


def _resampled_f1(
    predicted: ArrayLike, targets: NDArray[Any], drawn: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Return the F1s of each resample, ``(B,)`` each, as fractions, over labels with a positive."""
    predicted = np.asarray(predicted)
    parts = []
    for block in label_blocks(targets.shape):
        positive = targets[:, block] == 1
        tagged = predicted[:, block] & (targets[:, block] >= 0)
        shown = positive.any(axis=0)
        both = (tagged & positive)[:, shown].astype(np.float32)
        parts.append(
            (
                2.0 * (drawn @ both),
                drawn @ (tagged[:, shown].astype(np.float32) + positive[:, shown]),
            )
        )
    hits, total = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))  # (B, labels)
    return {
        "OF1": hits.sum(1) / np.maximum(total.sum(1), 1),
        "CF1_per_label": (hits / np.maximum(total, 1)).mean(1),
    }


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of resampled values (B,); NaN are left out, of nothing it is NaN."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
