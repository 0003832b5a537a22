"""Shared by all figures: font size, quiet axes, names on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imlgcn.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", (0, (5, 2)), (0, (1, 1.6)), (0, (6, 2, 1.5, 2)))  # lines differ without colour too
FONT = 9.0  # points


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of that many inches with one quiet pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    quiet(axes)
    return figure, axes


def quiet(axes: Axes) -> None:
    """Give axes thin lines and muted text, so that the data stands out."""
    axes.grid(color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT["line"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=FONT, length=0, which="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=LIGHT["muted"], fontsize=FONT)


def plain(text: str, longest: int) -> str:
    """Return a name on one line, without characters that XML forbids, and not too long."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"
