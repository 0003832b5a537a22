"""The figures of the report, each a function of plain numbers: a notebook can call them too.

They return a matplotlib ``Figure`` (drawn by Agg or SVG, without pyplot and its global state) in
the light colours of :mod:`imlgcn.report.palette`. Letters: n nodes, K bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imlgcn.report.curves import Reliability
from imlgcn.report.graph import DrawnGraph
from imlgcn.report.palette import LIGHT, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", (0, (5, 2)), (0, (1, 1.6)), (0, (6, 2, 1.5, 2)))  # lines differ without colour too
FONT = 9.0  # points


class Difference(NamedTuple):
    """A difference in mAP points with its interval."""

    mean: float
    low: float
    high: float


def difference_figure(difference: Difference) -> Figure:
    """Draw the difference to the control and its interval against zero."""
    figure, axes = _axes(4.6, 1.05)
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


def curve_figure(curves: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Figure:
    """Draw one line per training stage: (epoch, value) points, gaps where a value is not finite."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(4.6, 2.9)
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
            label=_plain(stage, 40),
        )
    axes.set_xlabel("epoch of its stage")
    axes.set_title(title, loc="left", fontsize=FONT + 1, color=LIGHT["ink"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(frameon=False, fontsize=FONT, labelcolor=LIGHT["ink"], handlelength=2.6)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def reliability_figure(before: Reliability, after: Reliability) -> Figure:
    """Draw predicted probability against observed frequency, before and after calibration."""
    figure, axes = _axes(4.6, 4.1)
    axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, dashes=(3, 2))
    for curve, role, dash, marker, label in (
        (before, "control", DASHES[1], "s", "before: plain sigmoid"),
        (after, "tagger", DASHES[0], "o", "after calibration"),
    ):
        colour = LIGHT[role]
        axes.plot(curve.probability, curve.frequency, color=colour, linestyle=dash, linewidth=1.6)
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
    axes.set_ylabel("share that has the label")
    axes.legend(frameon=False, fontsize=FONT, labelcolor=LIGHT["ink"], loc="upper left")
    return figure


def graph_figure(graph: DrawnGraph) -> Figure:
    """Draw a label graph: area by frequency, an arrow from i to j as wide as P(j|i) is high."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, FancyArrowPatch

    width, height = graph.size
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    for edge in graph.edges:
        strength = (edge.probability - graph.threshold) / max(1 - graph.threshold, 1e-9)
        arrow = FancyArrowPatch(
            tuple(graph.nodes[edge.source]),
            tuple(graph.nodes[edge.target]),
            arrowstyle="-|>,head_length=4,head_width=2.2",
            connectionstyle="arc3,rad=0.12" if edge.mutual else "arc3,rad=0",
            shrinkA=graph.radii[edge.source],
            shrinkB=graph.radii[edge.target] + 1.5,
            linewidth=0.7 + 1.6 * strength,
            color=LIGHT["muted"],
            alpha=0.45 + 0.45 * strength,
            zorder=1,
        )
        axes.add_patch(arrow)
    nodes = zip(graph.names, graph.nodes, graph.radii, graph.names_below, strict=True)
    for name, (x, y), radius, below in nodes:
        axes.add_patch(Circle((x, y), radius, facecolor=LIGHT["tagger"], linewidth=0, zorder=2))
        text = _plain(name, graph.longest_name)
        style = {"fontsize": FONT, "color": LIGHT["ink"], "parse_math": False, "zorder": 3}
        top = y - radius - 2 if below else y + radius + FONT + 1
        axes.text(x, top, text, ha="center", va="top", **style)  # type: ignore[arg-type]
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of that many inches with one quiet pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    quiet(axes)
    return figure, axes


def quiet(axes: Axes) -> None:
    """Give axes thin lines and muted letters, so that the data stands out."""
    axes.grid(color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT["line"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=FONT, length=0, which="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=LIGHT["muted"], fontsize=FONT)


def _plain(text: str, longest: int) -> str:
    """Return a name on one line, without characters that XML forbids, and not too long."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"
