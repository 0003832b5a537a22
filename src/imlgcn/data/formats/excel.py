"""A sheet of an Excel file, by openpyxl."""

from __future__ import annotations

import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from imlgcn.data.formats.column_names import IMAGE_COLUMNS, is_image_name, normal
from imlgcn.errors import InputError, unknown_name

SUFFIXES = (".xlsx", ".xlsm")
FIRST = 5  # lines, of which one may name the images


def is_excel(path: Path) -> bool:
    """Return whether a file has the suffix of Excel."""
    return path.suffix.lower() in SUFFIXES


def read_rows(
    path: Path, sheet: str | None = None, num_rows: int | None = None
) -> tuple[list[list[str]], str]:
    """Return the cells of a sheet as text, and which sheet it is where there are several.

    Args:
        path: the file.
        sheet: the sheet's name; None = the only one whose first line names images.
        num_rows: read no more.

    Raises:
        InputError: openpyxl is not installed, the file is damaged, or the sheet has to be named.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path}: Excel files need openpyxl: pip install 'imlgcn[excel]', or save the sheet as "
            "CSV"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever the damaged zip or XML gives
        raise InputError(f"{path}: cannot be read as an Excel file ({error})") from None
    try:
        names = book.sheetnames
        name = sheet if sheet is not None else _sheet_of_images(path, book)
        if name not in names:
            raise unknown_name(f"sheet of {path} (sheet=)", name, names)
        rows = [
            [_text(cell) for cell in row]
            for row in islice(book[name].iter_rows(values_only=True), num_rows)
        ]
    finally:
        book.close()
    return [_without_end(row) for row in rows], f"its sheet {name!r}" if len(names) > 1 else ""


def _sheet_of_images(path: Path, book: Any) -> str:
    """Return the only sheet, or the only one whose first line names images."""
    if len(book.sheetnames) == 1:
        return str(book.sheetnames[0])
    found = []
    for name in book.sheetnames:
        first = islice(book[name].iter_rows(values_only=True), FIRST)
        cells = [_text(cell) for row in first for cell in row]
        if any(normal(cell) in IMAGE_COLUMNS or is_image_name(cell) for cell in cells):
            found.append(name)
    if len(found) != 1:
        listed = ", ".join(found or book.sheetnames)
        raise InputError(f"{path}: holds several sheets ({listed}); name one (sheet=NAME)")
    return str(found[0])


def _text(cell: Any) -> str:
    """Return a cell as a CSV would have it.

    >>> _text(1.0), _text(True), _text(None), _text(0.5)
    ('1', 'True', '', '0.5')
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date):
        return cell.isoformat()
    return str(cell).strip()


def _without_end(row: list[str]) -> list[str]:
    """Return a row without the empty cells at its end, of which Excel has many."""
    while row and not row[-1]:
        row = row[:-1]
    return row
