"""The cells of a table: CSV with any usual separator, TSV, or a sheet of Excel."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from imlgcn.data.formats import excel
from imlgcn.data.formats.column_names import IMAGE_COLUMNS, is_image_name, normal
from imlgcn.data.formats.text_files import MARKS, read_text
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.spreadsheets import bare

SUFFIXES = (".csv", ".tsv", *excel.SUFFIXES)
SEPARATORS = ",;\t|"
COMMENT = re.compile(r"\s*(#|%|//)")
FIRST = 5  # lines, of which one may name the images
LONG = 1_000_000  # signs, more than any such lines have


@dataclass(frozen=True)
class Cells:
    """The lines of a file, the first of which may be a header, and their numbers, for messages."""

    path: Path
    rows: list[list[str]]
    lines: list[int]
    note: str = ""  # about the sheet, for the reader's reason


@dataclass(frozen=True)
class Table:
    """The cells of a file, and the line number at which each row ends, for messages."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    beyond: list[list[str]] = field(default_factory=list)  # cells of each row beyond the header
    note: str = ""

    def find(self, name: str) -> int | None:
        """Return the index of the column ``name``, ignoring case, or None."""
        lowered = [column.lower() for column in self.header]
        return lowered.index(name) if name in lowered else None

    def index(self, name: str) -> int:
        """Return the index of the column ``name``; InputError if there is none."""
        if (index := self.find(name)) is None:
            raise InputError(
                f"{self.path}: has no column {name!r}; it has {', '.join(self.header)}"
            )
        return index

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return list(self._columns[index])

    @cached_property
    def _columns(self) -> list[tuple[str, ...]]:
        return list(zip(*self.rows, strict=True)) or [()] * len(self.header)

    def at(self, row: int) -> str:
        """Return the file and line of a row, as the start of a message."""
        return f"{self.path}, line {self.lines[row]}: "


