"""CSV: a column ``image`` and either one column ``labels`` or one column for each label.

- ``labels``: ``dog;?cat`` means dog present, cat unknown, all others absent; with a lone ``?`` all
  labels not listed are unknown. The delimiter is detected among ``;``, ``|`` and ``,``.
- One column per label: ``1`` present, ``0`` or empty absent, ``-1`` or ``?`` unknown. A column with
  mostly other values is not a label.
- Optional: ``split`` (train, val, test), and ``group`` (any text; images with the same text stay in
  one split). Neither is a label. Further columns are kept in :attr:`Record.fields`.

Paths are relative to the file's folder (or its ``images/``), and backslashes are read as slashes.
Other readers of tables use functions of this module.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from imlgcn.config import InputError
from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_text,
    split_name,
)
from imlgcn.data.formats.delimiters import RowLabels, split_cells
from imlgcn.data.formats.image_files import locate
from imlgcn.numbers import plural

NAME = "csv"
SUFFIXES = (".csv", ".tsv")
COLUMNS = ("image", "labels", "split", "group")  # never labels themselves, in any case
VALUES = {
    **dict.fromkeys(("1", "1.0", "true"), 1),
    **dict.fromkeys(("0", "0.0", "false", ""), 0),
    **dict.fromkeys(("-1", "-1.0", "?"), -1),
}


@dataclass(frozen=True)
class Table:
    """The cells of a file, and the line number at which each row ends, for messages."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def find(self, name: str) -> int | None:
        """Return the index of the column ``name``, ignoring case, or None."""
        lowered = [column.lower() for column in self.header]
        return lowered.index(name) if name in lowered else None

    def index(self, name: str) -> int:
        """Return the index of the column ``name``; InputError if there is none."""
        if (index := self.find(name)) is None:
            raise InputError(f"{self.path}: has no column {name!r}; it has {_list(self.header)}")
        return index

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row[index] for row in self.rows]

    def at(self, row: int) -> str:
        """Return the file and line of a row, as the start of a message."""
        return f"{self.path}, line {self.lines[row]}: "


def recognise(source: Path | str) -> str | None:
    """Recognise a file by its suffix."""
    path = Path(source)
    return f"the file ends in {path.suffix}" if is_table(path) else None


def is_table(path: Path) -> bool:
    """Return whether a path is a file with the suffix of a table."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_start(path: Path, rows: int = 0) -> list[list[str]]:
    """Return the header and at most ``rows`` rows: enough to recognise a table of gigabytes."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = list(islice((line for line in file if line.strip()), rows + 1))
    if not lines:
        return [[]]
    try:
        cells = list(csv.reader(lines, delimiter=separator_of(lines[0])))
    except csv.Error:  # reading the whole file reports what is wrong
        return [[]]
    return [[cell.strip() for cell in row] for row in cells]


