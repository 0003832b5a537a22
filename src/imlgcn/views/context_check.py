"""Does a tagger rely on context? Each label on images with and without its co-occurring label.

The context of label i is the label j with the highest P(j|i) in training. The test images are
split by j, and the ranking of i is evaluated on each part. Ranking is easier where i is more
frequent, whatever the system: so the tagger is compared with the control, which has no graph, on
the same part. Letters: N images, L labels, K evaluated labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.rules import partners
from imlgcn.metrics.ranking import average_precision
from imlgcn.metrics.verdict import NEEDED, direction, enough
from imlgcn.numbers import number, plural, signed
from imlgcn.palette import LIGHT
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.axes import FONT, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CHECKED = 1_000  # labels, the most frequent: each is ranked twice, for tagger and control
USUAL = 0.1  # P(j|i) below which label i has no context
ENOUGH = 5  # images with and without label i that each part must have
FOR_INTERVAL = 10  # evaluated labels below which no interval is given
SAMPLES = 2000  # of the bootstrap over labels


class Side(NamedTuple):
    """One label on one part of the images: those where it is known, and its AP in percent."""

    images: int
    positives: int
    tagger: float
    control: float | None


class Pair(NamedTuple):
    """A label that can be evaluated both with and without its context."""

    label: str
    context: str
    probability: float  # P(context | label) in training
    together: Side
    apart: Side


class Gain(NamedTuple):
    """Tagger minus control in AP points, mean over labels; the interval resamples labels."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class ContextCheck:
    """The labels that can be evaluated, by falling P(context | label), and those that cannot."""

    pairs: list[Pair]
    too_few: list[str]  # a part has too few images with or without the label
    alone: list[str]  # no context
    gain_together: Gain | None
    gain_apart: Gain | None


def check_context(scored: ScoredSplit, context: LabelContext) -> ContextCheck:
    """Evaluate every label on the images with its context and on those without.

    Of more than :data:`MOST_CHECKED` labels the most frequent ones are.
    """
    best = partners(context, 1)
    strongest = {int(i): (int(j), float(p)) for i, j, p, _ in zip(*best, strict=True)}
    frequent = np.argsort(-context.occurrences, kind="stable")[:MOST_CHECKED]
    pairs, too_few, alone = [], [], []
    for i in np.sort(frequent).tolist():
        name = context.names[i]
        j, probability = strongest.get(i, (i, 0.0))
        if probability < USUAL:
            alone.append(name)
            continue
        sides = [_evaluate(scored, i, scored.targets[:, j] == value) for value in (1, 0)]
        if None in sides:
            too_few.append(name)
            continue
        together, apart = (side for side in sides if side is not None)
        pairs.append(Pair(name, context.names[j], probability, together, apart))
    pairs.sort(key=lambda pair: -pair.probability)
    gain_together = _gain([pair.together for pair in pairs])
    gain_apart = _gain([pair.apart for pair in pairs])
    return ContextCheck(pairs, too_few, alone, gain_together, gain_apart)


def _evaluate(scored: ScoredSplit, label: int, side: NDArray[np.bool_]) -> Side | None:
    """Return the label's numbers on one part of the images; None if they are too few."""
    rows = np.flatnonzero(side & (scored.targets[:, label] >= 0))
    targets = scored.targets[rows, label]
    positives = int((targets == 1).sum())
    if min(positives, len(rows) - positives) < ENOUGH:
        return None

    def precision(logits: NDArray[np.float32]) -> float:
        return 100 * float(average_precision(logits[rows, label, None], targets[:, None])[0])

    control = None if scored.control is None else precision(scored.control)
    return Side(len(rows), positives, precision(scored.logits), control)


def _gain(sides: list[Side]) -> Gain | None:
    differences = np.array(
        [side.tagger - side.control for side in sides if side.control is not None]
    )
    if not len(differences):
        return None
    mean = float(differences.mean())
    if len(differences) < FOR_INTERVAL:
        return Gain(mean, None, None)
    rows = np.random.default_rng(0).integers(0, len(differences), (SAMPLES, len(differences)))
    low, high = np.quantile(differences[rows].mean(axis=1), [0.025, 0.975])
    return Gain(mean, float(low), float(high))


