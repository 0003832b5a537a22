"""VG-500: Visual Genome with the 500 most frequent categories, as SSGRL's repository defines it.

https://github.com/HCPLab-SYSU/SSGRL. ``train_list_500.txt`` and ``test_list_500.txt`` name the
images, ``vg_category_500_labels_index.json`` holds the label indices of each image:
``{"2360596.jpg": [3, 41]}``. The names of the categories were never published: they are called
``category 0`` to ``category 499`` here. Images are in ``VG_100K``, as in SSGRL, or in ``VG_100K``
and ``VG_100K_2``, as in the original archives.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_json,
    read_lines,
    unwrap,
)
from imlgcn.data.formats.image_files import no_images
from imlgcn.errors import InputError

NAME = "vg500"
OPTIONS = ("images",)
LABELS = "vg_category_500_labels_index.json"
LISTS = {"train": "train_list_500.txt", "test": "test_list_500.txt"}
FOLDERS = ("VG_100K", "VG_100K_2")
NUM_LABELS = 500


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with the two lists."""
    path = Path(source)
    if not path.is_dir() or not all((unwrap(path) / name).is_file() for name in LISTS.values()):
        return None
    return f"it holds {' and '.join(LISTS.values())}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read both lists; each is a split."""
    folder = unwrap(Path(source))
    labels = _read_labels(folder / LABELS)
    lists = {split: _read_list(folder / name) for split, name in LISTS.items()}
    if both := set(lists["train"]) & set(lists["test"]):
        raise InputError(f"{folder}: {min(both)} is in both lists")
    folders = options.images or _image_folders(folder.absolute())
    where = {file.name: file for place in reversed(folders) for file in place.iterdir()}
    names = [f"category {number}" for number in range(NUM_LABELS)]
    records = []
    for split, images in lists.items():
        for image in images:
            if image not in labels:
                raise InputError(f"{folder / LABELS}: has no labels for {image}, which is listed")
            present = tuple(names[number] for number in labels[image])
            records.append(
                Record(image, where.get(image, folders[0] / image), present, split=split)
            )
    if not any(record.name in where for record in records):
        raise no_images(folder, [record.name for record in records], folders)
    reason = f"{NAME}: {options.why}; the names of the labels are not public"
    return Source(names, records, NAME, reason, "VG-500")


def _read_list(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path}: is missing; SSGRL's repository has it in data/VG")
    return read_lines(path)


def _image_folders(folder: Path) -> list[Path]:
    bases = (folder, folder / "images")
    found = [base / name for base in bases for name in FOLDERS if (base / name).is_dir()]
    if not found:
        raise InputError(f"{folder}: holds neither {' nor '.join(FOLDERS)}, the folders of images")
    return found


def _read_labels(path: Path) -> Mapping[str, list[int]]:
    if not path.is_file():
        raise InputError(f"{path}: is missing; SSGRL's repository has it in data/VG")
    content: Any = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object of images and their label indices")
    for image, numbers in content.items():
        if not isinstance(numbers, list) or not all(
            type(number) is int and 0 <= number < NUM_LABELS for number in numbers
        ):
            raise InputError(
                f"{path}: expected indices from 0 to {NUM_LABELS - 1} for {image}; got {numbers!r}"
            )
    return content
