"""COCO instances JSON: annotations reduced to the set of categories in each image.

https://cocodataset.org/#format-data. One file, or a folder with ``annotations/instances_*.json``
and the image folders, or with a file in each of ``train``, ``valid`` and ``test``, as Roboflow
exports it (https://docs.roboflow.com/datasets/download-a-dataset, ``_annotations.coco.json``).
Categories are matched by id, which may have gaps; labels are in the order of the ids. Crowds
(``iscrowd``) count as present. Panoptic files have the categories in ``segments_info``. The
category that only groups Roboflow's others (id 0, without an annotation) is not a label.

Variants:
    - ``all`` (default) keeps images without an annotation, as images with no label, like SRN, SSGRL
      and Query2Label; ``labelled`` leaves them out, like ML-GCN, ASL, CSRA and ML-Decoder.
    - In a folder with the official ``instances_train2014.json`` and ``instances_val2014.json`` (or
      2017) val is the *test* split, since papers report on it and the labels of COCO's test images
      are not public; ``keep-val`` keeps it as validation. Other file names are taken literally.
    - ``2014`` or ``2017``, for a folder that holds both.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    choose,
    join_files,
    read_json,
    splits_of_names,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.layout import files_ending, split_folders
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "coco"
OPTIONS = ("images",)
KEYS = ("images", "annotations", "categories")
VARIANTS = {
    "images": ("all", "labelled"),
    "val": ("val-as-test", "keep-val"),
    "year": ("", "2014", "2017"),
}
OFFICIAL = re.compile(r"instances_(train|val)(2014|2017)\.json")
NUM_OFFICIAL_LABELS = 80
# nine tenths of a file, and most of its memory once parsed
POLYGONS = re.compile(r'("segmentation":\s*)\[[\d\s.,\[\]eE+-]*\]')


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON file in which all three keys of the format occur, or a folder of them."""
    path = Path(source)
    if path.is_dir():
        files = _annotation_files(unwrap(path)) or list(_split_files(unwrap(path)))
        return f"it holds {files[0].parent.name}/{files[0].name}" if files else None
    if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size == 0:
        return None
    # parsing a file of 450 MB takes half a minute, a search for three words does not
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if any(content.find(f'"{key}"'.encode()) < 0 for key in KEYS):
            return None
    return "the file ends in .json and holds " + ", ".join(KEYS)


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one file, without splits, or the files of a folder, splits by their names."""
    path = Path(source)
    choices = choose(options.variant, NAME, VARIANTS)
    files = [path]
    parts = _split_files(unwrap(path)) if path.is_dir() else {}
    if path.is_dir():
        files = _annotation_files(unwrap(path))
        files = _of_year(path, files, choices["year"]) if files or not parts else list(parts)
    split_of = dict(zip(files, splits_of_names(files), strict=True)) if files != [*parts] else parts
    year = _official_year(files)
    if year and choices["val"] == "val-as-test":
        split_of = {file: "test" if split == "val" else split for file, split in split_of.items()}
    names, records = join_files(files, lambda f: _read_file(f, split_of[f], options), "categories")
    reason = f"{NAME}: {options.why}"
    if choices["images"] == "labelled":
        without = sum(not r.labels for r in records)
        reason += f"; left out: {plural(without, 'image')} without a label"
        records = [record for record in records if record.labels]
    if year and "test" in split_of.values():
        reason += f"; instances_val{year} is the test split (variant=keep-val: validation)"
    published = f"COCO {year}, {choices['images']} images" if year else ""
    if len(names) != NUM_OFFICIAL_LABELS:
        published = ""
    return Source(names, records, NAME, reason, published)


def _annotation_files(folder: Path) -> list[Path]:
    found = [
        file
        for parent in (folder, folder / "annotations")
        for file in files_ending(parent, (".json",))
        if recognise(file)
    ]
    return [file for file in found if file.name.startswith("instances")] or found


def _split_files(folder: Path) -> dict[Path, str | None]:
    """Return the file in each folder that is called like a split."""
    found: dict[Path, str | None] = {}
    for part, split in split_folders(folder).items():
        files = _annotation_files(part)
        if len(files) > 1:
            listed = ", ".join(file.name for file in files)
            raise InputError(f"{part}: holds several files ({listed}); keep one")
        found |= dict.fromkeys(files, split)
    return found if len(found) > 1 else dict.fromkeys(found)


def _of_year(folder: Path, files: list[Path], year: str) -> list[Path]:
    """Return the files of one official year, if the folder has two."""
    if not files:
        raise InputError(f"{folder}: holds no JSON with {', '.join(KEYS)}, nor does annotations/")
    matches = [OFFICIAL.fullmatch(file.name) for file in files]
    years = sorted({match[2] for match in matches if match})
    if not year and len(years) > 1:
        raise InputError(
            f"{folder}: holds COCO {' and '.join(years)}; choose one (variant={years[0]})"
        )
    if year and year not in years:
        raise InputError(
            f"{folder}: has no instances_train{year}.json nor instances_val{year}.json"
        )
    if not year:
        return files
    return [file for file, match in zip(files, matches, strict=True) if match and match[2] == year]


def _official_year(files: Sequence[Path]) -> str:
    """Return the year of the official pair of files, or "" for other files."""
    matches = [OFFICIAL.fullmatch(file.name) for file in files]
    if len(files) == 2 and all(matches) and matches[0] and matches[1]:
        return matches[0][2] if matches[0][2] == matches[1][2] else ""
    return ""


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
        twice = Counter(image["id"] for image in images).most_common(1)[0][0]
        raise InputError(f"{path}: two images have the same id, {twice}; ids must be unique")
    if not images:
        raise InputError(f"{path}: lists no images")
    found: dict[Any, set[Any]] = {image: set() for image in file_of}
    for number, annotation in enumerate(annotations):
        image = _get(path, "annotation", number, annotation, "image_id")
        segments = annotation.get("segments_info")  # of a panoptic file
        for entry in segments if isinstance(segments, list) else [annotation]:
            category = _get(path, "annotation", number, entry, "category_id")
            if image not in found or category not in label_of:
                raise InputError(
                    f"{path}: annotation number {number + 1} refers to image {image!r} and "
                    f"category {category!r}, and one of them is not listed"
                )
            found[image].add(category)
    for group in _groups(categories) - set.union(*found.values()):
        del label_of[group]
    file_of = {image: name.replace("\\", "/") for image, name in file_of.items()}
    files = locate(list(file_of.values()), path, options.images, _usual_folders(path))
    records = [
        Record(
            name,
            file,
            tuple(label for category, label in label_of.items() if category in found[image]),
            split=split,
        )
        for (image, name), file in zip(file_of.items(), files, strict=True)
    ]
    return list(label_of.values()), records


def _load(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    content = read_json(path, without=POLYGONS)
    if not isinstance(content, dict) or any(not isinstance(content.get(key), list) for key in KEYS):
        found = ", ".join(list(content)[:8] if isinstance(content, dict) else []) or "nothing"
        raise InputError(f"{path}: needs the lists {', '.join(KEYS)}; it holds {found}")
    return content["images"], content["annotations"], content["categories"]


def _labels(path: Path, categories: list[Any]) -> dict[Any, str]:
    """Return the name of each category id, in the order of the ids."""
    pairs = [
        (_get(path, "category", n, entry, "id"), str(_get(path, "category", n, entry, "name")))
        for n, entry in enumerate(categories)
    ]

    def _by_number(pair: tuple[Any, str]) -> tuple[bool, Any]:
        return isinstance(pair[0], str), pair[0]  # an id may be a text

    label_of = {key: name.strip() for key, name in sorted(pairs, key=_by_number)}
    if len(set(label_of.values())) < len(pairs):
        raise InputError(f"{path}: two categories have the same id or the same name")
    return label_of


def _groups(categories: list[Any]) -> set[Any]:
    """Return the id of a category that is the supercategory of others, as Roboflow writes it."""
    above = {str(entry.get("supercategory")) for entry in categories}
    return {
        entry["id"]
        for entry in categories
        if entry["id"] == 0 and str(entry["name"]) in above and entry.get("supercategory") == "none"
    }


def _get(path: Path, kind: str, number: int, entry: Any, key: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, (int, str)):
        raise InputError(f"{path}: {kind} number {number + 1} has no usable {key!r}")
    return value


def _usual_folders(path: Path) -> list[Path]:
    """Return the folders in which the images of an annotation file usually are."""
    here = path.absolute().parent
    own = path.stem.removeprefix("instances_").removeprefix("panoptic_")  # train2014
    folders = []
    for base in (here, here.parent):
        folders += [base, base / "images", base / own, base / "images" / own, base / path.stem]
        folders += [base / "data"]  # FiftyOne
        folders += [base / "train2014", base / "val2014", base / "train2017", base / "val2017"]
    return folders
