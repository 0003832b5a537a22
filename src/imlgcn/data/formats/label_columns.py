"""Tables with one column for each label: 1 present, 0 or empty absent, -1, ? or NaN unknown.

Spreadsheets also have an x where a label is present; and counts or shares, from which the user says
above which number a label is present. A table of 1 and -1 without any 0 can mean either, and asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.column_names import MEASURES, PROPERTIES, normal
from imlgcn.data.formats.delimiters import RowLabels
from imlgcn.data.formats.tables import Table
from imlgcn.errors import InputError
from imlgcn.labels.label_cells import NO, YES
from imlgcn.numbers import plural

NOT_KNOWN = ("nan", "na", "n/a", "<na>", "null", "none")  # as programs write an empty number
VALUES = {
    **dict.fromkeys(("1", "1.0", "true"), 1),
    **dict.fromkeys(("0", "0.0", "false", ""), 0),
    **dict.fromkeys(("-1", "-1.0", "?", *NOT_KNOWN), -1),
}
MARKS = {
    **dict.fromkeys((*(word for word in YES if word not in VALUES), "x", "✓", "✔", "☑", "+"), 1),
    **dict.fromkeys((*(word for word in NO if word not in VALUES), "", "☐"), 0),
    **dict.fromkeys(("present", "pos", "positive"), 1),
    **dict.fromkeys(("absent", "neg", "negative"), 0),
    **dict.fromkeys(("?", *NOT_KNOWN), -1),
}
BOTH = MARKS | VALUES  # where columns of marks stand beside columns of 1 and 0
Meaning = Callable[[str], int | None]  # 1, 0, -1, or None for a cell that means none of them
ABOVE = "present is what is above"  # said where the user's bound was for the columns
SHOWN = 6  # names of columns in a message


def is_label(cells: Sequence[str]) -> bool:
    """Return whether most cells of a column are 1, 0, -1, ? or empty."""
    filled = {cell: number for cell, number in Counter(cells).items() if cell}
    known = {cell: n for cell, n in filled.items() if cell.lower() not in NOT_KNOWN}
    values = sum(number for cell, number in known.items() if cell.lower() in VALUES)
    return bool(known or not filled) and 2 * values >= sum(known.values())


def label_columns(
    table: Table, columns: list[int], meaning: Meaning = VALUES.get
) -> tuple[list[str], list[RowLabels], str]:
    """Return label names, the labels of each row, and how they were determined."""
    columns = [index for index in columns if table.header[index]]
    if not columns:
        raise InputError(
            f"{table.path}: has neither a column 'labels' nor a column of 1, 0, -1 or ? for each "
            f"label; its columns are {', '.join(table.header)}; say which hold the labels "
            "(label_columns=COLUMN)"
        )
    names = [table.header[index] for index in columns]
    codes = {cell: meaning(cell.lower()) for cell in _different(table, columns)}
    judged: list[RowLabels] = []
    for number, row in enumerate(table.rows):
        values = [codes[row[index]] for index in columns]
        if None in values:
            wrong = values.index(None)
            message = _not_a_value(row[columns[wrong]], names[wrong])
            raise InputError(f"{table.at(number)}{message}")
        present, unknown = (
            [name for name, value in zip(names, values, strict=True) if value == wanted]
            if wanted in values
            else []
            for wanted in (1, -1)
        )
        judged.append((present, unknown))
    return names, judged, f"labels are {plural(len(columns), 'column')}"


def _different(table: Table, columns: Sequence[int]) -> set[str]:
    """Return the cells of some columns, each once: in a table of 0 and 1 these are few."""
    return set().union(*(table.column(index) for index in columns))


def read_label_columns(
    table: Table, candidates: Sequence[int], options: ReadOptions
) -> tuple[list[str], list[RowLabels], str, list[int]]:
    """Return names, labels of each row and how, as :func:`label_columns`, and the columns used.

    Args:
        table: the cells.
        candidates: columns that may be labels; those that are not stay fields.
        options: of the user.
    """
    columns, aside, meaning = _choose(table, candidates, options)
    names, rows, how = label_columns(table, columns, meaning)
    how += f" ({_listed(names)}){_said(table, columns, options)}"
    if aside:
        how += (
            f"; left aside: {_listed([table.header[index] for index in aside])}, no label by name"
        )
    return names, rows, how, columns


def _choose(
    table: Table, candidates: Sequence[int], options: ReadOptions
) -> tuple[list[int], list[int], Meaning]:
    """Return the columns of labels, those left aside for their names, and what cells mean."""
    cells = {index: table.column(index) for index in candidates if table.header[index]}
    named = bool(options.label_columns)
    properties = [i for i in cells if not named and _is_property(table.header[i], cells[i])]
    rest = {index: column for index, column in cells.items() if index not in properties}
    binary = [index for index, column in rest.items() if is_label(column)]
    numeric = [index for index, column in rest.items() if index not in binary and _numeric(column)]
    marked = [index for index, column in rest.items() if is_marked(column)]
    if marked and not any(any(rest[index]) for index in binary):  # empty ones show no mark
        columns = sorted({*marked, *binary})
        return list(rest) if named else columns, properties, BOTH.get
    aside = [index for index in properties if is_label(cells[index])]
    if options.present_above is not None:
        return sorted([*binary, *numeric]), aside, _above(options.present_above, options.minus_one)
    shares = [index for index in numeric if _are_shares(rest[index])]
    if (numeric and not binary) or shares or (named and numeric):
        raise _ask_bound(table, shares or numeric, bool(binary))
    if named and len(binary) == len(rest):
        return list(rest), [], _values(table, binary, options)
    if binary and not named:
        return binary, aside, _values(table, binary, options)
    return list(rest) if named else [], aside, BOTH.get if marked else VALUES.get


def _is_property(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column is one of a person or an image, by its name and its numbers."""
    if normal(name) in PROPERTIES:
        return True
    return normal(name) in MEASURES and any(cell.lower() not in VALUES for cell in cells)


