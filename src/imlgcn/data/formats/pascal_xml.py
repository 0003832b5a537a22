"""PASCAL VOC's XML for each image, beside it or in a folder of its own, without ImageSets.

So labelImg (https://github.com/HumanSignal/labelImg), Roboflow's "Pascal VOC XML" and Datumaro
write it. An image has the names of its objects as labels; difficult objects count as present. An
image without an XML was not annotated and is left out. Folders called train, val and test are the
splits. Data with ``ImageSets/Main`` is read by :mod:`imlgcn.data.formats.voc`.
"""

from __future__ import annotations

import re
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source, unwrap
from imlgcn.data.formats.layout import (
    Sidecars,
    find_sidecars,
    first_file,
    locate_any,
    splits_of_folders,
)
from imlgcn.data.formats.voc import read_objects
from imlgcn.data.formats.xml_file import read_xml, xml_start
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "pascal_xml"
OPTIONS = ("images",)
ROOT = re.compile(rb"<annotation[\s/>]")


def recognise(source: Path | str) -> str | None:
    """Recognise a folder by the root of an XML in it."""
    file = first_file(Path(source), ".xml", _fits)
    return f"its {file.name} is a PASCAL annotation" if file else None


def _fits(path: Path) -> bool:
    return ROOT.search(xml_start(path)) is not None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read every XML of a folder."""
    folder = unwrap(Path(source))
    found = find_sidecars(folder, ".xml")
    files = [file for file, image in found.image_of.items() if image or _fits(file)]
    if not any(map(_fits, files)):
        raise InputError(f"{folder}: holds no XML that begins with <annotation>")
    labels = {}
    for file in files:
        objects = read_objects(file)
        labels[file] = tuple(sorted(objects.plain | objects.difficult))
    names = [_stated(file, found, folder) for file in files]
    bare = [file.with_suffix("").relative_to(folder).as_posix() for file in files]
    alone = [Path(name).name for name in names]
    where = locate_any([names, bare, alone], folder / "*.xml", options.images)
    splits = splits_of_folders(names) or [None] * len(names)
    records = [
        Record(name, path, labels[file], split=split)
        for name, path, file, split in zip(names, where, files, splits, strict=True)
    ]
    reason = f"{NAME}: {options.why}; labels are the names of objects, difficult ones too"
    if empty := sum(not found for found in labels.values()):
        reason += f"; {plural(empty, 'image')} without an object: no label"
    if found.without:
        reason += f"; left out: {plural(found.without, 'image')} without an XML"
    return Source(sorted({n for found in labels.values() for n in found}), records, NAME, reason)


def _stated(file: Path, found: Sidecars, folder: Path) -> str:
    """Return the image of an XML: of the same name, or else the one that it states."""
    image = found.image_of[file]
    if image is None:
        stated = (read_xml(file).findtext("filename") or "").strip().replace("\\", "/")
        image = file.with_name(stated.rsplit("/", 1)[-1] or f"{file.stem}.jpg")
    return image.relative_to(folder).as_posix()
