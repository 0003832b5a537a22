"""The sheet that the figure of an explanation is drawn on, its sizes and its colours.

A matplotlib ``Figure`` drawn without pyplot. Colours are those of Okabe & Ito.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, QUIET = "#17202a", "#55606c", "#dde2e7", "#aab4be"
FOR, AGAINST = "#0072b2", "#d55e00"  # blue, vermilion
TILE, GAP, ROW = 2.55, 0.3, 0.24  # inches; the first column has room for names besides a tile
SMALL, NORMAL, LARGE = 8.0, 9.5, 13.0  # points


class Sheet:
    """A figure on which axes are placed in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure: Figure = Figure(figsize=(width, height), facecolor="white")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return new axes with nothing around them."""
        bottom = self.height - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        axes.tick_params(length=0, labelsize=SMALL, colors=MUTED)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def text(self, left: float, top: float, text: str, size: float = NORMAL, **style: str) -> None:
        """Write a line whose upper left corner is at that position."""
        position = (left / self.width, 1 - top / self.height)
        style = {"color": INK, "va": "top"} | style
        self.figure.text(*position, text, fontsize=size, parse_math=False, **style)  # type: ignore[arg-type]


def plain(text: str, longest: int) -> str:
    """Return a name on one line, without characters a font lacks, and not too long."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"
