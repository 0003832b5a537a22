"""Files, folders, patterns and lists of paths become a list of image files."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TextIO

from imlgcn.config import InputError
from imlgcn.data.images import IMAGE_SUFFIXES


def expand_paths(patterns: Sequence[str | Path], *, stdin: TextIO | None = None) -> list[str]:
    """Return the image files that ``patterns`` stand for, in order, each once.

    A file is taken whatever it is called. A folder stands for the images in it and below (hidden
    ones and folders that may not be listed left out), a pattern with ``*``, ``?``, ``[..]`` or
    ``**`` for the images it matches, ``-`` for the files and folders listed in ``stdin``, one per
    line.

    Raises:
        InputError: a path does not exist, a pattern matches no image, or there is no image at all.
    """
    given = [str(pattern) for pattern in patterns]
    found: list[str] = []
    seen: set[int] = set()
    for pattern in given:
        for name in _listed(stdin) if pattern == "-" else _expand(pattern):
            key = hash(
                os.path.abspath(name)
            )  # of 64 bits: a collision would take billions of files
            if key not in seen:
                seen.add(key)
                found.append(str(Path(name)))
    if not found:
        where = ", ".join("standard input" if p == "-" else p for p in given)
        raise InputError(
            f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); "
            "give image files or folders that hold some"
        )
    return found


def _expand(pattern: str) -> Iterable[str]:
    """Return the images of one file, folder or glob; a name with brackets may also be a file."""
    if os.path.isdir(pattern):
        return _images_below(pattern)
    if os.path.exists(pattern):
        return [pattern]
    if not glob.has_magic(pattern):
        raise InputError(f"no such file or folder: {os.path.abspath(pattern)}")
    names = glob.iglob(pattern, recursive=True)
    images = [n for n in names if _is_image(os.path.basename(n)) and os.path.isfile(n)]
    if not images:
        raise InputError(f"no image matches {pattern!r} (working folder {Path.cwd()})")
    return sorted(images, key=lambda name: name.replace(os.sep, "\0"))  # as a folder's are


def _listed(stdin: TextIO | None) -> Iterator[str]:
    """Yield the images of a list; a missing file among many is left to become a row."""
    for line in StringIO(_standard_input() if stdin is None else stdin.read()):
        if name := line.rstrip("\r\n"):
            yield from _images_below(name) if os.path.isdir(name) else (name,)


def _standard_input() -> str:
    """Return the list on standard input; names may hold any bytes."""
    raw = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if raw is None else os.fsdecode(raw.read())


def _images_below(folder: str) -> Iterator[str]:
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
            if _is_image(name):
                yield path
        elif not os.path.islink(path):  # a link to a folder above would never end
            yield from _images_below(path)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
