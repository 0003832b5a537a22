"""What an image file is known by on every machine, whichever argument and spelling names it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from imlgcn.prediction.paths import GivenPaths, Origin


class PathKey(NamedTuple):
    """A file: its key, that of its other spelling if it has one, and its absolute path."""

    key: bytes
    other: bytes | None
    path: str


class PathKeys:
    """Keys of the image files that arguments stand for: one file has one key.

    A file below the folder of an argument (a folder, a pattern, a table) is known by the number of
    the first such argument and its path below that folder, so that machines may have the folder
    mounted elsewhere. Any other is known by its path as it is given, absolute or relative to the
    working folder: it has two possible keys, of which a file that is given both ways has both.
    """

    def __init__(self, given: GivenPaths) -> None:
        self._here = os.path.join(os.getcwd(), "")
        origins = [origin for origin in given.origins() if origin is not None]
        self._roots = [
            (os.path.join(os.path.abspath(origin.folder), ""), f"{origin.number}/")
            for origin in origins
        ]
        self._outside = next(_of_tables(given.patterns, origins), "")

    def of(self, name: str) -> PathKey:
        """Return what the file of this name is known by."""
        is_plain = os.sep == "/" and ".." not in name
        if not is_plain:
            path = os.path.abspath(name)
        else:
            path = name if name.startswith("/") else self._here + name
        for root, start in self._roots:
            if path.startswith(root):
                return PathKey(_encoded(start + path[len(root) :]), None, path)
        relative = name if is_plain and path != name else _relative(path)
        first, other = (path, relative) if os.path.isabs(name) else (relative, path)
        return PathKey(_encoded(self._outside + first), _encoded(self._outside + other), path)


def _of_tables(patterns: list[str], origins: Iterable[Origin]) -> Iterator[str]:
    return (f"{origin.number}/" for origin in origins if os.path.isfile(patterns[origin.number]))


def _encoded(key: str) -> bytes:
    return os.fsencode(key if os.sep == "/" else key.replace(os.sep, "/"))


def _relative(path: str) -> str:
    folder, name = os.path.split(path)
    return _relative_folder(folder, os.getcwd()) + name


@lru_cache(maxsize=1024)
def _relative_folder(folder: str, here: str) -> str:
    try:
        found = os.path.relpath(folder, here)
    except ValueError:  # on another drive
        return os.path.join(folder, "")
    return "" if found == os.curdir else os.path.join(found, "")
