"""The places of a label below its parents, as photo managers and file systems write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from imlgcn.labels.label_table import LabelTable

MOST_PATHS = 50  # of one label: every second parent may double them

Path = tuple[str, ...]  # from the top: ("animal", "mammal", "dog")


class NamedPaths(NamedTuple):
    """What users read for a label, and each of its places below others, itself last."""

    name: str
    paths: tuple[Path, ...]


def paths_of(table: LabelTable) -> Callable[[str], NamedPaths]:
    """Return a function from a label to its name and its paths, in the names that users read.

    A label with several parents has several paths, at most :data:`MOST_PATHS`. Hidden labels are
    left out of them, and a label that is called as its parent is not a level of its own.

    >>> from imlgcn.labels.label_rows import LabelRow
    >>> dog = LabelRow("dog", name="Hund", parents=("pet", "mammal"))
    >>> paths_of(LabelTable.of(["dog", "pet", "mammal"], [dog]))("dog").paths
    (('pet', 'Hund'), ('mammal', 'Hund'))
    """
    rows = {row.label: row for row in table.rows}

    @cache
    def above(label: str) -> tuple[Path, ...]:
        """Return the paths down to a label, without it where it is hidden."""
        row = rows[label]
        own = (table.name_of(label),) if row.show else ()
        parts = (path for parent in row.parents for path in above(parent))
        found = dict.fromkeys(path if path[-1:] == own else path + own for path in parts)
        return tuple(found or {own: None})[:MOST_PATHS]

    return lambda label: NamedPaths(table.name_of(label), above(label) if label in rows else ())
