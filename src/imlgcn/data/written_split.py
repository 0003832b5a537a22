"""Splits as files: a CSV of the data with its splits, and the splits that such a file has kept."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import SPLITS, Dataset
from imlgcn.data.formats.column_names import is_reserved
from imlgcn.data.formats.csv import COLUMNS
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.spreadsheets import bare, inert


def write_split_csv(dataset: Dataset, splits: Sequence[str | None], path: str | Path) -> None:
    """Write the data with its splits, atomically, as a CSV that ``load_dataset`` reads back.

    Paths of images are relative to the file, or absolute where they have no folder in common.
    Labels go into one
    column; or into one column each where that would lose something (a label with a delimiter in its
    name, a label that no image has, labels verified as absent).

    Raises:
        InputError: a label needs a column of its own and is called as another column is.
    """
    path = Path(path)
    dataset = dataset.with_splits(splits)
    images = image_cells(dataset, path)
    more = {"split": [record.split or "" for record in dataset.records]}
    if any(record.group for record in dataset.records):
        more["group"] = [record.group or "" for record in dataset.records]
    if (cells := _in_one_column(dataset)) is not None:
        names: tuple[str, ...] = ("labels",)
        rows = [[cell] for cell in cells]
        columns = dict.fromkeys(name for record in dataset.records for name in record.fields)
        for column in (name for name in columns if name.lower() not in COLUMNS):
            more[column] = [record.fields.get(column, "") for record in dataset.records]
    else:
        names, rows = _own_columns(dataset), dataset.targets.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(inert, ["image", *names, *more]))
    for image, row, rest in zip(images, rows, zip(*more.values(), strict=True), strict=True):
        writer.writerow(map(inert, [image, *row, *rest]))
    write_atomic(path, text.getvalue())


def image_cells(dataset: Dataset, path: Path) -> list[str]:
    """Return the images as a CSV at ``path`` names them: relative where they share a folder."""
    folder = os.path.realpath(path.absolute().parent)  # as ".." leaves it
    return [_relative(os.path.abspath(record.path), folder) for record in dataset.records]


def _relative(file: str, folder: str) -> str:
    try:
        shared = os.path.commonpath([file, folder])
    except ValueError:  # another drive
        shared = ""
    alone = not shared or os.path.dirname(shared) == shared
    return (file if alone else os.path.relpath(file, folder)).replace(os.sep, "/")


def keep_splits(dataset: Dataset, path: Path, groups: NDArray[np.int64]) -> tuple[Dataset, int]:
    """Give images that a file of :func:`write_split_csv` lists the split they have there.

    Images of the same group (N,) follow those that are listed: the first split of them in the order
    train, val, test, so that what was learnt is not asked. Returns the data and how many of its
    images the file lists.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    folder = os.path.realpath(path.absolute().parent)
    old = {os.path.abspath(os.path.join(folder, bare(row["image"]))): row["split"] for row in rows}
    found = [old.get(os.path.abspath(record.path)) for record in dataset.records]
    of_group: dict[int, str] = {}
    for split in reversed(SPLITS):  # train last: it wins
        of_group |= {
            g: split for g, kept in zip(groups.tolist(), found, strict=True) if kept == split
        }
    splits = [
        kept or of_group.get(group) or record.split
        for kept, group, record in zip(found, groups.tolist(), dataset.records, strict=True)
    ]
    return dataset.with_splits(splits), sum(kept is not None for kept in found)


def _in_one_column(dataset: Dataset) -> list[str] | None:
    """Return the labels of each image in a cell; None if they would be read back otherwise."""
    if any(record.absent is not None for record in dataset.records):
        return None
    if not (dataset.targets != 0).any(axis=0).all():
        return None
    cells = [
        ";".join([*record.labels, *(f"?{name}" for name in record.unknown)])
        for record in dataset.records
    ]
    try:
        read = split_cells([cell.strip() for cell in cells]).rows
    except InputError:
        return None
    same = all(
        set(present) == set(record.labels) and set(unknown) == set(record.unknown)
        for record, (present, unknown) in zip(dataset.records, read, strict=True)
    )
    return cells if same else None


def _own_columns(dataset: Dataset) -> tuple[str, ...]:
    if taken := [name for name in dataset.names if is_reserved(name)]:
        raise InputError(
            f"the label {taken[0]!r} cannot be written as a column of a CSV, where "
            f"{taken[0].lower()!r} is not a label; rename the label"
        )
    return dataset.names
