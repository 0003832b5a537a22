"""COCO instances JSON: annotations reduced to the set of categories in each image.

https://cocodataset.org/#format-data. Category ids may have gaps and are matched by id, labels come
in the order of the ids; crowds (``iscrowd``) count as present; an image without an annotation is
kept, as an image with no label (many papers leave such images out).
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imlgcn.config import InputError
from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    find_root,
    read_text,
)

NAME = "coco"
KEYS = ("images", "annotations", "categories")


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON file in which all three keys of the format occur."""
    path = Path(source)
    if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size == 0:
        return None
    # parsing a file of 450 MB takes half a minute, finding three words in it does not
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if any(content.find(f'"{key}"'.encode()) < 0 for key in KEYS):
            return None
    return "the file ends in .json and holds " + ", ".join(KEYS)


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one file; its images get no split."""
    path = Path(source)
    names, records = _read_file(path, None, options)
    return Source(names, records, NAME, f"{NAME}: {recognise(path) or 'asked for'}")


def read_splits(paths: Sequence[Path], options: ReadOptions) -> Source:
    """Read several files as one data set, each a split by its name (``instances_val2014.json``)."""
    if len(paths) == 1:
        return read(paths[0], options)
    splits = [_split_of(path) for path in paths]
    listed = ", ".join(path.name for path in paths)
    if None in splits or len(set(splits)) < len(splits):
        raise InputError(
            f"{paths[0].parent}: several JSON files ({listed}) and their names do not say which is "
            "train, val and test; name one file"
        )
    names: list[str] = []
    records: list[Record] = []
    for path, split in zip(paths, splits, strict=True):
        labels, more = _read_file(path, split, options)
        if names and set(labels) != set(names):
            differing = ", ".join(sorted(set(labels) ^ set(names))[:5])
            raise InputError(f"{path}: its categories are not those of {paths[0]}: {differing}")
        names = names or labels
        records += more
    return Source(names, records, NAME, f"{NAME}: {listed} hold {', '.join(KEYS)}")


def _split_of(path: Path) -> str | None:
    """Return the split that a file name speaks of.

    >>> _split_of(Path("instances_val2014.json"))
    'val'
    """
    words = re.findall("[a-z]+", path.stem.lower())
    return next((SPLIT_SPELLINGS[word] for word in words if word in SPLIT_SPELLINGS), None)


def _read_file(
    path: Path, split: str | None, options: ReadOptions
) -> tuple[list[str], list[Record]]:
    images, annotations, categories = _load(path)
    label_of = _labels(path, categories)
    file_of = {
        _get(path, "image", n, image, "id"): str(_get(path, "image", n, image, "file_name"))
        for n, image in enumerate(images)
    }
    if len(file_of) < len(images):
        raise InputError(f"{path}: two images have the same id")
    if not images:
        raise InputError(f"{path}: lists no images")
    found: dict[Any, set[Any]] = {image: set() for image in file_of}
    for number, annotation in enumerate(annotations):
        image = _get(path, "annotation", number, annotation, "image_id")
        category = _get(path, "annotation", number, annotation, "category_id")
        if image not in found or category not in label_of:
            raise InputError(
                f"{path}: annotation number {number + 1} speaks of image {image!r} and category "
                f"{category!r}, and one of them is not listed"
            )
        found[image].add(category)
    file_of = {image: name.replace("\\", "/") for image, name in file_of.items()}
    root = find_root(list(file_of.values()), _roots(path, options.images), path)
    records = [
        Record(
            name,
            root / name,
            tuple(label for category, label in label_of.items() if category in found[image]),
            split=split,
        )
        for image, name in file_of.items()
    ]
    return list(label_of.values()), records


def _load(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None
    if not isinstance(content, dict) or any(not isinstance(content.get(key), list) for key in KEYS):
        held = ", ".join(list(content)[:8] if isinstance(content, dict) else []) or "nothing"
        raise InputError(f"{path}: needs the lists {', '.join(KEYS)}; it holds {held}")
    return content["images"], content["annotations"], content["categories"]


def _labels(path: Path, categories: list[Any]) -> dict[Any, str]:
    """Return the name of each category id, in the order of the ids."""
    pairs = [
        (_get(path, "category", n, entry, "id"), str(_get(path, "category", n, entry, "name")))
        for n, entry in enumerate(categories)
    ]
    label_of = {key: name.strip() for key, name in sorted(pairs, key=lambda pair: pair[0])}
    if len(set(label_of.values())) < len(pairs):
        raise InputError(f"{path}: two categories have the same id or the same name")
    return label_of


def _get(path: Path, kind: str, number: int, entry: Any, key: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, (int, str)):
        raise InputError(f"{path}: {kind} number {number + 1} has no usable {key!r}")
    return value


def _roots(path: Path, images: Path | None) -> list[Path]:
    """Return the places where the images of an annotation file usually are."""
    if images:
        return [images]
    here = path.absolute().parent
    own = path.stem.removeprefix("instances_")  # train2014
    roots = []
    for base in (here, here.parent):
        roots += [base, base / "images", base / own, base / "images" / own, base / path.stem]
        roots += [base / "train2014", base / "val2014", base / "train2017", base / "val2017"]
    return roots
