"""Folds for cross-validation: groups of images stay together, labels are spread evenly.

The iterative stratification of :mod:`imlgcn.data.split`, with k equal parts.

Letters used in shapes: N images, k folds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.groups import find_groups
from imlgcn.data.split import stratify_by_name
from imlgcn.errors import InputError
from imlgcn.progress import SILENT, Progress


def grouped_folds(
    dataset: Dataset,
    k: int = 5,
    seed: int = 0,
    *,
    groups: NDArray[np.int64] | None = None,
    progress: Progress = SILENT,
) -> NDArray[np.int64]:
    """Return the fold of each image, (N,) from 0 to k - 1; every fold has an image.

    Images with the same number in ``groups`` (N,) are in one fold. Without ``groups`` those are the
    data's own groups and near duplicates (:func:`imlgcn.data.groups.find_groups`), for which every
    image file is read. The same data, k and seed give the same folds; the data's splits and the
    order of its labels do not matter.

    Raises:
        InputError: k is below 2 or above the number of groups.
    """
    if k < 2:
        raise InputError(f"folds must be at least 2, not {k}")
    if groups is None:
        groups = find_groups(dataset, progress=progress)
    if len(groups) != len(dataset):
        raise InputError(f"{len(dataset)} images need as many group numbers, not {len(groups)}")
    if (found := len(np.unique(groups))) < k:
        raise InputError(
            f"{found} groups of images (near duplicates stay together) cannot fill {k} folds; "
            "add images or ask for fewer folds"
        )
    return stratify_by_name(dataset, groups, np.full(k, 1 / k), seed=seed)
