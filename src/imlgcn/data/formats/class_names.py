"""Labels that data writes as numbers: their names, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.label_numbers import read_label_names
from imlgcn.errors import InputError
from imlgcn.numbers import plural


def given_names(options: ReadOptions) -> list[str]:
    """Return the label names that the user gave, as a list or in a file; none if none were."""
    given = options.label_names or []
    return file_names(given) if isinstance(given, Path) else list(given)


def names_from(options: ReadOptions) -> str:
    """Return where :func:`given_names` are from, for a message."""
    given = options.label_names
    return given.name if isinstance(given, Path) else "label_names="


def file_names(path: Path | Sequence[str]) -> list[str]:
    """Return the names in a file, in the order of their numbers, which count from 0 or 1.

    Names that are given themselves are returned.

    Raises:
        InputError: as `read_label_names`, or a number is left out.
    """
    if not isinstance(path, Path):
        return list(path)
    names = read_label_names(path)
    numbers = sorted(map(int, names))
    first = numbers[0]
    if first not in (0, 1) or numbers != list(range(first, first + len(numbers))):
        raise InputError(
            f"{path}: its numbers do not count from 0 or 1 without a gap; give every label a line"
        )
    return [names[str(number)] for number in numbers]


def labels_at(positions: Iterable[Any], names: Sequence[str], place: str) -> tuple[str, ...]:
    """Return the names at positions, in the order of the names.

    Raises:
        InputError: a position is not a whole number from 0 to the number of names.
    """
    found = set()
    for position in positions:
        if type(position) is not int or not 0 <= position < len(names):
            raise InputError(
                f"{place}{position!r} is not a number from 0 to {len(names) - 1}, the position of "
                f"one of the {plural(len(names), 'name')}; correct it, or give a file with all "
                "names (label_names=FILE)"
            )
        found.add(position)
    return tuple(names[position] for position in sorted(found))
