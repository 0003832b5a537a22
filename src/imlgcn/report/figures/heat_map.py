"""The co-occurrence matrix as a map of shades; the paper shows through where P(j|i) is 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imlgcn.report.cooccurrence import CoOccurrence
from imlgcn.report.figures.axes import FONT, plain
from imlgcn.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 15.5  # points
SMALLEST_CELL = 9.6
LONGEST_NAME = 18  # letters
LEGEND = 5  # shades
FULL = (0.2, 0.5, 1.0)  # the scale ends at the first that is not exceeded


def heat_map_figure(matrix: CoOccurrence) -> Figure:
    """Draw P(j|i): row i, column j; the darker the shade the higher (the scale says how high)."""
    from matplotlib.figure import Figure

    n = len(matrix.names)
    cell = float(np.clip(640 / n, SMALLEST_CELL, CELL))
    names = [plain(name, LONGEST_NAME) for name in matrix.names]
    font = min(FONT, cell * 0.82)
    margin = 0.6 * font * max(map(len, names)) + 12
    side, below = cell * n, 42.0
    width, height = margin + max(side, 150) + 14, margin + side + below
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((margin / width, below / height, side / width, side / height))
    full = next(top for top in FULL if top >= matrix.conditional.max() or top == FULL[-1])
    _shade(axes, matrix.conditional / full)
    axes.set_xticks(np.arange(n), names, rotation=90)
    axes.set_yticks(np.arange(n), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=3, labelsize=font, labelcolor=LIGHT["ink"])
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    legend = figure.add_axes((margin / width, 20 / height, 130 / width, 10 / height))
    _shade(legend, np.linspace(0, 1, LEGEND)[None])
    legend.set_yticks([])
    shades = [f"{value:.3g}" for value in np.linspace(0, full, LEGEND)]
    legend.set_xticks(np.arange(LEGEND), shades)
    legend.tick_params(length=0, pad=2, labelsize=FONT - 1, labelcolor=LIGHT["muted"])
    style = {"fontsize": FONT, "color": LIGHT["muted"], "va": "center"}
    legend.text(LEGEND - 0.2, 0, "P(column | row)", **style)  # type: ignore[arg-type]
    return figure


def _shade(axes: Axes, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Draw shares of 1 as the tagger's colour, more or less opaque: it suits any paper."""
    from matplotlib.colors import to_rgb

    pixels = np.empty((*values.shape, 4))
    pixels[..., :3] = to_rgb(LIGHT["tagger"])
    pixels[..., 3] = values**0.75  # small shares can still be seen
    axes.imshow(pixels, interpolation="none", aspect="auto")
    for side in axes.spines.values():
        side.set_color(LIGHT["line"])
