"""The figure of a comparison: mAP with its interval, beside what each head costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imlgcn.comparison.table import Row
from imlgcn.config import CONTROL
from imlgcn.palette import LIGHT
from imlgcn.views import FONT, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.3  # inches


def cost_figure(rows: Sequence[Row]) -> Figure:
    """Draw one line for each head, best mAP on top: mAP on the left, parameters on the right.

    The bar is the 95 % interval of the difference to the control, drawn around the control's mAP:
    where it crosses the dashed line there is no measurable difference.
    """
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: row.mAP)
    figure = Figure(figsize=(8.2, 1.1 + ROW * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for axes in (left, right):
        quiet(axes)
        axes.grid(visible=False, axis="y")
    _draw_map(left, ordered)
    _draw_cost(right, ordered)
    left.set_yticks(range(len(ordered)), [row.entry for row in ordered])
    for text in left.get_yticklabels():
        text.set(color=LIGHT["ink"], fontsize=FONT, parse_math=False)
    return figure


def _draw_map(axes: Axes, rows: Sequence[Row]) -> None:
    control = next(row for row in rows if row.entry == CONTROL)
    axes.axvline(control.mAP, color=LIGHT["control"], linewidth=1, dashes=(4, 3))
    for y, row in enumerate(rows):
        colour = LIGHT["control" if row is control else "tagger"]
        if row.low is not None and row.high is not None:
            ends = [control.mAP + row.low, control.mAP + row.high]
            axes.plot(ends, [y, y], color=colour, linewidth=2.4, alpha=0.45)
        axes.plot(row.mAP, y, "s" if row is control else "o", color=colour, markersize=7)
    axes.set_xlabel(f"mAP in percent, 95 % interval of the\ndifference to {CONTROL}")


def _draw_cost(axes: Axes, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    for y, row in enumerate(rows):
        colour = LIGHT["control" if row.entry == CONTROL else "tagger"]
        axes.plot([row.folded, row.parameters], [y, y], color=colour, linewidth=1, alpha=0.6)
        axes.plot(row.parameters, y, "o", color=colour, markersize=7, fillstyle="none")
        axes.plot(row.folded, y, "o", color=colour, markersize=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))  # 30k, 100k, 300k, 1M
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.1)
    axes.set_xlabel("parameters of the head\n○ trained  ● as deployed")
