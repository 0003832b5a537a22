"""Where the image files are that a list names: one finder for every reader.

A name is looked for, in this order: as written, in the folders that the user named, or else beside
the list and in ``images`` beside it; there with another suffix in capitals, without its suffix or
with another Unicode form; below these folders, by its last parts (:mod:`.image_index`). So bare
names, absolute paths of another machine, Windows paths and addresses find their files; last, a file
of another suffix does. What could
be two files is refused; a name without any file gets the path where it should be, for the check.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from imlgcn.data.formats.base import Record, split_of_name
from imlgcn.data.formats.image_index import ImageIndex
from imlgcn.data.formats.name_forms import has_image_suffix, is_address, parts_of, plain_form
from imlgcn.data.packed import is_image_there, is_packed
from imlgcn.errors import InputError
from imlgcn.numbers import plural, shortened

LISTS = {"annotations", "annotation", "labels", "lists", "csv", "metadata", "meta", "splits"}


class ImageFinder:
    """Finds the files of the images of one list; the folders are listed once, when needed.

    Args:
        listed_in: the list itself, or the folder it stands for.
        images: the folders that the user named (`ReadOptions.images`).
        usual: the folders to look in where the user named none; beside the list if not given.
    """

    def __init__(
        self, listed_in: Path, images: Sequence[Path] = (), usual: Sequence[Path] = ()
    ) -> None:
        self.listed_in = listed_in
        beside = listed_in.absolute()
        beside = beside if beside.is_dir() else beside.parent
        self.named = bool(images)
        self.roots = list(images) or list(usual) or _usual(beside, listed_in.stem)
        self._there = [root for root in self.roots if root.is_dir()]
        # a folder above may be that of all files of the user; not that of annotations/train.csv
        above = beside.parent if beside.name.lower() in LISTS else beside
        self._walked = [
            root for root in self._there if images or root == above or root not in above.parents
        ]
        self._index: ImageIndex | None = None

    @property
    def index(self) -> ImageIndex:
        """All image files in and below the folders."""
        if self._index is None:
            for root in self.roots if self.named else ():
                if not root.is_dir():
                    raise InputError(f"no folder {root}; images= takes the folder of the images")
            split = split_of_name(self.listed_in)
            self._index = ImageIndex(self._walked, named=self.named, split=split)
        return self._index

    def find(self, names: Sequence[str]) -> list[Path | None]:
        """Return the file of each name, None where there is none.

        Raises:
            InputError: a name could be two files, or two names could only be the same file.
        """
        distinct = list(dict.fromkeys(names))
        found = {name: self._exact(name) for name in distinct}
        if missing := [name for name in distinct if found[name] is None]:
            taken = {os.path.abspath(file) for file in found.values() if file is not None}
            found |= self.index.match(missing, self.listed_in, taken)
        return [found[name] for name in names]

    def _exact(self, name: str) -> Path | None:
        """Return the file that is called so in one of the folders; in two named ones: refused."""
        files: list[str] = []
        for root in self._there:
            if is_image_there(path := os.path.join(root, name)):
                if not self.named:
                    return Path(path)
                if is_packed(path) or not any(os.path.samefile(path, other) for other in files):
                    files.append(path)
        if len(files) > 1:
            raise InputError(
                f"{self.listed_in}: {name} could be {files[0]} or {files[1]}; name one folder, or "
                "write the folder before the name"
            )
        return Path(files[0]) if files else None

    def locate(self, names: Sequence[str]) -> list[Path]:
        """Return the file of each name; where there is none, where it should be.

        Raises:
            InputError: as for :meth:`find`, or none of the images is there.
        """
        found = self.find(names)
        if not any(found):
            raise self.none_found(names)
        root = self._main_root(names, found)
        return [file or root / name for name, file in zip(names, found, strict=True)]

    def _main_root(self, names: Sequence[str], found: Sequence[Path | None]) -> Path:
        first = next(i for i, file in enumerate(found) if file is not None)
        name, file = names[first], found[first]
        return next((root for root in self.roots if root / name == file), self.roots[0])

    def none_found(self, names: Sequence[str]) -> InputError:
        """Return the error for images of which none is in any of the folders."""
        there = self.index.describe(names)
        if is_address(names[0]):
            there = f"addresses are not fetched, give their files; {there}"
        return no_images(self.listed_in, names, self.roots, there)


def _usual(beside: Path, stem: str) -> list[Path]:
    """Return the usual folders: beside the list, images/, and those called as the list is."""
    folders = [beside, beside / "images", beside / stem, beside / "images" / stem]
    if beside.name.lower() in LISTS:  # annotations/train.csv, images/a.jpg
        above = beside.parent
        folders += [above, above / "images", above / stem, above / "images" / stem]
    return folders


def locate(
    names: Sequence[str],
    listed_in: Path,
    images: Sequence[Path] = (),
    usual: Sequence[Path] = (),
) -> list[Path]:
    """Return the file of each image that a list names.

    Args:
        names: as the list writes them, with forward slashes.
        listed_in: the list itself, or the folder it stands for; images are looked for beside it, in
            ``images`` beside it, and below.
        images: the folders that the user named (`ReadOptions.images`), instead of the usual ones.
        usual: the usual folders of a format, instead of those beside the list.

    Raises:
        InputError: none of the images is there, or a name could be two files.
    """
    return ImageFinder(listed_in, images, usual).locate(names)


def find_root(
    names: Sequence[str], usual: Sequence[Path], listed_in: Path, images: Sequence[Path]
) -> Path:
    """Return the first folder that holds any of the images ``names``: of ``images`` or usual."""
    roots = images or usual
    for root in roots:
        if root.is_dir() and any(os.path.isfile(root / name) for name in names):
            return root
    raise no_images(listed_in, names, roots)


def other_suffixes(records: Iterable[Record]) -> str:
    """Return how many images were found under another suffix than the list says; "" for none."""
    found = []
    for record in records:
        file = record.path.name
        if record.name.endswith(file):
            continue
        listed = (parts_of(record.name) or ("",))[-1]
        (stem, suffix), (own, other) = os.path.splitext(listed), os.path.splitext(file)
        differs = has_image_suffix(listed) and suffix.lower() != other.lower()
        if differs and plain_form(stem) == plain_form(own):
            found.append(f"{file} for {listed}")
    more = plural(len(found), "image has", "images have")
    return f"{more} another suffix than listed, such as {found[0]}" if found else ""


def no_images(
    listed_in: Path, names: Sequence[str], folders: Sequence[Path], there: str = ""
) -> InputError:
    """Return the error for images of which none is in any of the folders."""
    looked = ", ".join(str(folder) for folder in dict.fromkeys(folders) if folder.is_dir())
    first = shortened(names[0])
    return InputError(
        f"{listed_in}: found 0 of {plural(len(names), 'image')} (the first is {first!r}); "
        f"looked in {looked or folders[0]}{' and below' if there else ''}; "
        f"{there}say which folder holds them (images=FOLDER)"
    )
