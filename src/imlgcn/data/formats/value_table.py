"""Tables whose cells are values: from JSON lines, parquet, or Python objects.

The columns of images, labels, splits and groups are known by their usual names; a table without a
column of labels may have one of 1 and 0 for each label. All other columns with text or numbers are
kept in :attr:`Record.fields`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imlgcn.config import InputError
from imlgcn.data.formats.base import ReadOptions, Record, split_name
from imlgcn.data.formats.delimiters import SplitCells
from imlgcn.data.formats.values import code_rows, is_missing, judge_values

IMAGES = (
    *("image", "file_name", "filename", "path", "filepath", "file_path", "image_path", "img"),
    *("image_file", "file", "images", "jpg", "png", "pixel_values"),
)
LABELS = (
    *("labels", "label", "tags", "tag", "classes", "class", "category", "categories"),
    *("label_names", "label_ids", "objects", "annotations", "target", "targets", "keywords"),
)
SPLITS = ("split", "partition", "set", "subset", "fold_name")
GROUPS = ("group",)
NO_LABELS = ("is_valid", "valid", "sex", "gender", "age", "width", "height", "id", "index", "fold")


@dataclass(frozen=True)
class ValueTable:
    """Columns of equal length, what the table is called, and where each row stands."""

    columns: Mapping[str, Sequence[Any]]
    called: str
    at: Callable[[int], str]  # the start of a message about a row
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of number columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def find(self, usual: Sequence[str], given: str | None) -> str | None:
        """Return the column ``given``, or else the first with a usual name, in any case."""
        if given is not None:
            if given in self.columns:
                return given
            near = difflib.get_close_matches(given, self.columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"{self.called}: has no column {given!r}; {hint}{self.listed()}")
        lowered = {name.lower().replace(" ", "_"): name for name in reversed(list(self.columns))}
        return next((lowered[name] for name in usual if name in lowered), None)

    def listed(self) -> str:
        """Return "its columns are a, b"."""
        return f"its columns are {', '.join(self.columns) or 'none'}"


@dataclass(frozen=True)
class ReadTable:
    """What a table says of its images: the labels, the records, and how they were found."""

    names: list[str]
    records: list[Record]
    columns: str  # "labels are in the column 'tags'"
    how: str  # "labels are lists of names"


def image_column(table: ValueTable, options: ReadOptions) -> str:
    """Return the column of images; InputError lists the columns if there is none."""
    found = table.find(IMAGES, options.image_column)
    if found is None:
        raise InputError(
            f"{table.called}: has no column of images by a usual name (image, file_name, path, "
            f"...); {table.listed()}; say which it is (image_column=)"
        )
    return found


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
    split = table.find(SPLITS, options.split_column)
    group = table.find(GROUPS, None)  # load_dataset takes a column that the user names
    aside = {*beside, *options.fields, *filter(None, (split, group))}
    cells, used, what = _labels(table, options, aside)
    others = [name for name in table.columns if name not in {*aside, *used} - set(options.fields)]
    others = [name for name in others if all(map(_is_scalar, table.columns[name]))]
    splits = [None] * len(table) if split is None else _splits(table, split)
    records = []
    for row, ((name, file), (present, unknown)) in enumerate(zip(images, cells.rows, strict=True)):
        together = None if group is None else table.columns[group][row]
        fields = {other: _text(table.columns[other][row]) for other in others}
        records.append(
            Record(
                *(name, file, tuple(present), tuple(unknown), splits[row], fields),
                group=_text(together) or None,
            )
        )
    return ReadTable(cells.names, records, what, cells.how)


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
                f"{table.called}: its columns are not those of {first.called}: {_list(differing)}"
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


def _labels(
    table: ValueTable, options: ReadOptions, aside: set[str]
) -> tuple[SplitCells, list[str], str]:
    """Return the labels of all rows, their columns, and which these are."""
    given = list(options.label_columns)
    for name in given:
        table.find((), name)
    single = given[0] if len(given) == 1 else None
    if not given:
        free = ValueTable(
            {k: v for k, v in table.columns.items() if k not in aside}, table.called, table.at
        )
        single = free.find(LABELS, None)
    if single is not None and not (given and _is_binary(table, single)):
        schema = table.class_names.get(single)
        cells = judge_values(table.columns[single], options, table.at, schema=schema)
        return cells, [single], f"labels are in the column {single!r}"
    columns = given or [
        name
        for name in table.columns
        if name not in aside and name.lower() not in NO_LABELS and _is_binary(table, name)
    ]
    if not columns:
        raise InputError(
            f"{table.called}: has neither a column of labels by a usual name (labels, tags, ...) "
            f"nor one of 1 and 0 for each label; {table.listed()}; say which it is (label_columns=)"
        )
    rows = [
        {name: _number(table.columns[name][row]) for name in columns} for row in range(len(table))
    ]
    cells = SplitCells(columns, code_rows(rows, options, table.at), "one for each label")
    return cells, columns, f"labels are the columns {_list(columns)}"


def _is_binary(table: ValueTable, name: str) -> bool:
    cells = table.columns[name]
    filled = [cell for cell in map(_number, cells) if cell is not None]
    return bool(filled) and name not in table.class_names and all(x in (0, 1, -1) for x in filled)


def _number(cell: Any) -> Any:
    """Return the number that a cell holds; None for an empty one, the cell itself for others."""
    if hasattr(cell, "item") and not isinstance(cell, str):
        cell = cell.item()
    if is_missing(cell) or cell == "":
        return None
    words = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": -1, "?": -1}
    return words.get(cell.strip().lower(), cell) if isinstance(cell, str) else cell


def _splits(table: ValueTable, column: str) -> list[str | None]:
    cells = [_text(cell) for cell in table.columns[column]]
    splits: list[str | None] = []
    for row, cell in enumerate(cells):
        try:
            splits.append(split_name(cell) if any(cells) else None)
        except InputError as error:
            raise InputError(f"{table.at(row)}{error}") from None
    return splits


def _is_scalar(cell: Any) -> bool:
    return is_missing(cell) or isinstance(cell, str | int | float) or hasattr(cell, "isoformat")


def _text(cell: Any) -> str:
    return "" if is_missing(cell) else str(cell)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
