"""Cells that hold a 1 or 0 for each label, such as ``0 1 0``, ``[0, 1, 0]`` or ``010``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.delimiters import RowLabels
from imlgcn.data.formats.label_numbers import read_label_names
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NUMBERS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "0.": 0, "1.": 1}


def find_vectors(cells: Sequence[str]) -> list[list[int]] | None:
    """Return the vectors of all cells, of one length of at least 2; None where they are others.

    A cell such as ``0 1`` may name the labels 0 and 1: a number must come twice in some cell.

    >>> find_vectors(["[0 1 1]", "[1 0 0]"]), find_vectors(["0 1", "1"])
    ([[0, 1, 1], [1, 0, 0]], None)
    """
    parts = [re.findall(r"[^\s,;|]+", cell.strip("[]() ")) for cell in cells]
    if all(len(row) == 1 and re.fullmatch("[01]{3,}", row[0]) for row in parts):
        parts = [list(row[0]) for row in parts]
    width = len(parts[0]) if parts else 0
    if width < 2 or any(len(row) != width for row in parts):
        return None
    if not all(part in NUMBERS for row in parts for part in row):
        return None
    if all(len(set(row)) == width for row in parts):
        return None
    return [[NUMBERS[part] for part in row] for row in parts]


def name_vectors(
    vectors: Sequence[Sequence[int]],
    path: Path,
    column: str,
    label_names: Path | Sequence[str] | None,
) -> tuple[list[str], list[RowLabels], str]:
    """Return names, labels of each row and how, of vectors and the names that the user gives.

    Raises:
        InputError: there are no names, or not as many as numbers in a vector.
    """
    width = len(vectors[0])
    if label_names is None:
        raise InputError(
            f"{path}: each cell of the column {column!r} has a 1 or 0 for each of {width} labels; "
            "give their names in this order, one a line (label_names=FILE)"
        )
    given = read_label_names(label_names) if isinstance(label_names, Path) else label_names
    names = list(given.values()) if isinstance(given, dict) else list(given)
    if len(names) != width:
        raise InputError(
            f"{path}: has a 1 or 0 for each of {width} labels in {column!r}; label_names= has "
            f"{plural(len(names), 'name')}"
        )
    rows: list[RowLabels] = [
        ([name for name, value in zip(names, row, strict=True) if value], []) for row in vectors
    ]
    return names, rows, f"labels are the places of a vector in {column!r}"
