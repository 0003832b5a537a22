"""Files, folders, patterns, tables and lists of paths become image files."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from imlgcn.data.image_input import refuse_address
from imlgcn.data.unpack import TAR_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.prediction.image_files import images_below, is_image_name, start_of, tidy
from imlgcn.prediction.tables import OTHER_TABLES, TABLES, each_listed, listed_images


class Origin(NamedTuple):
    """The argument that images come from: its number, and the folder that names begin with."""

    number: int
    folder: str


class ExpandedPaths(list[str]):
    """Image files, and by suffix how many files of formats that are not read were passed by.

    ``origins`` are the arguments, each with the index of the first image after its images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Counter[str] = Counter()
        self.origins: list[tuple[int, Origin | None]] = []

    def with_origins(self) -> Iterator[tuple[str, Origin | None]]:
        """Yield each image with the argument that it comes from."""
        start = 0
        for end, origin in [*self.origins, (len(self), None)]:
            yield from ((path, origin) for path in self[start:end])
            start = end

    def sentence(self) -> str:
        """Return what was passed by, for people; nothing if there was none."""
        return passed_by(self.skipped)


class GivenPaths:
    """Files, folders, patterns, tables and lists, expanded as they are read: nothing is held.

    Each iteration yields the image files in order; one that several arguments stand for comes
    several times. ``skipped`` counts as that of `ExpandedPaths`.

    Raises:
        InputError: as `expand_paths`, when it is reached.
    """

    def __init__(self, patterns: Iterable[str | Path], *, stdin: TextIO | None = None) -> None:
        self.patterns = [str(pattern) for pattern in patterns]
        self.skipped: Counter[str] = Counter()
        self._stdin = stdin

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.with_origins())

    def with_origins(self) -> Iterator[tuple[str, Origin | None]]:
        """Yield each image with the argument that it comes from."""
        is_empty = True
        for pattern, origin in zip(self.patterns, self.origins(), strict=True):
            for name in self._names(pattern):
                is_empty = False
                yield name, origin
        if is_empty:
            where = ", ".join("standard input" if p == "-" else p for p in self.patterns)
            text = (
                f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); "
                "give image files or folders that hold some; "
                f"{_of_packs(self.patterns)}{self.sentence()}"
            )
            raise InputError(text.rstrip("; "))

    def origins(self) -> list[Origin | None]:
        """Return where the images of each argument come from."""
        return [origin_of(pattern, number) for number, pattern in enumerate(self.patterns)]

    def once(self) -> ExpandedPaths:
        """Return the list of all, each file once."""
        found = ExpandedPaths()
        seen: set[int] = set()
        last: Origin | None = None
        for name, origin in self.with_origins():
            if origin is not last:
                found.origins.append((len(found), last))
                last = origin
            # of 64 bits: a collision would take billions of files
            key = hash(os.path.abspath(name))
            if key not in seen:
                seen.add(key)
                found.append(name)
        found.origins.append((len(found), last))
        found.skipped = self.skipped
        return found

    def sentence(self) -> str:
        """Return what was passed by so far, for people; nothing if there was none."""
        return passed_by(self.skipped)

    def _names(self, pattern: str) -> Iterable[str]:
        if pattern == "-":
            return map(tidy, _listed(self._stdin, self.skipped))
        if os.path.isdir(pattern):
            return images_below(pattern, start_of(pattern), self.skipped)
        if os.path.exists(pattern) and os.path.splitext(pattern)[1].lower() in TABLES:
            return each_listed(Path(pattern))
        return map(tidy, expand(pattern, self.skipped))


def passed_by(skipped: Counter[str]) -> str:
    """Return how many files of which suffixes were passed by, for people; nothing if none was."""
    if not skipped:
        return ""
    kinds = ", ".join(f"{suffix} ({count})" for suffix, count in sorted(skipped.items()))
    some = plural(skipped.total(), "file")
    return f"not read: {some} of a format that is not read: {kinds}; save them as JPEG"


