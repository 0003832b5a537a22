"""The cells of a label table's file: read as spreadsheets write them, and written.

It imports nothing but the standard library: whether a tagger has a table of its own is asked each
time it is loaded.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence

from imlgcn.labels.label_rows import COLUMNS, LabelRow
from imlgcn.spreadsheets import inert

DELIMITERS = ";|,"  # between parents; the first is written
MARKS = ("x", "✓", "✔")
YES = [
    *("yes", "y", "t", "true", "1", "1.0", "on", "ja", "j", "wahr", "oui", "o", "vrai", "si", "sí"),
    *("s", "sì", "verdadero", "vero", "sim", "verdadeiro", "はい", "○", "〇", "◯", "是", "да"),
]
NO = [
    *("no", "n", "f", "false", "0", "0.0", "off", "nein", "falsch", "non", "faux", "-", "falso"),
    *("não", "nao", "いいえ", "×", "✗", "✘", "否", "нет"),
]
ANSWERS = {**dict.fromkeys((*YES, *MARKS), True), **dict.fromkeys(NO, False)}


def table_text(rows: Sequence[LabelRow]) -> str:
    """Return the content of a file with a row for every label."""
    known = {normal(row.label): row.label for row in rows}
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        threshold = "" if row.threshold is None else repr(float(row.threshold))
        parents = _joined(row.parents, known)
        show = "yes" if row.show else "no"
        cells = (row.label, show, row.name, parents, threshold, row.exclusive)
        lines.writerow(map(inert, cells))
    return stream.getvalue()


def normal(label: str) -> str:
    """Return a label as it is compared: spreadsheets may compose accents another way."""
    return unicodedata.normalize("NFC", label.strip())


def parse_show(cell: str, default: bool, problems: list[str]) -> bool:
    """Return a yes or no in one of several languages; an empty cell is ``default``."""
    if not cell:
        return default
    if cell.lower() not in ANSWERS:
        problems.append(f"show is yes or no, not {cell!r}")
    return ANSWERS.get(cell.lower(), True)


def parse_threshold(cell: str, problems: list[str]) -> float | None:
    """Return a number such as 0.5, 0,5 or 50 %; its range is checked with the whole table."""
    if not cell:
        return None
    text = cell.replace(",", ".").replace("\u00a0", " ")
    try:
        percent = text.endswith("%")
        return float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        problems.append(f"threshold is a number from 0 to 1, not {cell!r}")
        return None


def parse_parents(cell: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the labels of a cell: itself, or what one of the delimiters makes of it."""
    ways = [[cell], *(cell.split(mark) for mark in DELIMITERS if mark in cell)]
    ways = [[part.strip() for part in way if part.strip()] for way in ways]
    fitting = (way for way in ways if all(normal(part) in known for part in way))
    likely = ways[1] if len(ways) > 1 else ways[0]
    chosen = next(fitting, likely)
    return tuple(dict.fromkeys(known.get(normal(part), part) for part in chosen))


def _joined(parents: Sequence[str], known: Mapping[str, str]) -> str:
    """Return a cell that is read as these parents."""
    cells = [mark.join(parents) for mark in DELIMITERS]
    return next((cell for cell in cells if parse_parents(cell, known) == tuple(parents)), cells[0])
