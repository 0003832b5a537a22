"""A list of images and, line by line, a list of their labels as numbers.

``train.txt`` with ``train_attr.txt`` and the names in ``list_attr_cloth.txt`` (DeepFashion as
mmfashion keeps it:
https://github.com/open-mmlab/mmfashion/blob/master/docs/DATA_PREPARATION.md), or
``database_img.txt`` with ``database_label.txt`` (papers on hashing). Names are found and numbers
read as in :mod:`.label_vectors`; in a folder, lists called as splits are the splits.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

from imlgcn.data.formats.attribute_list import NAMES, attribute_names
from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_lines,
    split_of_name,
    splits_of_names,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.label_rows import read_numbers
from imlgcn.data.formats.layout import is_image
from imlgcn.errors import InputError
from imlgcn.numbers import first_of, plural

NAME = "parallel_lists"
OPTIONS = ("images", "label_names", "minus_one", "present_above")
NUM_LINES = 20  # read to recognise a list
IMAGES = re.compile(r"im(?:a?ge?)s?(?:_?list)?", re.IGNORECASE)  # in the name of a list of images
ENDINGS = ("_attr", "_attrs", "_label", "_labels", "_target", "_targets")
WORDS = ("label", "labels", "attr", "target", "targets")  # in place of "images" in a name
NUMBERS = re.compile(r"-?\d+(?:\.\d*)?(?:[\s,;]+-?\d+(?:\.\d*)?)*")

Pair = tuple[Path, Path]  # a list of images, and the one of their labels


def recognise(source: Path | str) -> str | None:
    """Recognise a list of images beside which is one of numbers, or a folder of such pairs."""
    path = Path(source)
    pairs = _pairs(path)
    return (
        f"the lines of {pairs[0][1].name} belong to those of {pairs[0][0].name}" if pairs else None
    )


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one pair of lists, without splits, or the pairs of a folder, each a split."""
    path = Path(source)
    every = _pairs(path)
    pairs = [pair for pair in every if split_of_name(pair[0])] or every
    if not pairs:
        raise InputError(
            f"{path}: has no list of images and list of numbers that belong together by their "
            "names, such as train.txt and train_labels.txt"
        )
    splits = splits_of_names([listed for listed, _ in pairs])
    rows = [
        (image, values, split, labels)
        for (listed, labels), split in zip(pairs, splits, strict=True)
        for image, values in _rows(listed, labels)
    ]
    first = pairs[0][0]
    named = first.with_name(NAMES)
    if not options.label_names and named.is_file():
        options = replace(options, label_names=attribute_names(named))
    names, found, how = read_numbers(
        [values for _, values, _, _ in rows], pairs[0][1], options, lambda row: f"{rows[row][3]}: "
    )
    images = [image for image, _, _, _ in rows]
    records = [
        Record(image, file, tuple(present), tuple(unknown), split)
        for (image, _, split, _), file, (present, unknown) in zip(
            rows, locate(images, first, options.images), found, strict=True
        )
    ]
    reason = f"{NAME}: {options.why}; {how}"
    if left_out := [listed.name for listed, _ in every if listed not in dict(pairs)]:
        reason += f"; left out: {first_of(left_out)}, which says not whether it is train or test"
    return Source(names, records, NAME, reason)


def _pairs(path: Path) -> list[Pair]:
    """Return the pairs in a folder, or the one that a file belongs to."""
    folder = unwrap(path) if path.is_dir() else path.parent
    if not folder.is_dir() or (path.is_file() and path.suffix.lower() != ".txt"):
        return []
    files = {file.stem.lower(): file for file in sorted(folder.glob("*.txt"))}
    pairs = []
    for stem, file in files.items():
        names = [stem + ending for ending in ENDINGS]
        names += [IMAGES.sub(word, stem) for word in WORDS if IMAGES.search(stem)]
        labels = next((files[name] for name in names if name in files), None)
        concerns = path.is_dir() or path.name in (file.name, labels and labels.name)
        if labels and concerns and _are_images(file) and _are_numbers(labels):
            pairs.append((file, labels))
    return pairs


def _start(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [line.strip() for line in islice(file, NUM_LINES) if line.strip()]


def _are_images(path: Path) -> bool:
    lines = _start(path)
    return bool(lines) and all(is_image(Path(line)) for line in lines)


def _are_numbers(path: Path) -> bool:
    lines = _start(path)
    return bool(lines) and all(NUMBERS.fullmatch(line) for line in lines)


def _rows(listed: Path, labels: Path) -> list[tuple[str, list[str]]]:
    images, numbers = read_lines(listed), read_lines(labels)
    if len(images) != len(numbers):
        raise InputError(
            f"{labels}: has {plural(len(numbers), 'line')} for {plural(len(images), 'image')} in "
            f"{listed.name}; each line is the labels of the image in the same line"
        )
    wrong = next((line for line in numbers if not NUMBERS.fullmatch(line)), None)
    if wrong is not None:
        raise InputError(f"{labels}: expected numbers in each line; got {wrong[:80]!r}")
    return [
        (image.replace("\\", "/").removeprefix("./"), re.split(r"[\s,;]+", line))
        for image, line in zip(images, numbers, strict=True)
    ]
