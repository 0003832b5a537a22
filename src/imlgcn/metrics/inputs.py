"""Validation of the scores and targets that every metric receives.

Letters: N images, L labels. Targets are 1 present, 0 absent, -1 unknown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.blocks import row_blocks

Floats = NDArray[np.floating]


def check_inputs(scores: ArrayLike, targets: ArrayLike) -> tuple[Floats, NDArray[np.int8]]:
    """Return ``scores`` as floats and ``targets`` as int8, both (N, L).

    The precision of the scores is kept: rounding would make ties.

    Raises:
        InputError: shapes that differ, NaN, or targets other than 1, 0 and -1.
    """
    scores, targets = np.asarray(scores), np.asarray(targets)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise InputError(
            f"scores and targets must both be images x labels; got {scores.shape} and "
            f"{targets.shape}: pass one row per image and one column per label in both"
        )
    if any(np.isnan(scores[rows]).any() for rows in row_blocks(scores.shape)):
        raise InputError("scores contain NaN: check the model's output")
    with np.errstate(invalid="ignore"):  # NaN: refused below
        small = targets.astype(np.int8, copy=False)
    if not all(_are_targets(small[rows], targets[rows]) for rows in row_blocks(small.shape)):
        raise InputError("targets must be 1 (present), 0 (absent) or -1 (unknown); convert them")
    return scores, small


def _are_targets(small: NDArray[np.int8], given: NDArray[Any]) -> bool:
    if not small.size:
        return True
    return bool(small.min() >= -1 and small.max() <= 1 and np.array_equal(small, given))
