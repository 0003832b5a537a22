"""Batches of columns, as engines for data in bulk hand them over, and the same form back.

A batch is a dict of lists or arrays, a pandas DataFrame, or a pyarrow Table or RecordBatch.
Letters: B images in a batch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from imlgcn.data.image_input import ImageLike, ImageTypeError, is_image
from imlgcn.errors import InputError
from imlgcn.prediction.rows import Row, rows_schema, storable

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a cluster's driver needs none of it

NOTHING = "there is no image in this row"
OF_AN_IMAGE = {  # the column of lists in the place of that of rows
    "label": "labels",
    "probability": "probabilities",
    "threshold": "thresholds",
    "name": "names",
    "tag": "tags",
}


class Cell(NamedTuple):
    """One image of a batch: what it is called, and either the image or why there is none."""

    name: str
    image: ImageLike | None
    error: str | None = None


def cells(batch: Any, image: str, name: str | None) -> list[Cell]:
    """Return the B images of a batch, from the column ``image`` and, for names, ``name``.

    A cell is an image in any form that is accepted, or a mapping with ``bytes`` and ``path``, as
    columns of images are in Parquet; an empty cell, or another value, is an image with an error.

    Raises:
        InputError: no batch in a form that is known, no such column, or images that are not paths
            and have no names.
    """
    values = _column(batch, image)
    names = [None] * len(values) if name is None else _column(batch, name)
    return [_cell(value, called, image) for value, called in zip(values, names, strict=True)]


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


def in_form_of(batch: Any, table: Any) -> Any:
    """Return a pyarrow Table in the form of ``batch``: a DataFrame, a dict of lists, or itself."""
    if _is_of("pandas", "DataFrame", batch):
        return table.to_pandas()
    return table.to_pydict() if isinstance(batch, Mapping) else table


def _of_image(rows: Sequence[Row], name: str) -> object:
    if name in OF_AN_IMAGE:
        return [_value(row, name) for row in rows if row.label]
    return _value(rows[0], name)


def _value(row: Row, name: str) -> object:
    value = getattr(row, name)
    return storable(value) if name in ("image", "error") and value is not None else value


def _column(batch: Any, name: str) -> list[Any]:
    is_arrow = _is_of("pyarrow", "Table", batch) or _is_of("pyarrow", "RecordBatch", batch)
    if not (is_arrow or isinstance(batch, Mapping) or _is_of("pandas", "DataFrame", batch)):
        raise InputError(
            f"{type(batch).__name__} is not a batch; expected a dict of columns, a pandas "
            "DataFrame, a pyarrow Table or a RecordBatch"
        )
    names = [str(known) for known in (batch.schema.names if is_arrow else batch)]
    if name not in names:
        raise InputError(
            f"the batch has no column {name!r}; it has {', '.join(names) or 'none'}: say which "
            "holds the images, and which their names, with the arguments image and name"
        )
    found = batch.column(name).to_pylist() if is_arrow else batch[name]
    return list(found)


def _cell(value: Any, called: Any, column: str) -> Cell:
    given = value
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):
        called = value.get("path") if called is None else called
        given = value.get("path") if value.get("bytes") is None else value["bytes"]
    if called is None and isinstance(given, str):
        called = given
    if _is_missing(called):
        raise InputError(
            f"the images in the column {column!r} have no names: say which column holds them with "
            "the argument name"
        )
    if _is_missing(given):
        return Cell(str(called), None, NOTHING)
    try:
        if is_image(given):
            return Cell(str(called), given)
        return Cell(str(called), None, "several images in one cell")
    except ImageTypeError as error:
        return Cell(str(called), None, str(error))


def _is_missing(value: Any) -> bool:
    """Return whether a cell is empty, in the way of Python, pandas or numpy."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    )


def _is_of(module: str, kind: str, value: object) -> bool:
    """Return whether a value is of a class of a module that may not be loaded."""
    known = getattr(sys.modules.get(module), kind, None)
    return known is not None and isinstance(value, known)