def expand_paths(patterns: Sequence[str | Path], *, stdin: TextIO | None = None) -> ExpandedPaths:
    """Return the image files that ``patterns`` stand for, in order, each once.

    A file is taken whatever it is called, but a ``.csv`` or ``.tsv`` stands for the images of its
    column, and tars and Parquet tables are refused. A folder stands for the images in it and below
    (hidden ones and folders that may not be listed left out), a pattern with ``*``, ``?``, ``[..]``
    or ``**`` for the images it matches, ``-`` for the files and folders listed in ``stdin``, one
    per line.

    Raises:
        InputError: a path does not exist or is a tar or a Parquet table, a pattern matches no
            image, a table has no column of images, or there is no image at all.
    """
    return GivenPaths(patterns, stdin=stdin).once()


def origin_of(pattern: str, number: int) -> Origin | None:
    """Return where the images of an argument come from; None of a file and of a list of files."""
    if pattern == "-":
        return None
    if os.path.isdir(pattern):
        return Origin(number, pattern)
    if os.path.exists(pattern):
        is_table = os.path.splitext(pattern)[1].lower() in TABLES
        return Origin(number, os.path.dirname(pattern)) if is_table else None
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return Origin(number, folder)


def expand(pattern: str, skipped: Counter[str]) -> Iterable[str]:
    """Return the images of one file, folder, table or glob; a file's name may have brackets.

    ``skipped`` counts suffixes of files that are passed by.

    Raises:
        InputError: it does not exist, matches no image, or is a table that cannot be used.
    """
    if os.path.isdir(pattern):
        return images_below(pattern, os.path.join(pattern, ""), skipped)
    suffix = os.path.splitext(pattern)[1].lower()
    if os.path.exists(pattern):
        if _is_pack(pattern):
            raise InputError(f"{pattern} is not an image; {_of_packs([pattern])}".rstrip("; "))
        is_table = suffix in TABLES or suffix in OTHER_TABLES
        return listed_images(Path(pattern)) if is_table else [pattern]
    refuse_address(pattern)
    if not glob.has_magic(pattern):
        raise InputError(f"no such file or folder: {os.path.abspath(pattern)}")
    names = [n for n in glob.iglob(pattern, recursive=True) if os.path.isfile(n)]
    images = [n for n in names if is_image_name(os.path.basename(n), skipped)]
    if not images:
        text = f"no image matches {pattern!r} (working folder {Path.cwd()}); {_of_packs([pattern])}"
        raise InputError(text.rstrip("; "))
    return sorted(images, key=lambda name: name.replace(os.sep, "\0"))  # as a folder's are


def _of_packs(given: Iterable[str]) -> str:
    """Return how images in tars and tables are tagged, if something stands for such files."""
    for pattern in given:
        if os.path.isdir(pattern):
            names: Iterable[str] = (n for _, _, files in os.walk(pattern) for n in files)
        else:
            names = [pattern] if os.path.exists(pattern) else glob.iglob(pattern, recursive=True)
        if any(map(_is_pack, names)):
            return "imlgcn predict --cluster ray tags the images in tars and Parquet tables; "
    return ""


def _is_pack(name: str) -> bool:
    return name.lower().endswith((*TAR_SUFFIXES, ".parquet"))


def _listed(stdin: TextIO | None, skipped: Counter[str]) -> Iterator[str]:
    """Yield the images of a list; a missing file among many is left to become a row."""
    for line in _standard_input() if stdin is None else stdin:
        if name := line.rstrip("\r\n"):
            is_folder = os.path.isdir(name)
            yield from images_below(name, start_of(name), skipped) if is_folder else (name,)


def _standard_input() -> Iterable[str]:
    """Return the lines of the list on standard input; names may hold any bytes."""
    raw = getattr(sys.stdin, "buffer", None)
    return sys.stdin if raw is None else map(os.fsdecode, raw)
