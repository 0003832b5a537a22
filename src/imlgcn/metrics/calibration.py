r"""Platt calibration: one fit for all labels, then one per label, shrunk toward it.

.. math:: p_{il} = \sigma(a_l x_{il} + b_l)

The shared pair is Platt's fit with smoothed targets ("Probabilistic outputs for support vector
machines", 1999). Each label's pair is then fitted with a quadratic penalty on its distance from the
shared one, so that a label with few positives stays close to it. Letters: N images, L labels, x
logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.blocks import columns, row_blocks
from imlgcn.metrics.inputs import Floats, check_inputs

MIN_SLOPE = 1e-3  # positive even for uninformative or inverted scores: the ranking is kept


@dataclass(frozen=True, eq=False)
class Calibration:
    """Slope and intercept per label (L,), and the number of positives each pair was fitted on."""

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    positives: NDArray[np.int64]

    def apply(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities (N, L); each label's ranking of the images is kept."""
        return sigmoid(self.logits(logits))

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return the logits (N, L) of the calibrated probabilities."""
        return np.asarray(logits, dtype=np.float64) * self.slope + self.intercept


def fit_platt(logits: ArrayLike, targets: ArrayLike, *, strength: float = 10.0) -> Calibration:
    """Fit slope and intercept per label on a validation set; unknown entries (-1) are left out.

    ``strength`` weighs the penalty: 0 fits each label alone, infinity gives all labels the shared
    pair. 10 was chosen by cross-validation on the validation images of Open Clip Art (first
    edition: 356, with 4 to 66 positives per label). A label whose scores correlate negatively with
    its targets gets a slope near 0: calibration never inverts a ranking. Where all known entries
    are positive, or none is, the shared pair is (1, 0).

    Raises:
        InputError: logits that are not finite, or that do not fit the targets.

    Shape:
        - logits, targets ``(N, L)``
    """
    logits, targets = check_inputs(logits, targets)
    if not all(np.isfinite(logits[rows]).all() for rows in row_blocks(logits.shape)):
        raise InputError(
            "logits must be finite: pass the scores before the sigmoid, not log-probabilities"
        )
    slope, intercept = _fit_shared(_Known(logits, targets))
    pairs = [
        _fit_label(x[t >= 0].astype(np.float64), t[t >= 0] == 1, slope, intercept, strength)
        for x, t in zip(columns(logits), columns(targets), strict=True)
    ]
    slopes, intercepts = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return Calibration(slopes, intercepts, (targets == 1).sum(axis=0))


@dataclass(frozen=True, eq=False)
class _Known:
    """The known entries of all labels, block after block: logits, and whether it is positive."""

    logits: Floats
    targets: NDArray[np.int8]

    def __iter__(self) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
        for rows in row_blocks(self.logits.shape):
            known = self.targets[rows] >= 0
            yield self.logits[rows][known].astype(np.float64), self.targets[rows][known] == 1


@dataclass(frozen=True)
class _Smoothed:
    """Known entries with Platt's targets."""

    known: _Known
    positive: float
    negative: float

    def __iter__(self) -> Iterator[tuple[Floats, Floats]]:
        for x, positive in self.known:
            yield x, np.where(positive, self.positive, self.negative)


def _fit_shared(known: _Known) -> tuple[float, float]:
    total, positives = (int((known.targets >= least).sum()) for least in (0, 1))
    if positives in (0, total):  # one class alone: a fit would make all scores equal
        return 1.0, 0.0
    # Platt's smoothed targets, as if one more of each class were seen: finite on separable data
    entries = _Smoothed(known, (positives + 1) / (positives + 2), 1 / (total - positives + 2))
    slope, intercept = _newton(entries, (1.0, 0.0), (1e-6, 1e-6))
    if slope < MIN_SLOPE:
        slope, intercept = _newton(entries, (MIN_SLOPE, intercept), (np.inf, 1e-6))
    return slope, intercept


def _fit_label(
    x: Floats, positive: NDArray[np.bool_], slope: float, intercept: float, strength: float
) -> tuple[float, float]:
    p = sigmoid(slope * x + intercept)
    weight = p * (1 - p)
    if weight.sum() < 1e-12 or not strength < np.inf:
        return slope, intercept
    # centred and scaled by the weights p(1 - p): slope and intercept then shrink independently
    centre = float(np.average(x, weights=weight))
    scale = float(np.sqrt(np.average((x - centre) ** 2, weights=weight))) + 1e-12
    entries = [((x - centre) / scale, positive.astype(np.float64))]
    prior = (slope * scale, intercept + slope * centre)
    a, b = _newton(entries, prior, (max(strength, 1e-6),) * 2)
    if a / scale < MIN_SLOPE:
        a, b = _newton(entries, (MIN_SLOPE * scale, prior[1]), (np.inf, max(strength, 1e-6)))
    return a / scale, b - a * centre / scale


