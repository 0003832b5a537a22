"""Cells of a CSV that a spreadsheet shows as text, and never computes.

A cell that begins as a formula does gets an apostrophe before it (OWASP, "CSV injection"), which
spreadsheets and this package's readers take away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# the signs of formulas, full-width ones too, and white space that spreadsheets skip before them
FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?\s?%?")


def inert(cell: object) -> object:
    """Return a cell that is not a formula; numbers stay as they are.

    >>> inert("=1+1"), inert("sea"), inert("-0.5"), inert("'=a")
    ("'=1+1", 'sea', '-0.5', "''=a")
    """
    if not isinstance(cell, str) or not FORMULA.match(cell) or NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def inert_rows(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Return the cells of rows, each without a formula."""
    return [[inert(cell) for cell in row] for row in rows]


def bare(cell: str) -> str:
    """Return what :func:`inert` was given.

    >>> bare("'=1+1"), bare("'sea'"), bare("''=a")
    ('=1+1', "'sea'", "'=a")
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
