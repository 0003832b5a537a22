"""The JSON lists of Intel's multi-label work: ``classes``, and ``images`` as ``[path, [labels]]``.

Published with "Combining Metric Learning and Attention Heads For Accurate and Efficient Multilabel
Image Classification", https://arxiv.org/abs/2209.06585, for COCO, VOC, NUS-WIDE and VG-500. One
file, or a folder with ``train.json`` and ``val.json``, each a split. Labels are names, or indices
into ``classes``; paths are relative to the file's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    join_files,
    read_json,
    split_of_name,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import json_start
from imlgcn.errors import InputError

NAME = "intel"
OPTIONS = ("images",)


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON that begins with ``classes`` or ``images``, or a folder of them."""
    path = Path(source)
    if path.is_dir():
        files = _files(unwrap(path))
        return f"it holds {' and '.join(file.name for file in files)}" if files else None
    start = json_start(path, (".json",))
    if start is None or start.kind != "object" or start.opens("classes") not in ("[", ""):
        return None
    images = start.pairs.get("images")
    pairs = isinstance(images, list) and all(isinstance(image, list) for image in images)
    # the classes may fill what is read, or come after images that do
    whole = pairs and ("classes" in start.pairs or "images" in start.cut)
    if not whole and "classes" not in start.cut:
        return None
    return "the file ends in .json and holds classes and images"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one file, without splits, or the files of a folder, each a split."""
    path = Path(source)
    files = _files(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no train.json and val.json with classes and images")
    split_of = {file: split_of_name(file) if path.is_dir() else None for file in files}
    names, records = join_files(files, lambda f: _read_file(f, split_of[f], options), "classes")
    return Source(names, records, NAME, f"{NAME}: {options.why}")


def _files(folder: Path) -> list[Path]:
    named = [folder / f"{name}.json" for name in ("train", "val", "test")]
    found = [file for file in named if file.is_file() and recognise(file)]
    return found if len(found) > 1 else []


def _read_file(
    path: Path, split: str | None, options: ReadOptions
) -> tuple[list[str], list[Record]]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and content[key] for key in ("classes", "images")
    ):
        raise InputError(f"{path}: expected the lists classes and images")
    names = [str(name).strip() for name in content["classes"]]
    pairs = [_pair(path, n, entry, names) for n, entry in enumerate(content["images"], start=1)]
    beside = path.absolute().parent
    usual = [beside, beside / "images", beside.parent]
    files = locate([image for image, _ in pairs], path, options.images, usual)
    return names, [
        Record(image, file, labels, split=split)
        for (image, labels), file in zip(pairs, files, strict=True)
    ]


def _pair(path: Path, number: int, entry: Any, names: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return image and labels of an entry; a label is a name or an index."""
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], list):
        raise InputError(f"{path}: image number {number}: expected [path, [labels]]; got {entry!r}")
    labels = []
    for label in entry[1]:
        if type(label) is int and 0 <= label < len(names):
            label = names[label]
        if label not in names:
            raise InputError(f"{path}: image number {number}: {label!r} is not one of the classes")
        labels.append(label)
    return str(entry[0]).replace("\\", "/"), tuple(dict.fromkeys(labels))