def context_verdict(check: ContextCheck) -> str:
    """Return what the check shows."""
    if not check.pairs:
        return (
            "No label has enough images both with and without its co-occurring label: nothing "
            "can be "
            "concluded."
        )
    together, apart = (
        float(np.mean([side.tagger for side in sides]))
        for sides in zip(*((pair.together, pair.apart) for pair in check.pairs), strict=True)
    )
    opening = (
        f"Over {plural(len(check.pairs), 'label')} the mean AP is {number(together)} with the "
        f"co-occurring label and {number(apart)} without it."
    )
    if check.gain_together is None or check.gain_apart is None:
        return f"{opening} There is no control to compare this with."
    gains = [
        signed(gain.mean) + _interval(gain) for gain in (check.gain_together, check.gain_apart)
    ]
    return (
        f"{opening} Against the control, on the same images: {gains[0]} points with it, "
        f"{gains[1]} without. {_meaning(check.gain_together, check.gain_apart, check.pairs)}"
    )


def _interval(gain: Gain) -> str:
    if gain.low is None or gain.high is None:
        return ""
    return f" ({signed(gain.low)} to {signed(gain.high)})"


def _meaning(together: Gain, apart: Gain, pairs: Sequence[Pair]) -> str:
    if together.low is None or together.high is None or apart.low is None or apart.high is None:
        return "These are too few labels to conclude more."
    images = max(pair.together.images + pair.apart.images for pair in pairs)
    if not enough(images, sum(p.together.positives + p.apart.positives for p in pairs)):
        return f"These are too few images to conclude more: {NEEDED}."
    within, without = direction(together.low, together.high), direction(apart.low, apart.high)
    if without < 0:
        return (
            "On images without the co-occurring label the tagger is worse than the control: it "
            "relies "
            "on context."
        )
    if within > 0 and without == 0:
        return (
            "There is a gain only on images with the co-occurring label; without it there is no "
            "measurable gain."
        )
    if without > 0:
        return (
            "The gain also holds without the co-occurring label: it is not only label statistics."
        )
    return "There is no measurable gain with or without it, and no sign of reliance on context."


ROW = 0.36  # inches


def context_figure(pairs: Sequence[Pair]) -> Figure:
    """Draw one row for each label: full marks with its context, open ones without."""
    figure, axes = new_axes(7.4, 1.25 + ROW * len(pairs))
    _draw(axes, pairs, "tagger", "o", 0.13)
    if pairs[0].together.control is not None:
        _draw(axes, pairs, "control", "s", -0.13)
    names = [f"{plain(pair.label, 18)}  (with {plain(pair.context, 18)})" for pair in pairs]
    axes.set_yticks(-np.arange(len(pairs)), names)
    for text in axes.get_yticklabels():
        text.set(color=LIGHT["ink"], fontsize=FONT, parse_math=False)
    axes.set(xlim=(-2, 102), ylim=(0.6 - len(pairs), 0.6))
    axes.set_xlabel("average precision in percent")
    figure.legend(
        loc="outside upper center",
        ncols=4,
        frameon=False,
        fontsize=FONT,
        labelcolor=LIGHT["ink"],
        handletextpad=0.2,
        columnspacing=1.4,
    )
    return figure


def _draw(axes: Axes, pairs: Sequence[Pair], system: str, marker: str, offset: float) -> None:
    """Draw the two ends of each label for ``system``, tagger or control."""
    rows = offset - np.arange(len(pairs))
    together = [getattr(pair.together, system) for pair in pairs]
    apart = [getattr(pair.apart, system) for pair in pairs]
    axes.hlines(rows, apart, together, color=LIGHT[system], linewidth=1.6, alpha=0.5)
    for values, fill, words in (
        (together, system, "with context"),
        (apart, "surface", "without context"),
    ):
        axes.plot(
            values,
            rows,
            color=LIGHT[system],
            marker=marker,
            markersize=6.5,
            markerfacecolor=LIGHT[fill],
            linestyle="none",
            label=f"{system}, {words}",
        )
