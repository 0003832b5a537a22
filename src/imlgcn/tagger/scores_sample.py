"""Some images of a file of scores that is too large to read: ``predictions.parquet`` by row groups.

Row groups do not end where images do. Letters: L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile

OUT_OF_FOLD = "out-of-fold"  # in place of a split: all images that were held out in a fold


def count_rows(path: Path) -> int:
    """Return how many scores a file has; 0 for one that is missing or cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows) if path.is_file() else 0
    except (pa.ArrowException, OSError):
        return 0  # whoever reads it says what is wrong with it


def sampled_table(path: Path, split: str | None, most: int) -> tuple[str, Table | None]:
    """Return the name of a split, and about ``most`` rows of it; None: there is no such split.

    They are whole images from all over the split: of the row groups that are read, images cut in
    two are left out. ``split``: :data:`OUT_OF_FOLD` joins all; None is that where there is one,
    else ``val``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    if split is None:
        split = OUT_OF_FOLD if any(_may_hold(file, OUT_OF_FOLD)) else "val"
    held = split == OUT_OF_FOLD
    groups = np.flatnonzero([*_may_hold(file, split)])
    if not len(groups):
        return split, None
    lengths = np.array([file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)])
    wanted = max(1, round(len(groups) * min(1.0, most / lengths[groups].sum())))
    chosen = groups[np.unique(np.linspace(0, len(groups) - 1, wanted).round().astype(int))]
    L = len(file.read_row_group(0, columns=["label"])["label"].unique())
    parts = []
    for run in np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1):
        cut = -int(lengths[: run[0]].sum()) % L  # the rest of an image that began before
        whole = file.read_row_groups(run.tolist()).slice(cut)
        whole = whole.slice(0, len(whole) // L * L)
        kept = pc.greater_equal(whole["fold"], 0) if held else pc.equal(whole["split"], split)
        parts.append(whole.filter(kept))
    found = pa.concat_tables(parts).unify_dictionaries()
    return split, found if len(found) else None


def _may_hold(file: ParquetFile, split: str) -> Iterator[bool]:
    """Yield of each row group whether it may hold rows of a split, by the least and the largest."""
    name = "fold" if split == OUT_OF_FOLD else "split"
    names = file.schema_arrow.names
    for group in range(file.num_row_groups):
        if name not in names:
            yield False
            continue
        found = file.metadata.row_group(group).column(names.index(name)).statistics
        if found is None or not found.has_min_max:
            yield True
        else:
            yield found.max >= 0 if split == OUT_OF_FOLD else found.min <= split <= found.max
