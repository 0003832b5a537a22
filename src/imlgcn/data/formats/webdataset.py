"""WebDataset: tars of samples, ``key.jpg`` beside ``key.json``, ``key.cls`` or ``key.txt``.

https://github.com/webdataset/webdataset: the key of a file is its path up to the first dot of its
name, and the files of one key are one sample. Labels are, in this order, what ``.json`` holds under
a usual name (``labels``, ``tags``, ...), a list, or a mapping to 1 and 0; the class number or
name in ``.cls``; the text of ``.txt``. One tar, or a folder of shards; the names of shards, or of
their folders, are the splits where there is more than one. Images of a ``.tar`` are read where they
are (:mod:`imlgcn.data.packed`); one that is compressed is unpacked into the cache.
"""

from __future__ import annotations

import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Source, read_text
from imlgcn.data.formats.column_names import LABEL_COLUMNS, known_columns
from imlgcn.data.formats.label_numbers import is_number
from imlgcn.data.formats.splits import splits_if_several
from imlgcn.data.formats.value_table import ValueTable, read_columns
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.data.packed import member_path
from imlgcn.data.unpack import BROKEN, is_tar, members, unpack
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural
from imlgcn.parsing import ParseError, parse_json

NAME = "webdataset"
OPTIONS = ("delimiter", "label_names", "minus_one", "present_above")
KINDS = ("json", "cls", "txt")  # extensions that hold labels; the first that does counts
PEEKED = 12  # members of a tar that are looked at to recognise it


@dataclass
class Sample:
    """The files of one key, by their extension."""

    name: str
    images: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)


