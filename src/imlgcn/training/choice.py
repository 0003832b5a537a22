"""The choice of a head by evidence: the same folds for all, the cheapest that is as good.

The best by out-of-fold mAP; of those within one standard error of it, the one with the fewest
multiply-adds an image. The error is that of the paired difference, over groups of images drawn
anew. Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), the "1 SE
rule".

Shapes: N images, L labels, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from imlgcn.config import CONTROL
from imlgcn.metrics.intervals import interval, number_of_samples, resample, resampled_map
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import Head
from imlgcn.numbers import number
from imlgcn.training.held_out import Lesson
from imlgcn.training.levels import Inputs


@dataclass(frozen=True)
class Attempt:
    """A head that was tried: out-of-fold mAP in percent, and costs.

    ``difference``, ``low`` and ``high`` compare it with the control, in points, with the 95 %
    interval; ``behind`` and ``error`` with the best: the difference and its standard error.
    """

    head: str
    mAP: float  # noqa: N815 - the field's name
    difference: float
    low: float
    high: float
    behind: float
    error: float
    multiply_adds: int  # of the head, per image
    seconds: float  # of its folds and of its fit on all images
    chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the fields, NaN as null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def choose(
    scores: Mapping[str, NDArray[np.float32]],
    multiply_adds: Mapping[str, int],
    seconds: Mapping[str, float],
    lesson: Lesson,
) -> tuple[Attempt, ...]:
    """Return what was tried, best first, one of them chosen.

    Args:
        scores: head -> out-of-fold scores ``(N, L)``; the control is among them.
        multiply_adds, seconds: of each head.
        lesson: the images that were scored.
    """
    rows = lesson.held_out
    targets = lesson.targets[rows]
    drawn = resample(lesson.groups[rows], number_of_samples(targets))
    value = {name: 100 * mean_average_precision(s[rows], targets)[0] for name, s in scores.items()}
    drawn_value = {name: 100 * resampled_map(s[rows], targets, drawn) for name, s in scores.items()}
    best = max(value, key=lambda name: value[name] if value[name] == value[name] else -1.0)
    error = {name: _spread(drawn_value[name] - drawn_value[best]) for name in scores}
    near = [name for name in scores if not value[best] - value[name] > error[name]]
    chosen = min(near, key=lambda name: multiply_adds[name])
    ranked = sorted(scores, key=lambda name: -value[name])
    return tuple(
        Attempt(
            name,
            value[name],
            value[name] - value[CONTROL],
            *interval(drawn_value[name] - drawn_value[CONTROL]),
            value[best] - value[name],
            error[name],
            multiply_adds[name],
            seconds[name],
            name == chosen,
        )
        for name in ranked
    )


def why(attempts: Sequence[Attempt]) -> str:
    """Return in a few words why the chosen head was, of those tried, best first.

    >>> linear = Attempt("linear", 70.2, 0, 0, 0, 0.1, 0.3, 9, 1.0, chosen=True)
    >>> why([Attempt("mlp", 70.3, 0.1, -0.5, 0.7, 0, 0, 90, 1.0), linear])
    "0.1 below 'mlp', within the noise (standard error 0.3): the cheaper one"
    """
    best, *others = attempts
    chosen = next(each for each in attempts if each.chosen)
    if not others:
        return "the only one tried"
    if chosen.mAP != chosen.mAP:
        return "and none of the heads can be told from another: the cheapest"
    if chosen is not best:
        below = f"{number(chosen.behind)} below {best.head!r}"
        return f"{below}, within the noise (standard error {number(chosen.error)}): the cheaper one"
    second = others[0]
    above = f"{number(second.behind)} above {second.head!r} (standard error {number(second.error)})"
    near = second.behind <= second.error
    return f"{above}: within the noise, and the cheaper one" if near else above


def _spread(differences: NDArray[np.float64]) -> float:
    """Return the standard deviation of the differences (B,) that are defined; of none NaN."""
    known = differences[~np.isnan(differences)]
    return float(known.std()) if len(known) else float("nan")


def count_multiply_adds(head: Head, inputs: Inputs) -> int:
    """Return the multiply-adds of a folded head for one image, from features ``inputs`` of some."""
    one = tuple(level[:1] for level in inputs) if isinstance(inputs, tuple) else inputs[:1]
    folded = head.cpu().fold().eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        folded(one)
    return int(counter.get_total_flops()) // 2
