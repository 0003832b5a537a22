"""What commands print of thousands of labels: the most frequent ones, and how many are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console

from imlgcn.numbers import plural

MOST_NAMES = 60  # of labels in a sentence
MOST_ROWS = 1_000  # of a table; of more labels only
SHOWN = 100  # are shown

Row = TypeVar("Row")


def frequent(rows: Sequence[Row], counts: Sequence[float]) -> list[Row]:
    """Return rows of labels as they are, of very many the most frequent ones, in their order."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    order = sorted(range(len(rows)), key=lambda index: -counts[index])
    return [rows[index] for index in sorted(order[:SHOWN])]


def say_rest(console: Console, left: int) -> None:
    """Say how many labels a table leaves out."""
    if left:
        console.print(
            f"These are the most frequent labels; {plural(left, 'label')} more are not shown."
        )
