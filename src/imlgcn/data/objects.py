"""Data held in Python: DataFrames, lists, dictionaries and data sets of objects become records.

Known by what an object can do, not by its class, so that no other package is needed. Images
that are not files are written to the cache once (:mod:`imlgcn.data.image_store`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import SPLIT_SPELLINGS, ReadOptions, Record, Source
from imlgcn.data.formats.column_names import normal
from imlgcn.data.formats.ignored_options import ALWAYS, refuse_ignored
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.value_table import (
    IMAGES,
    ValueTable,
    image_column,
    join_tables,
    read_columns,
)
from imlgcn.data.formats.values import names_given
from imlgcn.data.image_store import image_file
from imlgcn.errors import InputError
from imlgcn.numbers import number

NAME = "python"
FORMS = (
    "a path, a Dataset, a DataFrame, a list of (image, labels) pairs, of dictionaries or of "
    "Records, a dictionary of image: labels, of columns, or of one of these for each split, or a "
    "data set with len() and data[0] = (image, labels)"
)


def read_object(data: Any, options: ReadOptions) -> Source:
    """Return what an object of Python says of its images.

    Raises:
        InputError: it has none of the forms of :data:`FORMS`, or a row of it is wrong.
    """
    if _is_list_of(data, Record):
        return _read_records(data, options)
    classes = getattr(data, "classes", None)  # as the data sets of torchvision have them
    if options.label_names is None and _is_list_of(classes, str):
        options = replace(options, label_names=classes)
    if isinstance(data, Mapping) and data and all(_split(key) for key in data):
        parts = [replace(_as_table(part), called=f"{key}=") for key, part in data.items()]
        table = join_tables(parts, [_split(key) for key in data], options)
        table = replace(table, called="objects for the splits")
    else:
        table = _as_table(data)
    if not len(table):
        raise InputError(f"{table.called}: holds no images")
    column = image_column(table, options)
    images = _images(table, column, options)
    found = read_columns(table, options, images, beside=[column])
    reason = f"{NAME}: {table.called}; {found}"
    return Source(found.names, found.records, NAME, reason)


def described(data: Any) -> str:
    """Return what an object is, in words: "a DataFrame of length 24"."""
    kind = type(data).__name__
    called = {"list": "list", "dict": "dictionary", "Dataset": "data set"}.get(kind, kind)
    size = f" of length {number(len(data), 0)}" if hasattr(data, "__len__") else ""
    reason = getattr(data, "reason", "")
    return f"a {called}{size}" + (f" ({reason})" if isinstance(reason, str) and reason else "")


def _split(key: Any) -> str | None:
    return SPLIT_SPELLINGS.get(key.lower()) if isinstance(key, str) else None


def _is_list_of(data: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(x, kind) for x in data)


def _read_records(data: Sequence[Record], options: ReadOptions) -> Source:
    read = ("label_names", *ALWAYS)
    refuse_ignored(NAME, options, read, "that is a list of Records")
    named = {
        label
        for record in data
        for part in (record.labels, record.unknown, record.absent or ())
        for label in part
    }
    given = names_given(options)
    labels = sorted(named) if given is None else [given[number] for number in sorted(given)]
    return Source(labels, list(data), NAME, f"{NAME}: {number(len(data), 0)} Records")


def _as_table(data: Any) -> ValueTable:
    """Return an object as columns of values."""
    if isinstance(data, str | bytes | Path):
        raise InputError(f"expected {FORMS}; got {data!r}")
    if (columns := _frame(data)) is not None:
        return _table(columns, f"the {type(data).__name__}", "row")
    if isinstance(data, Mapping):
        return _of_mapping(data)
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        hint = "; make a list of it" if hasattr(data, "__iter__") else ""
        hint = "; give its .dataset" if hasattr(data, "dataset") else hint  # a DataLoader
        raise InputError(f"expected {FORMS}; got a {type(data).__name__}{hint}")
    called = "the list" if isinstance(data, list | tuple) else f"the {type(data).__name__}"
    rows = [_row(data[index], f"{called}, item {index}: ") for index in range(len(data))]
    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return replace(_table(columns, called, "item"), class_names=_class_names(data, names))


def _frame(data: Any) -> dict[str, Any] | None:
    """Return the columns of a DataFrame of pandas or polars, or of a table of pyarrow."""
    if hasattr(data, "to_pydict"):
        found = data.to_pydict()
    elif hasattr(data, "columns") and hasattr(data, "to_dict"):
        try:
            found = data.to_dict("list")
        except TypeError:
            found = data.to_dict(as_series=False)
    else:
        return None
    return {str(name): list(cells) for name, cells in found.items()}


def _table(columns: Mapping[str, Sequence[Any]], called: str, item: str) -> ValueTable:
    return ValueTable(columns, called, lambda row: f"{called}, {item} {row}: ")


def _of_mapping(data: Mapping[Any, Any]) -> ValueTable:
    """Return a dictionary of columns, or of image: labels, as columns."""
    lists = [x for x in data.values() if hasattr(x, "__len__") and not isinstance(x, str | bytes)]
    has_images = any(isinstance(key, str) and normal(key) in IMAGES for key in data)
    if has_images and len(lists) == len(data):
        if len({len(column) for column in lists}) > 1:
            sizes = ", ".join(f"{name} {len(column)}" for name, column in data.items())
            raise InputError(f"the dictionary: its columns are not equally long: {sizes}")
        return _table({key: list(column) for key, column in data.items()}, "the dictionary", "row")
    columns = {"image": list(data), "labels": list(data.values())}
    return _table(columns, "the dictionary", "image")


def _row(item: Any, where: str) -> dict[str, Any]:
    """Return an item as a row; its image becomes a file at once, so that none is held."""
    if isinstance(item, Mapping):
        row = {str(key): value for key, value in item.items()}
        for key in row:
            if normal(key) in IMAGES and not isinstance(row[key], str | Path):
                row[key] = image_file(row[key], where)
        return row
    if isinstance(item, tuple | list) and len(item) == 2:
        image = item[0] if isinstance(item[0], str | Path) else image_file(item[0], where)
        return {"image": image, "labels": item[1]}
    got = type(item).__name__
    raise InputError(f"{where}expected (image, labels) or a dictionary; got a {got}")


def _class_names(data: Any, columns: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the names of class numbers by the features of a data set of Hugging Face."""
    features = getattr(data, "features", None)
    if not isinstance(features, Mapping):
        return {}
    inner = {name: getattr(x, "feature", x) for name, x in features.items() if name in columns}
    names = {name: getattr(feature, "names", None) for name, feature in inner.items()}
    return {name: found for name, found in names.items() if isinstance(found, list | tuple)}


def _images(table: ValueTable, column: str, options: ReadOptions) -> list[tuple[str, Path]]:
    """Return name and file of each row; files are looked for in the working folder."""
    cells = table.columns[column]
    files = [image_file(cell, table.at(row)) for row, cell in enumerate(cells)]
    kept = [
        file.is_absolute() and not isinstance(cell, str | Path)
        for cell, file in zip(cells, files, strict=True)
    ]
    names = [
        file.name if in_cache else str(file).replace("\\", "/")
        for file, in_cache in zip(files, kept, strict=True)
    ]
    open_ = [row for row, file in enumerate(files) if not file.is_absolute()]
    if open_:
        found = locate([names[row] for row in open_], Path(table.called), options.images)
        for row, file in zip(open_, found, strict=True):
            files[row] = file
    return list(zip(names, files, strict=True))
