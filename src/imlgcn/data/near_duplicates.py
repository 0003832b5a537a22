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

from imlgcn.data.scan import Scan
from imlgcn.progress import SILENT, Progress

MAX_DISTANCE = 40  # of 256 bits; unrelated images differ in about 128
MIN_CORRELATION = 0.99  # by inspection: pairs below this are similar, not the same
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
BLOCK = 256  # rows compared at once


def difference_hash(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the hashes (N, 256) of thumbnails (N, 16, 17, 3), their bits written as -1 and 1."""
    grey = thumbnails.astype(np.float32) @ LUMINANCE  # (N, 16, 17)
    brighter = grey[:, :, 1:] > grey[:, :, :-1]  # (N, 16, 16)
    return np.where(brighter, np.float32(1), np.float32(-1)).reshape(len(thumbnails), -1)


def near_pairs(
    thumbnails: NDArray[np.uint8], *, progress: Progress = SILENT
) -> list[tuple[int, int]]:
    """Return all pairs (i, j), i < j, of thumbnails (N, 16, 17, 3) that show the same image.

    Images of a single colour have no pattern to compare and are in no pair.
    """
    hashes = difference_hash(thumbnails)  # (N, 256)
    patterns = _patterns(thumbnails)  # (N, 816)
    pairs: list[tuple[int, int]] = []
    with progress.bar("Comparing images", len(hashes)) as advance:
        for start in range(0, len(hashes), BLOCK):
            block, later = slice(start, start + BLOCK), slice(start, None)
            agreement = hashes[block] @ hashes[later].T  # (BLOCK, rest): 256 - 2 * distance
            near = np.triu(agreement >= hashes.shape[1] - 2 * MAX_DISTANCE, k=1)
            rows, columns = (index + start for index in np.nonzero(near))
            alike = (patterns[rows] * patterns[columns]).sum(axis=1) >= MIN_CORRELATION
            pairs += zip(rows[alike].tolist(), columns[alike].tolist(), strict=True)
            advance(len(hashes[block]))
    return pairs


def _patterns(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return centred thumbnails of unit norm, whose products are correlations; 0 if constant."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
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
