"""The matrix of P(j|i), its labels ordered so that those that co-occur are adjacent.

Letters: L labels, n of them drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import conditional_probability
from imlgcn.palette import LIGHT
from imlgcn.views.axes import FONT, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 80  # more names than this cannot be read along one side


@dataclass(frozen=True, eq=False)
class CoOccurrence:
    """P(j|i) of the drawn labels, row i and column j, ordered in blocks."""

    names: tuple[str, ...]
    conditional: NDArray[np.float64]  # (n, n), 0 on the diagonal


def ordered_cooccurrence(context: LabelContext) -> CoOccurrence:
    """Return P(j|i) of the most frequent labels, ordered by :func:`block_order`."""
    frequent = np.argsort(-context.occurrences, kind="stable")[:MOST_LABELS]
    shown = context.reordered([context.names[index] for index in frequent])
    conditional = conditional_probability(shown.pair_counts, shown.occurrences)
    order = block_order(np.maximum(conditional, conditional.T))
    names = tuple(context.names[index] for index in frequent[order])
    return CoOccurrence(names, conditional[np.ix_(order, order)])


def block_order(similarity: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return an order (n,) of labels in which similar ones are adjacent.

    Average linkage: the two chains with the highest mean similarity are joined, again and again,
    each turned so that the more similar ends meet. Chains that share nothing follow each other by
    size.

    Shape:
        - similarity ``(n, n)``, symmetric, 0 or more

    >>> block_order(np.array([[0, 0, 9, 0], [0, 0, 0, 5], [9, 0, 0, 1], [0, 5, 1, 0.0]])).tolist()
    [0, 2, 3, 1]
    """
    n = len(similarity)
    chains: list[list[int]] = [[index] for index in range(n)]
    links = similarity.astype(np.float64).copy()  # sums between chains
    np.fill_diagonal(links, -np.inf)
    sizes = np.ones(n)
    for _ in range(n - 1):
        mean = links / np.outer(sizes, sizes)
        first, second = np.unravel_index(np.argmax(mean), mean.shape)
        if not mean[first, second] > 0:
            break
        chains[first] = _join(chains[first], chains[second], similarity)
        chains[second] = []
        links[first] += links[second]
        links[:, first] = links[first]
        links[second] = links[:, second] = -np.inf
        links[first, first] = -np.inf
        sizes[first] += sizes[second]
    chains.sort(key=len, reverse=True)
    return np.array([index for chain in chains for index in chain], np.intp)


def _join(first: list[int], second: list[int], similarity: NDArray[np.float64]) -> list[int]:
    """Return the two chains as one, turned so that the most similar ends meet."""
    ways = [(a, b) for a in (first, first[::-1]) for b in (second, second[::-1])]
    start, end = max(ways, key=lambda way: similarity[way[0][-1], way[1][0]])
    return start + end


CELL = 15.5  # points
SMALLEST_CELL = 9.6
LONGEST_NAME = 18  # letters
LEGEND = 5  # shades
LEGEND_WIDTH = 130.0  # points
CAPTION = "P(column | row)"
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
    wide_caption = 0.65 * FONT * len(CAPTION)  # whatever font the page has
    legend_end = LEGEND_WIDTH + 8 + wide_caption
    width, height = margin + max(side, legend_end) + 14, margin + side + below
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
    legend = figure.add_axes((margin / width, 20 / height, LEGEND_WIDTH / width, 10 / height))
    _shade(legend, np.linspace(0, 1, LEGEND)[None])
    legend.set_yticks([])
    shades = [f"{value:.3g}" for value in np.linspace(0, full, LEGEND)]
    legend.set_xticks(np.arange(LEGEND), shades)
    legend.tick_params(length=0, pad=2, labelsize=FONT - 1, labelcolor=LIGHT["muted"])
    style = {"fontsize": FONT, "color": LIGHT["muted"], "va": "center"}
    legend.text(LEGEND - 0.2, 0, CAPTION, **style)  # type: ignore[arg-type]
    return figure


def _shade(axes: Axes, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Draw values from 0 to 1 as opacities of the tagger's colour: it suits any background."""
    from matplotlib.colors import to_rgb

    pixels = np.empty((*values.shape, 4))
    pixels[..., :3] = to_rgb(LIGHT["tagger"])
    pixels[..., 3] = values**0.75  # small values are still visible
    axes.imshow(pixels, interpolation="none", aspect="auto")
    for side in axes.spines.values():
        side.set_color(LIGHT["line"])
