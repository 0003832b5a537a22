"""Tables: a column that names the images, and either one column of labels or one for each label.

- A column of labels: ``dog;?cat`` means dog present, cat unknown, all others absent; with a lone
  ``?`` all labels not listed are unknown. How labels are separated is found out. Columns such as
  ``tag1, tag2`` hold one label in each cell; in the last column labels may also be cells of their
  own, beyond the header.
- One column per label: ``1`` present, ``0`` or empty absent, ``-1``, ``?`` or NaN unknown
  (:mod:`.label_columns`). A column with mostly other values is not a label.
- Optional: a split (train, val, test), and ``group`` (any text; images with the same text stay in
  one split). Neither is a label. Further columns are kept in :attr:`Record.fields`.

Usual names of columns are known (:mod:`.column_names`), others are named by the user; a file
without a header is read where it is plain what is what. Files are CSV, TSV or Excel's. Rows of one
image with one label each are joined. Paths are relative to the file's folder (or its ``images/``),
and found below it by name as well (:mod:`.image_files`); backslashes are read as slashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imlgcn.data.formats.base import TABLE_OPTIONS, ReadOptions, Record, Source
from imlgcn.data.formats.column_names import LABEL_COLUMNS, known_columns, named_column
from imlgcn.data.formats.headless import is_data, with_usual_header, without_title
from imlgcn.data.formats.image_files import ImageFinder
from imlgcn.data.formats.label_columns import VALUES, is_label, label_columns
from imlgcn.data.formats.long_tables import join_rows
from imlgcn.data.formats.table_labels import read_labels
from imlgcn.data.formats.table_rows import (
    Splits,
    choose_image_column,
    choose_splits,
    image_names,
    read_groups,
    read_splits,
    splits_of_folders,
)
from imlgcn.data.formats.tables import (
    SUFFIXES,
    Table,
    is_table,
    read_cells,
    read_header,
    read_start,
    read_table,
    separator_of,
    with_header,
)
from imlgcn.data.formats.total_rows import without_other_rows

__all__ = [
    "COLUMNS",
    "NAME",
    "OPTIONS",
    "SUFFIXES",
    "VALUES",
    "Table",
    "image_names",
    "is_label",
    "is_table",
    "label_columns",
    "read",
    "read_groups",
    "read_header",
    "read_splits",
    "read_start",
    "read_table",
    "recognise",
    "separator_of",
]

NAME = "csv"
OPTIONS = (*TABLE_OPTIONS, "sheet")
COLUMNS = ("image", "labels", "split", "group")  # never labels themselves, in any case


@dataclass(frozen=True)
class TableContent:
    """What a table says: label names, records, the columns used and how the labels are written."""

    labels: list[str]
    records: list[Record]
    columns: list[str]
    how: str


def recognise(source: Path | str) -> str | None:
    """Recognise a file by its suffix."""
    path = Path(source)
    return f"the file ends in {path.suffix}" if is_table(path) else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read a table."""
    found = read_content(Path(source), options)
    reason = f"{NAME}: {options.why} and has the columns {', '.join(found.columns)}; {found.how}"
    return Source(found.labels, found.records, NAME, reason)


def read_content(path: Path, options: ReadOptions) -> TableContent:
    """Return what a table says; its columns are those that the options name, or found."""
    table, notes = read_any(path, options)
    finder = ImageFinder(path, options.images)
    table, others = without_other_rows(table, finder, options)
    image = choose_image_column(table, options, finder)
    files = finder.locate(image_names(table, image))
    splits = choose_splits(table, options, [image])
    if splits.column is None and (by_folder := splits_of_folders(files, path)).rows:
        splits = by_folder
    return content_of(table, image, files, splits, options, [*notes, others])


def read_any(path: Path, options: ReadOptions) -> tuple[Table, list[str]]:
    """Return the cells of a file with or without a header, and words about it."""
    cells, title = without_title(read_cells(path, options.sheet))
    if cells.rows and is_data(cells.rows[0]) and options.image_column is None:
        return with_usual_header(cells), [cells.note, title, "it has no header"]
    table = with_header(cells, repeated=_repeated(cells.rows[0] if cells.rows else []))
    return table, [cells.note, title]


def content_of(
    table: Table,
    image: int,
    files: Sequence[Path],
    splits: Splits,
    options: ReadOptions,
    notes: Sequence[str] = (),
) -> TableContent:
    """Return what the cells of a table say.

    Args:
        table: the cells.
        image: the column of images.
        files: the image file of each row.
        splits: of each row.
        options: of the user.
        notes: what is said before, about the file.
    """
    group = table.find("group")
    taken = {image, splits.column, group} - {None}
    if options.group_column is not None and (named := _group(table, options.group_column)) != group:
        taken |= {named}
    labels = read_labels(table, sorted(index for index in taken if index is not None), options)
    others = [
        i
        for i in range(len(table.header))
        if i not in (image, splits.column, group, *labels.columns)
    ]
    images = image_names(table, image)
    rows = zip(
        images,
        files,
        labels.rows,
        splits.rows,
        _fields(table, others),
        read_groups(table),
        strict=True,
    )
    records = [
        Record(name, file, tuple(present), tuple(unknown), part, fields, group=together)
        for name, file, (present, unknown), part, fields, together in rows
    ]
    joined = join_rows(records, table.path, options)
    text = labels.columns if labels.cells and len(labels.columns) == 1 else []
    used = {"image": image, "labels": text[0] if text else None}
    used |= {"split": splits.column, "group": group}
    columns = [_called(table, key, index) for key, index in used.items() if index is not None]
    said = [note for note in (*notes, labels.how, splits.how, joined.how) if note]
    return TableContent(labels.names, joined.records, columns, "; ".join(said))


def _called(table: Table, key: str, index: int) -> str:
    name = table.header[index]
    return key if name.lower() == key else name


def _group(table: Table, name: str) -> int:
    return named_column(table.path, table.header, name, "group_column")


def _repeated(header: Sequence[str]) -> list[str]:
    """Return the names of columns that may occur again: tag, tag, tag."""
    return [header[index] for index in known_columns(header, LABEL_COLUMNS)]


def _fields(table: Table, columns: list[int]) -> list[dict[str, str]]:
    named = [(table.header[index], index) for index in columns if table.header[index]]
    return [{name: row[index] for name, index in named} for row in table.rows]
