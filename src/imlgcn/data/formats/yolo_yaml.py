"""The ``data.yaml`` of a YOLO data set: the names of the classes, and the images of each split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import read_lines, read_text
from imlgcn.data.formats.label_numbers import is_number
from imlgcn.data.formats.layout import visible_files
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_yaml

SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
START = 200_000  # bytes read to recognise a file
NAMES = re.compile(r"^['\"]?names['\"]?\s*:", re.MULTILINE)
IMAGES = re.compile(r"^['\"]?(train|val|valid|test)['\"]?\s*:", re.MULTILINE)

Image = tuple[Path, str, str | None]  # the file, its name, its split


def is_yaml(path: Path) -> bool:
    """Return whether a file is a YAML with names and the images of a split."""
    if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(START)
    return bool(NAMES.search(start) and IMAGES.search(start))


def read_yaml(path: Path, images: Sequence[Path] = ()) -> tuple[list[str], list[Image], list[str]]:
    """Return the names of the classes, the images, and notes for the reason.

    ``images`` are the folders that the user named; they take the place of ``path`` in the YAML.

    Raises:
        InputError: it is not valid, its classes have no names, or its folders are not there.
    """
    try:
        content = parse_yaml(read_text(path))
    except ParseError as error:
        raise InputError(f"{path}: is not valid YAML ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected names, train and val")
    names = _names(path, content)
    roots = _roots(path, content, images)
    found: dict[Path, tuple[str, set[str]]] = {}
    missing = []
    for key, entry in _entries(content):
        where = _resolve(entry, roots)
        if where is None:
            missing.append(f"{key} ({entry})")
        for image, name in _images(where) if where else ():
            found.setdefault(image, (name, set()))[1].add(SPLITS[key])
    if not found:
        looked = ", ".join(str(root) for root in roots)
        raise InputError(
            f"{path}: found no images: {', '.join(missing) or 'train names no folder'}; looked in "
            f"{looked}; correct train and val, or say which folder holds them (images=FOLDER)"
        )
    notes = [f"left out: {', '.join(missing)}, not there"] if missing else []
    every = {frozenset(splits) for _, splits in found.values()}
    if any(len(splits) > 1 for splits in every):
        notes.append("no splits, as some images are in two")
    known = len(every) > 1 and all(len(splits) == 1 for splits in every)
    listed = [(i, name, min(splits) if known else None) for i, (name, splits) in found.items()]
    return names, listed, notes


def _entries(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the splits and their folders or lists of images."""
    for key in SPLITS:
        listed = content.get(key)
        for entry in listed if isinstance(listed, list) else [listed]:
            if entry:
                yield key, str(entry)


def _names(path: Path, content: dict[str, Any]) -> list[str]:
    """Return the names of the classes, numbered from 0."""
    names = content.get("names")
    if isinstance(names, dict):
        if not all(is_number(str(key)) for key in names) or not names:
            raise InputError(f"{path}: names must be a list, or numbers with their names")
        of_number = {int(key): name for key, name in names.items()}
        if gaps := set(range(len(of_number))) - set(of_number):
            raise InputError(f"{path}: names lacks the class {min(gaps)}; add it")
        names = [of_number[number] for number in sorted(of_number)]
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: names must be a list, or numbers with their names")
    texts = [str(name).strip() for name in names]
    count = content.get("nc")
    if isinstance(count, int) and count != len(texts):
        raise InputError(f"{path}: nc is {count}, and names has {len(texts)}; correct one of them")
    if len(set(texts)) < len(texts):
        twice = next(name for name in texts if texts.count(name) > 1)
        raise InputError(f"{path}: names lists {twice!r} twice; every class needs its own")
    return texts


def _roots(path: Path, content: dict[str, Any], images: Sequence[Path]) -> list[Path]:
    """Return the folders to which the paths of the splits may be relative."""
    beside = path.absolute().parent
    stated = beside / str(content.get("path") or "")
    # the path may be of another machine, or be relative to a folder of all data sets
    return [*images, stated, beside, beside / stated.name, beside.parent]


def _resolve(entry: str, roots: list[Path]) -> Path | None:
    """Return the folder or list of a split: as written, or by its last parts.

    Roboflow writes ``..`` before folders beside the YAML, others the paths of their own machine.
    """
    written = Path(entry.replace("\\", "/"))
    if written.is_absolute() and os.path.exists(written):
        return written
    bare = [part for part in written.parts if part not in ("..", ".", written.anchor)]
    ends = [Path(*bare[start:]) for start in range(len(bare) if written.is_absolute() else 1)]
    for end in [written, *ends]:
        for candidate in (root / end for root in roots):
            if os.path.isfile(candidate) or (
                os.path.isdir(candidate) and next(_images(candidate), None)
            ):
                return candidate
    return None


def _images(where: Path) -> Iterator[tuple[Path, str]]:
    """Yield the images of a folder, or of a list of images, with names for messages."""
    if where.is_dir():
        for file in visible_files(where):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                yield file, f"{where.name}/{file.relative_to(where).as_posix()}"
        return
    for number, line in enumerate(read_lines(where), start=1):
        written = Path(line.replace("\\", "/"))
        bare = Path(*(part for part in written.parts if part not in ("..", ".")))
        candidates = (where.parent / bare, where.parent.parent / bare, written)
        image = next((file for file in candidates if os.path.isfile(file)), None)
        if image is None:
            raise InputError(f"{where}, line {number}: {line} is not there; correct the list")
        yield image, bare.as_posix()
