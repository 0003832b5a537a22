"""What every reader returns, and functions that several readers share.

A reader is a module with ``recognise`` and ``read`` (see :class:`Format`); it turns files into
label names and records and decodes no images.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from imlgcn.data.formats.text_files import read_json, read_lines, read_text
from imlgcn.errors import InputError, unknown_name
from imlgcn.progress import SILENT, Progress

__all__ = [
    "DATA",
    "EVERY_OPTION",
    "SPLIT_SPELLINGS",
    "SPLIT_WORDS",
    "TABLE_OPTIONS",
    "Format",
    "ReadOptions",
    "Record",
    "Source",
    "choose",
    "join_files",
    "read_json",
    "read_lines",
    "read_text",
    "split_name",
    "split_of_name",
    "splits_of_names",
    "unwrap",
]

DATA = (  # what it may be, for help and messages
    "a folder of images (with keywords, a .txt of tags for each, or a folder for each label), a "
    "table (CSV, Excel), an annotation file (COCO and other JSON, XML, YOLO), a .zip of these, or "
    "openclipart"
)
SPLIT_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
SPLIT_WORDS = SPLIT_SPELLINGS | {  # in a column, where the word cannot be part of a name
    "tr": "train",
    "validate": "val",
    "eval": "val",
    "evaluation": "val",
    "development": "val",
    "tst": "test",
    "holdout": "test",
    "hold-out": "test",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One image of a data set: its file and its labels.

    A label that is neither in ``labels`` nor in ``unknown`` is absent; but if ``absent`` is given,
    a label that is in none of the three is unknown.
    """

    name: str  # as the file writes it, with forward slashes
    path: Path
    labels: tuple[str, ...] = ()  # present
    unknown: tuple[str, ...] = ()  # not annotated
    split: str | None = None  # "train", "val", "test", or None if the data has no splits
    fields: Mapping[str, str] = field(default_factory=dict)  # further columns of the file
    # verified absent, in data where most labels are not annotated and `unknown` would be long
    absent: tuple[str, ...] | None = None
    group: str | None = None  # images of one group stay in one split and in one fold


