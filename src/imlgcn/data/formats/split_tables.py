"""A folder with one table for each split: ``train.csv, val.csv`` or ``train/labels.csv``.

Images are beside the tables, in folders called as they are, or below. A table without labels, such
as the test of a competition, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    TABLE_OPTIONS,
    ReadOptions,
    Source,
    split_of_name,
    unwrap,
)
from imlgcn.data.formats.column_names import IMAGE_COLUMNS, is_image_name, normal, number_and_name
from imlgcn.data.formats.csv import TableContent, content_of, read_any
from imlgcn.data.formats.headless import is_data
from imlgcn.data.formats.image_files import ImageFinder
from imlgcn.data.formats.table_rows import Splits, choose_image_column, choose_splits, image_names
from imlgcn.data.formats.tables import Table, is_table, read_start
from imlgcn.data.formats.total_rows import without_other_rows
from imlgcn.errors import InputError

NAME = "tables"
OPTIONS = (*TABLE_OPTIONS, "sheet")
SAMPLE = "submission"  # in the name of a sample of what a competition wants
NO_LABELS = {"id", "index", "unnamed0", "width", "height", ""}  # besides the images


ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class JoinedTable(Table):
    """The rows of several files with the same columns."""

    places: Sequence[str] = field(default_factory=tuple)  # file and line of each row

    def at(self, row: int) -> str:
        """Return the file and line of a row, as the start of a message."""
        return self.places[row]


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with several tables, each called as a split or in a folder that is."""
    path = Path(source)
    if not path.is_dir():
        return None
    folder = unwrap(path)
    files, _ = find_tables(folder)
    if len(files) < 2:
        return None
    return f"it holds {', '.join(file.relative_to(folder).as_posix() for file in files)}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the tables, each a split."""
    folder = unwrap(Path(source))
    files, without = find_tables(folder)
    if not files:
        raise InputError(f"{folder}: holds no tables called as train, val or test; give one table")
    content = _read(folder, files, options)
    reason = f"{NAME}: {options.why}, the splits; {content.how}"
    if without:
        reason += f"; left out: {', '.join(file.name for file in without)} without labels"
    return Source(content.labels, content.records, NAME, reason)


def find_tables(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the tables of different splits in a folder; and those of splits without labels."""
    beside = [file for file in sorted(folder.iterdir()) if is_table(file)]
    inside = [
        file
        for part in sorted(folder.iterdir())
        if part.is_dir() and part.name.lower() in SPLIT_SPELLINGS
        for file in sorted(part.iterdir())
        if is_table(file)
    ]
    for files in (beside, inside):
        listed = [file for file in files if _split_of(file, folder) and lists_images(file)]
        labelled = [file for file in listed if has_labels(file)]
        labelled.sort(key=lambda file: ORDER.index(_split_of(file, folder) or ""))
        splits = [_split_of(file, folder) for file in labelled]
        if len(set(splits)) == len(splits) and len(splits) > 1:
            return labelled, [file for file in listed if file not in labelled]
    return [], []


def lists_images(path: Path) -> bool:
    """Return whether a table's first lines name images and say something about them."""
    header, *rows = read_start(path, 5)
    if is_data(header):
        return True
    images = any(normal(name) in IMAGE_COLUMNS for name in header)
    images = images or any(is_image_name(cell) for row in rows for cell in row)
    return images and number_and_name(header) is None and SAMPLE not in path.stem.lower()


def has_labels(path: Path) -> bool:
    """Return whether a table has columns besides those of images and their sizes."""
    header = read_start(path)[0]
    others = {normal(name) for name in header} - {*IMAGE_COLUMNS, *NO_LABELS}
    return is_data(header) or bool(others)


def _split_of(file: Path, folder: Path) -> str | None:
    if file.parent == folder:
        return split_of_name(file)
    return SPLIT_SPELLINGS[file.parent.name.lower()]


def _read(folder: Path, files: Sequence[Path], options: ReadOptions) -> TableContent:
    read, notes = zip(*(read_any(file, options) for file in files), strict=True)
    finders = [ImageFinder(file, options.images) for file in files]
    pairs = zip(read, finders, strict=True)
    tables, others = zip(*(without_other_rows(*pair, options) for pair in pairs), strict=True)
    image = choose_image_column(tables[0], options, finders[0])
    header = tables[0].header
    rows, beyond, places, where, splits = [], [], [], [], []
    for file, table, finder in zip(files, tables, finders, strict=True):
        order = _order(file, table, header)
        names = image_names(table, order[image])
        where += finder.locate(names)
        own = choose_splits(table, options, [order[image]])
        splits += own.rows if own.column is not None else [_split_of(file, folder)] * len(names)
        start = "" if file.parent == folder else f"{file.parent.name}/"
        for name, row in zip(names, table.rows, strict=True):
            cells = [row[index] for index in order]
            cells[image] = start + name
            rows.append(cells)
        beyond += table.beyond
        places += [table.at(row) for row in range(len(names))]
    joined = JoinedTable(folder, header, rows, [0] * len(rows), beyond, places=places)
    column = choose_splits(tables[0], options, [image]).column
    said = [
        note for note in dict.fromkeys(note for some in (*notes, others) for note in some) if note
    ]
    return content_of(joined, image, where, Splits(splits, column), options, said)


def _order(file: Path, table: Table, header: Sequence[str]) -> list[int]:
    """Return where the columns of ``header`` are in a table, which must have the same."""
    if table.header == header:
        return list(range(len(header)))
    if sorted(table.header) != sorted(header):
        differing = ", ".join(sorted({*table.header} ^ {*header})[:5])
        raise InputError(
            f"{file}: its columns are not those of the other tables: {differing}; give one of "
            "them, or make the columns the same"
        )
    return [table.header.index(name) for name in header]
