r"""What to expect of a new label: the same formula on labels that are known, as if they were new.

The ground is divided by groups: one half is what the tagger knows, from one quarter come the k
images of a known label, on the other quarter its score is judged. The label itself is hidden from
the graph. So the weight of the kernel is chosen, the score becomes a probability, and the average
precision to expect is known, all on images of the user's own kind.

.. math::
    \Pr(\text{present} \mid s) = \sigma\Big( a s + b + \log \frac{p}{1 - p} \Big)

with one a and b for all labels of the trials; p is how frequent the label is.

Letters: k images of a new label, N images of the ground.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.metrics.ranking import average_precision
from imlgcn.models.new_label.formula import GRAPH, Examples, Weights, fit_parts
from imlgcn.models.new_label.ground import Ground

TRIALS = 40  # at most
MOST_IMAGES = 2000  # of the ground that take part
FEWEST = 8  # trials to choose by, and to calibrate on
KERNELS = (0.0, 0.25, 0.5, 1.0)
STEPS = 25  # of Newton's method
RIDGE = 1e-2  # on a and b: keeps them finite where a score separates all

Array = NDArray[np.float64]


class Expectation(NamedTuple):
    """The findings for k images.

    Attributes:
        images: k.
        trials: how many labels of the tagger could be tried; with fewer than 8 the weights are the
            usual ones, and nothing is said of the average precision.
        weights: of the parts.
        slope, intercept: a and b.
        threshold: the probability with the largest F1 over all trials.
        AP: average precision, 0 to 1: lower quartile, median, upper quartile; None: too few trials.
        more: how many images were tried besides, with how many labels, and the gain of mean AP on
            these; None: not tried, or with too few labels.
    """

    images: int
    trials: int
    weights: Weights
    slope: float
    intercept: float
    threshold: float
    AP: tuple[float, float, float] | None
    more: tuple[int, int, float] | None = None


@dataclass(frozen=True, eq=False)
class _Trial:
    label: int
    frequency: float
    targets: NDArray[np.bool_]  # (Q,)
    scores: dict[float, Array]  # by the weight of the kernel, (Q,)


def usual_weights(k: int, known: bool) -> Weights:
    """Return the weights that do well on clip art and emoji; the kernel needs some images."""
    return Weights(kernel=0.5 * min(1.0, k / 5), graph=GRAPH[known])


def practise(
    ground: Ground, k: int, *, known: bool, more: int | None = None, seed: int = 0
) -> Expectation:
    """Return what to expect of labels with k images, whose other labels are known or not.

    ``more``: a larger number of images to compare with.
    """
    usual = usual_weights(k, known)
    exercise = _Exercise.of(ground, seed)
    trials = list(exercise.trials(k, known=known))
    if len(trials) < FEWEST:
        return Expectation(k, len(trials), usual, 1.0, 0.0, 0.5, None)
    found = {kernel: _precisions(trials, kernel) for kernel in trials[0].scores}
    kernel = _best(found, usual.kernel)
    slope, intercept = _fit(trials, kernel)
    low, middle, high = np.quantile(found[kernel], (0.25, 0.5, 0.75)).tolist()
    gain = None
    if more is not None:
        others = list(exercise.trials(more, known=known))
        gain = _gain(trials, found[kernel], others, usual_weights(more, known).kernel)
    return Expectation(
        k,
        len(trials),
        usual._replace(kernel=kernel),
        slope,
        intercept,
        _threshold(trials, kernel, slope, intercept),
        (low, middle, high),
        None if gain is None or more is None else (more, *gain),
    )


@dataclass(frozen=True, eq=False)
class _Exercise:
    """The ground, divided: what is learnt, where new labels' images are from, what is asked."""

    ground: Ground
    smaller: Ground
    given: Tensor
    asked: Tensor
    seed: int

    @classmethod
    def of(cls, ground: Ground, seed: int) -> _Exercise:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(ground.units))[:MOST_IMAGES])
        groups = ground.groups.numpy()[rows]
        names = rng.permutation(np.unique(groups))
        half, quarter = len(names) // 2, 3 * len(names) // 4
        learnt, given, asked = (
            torch.from_numpy(rows[np.isin(groups, part)])
            for part in (names[:half], names[half:quarter], names[quarter:])
        )
        return cls(ground, _part(ground, learnt), given, asked, seed)

    def trials(self, k: int, *, known: bool) -> Iterator[_Trial]:
        ground, smaller, asked = self.ground, self.smaller, self.asked
        cases = _cases(ground, self.given, asked, k, np.random.default_rng((self.seed, 1)))
        if not (cases and len(smaller.units)):
            return
        nobody = torch.full((len(smaller.units),), -1)
        examples = [
            Examples(
                ground.units[images],
                ground.kernel_units[images],
                torch.ones(k),
                nobody,
                ground.targets[images] if known else None,
                label,
            )
            for label, images in cases
        ]
        usual = usual_weights(k, known)
        near = smaller.kernel_to(ground.kernel_units[asked])
        for (label, images), parts in zip(cases, fit_parts(smaller, examples), strict=True):
            recent = smaller.kernel_between(ground.kernel_units[asked], ground.kernel_units[images])
            scores = {}
            for kernel in sorted({*KERNELS, usual.kernel}):
                formula = parts.join(usual._replace(kernel=kernel))
                values = ground.units[asked] @ formula.linear + near @ formula.old
                scores[kernel] = (values + recent @ formula.new + formula.offset).numpy()
            seen = ground.targets[asked, label].numpy() >= 0
            targets = ground.targets[asked, label].numpy()[seen] == 1
            frequency = float(smaller.frequency[label])
            yield _Trial(label, frequency, targets, {w: s[seen] for w, s in scores.items()})


