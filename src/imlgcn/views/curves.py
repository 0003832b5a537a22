"""Precision against recall, probability against frequency, training curves: numbers and drawings.

Letters: N images, L labels, P positives, K bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.palette import LIGHT, SERIES
from imlgcn.views.axes import DASHES, FONT, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]


class PrecisionRecall(NamedTuple):
    """Points of the curve by falling threshold: fractions, two per positive."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


class Reliability(NamedTuple):
    """Filled bins only, (K,): mean probability, frequency of present labels, and entries."""

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
    found = np.searchsorted(-ours, -ours, side="right")
    entered = len(everyone) - np.searchsorted(everyone, ours, side="left")
    following = ours[np.minimum(found, len(ours) - 1)]
    before_next = len(everyone) - np.searchsorted(everyone, following, side="right")
    counted = np.stack([entered, np.where(found < len(ours), before_next, entered)])  # (2, P)
    kept = np.unique(np.linspace(0, len(ours) - 1, min(points, len(ours))).round().astype(int))
    recall = np.repeat(found[kept] / len(ours), 2)
    return PrecisionRecall(recall, (found / counted)[:, kept].T.ravel())


def reliability(probabilities: Floats, targets: NDArray[np.int8], *, bins: int = 15) -> Reliability:
    """Pool all known entries into bins of equal width, as the calibration error (ECE) does.

    Shape:
        - probabilities, targets ``(N, L)``
    """
    known = targets >= 0
    p, present = probabilities[known].astype(np.float64), targets[known] == 1
    index = np.clip((p * bins).astype(np.intp), 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    filled = count > 0
    mean = np.bincount(index, weights=p, minlength=bins)[filled] / count[filled]
    frequency = np.bincount(index, weights=present, minlength=bins)[filled] / count[filled]
    return Reliability(mean, frequency, count[filled])


class Difference(NamedTuple):
    """A difference in mAP points with its interval."""

    mean: float
    low: float
    high: float


def difference_figure(difference: Difference) -> Figure:
    """Draw the difference to the control and its interval against zero."""
    figure, axes = new_axes(4.6, 1.05)
    axes.axvline(0, color=LIGHT["muted"], linewidth=1, dashes=(3, 2))
    ends = [difference.low, difference.high]
    axes.plot(ends, [0, 0], color=LIGHT["tagger"], linewidth=3, solid_capstyle="round")
    axes.plot(
        ends, [0, 0], color=LIGHT["tagger"], linestyle="none", marker="|", markersize=12, mew=2
    )
    axes.plot([difference.mean], [0], color=LIGHT["tagger"], marker="o", markersize=9)
    reach = 1.15 * max(1.0, *map(abs, difference))
    axes.set(xlim=(-reach, reach), ylim=(-0.6, 1.1), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.set_xlabel("difference in mAP points")
    text = {"color": LIGHT["muted"], "fontsize": FONT, "va": "top"}
    axes.text(-0.02 * reach, 1, "control better", ha="right", **text)  # type: ignore[arg-type]
    axes.text(0.02 * reach, 1, "tagger better", ha="left", **text)  # type: ignore[arg-type]
    return figure


def differences_figure(differences: Mapping[str, Difference], chosen: str) -> Figure:
    """Draw the differences of several heads to the control, one line each, the first on top."""
    figure, axes = new_axes(4.6, 0.75 + 0.32 * len(differences))
    axes.axvline(0, color=LIGHT["muted"], linewidth=1, dashes=(3, 2))
    for row, (name, value) in enumerate(differences.items()):
        colour = LIGHT["tagger" if name == chosen else "muted"]
        ends = [value.low, value.high]
        axes.plot(ends, [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot([value.mean], [row], color=colour, marker="o", markersize=8)
    axes.set(ylim=(len(differences) - 0.4, -0.6), yticks=range(len(differences)))
    axes.set_yticklabels([plain(name, 24) for name in differences], parse_math=False)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.5), max(high, 0.5))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("out-of-fold mAP, points above the control")
    return figure


def curve_figure(curves: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Figure:
    """Draw one line per training stage: (epoch, value) points, gaps where a value is not finite."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_axes(4.6, 2.9)
    for index, (stage, points) in enumerate(curves.items()):
        epochs, values = np.array(points, dtype=np.float64).reshape(-1, 2).T
        axes.plot(
            epochs,
            values,
            color=LIGHT[SERIES[index % len(SERIES)]],
            linestyle=DASHES[index % len(DASHES)],
            linewidth=2,
            marker="o" if len(epochs) < 4 else None,
            markersize=4,
            label=plain(stage, 40),
        )
    axes.set_xlabel("epoch of its stage")
    axes.set_title(title, loc="left", fontsize=FONT + 1, color=LIGHT["ink"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(frameon=False, fontsize=FONT, labelcolor=LIGHT["ink"], handlelength=2.6)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def reliability_figure(raw: Reliability, calibrated: Reliability | None) -> Figure:
    """Draw predicted probability against observed frequency, before calibration and after.

    None: there was no calibration.
    """
    figure, axes = new_axes(4.6, 4.1)
    axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, dashes=(3, 2))
    curves = [(raw, "tagger", 0, "o", "plain sigmoid")]
    if calibrated is not None:
        curves = [
            (raw, "control", 1, "s", "before: plain sigmoid"),
            (calibrated, "tagger", 0, "o", "after calibration"),
        ]
    for curve, role, dash, marker, label in curves:
        colour = LIGHT[role]
        axes.plot(
            curve.probability,
            curve.frequency,
            color=colour,
            linestyle=DASHES[dash],
            linewidth=1.6,
        )
        area = 6 + 14 * np.log10(curve.entries)
        axes.scatter(
            curve.probability,
            curve.frequency,
            s=area,
            color=colour,
            marker=marker,
            label=label,
            zorder=3,
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("predicted probability (mean of a bin)")
    axes.set_ylabel("observed frequency")
    axes.legend(frameon=False, fontsize=FONT, labelcolor=LIGHT["ink"], loc="upper left")
    return figure
