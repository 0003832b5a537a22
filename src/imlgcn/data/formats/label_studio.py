"""Label Studio: the JSON export of a project whose tasks are images.

https://labelstud.io/guide/task_format. An image has the labels of its choices, boxes, polygons,
brush strokes, ellipses and key points, and the leaves of its taxonomies. Unfinished tasks are left
out. If several people annotated an image, a label on which they disagree is *unknown*.

Exports contain URLs, not files: an image is searched by the last part of its URL, with or without
the eight characters that an upload prepends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.layout import locate_any
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "label_studio"
OPTIONS = ("images",)
UPLOAD = re.compile(r"^[0-9a-f]{8}-")

TAXONOMY = "taxonomy"
Leaf = tuple[str, ...]  # a label after "", or after TAXONOMY and the names above it


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON list of tasks by the keys data and annotations."""
    start = json_start(Path(source), (".json",))
    if start is None or start.kind != "list":
        return None
    # brush strokes can be longer than what is read, and come before the data
    data = start.opens("data") or (
        "{" if "annotations" in start.cut and "id" in start.pairs else ""
    )
    if data != "{" or start.opens("annotations") != "[":
        return None
    return "the file ends in .json and holds tasks with annotations"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the finished tasks."""
    path = Path(source)
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise InputError(f"{path}: expected a list of tasks, as in Label Studio's JSON export")
    kinds: Counter[str] = Counter()
    annotated = []
    for number, task in enumerate(tasks, start=1):
        answers = _answers(path, number, task, kinds)
        if answers:
            annotated.append((_address(path, number, task), answers))
    if not any(kind for kind in kinds if not kind.startswith("!")):
        others = ", ".join(sorted(kind[1:] for kind in kinds)) or "none at all"
        raise InputError(
            f"{path}: {plural(len(tasks), 'task')}, none of them annotated with choices, boxes or "
            f"another kind of label (its kinds of results: {others})"
        )
    names, records = join_answers(annotated, path, options)
    reason = f"{NAME}: {options.why}; {describe_kinds(kinds)}"
    if len(annotated) < len(tasks):
        missing = plural(len(tasks) - len(annotated), "task")
        reason += f"; left out: {missing} without a finished annotation"
    return Source(names, records, NAME, reason)


def join_answers(
    annotated: Sequence[tuple[str, Sequence[set[Leaf]]]], path: Path, options: ReadOptions
) -> tuple[list[str], list[Record]]:
    """Return the labels, and the records of images with the answers of one or more people."""
    every = {leaf for _, answers in annotated for answer in answers for leaf in answer}
    times = Counter(leaf[-1] for leaf in every if leaf[0] == TAXONOMY)
    # a leaf is called by its own name, unless another leaf has the same
    name_of = {leaf: leaf[-1] if times[leaf[-1]] < 2 else "/".join(leaf[1:]) for leaf in every}
    addresses = [address for address, _ in annotated]
    bare = [UPLOAD.sub("", address) for address in addresses]
    where = locate_any([addresses, bare], path, options.images)
    records = []
    for (address, answers), file in zip(annotated, where, strict=True):
        agreed = {name_of[leaf] for leaf in set.intersection(*answers)}
        differing = {name_of[leaf] for leaf in set.union(*answers)} - agreed
        records.append(Record(address, file, tuple(sorted(agreed)), tuple(sorted(differing))))
    return sorted(set(name_of.values())), records


def labels_of(value: Mapping[str, Any]) -> tuple[str, list[Leaf]] | None:
    """Return the kind of a result and its labels; None for results that are not labels.

    >>> labels_of({"x": 1, "rectanglelabels": ["boat"]})
    ('rectanglelabels', [('', 'boat')])
    >>> labels_of({"taxonomy": [["place", "sea"]]})
    ('taxonomy', [('taxonomy', 'place', 'sea')])
    """
    for key, content in value.items():
        if not isinstance(content, list):
            continue
        if key == "choices" or key.endswith("labels"):
            return key, [("", str(label).strip()) for label in content]
        if key == TAXONOMY:
            paths = [path if isinstance(path, list) else [path] for path in content]
            return key, [(key, *(str(part).strip() for part in path)) for path in paths if path]
    return None


def describe_kinds(kinds: Iterable[str]) -> str:
    """Return which results are the labels, and which are left out (they begin with ``!``)."""
    used = sorted(kind for kind in kinds if not kind.startswith("!"))
    left = sorted(kind[1:] for kind in kinds if kind.startswith("!"))
    text = f"labels are those of {', '.join(used)}"
    if any(TAXONOMY in kind for kind in used):
        text += " (of a taxonomy the leaf names)"
    return text + (f"; left out: {', '.join(left)}" if left else "")


def image_address(values: Iterable[Any]) -> str | None:
    """Return the file name in the first value that names an image, or None."""
    for value in values:
        if isinstance(value, str) and Path(_last_part(value)).suffix.lower() in IMAGE_SUFFIXES:
            return _last_part(value)
    return None


def _answers(path: Path, number: int, task: Any, kinds: Counter[str]) -> list[set[Leaf]]:
    """Return the labels in each finished annotation of a task; ``kinds`` counts its results."""
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path}: task number {number} has no list of annotations")
    answers = []
    for annotation in _objects(annotations):
        if annotation.get("was_cancelled"):
            continue
        answer: set[Leaf] = set()
        for region in _objects(annotation.get("result")):
            value = region.get("value")
            found = labels_of(value) if isinstance(value, dict) else None
            kinds[found[0] if found else f"!{region.get('type')}"] += 1
            answer.update(found[1] if found else ())
        answers.append(answer)
    return answers


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _address(path: Path, number: int, task: Any) -> str:
    """Return the file name of a task's image: the first value of its data that names an image."""
    data = task.get("data")
    address = image_address(data.values() if isinstance(data, dict) else ())
    if address is None:
        raise InputError(f"{path}: task number {number} has no image in its data")
    return address


def _last_part(address: str) -> str:
    """Return the file name in a URL, also in a local ``/data/local-files/?d=...``.

    >>> _last_part("/data/upload/3/0a1b2c3d-a%20dog.jpg")
    '0a1b2c3d-a dog.jpg'
    """
    parts = urlsplit(address)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    return path.replace("\\", "/").rsplit("/", 1)[-1]
