r"""A CSV with a column of images under any name and a column of 1 and 0 for each label.

Examples are the multi-label tables of UCM and AID (``IMAGE\LABEL,airplane,...``, with image names
without suffix, in any sub-folder; some copies have a column of row numbers first), and Roboflow's
exports: a folder with a ``_classes.csv`` in each of ``train``, ``valid`` and ``test``, next to the
images.

Columns ``split`` and ``group`` are no labels. A table with a column ``image`` is read by
:mod:`imlgcn.data.formats.csv` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.config import InputError
from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    join_files,
    unwrap,
)
from imlgcn.data.formats.csv import (
    VALUES,
    image_names,
    is_label,
    is_table,
    label_columns,
    read_groups,
    read_splits,
    read_start,
    read_table,
)
from imlgcn.data.formats.image_files import find_root
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.numbers import plural

NAME = "columns"
ROBOFLOW = "_classes.csv"
NUM_ROWS = 20  # read to recognise a table
NO_LABELS = ("split", "group")


def recognise(source: Path | str) -> str | None:
    """Recognise a table with columns of 1 and 0 after the first, or Roboflow's folder."""
    path = Path(source)
    if path.is_dir():
        files = _roboflow_files(unwrap(path))
        return f"it holds {files[0].parent.name}/{ROBOFLOW}" if files else None
    if not is_table(path):
        return None
    header, *rows = read_start(path, NUM_ROWS)
    if "image" in map(str.lower, header) or not rows:
        return None
    columns = list(zip(*rows, strict=False))
    first = _image_column(header, columns)
    if first is None:
        return None
    rest = list(zip(header, columns, strict=False))[first + 1 :]
    labels = [column for name, column in rest if name.lower() not in NO_LABELS]
    if not labels or not all(map(_is_binary, labels)):
        return None
    return f"its column {header[first]!r} is followed by columns of 1 and 0"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one table, or the tables of Roboflow's folders, each a split."""
    path = Path(source)
    files = _roboflow_files(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: has no {ROBOFLOW} in a folder train, valid or test")

    def read_part(file: Path) -> tuple[list[str], list[Record]]:
        labels, records = _read_file(file, options)
        if path.is_dir():
            part = file.parent.name
            split = SPLIT_SPELLINGS[part.lower()]
            records = [replace(r, name=f"{part}/{r.name}", split=split) for r in records]
        return labels, records

    names, records = join_files(files, read_part, "labels")
    return Source(names, records, NAME, f"{NAME}: {options.why}")


def _roboflow_files(folder: Path) -> list[Path]:
    return [
        entry / ROBOFLOW
        for entry in sorted(folder.iterdir())
        if entry.name.lower() in SPLIT_SPELLINGS and (entry / ROBOFLOW).is_file()
    ]


def _image_column(header: Sequence[str], columns: Sequence[Sequence[str]]) -> int | None:
    """Return the first column that is not all numbers; a column of row numbers may precede it."""
    for index, (name, cells) in enumerate(zip(header, columns, strict=False)):
        if name.lower() not in NO_LABELS and not all(cell.isdigit() for cell in cells if cell):
            return index
    return None


def _is_binary(cells: Sequence[str]) -> bool:
    return all(cell.lower() in VALUES for cell in cells)


def _read_file(path: Path, options: ReadOptions) -> tuple[list[str], list[Record]]:
    table = read_table(path)
    columns = [table.column(index) for index in range(len(table.header))]
    image, split = _image_column(table.header, columns), table.find("split")
    if image is None:
        raise InputError(f"{path}: has no column of images; its columns are {table.header}")
    rest = [i for i in range(image + 1, len(columns)) if table.header[i].lower() not in NO_LABELS]
    rest = [i for i in rest if table.header[i] not in options.fields and is_label(columns[i])]
    names, labels, _ = label_columns(table, rest)
    images = image_names(table, image)
    splits = [None] * len(images) if split is None else read_splits(table, split)
    where = _image_files(path, images, options.images)
    records = [
        Record(file_name, file, tuple(present), tuple(unknown), part, group=group)
        for (file_name, file), (present, unknown), part, group in zip(
            where, labels, splits, read_groups(table), strict=True
        )
    ]
    return names, records


def _image_files(path: Path, images: list[str], given: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return name and file of each image; names without suffix are searched below the root."""
    beside = path.absolute().parent
    if all(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in images):
        root = find_root(images, [beside, beside / "images"], path, given)
        return [(name, root / name) for name in images]
    root = given[0] if given else beside
    stems = set(images)
    by_stem: dict[str, Path] = {}
    for file in sorted(root.rglob("*")):
        if file.stem not in stems or file.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if by_stem.setdefault(file.stem, file) != file:
            raise InputError(f"{path}: {file.stem} could be {by_stem[file.stem]} or {file}")
    files = [by_stem.get(name, root / name) for name in images]
    if not by_stem:
        raise InputError(
            f"{path}: found 0 of {plural(len(images), 'image')} in {root} and below (the first "
            f"is {images[0]!r}, without a suffix); say which folder holds them (images=FOLDER)"
        )
    return [(file.relative_to(root).as_posix(), file) for file in files]
