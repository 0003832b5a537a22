"""Names for labels that the data only number: from the user's file, or a file beside the data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imlgcn.data.formats.column_names import number_and_name
from imlgcn.data.formats.tables import is_table, read_start, read_table
from imlgcn.data.formats.text_files import read_text
from imlgcn.errors import InputError
from imlgcn.numbers import plural

# beside numbers of labels, these hold their names
NAME_FILES = (
    *("label_list.txt", "labels.txt", "label.txt", "label_names.txt"),
    *("classes.txt", "class_names.txt", "class_list.txt", "classes.names", "obj.names"),
    *("names.txt", "categories.txt", "concepts.txt", "attributes.txt"),
)
MAX_DIGITS = 4_000  # of a number; Python refuses texts of more than 4,300
NUMBERED_LINE = re.compile(rf"(-?\d{{1,{MAX_DIGITS}}})\s*[,;:\t ]\s*(\S.*)")


@dataclass(frozen=True)
class NumberNames:
    """The name of each number, and where they come from, for the reader's reason."""

    names: dict[str, str]
    how: str


def is_number(text: str) -> bool:
    """Return whether a text is a whole number that `int` reads; a longer one is a word.

    >>> is_number("007"), is_number("-1"), is_number(5_000 * "9")
    (True, False, False)
    """
    return text.isdecimal() and len(text) <= MAX_DIGITS


def name_numbers(
    labels: Sequence[str], path: Path, label_names: Path | Sequence[str] | None
) -> NumberNames | None:
    """Return the names of labels that are all numbers; None where they are words or have none.

    Args:
        labels: as the data write them.
        path: the data; a table of numbers and names beside it is found, and a list of names,
            counted from 0, in one of :data:`NAME_FILES`.
        label_names: the user's names, counted from 0; or their file, one name a line, or each with
            its number.

    Raises:
        InputError: a number has no name in ``label_names``.
    """
    numbers = bool(labels) and all(map(is_number, labels))
    if label_names is not None:
        if not numbers:
            word = next((label for label in labels if not is_number(label)), "")
            raise InputError(
                f"{path}: label_names= names labels that are numbers; {word!r} is none; leave out "
                "label_names="
            )
        called = label_names.name if isinstance(label_names, Path) else "label_names="
        names = names_by_number(label_names)
        return NumberNames(_all_named(labels, names, called), f"their names are from {called}")
    if not numbers:
        return None
    keys = {str(int(label)) for label in labels}
    for file in sorted(path.absolute().parent.iterdir()):
        if file.name == path.name:
            continue
        names = _names_beside(file)
        if keys <= set(names):
            named = {label: names[str(int(label))] for label in labels}
            return NumberNames(named, f"their names are from {file.name}")
    return None


def _names_beside(file: Path) -> dict[str, str]:
    """Return the names that a file beside the data gives to numbers; none if it is another file."""
    if is_table(file):
        return _names_of_table(file)
    if file.name.lower() not in NAME_FILES or not file.is_file():
        return {}
    try:
        return read_label_names(file)
    except InputError:
        return {}


def names_by_number(label_names: Path | Sequence[str]) -> dict[str, str]:
    """Return the name of each number that the user gave, in a file or as a sequence.

    Raises:
        InputError: as for :func:`read_label_names`.
    """
    if isinstance(label_names, Path):
        return read_label_names(label_names)
    if len(set(label_names)) < len(label_names) or not label_names:
        raise InputError(f"label_names= needs each name once; got {', '.join(label_names)}")
    return {str(number): name for number, name in enumerate(label_names)}


def read_label_names(path: Path) -> dict[str, str]:
    """Return the name of each number: of a table of both, or of lines with or without a number.

    Lines without numbers are counted from 0, empty ones as well.

    Raises:
        InputError: two labels have the same name, or there are none.
    """
    if is_table(path) and (names := _names_of_table(path)):
        return names
    lines = [line.strip() for line in read_text(path).rstrip().split("\n")]
    pairs = [found for line in lines if line and (found := NUMBERED_LINE.fullmatch(line))]
    if pairs and len(pairs) == len(list(filter(None, lines))):
        names = {str(int(found[1])): found[2].strip() for found in pairs}
    else:
        names = {str(number): line for number, line in enumerate(lines) if line}
    if len(set(names.values())) < len(names) or not names:
        twice = next((n for n in names.values() if list(names.values()).count(n) > 1), None)
        raise InputError(
            f"{path}: needs one name of a label in each line"
            + (f"; {twice!r} is there twice" if twice else "")
        )
    return names


def _names_of_table(path: Path) -> dict[str, str]:
    """Return the names in a table of two columns, such as attribute_id and attribute_name."""
    if (columns := number_and_name(read_start(path)[0])) is None:
        return {}
    table = read_table(path)
    ids, names = (table.column(index) for index in columns)
    if not all(map(is_number, ids)) or len(set(names)) < len(names):
        return {}
    return {str(int(number)): name for number, name in zip(ids, names, strict=True)}


def _all_named(labels: Sequence[str], names: dict[str, str], called: str) -> dict[str, str]:
    if missing := [label for label in labels if str(int(label)) not in names]:
        raise InputError(
            f"{called}: has {plural(len(names), 'name')}, for the numbers {min(names, key=int)} to "
            f"{max(names, key=int)}; {missing[0]} has none; write the number before each name, as "
            "'1,sea'"
        )
    return {label: names[str(int(label))] for label in labels}
