"""CVAT: the export "CVAT for images 1.1", an ``annotations.xml`` beside ``images``.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and
https://docs.cvat.ai/docs/manual/advanced/xml_format/. An image has the labels of its tags, boxes,
polygons, polylines, points, masks, ellipses, cuboids and skeletons, in the order in which the file
lists them; attributes are not labels. The subsets of a project are the splits if all are called
so. An image without an annotation has no label: CVAT does not say which images are finished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from imlgcn.data.formats.base import SPLIT_SPELLINGS, ReadOptions, Record, Source, unwrap
from imlgcn.data.formats.layout import locate_any
from imlgcn.data.formats.xml_file import read_xml, xml_start
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "cvat"
OPTIONS = ("images",)
FILES = ("annotations.xml", "labels.xml")
ROOT = re.compile(rb"<annotations>\s*(<version>|<meta>|<image |<track )")


def recognise(source: Path | str) -> str | None:
    """Recognise the XML by its root and what follows it, or a folder with annotations.xml."""
    path = Path(source)
    if path.is_dir():
        file = _file(path)
        return f"it holds {file.name} of CVAT" if file else None
    return "the file ends in .xml and holds CVAT's annotations" if _fits(path) else None


def _fits(path: Path) -> bool:
    return ROOT.search(xml_start(path)) is not None


def _file(folder: Path) -> Path | None:
    """Return the annotations in a folder, which FiftyOne calls labels.xml."""
    files = (unwrap(folder) / name for name in FILES)
    return next((file for file in files if _fits(file)), None)


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the images of a task or of a project."""
    path = Path(source)
    if path.is_dir():
        path = _file(path) or unwrap(path) / FILES[0]
    root = read_xml(path)
    images = root.findall("image")
    if not images:
        video = root.find("track") is not None
        raise InputError(
            f"{path}: {'holds tracks of a video' if video else 'holds no images'}; export the task "
            "as 'CVAT for images 1.1'"
        )
    declared = _declared(root)
    shown = [_labels(path, number, image, declared) for number, image in enumerate(images, 1)]
    names = declared or sorted({label for labels in shown for label in labels})
    files = [image.get("name", "").replace("\\", "/") for image in images]
    if "" in files:
        raise InputError(f"{path}: image number {files.index('') + 1} has no name")
    subsets = [image.get("subset", "") for image in images]
    inside = [f"{subset}/{file}".lstrip("/") for subset, file in zip(subsets, files, strict=True)]
    where = locate_any([inside, files, [f"data/{f}" for f in files]], path, options.images)
    splits = _splits(subsets)
    records = [
        Record(file, found, labels, split=split)
        for file, found, labels, split in zip(inside, where, shown, splits, strict=True)
    ]
    reason = f"{NAME}: {options.why}; tags and shapes are labels, attributes are not"
    if without := sum(not labels for labels in shown):
        reason += f"; {plural(without, 'image')} without an annotation: no label"
    if splits[0]:
        reason += "; its subsets are the splits"
    return Source(names, records, NAME, reason)


def _declared(root: Element) -> list[str]:
    """Return the labels that the file lists, without the joints of skeletons."""
    found = [
        (label.findtext("name") or "").strip()
        for label in root.findall("./meta/*/labels/label")
        if not label.findtext("parent")
    ]
    return list(dict.fromkeys(name for name in found if name))


def _labels(path: Path, number: int, image: Element, declared: Sequence[str]) -> tuple[str, ...]:
    labels = [(element.tag, (element.get("label") or "").strip()) for element in image]
    for tag, label in labels:
        if not label or (declared and label not in declared):
            problem = (
                f"the label {label!r}, which is not in the file's list" if label else "no label"
            )
            raise InputError(
                f"{path}: image number {number} ({image.get('name')}): a {tag} has {problem}; "
                "export the task again"
            )
    return tuple(dict.fromkeys(label for _, label in labels))


def _splits(subsets: Sequence[str]) -> list[str | None]:
    splits = [SPLIT_SPELLINGS.get(subset.lower()) for subset in subsets]
    return splits if None not in splits and len(set(splits)) > 1 else [None] * len(splits)
