"""Columns of a table besides its labels: images, splits and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imlgcn.data.formats.base import SPLIT_SPELLINGS, SPLIT_WORDS, ReadOptions, split_name
from imlgcn.data.formats.column_names import (
    GROUP_COLUMN,
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    SPLIT_FLAGS,
    is_image_name,
    known_columns,
    named_column,
    nearest,
    normal,
)
from imlgcn.data.formats.image_files import ImageFinder
from imlgcn.data.formats.label_columns import VALUES
from imlgcn.data.formats.tables import Table
from imlgcn.errors import InputError

UNASSIGNED = ("unassigned", "none", "null", "nan", "n/a")  # of a split
FLAG = {**dict.fromkeys(("true", "1", "1.0"), True), **dict.fromkeys(("false", "0", "0.0"), False)}
PARTITION = {"0": "train", "1": "val", "2": "test"}  # of CelebA
SAMPLE = 400  # rows with which columns of images are tried


@dataclass(frozen=True)
class Splits:
    """The split of each row, the column that says so, and a word about it."""

    rows: list[str | None]
    column: int | None = None
    how: str = ""


NO_SPLITS = Splits([])


def image_names(table: Table, index: int) -> list[str]:
    """Return the images of all rows, with forward slashes."""
    names = [cell.replace("\\", "/") for cell in table.column(index)]
    if "" in names:
        raise InputError(
            f"{table.at(names.index(''))}the image is missing; name it, or remove the row"
        )
    return names


def choose_image_column(table: Table, options: ReadOptions, finder: ImageFinder) -> int:
    """Return the column of the images: named, or known by its name, or whose cells are files."""
    if options.image_column is not None:
        return named_column(table.path, table.header, options.image_column, "image_column")
    if (exact := table.find("image")) is not None:
        return exact
    given = {name.lower() for name in (*options.label_columns, *options.fields)}
    free = [i for i, name in enumerate(table.header) if name.lower() not in given]
    known = [i for i in known_columns(table.header, IMAGE_COLUMNS) if i in free]
    for index in known:
        if _share_found(table, index, finder, known=True) > 0:
            return index
    others = [i for i in free if i not in known and normal(table.header[i]) not in LABEL_COLUMNS]
    fitting = [i for i in others if _share_found(table, i, finder) >= 0.5]
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        names = " and ".join(repr(table.header[i]) for i in fitting[:2])
        raise InputError(
            f"{table.path}: the columns {names} both name images; say which "
            f"(image_column={table.header[fitting[0]]!r})"
        )
    like_images = [i for i in others if all(map(is_image_name, table.column(i)))]
    if chosen := known or like_images:
        return chosen[0]
    raise InputError(
        f"{table.path}: has no column 'image' nor another that names images; "
        f"{nearest('image', table.header)}; say which (image_column=COLUMN)"
    )


def _share_found(table: Table, index: int, finder: ImageFinder, *, known: bool = False) -> float:
    """Return the share of a column's cells, or of a sample, that are files."""
    cells = [cell.replace("\\", "/") for cell in table.column(index)]
    step = max(1, len(cells) // SAMPLE)
    sample = cells[::step]
    names = list(dict.fromkeys(filter(None, sample)))
    few = 10 * len(names) < len(sample) or all(cell.lower() in VALUES for cell in cells)
    if not names or (few and not known):
        return 0.0
    try:
        return sum(file is not None for file in finder.find(names)) / len(names)
    except InputError:  # could be two files: said when the column is read
        return float(known)


def choose_splits(table: Table, options: ReadOptions, taken: Sequence[int]) -> Splits:
    """Return the splits: of the column that is named, or known by its name and its words."""
    if options.split_column is not None:
        index = named_column(table.path, table.header, options.split_column, "split_column")
        return _splits_of(table, index) or Splits(
            read_splits(table, index), index, _words(table, index)
        )
    if (exact := table.find("split")) is not None:
        return Splits(read_splits(table, exact), exact, _words(table, exact))
    for index in known_columns(table.header, (*SPLIT_COLUMNS, *SPLIT_FLAGS)):
        if index not in taken and (found := _splits_of(table, index)):
            return found
    return Splits([None] * len(table.rows))


def splits_of_folders(files: Sequence[Path], listed_in: Path) -> Splits:
    """Return the splits that the folders of all images are called as, if they are several."""
    beside = listed_in.absolute().parent
    found: list[str | None] = []
    for file in files:
        parts = file.relative_to(beside).parts if file.is_relative_to(beside) else file.parts
        words = [SPLIT_SPELLINGS[p.lower()] for p in parts[:-1] if p.lower() in SPLIT_SPELLINGS]
        if not words:
            break
        found.append(words[-1])
    several = len(found) == len(files) and len(set(found)) > 1
    return Splits(found, how="the folders of the images are the splits") if several else NO_SPLITS


def _splits_of(table: Table, index: int) -> Splits | None:
    """Return the splits of a column, None if its cells do not all say one."""
    name, cells = normal(table.header[index]), [cell.lower() for cell in table.column(index)]
    quoted = repr(table.header[index])
    if name in SPLIT_FLAGS and all(cell in FLAG for cell in cells):
        other = SPLIT_FLAGS[name]
        rows: list[str | None] = [other if FLAG[cell] else "train" for cell in cells]
        return Splits(rows, index, f"{quoted} says which images are {other}, others are train")
    if name == "partition" and any(cells) and all(cell in PARTITION for cell in cells):
        return Splits([PARTITION[c] for c in cells], index, f"{quoted} numbers train, val and test")
    if any(cells) and all(cell in SPLIT_WORDS or cell in UNASSIGNED for cell in cells):
        words = _words(table, index)
        return Splits(read_splits(table, index), index, words or f"{quoted} is the split")
    return None


def _words(table: Table, index: int) -> str:
    """Return what is said about words for a split that have other readings."""
    kinds = {cell.lower() for cell in table.column(index)}
    said = [
        f"its {w} is the split {SPLIT_WORDS[w]}"
        for w in ("eval", "holdout", "hold-out")
        if w in kinds
    ]
    if kinds & set(UNASSIGNED) and kinds - set(UNASSIGNED):
        said.append("images without a split are left to themselves")
    return "; ".join(said)


def read_splits(table: Table, index: int) -> list[str | None]:
    """Return the split of each row; None where the whole column is empty."""
    cells = table.column(index)
    if not any(cells):
        return [None] * len(cells)
    splits: list[str | None] = []
    for row, cell in enumerate(cells):
        try:
            splits.append(None if cell.lower() in UNASSIGNED else split_name(cell))
        except InputError as error:
            raise InputError(f"{table.at(row)}{error}") from None
    return splits


def read_groups(table: Table) -> list[str | None]:
    """Return the group of each row; None where its cell is empty or there is no such column."""
    index = table.find(GROUP_COLUMN)
    return [None] * len(table.rows) if index is None else [c or None for c in table.column(index)]
