"""Near duplicates: the same image in another size, format or quality, or with a small change.

A 256-bit difference hash (is each pixel of a 17 x 16 thumbnail brighter than its left neighbour?)
finds candidates; the correlation of the colour thumbnails decides. The hash alone would match flags
of equal layout and different colours. Crops, mirror images and rotations are not found.

Measured on Open Clip Art: of 100 drawings (of its first edition) 99 are found when saved again at a
JPEG quality of 40, 96 at 10, 99 with a fifth more contrast, and 93 at half the size. The second
edition has 69 pairs, none across its splits; the least alike are flags of few colours.

Letters used in shapes: N images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.close_pairs import close_pairs
from imlgcn.data.scan import Scan
from imlgcn.data.thumbnails import THUMBNAIL
from imlgcn.progress import SILENT, Progress

MAX_DISTANCE = 40  # of 256 bits; unrelated images differ in about 128
MIN_CORRELATION = 0.99  # by inspection: pairs below this are similar, not the same
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
PIXELS = THUMBNAIL[0] * THUMBNAIL[1] * 3
BLOCK, TILE = 256, 4096  # images compared at once, with so many
SAMPLE = 2000  # images whose axis of largest variance orders all
EXACT = 20_000  # images of which all pairs within reach are compared; time grows as their square
AXES = 48  # of largest variance, where there are more: most of the distance of unlike images
REACH = (2 - 2 * MIN_CORRELATION) ** 0.5 + 1e-3  # between patterns, and what float32 rounds


def difference_hash(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the hashes (N, 256) of thumbnails (N, 16, 17, 3), their bits written as -1 and 1."""
    grey = thumbnails.astype(np.float32) @ LUMINANCE  # (N, 16, 17)
    brighter = grey[:, :, 1:] > grey[:, :, :-1]  # (N, 16, 16)
    return np.where(brighter, np.float32(1), np.float32(-1)).reshape(len(thumbnails), 256)


def near_pairs(
    thumbnails: NDArray[np.uint8], *, progress: Progress = SILENT
) -> list[tuple[int, int]]:
    """Return all pairs (i, j), i < j, of thumbnails (N, 16, 17, 3) that show the same image.

    Images of a single colour have no pattern to compare and are in no pair.

    Patterns of unit norm with a correlation of c are at a distance of sqrt(2 - 2 c), and so are, at
    most, their positions along any axis: images are compared along the one on which they differ
    most, within that distance only, which leaves out no pair. Of more than 20,000 images those are
    compared that share a cell of random grids (:mod:`imlgcn.data.close_pairs`): a pair just as
    alike as it must be is missed with a probability of one in a million, a closer one more rarely.
    """
    if len(thumbnails) > EXACT:
        return _pairs_of_many(thumbnails, progress)
    position = _positions(thumbnails)  # (N,)
    order = np.argsort(position, kind="stable")
    hashes, position = difference_hash(thumbnails)[order], position[order]  # (N, 256), (N,)
    ends = np.searchsorted(position, position + REACH, side="right")
    limit = hashes.shape[1] - 2 * MAX_DISTANCE
    pairs: list[tuple[int, int]] = []
    with progress.bar("Comparing images", len(hashes)) as advance:
        for start in range(0, len(hashes), BLOCK):
            block = hashes[start : start + BLOCK]
            for left in range(start, int(ends[min(start + BLOCK, len(hashes)) - 1]), TILE):
                agreement = block @ hashes[left : left + TILE].T  # (BLOCK, TILE): 256 - 2 distance
                rows, columns = np.nonzero(agreement >= limit)
                later = columns + left > rows + start
                first, second = order[rows[later] + start], order[columns[later] + left]
                alike = _correlation(thumbnails, first, second) >= MIN_CORRELATION
                pairs += zip(first[alike].tolist(), second[alike].tolist(), strict=True)
            advance(len(block))
    return sorted((min(pair), max(pair)) for pair in pairs)


