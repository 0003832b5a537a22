"""Positions for the nodes of a graph: each connected part by its hop distances, then packed in
rows.

A part is laid out by stress majorisation (Gansner, Koren & North 2004): nodes h hops apart want to
be h steps apart. Boxes that overlap are then pushed apart, so that every name can be read. Nothing
is random: the same graph is always drawn the same. Letters: n nodes, K parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Links = NDArray[np.bool_]

STEP = 74.0  # wanted distance of linked nodes, in points
GAP = 5.0  # smallest distance of two boxes
CROWD = 8  # nodes above which a part is spread out before boxes are pushed
ROOM = 2.0  # area of a crowded part over that of its boxes
ASPECT = 1.7  # its width over its height
ROUNDS = 300  # of majorisation and of pushing; both stop changing earlier


def place_nodes(links: Links, boxes: Points, *, width: float) -> tuple[Points, Points]:
    """Return the centres of the nodes' boxes (n, 2) and the size of the drawing (2,).

    Args:
        links: ``(n, n)``, True where two nodes are linked in either direction.
        boxes: ``(n, 2)``, width and height of each node with its name.
        width: of the drawing; a part that is wider makes it wider.
    """
    both = links | links.T
    parts = [(part, _place_part(both[np.ix_(part, part)], boxes[part])) for part in _parts(both)]
    centres = np.zeros((len(boxes), 2))
    size = _pack(parts, boxes, centres, width)
    return centres, size


def _parts(links: Links) -> list[NDArray[np.intp]]:
    """Return the connected parts, largest first."""
    left, parts = np.ones(len(links), bool), []
    while left.any():
        reached = np.zeros(len(links), bool)
        reached[np.argmax(left)] = True
        while (more := reached | links[reached].any(axis=0)).sum() > reached.sum():
            reached = more
        parts.append(np.flatnonzero(reached))
        left &= ~reached
    return sorted(parts, key=len, reverse=True)


def _place_part(links: Links, boxes: Points) -> Points:
    """Return the centres (n, 2) of one connected part, without overlaps."""
    n = len(links)
    hops = _hops(links)
    # the node with most links starts in the middle, the others around it: a star stays a star
    order = np.argsort(-links.sum(axis=1), kind="stable")
    angle = 2 * np.pi * np.arange(n) / max(n - 1, 1) + 0.4
    positions = np.empty((n, 2))
    positions[order] = STEP * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    positions[order[0]] = 0
    positions = _turn(_majorise(positions, hops * STEP), links)
    return _push_apart(_spread(positions, boxes), boxes)


def _hops(links: Links) -> NDArray[np.float64]:
    """Return the number of links on the shortest way between each two nodes (n, n)."""
    hops = np.where(links, 1.0, np.inf)
    np.fill_diagonal(hops, 0)
    for k in range(len(links)):
        hops = np.minimum(hops, hops[:, k, None] + hops[None, k])
    return hops


def _majorise(positions: Points, wanted: Points) -> Points:
    np.fill_diagonal(wanted, np.inf)  # no node pulls itself
    weight = wanted**-2  # (n, n)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    wanted = np.where(np.isfinite(wanted), wanted, 0)
    for _ in range(ROUNDS if len(positions) > 1 else 0):
        apart = positions[:, None] - positions[None]  # (n, n, 2)
        distance = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1e-9)[..., None]
        target = positions[None] + apart / distance * wanted[..., None]
        moved = (weight[..., None] * target).sum(axis=1) / total
        positions = (positions + moved) / 2  # half a step: whole ones can swing for ever
    return positions


def _turn(positions: Points, links: Links) -> Points:
    """Turn a part so that few links run up or down, where they would cross the names."""
    first, second = np.nonzero(np.triu(links))
    along = positions[second] - positions[first]  # (links, 2)
    direction = np.arctan2(along[:, 1], along[:, 0])
    turns = np.linspace(0, np.pi, 36, endpoint=False)
    steep = (np.sin(direction[None] + turns[:, None]) ** 8).sum(axis=1)  # (36,)
    turn = turns[np.argmin(steep.round(9))]
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned: Points = positions @ rotation
    return turned


def _spread(positions: Points, boxes: Points) -> Points:
    """Give a crowded part the room its names need, more of it sideways than up and down."""
    if len(positions) <= CROWD:
        return positions
    room = ROOM * (boxes[:, 0] * boxes[:, 1]).sum()
    wanted = np.sqrt(room * np.array([ASPECT, 1 / ASPECT]))
    extent = np.maximum(np.ptp(positions, axis=0), 1.0)
    spread: Points = positions * np.clip(wanted / extent, 1.0, 4.0)
    return spread


def _push_apart(positions: Points, boxes: Points) -> Points:
    """Move overlapping boxes apart along the axis where least is needed."""
    positions = positions.copy()
    reach = (boxes[:, None] + boxes[None]) / 2 + GAP  # (n, n, 2)
    upper = np.triu(np.ones((len(positions), len(positions)), bool), 1)
    for _ in range(ROUNDS):
        apart = positions[:, None] - positions[None]
        overlap = reach - np.abs(apart)
        touching = np.argwhere((overlap > 1e-6).all(axis=2) & upper)
        if not len(touching):
            break
        for i, j in touching:
            axis = int(np.argmin(overlap[i, j]))
            push = overlap[i, j, axis] * (0.5 if apart[i, j, axis] >= 0 else -0.5)
            positions[i, axis] += push
            positions[j, axis] -= push
    return positions


def _pack(
    parts: list[tuple[NDArray[np.intp], Points]], boxes: Points, centres: Points, width: float
) -> Points:
    """Set the parts in rows from left to right, rows centred; fill ``centres``, return the size."""
    rows: list[list[tuple[NDArray[np.intp], Points, Points]]] = []
    used = np.inf
    margin = 4 * GAP
    for nodes, positions in parts:
        low = (positions - boxes[nodes] / 2).min(axis=0)
        size = (positions + boxes[nodes] / 2).max(axis=0) - low + margin
        if used + size[0] > width:
            rows.append([])
            used = 0.0
        rows[-1].append((nodes, positions - low + margin / 2, size))
        used += size[0]
    widths = [sum(size[0] for _, _, size in row) for row in rows]
    total, top = max([width, *widths]), 0.0
    for row, row_width in zip(rows, widths, strict=True):
        height = max(size[1] for _, _, size in row)
        space = (total - row_width) / (len(row) + 1)
        left = space
        for nodes, positions, size in row:
            centres[nodes] = positions + np.array([left, top + (height - size[1]) / 2])
            left += size[0] + space
        top += height
    return np.array([total, top])
