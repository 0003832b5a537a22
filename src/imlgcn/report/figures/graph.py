"""The label graph: circles by frequency, arrows by P(j|i)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imlgcn.report.figures.axes import FONT, plain
from imlgcn.report.graph import DrawnGraph
from imlgcn.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        text = plain(name, graph.longest_name)
        style = {"fontsize": FONT, "color": LIGHT["ink"], "parse_math": False, "zorder": 3}
        top = y - radius - 2 if below else y + radius + FONT + 1
        axes.text(x, top, text, ha="center", va="top", **style)  # type: ignore[arg-type]
    return figure