def _values(table: Table, columns: Sequence[int], options: ReadOptions) -> Meaning:
    """Return the meaning of 1, 0 and -1; a table of -1 without any 0 asks for it."""
    cells = _different(table, columns)
    kinds = {VALUES.get(cell.lower()) for cell in cells if cell}
    minus = bool(cells & {"-1", "-1.0"})
    if minus and 0 not in kinds and options.minus_one is None:
        raise InputError(
            f"{table.path}: its columns {_listed([table.header[i] for i in columns])} hold 1 and "
            "-1 and never 0; say whether -1 means that the label is absent (minus_one=absent), "
            "as in CelebA, or that nobody knows (minus_one=unknown)"
        )
    if options.minus_one != "absent":
        return VALUES.get
    absent = VALUES | {"-1": 0, "-1.0": 0}
    if 0 not in kinds:  # then an empty cell is no longer the way to say absent
        absent[""] = -1
    return absent.get


def _said(table: Table, columns: Sequence[int], options: ReadOptions) -> str:
    """Return what is said about cells that people read in two ways."""
    kinds = {cell.lower() for cell in _different(table, columns)}
    if options.present_above is not None:
        return f"; {ABOVE} {options.present_above:g}"
    said = ""
    if minus := kinds & {"-1", "-1.0"}:
        said += f"; {min(minus)} is {options.minus_one or 'unknown'}"
    if "" in kinds and kinds - {""} != {"1"} and kinds & {"0", "0.0", "-1", "-1.0"}:
        unknown = options.minus_one == "absent" and not kinds & {"0", "0.0"}
        said += f"; an empty cell is {'unknown' if unknown else 'absent'}"
    if words := kinds & set(NOT_KNOWN):
        said += f"; {min(words)} is unknown"
    return said


def _above(bound: float, minus_one: str | None) -> Meaning:
    def meaning(cell: str) -> int | None:
        if cell in ("", "false"):
            return 0
        if cell == "true":
            return 1
        number = number_of(cell)
        if cell in ("?", *NOT_KNOWN) or (number == -1 and minus_one != "absent"):
            return -1
        return None if number is None else int(number > bound)

    return meaning


def number_of(cell: str) -> float | None:
    """Return the number in a cell, None if there is none.

    >>> number_of("0.5"), number_of("0,5"), number_of("50%")
    (0.5, 0.5, 0.5)
    """
    if re.fullmatch(r"-?\d+,\d+%?", cell):  # as half of Europe writes it
        cell = cell.replace(",", ".")
    try:
        return float(cell[:-1]) / 100 if cell.endswith("%") else float(cell)
    except ValueError:
        return None


def _numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell and cell.lower() not in NOT_KNOWN]
    return bool(filled) and all(number_of(cell) is not None for cell in filled)


def _are_shares(cells: Sequence[str]) -> bool:
    """Return whether numbers are shares of people or probabilities, as 0.25."""
    numbers = [n for cell in cells if (n := number_of(cell)) is not None and n == n]
    return all(0 <= number <= 1 for number in numbers) and any(0 < n < 1 for n in numbers)


def is_marked(cells: Sequence[str]) -> bool:
    """Return whether a column holds marks, or words for yes and no, and some is a yes."""
    kinds = {cell.lower() for cell in cells}
    return kinds <= set(MARKS) and any(MARKS[kind] == 1 for kind in kinds)


def _ask_bound(table: Table, columns: Sequence[int], beside_labels: bool) -> InputError:
    names = [table.header[index] for index in columns]
    numbers = [n for i in columns for cell in table.column(i) if (n := number_of(cell)) is not None]
    bound = 0.5 if all(_are_shares(table.column(index)) for index in columns) else 0
    other = (
        f"or that they are not labels (fields={names!r})"
        if beside_labels
        else "or which columns hold the labels (label_columns=COLUMN)"
    )
    return InputError(
        f"{table.path}: the columns {_listed(names)} hold numbers from {min(numbers):g} to "
        f"{max(numbers):g}; say above which number a label is present (present_above={bound}), "
        f"{other}"
    )


def _not_a_value(cell: str, name: str) -> str:
    number = number_of(cell)
    hint = f"correct it, or declare that the column is not a label (fields={name!r})"
    if number is not None and number > 0:
        bound = 0.5 if number < 1 else 0
        above = f"for counts or shares, say above which a label is present (present_above={bound})"
        hint = f"{above}; else {hint}"
    return f"{cell!r} in column {name!r} is not 1, 0, -1, ? or empty; {hint}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
