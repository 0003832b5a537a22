"""Random label tables, for tests of what holds for any."""

from __future__ import annotations

from imlgcn.errors import InputError
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable


def random_table(generator) -> LabelTable:
    """A forest of some depth, with second parents, hidden labels and sets that can be kept."""
    L = int(generator.integers(2, 25))
    rows: list[LabelRow] = []
    for number in range(L):
        above = generator.permutation(number)[: generator.integers(0, 3)] if number else ()
        show, own = bool(generator.random() > 0.2), f"set {generator.integers(3)}"
        parents = tuple(f"l{i}" for i in above)
        row = LabelRow(f"l{number}", show, parents=parents)
        try:
            with_set = LabelRow(f"l{number}", show, parents=parents, exclusive=own)
            LabelTable((*rows, with_set))
            rows.append(with_set if generator.random() < 0.6 else row)
        except InputError:
            rows.append(row if _fits(rows, row) else LabelRow(f"l{number}", show))
    return LabelTable(tuple(rows[i] for i in generator.permutation(L)))


def _fits(rows, row) -> bool:
    try:
        LabelTable((*rows, row))
    except InputError:
        return False
    return True
