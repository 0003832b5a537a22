"""One of n shards of the images: which are its own, and what its files are called.

An image belongs to a shard by a hash of its key, so that a shard that is started again has the same
images, also where others have come or gone. The key of an image in a folder, of a pattern or in a
table is its path *below* that folder, with the number of the argument before it: machines that
have the folder mounted elsewhere agree. A file given by itself or in a list is known by its path as
it is given, an image without a path by its name in rows (``image 3``). `path_keys` gives one key to
a file that several arguments stand for.
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

from imlgcn.errors import InputError
from imlgcn.prediction.images import NamedImage
from imlgcn.prediction.rows import Row

if TYPE_CHECKING:
    from imlgcn.prediction.paths import GivenPaths
    from imlgcn.tagger import Tagger

NAMED = re.compile(r"\.[0-9]+-of-[0-9]+$")


class Shard(NamedTuple):
    """The ``number``-th of ``total`` shards; the first is 1."""

    number: int
    total: int

    @classmethod
    def of(cls, given: str | tuple[int, int]) -> Shard:
        """Return the shard that is meant.

        >>> Shard.of("3/8") == Shard.of((3, 8)) == Shard(number=3, total=8)
        True

        Raises:
            InputError: it is none, or is not among 1 to ``total``.
        """
        if isinstance(given, str):
            found = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", given)
            numbers: Sequence[object] = [int(n) for n in found.groups()] if found else ()
        else:
            numbers = given if isinstance(given, tuple) else ()
        if len(numbers) != 2 or not all(type(n) is int for n in numbers):
            raise InputError(f"shard= takes i/n, such as 3/8 for the third of eight; got {given!r}")
        shard = cls(*numbers)  # type: ignore[arg-type]
        if not 1 <= shard.number <= shard.total:
            raise InputError(
                f"shard={shard}: there is no such shard; they count from 1 to n, so add 1 to an "
                "index that counts from 0"
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    @overload
    def name(self, whole: Path) -> Path: ...
    @overload
    def name(self, whole: None) -> None: ...
    def name(self, whole: Path | None) -> Path | None:
        """Return the name of this shard's file, where ``whole`` is that of all.

        >>> Shard(3, 8).name(Path("out/tags.csv")).as_posix()
        'out/tags.3-of-8.csv'

        Raises:
            InputError: ``whole`` is the name of a shard already.
        """
        if whole is None:
            return None
        if NAMED.search(whole.stem):
            stem = NAMED.sub("", whole.stem)
            raise InputError(
                f"{whole} is the name of a shard: give that of the whole, "
                f"{stem}{whole.suffix}; each shard's own is made of it"
            )
        return whole.with_name(f"{whole.stem}.{self.number}-of-{self.total}{whole.suffix}")

    def owns(self, key: bytes) -> bool:
        """Return whether the image with this key belongs to the shard."""
        found = hashlib.blake2b(key, digest_size=8).digest()
        return int.from_bytes(found, "big") % self.total == self.number - 1


def key_of(image: NamedImage) -> bytes:
    """Return what an image is known by on every machine.

    >>> from imlgcn.prediction.images import Origin
    >>> key_of(NamedImage("/mnt/a/photos/x/1.jpg", b"", Origin(0, "/mnt/a/photos/")))
    b'0/x/1.jpg'
    >>> key_of(NamedImage("list/1.jpg", b"", None))
    b'list/1.jpg'
    """
    name, origin = image.name, image.origin
    if origin is not None:
        starts = _starts(origin.folder)
        below = next((start for start in starts if name.startswith(start)), "")
        name = f"{origin.number}/{name[len(below) :]}"
    return os.fsencode(name.replace(os.sep, "/"))


@lru_cache(maxsize=1)
def _starts(folder: str) -> tuple[str, str]:
    """Return what names in a folder begin with, as it is given and as paths are written."""
    return os.path.join(folder, ""), os.path.join(Path(folder), "")


class ShardImages:
    """The images of one shard, picked from all, and what merging has to know of them.

    ``listed`` are the images of all shards so far, ``indices`` those of this shard among them,
    ``rows`` how many rows each has, ``repeated`` the indices of files that the shard has already:
    one that several arguments stand for is listed several times, and tagged once.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.listed = 0
        self.indices, self.rows, self.repeated = array("q"), array("q"), array("q")
        self._keys = hashlib.sha256()

    def check_engine(self, tagger: Tagger | str | Path, engine: str | None) -> None:
        """Refuse an engine that each machine would choose by itself.

        Raises:
            InputError: it is ``"auto"``, here or where the tagger was opened.
        """
        if engine == "auto" or (not isinstance(tagger, str | Path) and tagger.measures_engines):
            raise InputError(
                "engine='auto' is measured on each machine, and all shards need the same: name "
                "one, such as engine='onnxruntime'"
            )

    def pick(self, images: Iterable[NamedImage]) -> Iterable[NamedImage]:
        """Return the images of this shard: a list of a list, else an iterator."""
        own = self._own(images)
        return list(own) if hasattr(images, "__len__") else own

    def pick_files(self, given: GivenPaths) -> list[NamedImage]:
        """Return the image files of this shard, each once; of the others nothing is held."""
        from imlgcn.prediction.path_keys import PathKeys

        keys = PathKeys(given)
        found: list[NamedImage] = []
        seen: set[int] = set()
        for name, origin in given.with_origins():
            key, other, path = keys.of(name)
            is_own = self._note(key)
            if is_own or (other is not None and self.shard.owns(other)):
                file = hash(path)  # of 64 bits: a collision would take billions of files
                if is_own and file not in seen:
                    self.indices.append(self.listed)
                    found.append(NamedImage(name, name, origin))
                elif is_own:
                    self.repeated.append(self.listed)
                seen.add(file)
            self.listed += 1
        return found

    def _own(self, images: Iterable[NamedImage]) -> Iterator[NamedImage]:
        for image in images:
            if self._note(key_of(image)):
                self.indices.append(self.listed)
                yield image
            self.listed += 1

    def _note(self, key: bytes) -> bool:
        """Add an image to the list of all; return whether it is of this shard."""
        self._keys.update(len(key).to_bytes(4, "big") + key)
        return self.shard.owns(key)

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield the index of each image and how many rows it has, in order; of a repeated one 0."""
        own = zip(self.indices, self.rows, strict=True)
        return merge(own, ((index, 0) for index in self.repeated))

    @property
    def listing(self) -> str:
        """A hash of the keys of all images, in order; it is complete when all are picked."""
        return self._keys.hexdigest()

    def write(self, rows: Sequence[Row]) -> None:
        """Note an image that is done, in the order in which they were picked."""
        self.rows.append(len(rows))
