"""A folder for each label: ``sea/1.jpg``, ``sun/1.jpg`` (the layout of ImageNet and torchvision).

https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html. An image
with several labels lies in several folders: **equal files are one image**. Folders ``train``,
``val`` and ``test`` above those of the labels are the splits. Names such as ``sea+sun`` are taken
apart at ``+``, ``,`` or ``&`` where most of the parts occur in other folders, too.

Folders below those of the labels are not read unless a variant says which name is the label:
``first`` (``sea`` of ``sea/summer/1.jpg``, as torchvision does), ``last`` or ``every``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    choose,
    unwrap,
)
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.data.formats.layout import visible_images
from imlgcn.errors import InputError
from imlgcn.numbers import first_of, plural

NAME = "label_folders"
OPTIONS = ("delimiter",)
VARIANTS = {"nested": ("", "first", "last", "every")}
MARKS = "+,&"
# folders whose names say what they hold, or when or by what it was taken, not what it shows
NO_LABELS = re.compile(
    r"images?|imgs?|photos?|pictures?|pics|jpegimages|jpe?g|png|data|dataset|originals?|raw|labels"
    r"|annotations?|masks?|thumb(nail)?s|cache|backup|[\W\d_]+|\d{3}[a-z0-9_]{5}",
    re.IGNORECASE,
)
# folders of what is still to be sorted
UNLABELLED = frozenset(
    (
        *("unlabelled", "unlabeled", "unsorted", "untagged", "uncategorized", "uncategorised"),
        *(
            "todo",
            "tosort",
            "inbox",
            "unsortiert",
            "unsortierte",
            "ungeordnet",
            "nontrie",
            "atrier",
        ),
        *("sinclasificar", "sinordenar", "nonordinati", "ongesorteerd", "未分类", "未分類"),
    )
)


def recognise(source: Path | str) -> str | None:
    """Recognise a folder most of whose images are one level down, in two or more folders."""
    path = Path(source)
    if not path.is_dir():
        return None
    folder = unwrap(path)
    names = [image.relative_to(folder).as_posix() for image in visible_images(folder)]
    levels = [place for _, place in _places(names)]
    labels = {place[0] for place in levels if len(place) == 1 and _is_label_folder(place)}
    inside = sum(len(place) == 1 for place in levels)
    if len(labels) < 2 or 2 * inside <= len(names) or any(len(place) > 1 for place in levels):
        return None
    if any(NO_LABELS.fullmatch(name) or name.lower() in SPLIT_SPELLINGS for name in labels):
        return None
    return f"its images are in {plural(len(labels), 'folder')}, one for each label"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the names of the folders as labels."""
    nested = choose(options.variant, NAME, VARIANTS)["nested"]
    folder = unwrap(Path(source))
    images = {image.relative_to(folder).as_posix(): image for image in visible_images(folder)}
    places = dict(zip(images, _places(list(images)), strict=True))
    labelled = {name: place for name, place in places.items() if _is_label_folder(place[1])}
    if not labelled:
        raise InputError(
            f"{folder}: has no folders with images (found {plural(len(images), 'image')}); put "
            "each image into a folder that is called as its label"
        )
    deep = [name for name, (_, place) in labelled.items() if len(place) > 1]
    if deep and not nested:
        raise InputError(
            f"{folder}: folders are inside each other ({deep[0]}); say which name is the label: "
            "variant=first (the outermost folder), variant=last or variant=every"
        )
    folders = {name: _chosen(place, nested) for name, (_, place) in labelled.items()}
    labels_of, how = _take_apart(folders.values(), options.delimiter)
    groups = _equal_files({name: (labelled[name][0], images[name]) for name in labelled})
    records = [
        Record(
            names[0],
            images[names[0]],
            tuple(dict.fromkeys(x for name in names for f in folders[name] for x in labels_of[f])),
            split=labelled[names[0]][0],
        )
        for names in groups
    ]
    notes = [options.why, *how, *_about(records, groups)]
    if left_out := len(images) - len(labelled):
        unsorted = sorted({p[0] for _, p in places.values() if p and is_unsorted(p[0])})
        called = f" ({', '.join(unsorted)})" if unsorted else ""
        notes.append(f"left out: {plural(left_out, 'image')} in no folder of a label{called}")
    names = sorted({label for record in records for label in record.labels})
    return Source(names, records, NAME, f"{NAME}: {'; '.join(notes)}")


