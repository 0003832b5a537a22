"""Groups of images that must not be separated by a split or a fold.

Two images belong together if they are near duplicates, if they have the same :attr:`Record.group`,
or if they have the same value in a column that the user names; and so does everything that is
connected by such pairs.

Letters used in shapes: N images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.near_duplicates import clusters, duplicate_pairs
from imlgcn.data.record_groups import equal_pairs
from imlgcn.data.scan import VERSION, scan_images
from imlgcn.errors import InputError
from imlgcn.files import cache_dir, cache_note
from imlgcn.progress import SILENT, Progress


def find_groups(
    dataset: Dataset, group_by: str | None = None, *, progress: Progress = SILENT
) -> NDArray[np.int64]:
    """Return a group number (N,) for each record: that of the first record it belongs to.

    Every image file is read, for the near duplicates; small thumbnails of them are kept in the
    cache, by content, so that a second time none is decoded. ``group_by`` is a column whose equal
    values belong together as well; an empty cell belongs to no other.

    Raises:
        InputError: the data has no column ``group_by``.
    """
    pairs = equal_pairs([record.group for record in dataset.records])
    if group_by is not None:
        pairs += equal_pairs(_column(dataset, group_by))
    return clusters(len(dataset), pairs + find_duplicates(dataset, progress=progress))


def find_duplicates(dataset: Dataset, *, progress: Progress = SILENT) -> list[tuple[int, int]]:
    """Return pairs of records (i, j), i < j, whose files show the same image.

    A file that occurs often is paired with its first occurrence only, and near duplicates are pairs
    of first occurrences. Files are read and cached as by :func:`find_groups`.
    """
    if note := cache_note():
        progress.say(note)
    cache = cache_dir() / f"thumbnails-{VERSION}"
    scans = scan_images(dataset.paths, cache=cache, progress=progress)
    exact, near = duplicate_pairs(scans, progress=progress)
    return exact + near


def grouped_by(dataset: Dataset, group_by: str | None = None) -> str:
    """Return what :func:`find_groups` groups by, in words."""
    given = ["group"] if any(record.group for record in dataset.records) else []
    if group_by is not None and group_by.lower() not in given:
        given.append(group_by)
    return " and ".join(filter(None, ["near duplicates", ", ".join(given)]))


def _column(dataset: Dataset, column: str) -> list[str | None]:
    columns = dict.fromkeys(name for record in dataset.records for name in record.fields)
    if column in columns:
        return [record.fields.get(column) for record in dataset.records]
    values = [record.group for record in dataset.records]
    if column.lower() == "group" and any(values):
        return values
    existing = ", ".join([*["group"] * any(values), *columns])
    raise InputError(
        f"the data has no column {column!r} to group by; "
        f"it has {existing or 'none besides image, labels and split'}"
    )
