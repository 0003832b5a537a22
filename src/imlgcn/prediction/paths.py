"""Files, folders, patterns, tables and lists of paths become a list of image files."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple, TextIO

from imlgcn.data.image_input import refuse_address
from imlgcn.data.images import IMAGE_SUFFIXES, OTHER_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.prediction.tables import OTHER_TABLES, TABLES, listed_images


class Origin(NamedTuple):
    """The argument that images come from: its number, and the folder that names begin with."""

    number: int
    folder: str


class ExpandedPaths(list[str]):
    """Image files, and by suffix how many files of formats that are not read were passed by.

    ``origins`` are the arguments, each with the index of the first image after its images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Counter[str] = Counter()
        self.origins: list[tuple[int, Origin | None]] = []

    def with_origins(self) -> Iterator[tuple[str, Origin | None]]:
        """Yield each image with the argument that it comes from."""
        start = 0
        for end, origin in [*self.origins, (len(self), None)]:
            yield from ((path, origin) for path in self[start:end])
            start = end

    def sentence(self) -> str:
        """Return what was passed by, for people; nothing if there was none."""
        if not self.skipped:
            return ""
        kinds = ", ".join(f"{suffix} ({count})" for suffix, count in sorted(self.skipped.items()))
        some = plural(self.skipped.total(), "file")
        return f"not read: {some} of a format that is not read: {kinds}; save them as JPEG"


def expand_paths(patterns: Sequence[str | Path], *, stdin: TextIO | None = None) -> ExpandedPaths:
    """Return the image files that ``patterns`` stand for, in order, each once.

    A file is taken whatever it is called, but a ``.csv`` or ``.tsv`` stands for the images of its
    column. A folder stands for the images in it and below (hidden ones and folders that may not be
    listed left out), a pattern with ``*``, ``?``, ``[..]`` or ``**`` for the images it matches,
    ``-`` for the files and folders listed in ``stdin``, one per line.

    Raises:
        InputError: a path does not exist, a pattern matches no image, a table has no column of
            images, or there is no image at all.
    """
    given = [str(pattern) for pattern in patterns]
    found = ExpandedPaths()
    seen: set[int] = set()
    for number, pattern in enumerate(given):
        for name in _names(pattern, found.skipped, stdin):
            key = hash(
                os.path.abspath(name)
            )  # of 64 bits: a collision would take billions of files
            if key not in seen:
                seen.add(key)
                found.append(str(Path(name)))
        found.origins.append((len(found), origin_of(pattern, number)))
    if not found:
        where = ", ".join("standard input" if p == "-" else p for p in given)
        raise InputError(
            f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); "
            f"give image files or folders that hold some; {found.sentence()}".rstrip("; ")
        )
    return found


def origin_of(pattern: str, number: int) -> Origin | None:
    """Return where the images of an argument come from; None of a file and of a list of files."""
    if pattern == "-":
        return None
    if os.path.isdir(pattern):
        return Origin(number, pattern)
    if os.path.exists(pattern):
        is_table = os.path.splitext(pattern)[1].lower() in TABLES
        return Origin(number, os.path.dirname(pattern)) if is_table else None
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return Origin(number, folder)


def _names(pattern: str, skipped: Counter[str], stdin: TextIO | None) -> Iterable[str]:
    return _listed(stdin, skipped) if pattern == "-" else expand(pattern, skipped)


def expand(pattern: str, skipped: Counter[str]) -> Iterable[str]:
    """Return the images of one file, folder, table or glob; a file's name may have brackets.

    ``skipped`` counts suffixes of files that are passed by.

    Raises:
        InputError: it does not exist, matches no image, or is a table that cannot be used.
    """
    if os.path.isdir(pattern):
        return _images_below(pattern, skipped)
    suffix = os.path.splitext(pattern)[1].lower()
    if os.path.exists(pattern):
        is_table = suffix in TABLES or suffix in OTHER_TABLES
        return listed_images(Path(pattern)) if is_table else [pattern]
    refuse_address(pattern)
    if not glob.has_magic(pattern):
        raise InputError(f"no such file or folder: {os.path.abspath(pattern)}")
    names = [n for n in glob.iglob(pattern, recursive=True) if os.path.isfile(n)]
    images = [n for n in names if _is_image(os.path.basename(n), skipped)]
    if not images:
        raise InputError(f"no image matches {pattern!r} (working folder {Path.cwd()})")
    return sorted(images, key=lambda name: name.replace(os.sep, "\0"))  # as a folder's are


def _listed(stdin: TextIO | None, skipped: Counter[str]) -> Iterator[str]:
    """Yield the images of a list; a missing file among many is left to become a row."""
    for line in StringIO(_standard_input() if stdin is None else stdin.read()):
        if name := line.rstrip("\r\n"):
            yield from _images_below(name, skipped) if os.path.isdir(name) else (name,)


def _standard_input() -> str:
    """Return the list on standard input; names may hold any bytes."""
    raw = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if raw is None else os.fsdecode(raw.read())


def _images_below(folder: str, skipped: Counter[str]) -> Iterator[str]:
    """Yield the images in a folder and below, sorted by the parts of their paths."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # gone, or not readable; any other error, as of a failing disk, is raised
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if not os.path.isdir(path):
            if _is_image(name, skipped):
                yield path
        elif not os.path.islink(path):  # a link to a folder above would never end
            yield from _images_below(path, skipped)


def _is_image(name: str, skipped: Counter[str]) -> bool:
    suffix = os.path.splitext(name)[1]
    if name.startswith("."):
        return False
    if suffix.lower() in OTHER_SUFFIXES:
        skipped[suffix] += 1
    return suffix.lower() in IMAGE_SUFFIXES
