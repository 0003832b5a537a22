"""The file of a label table: a CSV with one row per label, as a spreadsheet writes it.

``label`` is the only column that must be there; a label without a row, and an empty cell, have the
defaults of :class:`imlgcn.labels.label_rows.LabelRow`. A file is read as data are: with commas,
semicolons or tabs, with a byte order mark or without. Everything that is wrong with it is said at
once, with its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.csv import Table, read_table
from imlgcn.errors import InputError, nearest
from imlgcn.files import write_atomic
from imlgcn.labels.label_cells import (
    MARKS,
    normal,
    parse_parents,
    parse_show,
    parse_threshold,
    table_text,
)
from imlgcn.labels.label_rows import COLUMNS, LabelRow, find_problems
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import plural

Found = list[tuple[int, str]]  # problems: row of the file, sentence


def read_label_table(path: str | Path, labels: Sequence[str] | None) -> LabelTable:
    """Read the table of a tagger's, or of a data set's, ``labels``; None: those that it lists.

    Raises:
        InputError: the file cannot be read, or has wrong rows; all of them are named, with lines.
    """
    table, problems = check_label_table(path, labels)
    if table is not None:
        return table
    count = plural(len(problems), "problem")
    more = f"{count}: " if len(problems) > 1 else ""
    raise InputError(f"{path}: {more}{'; '.join(problems)}")


def check_label_table(
    path: str | Path, labels: Sequence[str] | None, content: bytes | None = None
) -> tuple[LabelTable | None, tuple[str, ...]]:
    """Return the table in a file, and no problems; or None, and a sentence for each problem.

    ``content`` is what would be in the file, where there is none: ``path`` then only names it.

    Raises:
        InputError: it is not a table at all: not there, not text, or without a column ``label``.
    """
    path = Path(path)
    if content is None and not path.is_file():
        raise InputError(f"no file {path}; label_table= takes a CSV with a column 'label'")
    cells = read_table(path, content)
    _check_columns(cells)
    if labels is None:
        labels = list(dict.fromkeys(filter(None, cells.column(cells.index("label")))))
    found: Found = []
    rows = _rows(cells, labels, found)
    listed = {row.label: number for number, row in rows.items()}
    whole = [rows[listed[name]] if name in listed else LabelRow(name) for name in labels]
    for position, message in find_problems(whole):
        found.append((listed[labels[position]], message))
    if not found:
        return LabelTable(tuple(whole)), ()
    return None, tuple(f"line {cells.lines[row]}: {text}" for row, text in sorted(found))


def write_label_table(path: str | Path, table: LabelTable) -> None:
    """Write a table with a row for every label, in one step."""
    write_atomic(path, table_text(table.rows))


def _check_columns(cells: Table) -> None:
    cells.index("label")
    for name in cells.header:
        if name and name.lower() not in COLUMNS:
            raise InputError(
                f"{cells.path}: has a column {name!r}{nearest(name.lower(), COLUMNS)}; "
                f"the columns of a label table are {', '.join(COLUMNS)}"
            )


def _rows(cells: Table, labels: Sequence[str], found: Found) -> dict[int, LabelRow]:
    """Return the rows of known labels, and add what is wrong with any to ``found``."""
    known = {normal(label): label for label in reversed(labels)}
    columns = {name: cells.column(i) for name in COLUMNS if (i := cells.find(name)) is not None}
    empty = [""] * len(cells.rows)
    shows = columns.get("show", empty)
    marked = {cell.lower() for cell in shows if cell} <= set(MARKS) and any(shows)
    rows: dict[int, LabelRow] = {}
    first: dict[str, int] = {}  # label -> its first row
    for number, cell in enumerate(columns["label"]):
        label = known.get(normal(cell))
        if label is None:
            what = f"unknown label {cell!r}{nearest(cell, labels)}" if cell else "no label"
            found.append((number, what))
            continue
        if label in first:
            line = cells.lines[first[label]]
            found.append((number, f"the label {label!r} has a row in line {line} already"))
            continue
        first[label] = number
        texts = {name: columns.get(name, empty)[number] for name in COLUMNS}
        problems: list[str] = []
        rows[number] = LabelRow(
            label,
            parse_show(texts["show"], not marked, problems),
            texts["name"],
            parse_parents(texts["parents"], known),
            parse_threshold(texts["threshold"], problems),
            texts["exclusive"],
        )
        found += [(number, f"{problem} (label {label!r})") for problem in problems]
    return rows
