r"""The text lists of SALGL's repository: a line ``path<tab>label,label`` for each image.

https://github.com/jasonseu/SALGL. One file, or a folder with ``train.txt`` and ``test.txt`` (each a
split) and optionally ``label.txt`` with the labels in order.
"""

from __future__ import annotations

import re
from pathlib import Path

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_lines,
    read_text,
    split_of_name,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

NAME = "salgl"
OPTIONS = ("images", "delimiter")
NUMBERS = re.compile(r"[-\d.,;\s]+")  # are not names; label_vectors reads them
FILES = ("train.txt", "val.txt", "test.txt")


def recognise(source: Path | str) -> str | None:
    """Recognise a .txt whose first line is an image, a tab and labels, or a folder of them."""
    path = Path(source)
    if path.is_dir():
        files = _files(unwrap(path))
        return f"it holds {' and '.join(file.name for file in files)}" if files else None
    if path.suffix.lower() != ".txt" or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        image, tab, labels = file.readline(10_000).partition("\t")
    is_image = Path(image.strip()).suffix.lower() in IMAGE_SUFFIXES
    if not tab or not is_image or NUMBERS.fullmatch(labels):
        return None
    return "its lines are an image, a tab and labels"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one list, without splits, or the lists of a folder, each a split."""
    path = Path(source)
    files = _files(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no train.txt with lines of an image, a tab and labels")
    rows = [
        (file, image, labels)
        for file in files
        for image, labels in _read_file(file, options.delimiter or ",")
    ]
    order = files[0].with_name("label.txt")
    names = sorted({label for _, _, labels in rows for label in labels})
    if order.is_file():
        listed = read_lines(order)
        if extra := set(names) - set(listed):
            raise InputError(f"{order}: lacks the label {min(extra)!r}, which an image has")
        names = listed
    beside = files[0].absolute().parent
    usual = [beside, beside / "images", beside.parent]
    where = locate([image for _, image, _ in rows], path, options.images, usual)
    records = [
        Record(image, found, labels, split=split_of_name(file) if path.is_dir() else None)
        for (file, image, labels), found in zip(rows, where, strict=True)
    ]
    return Source(names, records, NAME, f"{NAME}: {options.why}")


def _files(folder: Path) -> list[Path]:
    return [folder / name for name in FILES if recognise(folder / name)]


def _read_file(path: Path, delimiter: str) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        image, tab, labels = line.partition("\t")
        if not tab or not image.strip():
            raise InputError(f"{path}, line {number}: expected an image, a tab and labels")
        parts = [label for part in labels.split(delimiter) if (label := part.strip())]
        rows.append((image.strip().replace("\\", "/"), tuple(dict.fromkeys(parts))))
    return rows
