r"""A CSV with a column of images under any name and a column of 1 and 0 for each label.

Examples are the multi-label tables of UCM and AID (``IMAGE\LABEL,airplane,...``, with image names
without suffix, in any sub-folder; some copies have a column of row numbers first), and Roboflow's
exports: a folder with a ``_classes.csv`` in each of ``train``, ``valid`` and ``test``, next to the
images.

Columns ``split`` and ``group`` are not labels. A table with a column ``image`` is read by
:mod:`imlgcn.data.formats.csv` instead.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    TABLE_OPTIONS,
    ReadOptions,
    Record,
    Source,
    join_files,
    unwrap,
)
from imlgcn.data.formats.column_names import PROPERTIES, normal
from imlgcn.data.formats.csv import TableContent, read_content
from imlgcn.data.formats.headless import is_data
from imlgcn.data.formats.label_columns import VALUES, number_of
from imlgcn.data.formats.tables import is_table, read_start, read_table
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

NAME = "columns"
OPTIONS = (*TABLE_OPTIONS, "sheet")
ROBOFLOW = "_classes.csv"
NUM_ROWS = 20  # read to recognise a table
NO_LABELS = ("split", "group")


def recognise(source: Path | str) -> str | None:
    """Recognise a table with columns of 1 and 0 after the first, or Roboflow's folder."""
    path = Path(source)
    if path.is_dir():
        files = _roboflow_files(unwrap(path))
        return f"it holds {files[0].parent.name}/{ROBOFLOW}" if files else None
    if not is_table(path):
        return None
    header, *rows = read_start(path, NUM_ROWS)
    if "image" in map(str.lower, header) or not rows or is_data(header):
        return None
    columns = list(zip(*rows, strict=False))
    first = _image_column(header, columns)
    if first is None:
        return None
    rest = list(zip(header, columns, strict=False))[first + 1 :]
    labels = [
        c for name, c in rest if name.lower() not in NO_LABELS and normal(name) not in PROPERTIES
    ]
    if not labels or not all(map(_is_binary, labels)):
        return None
    return f"its column {header[first]!r} is followed by columns of 1 and 0"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one table, or the tables of Roboflow's folders, each a split."""
    path = Path(source)
    files = _roboflow_files(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: has no {ROBOFLOW} in a folder train, valid or test")
    said: list[str] = []

    def read_part(file: Path) -> tuple[list[str], list[Record]]:
        content = _read_file(file, options)
        said.append(content.how)
        records = content.records
        if path.is_dir():
            part = file.parent.name
            split = SPLIT_SPELLINGS[part.lower()]
            records = [replace(r, name=f"{part}/{r.name}", split=split) for r in records]
        return content.labels, records

    names, records = join_files(files, read_part, "labels")
    return Source(names, records, NAME, f"{NAME}: {options.why}; {said[0]}")


def _roboflow_files(folder: Path) -> list[Path]:
    return [
        entry / ROBOFLOW
        for entry in sorted(folder.iterdir())
        if entry.name.lower() in SPLIT_SPELLINGS and (entry / ROBOFLOW).is_file()
    ]


def _image_column(header: Sequence[str], columns: Sequence[Sequence[str]]) -> int | None:
    """Return the first column that is not all numbers; a column of row numbers may precede it."""
    for index, (name, cells) in enumerate(zip(header, columns, strict=False)):
        if name.lower() not in NO_LABELS and not all(map(_is_number, cells)):
            return index
    return None


def _is_number(cell: str) -> bool:
    return cell.lower() in VALUES or number_of(cell) is not None


def _is_binary(cells: Sequence[str]) -> bool:
    return all(cell.lower() in VALUES for cell in cells)


def _read_file(path: Path, options: ReadOptions) -> TableContent:
    """Return the content of a table; names without suffix are those of the files found."""
    if options.image_column is None:
        table = read_table(path)
        columns = [table.column(index) for index in range(len(table.header))]
        image = _image_column(table.header, columns)
        if image is None:
            raise InputError(f"{path}: has no column of images; its columns are {table.header}")
        labels = [
            name
            for name in table.header[image + 1 :]
            if name.lower() not in NO_LABELS and name and name not in options.fields
        ]
        options = replace(options, image_column=table.header[image])
        if not labels:
            raise InputError(f"{path}: has no column of labels; its columns are {table.header}")
    content = read_content(path, options)
    roots = [*options.images, path.absolute().parent]
    return replace(content, records=[_named_by_file(record, roots) for record in content.records])


def _named_by_file(record: Record, roots: Sequence[Path]) -> Record:
    if Path(record.name).suffix.lower() in IMAGE_SUFFIXES:
        return record
    for root in roots:
        if record.path.is_relative_to(root) and os.path.isfile(record.path):
            return replace(record, name=record.path.relative_to(root).as_posix())
    return record
