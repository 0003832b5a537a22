"""Tables with one row for each pair of image and label, or for each box: rows are joined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imlgcn.config import InputError
from imlgcn.data.formats.base import ReadOptions, Record
from imlgcn.data.formats.column_names import normal
from imlgcn.data.formats.label_columns import VALUES
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
    if not joinable:
        return Joined(list(records))
    answer = _answer_column(records)
    if answer is not None:
        meaning = {
            r.fields[answer]: _meaning(r.fields[answer], answer, path, options) for r in records
        }
        rows = {
            file: [_answered(r, meaning[r.fields[answer]]) for r in own]
            for file, own in rows.items()
        }
    joined = []
    for file, own in rows.items():
        joined += [_joined(own)] if file in joinable else own
    how = f"{plural(len(records), 'row')} joined to {plural(len(joined), 'image')}"
    said = f", of each the labels with {answer} above 0" if answer is not None else ""
    return Joined(joined, how + said)


def _is_long(rows: Sequence[Record]) -> bool:
    one = all(len(r.labels) + len(r.unknown) <= 1 and r.absent is None for r in rows)
    return one and len({r.split for r in rows}) == 1


def _joined(rows: Sequence[Record]) -> Record:
    labels = tuple(dict.fromkeys(name for row in rows for name in row.labels))
    unknown = dict.fromkeys(name for row in rows for name in row.unknown if name not in labels)
    group = Counter(row.group for row in rows).most_common(1)[0][0]
    return replace(rows[0], labels=labels, unknown=tuple(unknown), group=group)


def _answer_column(records: Sequence[Record]) -> str | None:
    return next((name for name in records[0].fields if normal(name) in ANSWERS), None)


def _meaning(cell: str, column: str, path: Path, options: ReadOptions) -> int:
    """Return 1, 0 or -1 for a cell of the column of answers."""
    bound = options.present_above
    if bound is None and cell.lower() in VALUES:
        absent = options.minus_one == "absent" and cell.startswith("-1")
        return 0 if absent or not cell else VALUES[cell.lower()]
    try:
        number = float(cell or "nan")
    except ValueError:
        number = float("nan")
    if bound is None or number != number:
        raise InputError(
            f"{path}: {cell!r} in the column {column!r} is not 1 or 0; say above which number a "
            f"label is present (present_above=0.5), or that the column says nothing about labels: "
            "take it out of the table"
        )
    return int(number > bound)


def _answered(record: Record, value: int) -> Record:
    if value == 1:
        return record
    return replace(record, labels=(), unknown=record.labels if value == -1 else record.unknown)
