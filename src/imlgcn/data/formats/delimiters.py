"""One rule for how the labels of an image are written in a cell or a text file.

Every reader whose labels are text takes them apart by :func:`split_cells`, so that the same text
gives the same labels wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imlgcn.config import InputError
from imlgcn.data.formats.cell_lists import read_list, without_brackets
from imlgcn.data.formats.combined import combination
from imlgcn.numbers import plural

LABEL_DELIMITERS = ";|,"
ALWAYS = ("\n", "\r", "\t", "\v", "\f")  # in no name: they separate wherever they are
WORDS = {
    "space": " ",
    "tab": "\t",
    "comma": ",",
    "semicolon": ";",
    "bar": "|",
    "pipe": "|",
    "slash": "/",
    "hash": "#",
    "line": "\n",
    "newline": "\n",
}
CLOSING = ("]", "}", ")", ">", "'", '"')
ENTITY = re.compile(r"&#?\w+;")  # &amp; is no delimiter

RowLabels = tuple[Sequence[str], Sequence[str]]  # present and unknown labels of an image


@dataclass(frozen=True)
class SplitCells:
    """The labels of a data set, of each of its images, and how they were taken apart."""

    names: list[str]  # sorted
    rows: list[RowLabels]
    how: str  # for the reader's reason, such as "labels are separated by ';'"
    delimiter: str | None  # None = cells are lists as programs write them


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
    how = (
        "every label begins with '#'"
        if delimiter == "#"
        else f"labels are separated by {delimiter!r}"
    )
    return SplitCells(names, judged, how, delimiter)


def spelled_out(delimiter: str) -> str:
    r"""Return a delimiter as it stands in the data; it may be given as a word or escaped.

    >>> spelled_out("space"), spelled_out(r"\t"), spelled_out(", ")
    (' ', '\t', ', ')
    """
    if delimiter == "":
        raise InputError("delimiter= takes a sign such as ';', or a word such as space; got none")
    return WORDS.get(delimiter.lower(), delimiter.replace(r"\t", "\t").replace(r"\n", "\n"))


def choose_delimiter(cells: Sequence[str], where: str = "") -> str:
    """Return the delimiter between labels; ``;`` if there is none.

    ``;`` wins; of ``|`` and ``,`` only one may occur. A slash or a space separates where the words
    recur in other companies, ``#`` where every label begins with it.

    >>> choose_delimiter(["dog|cat", "dog"])
    '|'
    >>> choose_delimiter(["ball, tennis;dog"])
    ';'
    >>> choose_delimiter(["sea sun", "sun", "sea boat sun", "boat sea sun", "boat", "boat sun"])
    ' '

    Raises:
        InputError: both ``|`` and ``,`` occur.
    """
    lines = [line for cell in cells for line in _lines(cell)]
    found = {mark: number for mark in LABEL_DELIMITERS if (number := _count(mark, lines))}
    if len(found) == 1 or ";" in found:
        return next(iter(found))
    if len(found) > 1:
        marks = " and ".join(map(repr, found))
        options = " or ".join(
            f"delimiter={mark!r} (in {plural(number, 'image')})" for mark, number in found.items()
        )
        raise InputError(
            f"{where}labels contain both {marks}; tell which separates them: {options}"
        )
    signs = "/ " if len(lines) <= len(cells) else ""  # with a label a line, spaces are inside
    if _are_hashed(lines):
        return "#"
    certain = (s for s in signs if (each := combination(lines, s)) and each.certain)
    return next(certain, ";")


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


def _lines(cell: str) -> list[str]:
    """Return the parts of a text between signs that separate wherever they are."""
    for sign in ALWAYS[1:]:
        cell = cell.replace(sign, "\n")
    return [line for raw in cell.split("\n") if (line := raw.strip())]


def _parts(cell: str, delimiter: str) -> list[str]:
    """Return the parts of a cell, without quotes around them; quotes hide a delimiter."""
    parts = []
    for line in _lines(cell):
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


def _count(mark: str, lines: Sequence[str]) -> int:
    """Return in how many texts a mark stands between labels, not in ``;)`` or ``&amp;``."""
    sign = re.escape(mark)
    between = re.compile(
        rf"[^\s:;,|/\\^=<>@(]\s*{sign}(?=\s*(?:[^\s;,|/\\)=<>^]|{sign}|$))|^\s*{sign}"
    )
    return sum(mark in line and bool(between.search(ENTITY.sub("_", line))) for line in lines)


def _are_hashed(lines: Sequence[str]) -> bool:
    every = all(word.startswith("#") and len(word) > 1 for line in lines for word in line.split())
    return every and any(line.count("#") > 1 for line in lines)
