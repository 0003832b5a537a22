"""Rows of a table that are about no image: totals and comments."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.image_files import ImageFinder
from imlgcn.data.formats.table_rows import choose_image_column
from imlgcn.data.formats.tables import COMMENT, Table
from imlgcn.numbers import first_of, plural

TOTALS = (
    *("total", "totals", "grand total", "subtotal", "sum", "sums", "count", "counts", "average"),
    *("mean", "summe", "gesamt", "gesamtsumme", "zwischensumme", "insgesamt", "anzahl", "mittel"),
    *("mittelwert", "durchschnitt", "somme", "moyenne", "nombre", "suma", "promedio", "totale"),
    *("somma", "media", "totaal", "aantal", "soma", "razem", "итого", "всего", "合計", "总计"),
    "总和",
)
TOTAL = re.compile(
    rf"\W*({'|'.join(TOTALS)})(\W+(images?|photos?|fotos?|bilder|files))?[\W\d_]*", re.IGNORECASE
)


def without_other_rows(
    table: Table, finder: ImageFinder, options: ReadOptions
) -> tuple[Table, str]:
    """Return the table without rows of totals and comments, and a word about these.

    Such a row begins with a word for a total, or is a comment alone, in the column of the images or
    with nothing there. It is left in where a file is called so.
    """
    totals = _rows_of(table, lambda filled: bool(TOTAL.fullmatch(filled[0])))
    comments = _rows_of(table, lambda filled: len(filled) == 1 and bool(COMMENT.match(filled[0])))
    if not (found := {**totals, **comments}) or len(found) == len(table.rows):
        return table, ""
    image = choose_image_column(_without(table, found), options, finder)
    files = finder.find(list(found.values()))
    found = {
        row: cell
        for (row, cell), file in zip(found.items(), files, strict=True)
        if file is None and table.rows[row][image] in ("", cell)  # a label may be called so
    }
    if not found:
        return table, ""
    named = first_of(list(dict.fromkeys(found.values())))
    about = f"left out: {plural(len(found), 'row')} about no image ({named})"
    return _without(table, found), about


def _without(table: Table, rows: Collection[int]) -> Table:
    kept = [row for row in range(len(table.rows)) if row not in rows]
    return replace(
        table,
        rows=[table.rows[row] for row in kept],
        lines=[table.lines[row] for row in kept],
        beyond=[table.beyond[row] for row in kept] if table.beyond else [],
    )


def _rows_of(table: Table, fits: Callable[[Sequence[str]], bool]) -> dict[int, str]:
    """Return the first cell of the rows whose cells that are not empty fit."""
    first = {}
    for number, row in enumerate(table.rows):
        filled = [cell for cell in row if cell]
        if filled and fits(filled):
            first[number] = filled[0]
    return first
