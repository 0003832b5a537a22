"""Average precision of each label with its usual partner and without, tagger beside control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imlgcn.report.context_check import Pair
from imlgcn.report.figures.axes import FONT, new_axes, plain
from imlgcn.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
