"""All image files below some folders, found by the last parts of a name.

A name stands for a file if one of them ends in the other: ``x/a.jpg`` is ``photos/x/a.jpg``, and
``set/x/a.jpg`` is ``x/a.jpg`` below the folders, provided that ``set`` stands before all such names
or the user named the folders. ``x/a.jpg`` is not ``y/a.jpg``, unless the name is an address or an
absolute path, whose folders need not be those here. Names of the training images are never files of
the test. Last, ``x/a.jpg`` is ``x/a.jpeg`` or ``x/a.png`` where there is no ``x/a.jpg``.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from imlgcn.data.formats.base import split_of_name
from imlgcn.data.formats.name_forms import (
    FOLDS,
    Parts,
    caseless_form,
    has_image_suffix,
    is_elsewhere,
    parts_of,
    plain_form,
    stem_form,
)
from imlgcn.data.formats.raw_files import about_raw_files, raw_files
from imlgcn.errors import InputError
from imlgcn.numbers import plural

MASKS = re.compile(r"mask|segment|annotation|panoptic|label|depth|thumb|preview", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    parts: Parts  # below the folder that was listed
    root: str  # what that folder is called


@dataclass(frozen=True)
class _Fit:
    """How a name fits a file: wholly, or by how many last parts, and what it has besides."""

    whole: bool
    same: int
    dropped: Parts  # of the name


class ImageIndex:
    """Image files by name, from one walk through each folder; hidden ones are left out.

    Args:
        folders: where the files are; those in none are as if they were not there.
        named: whether the user named the folders.
        split: that of the list; files in folders of another are not meant.
    """

    def __init__(
        self, folders: Sequence[Path], *, named: bool = False, split: str | None = None
    ) -> None:
        self.named = named
        self.split = split
        self.folders = folders
        self.files = _walk(folders)
        self._by_name: dict[Callable[[str], str], dict[str, list[_File]]] = {}

    def match(
        self, names: Sequence[str], listed_in: Path, taken: Collection[str] = ()
    ) -> dict[str, Path | None]:
        """Return the file of each name, None where there is none; see the module.

        A file that is ``taken`` by a name as written is not a file of another name.

        Raises:
            InputError: a name could be two files, or two names could only be the same file.
        """
        fits = {name: self._best(name, listed_in) for name in names}
        dropped = {fit.dropped for _, fit in filter(None, fits.values()) if fit.dropped}
        found: dict[str, Path | None] = dict.fromkeys(names)
        owners: dict[str, str] = {}
        for name, best in fits.items():
            if best is None:
                continue
            file, fit = best
            loose = len(dropped) > 1 and not (self.named or is_elsewhere(name))
            if fit.dropped and (loose or file.path in taken):
                continue
            other = owners.setdefault(file.path, name)
            if other != name and not _same_image(name, other):
                raise _one_file(other, name, file.path, listed_in)
            found[name] = Path(file.path)
        return found | self._with_other_suffix(found, listed_in, {*taken, *owners})

    def _with_other_suffix(
        self, found: Mapping[str, Path | None], listed_in: Path, taken: Collection[str]
    ) -> dict[str, Path | None]:
        """Return the files of names without one that differ in the suffix of an image only.

        A file in a folder of masks is none: there ``a.png`` belongs to ``a.jpg``.
        """
        owners: dict[str, str] = {}
        for name in (name for name, file in found.items() if file is None):
            parts = parts_of(name)
            if not parts or not has_image_suffix(parts[-1]):
                continue
            fits = self._fits(name, stem_form)
            open_ = [
                (file, fit)
                for file, fit in fits
                if not fit.dropped and file.path not in taken and not _of_masks(file)
            ]
            if open_:
                path = _only_best(name, open_, listed_in)[0].path
                if (other := owners.setdefault(path, name)) != name:
                    raise _one_file(other, name, path, listed_in)
        return {name: Path(path) for path, name in owners.items()}

    def _best(self, name: str, listed_in: Path) -> tuple[_File, _Fit] | None:
        parts = parts_of(name)
        if not parts:
            return None
        for fold in FOLDS:
            if fold is stem_form and has_image_suffix(parts[-1]):
                continue
            if good := self._fits(name, fold):
                return _only_best(name, good, listed_in)
        return None

    def _fits(self, name: str, fold: Callable[[str], str]) -> list[tuple[_File, _Fit]]:
        """Return the files that a name may stand for in one form of names, and how."""
        wanted = _folded(parts_of(name), fold)
        fits = [(file, self._fit(wanted, file, fold, name)) for file in self._named(wanted, fold)]
        return [(file, fit) for file, fit in fits if fit is not None]

    def _named(self, wanted: Parts, fold: Callable[[str], str]) -> list[_File]:
        """Return the files with the last part of ``wanted``."""
        if fold not in self._by_name:
            self._by_name[fold] = defaultdict(list)
            for file in self.files:
                self._by_name[fold][fold(file.parts[-1])].append(file)
        return self._by_name[fold].get(wanted[-1], [])

    def _fit(
        self, wanted: Parts, file: _File, fold: Callable[[str], str], name: str
    ) -> _Fit | None:
        there = (*_folded_folders(file.parts[:-1], fold is caseless_form), wanted[-1])
        same = _num_same(wanted, there)
        whole = same == len(wanted) == len(there)
        inside = _splits(there[: len(there) - same])
        if self.split is not None and inside and inside[-1] != self.split:
            return None
        if same == len(wanted):
            return _Fit(whole, same, ())
        folders = there[:-1] if self.named else (file.root, *there[:-1])
        if same == len(there) and not self.named:
            same = _num_same(wanted, (*Path(file.path).parts[: -len(there)], *there))
            if same == len(wanted):
                return _Fit(whole, same, ())
        splits, others = _splits(wanted[:-1]), _splits(folders)
        if splits and others and splits[-1] != others[-1]:
            return None
        fits = same >= len(there) or is_elsewhere(name)
        return _Fit(whole, same, wanted[: len(wanted) - same]) if fits else None

    def describe(self, names: Sequence[str]) -> str:
        """Return what is there instead of ``names``, for a message."""
        if not self.files:
            raw = raw_files(folder for folder in self.folders if folder.is_dir())
            return f"{about_raw_files(raw)}; " if raw else "there are no images; "
        stem = (parts_of(names[0]) or ("",))[-1]
        pieces = [f.parts[-1] for f in self.files if stem and f.parts[-1].startswith(f"{stem}_")]
        if len(pieces) > 1:
            return (
                f"{stem} has several files ({', '.join(pieces[:4])}): join those of each image "
                f"into one, called {stem}{Path(pieces[0]).suffix}, and "
            )
        example = "/".join(self.files[0].parts)
        return f"there are {plural(len(self.files), 'other image')}, such as {example!r}; "


def _walk(folders: Sequence[Path]) -> list[_File]:
    """Return the image files in and below ``folders``, each once, by the innermost folder."""
    found: dict[str, _File] = {}
    for folder in sorted(folders, key=lambda one: -len(one.parts)):
        entered: set[str] = set()  # links may lead in a circle
        for parent, inside, names in os.walk(folder, followlinks=True):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            if (real := os.path.realpath(parent)) in entered:
                inside.clear()
                continue
            entered.add(real)
            below = Path(parent).relative_to(folder).parts
            for name in sorted(names):
                if has_image_suffix(name) and not name.startswith("."):
                    path = os.path.join(parent, name)
                    found.setdefault(path, _File(path, (*below, name), folder.name))
    return sorted(found.values(), key=lambda file: file.path)


def _folded(parts: Parts, fold: Callable[[str], str]) -> Parts:
    if len(parts) == 1:
        return (fold(parts[0]),)
    return (*_folded_folders(parts[:-1], fold is caseless_form), fold(parts[-1]))


@lru_cache(maxsize=10_000)
def _folded_folders(folders: Parts, caseless: bool) -> Parts:
    return tuple(map(caseless_form if caseless else plain_form, folders))


def _num_same(one: Parts, other: Parts) -> int:
    """Return how many last parts are the same."""
    same = 0
    for first, second in zip(reversed(one), reversed(other), strict=False):
        if first != second:
            break
        same += 1
    return same


def _splits(folders: Parts) -> list[str]:
    return [split for part in folders if (split := _split_of(part)) is not None]


_split_of = lru_cache(maxsize=10_000)(lambda folder: split_of_name(Path(folder)))


def _same_image(one: str, other: str) -> bool:
    """Return whether two names of one file may be two ways to write one image.

    >>> _same_image("x/a.jpg", "a"), _same_image("x/a.jpg", "y/a.jpg")
    (True, False)
    """
    folders = zip(reversed(parts_of(one)[:-1]), reversed(parts_of(other)[:-1]), strict=False)
    return all(caseless_form(first) == caseless_form(second) for first, second in folders)


def _only_best(
    name: str, fits: Sequence[tuple[_File, _Fit]], listed_in: Path
) -> tuple[_File, _Fit]:
    """Return the file that fits best; several are refused."""
    best = max((fit.whole, fit.same) for _, fit in fits)
    good = [(file, fit) for file, fit in fits if (fit.whole, fit.same) == best]
    if len(good) > 1:
        raise _ambiguous(name, good[0][0].path, good[1][0].path, listed_in)
    return good[0]


def _of_masks(file: _File) -> bool:
    return any(MASKS.search(folder) for folder in file.parts[:-1])


def _one_file(one: str, other: str, path: str, listed_in: Path) -> InputError:
    return InputError(
        f"{listed_in}: {one} and {other} could only be the same file, {path}; say which folder "
        "holds the images (images=FOLDER)"
    )


def _ambiguous(name: str, one: str, other: str, listed_in: Path) -> InputError:
    beside = os.path.dirname(one) == os.path.dirname(other)
    mend = (
        "write the name of one as it is, with its suffix"
        if beside
        else "say which folder holds the images (images=FOLDER)"
    )
    return InputError(f"{listed_in}: {name} could be {one} or {other}; {mend}")
