"""labelme: a JSON beside every image, with ``flags`` of the image and ``shapes`` in it.

https://github.com/wkentaro/labelme, whose ``examples/classification`` uses flags; X-AnyLabeling
writes the same. An image has the flags that are true and the labels of its shapes. The flag
``__ignore__`` of labelme's example is not a label: an image where it is true is left out, and so is
an image without a JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json, unwrap
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.layout import find_sidecars, first_file, locate_any, splits_of_folders
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "labelme"
OPTIONS = ("images",)
IGNORE = "__ignore__"


def recognise(source: Path | str) -> str | None:
    """Recognise a folder by the keys of a JSON in it."""
    file = first_file(Path(source), ".json", _is_labelme)
    return f"its {file.name} is labelme's" if file else None


def _is_labelme(path: Path) -> bool:
    start = json_start(path, (".json",))
    return start is not None and start.kind == "object" and {"flags", "shapes"} <= set(start.pairs)


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read every JSON of a folder."""
    folder = unwrap(Path(source))
    found = find_sidecars(folder, ".json")
    files = [file for file, image in found.image_of.items() if image or _is_labelme(file)]
    if not files:
        raise InputError(f"{folder}: holds no JSON of labelme (with flags and shapes)")
    read_files = [(file, _content(file)) for file in files]
    ignored = 0
    names: dict[str, None] = {}
    shown: dict[Path, list[str]] = {}
    for file, content in read_files:
        flags, shapes = _flags(file, content), _shapes(file, content)
        names |= dict.fromkeys([name for name in flags if name != IGNORE] + sorted(set(shapes)))
        if flags.get(IGNORE):
            ignored += 1
            continue
        shown[file] = [name for name, value in flags.items() if value] + shapes
    if not shown:
        raise InputError(f"{folder}: every image is flagged {IGNORE}; none is left")
    contents = dict(read_files)
    names_beside, stated = [], []
    for file in shown:
        image = found.image_of[file]
        inside = (image or file).relative_to(folder)
        names_beside.append(inside.as_posix())
        stated.append((inside.parent / _image_path(contents[file], file)).as_posix())
    alone = [Path(name).name for name in stated]
    where = locate_any([names_beside, stated, alone], folder / "*.json", options.images)
    splits = splits_of_folders(names_beside) or [None] * len(where)
    records = [
        Record(name, path, tuple(dict.fromkeys(labels)), split=split)
        for name, path, labels, split in zip(
            names_beside, where, shown.values(), splits, strict=True
        )
    ]
    reason = f"{NAME}: {options.why}; labels are the flags and the shapes' labels"
    if ignored:
        reason += f"; left out: {plural(ignored, 'image')} flagged {IGNORE}"
    if found.without:
        reason += f"; left out: {plural(found.without, 'image')} without a JSON"
    return Source(list(names), records, NAME, reason)


def _content(file: Path) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not {"flags", "shapes"} <= set(content):
        raise InputError(f"{file}: is not labelme's, it has no flags and shapes; remove it")
    return content


def _flags(file: Path, content: Any) -> dict[str, bool]:
    flags = content.get("flags") or {}
    if not isinstance(flags, dict) or not all(isinstance(v, bool) for v in flags.values()):
        raise InputError(f"{file}: flags must be an object of true and false; got {flags!r:.60}")
    return flags


def _shapes(file: Path, content: Any) -> list[str]:
    labels = []
    shapes = content.get("shapes") or []
    if not isinstance(shapes, list):
        raise InputError(f"{file}: shapes must be a list; got {shapes!r:.60}")
    for number, shape in enumerate(shapes, start=1):
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"{file}: shape number {number} has no label; give it one")
        labels.append(label.strip())
    return labels


def _image_path(content: Any, file: Path) -> str:
    """Return the name of the image that a JSON gives, without folders of another machine."""
    path = content.get("imagePath")
    return str(path).replace("\\", "/").rsplit("/", 1)[-1] if path else file.stem
