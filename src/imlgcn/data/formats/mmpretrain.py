"""mmpretrain (mmcls): the JSON of ``MultiLabelDataset``.

https://mmpretrain.readthedocs.io/en/latest/api/generated/mmpretrain.datasets.MultiLabelDataset.html:
``{"metainfo": {"classes": [...]}, "data_list": [{"img_path": ..., "gt_label": [0, 3]}]}``. A label
is a position in the classes; where the file has none, their names come from ``--label-names``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json
from imlgcn.data.formats.class_names import given_names, labels_at
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import json_start
from imlgcn.errors import InputError

NAME = "mmpretrain"
OPTIONS = ("images", "label_names")


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON by its keys metainfo or data_list."""
    start = json_start(Path(source), (".json",))
    if start is None or start.kind != "object":
        return None
    if start.opens("metainfo") != "{" and start.opens("data_list") != "[":
        return None
    return "the file ends in .json and holds metainfo or data_list"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the images of the list."""
    path = Path(source)
    content = read_json(path)
    entries = content.get("data_list") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: expected metainfo and the list data_list")
    names = _classes(path, content, options)
    images, labels = [], []
    for number, entry in enumerate(entries, start=1):
        place = f"{path}: data_list, entry {number}: "
        if not isinstance(entry, dict) or not isinstance(entry.get("img_path"), str):
            raise InputError(f"{place}expected an object with img_path; got {entry!r:.60}")
        target = entry.get("gt_label")
        positions = [target] if type(target) is int else target
        if not isinstance(positions, list):
            raise InputError(
                f"{place}expected gt_label to be a list of numbers; got {target!r:.60}"
            )
        images.append(entry["img_path"].replace("\\", "/"))
        labels.append(labels_at(positions, names, place))
    where = locate(images, path, options.images)
    records = [
        Record(name, file, shown) for name, file, shown in zip(images, where, labels, strict=True)
    ]
    return Source(names, records, NAME, f"{NAME}: {options.why}; gt_label are positions in classes")


def _classes(path: Path, content: Any, options: ReadOptions) -> list[str]:
    if names := given_names(options):
        return names
    info = content.get("metainfo")
    info = info if isinstance(info, dict) else {}
    classes = info.get("classes") or info.get("CLASSES")
    if not isinstance(classes, list) or not classes:
        raise InputError(
            f"{path}: has no metainfo.classes, the names of its labels; add them, or give a file "
            "with one name a line (label_names=FILE)"
        )
    return [str(name).strip() for name in classes]
