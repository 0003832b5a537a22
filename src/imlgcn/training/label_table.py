"""The label table of a run: which one it is, what it makes of the targets, where it is written.

The first there is: that of the caller; of the interrupted run that is resumed; of the earlier run
in the folder, which is replaced; of the tagger to start from. None is lost: one that is not taken
over stays in the folder, under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

from imlgcn.data.dataset import Dataset
from imlgcn.data.label_table_file import read_label_table, write_label_table
from imlgcn.errors import InputError
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress
from imlgcn.tagger.folder import LABEL_TABLE, REPLACED, REPLACED_TABLE, read_own_table

Given = LabelTable | str | Path | None


def choose_label_table(
    given: Given,
    labels: Sequence[str],
    out: Path,
    progress: Progress,
    *,
    start: Path | None = None,
    resume: bool = False,
    replace: bool = False,
) -> LabelTable:
    """Return the table that a run into ``out`` has, for the ``labels`` of its data.

    Raises:
        InputError: it has wrong rows, or a resumed run has another one than it is given.
    """
    chosen = _given(given, labels)
    own = _own_table(out) if resume or replace else None
    if resume and own is not None:
        if chosen is not None and chosen.aligned(own.labels) != own:
            raise InputError(
                f"{out / LABEL_TABLE}, the table of the run to resume, differs from label_table=: "
                "make the two the same, or give another out="
            )
        return own.aligned(labels)
    if chosen is not None:
        return chosen
    for path, table in ((out, own), (start, None if start is None else read_own_table(start))):
        if table is not None and not table.is_default:
            return _taken_over(table, labels, path, progress)
    return LabelTable.of(labels)


def close_dataset(dataset: Dataset, table: LabelTable, progress: Progress) -> Dataset:
    """Return the data with all parents of a present label present; say how many that changes."""
    if not table.parents:
        return dataset
    targets = table.close_targets(dataset.targets)
    changed = targets != dataset.targets  # (N, L)
    counts = changed.sum(axis=0)
    most = sorted(range(len(counts)), key=lambda index: -counts[index])[:5]
    named = ", ".join(f"{dataset.names[i]} {counts[i]:,}" for i in most if counts[i])
    progress.say(
        f"label table: parents of a present label made present, {number(int(counts.sum()), 0)} "
        f"targets on {plural(int(changed.any(axis=1).sum()), 'image')}"
        f"{f' ({named})' if named else ''}"
    )
    return replace(dataset, targets=targets)


def write_run_table(out: Path, table: LabelTable) -> None:
    """Write the tagger's table to ``out``; that of a replaced run is kept if it is another one."""
    before = read_own_table(out / REPLACED)
    if before is not None and before != table and not before.is_default:
        copyfile(out / REPLACED / LABEL_TABLE, out / REPLACED_TABLE)
    write_label_table(out / LABEL_TABLE, table)


def _given(given: Given, labels: Sequence[str]) -> LabelTable | None:
    if isinstance(given, LabelTable):
        return LabelTable.of(labels, given.rows)
    return None if given is None else read_label_table(given, labels)


def _own_table(out: Path) -> LabelTable | None:
    """Return the table of the run in ``out``, or of one that a killed run was to replace."""
    return read_own_table(out) or read_own_table(out / REPLACED)


def _taken_over(
    table: LabelTable, labels: Sequence[str], path: Path | None, progress: Progress
) -> LabelTable:
    lost = [r.label for r in table.rows if r.label not in labels and r != LabelRow(r.label)]
    without = f", without its rows of {', '.join(lost[:5])}" if lost else ""
    more = ", ..." if len(lost) > 5 else ""
    progress.say(f"label table: that of {path} is taken over{without}{more}")
    return table.aligned(labels)
