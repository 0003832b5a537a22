"""A folder with one list in JSON for each split: ``train.json, val.json``, or ``train/data.json``.

Each is in a form that another reader knows: Label Studio's, mmpretrain's, Ground Truth's, the VGG
Image Annotator's, or JSON of one's own. The files may also be in ``annotations``. Labels are those
of all files together.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats import (
    ground_truth,
    json_list,
    label_studio,
    label_studio_min,
    mmpretrain,
    via,
)
from imlgcn.data.formats.base import (
    Format,
    ReadOptions,
    Source,
    split_of_name,
    unwrap,
)
from imlgcn.data.formats.ignored_options import read_by
from imlgcn.data.formats.json_start import SUFFIXES
from imlgcn.data.formats.layout import files_ending, split_folders
from imlgcn.errors import InputError

NAME = "json_splits"
OPTIONS: tuple[str, ...] = ()
ASKS_OTHERS = True
READERS: tuple[Format, ...] = (
    *(label_studio_min, label_studio, mmpretrain, ground_truth, via),
    json_list,  # takes the rest
)
LISTS = ("annotations", "annotation", "labels", "metadata")  # folders of lists
ORDER = ("train", "val", "test")


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with lists of several splits, all of one form."""
    path = Path(source)
    if not path.is_dir():
        return None
    folder = unwrap(path)
    files, _ = _find(folder)
    listed = ", ".join(file.relative_to(folder).as_posix() for file in files)
    return f"it holds {listed}" if files else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the lists, each a split unless its entries say otherwise."""
    folder = unwrap(Path(source))
    files, reader = _find(folder)
    if not files or reader is None:
        raise InputError(f"{folder}: holds no lists in JSON called as train, val or test")
    labels: dict[str, None] = {}
    records, reasons = [], []
    for file, split in files.items():
        part = read_by(reader, file, options, reader.recognise(file) or options.why)
        start = f"{file.parent.name}/" if file.parent in split_folders(folder) else ""
        labels |= dict.fromkeys(part.labels)
        reasons.append(part.reason)
        records += [
            replace(record, name=start + record.name, split=record.split or split)
            for record in part.records
        ]
    reason = f"{NAME}: {options.why}, the splits; {'; '.join(dict.fromkeys(reasons))}"
    return Source(list(labels), records, NAME, reason)


def _find(folder: Path) -> tuple[dict[Path, str], Format | None]:
    """Return the lists with their splits, and their reader; none if they are not of several."""
    inside = {
        file: split
        for part, split in split_folders(folder).items()
        if len(files := _lists(part)) == 1
        for file in files
    }
    for parent in (folder, *(folder / name for name in LISTS)):
        named = {file: split for file in _lists(parent) if (split := split_of_name(file))}
        for found in (named, inside):
            splits = sorted(found.values(), key=ORDER.index)
            readers = {_reader_of(file) for file in found}
            if len(splits) > 1 and len(set(splits)) == len(splits) and len(readers) == 1:
                ordered = sorted(found, key=lambda file: ORDER.index(found[file]))
                return {file: found[file] for file in ordered}, readers.pop()
    return {}, None


def _lists(folder: Path) -> list[Path]:
    files = files_ending(folder, (".manifest", *SUFFIXES))
    return [file for file in files if _reader_of(file)]


def _reader_of(file: Path) -> Format | None:
    return next((reader for reader in READERS if reader.recognise(file)), None)
