"""SageMaker Ground Truth and Rekognition Custom Labels: the output manifest, JSON lines.

https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html and
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file.html. A line
has ``source-ref`` and, for each labelling job, a key ``<job>`` and ``<job>-metadata``. Labels of an
image are those of all its jobs: the numbers of a multi-label job and the ``class_id`` of boxes by
``class-map``, the ``class-name`` of a single class. Numbers without a name are refused. Lines that
no job labelled (or where one failed) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imlgcn.data.formats.base import ReadOptions, Record, Source
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import SUFFIXES, json_start, read_entries
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "ground_truth"
OPTIONS = ("images",)
IMAGE = "source-ref"
METADATA = "-metadata"


def recognise(source: Path | str) -> str | None:
    """Recognise JSON lines by the key source-ref."""
    path = Path(source)
    start = json_start(path, (".manifest", *SUFFIXES))
    if start is None or IMAGE not in start.pairs:
        return None
    return f"the file ends in {path.suffix} and holds {IMAGE}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the labelled images."""
    path = Path(source)
    name_of: dict[tuple[str, str], str] = {}
    jobs: dict[str, None] = {}
    images, shown = [], []
    entries = read_entries(path)
    for place, entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(IMAGE), str):
            raise InputError(f"{place}expected an object with {IMAGE}; got {entry!r:.60}")
        labelled = dict(_jobs(place, entry, name_of))
        if labelled:
            jobs |= dict.fromkeys(labelled)
            images.append(_key(entry[IMAGE]))
            shown.append({label for labels in labelled.values() for label in labels})
    if not images:
        raise InputError(
            f"{path}: no line has labels of images or boxes; give the output manifest of a "
            "labelling job"
        )
    where = locate(images, path, options.images)
    records = [
        Record(name, file, tuple(sorted(labels)))
        for name, file, labels in zip(images, where, shown, strict=True)
    ]
    reason = f"{NAME}: {options.why}; labels are those of {', '.join(jobs)}"
    if left := len(entries) - len(images):
        reason += f"; left out: {plural(left, 'line')} without a label attribute"
    return Source(sorted(set(name_of.values())), records, NAME, reason)


def _jobs(
    place: str, entry: Mapping[str, Any], name_of: dict[tuple[str, str], str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the jobs that labelled an image, with its labels."""
    for job, value in entry.items():
        metadata = entry.get(job + METADATA)
        if not isinstance(metadata, dict) or "failure-reason" in metadata or job.endswith("-ref"):
            continue
        classes = metadata.get("class-map")
        if "class-name" in metadata:
            name = str(metadata["class-name"]).strip()
            name_of[job, f"name {name}"] = name
            yield job, [name]
        elif isinstance(value, list):
            yield job, [_name(place, job, number, classes, name_of) for number in value]
        elif isinstance(value, dict) and isinstance(value.get("annotations"), list):
            numbers = [box.get("class_id") for box in value["annotations"] if isinstance(box, dict)]
            yield job, [_name(place, job, number, classes, name_of) for number in numbers]


def _name(
    place: str, job: str, number: Any, classes: Any, name_of: dict[tuple[str, str], str]
) -> str:
    """Return the name of a class, which must be the same on every line."""
    name = classes.get(str(number)) if isinstance(classes, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise InputError(
            f"{place}{job}: class {number!r} has no name in {job}{METADATA}'s class-map; add it"
        )
    known = name_of.setdefault((job, str(number)), name.strip())
    if known != name.strip():
        raise InputError(
            f"{place}{job}: class {number!r} is called {name.strip()!r}, on an earlier line "
            f"{known!r}; give lines of one labelling job"
        )
    return known


def _key(address: str) -> str:
    """Return the path in a bucket.

    >>> _key("s3://bucket/photos/a%20b.jpg")
    'photos/a b.jpg'
    """
    scheme, found, rest = address.partition("://")
    return unquote(rest.partition("/")[2] or rest) if found else scheme
