"""The figure of a comparison: mAP against cost, each head a point with its spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imlgcn.compare.entries import CONTROL
from imlgcn.compare.table import Row
from imlgcn.report.figures import plain_axes
from imlgcn.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cost_figure(rows: Sequence[Row]) -> Figure:
    """Draw mAP (mean over seeds, bar: the interval of the difference) against parameters.

    The dashed line is the control: an interval that it crosses shows no difference.
    """
    figure, axes = plain_axes(7.2, 4.2)
    control = next(row for row in rows if row.entry == CONTROL)
    axes.axhline(control.map, color=LIGHT["control"], linewidth=1, dashes=(4, 3))
    for row in rows:
        role = "control" if row is control else "tagger"
        if row.low is not None and row.high is not None:
            ends = [control.map + row.low, control.map + row.high]
            axes.plot([row.folded] * 2, ends, color=LIGHT[role], linewidth=1.2, alpha=0.55)
        marker = "s" if row is control else "o"
        axes.plot(row.folded, row.map, marker, color=LIGHT[role], markersize=7)
        axes.annotate(
            row.entry,
            (row.folded, row.map),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
            color=LIGHT["ink"],
            parse_math=False,
        )
    axes.set_xscale("log")
    axes.set_xlabel("parameters of the head as deployed (folded)")
    axes.set_ylabel("mAP, percent")
    return figure