def _pairs_of_many(thumbnails: NDArray[np.uint8], progress: Progress) -> list[tuple[int, int]]:
    shown = [_patterns(thumbnails[part]).any(axis=1) for part in _tiles(len(thumbnails))]
    rows = np.flatnonzero(np.concatenate(shown))
    axes = _axes(thumbnails[rows[:: max(len(rows) // SAMPLE, 1)]], AXES)  # (816, A)
    positions = [_patterns(thumbnails[rows[part]]) @ axes for part in _tiles(len(rows))]
    with progress.bar("Comparing images", len(thumbnails)) as advance:
        done = [0]

        def after_grid(grid: int, grids: int) -> None:
            done.append(grid * len(thumbnails) // grids)
            advance(done[-1] - done[-2])

        pairs = rows[close_pairs(np.concatenate(positions), REACH, after_grid=after_grid)]
    alike = [_same_image(thumbnails, *pairs[part].T) for part in _tiles(len(pairs))]
    return [(int(i), int(j)) for i, j in pairs[np.concatenate(alike)]]


def _tiles(count: int) -> list[slice]:
    return [slice(start, start + TILE) for start in range(0, max(count, 1), TILE)]


def _same_image(
    thumbnails: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pairs show the same image, by hash and correlation."""
    bits = difference_hash(thumbnails[first]) * difference_hash(thumbnails[second])
    near = bits.sum(axis=1) >= bits.shape[1] - 2 * MAX_DISTANCE
    return np.asarray(near & (_correlation(thumbnails, first, second) >= MIN_CORRELATION))


def _positions(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return where patterns are along the axis (N,) on which those of a sample differ most.

    0 for all where there are few: they are compared sooner than the axis is found.
    """
    if len(thumbnails) <= SAMPLE:
        return np.zeros(len(thumbnails), dtype=np.float32)
    axis = _axes(thumbnails, 1)[:, -1]  # (816,)
    return np.concatenate([_patterns(thumbnails[t]) @ axis for t in _tiles(len(thumbnails))])


def _axes(thumbnails: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Return the axes (816, count) on which the patterns of a sample differ most, that one last."""
    sample = _patterns(thumbnails[:: max(len(thumbnails) // SAMPLE, 1)])
    axes: NDArray[np.float32] = np.linalg.eigh(sample.T @ sample)[1][:, -count:]
    return axes


def _correlation(
    thumbnails: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the correlation of pairs of thumbnails."""
    products = _patterns(thumbnails[first]) * _patterns(thumbnails[second])
    correlation: NDArray[np.float32] = products.sum(axis=1)
    return correlation


def _patterns(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return centred thumbnails of unit norm, whose products are correlations; 0 if constant."""
    flat = thumbnails.reshape(len(thumbnails), PIXELS).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.maximum(length, 1)
    flat[length[:, 0] <= flat.shape[1] ** 0.5] = 0  # under one grey level of contrast
    return flat


def duplicate_pairs(
    scans: Sequence[Scan], *, progress: Progress = SILENT
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the exact pairs (each file with the first of the same content) and the near pairs.

    Near pairs are between the first files of each content.
    """
    first: dict[str, int] = {}
    exact = []
    for index, scan in enumerate(scans):
        if scan.digest and first.setdefault(scan.digest, index) != index:
            exact.append((first[scan.digest], index))
    shown = {i: image for i in first.values() if (image := scans[i].thumbnail) is not None}
    if not shown:
        return exact, []
    near = near_pairs(np.stack(list(shown.values())), progress=progress)
    rows = list(shown)
    return exact, [(rows[i], rows[j]) for i, j in near]


def clusters(size: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Return a group number for each of ``size`` items: the smallest index it is connected to.

    >>> clusters(5, [(3, 1), (4, 3)]).tolist()
    [0, 1, 2, 1, 1]
    """
    parent = list(range(size))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for i, j in pairs:
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return np.array([root(index) for index in range(size)], dtype=np.int64)
