"""VGG Image Annotator (VIA 1 and 2): a saved project or its annotations exported as JSON.

https://www.robots.ox.ac.uk/~vgg/software/via/. Each image has ``filename``, ``regions`` (a list, or
an object in version 1) and ``file_attributes``. Labels are the ticked options of checkboxes
(``{"sea": true}``), and the values of one attribute of files or of regions: the only one, or the
one named (``--label-column``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import json_start
from imlgcn.errors import InputError

NAME = "via"
OPTIONS = ("images", "label_columns")
IMAGES = "_via_img_metadata"


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON by the keys of a project or of its first image."""
    start = json_start(Path(source), (".json",))
    if start is None or start.kind != "object":
        return None
    first = next(iter(start.pairs.values()), None)
    exported = isinstance(first, dict) and {"filename", "regions"} <= set(first)
    if not exported and "_via_settings" not in start.pairs and IMAGES not in start.pairs:
        return None
    return "the file ends in .json and is of the VGG Image Annotator"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the images of one file."""
    path = Path(source)
    content = read_json(path)
    entries = content.get(IMAGES, content) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path}: lists no images; export the annotations as JSON")
    images = []
    for key, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
            raise InputError(f"{path}: {key!r} has no filename; export the annotations as JSON")
        images.append(entry)
    attribute = _attribute(path, images, options.label_columns)
    shown = [{label for _, label in _labels(image, attribute)} for image in images]
    files = [image["filename"].replace("\\", "/") for image in images]
    where = locate(files, path, options.images)
    records = [
        Record(name, file, tuple(sorted(labels)))
        for name, file, labels in zip(files, where, shown, strict=True)
    ]
    reason = f"{NAME}: {options.why}; labels are those of {attribute}"
    return Source(sorted(set.union(*shown)), records, NAME, reason)


def _attribute(path: Path, images: Sequence[Mapping[str, Any]], given: Sequence[str]) -> str:
    """Return the attribute whose values are the labels."""
    found = list(dict.fromkeys(name for image in images for name, _ in _labels(image)))
    if given:
        found = [name for name in given if name in found]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(found) or "none"
    raise InputError(
        f"{path}: expected one attribute of labels; its attributes are {listed}; name one "
        f"(label_columns={found[0] if found else 'NAME'})"
    )


def _labels(image: Mapping[str, Any], only: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield attributes and labels of a file and of its regions."""
    regions = image.get("regions")
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    groups = [image.get("file_attributes")]
    listed = regions if isinstance(regions, list) else []
    groups += [region.get("region_attributes") for region in listed if isinstance(region, dict)]
    for group in groups:
        for name, value in group.items() if isinstance(group, dict) else ():
            if only is not None and name != only:
                continue
            ticked = (
                [key for key, on in value.items() if on] if isinstance(value, dict) else [value]
            )
            for label in ticked:
                if isinstance(label, str) and label.strip():
                    yield name, label.strip()