@dataclass(frozen=True)
class Source:
    """What a reader returns: label names in order, records, and why this reader was chosen."""

    labels: list[str]
    records: list[Record]
    reader: str
    reason: str
    published: str = ""  # a key of imlgcn.data.known_counts.COUNTS, for a well-known data set
    parents: Sequence[tuple[str, str]] = ()  # (child, parent): labels below others, in levels


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options of the user for reading the files; a reader uses those that apply to it."""

    variant: str | None = None  # words that choose published treatments (see `choose`)
    delimiter: str | None = None  # between the labels of one image; None = detected
    images: Sequence[Path] = ()  # folders of the images; none = searched in the usual ones
    fields: Sequence[str] = ()  # columns that are not labels
    image_column: str | None = None  # None = found by its usual names; so are the next ones
    label_columns: Sequence[str] = ()  # one of labels, or several: of labels, or 1 and 0 for each
    split_column: str | None = None
    group_column: str | None = None
    sheet: str | None = None  # of an Excel file
    # names of labels that the data only number: a file of them, one a line, or the names
    label_names: Path | Sequence[str] | None = None
    minus_one: str | None = None  # what -1 means: "absent" or "unknown"; None = unknown beside 0
    present_above: float | None = None  # a number above it means present; None = only 1 does
    progress: Progress = SILENT
    why: str = "asked for"  # why this reader was chosen, as it said when it recognised the data
    inside: Callable[[Path, ReadOptions], Source] | None = None  # reads what a reader found inside

    def read_inside(self, path: Path) -> Source:
        """Read what a reader found inside its source, by the reader that recognises it."""
        assert self.inside is not None, "load_dataset gives read_source"
        return self.inside(path, self)


EVERY_OPTION = (  # that a reader may read
    *("variant", "delimiter", "images", "fields", "image_column", "label_columns", "split_column"),
    *("group_column", "sheet", "label_names", "minus_one", "present_above"),
)
TABLE_OPTIONS = tuple(name for name in EVERY_OPTION if name not in ("variant", "sheet"))


class Format(Protocol):
    """One file format. A module with these names and functions is one.

    A module for data with several published treatments lists them in ``VARIANTS``. One that finds
    out what is inside and asks other readers says ``ASKS_OTHERS = True``: these refuse options.
    """

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """What the format is called."""

    @property
    def OPTIONS(self) -> Sequence[str]:  # noqa: N802 - as NAME
        """The options of :data:`EVERY_OPTION` that it reads, besides ``variant``."""

    def recognise(self, source: Path | str) -> str | None:
        """Return why this reader fits ``source``, or None; reads no more than necessary."""

    def read(self, source: Path | str, options: ReadOptions) -> Source:
        """Read ``source``; InputError tells what is wrong, with the line number if possible."""


def split_name(text: str) -> str:
    """Return ``train``, ``val`` or ``test`` for any usual spelling.

    >>> split_name(" Validation")
    'val'
    """
    try:
        return SPLIT_WORDS[text.strip().lower()]
    except KeyError:
        raise unknown_name("split", text.strip(), SPLIT_WORDS) from None


def split_of_name(path: Path) -> str | None:
    """Return the split that a file name contains, or None.

    >>> split_of_name(Path("instances_val2014.json"))
    'val'
    """
    words = re.findall("[a-z]+", path.stem.lower())
    return next((SPLIT_SPELLINGS[word] for word in words if word in SPLIT_SPELLINGS), None)


def splits_of_names(files: Sequence[Path]) -> list[str | None]:
    """Return the split that each file name contains; [None] for a single file."""
    if len(files) == 1:
        return [None]
    splits = [split_of_name(file) for file in files]
    if None in splits or len(set(splits)) < len(splits):
        listed = ", ".join(file.name for file in files)
        raise InputError(
            f"{files[0].parent}: holds several files ({listed}) whose names do not say which is "
            "train, val and test; give one of them"
        )
    return splits


def join_files(
    files: Iterable[Path], read: Callable[[Path], tuple[list[str], list[Record]]], called: str
) -> tuple[list[str], list[Record]]:
    """Return the labels and the records of all files, which must have the same labels.

    ``called`` is what the format calls its labels, for the message.
    """
    names: list[str] = []
    records: list[Record] = []
    for file in files:
        labels, more = read(file)
        if names and set(labels) != set(names):
            differing = ", ".join(sorted(set(labels) ^ set(names))[:5])
            raise InputError(f"{file}: its {called} are not those of the other files: {differing}")
        names = names or labels
        records += more
    return names, records


def choose(variant: str | None, reader: str, groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the word chosen in each group: one of ``variant``, or else the group's first.

    >>> choose("labelled", "coco", {"images": ("all", "labelled"), "val": ("as-test", "keep-val")})
    {'images': 'labelled', 'val': 'as-test'}
    """
    words = [word for part in (variant or "").split(",") if (word := part.strip())]
    known = [word for group in groups.values() for word in group if word]
    for word in words:
        if word not in known:
            raise unknown_name(f"variant of the reader {reader}", word, known)
    chosen = {}
    for name, group in groups.items():
        given = list(dict.fromkeys(word for word in words if word in group))
        if len(given) > 1:
            raise InputError(
                f"variant= takes one of {', '.join(filter(None, group))}; got {' and '.join(given)}"
            )
        chosen[name] = given[0] if given else group[0]
    return chosen


def unwrap(folder: Path) -> Path:
    """Descend while a folder holds a single folder and nothing else, as in many archives."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; give the folder of the images and labels")
    while True:
        with os.scandir(folder) as listed:
            visible = (entry for entry in listed if not entry.name.startswith("."))
            entries = list(islice(visible, 2))  # of perhaps 100,000
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        folder = folder / entries[0].name
