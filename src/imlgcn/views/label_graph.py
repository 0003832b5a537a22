"""The label graph: the part that is drawn, its layout, and the drawing.

Letters: L labels, n of them drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import Edge
from imlgcn.labels.rules import find_rules, linked, rules_around
from imlgcn.palette import LIGHT
from imlgcn.views.axes import FONT, plain
from imlgcn.views.layout import place_nodes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 60  # more names than this cannot be read in one drawing
MOST_EDGES = 160
MOST_AROUND = 24  # others in the graph around one label
SOME = 0.05  # P(j|i) of an arrow to or from that label
LONGEST_NAME = 22  # letters; longer names are cut in the drawing, never in the tables
WIDTH = 760.0  # points
LARGEST_RADIUS = 17.0
NAME = 14.0  # height of a name with the space around it


class Line(NamedTuple):
    """An edge between two drawn nodes, by their index in the drawing."""

    source: int
    target: int
    probability: float
    mutual: bool  # there is also one back: both are curved, so that both are visible


@dataclass(frozen=True, eq=False)
class DrawnGraph:
    """The drawing, in points; the y axis points up."""

    names: tuple[str, ...]
    nodes: NDArray[np.float64]  # (n, 2) centres of the circles
    radii: NDArray[np.float64]  # (n,)
    names_below: tuple[bool, ...]  # under its circle, or over it
    edges: tuple[Line, ...]
    size: tuple[float, float]
    threshold: float
    longest_name: int = LONGEST_NAME


@dataclass(frozen=True, eq=False)
class GraphSummary:
    """The label graph in words and, where it has edges, as a drawing."""

    rules: list[Edge]  # all, strongest first
    isolated: list[str]
    threshold: float
    num_linked: int  # labels with an edge, drawn or not
    drawn: DrawnGraph | None


def summarise_graph(context: LabelContext, threshold: float) -> GraphSummary:
    """Return the edges with P(j|i) of at least ``threshold``, isolated labels, and a drawing."""
    found = find_rules(context, threshold)
    has_edge = linked(found, context.num_labels)
    rules = found.edges(context.names)
    return GraphSummary(
        rules=rules,
        isolated=[context.names[label] for label in np.flatnonzero(~has_edge)],
        threshold=threshold,
        num_linked=int(has_edge.sum()),
        drawn=_draw(context, rules, threshold) if rules else None,
    )


def summarise_around(context: LabelContext, label: int, threshold: float) -> GraphSummary:
    """Return the graph of one label and those that share most images with it.

    Between the others ``threshold`` holds; arrows to and from the label itself are there from
    :data:`SOME` on, so that a frequent label is not alone.
    """
    found = rules_around(context, label, MOST_AROUND, threshold, min(SOME, threshold))
    rules = found.edges(context.names)
    return GraphSummary(
        rules=rules,
        isolated=[],
        threshold=min(SOME, threshold),
        num_linked=int(linked(found, context.num_labels).sum()),
        drawn=_draw(context, rules, min(SOME, threshold)) if rules else None,
    )


def _draw(context: LabelContext, rules: list[Edge], threshold: float) -> DrawnGraph:
    images = dict(zip(context.names, context.occurrences.tolist(), strict=True))
    chosen = _most_frequent_pairs(rules)
    edges = [rule for rule in rules if {rule.source, rule.target} <= chosen][:MOST_EDGES]
    # without labels that have lost all their edges
    kept = {name for rule in edges for name in (rule.source, rule.target)}
    names = tuple(name for name in context.names if name in kept)
    index_of = {name: index for index, name in enumerate(names)}
    pairs = [(index_of[rule.source], index_of[rule.target]) for rule in edges]

    links = np.zeros((len(names), len(names)), bool)
    links[tuple(np.array(pairs, np.intp).reshape(-1, 2).T)] = True
    size_of = np.sqrt([images[name] / max(images.values()) for name in names])  # area by frequency
    radii = 3 + (LARGEST_RADIUS - 3) * size_of
    text = np.array([min(len(name), LONGEST_NAME) * 5.4 for name in names])
    boxes = np.stack([np.maximum(2 * radii, text), 2 * radii + NAME], axis=1)
    centres, (width, height) = place_nodes(links, boxes, width=WIDTH)
    centres[:, 1] = height - centres[:, 1]
    below = _names_below(centres, links)
    centres[:, 1] += np.where(below, NAME / 2, -NAME / 2)  # the rest of the box is the name's
    lines = tuple(
        Line(i, j, rule.probability, bool(links[j, i]))
        for (i, j), rule in zip(pairs, edges, strict=True)
    )
    size = (float(width), float(height))
    return DrawnGraph(names, centres, radii, tuple(below.tolist()), lines, size, threshold)


def _most_frequent_pairs(rules: list[Edge]) -> set[str]:
    """Return the labels of the edges that rest on most images, as many as can be drawn."""
    chosen: set[str] = set()
    for rule in sorted(rules, key=lambda rule: -rule.count):
        both = chosen | {rule.source, rule.target}
        if len(both) <= MOST_LABELS:
            chosen = both
    return chosen


def _names_below(centres: NDArray[np.float64], links: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each node whether its name goes below (n,): where fewer links leave it."""
    apart = centres[None] - centres[:, None]  # (n, n, 2), from i to j
    distance = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1e-9)
    steep = np.where(links | links.T, apart[..., 1] / distance, 0)  # sine: 1 is straight up
    up, down = (steep > 0.5).sum(axis=1), (steep < -0.5).sum(axis=1)
    return np.asarray(down <= up)


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
