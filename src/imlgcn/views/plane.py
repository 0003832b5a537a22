"""Label vectors in the plane of their first two principal components, with readable names.

A plane keeps only part of the distances, so each label's nearest neighbour in all dimensions is
found as well. Letters: L labels, n of them named, D width of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.palette import LIGHT
from imlgcn.views.axes import FONT, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = NDArray[np.float64]

MOST_NAMES = 80  # labels with a name in the drawing; the others are dots
MOST_LISTED = 1_000  # labels; of more, nearest others are looked for only of the
OF_MANY = 300  # most frequent ones
MOST_DOTS = 600  # a circle takes 0.8 kB of the page
WIDTH, HEIGHT = 760.0, 560.0  # of the drawing, in points
MARGIN = 46.0
LETTER, LINE = 5.0, 11.0  # width of a letter and height of a name, in points
LONGEST_NAME = 20
# candidate positions of a name: its centre from its point's, in half boxes; the best first
AROUND = ((0, -1), (0, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))
REACHES = (1.0, 1.9, 3.0, 4.4)  # how far a name may be from its point, with a line to it


@dataclass(frozen=True, eq=False)
class Plane:
    """The drawing; positions in points, the y axis points up."""

    names: tuple[str, ...]
    places: Points  # (L, 2)
    radii: Points  # (L,)
    name_places: Points  # (n, 2), centres of the names of the labels in ``named``
    named: NDArray[np.intp]  # (n,)
    drawn: NDArray[np.intp]  # the most frequent labels, and those that lines lead to
    nearest: NDArray[np.intp]  # (L,), by cosine over all D dimensions; a rare label of many: itself
    explained: float  # fraction of the variance that the plane shows


def label_plane(
    names: tuple[str, ...], vectors: NDArray[np.floating], occurrences: NDArray[np.int64]
) -> Plane:
    """Return positions of the vectors ``(L, D)`` of two labels or more, area by ``occurrences``."""
    projected, explained = principal_plane(vectors)
    places = _fit(projected)
    size_of = np.sqrt(occurrences / max(occurrences.max(), 1))
    crowd = min(1.0, np.sqrt(MOST_NAMES / len(names)))
    radii = 2.2 + 9 * crowd * size_of
    order = np.argsort(-occurrences, kind="stable")
    named, listed = order[:MOST_NAMES], listed_labels(occurrences)
    nearest = np.arange(len(names))
    nearest[listed] = neighbours(vectors, 1, listed)[:, 0]
    drawn = np.union1d(order[:MOST_DOTS], nearest[named])
    widths = np.array([LETTER * min(len(names[i]), LONGEST_NAME) + 4 for i in named])
    return Plane(
        names=names,
        places=places,
        radii=radii,
        name_places=_place_names(places, radii, drawn, named, widths),
        named=named,
        drawn=drawn,
        nearest=nearest,
        explained=explained,
    )


def principal_plane(vectors: NDArray[np.floating]) -> tuple[Points, float]:
    """Return the vectors' first two principal components (L, 2) and their fraction of the variance.

    The sign of a component is free: its largest entry is made positive.

    >>> principal_plane(np.array([[-1.0, 5], [4, 5], [-3, 5]]))[0][:, 0].round(9).tolist()
    [-1.0, 4.0, -3.0]
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    L, D = centred.shape
    if max(D, MOST_LISTED) < L:  # the same from D x D numbers
        squares, axes = np.linalg.eigh(centred.T @ centred)
        values = np.sqrt(np.maximum(squares[::-1], 0))
        points = centred @ axes[:, ::-1][:, :2]
    else:
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        points = (left * values)[:, :2]
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 1)))
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    total = float((values**2).sum())
    explained = float((values[:2] ** 2).sum()) / total if total else 1.0
    return points * np.where(largest < 0, -1.0, 1.0) + 0.0, explained


def neighbours(
    vectors: NDArray[np.floating], count: int, labels: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return each label's nearest others (L, count) by the cosine of their centred vectors.

    ``labels``: only of these (n,), and then (n, count).
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    labels = np.arange(len(centred)) if labels is None else labels
    nearest = np.empty((len(labels), count), np.intp)
    for start in range(0, len(labels), MOST_LISTED):
        own = labels[start : start + MOST_LISTED]
        likeness = centred[own] @ centred.T  # (block, L)
        likeness[np.arange(len(own)), own] = -np.inf
        nearest[start : start + MOST_LISTED] = _largest(likeness, count)
    return nearest


def listed_labels(occurrences: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the labels whose nearest others are listed (n,): all, or of many the most frequent."""
    if len(occurrences) <= MOST_LISTED:
        return np.arange(len(occurrences))
    return np.sort(np.argsort(-occurrences, kind="stable")[:OF_MANY])


def _largest(values: Points, count: int) -> NDArray[np.intp]:
    """Return where the largest of each row are (rows, count), of equal ones the first."""
    least = -np.partition(-values, count - 1, axis=1)[:, count - 1]
    rows, columns = np.nonzero(values >= least[:, None])
    order = np.lexsort((columns, -values[rows, columns], rows))
    begins = np.searchsorted(rows, np.arange(len(values)))
    found: NDArray[np.intp] = columns[order][begins[:, None] + np.arange(count)]
    return found


def _fit(points: Points) -> Points:
    """Scale to the drawing, both axes alike if they can be and the plane filled as far as it may.

    One scale for both axes would leave a flat cloud's names on top of each other: the shorter axis
    may be stretched to twice the other's scale.
    """
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-12)
    room = np.array([WIDTH, HEIGHT]) - 2 * MARGIN
    scale = room / extent
    scale = np.minimum(scale, 2 * scale.min())
    offset = (np.array([WIDTH, HEIGHT]) - scale * extent) / 2
    return np.asarray((points - low) * scale + offset)


def _place_names(
    places: Points,
    radii: Points,
    drawn: NDArray[np.intp],
    named: NDArray[np.intp],
    widths: Points,
) -> Points:
    """Return the centre of each name (n, 2), frequent labels first: where it overlaps least."""
    taken = np.zeros((0, 4))  # left, bottom, right, top of the names so far
    dots = np.column_stack([places - radii[:, None], places + radii[:, None]])[drawn]
    found = np.zeros((len(named), 2))
    for row, (label, width) in enumerate(zip(named, widths, strict=True)):
        half = np.array([width, LINE]) / 2
        offsets = np.array([(x * reach, y * reach) for reach in REACHES for x, y in AROUND])
        step = half + radii[label] * np.array([0.85, 1.0])
        centres = places[label] + offsets * step  # (candidates, 2)
        boxes = np.column_stack([centres - half, centres + half])
        cost = 4 * _overlap(boxes, taken) + _overlap(boxes, dots)
        cost += 300 * _outside(boxes) + 2 * np.arange(len(boxes))
        best = int(np.argmin(cost))
        found[row] = centres[best]
        taken = np.vstack([taken, boxes[best]])
    return found


def _overlap(boxes: Points, others: Points) -> Points:
    """Return for each box the area that it shares with all the others (candidates,)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2).sum(axis=1))


def _outside(boxes: Points) -> Points:
    """Return by how much each box leaves the drawing, in points (candidates,)."""
    over = np.clip(boxes[:, 2:] - np.array([WIDTH, HEIGHT]), 0, None)
    return np.asarray(np.clip(-boxes[:, :2], 0, None).sum(axis=1) + over.sum(axis=1))


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
