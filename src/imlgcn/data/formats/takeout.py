"""Google Takeout of Google Photos: a JSON beside every photo; the people in it are its labels.

Takeout documents no format. As it writes it, ``IMG_1.jpg`` has
``IMG_1.jpg.supplemental-metadata.json`` (of which the end is cut off where the name would be longer
than 51 characters; ``IMG_1.jpg.json`` until 2024), with ``title``, ``description``,
``photoTakenTime`` and, where faces were named, ``people: [{"name": ...}]``. A second file of the
same name is ``IMG_1(1).jpg`` with ``IMG_1.jpg.supplemental-metadata(1).json``. Photos without a
JSON, such as ``-edited`` copies, are left out; descriptions and albums are not labels.
"""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json, unwrap
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.layout import first_file, visible_files
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "takeout"
OPTIONS = ("images",)
KEYS = {"title", "photoTakenTime"}
CUT = 40  # characters of a title that Takeout keeps in any case
COPY = re.compile(r"(.*)\((\d+)\)")


def recognise(source: Path | str) -> str | None:
    """Recognise a folder by the keys of a JSON in it; those of albums have others."""
    file = first_file(Path(source), ".json", _is_photo)
    return f"its {file.name} is Google Takeout's" if file else None


def _is_photo(path: Path) -> bool:
    start = json_start(path, (".json",))
    return start is not None and start.kind == "object" and set(start.pairs) >= KEYS


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the people of every photo."""
    folder = unwrap(Path(source))
    files = list(visible_files(folder))
    images = {file for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
    names: dict[str, tuple[str, ...]] = {}
    for file in files:
        if _is_photo(file):
            content = read_json(file)
            name = _image(file, str(content["title"]), images).relative_to(folder).as_posix()
            names[name] = _people(file, content)
    if not any(names.values()):
        raise InputError(
            f"{folder}: the JSON of Google Takeout name no people, and hold no other labels; put a "
            ".txt of tags beside each image"
        )
    where = locate(list(names), folder / "*.json", options.images)
    records = [
        Record(name, file, labels)
        for (name, labels), file in zip(names.items(), where, strict=True)
    ]
    reason = f"{NAME}: {options.why}; the people of a photo are its labels"
    if nobody := sum(not labels for labels in names.values()):
        reason += f"; {plural(nobody, 'photo')} with nobody named: no label"
    if without := len({file.absolute() for file in images} - {file.absolute() for file in where}):
        reason += f"; left out: {plural(without, 'image')} without a JSON"
    return Source(sorted({n for p in names.values() for n in p}), records, NAME, reason)


def _people(file: Path, content: Any) -> tuple[str, ...]:
    people = content.get("people") or []
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise InputError(f"{file}: expected people to be a list of objects with a name")
    named = [str(person.get("name", "")).strip() for person in people]
    return tuple(dict.fromkeys(name for name in named if name))


def _image(file: Path, title: str, images: Set[Path]) -> Path:
    """Return the photo of a JSON: by its title, or the longest name that begins the JSON's."""
    copy = COPY.fullmatch(file.stem)
    name = Path(title.replace("/", "_") or file.stem)
    wanted = file.with_name(f"{name.stem}({copy[2]}){name.suffix}" if copy else name.name)
    if wanted in images:
        return wanted
    bare = copy[1] if copy else file.stem
    starts = [file.with_name(bare[:length]) for length in range(len(bare), 0, -1)]
    if found := next((start for start in starts if start in images), None):
        return found
    longer = [i for i in images if i.parent == file.parent and i.name.startswith(bare)]
    return longer[0] if len(longer) == 1 and len(bare) > CUT else wanted