def recognise(source: Path | str) -> str | None:
    """Recognise a tar, or a folder of tars, of which the first holds an image beside labels."""
    path = Path(source)
    tars = _tars(path)
    if not tars or not _is_webdataset(tars[0]):
        return None
    return f"{'it' if tars[0] == path else tars[0].name} holds an image and its labels by one key"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the samples of the shards; those without labels are left out."""
    path = Path(source)
    tars = _tars(path)
    if not tars:
        raise InputError(f"{path}: is not a .tar and holds none")
    splits = splits_if_several(tars)
    shards = []
    with options.progress.bar("Reading shards", len(tars), "tars") as advance:
        for tar in tars:
            shards.append(_samples(tar, options))
            advance(1)
    keys = [key for shard in shards for key in shard]
    prefixed = len(set(keys)) < len(keys)
    samples: list[Sample] = []
    of_split: list[str | None] = []
    for tar, split, shard in zip(tars, splits, shards, strict=True):
        for sample in shard.values():
            sample.name = f"{tar.name.split('.')[0]}/{sample.name}" if prefixed else sample.name
            samples.append(sample)
            of_split.append(split)
    kind, values = _labels(path, samples)
    kept = [row for row, value in enumerate(values) if value is not None]
    images = [_image(path, samples[row]) for row in kept]
    columns = {"labels": [values[row] for row in kept], "split": [of_split[row] for row in kept]}
    table = ValueTable(columns, str(path), lambda row: f"{path}, {images[row][0]}: ")
    found = read_columns(table, options, images)
    reason = (
        f"{NAME}: {options.why}; {plural(len(tars), 'tar')}, labels are in .{kind}; {found.how}"
    )
    if left := len(samples) - len(kept):
        reason += f"; left out: {number(left, 0)} without a .{kind}"
    return Source(found.names, found.records, NAME, reason)


def _tars(path: Path) -> list[Path]:
    """Return the tar itself, or those in a folder or in the folders in it."""
    if path.is_file():
        return [path] if is_tar(path) else []
    if not path.is_dir():
        return []
    return sorted(file for pattern in ("*", "*/*") for file in path.glob(pattern) if is_tar(file))


def _is_webdataset(tar: Path) -> bool:
    found: dict[str, set[str]] = defaultdict(set)
    try:
        with tarfile.open(tar) as archive:
            for _ in range(PEEKED):
                if (info := archive.next()) is None:
                    break
                key, extension = _key(info.name)
                found[key].add(extension)
    except (*BROKEN, OSError):
        return False
    return any(
        any(f".{e.split('.')[-1]}" in IMAGE_SUFFIXES for e in extensions)
        and any(e.split(".")[-1] in KINDS for e in extensions)
        for extensions in found.values()
    )


def _key(name: str) -> tuple[str, str]:
    """Return the key and the extension of a file.

    >>> _key("shard.1/0001.seg.PNG")
    ('shard.1/0001', 'seg.png')
    """
    folder, _, base = name.rpartition("/")
    key, _, extension = base.partition(".")
    return f"{folder}/{key}" if folder else key, extension.lower()


def _samples(tar: Path, options: ReadOptions) -> dict[str, Sample]:
    """Return the samples of a tar by their keys, in the order of the names of their files."""
    samples: dict[str, Sample] = {}
    for name, image, text in sorted(_files(tar, options), key=lambda file: file[0].parts):
        key, extension = _key(name.as_posix())
        sample = samples.setdefault(key, Sample(key))
        if name.suffix.lower() in IMAGE_SUFFIXES:
            sample.images[extension] = image
        elif text is not None:
            sample.texts[extension] = text
    found = {key: sample for key, sample in samples.items() if sample.images}
    if not found:
        raise InputError(f"{tar}: holds no images")
    return found


def _files(tar: Path, options: ReadOptions) -> Iterator[tuple[PurePosixPath, Path, bytes | None]]:
    """Yield name, path and, of a text, the content of each file of a tar."""
    if (inside := members(tar, [f".{kind}" for kind in KINDS])) is not None:
        for name, offset, size, text in inside:
            yield name, member_path(tar, offset, size, name.name), text or b""
        return
    folder = unpack(tar, progress=options.progress)
    for file in (file for file in folder.rglob("*") if file.is_file()):
        is_text = file.suffix.lower() not in IMAGE_SUFFIXES
        content = file.read_bytes() if is_text else None
        yield PurePosixPath(file.relative_to(folder).as_posix()), file, content


def _image(path: Path, sample: Sample) -> tuple[str, Path]:
    """Return name and file of the image of a sample."""
    plain = [extension for extension in sample.images if "." not in extension]
    several = plain or list(sample.images)
    if len(several) > 1:
        raise InputError(
            f"{path}: {sample.name} has several images (.{', .'.join(several)}), and a sample is "
            "one; pack only the image that the labels are of"
        )
    return f"{sample.name}.{several[0]}", sample.images[several[0]]


def _labels(path: Path, samples: Sequence[Sample]) -> tuple[str, list[Any]]:
    """Return the extension that holds labels and the value of each sample, None without one."""
    seen = sorted({extension for sample in samples for extension in sample.texts})
    for kind in KINDS:
        if kind not in seen:
            continue
        values = [
            _value(sample.texts[kind], kind, f"{path}, {sample.name}.{kind}: ")
            if kind in sample.texts
            else None
            for sample in samples
        ]
        if any(value is not None for value in values):
            return kind, values
    extensions = ", ".join(f".{extension}" for extension in seen) or "no other files"
    raise InputError(
        f"{path}: no sample has labels in .json (under labels, tags, ...), .cls or .txt; beside "
        f"its images it holds {extensions}"
    )


def _value(text_bytes: bytes, kind: str, where: str) -> Any:
    text = read_text(Path(where.removesuffix(": ")), text_bytes).strip()
    if kind == "cls":
        numbers = [word for word in text.replace(",", " ").split() if is_number(word)]
        if text and len(numbers) == len(text.replace(",", " ").split()):
            return [int(word) for word in numbers]
        return [text] if text else []
    if kind == "txt":
        return text
    try:
        content = parse_json(text)
    except ParseError as error:
        raise InputError(f"{where}is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        return content
    keys = list(map(str, content))
    known = [content[keys[index]] for index in known_columns(keys, LABEL_COLUMNS)]
    if known and known[0] is not None:
        return known[0]
    is_coded = content and all(value in (0, 1, -1) for value in map(_hashable, content.values()))
    return content if is_coded else None


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int) else None
