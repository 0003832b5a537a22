"""PaddleLabel's "ImageNet-txt" of several classes: lists of images and labels, and labels.txt.

https://github.com/PaddleCV-SIG/PaddleLabel/blob/develop/doc/CN/manual/classification.md.
``train_list.txt``, ``val_list.txt`` and ``test_list.txt`` have one image a line, then its labels,
separated by spaces: names, or numbers that count the lines of ``labels.txt`` from 0. A path must
hold no space. Lists of 0 and 1 for every label are another format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_lines,
    split_of_name,
    unwrap,
)
from imlgcn.data.formats.class_names import file_names, given_names, labels_at
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.label_numbers import is_number
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

NAME = "paddle_label"
OPTIONS = ("images", "label_names")
LABELS = "labels.txt"
LISTS = ("train_list.txt", "val_list.txt", "test_list.txt")
NUM_LINES = 50  # read to recognise a list


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with one of the lists, or a list, by its first lines."""
    path = Path(source)
    if path.is_dir():
        files = _lists(unwrap(path))
        return f"it holds {files[0].name} of PaddleLabel" if files else None
    fits = path.name in LISTS and _fits(path)
    return "the file is a list of images and labels of PaddleLabel" if fits else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one list, without splits, or the lists of a folder."""
    path = Path(source)
    files = _lists(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds none of {', '.join(LISTS)} with images and labels")
    names = given_names(options)
    if not names and (file := files[0].parent / LABELS).is_file():
        names = file_names(file)
    listed = [(file, n, line) for file in files for n, line in enumerate(read_lines(file), 1)]
    if not listed:
        raise InputError(f"{files[0]}: is empty")
    images = [_words(line)[0] for _, _, line in listed]
    labels = [_labels(file, number, line, names) for file, number, line in listed]
    where = locate(images, files[0], options.images)
    split_of = {file: split_of_name(file) if len(files) > 1 else None for file in files}
    records = [
        Record(name, path, shown, split=split_of[file])
        for name, path, shown, (file, _, _) in zip(images, where, labels, listed, strict=True)
    ]
    further = sorted({name for shown in labels for name in shown} - set(names))
    reason = f"{NAME}: {options.why}"
    if names:
        reason += (
            f"; numbers count the names in {'label_names=' if given_names(options) else LABELS}"
        )
    return Source(names + further, records, NAME, reason)


def _lists(folder: Path) -> list[Path]:
    return [file for name in LISTS if _fits(file := folder / name)]


def _fits(path: Path) -> bool:
    """Return whether the first lines are images with labels, not with a 0 or 1 for each."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [line for _, line in zip(range(NUM_LINES), file, strict=False) if line.strip()]
    if not lines or any("\t" in line or "," in line for line in lines):
        return False
    rows = [_words(line) for line in lines]
    if not all(Path(row[0]).suffix.lower() in IMAGE_SUFFIXES for row in rows):
        return False
    return not _is_vector([row[1:] for row in rows])


def _is_vector(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether all rows have as many words, only 0 and 1, and more than two of them."""
    return len({len(row) for row in rows}) == 1 and all(
        len(row) > 2 and set(row) <= {"0", "1"} for row in rows
    )


def _words(line: str) -> list[str]:
    return line.replace("\\", "/").split()


def _labels(file: Path, number: int, line: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a line; a number is a position in the names."""
    words = _words(line)[1:]
    place = f"{file}, line {number}: "
    numbers = [int(word) for word in words if is_number(word) and word not in names]
    if numbers and not names:
        raise InputError(
            f"{place}its labels are numbers; put the names, one a line, into {LABELS} beside the "
            "list, or give such a file (label_names=FILE)"
        )
    texts = [word for word in words if not is_number(word) or word in names]
    return tuple(dict.fromkeys([*labels_at(numbers, names, place), *texts]))
