"""Attribute lists of CelebA and DeepFashion: a count, a header, then 1 and -1 for each image.

https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (``list_attr_celeba.txt``; CelebAMask-HQ's list is
alike) and https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html (``list_attr_img.txt``, with the
names in ``list_attr_cloth.txt``). **-1 is absent**, as the readme of both says, unlike targets
here. ``list_eval_partition.txt``, beside the list or in ``../Eval``, has the splits: 0, 1 and 2, or
train, val and test.

A folder is recognised by these names, in itself or in ``Anno``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_lines,
    read_text,
    split_name,
    unwrap,
)
from imlgcn.data.formats.class_names import given_names, names_from
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.label_numbers import is_number
from imlgcn.data.formats.label_rows import is_vector, read_vectors
from imlgcn.data.formats.layout import is_image
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "attribute_list"
OPTIONS = ("images", "label_names", "minus_one")
LISTS = ("list_attr_celeba.txt", "list_attr_img.txt", "CelebAMask-HQ-attribute-anno.txt")
NUM_CELEBA = 40  # attributes
FOLDERS = (".", "Anno", "Anno_fine", "Anno_coarse")
NAMES = "list_attr_cloth.txt"  # of DeepFashion
PARTITION = "list_eval_partition.txt"
IMAGES = ("img_align_celeba", "Img/img_align_celeba", "Img", "CelebA-HQ-img")
SPLITS = {"0": "train", "1": "val", "2": "test"}
UNNAMED = ("image_name", "attribute_labels")  # DeepFashion's header, which names no attributes


def recognise(source: Path | str) -> str | None:
    """Recognise a list by its first lines: a count (or none), names, an image with 1 and -1."""
    path = Path(source)
    if path.is_dir():
        found = _in_folder(unwrap(path))
        return f"it holds {found[0].name}" if found else None
    if path.suffix.lower() != ".txt" or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line.split() for line in islice(file, 3)]
    if lines and len(lines[0]) == 1 and lines[0][0].isdecimal():
        lines = lines[1:]
    if len(lines) < 2 or not all(lines[:2]):
        return None
    header, (image, *values) = lines[:2]
    named = len(header) - len(values) in (0, 1) and not is_image(Path(header[0]))
    named = named or tuple(header) == UNNAMED
    fits = named and bool(values) and is_vector(values) and is_image(Path(image))
    return "its lines are names, then an image with 1 or -1 for each" if fits else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the list, and the splits where a partition is beside it."""
    path = Path(source)
    lists = _in_folder(unwrap(path)) if path.is_dir() else [path]
    if len(lists) != 1:
        found = "several lists" if lists else f"none of {', '.join(LISTS)}, itself or in Anno"
        raise InputError(
            f"{path}: holds {found}; give one list ({', '.join(map(str, lists)) or 'its path'})"
        )
    listed = lists[0]
    header, rows = _read_list(listed)
    names, named = _names(listed, header, len(rows[0][1]), options)
    if len(set(names)) < len(names):
        raise InputError(f"{listed}: its header has a name twice; each names an attribute")
    if differing := next((row for row in rows if len(row[1]) != len(names)), None):
        raise InputError(
            f"{differing[2]}has {plural(len(differing[1]), 'value')} for "
            f"{plural(len(names), 'attribute')}"
        )
    values = [row[1] for row in rows]
    if options.minus_one is None and {"0", "-1"} <= {value for row in values for value in row}:
        raise InputError(
            f"{listed}: holds 0 besides 1 and -1; say what -1 means (minus_one=absent or unknown)"
        )
    labels, how = read_vectors(values, names, options.minus_one)
    images = [row[0] for row in rows]
    splits, parted = _splits(listed, images)
    records = [
        Record(image, file, tuple(present), tuple(unknown), split)
        for image, file, (present, unknown), split in zip(
            images, _locate(images, listed, options), labels, splits, strict=True
        )
    ]
    published = "CelebA" if len(names) == NUM_CELEBA and listed.name == LISTS[0] else ""
    return Source(names, records, NAME, f"{NAME}: {options.why}{named}{how}{parted}", published)


def _in_folder(folder: Path) -> list[Path]:
    files = (folder / inside / name for inside in FOLDERS for name in LISTS)
    return [file for file in files if file.is_file()]


def _read_list(path: Path) -> tuple[list[str], list[tuple[str, list[str], str]]]:
    """Return the header, and each image with its values and the start of a message about it."""
    lines = [(n, line.split()) for n, line in enumerate(read_text(path).splitlines(), 1)]
    lines = [(number, cells) for number, cells in lines if cells]
    count = None
    if lines and len(lines[0][1]) == 1 and is_number(lines[0][1][0]):
        count = int(lines.pop(0)[1][0])
    if len(lines) < 2:
        raise InputError(f"{path}: expected a header of names, and a line for each image")
    rows = []
    for number, (image, *values) in lines[1:]:
        if not values or not is_vector(values):
            raise InputError(
                f"{path}, line {number}: expected an image and 1 or -1 for each attribute; got "
                f"{' '.join([image, *values])[:80]!r}"
            )
        rows.append((image.replace("\\", "/"), values, f"{path}, line {number}: "))
    if count is not None and count != len(rows):
        raise InputError(
            f"{path}: announces {plural(count, 'image')} in its first line, but has "
            f"{len(rows):,}; was it cut off? Correct that line if the list is whole"
        )
    return lines[0][1], rows


def _names(
    path: Path, header: list[str], width: int, options: ReadOptions
) -> tuple[list[str], str]:
    """Return the names of the attributes, and where they are from."""
    beside = path.with_name(NAMES)
    if given := given_names(options):
        return given, f"; names are from {names_from(options)}"
    if tuple(header) != UNNAMED:
        return header[len(header) - width :], ""
    if not beside.is_file():
        raise InputError(
            f"{path}: its attributes have no names; put {NAMES} beside it, or give a file with a "
            "name in each line (label_names=FILE)"
        )
    return attribute_names(beside), f"; names are from {NAMES}"


def attribute_names(path: Path) -> list[str]:
    """Return the names in DeepFashion's ``list_attr_cloth.txt``, below a count and a header."""
    return [line.rsplit(None, 1)[0] for line in read_lines(path)[2:]]


def _splits(path: Path, images: Sequence[str]) -> tuple[Sequence[str | None], str]:
    """Return the split of each image, and what to say of it."""
    folders = (path.parent, path.parent.parent / "Eval", path.parent.parent / "eval")
    file = next((f for folder in folders if (f := folder / PARTITION).is_file()), None)
    if file is None:
        return [None] * len(images), ""
    found = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        image, code = (*line.split(), "", "")[:2]
        image = image.replace("\\", "/")
        if not is_image(Path(image)):  # a count, a header, or nothing
            continue
        try:
            found[image] = SPLITS.get(code) or split_name(code)
        except InputError as error:
            raise InputError(f"{file}, line {number}: {error}") from None
    if missing := next((image for image in images if image not in found), None):
        raise InputError(f"{file}: lacks {missing}; complete it, or move it away to read no splits")
    return [found[image] for image in images], f"; splits are from {file.name}"


def _locate(images: Sequence[str], path: Path, options: ReadOptions) -> list[Path]:
    """Find the images, also where the archives of these data sets put them."""
    usual = [above / name for above in path.absolute().parents[:2] for name in IMAGES]
    found = [folder for folder in usual if os.path.isfile(folder / images[0])]
    return locate(images, path, options.images or found[:1])
