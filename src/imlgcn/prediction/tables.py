"""A table in the place of images: the images of its column."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from imlgcn.data.image_input import ADDRESS
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
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
    if table.suffix.lower() not in TABLES:
        raise InputError(
            f"{table} is a table, not an image: give the images or their folder, or - and a list "
            "of paths on standard input; a .csv with a column 'image' is read"
        )
    header, rows = _read(table)
    column = _image_column(header, rows)
    if column is None:
        raise InputError(
            f"{table} is a table without a column of images (it has {', '.join(header)}): call the "
            "column 'image', or give the images or their folder"
        )
    names = dict.fromkeys(bare(row[column].strip()) for row in rows if len(row) > column)
    return [_file(table.parent, name) for name in names if name]


def _read(table: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read: {error}") from None
    first = text.partition("\n")[0]
    delimiter = max(TABLES[table.suffix.lower()], key=first.count)
    header, *rows = [*csv.reader(StringIO(text, newline=""), delimiter=delimiter)] or [[]]
    return [name.strip() for name in header], rows


def _image_column(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    names = [name.lower().replace(" ", "_") for name in header]
    known = [names.index(name) for name in COLUMNS if name in names]
    like = [
        index
        for index in range(len(header))
        if rows
        and all(
            len(row) > index and os.path.splitext(row[index].strip())[1].lower() in IMAGE_SUFFIXES
            for row in rows[:SAMPLE]
        )
    ]
    return next(iter([*known, *like]), None)


def _file(folder: Path, name: str) -> str:
    """Return where the table means; beside it if there is no such file anywhere."""
    if ADDRESS.match(name):
        return name
    beside = [folder / name, folder / "images" / name, Path(name)]
    return str(next((path for path in beside if os.path.isfile(path)), beside[0]))
