"""YOLO's labels: a ``.txt`` for each image with a class number and coordinates on every line.

https://docs.ultralytics.com/datasets/detect/ (boxes, and the polygons and key points of its sister
formats), also as labelImg, Label Studio, CVAT (``obj.names``) and Roboflow write it. The classes
of an image's objects are its labels.

- A ``data.yaml``: ``names`` (a list, or an object of numbers and names), ``path``, and ``train``,
  ``val``, ``test``, each a folder of images, a ``.txt`` that lists images, or a list of these. The
  labels of ``images/a.jpg`` are in ``labels/a.txt``. An image without one has no label.
- A folder with such files beside the images, or in ``labels`` beside ``images``, and with the names
  in ``classes.txt``, ``obj.names`` or another of :data:`NAMES`. An image without one was not
  annotated and is left out. Folders called train, val and test are the splits.

Without names of the classes the data is refused: ``label_names=FILE`` gives them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_text, unwrap
from imlgcn.data.formats.class_names import file_names, given_names, labels_at
from imlgcn.data.formats.layout import files_ending, first_file, splits_of_folders, visible_files
from imlgcn.data.formats.yolo_yaml import is_yaml, read_yaml
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "yolo"
OPTIONS = ("images", "label_names")
NAMES = ("classes.txt", "obj.names", "classes.names", "predefined_classes.txt", "_darknet.labels")
OBJECT = re.compile(r"\d{1,4000}(?:\.0*)?(\s+-?\d*\.?\d+(e-?\d+)?){4,}", re.IGNORECASE)


def recognise(source: Path | str) -> str | None:
    """Recognise a YAML by its keys, and a folder by one or by its first label files."""
    path = Path(source)
    if not path.is_dir():
        return "the file holds names and the images of the splits" if is_yaml(path) else None
    if yaml := _yaml(path):
        return f"it holds {yaml.name} of YOLO"
    file = first_file(path, ".txt", _is_objects)
    return f"its {file.name} holds classes and boxes of YOLO" if file else None


def _yaml(folder: Path) -> Path | None:
    files = files_ending(unwrap(folder), (".yaml", ".yml"))
    return next((file for file in files if is_yaml(file)), None)


def _is_objects(file: Path) -> bool:
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = [line.strip() for _, line in zip(range(20), lines, strict=False) if line.strip()]
    boxes = bool(first) and all(OBJECT.fullmatch(line) for line in first)
    return boxes and any("." in line for line in first)  # else a 0 or 1 for each label


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the data of a YAML, or of a folder."""
    path = Path(source)
    yaml = _yaml(path) if path.is_dir() else path
    if yaml is None:
        return _read_folder(unwrap(path), options)
    named, images, notes = read_yaml(yaml, options.images)
    names = given_names(options) or named
    rows = [_labels(_label_file(image), names) for image, _, _ in images]
    if not any(row is not None for row in rows):
        first = _label_file(images[0][0])
        raise InputError(
            f"{yaml}: none of its {plural(len(images), 'image')} has a label file (the first would "
            f"be {first}); put labels beside images"
        )
    records = [
        Record(name, image, row or (), split=split)
        for (image, name, split), row in zip(images, rows, strict=True)
    ]
    if without := sum(row is None for row in rows):
        notes.append(f"{plural(without, 'image')} without a label file: no label")
    return Source(names, records, NAME, "; ".join([f"{NAME}: {options.why}", *notes]))


def _read_folder(folder: Path, options: ReadOptions) -> Source:
    """Read the images that have a label file, and the names of the classes."""
    files = list(visible_files(folder))
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    for other in options.images:
        images += [f for f in visible_files(other) if f.suffix.lower() in IMAGE_SUFFIXES]
    names, note = _names(folder, files, options)
    texts = {f for f in files if f.suffix.lower() == ".txt" and f.name.lower() not in NAMES}
    alone = _only(texts)
    label_file = {}
    for image in dict.fromkeys(images):
        beside = (image.with_suffix(".txt"), _label_file(image), alone.get(image.stem))
        if file := next((file for file in beside if file in texts), None):
            label_file[image] = file
    if not label_file:
        raise InputError(
            f"{folder}: no image has the name of one of its {plural(len(texts), 'label file')}; "
            "say which folder holds the images (images=FOLDER)"
        )
    inside = [_inside(image, folder) for image in label_file]
    splits = splits_of_folders(inside) or [None] * len(inside)
    records = [
        Record(name, image, _labels(file, names) or (), split=split)
        for name, (image, file), split in zip(inside, label_file.items(), splits, strict=True)
    ]
    reason = f"{NAME}: {options.why}; {note}"
    if without := len(set(images)) - len(label_file):
        reason += f"; left out: {plural(without, 'image')} without a label file"
    return Source(names, records, NAME, reason)


def _names(folder: Path, files: Sequence[Path], options: ReadOptions) -> tuple[list[str], str]:
    """Return the names of the classes, and where they are from."""
    if names := given_names(options):
        return names, "names of classes are those of label_names="
    found = [file for file in files if file.name.lower() in NAMES]
    found = found or [f for f in map(folder.parent.joinpath, NAMES) if f.is_file()]
    if not found:
        raise InputError(
            f"{folder}: its labels are the class numbers of boxes, and there is no data.yaml, "
            f"{' or '.join(NAMES[:2])} with their names; add one, or give a file with one name a "
            "line (label_names=FILE)"
        )
    listed = [file_names(file) for file in found]
    if any(names != listed[0] for names in listed):
        paths = ", ".join(str(file.relative_to(folder)) for file in found[:3])
        raise InputError(f"{folder}: its files of class names differ ({paths}); keep one")
    return listed[0], f"names of classes are those of {found[0].name}"


def _only(files: Iterable[Path]) -> dict[str, Path]:
    """Return the files by their names without suffix, where only one has it."""
    by_stem: dict[str, list[Path]] = {}
    for file in files:
        by_stem.setdefault(file.stem, []).append(file)
    return {stem: found[0] for stem, found in by_stem.items() if len(found) == 1}


def _label_file(image: Path) -> Path:
    """Return where the labels of an image are: the last folder ``images`` becomes ``labels``."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _labels(file: Path, names: Sequence[str]) -> tuple[str, ...] | None:
    """Return the classes in a label file; None if there is no file."""
    if not os.path.isfile(file):
        return None
    classes = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        if not OBJECT.fullmatch(line.strip()):
            raise InputError(
                f"{file}, line {number}: expected a class number and coordinates; got {line!r:.60}"
            )
        classes.append((number, int(line.split()[0].partition(".")[0])))
    return tuple(
        sorted(
            {n for number, c in classes for n in labels_at([c], names, f"{file}, line {number}: ")},
            key=list(names).index,
        )
    )


def _inside(image: Path, folder: Path) -> str:
    return (image.relative_to(folder) if image.is_relative_to(folder) else image).as_posix()
