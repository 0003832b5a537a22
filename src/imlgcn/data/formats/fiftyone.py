"""FiftyOne's own exports: ``labels.json`` or ``samples.json`` beside ``data``.

https://docs.voxel51.com/user_guide/export_datasets.html.

- ``FiftyOneImageClassificationDataset`` and ``FiftyOneImageDetectionDataset``: ``labels.json``
  with ``{"classes": [...] or null, "labels": {name: target}}``. A target is a label or a position
  in the classes, or a list of these or of objects with ``label``; null is an image that nobody
  labelled, which is left out. Names have no suffix.
- ``FiftyOneDataset``: ``samples.json`` with ``{"samples": [...]}``. Labels are those of the field
  ``ground_truth``, of the only field of labels, or of the one named (``--label-column``). Sample
  tags are the splits if each sample has one of train, val and test.

Folders called train, val and test that each hold an export are the splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    read_json,
    unwrap,
)
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.layout import locate_any, split_folders
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "fiftyone"
OPTIONS = ("images", "label_columns")
FILES = ("samples.json", "labels.json")
FIELD = "ground_truth"
LISTS = ("classifications", "detections", "polylines", "keypoints")

Part = tuple[list[str], bool, list[Record]]  # labels, whether the file lists them, images


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON by its first keys, or a folder that holds one or one for each split."""
    path = Path(source)
    if path.is_dir():
        files = _files(path)
        return f"it holds {files[0][0].name} of FiftyOne" if files else None
    start = json_start(path, (".json",))
    if start is None or start.kind != "object":
        return None
    if start.opens("samples") == "[" and path.name == FILES[0]:
        return "the file holds FiftyOne's samples"
    if start.opens("labels") == "{" and start.opens("classes") in ("[", "n"):
        return "the file ends in .json and holds FiftyOne's classes and labels"
    return None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one export, or the one of each split."""
    path = Path(source)
    files = _files(path) if path.is_dir() else [(path, None)]
    if not files:
        raise InputError(f"{path}: holds no {' or '.join(FILES)} of FiftyOne")
    split_of = dict(files)
    notes: list[str] = []

    def read_part(file: Path) -> Part:
        content = read_json(file)
        reader = _samples if isinstance(content, dict) and "samples" in content else _labels
        return reader(file, content, split_of[file], options, notes)

    parts = [read_part(file) for file in split_of]
    declared = [names for names, listed, _ in parts if listed]
    names = declared[0] if declared else sorted({name for names, _, _ in parts for name in names})
    if differing := {name for found in declared for name in set(found) ^ set(names)}:
        raise InputError(
            f"{path}: its files have different classes: {', '.join(sorted(differing)[:5])}; export "
            "all splits with the same classes"
        )
    records = [record for _, _, found in parts for record in found]
    reason = "; ".join([f"{NAME}: {options.why}", *dict.fromkeys(notes)])
    return Source(names, records, NAME, reason)


def _files(folder: Path) -> list[tuple[Path, str | None]]:
    folder = unwrap(folder)
    for name in FILES:
        if recognise(folder / name):
            return [(folder / name, None)]
        parts = [(part / name, split) for part, split in split_folders(folder).items()]
        found: list[tuple[Path, str | None]] = [(f, split) for f, split in parts if recognise(f)]
        if len(found) > 1:
            return found
    return []


def _labels(
    path: Path, content: Any, split: str | None, options: ReadOptions, notes: list[str]
) -> Part:
    """Return the labels and records of ``labels.json``."""
    targets = content.get("labels") if isinstance(content, dict) else None
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(targets, dict) or not targets or not isinstance(classes or [], list):
        raise InputError(f"{path}: expected the list classes (or null) and the object labels")
    shown = {
        image: _targets(f"{path}: labels[{image!r}]: ", target, classes)
        for image, target in targets.items()
        if target is not None
    }
    if unlabelled := len(targets) - len(shown):
        notes.append(f"left out: {plural(unlabelled, 'image')} without a label (null)")
    return _records(path, shown, classes, [split] * len(shown), options)


def _samples(
    path: Path, content: Any, split: str | None, options: ReadOptions, notes: list[str]
) -> Part:
    """Return the labels and records of ``samples.json``."""
    samples = content["samples"]
    if not isinstance(samples, list) or not all(isinstance(s, dict) for s in samples):
        raise InputError(f"{path}: expected samples, a list of objects")
    field = _field(path, samples, options.label_columns)
    notes.append(f"labels are those of the field {field}")
    shown, tags = {}, []
    for number, sample in enumerate(samples, start=1):
        if sample.get(field) is None:
            continue
        place = f"{path}: sample number {number}: "
        if not isinstance(sample.get("filepath"), str):
            raise InputError(f"{place}has no filepath")
        shown[sample["filepath"].replace("\\", "/")] = _targets(place, sample[field], None)
        given = sample.get("tags") if isinstance(sample.get("tags"), list) else []
        tags.append([SPLIT_SPELLINGS[tag] for tag in map(str, given) if tag in SPLIT_SPELLINGS])
    if unlabelled := len(samples) - len(shown):
        notes.append(f"left out: {plural(unlabelled, 'sample')} without {field}")
    splits = [split] * len(shown)
    if split is None and all(len(found) == 1 for found in tags) and len({t[0] for t in tags}) > 1:
        splits = [found[0] for found in tags]
        notes.append("sample tags are the splits")
    return _records(path, shown, None, splits, options)


def _field(path: Path, samples: Sequence[Mapping[str, Any]], given: Sequence[str]) -> str:
    """Return the field of the samples that holds their labels."""
    fields = list(dict.fromkeys(k for s in samples for k, value in s.items() if _is_label(value)))
    if given:
        fields = [name for name in given if name in fields]
    if len(fields) != 1 and FIELD in fields:
        return FIELD
    if len(fields) != 1:
        listed = ", ".join(fields) or "none"
        example = fields[0] if fields else FIELD
        raise InputError(
            f"{path}: expected one field of classifications or detections; its fields of labels: "
            f"{listed}; name one (label_columns={example})"
        )
    return fields[0]


def _is_label(value: Any) -> bool:
    return isinstance(value, dict) and ("label" in value or any(key in value for key in LISTS))


def _targets(place: str, target: Any, classes: Any) -> list[str]:
    """Return the labels of a target, of a list of targets, or of an object that holds either."""
    if isinstance(target, list):
        return [label for part in target for label in _targets(place, part, classes)]
    if isinstance(target, dict):
        inside = next((target[key] for key in ("label", *LISTS) if key in target), None)
        if inside is not None:
            return _targets(place, inside, classes)
    elif type(target) is int and isinstance(classes, list) and 0 <= target < len(classes):
        return [str(classes[target]).strip()]
    elif isinstance(target, str) and target.strip() and (not classes or target in classes):
        return [target.strip()]
    raise InputError(f"{place}{target!r:.60} is neither a label nor a position in classes")


def _records(
    path: Path,
    shown: Mapping[str, Sequence[str]],
    classes: Any,
    splits: Sequence[str | None],
    options: ReadOptions,
) -> Part:
    found = {label for labels in shown.values() for label in labels}
    names = [str(name).strip() for name in classes] if classes else sorted(found)
    images = list(shown)
    if not images:
        raise InputError(f"{path}: none of its images has a label")
    where = locate_any([[f"data/{image}" for image in images], images], path, options.images)
    records = [
        Record(image, file, tuple(n for n in names if n in set(shown[image])), split=split)
        for image, file, split in zip(images, where, splits, strict=True)
    ]
    return names, bool(classes), records
