"""One rule for how the labels of an image are written in a cell or a text file.

Every reader whose labels are text takes them apart by :func:`split_cells`, so that the same text
gives the same labels wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imlgcn.data.formats.cell_lists import read_list, without_brackets
from imlgcn.data.formats.which_delimiter import choose_delimiter, lines_of, spelled_out
from imlgcn.errors import InputError

CLOSING = ("]", "}", ")", ">", "'", '"')

LINES = {"line ends": "\n\r\v\f", "tabs": "\t"}  # separate always

RowLabels = tuple[Sequence[str], Sequence[str]]  # present and unknown labels of an image


@dataclass(frozen=True)
class SplitCells:
    """The labels of a data set, of each of its images, and how they were taken apart."""

    names: list[str]  # sorted
    rows: list[RowLabels]
    how: str  # for the reader's reason, such as "labels are separated by ';'"
    delimiter: str | None = None  # None = cells are lists as programs write them


def split_cells(
    cells: Sequence[str],
    delimiter: str | None = None,
    where: Callable[[int], str] = lambda row: "",
) -> SplitCells:
    """Take the labels of every image apart.

    Args:
        cells: the text of each image, such as ``sea; ?boat``.
        delimiter: what stands between labels, a sign, a sequence or a word such as ``space``; None
            = found out from all cells together. Line ends and tabs separate as well.
        where: the start of a message about a row, such as ``photos.csv, line 3: ``.

    Raises:
        InputError: the delimiter cannot be told, or a label is both present and unknown.
    """
    lists = _lists(cells, where)
    cells = _unwrapped(cells, lists)
    texts = [cell for cell, labels in zip(cells, lists, strict=True) if labels is None]
    if delimiter is not None:
        delimiter = spelled_out(delimiter)
    elif any(texts) or not any(lists):
        delimiter = choose_delimiter(texts, where(0))
    rows = []
    for row, (cell, labels) in enumerate(zip(cells, lists, strict=True)):
        parts = _parts(cell, delimiter or ";") if labels is None else labels
        rows.append(_judge(parts, where(row)))
    names = sorted({name for row in rows for part in row for name in part} - {""})
    if names and all(name[0] == "#" and len(name) > 1 for name in names):
        rows = [_without_hashes(row) for row in rows]
        names = sorted({name[1:] for name in names})
    judged: list[RowLabels] = [
        (present, expand_unknown(present, unknown, names)) for present, unknown in rows
    ]
    if any(labels is not None for labels in lists):
        return SplitCells(names, judged, "labels are lists", None)
    how = "every label begins with '#'" if delimiter == "#" else _separated(cells, delimiter or ";")
    return SplitCells(names, judged, how, delimiter)


def _separated(cells: Sequence[str], delimiter: str) -> str:
    """Return what separates labels in the cells, in words."""
    found = [repr(delimiter)] if any(delimiter in cell.strip() for cell in cells) else []
    found += [
        word
        for word, signs in LINES.items()
        if any(set(signs) & set(cell.strip()) for cell in cells)
    ]
    return f"labels are separated by {' and '.join(found)}" if found else "every entry is one label"


def parse_labels(
    text: str, delimiters: Iterable[str], where: str = ""
) -> tuple[list[str], list[str]]:
    """Split a text into present and unknown labels.

    ``?cat`` means that cat is unknown. A lone ``?`` means that all labels not listed are, and is
    returned as ``""`` among the unknown.

    >>> parse_labels("dog; ?cat;dog;", ";")
    (['dog'], ['cat'])
    """
    parts = [text]
    for delimiter in delimiters:
        parts = [piece for part in parts for piece in _parts(part, delimiter)]
    return _judge(parts, where)


def expand_unknown(
    present: Sequence[str], unknown: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Return the unknown labels, with a lone ``?`` expanded to every label not present."""
    if "" not in unknown:
        return tuple(unknown)
    return tuple(name for name in names if name not in present)


def _lists(cells: Sequence[str], where: Callable[[int], str]) -> list[list[str] | None]:
    """Return the labels of the cells that are lists as programs write them."""
    found: list[list[str] | None] = []
    for row, cell in enumerate(cells):
        try:
            found.append(read_list(cell) if cell.rstrip()[-1:] in CLOSING else None)
        except InputError as error:
            raise InputError(f"{where(row)}{error}") from None
    return found


def _unwrapped(cells: Sequence[str], lists: Sequence[list[str] | None]) -> Sequence[str]:
    """Return the cells without brackets around them, where all are so, or others are lists."""
    inner = [without_brackets(cell) for cell in cells]
    plain = [
        text is not None
        for cell, text, labels in zip(cells, inner, lists, strict=True)
        if labels is None and cell.strip()
    ]
    if not plain or not (all(plain) or any(lists)):
        return cells
    return [cell if text is None else text for cell, text in zip(cells, inner, strict=True)]


def _judge(parts: Iterable[str], where: str) -> tuple[list[str], list[str]]:
    stripped = list(dict.fromkeys(part for raw in parts if (part := raw.strip())))
    present = [part for part in stripped if not part.startswith("?")]
    unknown = list(dict.fromkeys(part[1:].strip() for part in stripped if part.startswith("?")))
    if both := set(present) & set(unknown):
        raise InputError(f"{where}{min(both)!r} is listed as both present and unknown")
    return present, unknown


def _without_hashes(row: tuple[list[str], list[str]]) -> tuple[list[str], list[str]]:
    present, unknown = ([name.removeprefix("#") for name in part] for part in row)
    return present, unknown


def _parts(cell: str, delimiter: str) -> list[str]:
    """Return the parts of a cell, without quotes around them; quotes hide a delimiter."""
    parts = []
    for line in lines_of(cell):
        open_part = ""
        for piece in line.split(delimiter):
            part = f"{open_part}{delimiter}{piece}" if open_part else piece
            stripped = part.strip()
            open_part = ""
            if stripped[:1] in ("'", '"'):
                if len(stripped) > 1 and stripped[-1] == stripped[0]:
                    stripped = stripped[1:-1].strip()
                elif stripped[0] == '"':
                    open_part = part
                    continue
            parts.append(stripped)
        if open_part:
            parts += [piece.strip() for piece in open_part.split(delimiter)]
    return parts