def _newton(
    entries: Iterable[tuple[Floats, Floats]],
    prior: tuple[float, float],
    penalty: tuple[float, float],
) -> tuple[float, float]:
    """Minimise log-loss + penalty/2 * (pair - prior)^2; an infinite penalty holds the slope.

    ``entries`` yield x and target, as often as it is asked.
    """
    start, weight = np.array(prior), np.minimum(penalty, 1e12)

    def loss(pair: Floats) -> float:
        total = 0.0
        for x, target in entries:
            u = pair[0] * x + pair[1]
            total += (np.logaddexp(0, u) - target * u).sum()
        return float(total + weight @ (pair - start) ** 2 / 2)

    pair, current = start, loss(start)
    for _ in range(50):
        gradient, hessian = np.zeros(2), np.zeros((2, 2))
        for x, target in entries:
            p = sigmoid(pair[0] * x + pair[1])
            w, error = p * (1 - p), p - target
            gradient += error @ x, error.sum()
            cross = w @ x
            hessian += [[w @ x**2, cross], [cross, w.sum()]]
        gradient += weight * (pair - start)
        hessian += np.diag(weight)
        step = np.linalg.solve(hessian, gradient)
        while (loss_there := loss(pair - step)) > current and np.abs(step).max() > 1e-10:
            step = step / 2
        if loss_there >= current - 1e-10:
            break
        pair, current = pair - step, loss_there
    return float(pair[0]), float(pair[1])


def sigmoid(x: ArrayLike) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) in float64, without overflow.

    >>> sigmoid([0.0, 1000.0]).tolist()
    [0.5, 1.0]
    """
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x, dtype=np.float64))))


def expected_calibration_error(
    probabilities: ArrayLike, targets: ArrayLike, bins: int = 15
) -> float:
    """Return the mean gap between probability and frequency over all known entries, a fraction.

    Bins of equal width, weighted by their number of entries. Predicting the frequency of each label
    gives a low error and is useless: read it together with :func:`log_loss_per_image`.

    >>> expected_calibration_error([[0.75], [0.75]], [[1], [0]])
    0.25
    """
    probabilities, targets = check_inputs(probabilities, targets)
    gaps, count = np.zeros(bins), 0
    for rows in row_blocks(targets.shape):
        known = targets[rows] >= 0
        gaps += _gaps(probabilities[rows][known], targets[rows][known], bins)
        count += int(known.sum())
    return float(np.abs(gaps).sum() / count) if count else float("nan")


def classwise_calibration_error(
    probabilities: ArrayLike, targets: ArrayLike, bins: int = 15
) -> float:
    """Return the mean over labels of each label's own calibration error, a fraction."""
    errors = label_calibration_errors(probabilities, targets, bins)
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if len(known) else float("nan")


def label_calibration_errors(
    probabilities: ArrayLike, targets: ArrayLike, bins: int = 15
) -> NDArray[np.float64]:
    """Return each label's own calibration error (L,), a fraction; NaN where no entry is known.

    >>> label_calibration_errors([[0.75, 0.25], [0.75, 0.25]], [[1, -1], [0, -1]]).tolist()
    [0.25, nan]
    """
    probabilities, targets = check_inputs(probabilities, targets)
    errors = [
        _calibration_error(p[t >= 0], t[t >= 0], bins)
        for p, t in zip(columns(probabilities), columns(targets), strict=True)
    ]
    return np.array(errors, dtype=np.float64)


def log_loss_per_image(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Return the log-loss in nats, summed over the known labels of an image, mean over images."""
    probabilities, targets = check_inputs(probabilities, targets)
    if not len(targets):
        return float("nan")
    blocks = row_blocks(targets.shape)
    return float(
        sum(_log_loss(probabilities[rows], targets[rows]) for rows in blocks) / len(targets)
    )


def _log_loss(probabilities: Floats, targets: NDArray[np.int8]) -> float:
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)  # a certain error costs 16 nats
    loss = -np.where(targets == 1, np.log(p), np.log1p(-p))
    return float(loss[targets >= 0].sum())


def _calibration_error(p: Floats, targets: NDArray[np.int8], bins: int) -> float:
    if not len(p):
        return float("nan")
    return float(np.abs(_gaps(p, targets, bins)).sum() / len(p))


def _gaps(p: Floats, targets: NDArray[np.int8], bins: int) -> NDArray[np.float64]:
    """Return the sum of probability minus target in each bin."""
    index = np.clip((p * bins).astype(np.intp), 0, bins - 1)
    weights = p.astype(np.float64) - (targets == 1)
    return np.bincount(index, weights=weights, minlength=bins).astype(np.float64, copy=False)