def _places(names: Sequence[str]) -> list[tuple[str | None, tuple[str, ...]]]:
    """Return the split of each image, and the folders below it that it is in."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    # images in no folder, such as a montage, do not speak against a common folder or splits
    while len({parts[:1] for parts in folders} - {()}) == 1:
        folders = [parts[1:] for parts in folders]
    splits = {parts[0]: SPLIT_SPELLINGS.get(parts[0].lower()) for parts in folders if parts}
    if None in splits.values():
        return [(None, parts) for parts in folders]
    return [(splits[parts[0]], parts[1:]) if parts else (None, parts) for parts in folders]


def _is_label_folder(place: tuple[str, ...]) -> bool:
    return bool(place) and not is_unsorted(place[0])


def is_unsorted(folder: str) -> bool:
    """Return whether a folder is called as one of images that are still to be sorted.

    >>> is_unsorted("_Unsorted"), is_unsorted("to-do"), is_unsorted("sea")
    (True, True, False)
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", folder.lower()) if c.isalpha())
    return plain in UNLABELLED


def _chosen(place: tuple[str, ...], nested: str) -> tuple[str, ...]:
    return {"last": place[-1:], "every": place}.get(nested, place[:1])


def _take_apart(
    folders: Iterable[tuple[str, ...]], delimiter: str | None
) -> tuple[Mapping[str, tuple[str, ...]], list[str]]:
    """Return the labels of each folder name, and what to say about it."""
    names = sorted({name for chosen in folders for name in chosen})
    mark = delimiter or next((mark for mark in MARKS if _separates(mark, names)), None)
    rows = split_cells(names, mark).rows if mark else [([name], ()) for name in names]
    labels = {name: tuple(present) for name, (present, _) in zip(names, rows, strict=True)}
    notes = []
    if combined := [name for name in names if len(labels[name]) > 1]:
        notes.append(f"names of folders are taken apart at {mark!r} ({first_of(combined)})")
    whole = [name for name in names if len(labels[name]) == 1 and set(MARKS) & set(name[1:-1])]
    if whole:
        notes.append(f"taken whole: {first_of(whole)} (delimiter= takes names apart)")
    return labels, notes


def _separates(mark: str, names: Sequence[str]) -> bool:
    """Return whether most parts of the names with a mark are also in other names."""
    parts = {name: {p for part in name.split(mark) if (p := part.strip())} for name in names}
    count = Counter(part for found in parts.values() for part in found)
    combined = {part for found in parts.values() if len(found) > 1 for part in found}
    return 2 * sum(count[part] > 1 for part in combined) > len(combined)


def _equal_files(images: Mapping[str, tuple[str | None, Path]]) -> list[list[str]]:
    """Return the names of each image: equal files of a split together, in the order given."""
    by_size: dict[tuple[str | None, int], list[str]] = defaultdict(list)
    for name, (split, path) in images.items():
        by_size[split, path.stat().st_size].append(name)
    groups: dict[tuple[str | None, int, bytes | str], list[str]] = defaultdict(list)
    alone = {names[0] for names in by_size.values() if len(names) == 1}
    for name, (split, path) in images.items():
        content = name if name in alone else hashlib.blake2b(path.read_bytes()).digest()
        groups[split, path.stat().st_size, content].append(name)
    return list(groups.values())


def _about(records: Sequence[Record], groups: Sequence[Sequence[str]]) -> list[str]:
    notes = []
    if equal := sum(len(names) > 1 for names in groups):
        notes.append(f"equal files are one image ({plural(equal, 'image')} in several folders)")
    if not any(len(record.labels) > 1 for record in records):
        notes.append("every image has one label, and lacks all others")
    if any(record.split for record in records):
        notes.append("the folders above are the splits")
    return notes
