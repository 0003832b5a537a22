"""Where the image files are that a list names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imlgcn.config import InputError
from imlgcn.numbers import plural


def locate(names: Sequence[str], listed_in: Path, images: Sequence[Path] = ()) -> list[Path]:
    """Return the file of each image that a list names.

    Args:
        names: as the list writes them, with forward slashes.
        listed_in: the list itself; images are looked for beside it and in ``images`` beside it.
        images: the folders that the user named (`ReadOptions.images`).

    Raises:
        InputError: none of the images is there.
    """
    beside = listed_in.absolute().parent
    root = find_root(names, [beside, beside / "images"], listed_in, images)
    return [root / name for name in names]


def find_root(
    names: Sequence[str], usual: Sequence[Path], listed_in: Path, images: Sequence[Path]
) -> Path:
    """Return the first folder that holds any of the images ``names``: of ``images`` or usual."""
    roots = images or usual
    for root in roots:
        if root.is_dir() and any((root / name).is_file() for name in names):
            return root
    raise no_images(listed_in, names, roots)


def no_images(listed_in: Path, names: Sequence[str], folders: Sequence[Path]) -> InputError:
    """Return the error for images of which none is in any of the folders."""
    looked = ", ".join(str(folder) for folder in dict.fromkeys(folders))
    return InputError(
        f"{listed_in}: found 0 of {plural(len(names), 'image')} (the first is {names[0]!r}); "
        f"looked in {looked}; say which folder holds them (images=FOLDER)"
    )
