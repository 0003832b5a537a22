"""Tables whose cells are values: of JSON lines, parquet, or Python objects.

A column of labels by a usual name, or by the name that the user gave, may hold lists, class
numbers, vectors or mappings (:mod:`.values`). All else is read as the cells of a CSV are: texts of
labels, columns of 1 and 0, splits and groups. A missing value is unknown in columns that have 0 as
well, and else absent. Further columns with text or numbers are kept in :attr:`Record.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imlgcn.data.formats.base import ReadOptions, Record
from imlgcn.data.formats.column_names import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    known_columns,
    named_column,
)
from imlgcn.data.formats.image_files import ImageFinder
from imlgcn.data.formats.long_tables import join_rows
from imlgcn.data.formats.split_tables import JoinedTable
from imlgcn.data.formats.table_labels import TableLabels, read_labels
from imlgcn.data.formats.table_rows import choose_image_column, choose_splits
from imlgcn.data.formats.tables import Table
from imlgcn.data.formats.values import is_missing, judge_values
from imlgcn.errors import InputError

IMAGES = (
    *IMAGE_COLUMNS,
    *("jpg", "jpeg", "png", "webp", "pixelvalues", "imagebytes", "imagedata", "bytes", "content"),
)
Where = Callable[[int], str]  # the start of a message about a row


@dataclass(frozen=True)
class ValueTable:
    """Columns of equal length, what the table is called, and where each row stands."""

    columns: Mapping[str, Sequence[Any]]
    called: str
    at: Where
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of number columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def values(self) -> dict[str, set[Any]]:
        """The distinct values of each column that holds only text, numbers and missing ones."""
        return {
            name: set(cells)
            for name, cells in self.columns.items()
            if all(map(_is_scalar, set(map(type, cells))))
        }

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        binary = {name for name, values in self.values.items() if _is_binary(values)}
        zero = any(0 in map(_number, self.values[name]) for name in binary)
        return {
            name: _texts(self.columns[name], values, "nan" if zero and name in binary else "")
            for name, values in self.values.items()
        }

    def as_text(self, beside: Iterable[str] = ()) -> Table:
        """Return the columns of text and numbers as cells of text, without those in ``beside``."""
        texts = {name: cells for name, cells in self._texts.items() if name not in set(beside)}
        rows = [list(row) for row in zip(*texts.values(), strict=True)] or [[]] * len(self)
        places = [self.at(row) for row in range(len(rows))]
        return JoinedTable(Path(self.called), list(texts), rows, [], places=places)


@dataclass(frozen=True)
class ReadTable:
    """What a table says of its images: the labels, the records, and how they were found."""

    names: list[str]
    records: list[Record]
    columns: str  # "labels are in the column 'tags'"; empty where `how` says it
    how: str  # "labels are lists of names"

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.columns, self.how)))


def image_column(table: ValueTable, options: ReadOptions) -> str:
    """Return the column of images: the one that is named, or holds images, or names files.

    Raises:
        InputError: there is none, or no such column; with the columns there are.
    """
    header = list(table.columns)
    if options.image_column is not None:
        index = named_column(Path(table.called), header, options.image_column, "image_column")
        return header[index]
    for index in known_columns(header, IMAGES):
        if header[index] not in table.values:
            return header[index]
    text = table.as_text()
    finder = ImageFinder(text.path, options.images)
    return text.header[choose_image_column(text, options, finder)]


def read_columns(
    table: ValueTable,
    options: ReadOptions,
    images: Sequence[tuple[str, Path]],
    *,
    beside: Iterable[str] = (),
) -> ReadTable:
    """Return labels and records of a table whose images (name and file of each row) are known.

    Args:
        table: its other columns.
        options: which columns to take, where the user says so.
        images: name and file of every row.
        beside: columns that hold the images.
    """
    text = table.as_text(beside)
    splits = choose_splits(text, options, [])
    taken = [i for i in (splits.column, text.find("group")) if i is not None]
    if options.group_column in text.header:
        taken.append(text.header.index(options.group_column))
    column = _value_column(table, options, {*beside, *(text.header[index] for index in taken)})
    if column is None:
        labels, what = read_labels(text, taken, options), ""
    else:
        schema = table.class_names.get(column)
        cells = judge_values(table.columns[column], options, table.at, schema=schema)
        labels = TableLabels(cells.names, cells.rows, cells.how, [])
        what = f"labels are in the column {column!r}"
    aside = {splits.column, text.find("group"), *labels.columns}
    others = [i for i, name in enumerate(text.header) if i not in aside and name != column]
    groups = text.find("group")
    records = [
        Record(
            *(name, file, tuple(present), tuple(unknown), splits.rows[row]),
            {text.header[i]: text.rows[row][i] for i in others},
            group=None
            if groups is None
            else _text(table.columns[text.header[groups]][row]) or None,
        )
        for row, ((name, file), (present, unknown)) in enumerate(
            zip(images, labels.rows, strict=True)
        )
    ]
    joined = join_rows(records, text.path, options)
    said = [note for note in (labels.how, splits.how, joined.how) if note]
    return ReadTable(labels.names, joined.records, what, "; ".join(said))


def join_tables(
    tables: Sequence[ValueTable], splits: Sequence[str | None], options: ReadOptions
) -> ValueTable:
    """Return the tables of several files as one, with a column of the split of each, if any.

    Raises:
        InputError: they have other columns, or other names of classes.
    """
    first = tables[0]
    for table in tables:
        if differing := sorted(set(table.columns) ^ set(first.columns)):
            raise InputError(
                f"{table.called}: its columns are not those of {first.called}: "
                f"{', '.join(differing[:5])}{', ...' if len(differing) > 5 else ''}"
            )
        if table.class_names != first.class_names:
            raise InputError(
                f"{table.called}: its names of classes are not those of {first.called}; give data "
                "with the same names"
            )
    rows = [(table, row) for table in tables for row in range(len(table))]
    columns = {name: [c for table in tables for c in table.columns[name]] for name in first.columns}
    if any(splits) and options.split_column is None:
        of_table = zip(tables, splits, strict=True)
        columns["split"] = [split for table, split in of_table for _ in range(len(table))]
    return ValueTable(columns, first.called, lambda n: rows[n][0].at(rows[n][1]), first.class_names)


def _value_column(table: ValueTable, options: ReadOptions, taken: set[str]) -> str | None:
    """Return the column of labels that are not text: lists, numbers, mappings; or None."""
    header = [name for name in table.columns if name not in {*taken, *options.fields}]
    if options.label_columns:
        path = Path(table.called)
        names = [*table.columns]
        named = [
            names[named_column(path, names, n, "label_columns")] for n in options.label_columns
        ]
        valued = [name for name in named if _holds_values(table, name, names)]
        if len(named) > 1 and not set(named) <= set(table.values):
            raise InputError(f"{table.called}: of columns with lists name one (label_columns=)")
        return valued[0] if len(named) == 1 and valued else None
    known = [header[index] for index in known_columns(header, LABEL_COLUMNS)]
    exact = [name for name in known if name.lower() == "labels"]
    valued = [name for name in exact or known if _holds_values(table, name, header)]
    texts = [name for name in exact or known if name not in valued]
    if len(valued) + len(texts) > 1 and valued:
        raise InputError(
            f"{table.called}: the columns {valued[0]!r} and {[*valued[1:], *texts][0]!r} could "
            f"both be the labels; say which (label_columns={valued[0]!r})"
        )
    return valued[0] if valued else None


def _holds_values(table: ValueTable, name: str, header: Sequence[str]) -> bool:
    """Return whether a column holds labels that are not text, nor 1 and 0 for one of several."""
    if name in table.class_names or name not in table.values:
        return True
    numbers = {_number(value) for value in table.values[name] if not is_missing(value)}
    if not numbers or None in numbers:
        return False
    others = (table.values.get(other, set()) for other in header if other != name)
    return not _is_binary(table.values[name]) or not any(map(_is_binary, others))


def _is_scalar(kind: type) -> bool:
    """Return whether values of a type are text, numbers, times, or stand for a missing one."""
    known = issubclass(kind, (str, int, float, Path, np.generic, type(None)))
    return known or hasattr(kind, "isoformat") or kind.__name__ in ("NAType", "NaTType")


def _is_binary(values: Iterable[Any]) -> bool:
    """Return whether values are 1, 0, -1 or missing, and not all missing."""
    numbers = {_number(value) for value in values if not is_missing(value)}
    return bool(numbers) and numbers <= {0, 1, -1}


def _number(cell: Any) -> int | float | None:
    """Return the number that a cell is, also one of numpy; None for others."""
    cell = cell.item() if isinstance(cell, np.generic) else cell
    return cell if isinstance(cell, int | float) else None


def _texts(cells: Sequence[Any], values: set[Any], missing: str) -> list[str]:
    """Return cells as text; a missing one as ``missing``."""
    if len({type(value) for value in values} - {type(None)}) > 1:  # 1 and True are equal keys
        return [_text(cell) or missing for cell in cells]
    texts = {value: _text(value) or missing for value in values}
    return [texts[cell] for cell in cells]


def _text(cell: Any) -> str:
    if is_missing(cell):
        return ""
    number = _number(cell)
    if isinstance(number, float) and number.is_integer():
        return str(int(number))  # as pandas writes whole numbers beside missing ones
    return str(cell if number is None else number).strip()
