"""Folders in which every image has a file of its own beside it, and folders that are splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from imlgcn.data.formats.base import SPLIT_SPELLINGS
from imlgcn.data.formats.image_files import locate
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

MAX_FILES = 100
NUM_FILES = 50  # opened to recognise a folder; the first may be of something else


def visible_files(folder: Path, suffix: str = "") -> Iterator[Path]:
    """Yield the files of a folder and of its sub-folders, in order, without hidden ones.

    With ``suffix`` only those that end in it, in any case.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = [name for name in files if name.lower().endswith(suffix)]
        for name in sorted(found):
            if not name.startswith("."):
                yield Path(here, name)


def is_image(file: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return file.suffix.lower() in IMAGE_SUFFIXES


def visible_images(folder: Path) -> list[Path]:
    """Return the images among :func:`visible_files`, by their suffixes."""
    return [file for file in visible_files(folder) if is_image(file)]


def first_file(path: Path, suffix: str, fits: Callable[[Path], object]) -> Path | None:
    """Return the first file below a folder that fits, of the first ones with a suffix, or None."""
    files = islice(visible_files(path, suffix), NUM_FILES) if path.is_dir() else ()
    return next((file for file in files if fits(file)), None)


@dataclass(frozen=True)
class Sidecars:
    """The files with a suffix below a folder, and the image that each belongs to by its name."""

    image_of: dict[Path, Path | None]  # None: no image has this name, or several have
    images: list[Path]

    @property
    def without(self) -> int:
        """Return how many images have no such file."""
        return len(set(self.images) - set(self.image_of.values()))


def find_sidecars(folder: Path, suffix: str) -> Sidecars:
    """Return the files with a suffix below a folder.

    ``a.xml`` and ``a.jpg.xml`` belong to ``a.jpg`` in the same folder, or else to the only
    ``a.jpg`` in any folder (``Annotations/a.xml`` and ``images/a.jpg``).
    """
    files, images = [], []
    for file in visible_files(folder):
        if file.suffix.lower() == suffix:
            files.append(file)
        elif file.suffix.lower() in IMAGE_SUFFIXES:
            images.append(file)
    beside = {image.with_suffix(""): image for image in reversed(images)} | {
        image: image for image in images
    }
    anywhere: dict[str, set[Path]] = {}
    for image in images:
        for name in (image.stem, image.name):
            anywhere.setdefault(name, set()).add(image)

    def image_of(file: Path) -> Path | None:
        bare = file.with_suffix("")
        alike = anywhere.get(bare.name, set())
        return beside.get(bare) or (next(iter(alike)) if len(alike) == 1 else None)

    return Sidecars({file: image_of(file) for file in files}, images)


def splits_of_folders(names: Sequence[str]) -> list[str | None] | None:
    """Return the split of each image by a folder in its name; None unless all have one.

    >>> splits_of_folders(["train/images/a.jpg", "images/valid/b.jpg"])
    ['train', 'val']
    >>> splits_of_folders(["train/a.jpg", "train/b.jpg"])
    """
    splits = [
        next(
            (
                SPLIT_SPELLINGS[part]
                for part in name.lower().split("/")[:-1]
                if part in SPLIT_SPELLINGS
            ),
            None,
        )
        for name in names
    ]
    return splits if None not in splits and len(set(splits)) > 1 else None


def split_folders(folder: Path) -> dict[Path, str]:
    """Return the sub-folders that are called like splits, each with its split."""
    with os.scandir(folder) as listed:
        named = [entry for entry in listed if entry.name.lower() in SPLIT_SPELLINGS]
    found = {
        folder / entry.name: SPLIT_SPELLINGS[entry.name.lower()]
        for entry in sorted(named, key=lambda entry: entry.name)
        if entry.is_dir()
    }
    order = ("train", "val", "test")
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[1])))


def files_ending(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of a folder itself that end in one of the suffixes, in order.

    Nothing if they are more than :data:`MAX_FILES`: then each belongs to an image.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as listed:
        names = [entry.name for entry in listed if entry.name.lower().endswith(suffixes)]
    found = sorted(names) if len(names) <= MAX_FILES else []
    return [file for name in found if (file := folder / name).is_file()]


def locate_any(
    spellings: Sequence[Sequence[str]], listed_in: Path, images: Sequence[Path] = ()
) -> list[Path]:
    """Return the file of each image, found under the first of its names that exists.

    ``spellings`` are lists of equal length: the names as a tool writes them, and other names that
    the same images may have; the last ones are those of the message. The rest is as for
    :func:`imlgcn.data.formats.image_files.locate`.
    """
    found: list[list[Path]] = []
    errors: list[InputError] = []
    for names in dict.fromkeys(tuple(names) for names in spellings):
        try:
            found.append(locate(names, listed_in, images))
        except InputError as error:
            errors.append(error)
    if not found:
        raise errors[-1]
    return [
        next((file for file in files if os.path.isfile(file)), files[0])
        for files in zip(*found, strict=True)
    ]
