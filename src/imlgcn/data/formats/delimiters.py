"""One rule for how the labels of an image are written in a cell or a text file.

Every reader whose labels are text takes them apart by :func:`split_cells`, so that the same text
gives the same labels wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imlgcn.config import InputError

LABEL_DELIMITERS = ";|,"

RowLabels = tuple[Sequence[str], Sequence[str]]  # present and unknown labels of an image


@dataclass(frozen=True)
class SplitCells:
    """The labels of a data set, of each of its images, and how they were taken apart."""

    names: list[str]  # sorted
    rows: list[RowLabels]
    how: str  # for the reader's reason, such as "labels are separated by ';'"


def split_cells(
    cells: Sequence[str],
    delimiter: str | None = None,
    where: Callable[[int], str] = lambda row: "",
) -> SplitCells:
    """Take the labels of every image apart.

    Args:
        cells: the text of each image, such as ``sea; ?boat``.
        delimiter: what stands between labels; None = found out from all cells together.
        where: the start of a message about a row, such as ``photos.csv, line 3: ``.

    Raises:
        InputError: the delimiter cannot be told, or a label is both present and unknown.
    """
    if not delimiter:
        delimiter = choose_delimiter(cells, where(0))
    rows = [parse_labels(cell, delimiter, where(row)) for row, cell in enumerate(cells)]
    names = sorted({name for row in rows for part in row for name in part} - {""})
    judged: list[RowLabels] = [
        (present, expand_unknown(present, unknown, names)) for present, unknown in rows
    ]
    return SplitCells(names, judged, f"labels are separated by {delimiter!r}")


def choose_delimiter(cells: Sequence[str], where: str = "") -> str:
    """Return the delimiter between labels: the only candidate that occurs, or ``;``.

    >>> choose_delimiter(["dog|cat", "dog"])
    '|'
    >>> choose_delimiter(["ball, tennis;dog"])
    ';'
    """
    found = [mark for mark in LABEL_DELIMITERS if any(mark in cell for cell in cells)]
    if len(found) <= 1 or ";" in found:
        return found[0] if found else ";"
    raise InputError(
        f"{where}labels contain both '|' and ','; tell which one separates them (delimiter=)"
    )


def parse_labels(
    text: str, delimiters: Iterable[str], where: str = ""
) -> tuple[list[str], list[str]]:
    """Split a cell or a tag file into present and unknown labels.

    ``?cat`` means that cat is unknown. A lone ``?`` means that all labels not listed are, and is
    returned as ``""`` among the unknown.

    >>> parse_labels("dog; ?cat;dog;", ";")
    (['dog'], ['cat'])
    """
    for delimiter in delimiters:
        text = text.replace(delimiter, "\0")
    parts = list(dict.fromkeys(part for raw in text.split("\0") if (part := raw.strip())))
    present = [part for part in parts if not part.startswith("?")]
    unknown = list(dict.fromkeys(part[1:].strip() for part in parts if part.startswith("?")))
    if both := set(present) & set(unknown):
        raise InputError(f"{where}{min(both)!r} is listed as both present and unknown")
    return present, unknown


def expand_unknown(
    present: Sequence[str], unknown: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Return the unknown labels, with a lone ``?`` expanded to every label not present."""
    if "" not in unknown:
        return tuple(unknown)
    return tuple(name for name in names if name not in present)
