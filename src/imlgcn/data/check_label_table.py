"""What a label table says of a data set: wrong rows, missing parents, tags that exclude each other.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from imlgcn.data.dataset import Dataset
from imlgcn.data.label_table_file import check_label_table
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import plural


class Finding(NamedTuple):
    """One kind of finding: how bad it is, what to do about it, and all cases, most images first."""

    level: Literal["error", "warning", "note"]
    kind: str
    message: str
    cases: list[str]


def find(dataset: Dataset, file: str | Path) -> Iterator[Finding]:
    """Yield what is found with the label table in ``file``.

    Raises:
        InputError: it is not a table at all.
    """
    table, problems = check_label_table(file, dataset.names)
    message = f"[row|rows] of the label table {file} [is|are] wrong; correct [it|them]"
    yield Finding("error", "label_table", message, list(problems))
    if table is not None:
        yield Finding(
            "warning",
            "exclusive_labels",
            "exclusive [set has|sets have] several labels on one image, of which a tagger gives "
            "one; correct the images, or take labels out of the set",
            _broken_sets(dataset, table),
        )
        yield Finding(
            "note",
            "missing_parents",
            "[parent is|parents are] missing on images of [its|their] children; training with this "
            "table adds [it|them]",
            _missing_parents(dataset, table),
        )


def _broken_sets(dataset: Dataset, table: LabelTable) -> list[str]:
    names = sorted({row.exclusive for row in table.rows} - {""})
    counts = {}
    for name in names:
        members = [number for number, row in enumerate(table.rows) if row.exclusive == name]
        several = (dataset.targets[:, members] == 1).sum(axis=1) > 1  # (N,)
        counts[name] = int(several.sum())
    return [
        f"{name}: {plural(counts[name], 'image')}"
        for name in sorted(names, key=lambda name: -counts[name])
        if counts[name]
    ]


def _missing_parents(dataset: Dataset, table: LabelTable) -> list[str]:
    counts = (table.close_targets(dataset.targets) != dataset.targets).sum(axis=0)  # (L,)
    order = np.argsort(-counts, kind="stable")
    return [f"{dataset.names[i]}: {plural(int(counts[i]), 'image')}" for i in order if counts[i]]
