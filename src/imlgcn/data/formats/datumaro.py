"""Datumaro's JSON, which CVAT exports too: ``annotations/<subset>.json`` and ``images/<subset>/``.

https://openvinotoolkit.github.io/datumaro/latest/docs/data-formats/datumaro_format.html and
https://docs.cvat.ai/docs/dataset_management/formats/format-datumaro/. An image has the labels of
all its annotations that have a ``label_id``, a position in ``categories.label.labels``; attributes
and captions are not labels. The files of a folder are splits by their names.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    join_files,
    read_json,
    splits_of_names,
    unwrap,
)
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.layout import files_ending, locate_any
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "datumaro"
OPTIONS = ("images",)


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON whose categories are an object, or a folder with annotations/ of them."""
    path = Path(source)
    if path.is_dir():
        files = _files(path)
        return f"it holds annotations/{files[0].name} of Datumaro" if files else None
    start = json_start(path, (".json",))
    if start is None or start.kind != "object":
        return None
    versioned = "dm_format_version" in start.pairs
    if not versioned and not (start.opens("categories") == "{" and "items" in start.pairs):
        return None
    return "the file ends in .json and holds Datumaro's categories and items"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one file, without splits, or the files of a folder."""
    path = Path(source)
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no annotations/*.json of Datumaro")
    split_of = dict(zip(files, splits_of_names(files), strict=True))
    left: Counter[str] = Counter()
    names, records = join_files(
        files, lambda file: _read_file(file, split_of[file], options, left), "labels"
    )
    reason = f"{NAME}: {options.why}; annotations of every type are labels, attributes are not"
    if left:
        types = ", ".join(sorted(left))
        reason += (
            f"; left out: {plural(sum(left.values()), 'annotation')} without a label ({types})"
        )
    return Source(names, records, NAME, reason)


def _files(folder: Path) -> list[Path]:
    folder = unwrap(folder)
    return [file for file in files_ending(folder / "annotations", (".json",)) if recognise(file)]


def _read_file(
    path: Path, split: str | None, options: ReadOptions, left: Counter[str]
) -> tuple[list[str], list[Record]]:
    content = read_json(path)
    try:
        listed = content["categories"]["label"]["labels"]
        names = [str(label["name"]).strip() for label in listed]
        items = list(content["items"])
    except (KeyError, TypeError):
        raise InputError(
            f"{path}: needs categories.label.labels, a list of objects with a name, and the list "
            "items; export it again"
        ) from None
    if not items:
        raise InputError(f"{path}: lists no items")
    shown = [_labels(path, number, item, names, left) for number, item in enumerate(items, 1)]
    images = [_image(path, number, item) for number, item in enumerate(items, 1)]
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    inside = [f"{path.stem}/{image}" for image in images]
    where = locate_any([inside, images], root / path.name, options.images)
    records = [
        Record(image, file, labels, split=split)
        for image, file, labels in zip(images, where, shown, strict=True)
    ]
    return names, records


def _labels(
    path: Path, number: int, item: Any, names: list[str], left: Counter[str]
) -> tuple[str, ...]:
    annotations = item.get("annotations") if isinstance(item, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path}: item number {number} has no list of annotations")
    found = set()
    for annotation in annotations:
        label = annotation.get("label_id") if isinstance(annotation, dict) else None
        if label is None:
            left[str(annotation.get("type")) if isinstance(annotation, dict) else "unknown"] += 1
        elif type(label) is not int or not 0 <= label < len(names):
            raise InputError(
                f"{path}: item number {number} ({item.get('id')}): label_id {label!r} is not a "
                f"position in the list of {plural(len(names), 'label')}"
            )
        else:
            found.add(label)
    return tuple(names[label] for label in sorted(found))


def _image(path: Path, number: int, item: Any) -> str:
    for key in ("image", "media"):
        if isinstance(item.get(key), dict) and item[key].get("path"):
            return str(item[key]["path"]).replace("\\", "/")
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise InputError(f"{path}: item number {number} has neither an image path nor an id")
    return str(item["id"])
