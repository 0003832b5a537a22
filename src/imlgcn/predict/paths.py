"""Files, folders, patterns and lists of paths become one list of image files."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from imlgcn.config import InputError
from imlgcn.data.images import IMAGE_SUFFIXES


def expand_paths(patterns: Sequence[str | Path], *, stdin: TextIO | None = None) -> list[Path]:
    """Return the image files that ``patterns`` stand for, in order, each once.

    A file is taken whatever it is called. A folder stands for the images in it and below (hidden
    ones and folders that may not be listed left out), a pattern with ``*``, ``?``, ``[..]`` or
    ``**`` for the images it matches, ``-`` for the files and folders listed in ``stdin``, one per
    line.

    Raises:
        InputError: a path does not exist, a pattern matches no image, or there is no image at all.
    """
    unique: dict[str, Path] = {}
    for pattern in map(str, patterns):
        for path in _listed(stdin or sys.stdin) if pattern == "-" else _expand(pattern):
            unique.setdefault(os.path.abspath(path), path)
    if not unique:
        where = ", ".join("standard input" if str(p) == "-" else str(p) for p in patterns)
        raise InputError(
            f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); "
            "give image files or folders that hold some"
        )
    return list(unique.values())


def _expand(pattern: str) -> list[Path]:
    """Return the images of one file, folder or glob; a name with brackets may also be a file."""
    if os.path.isdir(pattern):
        return _images_below(pattern)
    if os.path.exists(pattern):
        return [Path(pattern)]
    matches = sorted(Path(match) for match in glob.iglob(pattern, recursive=True))
    images = [path for path in matches if _is_image(path.name) and path.is_file()]
    if images:
        return images
    if glob.has_magic(pattern):
        raise InputError(f"no image matches {pattern!r} (working folder {Path.cwd()})")
    raise InputError(f"no such file or folder: {os.path.abspath(pattern)}")


def _listed(stdin: TextIO) -> Iterator[Path]:
    """Yield the images of a list; a missing file among many is left to become a row."""
    for line in stdin:
        if name := line.rstrip("\r\n"):
            yield from _images_below(name) if os.path.isdir(name) else [Path(name)]


def _images_below(folder: str) -> list[Path]:
    images = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images += [Path(parent, name) for name in files if _is_image(name)]
    return sorted(images)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
