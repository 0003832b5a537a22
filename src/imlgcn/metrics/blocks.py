"""Scores and targets a block at a time, so that they may be larger than memory.

Any metric takes arrays that are mapped (``numpy.load(file, mmap_mode="r")``). Up to
:data:`ENTRIES` numbers are one block, so that what is smaller is computed as a whole.
Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.files import cache_dir
from imlgcn.memory import new_array

ENTRIES = 2**24  # numbers of a block: 128 MB where they are computed in float64


def rows_at_once(width: int) -> int:
    """Return how many rows of so many numbers are a block."""
    return max(ENTRIES // max(width, 1), 1)


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of blocks of whole rows; one, of all, for a small array.

    >>> list(row_blocks((3, 2)))
    [slice(0, 3, None)]
    """
    N, L = shape
    rows = rows_at_once(L)
    for start in range(0, max(N, 1), rows):
        yield slice(start, min(start + rows, N))


def label_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the columns of blocks of whole columns; one, of all, for a small array."""
    yield from row_blocks(shape[::-1])


def columns(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield each column ``(N,)``, read a block of labels at a time.

    >>> [column.tolist() for column in columns(np.array([[1, 2], [3, 4]]))]
    [[1, 3], [2, 4]]
    """
    for block in label_blocks(values.shape):
        yield from np.ascontiguousarray(values[:, block].T)


def by_rows(
    function: Callable[[NDArray[Any]], NDArray[Any]], values: NDArray[Any], dtype: Any
) -> NDArray[Any]:
    """Return ``function`` of all rows; of many, in a file that is gone when the array is."""
    blocks = list(row_blocks(values.shape))
    if len(blocks) == 1:
        return function(values)
    found = new_array(values.shape, dtype, cache_dir())
    for block in blocks:
        found[block] = function(values[block])
    return found
