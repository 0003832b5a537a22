"""The files below a folder, and the splits that its sub-folders name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.base import SPLIT_SPELLINGS
from imlgcn.data.images import IMAGE_SUFFIXES


def visible_files(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted; those whose name or folder starts with a dot not."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def visible_images(folder: Path) -> list[Path]:
    """Return the images among :func:`visible_files`, by their suffixes."""
    return [file for file in visible_files(folder) if is_image(file)]


def is_image(file: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return file.suffix.lower() in IMAGE_SUFFIXES


def folder_splits(names: Sequence[str]) -> list[str | None]:
    """Return the split of each file: its first folder, if these are two or more splits.

    >>> folder_splits(["train/a.jpg", "valid/b.jpg"]), folder_splits(["train/a.jpg", "more/b.jpg"])
    (['train', 'val'], [None, None])
    """
    splits = [SPLIT_SPELLINGS.get(name.split("/")[0].lower()) for name in names]
    return splits if None not in splits and len(set(splits)) > 1 else [None] * len(splits)


def say_some(names: Sequence[str], most: int = 3) -> str:
    """Return the first of some names for a message.

    >>> say_some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