def _gain(
    trials: list[_Trial], found: Array, others: list[_Trial], kernel: float
) -> tuple[int, float] | None:
    """Return with how many labels both numbers of images were tried, and the mean gain of AP."""
    few = dict(zip((trial.label for trial in trials), found.tolist(), strict=True))
    many = dict(zip((t.label for t in others), _precisions(others, kernel).tolist(), strict=True))
    both = [label for label in many if label in few]
    if len(both) < FEWEST:
        return None
    return len(both), float(np.mean([many[label] - few[label] for label in both]))


def _part(ground: Ground, rows: Tensor) -> Ground:
    return replace(
        ground,
        units=ground.units[rows],
        kernel_units=ground.kernel_units[rows],
        targets=ground.targets[rows],
        groups=ground.groups[rows],
    )


def _cases(
    ground: Ground, given: Tensor, asked: Tensor, k: int, rng: np.random.Generator
) -> list[tuple[int, Tensor]]:
    """Return labels that can be tried, and k images of each, no two of one group."""
    found = []
    for label in rng.permutation(ground.targets.shape[1]).tolist():
        images = given[ground.targets[given, label] == 1].numpy()
        images = rng.permutation(images)
        _, first = np.unique(ground.groups.numpy()[images], return_index=True)
        if len(first) < k or int((ground.targets[asked, label] == 1).sum()) < 2:
            continue
        found.append((label, torch.from_numpy(images[rng.permutation(first)[:k]])))
        if len(found) == TRIALS:
            break
    return found


def _precisions(trials: list[_Trial], kernel: float) -> Array:
    found = [
        average_precision(trial.scores[kernel][:, None], trial.targets[:, None].astype(np.int8))[0]
        for trial in trials
    ]
    return np.array(found)


def _best(found: dict[float, Array], usual: float) -> float:
    """Return the weight with the highest mean, unless the usual one is within a standard error."""
    best = max(found, key=lambda kernel: float(found[kernel].mean()))
    gain = found[best] - found[usual]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return best if gain.mean() > error else usual


def _logits(trials: list[_Trial], kernel: float) -> tuple[Array, Array, Array]:
    """Return scores, log-odds of each label's frequency, and targets, of all trials in one row."""
    scores = np.concatenate([trial.scores[kernel] for trial in trials])
    shares = [min(max(trial.frequency, 1e-3), 0.999) for trial in trials]
    odds = [
        np.full(len(t.targets), np.log(p / (1 - p))) for t, p in zip(trials, shares, strict=True)
    ]
    return scores, np.concatenate(odds), np.concatenate([trial.targets for trial in trials])


def _fit(trials: list[_Trial], kernel: float) -> tuple[float, float]:
    """Return a and b by Newton's method on the log-loss of all trials."""
    scores, odds, targets = _logits(trials, kernel)
    X = np.stack([scores, np.ones_like(scores)], 1)
    w = np.zeros(2)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(X @ w + odds, -30, 30)))
        slope = X.T @ (p - targets) + RIDGE * w
        curve = (X * (p * (1 - p))[:, None]).T @ X + RIDGE * np.eye(2)
        w = w - np.linalg.solve(curve, slope)
    return float(w[0]), float(w[1])


def _threshold(trials: list[_Trial], kernel: float, slope: float, intercept: float) -> float:
    """Return the probability at which F1, over all trials, is largest."""
    scores, odds, targets = _logits(trials, kernel)
    p = 1 / (1 + np.exp(-(slope * scores + intercept + odds)))
    order = np.argsort(-p, kind="stable")
    hits = targets[order].cumsum()
    F1 = 2 * hits / (np.arange(len(p)) + 1 + targets.sum())
    return float(p[order][int(F1.argmax())])
