"""Tables with one row for each pair of image and label, or for each box: rows are joined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record
from imlgcn.data.formats.column_names import normal
from imlgcn.data.formats.label_columns import MARKS, VALUES, number_of
from imlgcn.errors import InputError
from imlgcn.numbers import plural

# a column that says whether the row's label is present, rather than that it is
ANSWERS = (
    *("present", "ispresent", "presence", "value", "confidence", "score", "probability"),
    *("relevant", "answer", "positive", "ispositive", "correct"),
)


@dataclass(frozen=True)
class Joined:
    """Records, one for each image whose rows could be joined, and a word about it."""

    records: list[Record]
    how: str = ""


def join_rows(records: Sequence[Record], path: Path, options: ReadOptions) -> Joined:
    """Join the rows of an image if each has at most one label and all are in one split.

    Images whose rows have several labels are left as they are, for the check to compare.

    Raises:
        InputError: a column says which labels are present, in numbers without a bound.
    """
    rows: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        rows[record.path].append(record)
    joinable = {file for file, own in rows.items() if len(own) > 1 and _is_long(own)}
    answer = _answer_column(records, bool(joinable), options.fields)
    if answer is not None:
        cells = dict.fromkeys(record.fields[answer] for record in records)
        meaning = {cell: _meaning(cell, answer, path, options) for cell in cells}
        rows = {
            file: [_answered(r, meaning[r.fields[answer]]) for r in own]
            for file, own in rows.items()
        }
    said = "" if answer is None else f"{answer!r} says which are present"
    if not joinable:
        return Joined(
            [record for own in rows.values() for record in own] if said else list(records), said
        )
    joined = []
    for file, own in rows.items():
        joined += [_joined(own)] if file in joinable else own
    how = f"{plural(len(records), 'row')} joined to {plural(len(joined), 'image')}"
    return Joined(joined, f"{how}; {said}" if said else how)


def _is_long(rows: Sequence[Record]) -> bool:
    one = all(len(r.labels) + len(r.unknown) <= 1 and r.absent is None for r in rows)
    return one and len({r.split for r in rows}) == 1


def _joined(rows: Sequence[Record]) -> Record:
    labels = tuple(dict.fromkeys(name for row in rows for name in row.labels))
    unknown = dict.fromkeys(name for row in rows for name in row.unknown if name not in labels)
    group = Counter(row.group for row in rows).most_common(1)[0][0]
    return replace(rows[0], labels=labels, unknown=tuple(unknown), group=group)


def _answer_column(records: Sequence[Record], long: bool, ignored: Sequence[str]) -> str | None:
    """Return the column of answers; where each image has one row, only yes and no are some."""
    if any(len(record.labels) + len(record.unknown) > 1 for record in records):
        return None
    named = (name for name in records[0].fields if normal(name) in ANSWERS and name not in ignored)
    for name in named:
        cells = {record.fields[name].lower() for record in records}
        if long or (cells <= {*VALUES, *MARKS} and any(_value(cell) != 1 for cell in cells)):
            return name
    return None


def _value(cell: str) -> int | None:
    return VALUES.get(cell.lower(), MARKS.get(cell.lower()))


def _meaning(cell: str, column: str, path: Path, options: ReadOptions) -> int:
    """Return 1, 0 or -1 for a cell of the column of answers."""
    bound = options.present_above
    value = _value(cell)
    if value is not None and (bound is None or number_of(cell) is None):
        return 0 if options.minus_one == "absent" and cell.startswith("-1") else value
    number = number_of(cell)
    if bound is None or number is None:
        raise InputError(
            f"{path}: {cell!r} in the column {column!r} is not 1 or 0; say above which number a "
            "label is present (present_above=0.5), or that it says nothing of labels "
            f"(fields={column!r})"
        )
    return int(number > bound)


def _answered(record: Record, value: int) -> Record:
    if value == 1:
        return record
    return replace(record, labels=(), unknown=record.labels if value == -1 else record.unknown)
