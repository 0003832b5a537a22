"""Open Images: a CSV of verified labels, ``ImageID,Source,LabelName,Confidence``.

https://storage.googleapis.com/openimages/web/index.html. Confidence 1 means that a label is
present, 0 that it is absent, values between are machine-generated; a label that is not listed, or
machine-generated, or both 1 and 0, is *unknown*. One file, or a folder with one per split,
identified by its name (``validation-annotations-human-imagelabels.csv``).

Only images that exist are read (``<ImageID>.jpg``, in the folder of the CSV, its ``images`` or a
folder named after the split), and only labels that one of them shows: few have all nine million
images. Labels get their names from ``*class-descriptions*.csv`` next to the CSV, else their codes.
"""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    ReadOptions,
    Record,
    Source,
    read_text,
    splits_of_names,
    unwrap,
)
from imlgcn.data.formats.csv import is_table, read_header
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "openimages"
OPTIONS = ("images",)
COLUMNS = ["ImageID", "Source", "LabelName", "Confidence"]

Verified = dict[
    str, dict[str, bool | None]
]  # image -> label code -> present; None if contradictory


def recognise(source: Path | str) -> str | None:
    """Recognise a CSV by its columns, or a folder that holds one."""
    path = Path(source)
    if path.is_dir():
        files = _tables(unwrap(path))
        return f"it holds {files[0].name}" if files else None
    if not is_table(path) or read_header(path)[: len(COLUMNS)] != COLUMNS:
        return None
    return f"it has the columns {', '.join(COLUMNS)}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one file, without splits, or the files of a folder, each a split."""
    path = Path(source)
    files = _tables(unwrap(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no CSV with the columns {', '.join(COLUMNS)}")
    splits = splits_of_names(files)
    files_of = _image_files(files[0].absolute().parent, options.images)
    read = [_read_file(file, files_of) for file in files]
    known = {code for verified, _ in read for answers in verified.values() for code in answers}
    shown = {
        code
        for verified, _ in read
        for answers in verified.values()
        for code in answers
        if answers[code]
    }
    if not known:
        raise InputError(f"{path}: none of the images it lists was found: {_looked(files_of)}")
    names = _label_names(files[0].absolute().parent, sorted(shown))
    records = [
        Record(
            files_of[image].name,
            files_of[image],
            tuple(names[code] for code, present in answers.items() if present),
            split=split,
            absent=tuple(
                names[c] for c, present in answers.items() if present is False and c in shown
            ),
        )
        for (verified, _), split in zip(read, splits, strict=True)
        for image, answers in verified.items()
    ]
    missing = sum(number for _, number in read)
    reason = (
        f"{NAME}: {options.why}; left out: {plural(missing, 'missing image')} and "
        f"{plural(len(known - shown), 'label')} without a positive; unverified ones are unknown"
    )
    return Source(sorted(names.values()), records, NAME, reason)


def _tables(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.csv")) if recognise(file)]


def _image_files(folder: Path, images: Sequence[Path]) -> dict[str, Path]:
    """Return the image files by their names without suffix."""
    places = [folder, folder / "images"]
    places += [base / name for base in places for name in SPLIT_SPELLINGS]
    files_of: dict[str, Path] = {}
    for place in images or places:
        for entry in os.scandir(place) if place.is_dir() else ():
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in IMAGE_SUFFIXES:
                files_of.setdefault(stem, place / entry.name)
    if not files_of:
        raise InputError(
            f"{(*images, folder)[0]}: holds no images; looked next to the CSV, in images/ and "
            "in train/, validation/, test/; say which folder holds them (images=FOLDER)"
        )
    return files_of


def _looked(files_of: dict[str, Path]) -> str:
    return f"found {len(files_of)} others, such as {next(iter(files_of.values()))}"


def _read_file(path: Path, files_of: dict[str, Path]) -> tuple[Verified, int]:
    """Return the verified labels of the images that exist, and the number of missing images."""
    verified: Verified = defaultdict(dict)
    missing = set()
    for image, code, confidence in _rows(path):
        if image not in files_of:
            missing.add(image)
            continue
        answers = verified[image]  # kept even if no label is verified, with all unknown
        if confidence in (0.0, 1.0):
            present = confidence == 1
            answers[code] = present if answers.get(code, present) == present else None
    return verified, len(missing)


def _rows(path: Path) -> Iterator[tuple[str, str, float]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        if next(rows, [])[: len(COLUMNS)] != COLUMNS:
            raise InputError(f"{path}: expected the columns {', '.join(COLUMNS)}")
        for row in rows:
            try:
                image, _, code, confidence = row[:4]
                yield image, code, float(confidence)
            except ValueError:
                raise InputError(
                    f"{path}, line {rows.line_num}: expected an image, its source, a label and a "
                    f"confidence from 0 to 1; got {','.join(row)!r}"
                ) from None


def _label_names(folder: Path, codes: list[str]) -> dict[str, str]:
    """Return a name for each code; codes that share a name have the code appended."""
    described: dict[str, str] = {}
    for file in sorted(folder.glob("*class-descriptions*.csv")):
        for row in csv.reader(read_text(file).splitlines()):
            if len(row) >= 2:
                described.setdefault(row[0].strip(), row[1].strip())
    names = {code: described.get(code) or code for code in codes}
    number = Counter(names.values())
    return {c: name if number[name] == 1 else f"{name} ({c})" for c, name in names.items()}
