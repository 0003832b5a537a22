"""Which columns of a table hold the labels, and what they are.

In this order: the columns that the user names; one column of labels with a usual name; columns such
as ``tag1, tag2``; one column of 1 and 0 for each label (:mod:`.label_columns`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.column_names import (
    LABEL_COLUMNS,
    MEASURES,
    NUMBERED,
    known_columns,
    named_column,
    normal,
)
from imlgcn.data.formats.delimiters import RowLabels, expand_unknown, parse_labels, split_cells
from imlgcn.data.formats.label_columns import (
    NOT_KNOWN,
    VALUES,
    is_label,
    is_marked,
    number_of,
    read_label_columns,
)
from imlgcn.data.formats.label_numbers import name_numbers
from imlgcn.data.formats.tables import Table, refuse_beyond
from imlgcn.data.formats.vector_cells import find_vectors, name_vectors
from imlgcn.errors import InputError
from imlgcn.labels.label_cells import NO, YES

BETWEEN = "\x1f"  # between cells that are labels whole: the sign that ASCII has for it


@dataclass(frozen=True)
class TableLabels:
    """The labels of a table."""

    names: list[str]
    rows: list[RowLabels]  # of each row of the table
    how: str  # for the reader's reason
    columns: list[int]  # that hold them
    cells: bool = True  # whether their cells name the labels, rather than their header


def read_labels(table: Table, taken: Sequence[int], options: ReadOptions) -> TableLabels:
    """Return the labels; columns that are ``taken`` hold images, splits or groups."""
    aside = {named_column(table.path, table.header, name, "fields") for name in options.fields}
    free = [i for i in range(len(table.header)) if i not in aside and i not in taken]
    text, numbered = _text_columns(table, free, options)
    if not numbered and len(text) == 1 and text[0] == len(table.header) - 1 and any(table.beyond):
        return _numbers_named(table, _unquoted(table, text[0], options), options)
    refuse_beyond(table)
    if numbered:
        _refuse_unused(table, options, ("delimiter", "label_names"), "one label in each cell")
        return _whole_cells(table, numbered)
    if len(text) == 1 and (vectors := find_vectors(table.column(text[0]))) is not None:
        column = table.header[text[0]]
        found = name_vectors(vectors, table.path, column, options.label_names)
        return TableLabels(*found, text)
    if text:
        return _numbers_named(table, _texts(table, text, options), options)
    if options.label_columns:
        free = _named(table, options)
    names, rows, how, columns = read_label_columns(table, free, options)
    _refuse_unused(table, options, ("delimiter", "label_names"), "a column for each label")
    return TableLabels(names, rows, how, columns, cells=False)


def _refuse_unused(table: Table, options: ReadOptions, unused: Sequence[str], what: str) -> None:
    for name in unused:
        if getattr(options, name) is not None:
            raise InputError(
                f"{table.path}: {name}= does not apply to a table with {what}; leave it out, or "
                "name the column of labels (label_columns=COLUMN)"
            )


def _named(table: Table, options: ReadOptions) -> list[int]:
    return [
        named_column(table.path, table.header, name, "label_columns")
        for name in options.label_columns
    ]


def _text_columns(
    table: Table, free: Sequence[int], options: ReadOptions
) -> tuple[list[int], list[int]]:
    """Return the columns whose cells are labels; and those of which each cell is one label."""
    if options.label_columns:
        named = _named(table, options)
        return _named_texts(table, named)
    exact = table.find("labels")
    if exact is not None and exact in free and table.header.count(table.header[exact]) == 1:
        return [exact], []
    numbered = [
        i for i in free if NUMBERED.fullmatch(normal(table.header[i])) and not _is_binary(table, i)
    ]
    known = [i for i in known_columns(table.header, LABEL_COLUMNS) if i in free]
    repeated = [i for i in known if table.header.count(table.header[i]) > 1]
    known = [
        i
        for i in known
        if i not in repeated and not _is_binary(table, i) and not _measures(table, i)
    ]
    cells = repeated or numbered
    if not known and cells and any(map(any, (table.column(i) for i in cells))):
        return [], cells
    return _only_one(table, known, free), []


def _named_texts(table: Table, named: list[int]) -> tuple[list[int], list[int]]:
    text = [
        i
        for i in named
        if not (is_label(table.column(i)) or _numbers(table, i) or _answers(table, i, len(named)))
    ]
    if text and len(text) < len(named):
        other = next(i for i in named if i not in text)
        raise InputError(
            f"{table.path}: label_columns= names columns of words and columns of numbers "
            f"({table.header[text[0]]}, {table.header[other]}); name those of one kind"
        )
    if len(text) > 1 and all(NUMBERED.fullmatch(normal(table.header[i])) for i in text):
        return [], text
    numbers = len(named) == 1 and _ids(table, named[0]) and not _is_binary(table, named[0])
    return named if numbers else text, []


def _answers(table: Table, index: int, columns: int) -> bool:
    """Return whether a column says yes and no; of several also x-marks, a label's name alone."""
    kinds = {cell.lower() for cell in table.column(index)} - {""}
    return is_marked(table.column(index)) and (columns > 1 or kinds <= {*YES, *NO})


