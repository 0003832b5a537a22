"""A folder of images with a ``.txt`` of tags each, or a folder with a labels.csv or one list.

``cat.jpg`` has its tags in ``cat.txt`` (or ``cat.jpg.txt``), one per line or separated as in a CSV;
``?dog`` means unknown. Images in a folder ``images`` have theirs beside them or in the folder
``labels`` next to it. An empty ``.txt`` is an image with no label; an image without a
``.txt`` is left out. Sub-folders are included; if the first level is train, val, test, those are
the splits. Without tags, the only table or JSON list in the folder is read; without a list, the
keywords of the images, or the names of the folders they are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats import (
    asl,
    booru,
    columns,
    csv,
    cvat,
    ground_truth,
    intel,
    json_list,
    keywords,
    label_folders,
    label_studio,
    label_studio_min,
    mmpretrain,
    via,
)
from imlgcn.data.formats.base import (
    DATA,
    SPLIT_SPELLINGS,
    Format,
    ReadOptions,
    Record,
    Source,
    read_text,
    unwrap,
)
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.data.formats.ignored_options import ALWAYS, read_by, refuse_ignored
from imlgcn.data.formats.label_numbers import NumberNames, name_numbers
from imlgcn.data.formats.layout import visible_files
from imlgcn.data.formats.raw_files import about_raw_files, raw_files
from imlgcn.data.formats.split_tables import has_labels, lists_images
from imlgcn.data.formats.tables import is_table
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural

NAME = "folder"
OPTIONS = ("delimiter", "label_names")  # of the .txt files
ASKS_OTHERS = True
LISTS: tuple[Format, ...] = (
    *(asl, label_studio_min, columns, csv, intel, label_studio, mmpretrain, ground_truth, via),
    *(booru, cvat, json_list),
)
WITHOUT_LISTS: tuple[Format, ...] = (keywords, label_folders)


def recognise(source: Path | str) -> str | None:
    """Recognise any folder."""
    return "it is a folder" if Path(source).is_dir() else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read a folder: its labels.csv, or the tags of its images, or its only list."""
    folder = unwrap(Path(source))
    table = folder / "labels.csv"
    if table.is_file() and lists_images(table):
        return _read_list(table, csv, csv.recognise(table) or "it is called labels.csv", options)
    files = sorted(visible_files(folder))
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    tagged = _tag_files(images, set(files))
    if tagged:
        return _read_tags(folder, tagged, len(images), options)
    lists = [found for file in files if file.parent == folder and (found := _as_list(file))]
    if len(lists) > 1:
        lists = [found for found in lists if not is_table(found[0]) or _lists_labels(found[0])]
    if len(lists) == 1:
        return _read_list(*lists[0], options)
    if lists:
        listed = ", ".join(file.name for file, _, _ in lists)
        raise InputError(
            f"{folder}: holds several lists ({listed}); give one, or rename it to labels.csv"
        )
    for reader in WITHOUT_LISTS:
        if why := reader.recognise(folder):
            return read_by(reader, folder, options, why)
    raise InputError(_nothing_found(folder, len(images)))


def _as_list(file: Path) -> tuple[Path, Format, str] | None:
    for known in LISTS:
        if why := known.recognise(file):
            return file, known, why
    return None


def _lists_labels(table: Path) -> bool:
    return lists_images(table) and has_labels(table)


def _read_list(file: Path, reader: Format, why: str, options: ReadOptions) -> Source:
    source = read_by(reader, file, options, why)
    return replace(source, reason=f"{NAME}: it holds {file.name}; {source.reason}")


def _tag_files(images: Sequence[Path], files: set[Path]) -> dict[Path, Path]:
    """Return the tag file of each image that has one."""
    tagged = {}
    for image in images:
        places = (image, _in_labels(image))
        names = [f(at) for at in places if at for f in (_short_name, _whole_name)]
        if found := next((name for name in names if name in files), None):
            tagged[image] = found
    return tagged


def _short_name(image: Path) -> Path:
    return image.with_suffix(".txt")


def _whole_name(image: Path) -> Path:
    return image.with_name(image.name + ".txt")


def _in_labels(image: Path) -> Path | None:
    """Return where an image in the last folder ``images`` would be in ``labels`` next to it."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index].lower() == "images":
            return Path(*parts[:index], "labels", *parts[index + 1 :])
    return None


def _read_tags(
    folder: Path, tagged: dict[Path, Path], num_images: int, options: ReadOptions
) -> Source:
    refuse_ignored(folder, options, OPTIONS, "with a .txt of tags for each image", ALWAYS)
    files = list(tagged.values())
    cells = split_cells(
        [read_text(tags) for tags in files], options.delimiter, lambda row: f"{files[row]}: "
    )
    if not cells.names:
        raise InputError(f"{folder}: all {plural(len(files), 'tag file')} are empty")
    names, named = cells.names, name_numbers(cells.names, folder / "tags", options.label_names)
    if named is not None:
        names = [named.names[name] for name in sorted(cells.names, key=int)]
    inside = {image: image.relative_to(folder).as_posix() for image in tagged}
    splits = [_split_of(name) for name in inside.values()]
    by_folder = None not in splits and len(set(splits)) > 1
    records = [
        Record(
            inside[image],
            image,
            _named(present, named),
            _named(unknown, named),
            split if by_folder else None,
        )
        for image, (present, unknown), split in zip(tagged, cells.rows, splits, strict=True)
    ]
    reason = f"{NAME}: {number(len(files), 0)} of {plural(num_images, 'image')} have a .txt of tags"
    if len(files) < num_images:
        reason += f"; left out: {number(num_images - len(files), 0)} without one"
    if by_folder:
        reason += "; its folders are the splits"
    how = cells.how if named is None else f"{cells.how}; {named.how}"
    return Source(names, records, NAME, f"{reason}; {how}")


def _named(labels: Sequence[str], named: NumberNames | None) -> tuple[str, ...]:
    return tuple(labels if named is None else (named.names[label] for label in labels))


def _split_of(name: str) -> str | None:
    """Return the split that an image's first folder is called, or the one in ``images``."""
    folders = [part.lower() for part in name.split("/")[:-1]]
    inner = folders[1:] if folders[:1] == ["images"] else folders
    return SPLIT_SPELLINGS.get(inner[0]) if inner else None


def _nothing_found(folder: Path, num_images: int) -> str:
    if num_images:
        return (
            f"{folder}: holds {plural(num_images, 'image')} and no tags; add a .txt of tags for "
            "each image, or a labels.csv with the columns image, labels, or keywords in your photo "
            "manager; if the folders are called as their labels, say so (reader=label_folders)"
        )
    if raw := raw_files([folder]):
        return f"{folder}: holds no images; {about_raw_files(raw)}"
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    return f"{folder}: holds no images ({suffixes}) and no list that a reader knows; give {DATA}"
