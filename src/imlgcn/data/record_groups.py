"""The groups of records that a column says: the own ``group``, and one that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imlgcn.data.formats.base import Record
from imlgcn.data.near_duplicates import clusters
from imlgcn.errors import InputError


def group_records(records: Sequence[Record], column: str) -> list[Record]:
    """Return the records with the groups of a further column, joined with those that they have.

    A group is called after the value of its first record in ``column``, or else its own group. The
    column is no longer among the :attr:`Record.fields`.

    Raises:
        InputError: the data has no such column; with those there are.
    """
    own = [record.group for record in records]
    names = dict.fromkeys(name for record in records for name in record.fields)
    if (found := next((n for n in names if n.lower() == column.lower()), None)) is None:
        if column.lower() == "group" and any(own):
            return list(records)
        existing = ", ".join([*["group"] * any(own), *names])
        raise InputError(
            f"the data has no column {column!r} to group by (group_column=); "
            f"it has {existing or 'none besides those of images, labels and splits'}"
        )
    values = [record.fields.get(found) or None for record in records]
    members = clusters(len(records), equal_pairs(own) + equal_pairs(values))
    called: dict[int, str] = {}
    for member, *given in zip(members.tolist(), values, own, strict=True):
        if name := next(filter(None, given), None):
            called.setdefault(member, name)
    return [
        replace(
            record,
            group=called.get(member),
            fields={name: cell for name, cell in record.fields.items() if name != found},
        )
        for record, member in zip(records, members.tolist(), strict=True)
    ]


def equal_pairs(values: Sequence[str | None]) -> list[tuple[int, int]]:
    """Return each index of a value with the first index of that value; empty ones have no pair.

    >>> equal_pairs(["a", "b", "a", None, "", None, "", "a"])
    [(0, 2), (0, 7)]
    """
    first: dict[str, int] = {}
    found = [(first.setdefault(value, row), row) for row, value in enumerate(values) if value]
    return [(i, j) for i, j in found if i != j]
