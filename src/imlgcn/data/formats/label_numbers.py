"""Labels that data writes as numbers: their names, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imlgcn.config import InputError
from imlgcn.data.formats.base import ReadOptions, read_lines
from imlgcn.numbers import plural


def given_names(options: ReadOptions) -> list[str]:
    """Return the names in the user's file of label names, one a line; none if there is no file."""
    return file_names(options.label_names) if options.label_names else []


def file_names(path: Path) -> list[str]:
    """Return the names in a file, one a line; a number before or after each is its index.

    Raises:
        InputError: the file is empty, or lists a name twice.
    """
    lines = read_lines(path)
    names = (
        _in_order(lines, r"(?P<index>\d+)[\s,:;]+(?P<name>.+)")
        or _in_order(lines, r"(?P<name>.+?)[\s,:;]+(?P<index>\d+)")
        or lines
    )
    if not names:
        raise InputError(f"{path}: is empty; it must hold the name of a label on every line")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: lists {twice!r} twice; every label needs a name of its own")
    return names


def _in_order(lines: Sequence[str], pattern: str) -> list[str]:
    """Return the names in the order of their indices; none if these do not count from 0 or 1."""
    matches = [match for line in lines if (match := re.fullmatch(pattern, line))]
    found = {int(match["index"]): match["name"].strip() for match in matches}
    first = min(found, default=0)
    whole = len(found) == len(lines) and sorted(found) == list(range(first, first + len(lines)))
    return [found[index] for index in sorted(found)] if whole and first <= 1 else []


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
                "names (--label-names FILE)"
            )
        found.add(position)
    return tuple(names[position] for position in sorted(found))
