"""Rows of numbers that stand for labels: a 1 or 0 for each label, or indices of labels.

Readers of lists without label names use these functions. No label is ever called ``0`` or ``1``:
where no names are found, they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.class_names import file_names, given_names, labels_at, names_from
from imlgcn.data.formats.delimiters import RowLabels
from imlgcn.data.formats.label_numbers import NAME_FILES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

ONE, ZERO, MINUS_ONE = (
    frozenset((code, *(f"{code}.{'0' * digits}" for digits in range(9))))
    for code in ("1", "0", "-1")
)
CODES = ONE | ZERO | MINUS_ONE

Rows = Sequence[Sequence[str]]  # the numbers of each image, as written
At = Callable[[int], str]  # the start of a message about a row, such as "list.txt, line 3: "


def find_label_names(listed_in: Path, options: ReadOptions, what: str) -> tuple[list[str], str]:
    """Return the names of numbered labels, and the name of the file they are from.

    Args:
        listed_in: the list; files of :data:`NAME_FILES` are looked for beside it.
        options: `label_names` are the user's, or their file.
        what: what the list has instead of names, for the message, such as "6 values".

    Raises:
        InputError: no such file is there; it says what to do.
    """
    if names := given_names(options):
        return names, names_from(options)
    beside = [listed_in.with_name(name) for name in NAME_FILES if name != listed_in.name]
    files = [file for file in beside if file.is_file()]
    if not files:
        raise InputError(
            f"{listed_in}: has {what} for each image, and no names for them; write the names of "
            "the labels into a file, one a line in the order of the values, and give it "
            f"(label_names=FILE) or call it {NAME_FILES[1]} and put it beside the list"
        )
    return file_names(files[0]), files[0].name


def is_vector(values: Sequence[str]) -> bool:
    """Return whether the numbers of an image are 1, 0 or -1, as for a vector over all labels."""
    return CODES.issuperset(values)


def read_numbers(
    rows: Rows, listed_in: Path, options: ReadOptions, at: At
) -> tuple[list[str], list[RowLabels], str]:
    """Return label names, the labels of each row, and how the numbers were read.

    Rows of one length with only 1, 0 and -1 have a value for each label; others are indices, which
    count from 0.

    Raises:
        InputError: there are no names, or they do not fit the numbers.
    """
    widths = {len(row) for row in rows}
    above = options.present_above
    if above is not None:
        rows = [["1" if float(value) > above else "0" for value in row] for row in rows]
    else:
        _refuse_fractions(rows, at)
    vectors = len(widths) == 1 and all(map(is_vector, rows))
    width = max(widths, default=0)
    is_single = vectors and width == 1  # an index of two classes, or one label?
    what = f"{plural(width, 'value')}" if vectors and not is_single else "numbers of labels"
    names, called = find_label_names(listed_in, options, what)
    from_file = f"their names are from {called}"
    if not vectors or (is_single and len(names) > 1):
        return names, read_indices(rows, names, at), f"labels are given by index, {from_file}"
    if width != len(names):
        raise InputError(
            f"{listed_in}: has {plural(width, 'value')} for each image, but {called} "
            f"{plural(len(names), 'name')}; make them the same"
        )
    labels, how = read_vectors(rows, names, options.minus_one)
    return names, labels, f"a value for each label, {from_file}{how}"


def _refuse_fractions(rows: Rows, at: At) -> None:
    for number, row in enumerate(rows):
        for value in () if is_vector(row) else row:
            if not float(value).is_integer():
                hint = "if it is a score, say above which a label is present (present_above=0.5)"
                if any(not 0 <= float(other) <= 1 for other in row):
                    hint = "if these are boxes, keep only the number of the label of each"
                raise InputError(f"{at(number)}{value} is neither 1 nor 0; {hint}")


def read_vectors(
    rows: Rows, names: Sequence[str], minus_one: str | None
) -> tuple[list[RowLabels], str]:
    """Return the labels of vectors of 1, 0 and -1, and what to say of -1.

    Where no 0 occurs, -1 is absent, as in CelebA; beside 0 it is unknown; ``minus_one`` overrides.
    """
    used: set[str] = set().union(*rows)
    meaning = minus_one or ("unknown" if used & ZERO else "absent")
    unknown = MINUS_ONE if meaning == "unknown" and used & MINUS_ONE else frozenset[str]()
    labels: list[RowLabels] = [
        (
            [name for name, code in zip(names, row, strict=True) if code in ONE],
            [name for name, code in zip(names, row, strict=True) if code in unknown]
            if unknown
            else (),
        )
        for row in rows
    ]
    return labels, f"; -1 is {meaning}" if used & MINUS_ONE else ""


def read_indices(rows: Rows, names: Sequence[str], at: At) -> list[RowLabels]:
    """Return the labels of rows of indices into ``names``, which count from 0.

    Raises:
        InputError: an index is too high, or twice in a row.
    """
    labels: list[RowLabels] = []
    for number, row in enumerate(rows):
        present = labels_at([int(float(value)) for value in row], names, at(number))
        if len(present) < len(row):
            raise InputError(f"{at(number)}has a label twice: {' '.join(row)}; are these labels?")
        labels.append((present, ()))
    return labels
