"""Label Studio: the JSON export of a project whose tasks are images with choices.

https://labelstud.io/guide/task_format. An image has the labels that are selected in any of its
``choices``; unfinished tasks are left out. If several people annotated an image, a label on which
they disagree is *unknown*.

Exports contain URLs, not files: an image is searched by the last part of its URL, with or without
the eight characters that an upload prepends, next to the JSON and in ``images``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from imlgcn.config import InputError
from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json
from imlgcn.data.formats.image_files import no_images
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.numbers import plural

NAME = "label_studio"
START = 100_000  # bytes read to recognise a file
UPLOAD = re.compile(r"^[0-9a-f]{8}-")


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON list of tasks by the keys data and annotations."""
    path = Path(source)
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(START).lstrip(b"\xef\xbb\xbf \t\r\n")
    keys = (b'"data"', b'"annotations"', b'"result"')
    if not start.startswith(b"[") or not all(key in start for key in keys):
        return None
    return "the file ends in .json and holds tasks with annotations"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the finished tasks."""
    path = Path(source)
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise InputError(f"{path}: expected a list of tasks, as in Label Studio's JSON export")
    annotated = []
    for number, task in enumerate(tasks, start=1):
        answers = _answers(path, number, task)
        if answers:
            annotated.append((_address(path, number, task), answers))
    if not annotated:
        raise InputError(
            f"{path}: {plural(len(tasks), 'task')}, none of them annotated with choices"
        )
    where = _files(path, [address for address, _ in annotated], options.images)
    names = sorted({label for _, answers in annotated for answer in answers for label in answer})
    records = []
    for (address, answers), file in zip(annotated, where, strict=True):
        agreed, any_answer = set.intersection(*answers), set.union(*answers)
        unknown = tuple(sorted(any_answer - agreed))
        records.append(Record(address, file, tuple(sorted(agreed)), unknown))
    reason = f"{NAME}: {options.why}"
    if len(records) < len(tasks):
        reason += (
            f"; left out: {plural(len(tasks) - len(records), 'task')} without a finished annotation"
        )
    return Source(names, records, NAME, reason)


def _answers(path: Path, number: int, task: Any) -> list[set[str]]:
    """Return the labels selected in each finished annotation of a task."""
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path}: task number {number} has no list of annotations")
    answers = []
    for annotation in _objects(annotations):
        if annotation.get("was_cancelled"):
            continue
        chosen = [
            region["value"].get("choices", [])
            for region in _objects(annotation.get("result"))
            if region.get("type") == "choices" and isinstance(region.get("value"), dict)
        ]
        answers.append({str(label).strip() for labels in chosen for label in labels})
    return answers


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _address(path: Path, number: int, task: Any) -> str:
    """Return the file name of a task's image: the first value of its data that names an image."""
    data = task.get("data")
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str) and Path(_last_part(value)).suffix.lower() in IMAGE_SUFFIXES:
            return _last_part(value)
    raise InputError(f"{path}: task number {number} has no image in its data")


def _last_part(address: str) -> str:
    """Return the file name in a URL, also in a local ``/data/local-files/?d=...``.

    >>> _last_part("/data/upload/3/0a1b2c3d-a%20dog.jpg")
    '0a1b2c3d-a dog.jpg'
    """
    parts = urlsplit(address)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _files(path: Path, names: list[str], images: Sequence[Path]) -> list[Path]:
    beside = path.absolute().parent
    folders = images or [beside, beside / "images"]
    entries = [entry for folder in folders if folder.is_dir() for entry in folder.iterdir()]
    by_name = {entry.name: entry for entry in reversed(entries)}
    found = [by_name.get(name) or by_name.get(UPLOAD.sub("", name)) for name in names]
    if not any(found):
        raise no_images(path, names, folders)
    return [file or folders[0] / name for file, name in zip(found, names, strict=True)]
