"""A text file for each label with the images that show it: MIRFLICKR, and lists like it.

https://press.liacs.nl/mirflickr/. ``annotations/sea.txt`` has the number of an image in each line
(``9`` is ``im9.jpg``), or the name of an image; the folder may also be called
``mirflickr25k_annotations_v080``, or hold the images itself. Images in no list show none of the
labels.

Variants:
    - ``all`` images (default), or ``listed``: those in no list are left out.
    - ``both`` (default): MIRFLICKR's ``sea_r1.txt``, where the sea is *relevant*, is a label of its
      own, 38 in all; ``potential``: these are left out, as papers with 24 labels do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    choose,
    read_text,
    unwrap,
)
from imlgcn.data.formats.layout import is_image, visible_images
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural

NAME = "label_lists"
OPTIONS = ("images",)
VARIANTS = {"images": ("all", "listed"), "lists": ("both", "potential")}
FOLDERS = ("annotations", "mirflickr25k_annotations_v080", ".")
NO_LISTS = re.compile(r"(readme|licen[sc]e)\b.*|classes|labels?|names|notes", re.IGNORECASE)
NUM_LINES = 20  # of each list, read to recognise a folder
RELEVANT = "_r1"


def recognise(source: Path | str) -> str | None:
    """Recognise two or more lists of numbers or images that are there."""
    path = Path(source)
    if not path.is_dir():
        return None
    folder = unwrap(path)
    lists = _lists(folder)
    if len(lists) < 2 or any(file.stem.lower() in SPLIT_SPELLINGS for file in lists):
        return None
    starts = [_start(file) for file in lists]
    if not all(_are_images(lines) for lines in starts):
        return None
    images = _by_key(visible_images(folder))
    stems = {image.stem for image in images.values()}
    first = next((line for lines in starts for line in lines), "")
    if first.casefold() not in images or stems & {file.stem for file in lists}:
        return None
    return f"it holds {plural(len(lists), 'list')} of images, one for each label"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the lists; their names are the labels."""
    choices = choose(options.variant, NAME, VARIANTS)
    folder = unwrap(Path(source))
    lists = _lists(folder)
    if choices["lists"] == "potential":
        lists = [file for file in lists if not file.stem.endswith(RELEVANT)]
    if not lists:
        raise InputError(f"{folder}: holds no lists, in {FOLDERS[0]} or itself")
    roots = options.images or [folder]
    images = [image for root in roots for image in visible_images(root)]
    by_key = _by_key(images)
    shown: dict[Path, list[str]] = {image: [] for image in images}
    for file in lists:
        for image in _entries(file, by_key):
            shown[image].append(file.stem)
    listed = sum(map(bool, shown.values()))
    kept = {i: labels for i, labels in shown.items() if labels or choices["images"] == "all"}
    records = [
        Record(_inside(image, roots), image, tuple(labels)) for image, labels in kept.items()
    ]
    reason = f"{NAME}: {options.why}"
    if without := len(images) - listed:
        rest = "are left out" if choices["images"] == "listed" else "show none of the labels"
        reason += f"; {number(without, 0)} of {plural(len(images), 'image')} are in no list: {rest}"
    if any(file.stem.endswith(RELEVANT) for file in lists):
        reason += f"; lists called {RELEVANT} are labels (variant=potential leaves them out)"
    return Source([file.stem for file in lists], records, NAME, reason)


def _lists(folder: Path) -> list[Path]:
    """Return the lists of the first folder that has any; a README among them is none."""
    for name in FOLDERS:
        files = sorted((folder / name).glob("*.txt"))
        if found := [file for file in files if not NO_LISTS.fullmatch(file.stem)]:
            return found
    return []


def _start(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [line.strip() for line in islice(file, NUM_LINES) if line.strip()]


def _are_images(lines: Sequence[str]) -> bool:
    return all(line.isdecimal() for line in lines) or all(is_image(Path(line)) for line in lines)


def _by_key(images: Iterable[Path]) -> dict[str, Path]:
    """Return images by their names in lower case, and by their numbers where no two share one."""
    found: dict[str, Path] = {}
    shared = set()
    for image in images:
        digits = re.search(r"(\d+)$", image.stem)
        for key in {image.name.casefold(), *([str(int(digits[1]))] if digits else [])}:
            if found.setdefault(key, image) != image:
                shared.add(key)
    return {key: image for key, image in found.items() if key not in shared}


def _entries(path: Path, by_key: dict[str, Path]) -> Iterator[Path]:
    """Yield the images of a list, each once."""
    seen = set()
    for line_number, line in enumerate(read_text(path).splitlines(), start=1):
        entry = line.strip()
        if not entry:
            continue
        key = Path(entry.replace("\\", "/")).name.casefold()
        if entry.isdecimal():
            key = entry.lstrip("0") or "0"
        if key not in by_key:
            raise InputError(
                f"{path}, line {line_number}: there is no image {entry!r}, or there are several; "
                "a line is the name of one image or its number (images=FOLDER says where they are)"
            )
        if key not in seen:
            seen.add(key)
            yield by_key[key]


def _inside(image: Path, roots: Sequence[Path]) -> str:
    root = next(root for root in roots if image.is_relative_to(root))
    return image.relative_to(root).as_posix()
