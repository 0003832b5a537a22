"""The images that a tagger's head was fitted on, as one Parquet file: one row per image.

Columns: ``image`` (its name), ``features`` (averages of the backbone's map, float16), ``targets``
(int8: 1, 0, -1 unknown, in the order of ``labels`` in the metadata) and, where there are such,
``stages`` (averages of the blocks before, float16), ``group``, ``fold`` and ``thumbnail`` (WebP).
Other columns are ignored: later versions may add some.
Letters: N images, C channels, L labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.parquet_files import read_parquet, write_parquet
from imlgcn.parsing import parse_json

if TYPE_CHECKING:
    from pyarrow import Array, Table

LABELS = b"labels"  # in the metadata
ROWS_AT_ONCE = 65_536  # rows that are packed at once: 200 MB of features
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Support:
    """N images in the order in which the head was fitted on them: that of its own rows.

    Attributes:
        labels: the L labels of the targets.
        images: N names, as the data set writes them.
        targets: int8 ``(N, L)``: 1 present, 0 absent, -1 unknown.
        features: float16 ``(N, C)``: averages of the backbone's deepest map; None if not read.
        stages: float16 ``(N, S)``: means of the blocks before it, as training caches them, joined;
            None if not read, or not kept.
        groups: ``(N,)`` numbers; images of one number belong together. None: not known.
        folds: ``(N,)`` the fold that left each image out of cross-validation. None: there was none.
        thumbnails: of some rows, as WebP.
    """

    labels: tuple[str, ...]
    images: tuple[str, ...]
    targets: NDArray[np.int8]
    features: NDArray[np.float16] | None = None
    stages: NDArray[np.float16] | None = None
    groups: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)


def half_precision(features: NDArray[np.floating[Any]]) -> NDArray[np.float16]:
    """Return features as float16; what is out of its range becomes its largest value.

    >>> half_precision(np.array([0.5, 1e9, -1e9])).tolist()
    [0.5, 65504.0, -65504.0]
    """
    result: NDArray[np.float16] = np.clip(features, -LARGEST, LARGEST).astype(np.float16)
    return result


def write_support(path: Path, support: Support) -> None:
    """Write all images to ``path`` in one step; the same images give the same bytes."""
    import pyarrow as pa

    N = len(support.images)
    columns: dict[str, Any] = {"image": pa.array(support.images, pa.string())}
    if support.features is not None:
        columns["features"] = _rows(support.features.astype(np.float16, copy=False))
    if support.stages is not None:
        columns["stages"] = _rows(support.stages.astype(np.float16, copy=False))
    columns["targets"] = _rows(support.targets.astype(np.int8, copy=False))
    for name, numbers in (("group", support.groups), ("fold", support.folds)):
        if numbers is not None:
            columns[name] = pa.array(np.asarray(numbers, np.int64))
    if support.thumbnails:
        kept = [support.thumbnails.get(row) for row in range(N)]
        columns["thumbnail"] = pa.array(kept, pa.binary())
    table = pa.table(columns).replace_schema_metadata({LABELS: json.dumps(support.labels)})
    how = {"compression": "zstd", "use_dictionary": False, "row_group_size": ROWS_AT_ONCE}
    write_parquet(path, table, **how)


def read_support(path: Path, labels: Sequence[str], *, features: bool = True) -> Support:
    """Read a file of :func:`write_support`; targets in the order of ``labels``.

    ``features=False`` leaves the features, which are nearly all of the file, on the disk.

    Raises:
        InputError: the file is damaged, or lacks one of the labels.
    """
    import pyarrow as pa

    try:
        known = ["image", "targets", "group", "fold", "thumbnail"]
        known += ["features", "stages"] if features else []
        table = read_parquet(path, known)
        stored = parse_json(table.schema.metadata[LABELS])
        return _support(table, tuple(labels), [stored.index(label) for label in labels])
    except (pa.ArrowException, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is damaged or of another tagger ({first}); copy the folder again, or train "
            "again: the tagger itself does not need this file"
        ) from None


def _support(table: Table, labels: tuple[str, ...], order: list[int]) -> Support:
    def numbers(name: str) -> NDArray[np.int64] | None:
        return table[name].to_numpy() if name in table.column_names else None

    kept = table["thumbnail"].to_pylist() if "thumbnail" in table.column_names else []
    return Support(
        labels=labels,
        images=tuple(str(name) for name in table["image"].to_pylist()),
        targets=_matrix(table, "targets")[:, order],
        features=_matrix(table, "features") if "features" in table.column_names else None,
        stages=_matrix(table, "stages") if "stages" in table.column_names else None,
        groups=numbers("group"),
        folds=numbers("fold"),
        thumbnails={row: data for row, data in enumerate(kept) if data is not None},
    )


def _rows(matrix: NDArray[Any]) -> Array:
    """Return a matrix as a column with one list of numbers per row."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def _matrix(table: Table, name: str) -> NDArray[Any]:
    """Return a column of lists as a matrix; lists of different lengths are a damaged file."""
    column = table[name].combine_chunks()
    flat: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), column.type.list_size)