def read_header(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    return read_start(path)[0]


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read a CSV file."""
    path = Path(source)
    table = read_table(path)
    image, labels = table.index("image"), table.find("labels")
    split, group = table.find("split"), table.find("group")
    taken = {image, labels, split, group} - {None}
    others = [index for index in range(len(table.header)) if index not in taken]
    if labels is not None:
        cells = split_cells(table.column(labels), options.delimiter, table.at)
        names, rows, how = cells.names, cells.rows, cells.how
    else:
        kept = [index for index in others if table.header[index] not in options.fields]
        columns = [index for index in kept if is_label(table.column(index))]
        names, rows, how = label_columns(table, columns)
        others = [index for index in others if index not in columns]
    images = image_names(table, image)
    splits = read_splits(table, split) if split is not None else [None] * len(images)
    files = locate(images, path, options.images)
    records = [
        Record(name, file, tuple(present), tuple(unknown), part, fields, group=together)
        for name, file, (present, unknown), part, fields, together in zip(
            images, files, rows, splits, _fields(table, others), read_groups(table), strict=True
        )
    ]
    found = {"image": image, "labels": labels, "split": split, "group": group}
    columns_used = _list([name for name, index in found.items() if index is not None])
    reason = f"{NAME}: {options.why} and has the columns {columns_used}"
    return Source(names, records, NAME, f"{reason}; {how}")


def read_table(path: Path) -> Table:
    """Return the cells of a file, without empty rows."""
    text = re.sub(r"\Asep=.(?=\r?\n)", "", read_text(path))  # a line by which Excel reads it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    header: list[str] = []
    rows, lines = [], []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not header:
                header = cells
                continue
            if any(cells[len(header) :]):
                raise InputError(
                    f"{path}, line {reader.line_num}: has {len(cells)} cells, the header "
                    f"{len(header)}; put a cell that holds a separator in double quotes"
                )
            rows.append((cells + [""] * len(header))[: len(header)])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None
    if len(set(header)) < len([column for column in header if column]):
        raise InputError(f"{path}: two columns have the same name: {_list(sorted(header))}")
    if not rows:
        raise InputError(f"{path}: has no row below its header" if header else f"{path}: is empty")
    return Table(path, header, rows, lines)


def separator_of(text: str) -> str:
    """Return the separator of the columns: a comma, a tab, or Excel's semicolon."""
    first = text.lstrip("\r\n").split("\n", 1)[0]

    def fits(separator: str) -> tuple[bool, int]:
        header = next(csv.reader([first], delimiter=separator), [])
        return "image" in (cell.strip().lower() for cell in header), len(header)

    return max(",;\t", key=fits)


def is_label(cells: Sequence[str]) -> bool:
    """Return whether most cells of a column are 1, 0, -1, ? or empty."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(cell.lower() in VALUES for cell in filled) >= len(filled)


def label_columns(table: Table, columns: list[int]) -> tuple[list[str], list[RowLabels], str]:
    """Return label names, the labels of each row, and how they were determined."""
    columns = [index for index in columns if table.header[index]]
    if not columns:
        raise InputError(
            f"{table.path}: has neither a column 'labels' nor a column of 1, 0, -1 or ? for each "
            f"label; its columns are {_list(table.header)}"
        )
    judged: list[RowLabels] = []
    for number, row in enumerate(table.rows):
        values = {}
        for index in columns:
            name, cell = table.header[index], row[index]
            if cell.lower() not in VALUES:
                raise InputError(
                    f"{table.at(number)}{cell!r} in column {name!r} is not 1, 0, -1, ? or empty; "
                    f"correct it, or declare that the column is not a label (fields={name!r})"
                )
            values[name] = VALUES[cell.lower()]
        present, unknown = ([name for name in values if values[name] == v] for v in (1, -1))
        judged.append((present, unknown))
    return (
        [table.header[index] for index in columns],
        judged,
        f"labels are {plural(len(columns), 'column')}",
    )


def image_names(table: Table, index: int) -> list[str]:
    """Return the images of all rows, with forward slashes."""
    names = [cell.replace("\\", "/") for cell in table.column(index)]
    if "" in names:
        raise InputError(f"{table.at(names.index(''))}the image is missing")
    return names


def read_splits(table: Table, index: int) -> list[str | None]:
    """Return the split of each row; None where the whole column is empty."""
    cells = table.column(index)
    if not any(cells):
        return [None] * len(cells)
    splits: list[str | None] = []
    for row, cell in enumerate(cells):
        try:
            splits.append(split_name(cell))
        except InputError as error:
            raise InputError(f"{table.at(row)}{error}") from None
    return splits


def read_groups(table: Table) -> list[str | None]:
    """Return the group of each row; None where its cell is empty or there is no such column."""
    index = table.find("group")
    return [None] * len(table.rows) if index is None else [c or None for c in table.column(index)]


def _fields(table: Table, columns: list[int]) -> list[dict[str, str]]:
    named = [(table.header[index], index) for index in columns if table.header[index]]
    return [{name: row[index] for name, index in named} for row in table.rows]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
