"""How thousands of labels spread: their average precision, and that against their frequency.

Letters: L labels, K bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.palette import LIGHT
from imlgcn.views.axes import FONT, quiet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 25  # of the average precision
FEWEST = 5  # labels of a bin of frequencies


class Spread(NamedTuple):
    """AP of the labels of each bin of frequencies: its middle, and quartiles in percent, (K,)."""

    positives: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]


def spread(precision: NDArray[np.float64], positives: NDArray[np.int64]) -> Spread:
    """Return the quartiles of AP ``(L,)`` by number of positives, in bins that double.

    >>> found = spread(np.arange(10.0), np.array([1] * 5 + [9] * 5))
    >>> found.positives.tolist(), found.median.tolist()
    ([1.0, 9.0], [2.0, 7.0])
    """
    counts = np.maximum(positives, 1)
    power = np.floor(np.log2(counts)).astype(int)
    rows = []
    for each in np.unique(power):
        own = power == each
        if own.sum() >= FEWEST:
            middle = float(np.exp(np.log(counts[own]).mean()))
            rows.append((round(middle, 6), *np.quantile(precision[own], (0.25, 0.5, 0.75))))
    return Spread(*np.array(rows, np.float64).reshape(-1, 4).T)


def distribution_figure(precision: NDArray[np.float64], positives: NDArray[np.int64]) -> Figure:
    """Draw the labels by AP (left), and AP by number of images with the label (right)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        quiet(axes)
        axes.grid(visible=False, axis="x")
    edge = {"edgecolor": LIGHT["surface"], "linewidth": 0.8}
    left.hist(precision, bins=np.linspace(0, 100, BINS + 1), color=LIGHT["tagger"], **edge)
    middle = float(np.median(precision))
    left.axvline(middle, color=LIGHT["control"], linewidth=1.4, dashes=(3, 2))
    before = middle > 50  # the half with more room for words
    left.annotate(
        f"median {middle:.1f}",
        (middle, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if before else 5, -2),
        textcoords="offset points",
        ha="right" if before else "left",
        va="top",
        fontsize=FONT,
        color=LIGHT["control-text"],
    )
    left.margins(y=0.15)
    left.set(xlim=(0, 100), xlabel="average precision, %", ylabel="labels")
    found = spread(precision, positives)
    blue = LIGHT["tagger"]
    right.fill_between(found.positives, found.low, found.high, color=blue, alpha=0.2, linewidth=0)
    right.plot(found.positives, found.median, color=blue, linewidth=2, marker="o", markersize=4)
    right.set_xscale("log")
    right.set(ylim=(0, 100), xlabel="images with the label", ylabel="average precision, %")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
    return figure
