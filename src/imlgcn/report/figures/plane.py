"""Labels in the plane: circles by frequency, a line from each to its nearest neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imlgcn.report.figures.axes import FONT, plain
from imlgcn.report.palette import LIGHT
from imlgcn.report.plane import HEIGHT, LINE, LONGEST_NAME, WIDTH, Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAR = 15.0  # a name further from its circle than this has a line to it, in points


def plane_figure(plane: Plane) -> Figure:
    """Draw the labels of the plane, and the names of the most frequent ones."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    links = np.stack([plane.places, plane.places[plane.nearest]], axis=1)  # (L, 2, 2)
    strokes = list(links[plane.named])  # of all, they would hide what they lead to
    axes.add_collection(
        LineCollection(strokes, colors=LIGHT["third"], linewidths=1.3, alpha=0.6, zorder=1)
    )
    for (x, y), radius in zip(plane.places[plane.drawn], plane.radii[plane.drawn], strict=True):
        style = {"facecolor": LIGHT["tagger"], "edgecolor": LIGHT["surface"], "linewidth": 0.8}
        axes.add_patch(Circle((x, y), radius, zorder=2, **style))
    for label, (x, y) in zip(plane.named, plane.name_places, strict=True):
        place, radius = plane.places[label], plane.radii[label]
        if np.hypot(x - place[0], y - place[1]) > radius + FAR + 2.5 * len(plane.names[label]):
            ends = np.array([place, (x, y + np.sign(place[1] - y) * LINE / 2)])
            axes.plot(*ends.T, color=LIGHT["muted"], linewidth=0.6, zorder=1)
        text = plain(plane.names[label], LONGEST_NAME)
        style = {"fontsize": FONT, "color": LIGHT["ink"], "parse_math": False, "zorder": 3}
        axes.text(x, y, text, ha="center", va="center", **style)  # type: ignore[arg-type]
    return figure
