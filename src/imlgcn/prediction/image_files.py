"""The image files in a folder and below: one look at each folder, none at the files in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imlgcn.data.images import IMAGE_SUFFIXES, OTHER_SUFFIXES


def images_below(folder: str, start: str, skipped: Counter[str]) -> Iterator[str]:
    """Yield the images in a folder and below, sorted by the parts of their paths.

    Names begin with ``start``, which stands for the folder. Hidden ones are left out, and so are
    folders that may not be listed and links to folders, which might lead to one above. ``skipped``
    counts suffixes of files that are passed by. Names of one folder at a time are held, and of
    those above.
    """
    waiting = [_listed(folder, start, skipped)]
    while waiting:
        for path, is_folder in waiting[-1]:
            if is_folder:
                inner = os.path.join(path, "")
                waiting.append(_listed(os.path.join(folder, inner[len(start) :]), inner, skipped))
                break
            yield path
        else:
            waiting.pop()


def is_image_name(name: str, skipped: Counter[str]) -> bool:
    """Return whether a file of this name is an image and not hidden; count it where passed by."""
    if name.startswith("."):
        return False
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix in IMAGE_SUFFIXES:  # most are, in small letters
        return True
    if suffix.lower() in OTHER_SUFFIXES:
        skipped[suffix] += 1
    return suffix.lower() in IMAGE_SUFFIXES


def tidy(name: str) -> str:
    """Return a path as `pathlib` writes it; an address, which is none, stays.

    >>> tidy("./a//b.png"), tidy("../b.png"), tidy("http://host/b.png")
    ('a/b.png', '../b.png', 'http://host/b.png')
    """
    if "://" in name:
        return name
    is_tidy = os.sep == "/" and "//" not in name and "./" not in name and name[-2:] != "/."
    return name if is_tidy and name[-1:] not in ("/", "") else str(Path(name))


def start_of(folder: str) -> str:
    """Return what the paths of files in a folder begin with.

    >>> start_of("."), start_of("./photos//")
    ('', 'photos/')
    """
    found = tidy(folder)
    return "" if found == os.curdir else os.path.join(found, "")


def _listed(folder: str, start: str, skipped: Counter[str]) -> Iterator[tuple[str, bool]]:
    """Yield the images and folders in a folder, sorted, and whether each is a folder."""
    names: list[str] = []
    folders: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if _is_folder(entry):
                    if not entry.is_symlink():
                        folders.add(name)
                        names.append(name)
                elif is_image_name(name, skipped):
                    names.append(name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # gone, or not readable; any other error, as of a failing disk, is raised
    names.sort()
    for name in names:
        yield start + name, name in folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere, or in a circle
        return False
