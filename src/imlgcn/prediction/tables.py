"""A table in the place of images: the images of its column."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice
from pathlib import Path

from imlgcn.data.image_input import ADDRESS
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.prediction.image_files import start_of, tidy
from imlgcn.spreadsheets import bare

TABLES = {".csv": ",;\t", ".tsv": "\t"}  # with the signs that may separate cells
OTHER_TABLES = frozenset((".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xls"))
COLUMNS = ("image", "file", "filename", "file_name", "path", "filepath", "image_path", "image_id")
SAMPLE = 20  # rows that are looked at


def listed_images(table: Path) -> list[str]:
    """Return the image files that a CSV or TSV names, in its order, each once.

    The column is the one with a usual name (``image``, ``file``, ``path``, ...), or the first whose
    cells end as image files do. Names are relative to the table's folder or its ``images/``, or
    else to the working folder.

    Raises:
        InputError: another kind of table, one that cannot be read, or one without such a column.
    """
    return [_file(table.parent, name) for name in dict.fromkeys(_names(table))]


def each_listed(table: Path) -> Iterator[str]:
    """Yield what `listed_images` returns, a row at a time: an image may come again.

    Raises:
        InputError: as `listed_images`, when it is reached.
    """
    for name, _ in groupby(_names(table)):
        yield _file(table.parent, name)


def _names(table: Path) -> Iterator[str]:
    """Yield the cells of the column of images."""
    if table.suffix.lower() not in TABLES:
        raise InputError(
            f"{table} is a table, not an image: give the images or their folder, or - and a list "
            "of paths on standard input; a .csv with a column 'image' is read"
        )
    rows = _rows(table)
    header = [name.strip() for name in next(rows, [])]
    sample = list(islice(rows, SAMPLE))
    column = _image_column(header, sample)
    if column is None:
        raise InputError(
            f"{table} is a table without a column of images (it has {', '.join(header)}): call the "
            "column 'image', or give the images or their folder"
        )
    for row in chain(sample, rows):
        if len(row) > column and (name := bare(row[column].strip())):
            yield name


def _rows(table: Path) -> Iterator[list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(TABLES[table.suffix.lower()], key=first.count)
            yield from csv.reader(chain([first], file), delimiter=delimiter)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read: {error}") from None


def _image_column(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    names = [name.lower().replace(" ", "_") for name in header]
    known = [names.index(name) for name in COLUMNS if name in names]
    like = [
        index
        for index in range(len(header))
        if rows
        and all(
            len(row) > index and os.path.splitext(row[index].strip())[1].lower() in IMAGE_SUFFIXES
            for row in rows
        )
    ]
    return next(iter([*known, *like]), None)


def _file(folder: Path, name: str) -> str:
    """Return where the table means; beside it if there is no such file anywhere."""
    if ADDRESS.match(name):
        return name
    if os.path.isabs(name):
        return tidy(name)
    beside = tidy(start_of(str(folder)) + name)
    if os.path.isfile(beside):
        return beside
    others = (str(folder / "images" / name), str(Path(name)))
    return next((path for path in others if os.path.isfile(path)), beside)
