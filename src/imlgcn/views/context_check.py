"""Does a tagger see a label, or only its usual company? The same label with and without partner.

The partner of label i is the label j with the highest P(j|i) in training. The test images are
parted by j, and the ranking of i is judged on each side. A ranking among images with the partner is
easier by itself where i is more frequent there: so the control, which knows no graph, stands beside
the tagger on both sides. Letters: N images, L labels, K judged labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import conditional_probability
from imlgcn.metrics.ranking import average_precision
from imlgcn.numbers import number, plural, signed
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.axes import FONT, new_axes, plain
from imlgcn.views.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

USUAL = 0.1  # P(j|i) below which label i has no usual partner
ENOUGH = 5  # images with and without label i that each side must have
FOR_INTERVAL = 6  # judged labels below which no interval is given
SAMPLES = 2000  # of the bootstrap over labels


class Side(NamedTuple):
    """One label on one side: images that say whether they show it, and AP in percent."""

    images: int
    positives: int
    tagger: float
    control: float | None


class Pair(NamedTuple):
    """A label that can be judged both with and without its usual partner."""

    label: str
    partner: str
    probability: float  # P(partner | label) in training
    together: Side
    apart: Side


class Gain(NamedTuple):
    """Tagger minus control in AP points, mean over labels; the interval resamples labels."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class ContextCheck:
    """The labels that can be judged, by falling P(partner | label), and those that cannot."""

    pairs: list[Pair]
    too_few: list[str]  # a side has too few images with or without the label
    alone: list[str]  # no usual partner
    gain_together: Gain | None
    gain_apart: Gain | None


def check_context(scored: ScoredSplit, context: LabelContext) -> ContextCheck:
    """Judge every label on the images with its usual partner and on those without."""
    conditional = conditional_probability(context.pair_counts, context.occurrences)
    partners = conditional.argmax(axis=1)  # (L,)
    pairs, too_few, alone = [], [], []
    for i, name in enumerate(context.names):
        j = int(partners[i])
        probability = float(conditional[i, j])
        if probability < USUAL:
            alone.append(name)
            continue
        sides = [_judge(scored, i, scored.targets[:, j] == value) for value in (1, 0)]
        if None in sides:
            too_few.append(name)
            continue
        together, apart = (side for side in sides if side is not None)
        pairs.append(Pair(name, context.names[j], probability, together, apart))
    pairs.sort(key=lambda pair: -pair.probability)
    gain_together = _gain([pair.together for pair in pairs])
    gain_apart = _gain([pair.apart for pair in pairs])
    return ContextCheck(pairs, too_few, alone, gain_together, gain_apart)


def _judge(scored: ScoredSplit, label: int, side: NDArray[np.bool_]) -> Side | None:
    """Return the label's numbers on the images of one side, or None: too few to say anything."""
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
    """Say what the check shows, and no more than that."""
    if not check.pairs:
        return (
            "No label has enough images both with and without its usual partner, so nothing can be "
            "said here."
        )
    together, apart = (
        float(np.mean([side.tagger for side in sides]))
        for sides in zip(*((pair.together, pair.apart) for pair in check.pairs), strict=True)
    )
    opening = (
        f"Over {plural(len(check.pairs), 'label')} the mean AP is {number(together)} with the "
        "partner "
        f"and {number(apart)} without it."
    )
    if check.gain_together is None or check.gain_apart is None:
        return f"{opening} There is no control to compare this with."
    gains = [
        signed(gain.mean) + _interval(gain) for gain in (check.gain_together, check.gain_apart)
    ]
    return (
        f"{opening} Against the control, on the same images: {gains[0]} points with the partner, "
        f"{gains[1]} without. {_meaning(check.gain_together, check.gain_apart)}"
    )


def _interval(gain: Gain) -> str:
    if gain.low is None or gain.high is None:
        return ""
    return f" ({signed(gain.low)} to {signed(gain.high)})"


def _meaning(together: Gain, apart: Gain) -> str:
    if together.low is None or apart.low is None or apart.high is None:
        return "These are too few labels to say more."
    if apart.high < 0:
        return (
            "Without the usual company the tagger is worse than its control: it leans on what goes "
            "together more than on what is seen."
        )
    if together.low > 0 and apart.low <= 0:
        return (
            "The gain shows only where the usual company is there to repeat; without it there is "
            "no measurable gain."
        )
    if apart.low > 0:
        return "The gain holds without the usual company too: it is not only repeated statistics."
    return "On neither side is there a measurable gain, and no sign that it leans on company."


ROW = 0.36  # inches


def context_figure(pairs: Sequence[Pair]) -> Figure:
    """Draw one row for each label: full marks with the partner, open ones without it."""
    figure, axes = new_axes(7.4, 1.25 + ROW * len(pairs))
    _draw(axes, pairs, "tagger", "o", 0.13)
    if pairs[0].together.control is not None:
        _draw(axes, pairs, "control", "s", -0.13)
    names = [f"{plain(pair.label, 18)}  (with {plain(pair.partner, 18)})" for pair in pairs]
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
    places = offset - np.arange(len(pairs))
    together = [getattr(pair.together, system) for pair in pairs]
    apart = [getattr(pair.apart, system) for pair in pairs]
    axes.hlines(places, apart, together, color=LIGHT[system], linewidth=1.6, alpha=0.5)
    for values, fill, words in (
        (together, system, "with partner"),
        (apart, "surface", "without"),
    ):
        axes.plot(
            values,
            places,
            color=LIGHT[system],
            marker=marker,
            markersize=6.5,
            markerfacecolor=LIGHT[fill],
            linestyle="none",
            label=f"{system}, {words}",
        )
