"""Batches of columns, as engines for data in bulk hand them over, and the same form back.

A batch is a dict of lists or arrays, a pandas DataFrame, or a pyarrow Table or RecordBatch.
Letters: B images in a batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from imlgcn.batch.cells import NO_NAME, Cell, as_cell, is_of
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.prediction.rows import Row, rows_schema, storable

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a cluster's driver needs none of it

OF_AN_IMAGE = {  # the column of lists in the place of that of rows
    "label": "labels",
    "probability": "probabilities",
    "threshold": "thresholds",
    "name": "names",
    "tag": "tags",
}


def cells(batch: Any, image: str, name: str | None) -> list[Cell]:
    """Return the B images of a batch, from the column ``image`` and, for names, ``name``.

    A cell is an image in any form that is accepted, or a mapping with ``bytes`` and ``path``, as
    columns of images are in Parquet. Whatever else a cell holds is an image with an error.

    Raises:
        InputError: no batch in a form that is known, no such column, columns of unequal length, or
            no column of names for images none of which has a path.
    """
    values = _column(batch, image)
    names = [None] * len(values) if name is None else _column(batch, name)
    if len(values) != len(names):
        raise InputError(
            f"the column {image!r} has {plural(len(values), 'cell')} and {name!r} has "
            f"{len(names)}: expected a name for each image"
        )
    found = [as_cell(value, called) for value, called in zip(values, names, strict=True)]
    if name is None and found and all(cell.error == NO_NAME for cell in found):
        raise InputError(
            f"the images in the column {image!r} have no names: say which column holds them with "
            "the argument name"
        )
    return found


def schema_of(columns: Sequence[str], *, per_image: bool) -> pa.Schema:
    """Return the schema of the tags of a batch: rows as in files, or one row for each image."""
    import pyarrow as pa

    schema = rows_schema(columns)
    if not per_image:
        return schema
    return pa.schema(
        [
            pa.field(OF_AN_IMAGE[field.name], pa.list_(field.type))
            if field.name in OF_AN_IMAGE
            else field
            for field in schema
        ]
    )


def table_of(images: Sequence[Sequence[Row]], columns: Sequence[str], *, per_image: bool) -> Any:
    """Return the rows of the images as a pyarrow Table with the schema of :func:`schema_of`."""
    import pyarrow as pa

    schema = schema_of(columns, per_image=per_image)
    if per_image:
        found = {
            OF_AN_IMAGE.get(name, name): [_of_image(rows, name) for rows in images]
            for name in columns
        }
    else:
        found = {name: [_value(row, name) for rows in images for row in rows] for name in columns}
    return pa.table(found, schema=schema)


def in_form_of(batch: Any, table: Any, counts: Sequence[int]) -> Any:
    """Return a pyarrow Table in the form of ``batch``: a DataFrame, a dict of lists, or itself.

    A DataFrame keeps its index, repeated for the ``counts`` rows of each image.
    """
    if is_of("pandas", "DataFrame", batch):
        return table.to_pandas().set_axis(batch.index.repeat(counts), axis=0)
    return table.to_pydict() if isinstance(batch, Mapping) else table


def _of_image(rows: Sequence[Row], name: str) -> object:
    if name in OF_AN_IMAGE:
        return [_value(row, name) for row in rows if row.label]
    return _value(rows[0], name)


def _value(row: Row, name: str) -> object:
    value = getattr(row, name)
    return storable(value) if name in ("image", "error") and value is not None else value


def _column(batch: Any, name: str) -> list[Any]:
    is_arrow = is_of("pyarrow", "Table", batch) or is_of("pyarrow", "RecordBatch", batch)
    is_frame = is_of("pandas", "DataFrame", batch)
    if not (is_arrow or is_frame or isinstance(batch, Mapping)):
        raise InputError(
            f"{type(batch).__name__} is not a batch; expected a dict of columns, a pandas "
            "DataFrame, a pyarrow Table or a RecordBatch"
        )
    keys = list(batch.schema.names if is_arrow else batch)
    names = [str(key) for key in keys]
    if names.count(name) != 1:
        has = "several columns" if name in names else "no column"
        raise InputError(
            f"the batch has {has} {name!r}; it has {', '.join(names) or 'none'}: say which "
            "holds the images, and which their names, with the arguments image and name"
        )
    place = names.index(name)
    if is_arrow:
        return _values(batch.column(place))
    found = batch.iloc[:, place] if is_frame else batch[keys[place]]
    _check_column(found, name)
    return _values(found)


def _check_column(found: object, name: str) -> None:
    """Refuse what is one image or name: the letters of a path are no column."""
    one = (str, bytes, bytearray, memoryview, os.PathLike, Mapping, Set)
    is_one = isinstance(found, one) or hasattr(found, "read") or getattr(found, "ndim", 1) == 0
    if is_one or not isinstance(found, Iterable):
        raise InputError(
            f"the column {name!r} is one {type(found).__name__}; expected a list or an array with "
            "a cell for each image: put a single one in a list"
        )


def _values(column: Any) -> list[Any]:
    """Return the cells of a column; scalars of Arrow where some are not as their type says."""
    is_arrow = is_of("pyarrow", "Array", column) or is_of("pyarrow", "ChunkedArray", column)
    try:
        return list(column.to_pylist() if is_arrow else column)
    except (ValueError, OverflowError):  # text that is not UTF-8, say: each cell for itself
        import pyarrow as pa

        return list(column if is_arrow else pa.array(column))
