"""Files, folders, patterns and lists of paths become image files, without holding their names.

A hundred thousand names and the table that keeps out doubles would take more memory than the
network: folders are walked as the images are needed, and doubles are known by a hash.
"""

from __future__ import annotations

import glob
import heapq
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from io import StringIO
from operator import lt
from pathlib import Path
from typing import TextIO

from imlgcn.config import InputError
from imlgcn.data.images import IMAGE_SUFFIXES

NAMES = 16_384  # of a folder held at a time; one with more is listed once for each so many


def expand_paths(patterns: Sequence[str | Path], *, stdin: TextIO | None = None) -> ImagePaths:
    """Return the image files that ``patterns`` stand for, in order, each once.

    A file is taken whatever it is called. A folder stands for the images in it and below (hidden
    ones and folders that may not be listed left out), a pattern with ``*``, ``?``, ``[..]`` or
    ``**`` for the images it matches, ``-`` for the files and folders listed in ``stdin``, one per
    line.

    Raises:
        InputError: a path does not exist, a pattern matches no image, or there is no image at all.
    """
    given = [str(pattern) for pattern in patterns]
    listed = "" if "-" not in given else _standard_input() if stdin is None else stdin.read()
    paths = ImagePaths(given, listed)
    if not len(paths):
        where = ", ".join("standard input" if p == "-" else p for p in given)
        raise InputError(
            f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); "
            "give image files or folders that hold some"
        )
    return paths


class ImagePaths:
    """Image files that are found anew each time they are gone through; counted once.

    A file that comes or goes between two walks is or is not among them: names are not stored.
    """

    def __init__(self, patterns: Sequence[str], listed: str = "") -> None:
        self._patterns, self._listed = tuple(patterns), listed
        for pattern in patterns:
            _refuse_missing(pattern)
        self._count = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Path]:
        seen: set[int] | None = None
        if len(self._patterns) > 1 or "-" in self._patterns:  # else nothing can come twice
            seen = set()
        for pattern in self._patterns:
            for path in _names_in(self._listed) if pattern == "-" else _expand(pattern):
                if seen is not None:
                    key = hash(os.path.abspath(path))  # 64 bits: no two alike in billions of tries
                    if key in seen:
                        continue
                    seen.add(key)
                yield Path(path)


def _standard_input() -> str:
    """Return the list on standard input; names may hold any bytes."""
    raw = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if raw is None else os.fsdecode(raw.read())


def _refuse_missing(pattern: str) -> None:
    if pattern == "-" or os.path.exists(pattern) or any(_matches(pattern)):
        return
    if glob.has_magic(pattern):
        raise InputError(f"no image matches {pattern!r} (working folder {Path.cwd()})")
    raise InputError(f"no such file or folder: {os.path.abspath(pattern)}")


def _expand(pattern: str) -> Iterator[str]:
    """Yield the images of one file, folder or glob; a name with brackets may also be a file."""
    if os.path.isdir(pattern):
        yield from _images_below(pattern)
    elif os.path.exists(pattern) or not glob.has_magic(pattern):
        yield pattern  # also one that has gone since it was looked for: it becomes a row
    else:
        yield from _matches(pattern)


def _matches(pattern: str) -> Iterator[str]:
    for name in sorted(glob.iglob(pattern, recursive=True), key=_parts):
        if _is_image(os.path.basename(name)) and os.path.isfile(name):
            yield name


def _parts(name: str) -> str:
    """Return what sorts a name as the list of its parts would."""
    return name.replace(os.sep, "\0")


def _names_in(listed: str) -> Iterator[str]:
    """Yield the images of a list; a missing file among many is left to become a row."""
    for line in StringIO(listed):
        if name := line.rstrip("\r\n"):
            yield from _images_below(name) if os.path.isdir(name) else (name,)


def _images_below(folder: str) -> Iterator[str]:
    """Yield the images in a folder and below, sorted by the parts of their paths."""
    for name in _sorted_names(folder):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            if _is_image(name):
                yield path
        elif not os.path.islink(path):  # a link to a folder above would never end
            yield from _images_below(path)


def _sorted_names(folder: str) -> Iterator[str]:
    """Yield what is in a folder, but hidden names, in order; nothing if it may not be listed."""
    last = ""
    while True:
        try:
            with os.scandir(folder) as entries:
                names = (entry.name for entry in entries if not entry.name.startswith("."))
                part = heapq.nsmallest(NAMES, filter(partial(lt, last), names))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return  # gone, or not for us; of a disk that fails the user hears
        yield from part
        if len(part) < NAMES:
            return
        last = part[-1]


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
