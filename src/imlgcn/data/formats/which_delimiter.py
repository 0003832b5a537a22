"""Which sign separates the labels of an image: found out from all texts, or given by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from imlgcn.data.formats.combined import combination
from imlgcn.errors import InputError
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
ENTITY = re.compile(r"&#?\w+;")  # &amp; is not a delimiter


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
    lines = [line for cell in cells for line in lines_of(cell)]
    found = {mark: number for mark in LABEL_DELIMITERS if (number := _count(mark, lines))}
    if len(lines) > len(cells):  # lines separate: a comma does as well, others are part of a name
        found = {m: number for m, number in found.items() if m == "," or 2 * number >= len(lines)}
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


def lines_of(cell: str) -> list[str]:
    """Return the parts of a text between signs that separate wherever they are."""
    for sign in ALWAYS[1:]:
        cell = cell.replace(sign, "\n")
    return [line for raw in cell.split("\n") if (line := raw.strip())]


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