def is_table(path: Path) -> bool:
    """Return whether a path is a file with the suffix of a table."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_start(path: Path, rows: int = 0) -> list[list[str]]:
    """Return the header and at most ``rows`` rows: enough to recognise a table of gigabytes."""
    try:
        if excel.is_excel(path):
            return excel.read_rows(path, None, rows + 1)[0] or [[]]
        with path.open("rb") as binary:
            encoding = MARKS.get(binary.read(2), "utf-8-sig")
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            filled = (line.rstrip("\r\n") for line in file if line.strip())
            start = without_comments("\n".join(islice(filled, rows + 1 + FIRST)))[0]
        if not start.strip():
            return [[]]
        lines = list(filter(None, start.split("\n")))[: rows + 1]
        cells = list(csv.reader(lines, delimiter=separator_of(start)))
    except (csv.Error, InputError):  # reading the whole file reports what is wrong
        return [[]]
    return [[bare(cell.strip()) for cell in row] for row in cells]


def read_header(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    return read_start(path)[0]


def read_cells(path: Path, sheet: str | None = None, content: bytes | None = None) -> Cells:
    """Return the lines of a file that are not empty; ``sheet`` is for Excel only.

    ``content`` is the text that would be in the file, where there is none.
    """
    if content is None and excel.is_excel(path):
        rows, note = excel.read_rows(path, sheet)
        filled = [(row, line) for line, row in enumerate(rows, start=1) if any(row)]
        return Cells(path, [row for row, _ in filled], [line for _, line in filled], note)
    if sheet is not None:
        raise InputError(f"{path}: has no sheets; leave out sheet=")
    text = re.sub(r"\Asep=.(?=\n)", "", read_text(path, content))  # a line by which Excel reads it
    text, note = without_comments(text)
    parsed = _parsed(text, path)
    if parsed and all(len(row) == 1 for row, _ in parsed) and len(_split(parsed[0][0][0])) > 1:
        parsed = _parsed("\n".join(row[0] for row, _ in parsed), path)  # whole lines in quotes
    return Cells(path, [row for row, _ in parsed], [line for _, line in parsed], note)


def without_comments(text: str) -> tuple[str, str]:
    """Return a table without comments in the lines above its header, and a word about them.

    A line of columns, or of an image, is none. The lines stay, without content.
    """
    lines = text.split("\n")
    number = 0
    while number < len(lines) and (not lines[number] or COMMENT.match(lines[number])):
        if _names_columns(lines[number]):
            break
        number += 1
    comments = sum(map(bool, lines[:number]))
    if not comments:
        return text, ""
    rest = "\n".join([*[""] * number, *lines[number:]])
    return rest, f"left out: {plural(comments, 'line')} of comments"


def _names_columns(line: str) -> bool:
    cells = [cell.strip() for cell in re.split(r"[,;\t|]", line)]
    is_header = len(cells) > 1 and normal(cells[0]) in IMAGE_COLUMNS
    return is_header or any(map(is_image_name, cells))


def _parsed(text: str, path: Path) -> list[tuple[list[str], int]]:
    """Return the cells of each line that is not empty, and its number."""
    stream = io.StringIO(text, newline="")
    rows, line = [], 1
    try:
        reader = csv.reader(stream, delimiter=separator_of(text), strict=True)
        for row in reader:
            row = [bare(cell.strip()) for cell in row]
            if any(row):
                rows.append((row, reader.line_num))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: {_mended(str(error))}") from None
    return rows


def _mended(error: str) -> str:
    """Return what to do about an error of a row that begins with a quote, or is too long."""
    if "unexpected end" in error:
        return "a double quote opens here and is never closed; close it, or write it twice"
    if "expected after" in error:
        return f"something follows a closing double quote ({error}); write quotes in cells twice"
    return error


def _split(cell: str) -> list[str]:
    """Return the cells of a line that stood in quotes; a text of several lines is none."""
    if not cell.isprintable():
        return [cell]
    return next(csv.reader([cell], delimiter=separator_of(cell)), [])


def read_table(path: Path, content: bytes | None = None) -> Table:
    """Return the cells of a file with a header, without empty rows; ``content`` as `read_cells`."""
    cells = read_cells(path, content=content)
    table = with_header(cells)
    refuse_beyond(table)
    return table


def with_header(cells: Cells, *, repeated: Sequence[str] = ()) -> Table:
    """Return a table whose header is the first line; ``repeated`` are names that may recur."""
    path, header = cells.path, cells.rows[0] if cells.rows else []
    once = [column for column in header if column and column not in repeated]
    if len(set(once)) < len(once):
        raise InputError(f"{path}: two columns have the same name: {', '.join(sorted(header))}")
    if len(cells.rows) < 2:
        raise InputError(f"{path}: has no row below its header" if header else f"{path}: is empty")
    width = len(header)
    rows = [(row + [""] * width)[:width] for row in cells.rows[1:]]
    beyond = [row[width:] for row in cells.rows[1:]]
    return Table(path, header, rows, cells.lines[1:], beyond, cells.note)


def refuse_beyond(table: Table) -> None:
    """Refuse a row with more cells than the header has."""
    width = len(table.header)
    for row, more in enumerate(table.beyond):
        if any(more):
            mend = "put a cell that holds a separator in double quotes"
            if width == 1:  # a title, as it seems
                mend = f"remove what is above the header; {table.header[0]!r} was taken for it"
            raise InputError(
                f"{table.at(row)}has {width + len(more)} cells, the header {width}; {mend}"
            )


def separator_of(text: str) -> str:
    """Return the separator of the columns: a comma, a tab, Excel's semicolon, or a bar.

    The first of some lines that names the images or is about one tells; else the first line.
    """
    lines = [line for line in re.split(r"[\r\n]+", text[:LONG])[: FIRST + 1] if line.strip()]

    def fits(separator: str, line: str) -> tuple[int, int]:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
        exact = "image" in map(str.lower, cells)
        known = any(normal(cell) in IMAGE_COLUMNS or is_image_name(cell) for cell in cells)
        if separator == "|" and not known:
            return 0, 0
        return (2 * exact + known) * (len(cells) > 1), len(cells)

    for line in lines:
        best = max(SEPARATORS, key=lambda separator: fits(separator, line))
        if fits(best, line)[0]:
            return best
    first = lines[0] if lines else ""
    return max(SEPARATORS, key=lambda separator: fits(separator, first))