def _only_one(table: Table, known: list[int], free: Sequence[int]) -> list[int]:
    """Return the column of labels; several, or columns of 1 and 0 besides, are asked about."""
    words = [i for i in known if not _ids(table, i)]
    known = words if len(words) == 1 else known  # of class_id and class, the latter
    columns = [
        i
        for i in free
        if i not in known and normal(table.header[i]) not in MEASURES and _is_binary(table, i)
    ]
    both = [*known[:2], *columns[:1]] if len(columns) > 1 else known
    if known and len(both) > 1:
        names = " and ".join(repr(table.header[index]) for index in both)
        raise InputError(
            f"{table.path}: the columns {names} could all be the labels; say which "
            f"(label_columns={table.header[both[0]]!r})"
        )
    return known


def _is_binary(table: Table, index: int) -> bool:
    """Return whether all cells of a column are 1, 0, -1, ? or empty, and not all empty."""
    cells = {cell.lower() for cell in set(table.column(index))}
    return any(cells) and all(cell in VALUES for cell in cells)


def _numbers(table: Table, index: int) -> bool:
    """Return whether a column holds measures, such as shares; whole numbers may be labels."""
    cells = [c for c in table.column(index) if c and c.lower() not in NOT_KNOWN]
    return bool(cells) and all(number_of(cell) is not None for cell in cells)


def _measures(table: Table, index: int) -> bool:
    """Return whether a column holds numbers that are not all whole, such as shares."""
    return _numbers(table, index) and not _ids(table, index)


def _ids(table: Table, index: int) -> bool:
    return all(cell.isdecimal() for cell in table.column(index) if cell)


def _texts(table: Table, columns: Sequence[int], options: ReadOptions) -> TableLabels:
    """Return the labels of columns of text; with several, all of each row."""
    parts = [split_cells(table.column(i), options.delimiter, table.at) for i in columns]
    if len(parts) == 1:
        return TableLabels(parts[0].names, parts[0].rows, parts[0].how, list(columns))
    rows: list[RowLabels] = [
        (
            list(dict.fromkeys(name for present, _ in row for name in present)),
            list(dict.fromkeys(name for _, unknown in row for name in unknown)),
        )
        for row in zip(*(part.rows for part in parts), strict=True)
    ]
    names = sorted({name for part in parts for name in part.names})
    how = f"labels are in the columns {', '.join(table.header[i] for i in columns)}"
    return TableLabels(names, rows, how, list(columns))


def _whole_cells(table: Table, columns: Sequence[int]) -> TableLabels:
    """Return the labels of columns of which each cell is one."""
    parsed = [
        parse_labels(
            BETWEEN.join(cell for i in columns if (cell := row[i]).lower() not in NOT_KNOWN),
            BETWEEN,
            table.at(number),
        )
        for number, row in enumerate(table.rows)
    ]
    names = sorted({name for row in parsed for part in row for name in part} - {""})
    rows: list[RowLabels] = [(p, expand_unknown(p, unknown, names)) for p, unknown in parsed]
    listed = ", ".join(dict.fromkeys(table.header[i] for i in columns))
    return TableLabels(names, rows, f"labels are the cells of {listed}", list(columns))


def _unquoted(table: Table, column: int, options: ReadOptions) -> TableLabels:
    """Return labels that stand in the last column and in cells beyond the header."""
    cells = [
        ",".join(cell for cell in (row[column], *more) if cell)
        for row, more in zip(table.rows, table.beyond, strict=True)
    ]
    found = split_cells(cells, options.delimiter or ",", table.at)
    how = f"labels are the cells from column {table.header[column]!r} on"
    return TableLabels(found.names, found.rows, how, [column])


def _numbers_named(table: Table, labels: TableLabels, options: ReadOptions) -> TableLabels:
    """Return labels with the names of those that are numbers."""
    named = name_numbers(labels.names, table.path, options.label_names)
    if named is None:
        return labels
    rows: list[RowLabels] = [
        ([named.names[name] for name in present], [named.names[name] for name in unknown])
        for present, unknown in labels.rows
    ]
    names = [named.names[name] for name in sorted(labels.names, key=int)]
    return TableLabels(names, rows, f"{labels.how}; {named.how}", labels.columns)
