"""Tags as keywords in XMP sidecars beside the images, as photo managers read them.

The sidecar is ``photo.jpg.xmp`` (digiKam, darktable); if there is only a ``photo.xmp`` (Lightroom)
and no second image of that name, that one. What it gets and loses is decided in
:mod:`imlgcn.prediction.keyword_lists`; its other content stays, and so do permissions and symbolic
links. A file that is read-only, or not XMP, is left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imlgcn.data.photo_keywords import embedded_keywords
from imlgcn.data.xmp import (
    SUFFIXES,
    Keywords,
    shares_its_stem,
    sidecars_of,
)
from imlgcn.errors import InputError, unknown_name
from imlgcn.files import atomic_path
from imlgcn.labels.label_table import LabelTable
from imlgcn.labels.paths import NamedPaths, paths_of
from imlgcn.numbers import plural
from imlgcn.prediction.keyword_lists import KINDS, Lists, updated, without_taken_out
from imlgcn.prediction.rows import Row
from imlgcn.prediction.xmp_document import EMPTY, XmpDocument, printable

NAMES = ("photo.jpg.xmp", "photo.xmp")
NOTHING = Keywords()


class Written(NamedTuple):
    """What became of a sidecar."""

    changed: bool = False
    took_over: bool = False  # the keywords inside its image


def about_taking_over(count: int) -> str:
    """Return what to say of so many sidecars that took over keywords; nothing if there are none."""
    if not count:
        return ""
    return (
        f"{plural(count, 'sidecar')} also took over the keywords inside the image: Immich, "
        "PhotoPrism and darktable read a list from the sidecar alone where it has one"
    )


def sidecar_of(image: Path, name: str | None = None) -> Path:
    """Return the XMP file of an image: the existing one, or the one to create.

    With a ``name`` it is the one of that form, whatever else there is.

    Raises:
        InputError: ``photo.xmp`` would be of two images.
    """
    if name is None:
        return (sidecars_of(image) or [image.with_name(image.name + SUFFIXES[0])])[0]
    base = image.name if name == "photo.jpg.xmp" else image.stem
    if name == "photo.xmp" and shares_its_stem(image):
        raise InputError(
            f"{image.with_name(base)}.xmp would be of two images of that name; "
            "sidecar_name='photo.jpg.xmp' keeps them apart"
        )
    forms = [image.with_name(base + suffix) for suffix in SUFFIXES]
    return next((path for path in forms if os.path.lexists(path)), forms[0])


class Sidecars:
    """Writes the sidecars of a run.

    ``name`` is as for :func:`sidecar_of`.

    Raises:
        InputError: another ``name``.
    """

    def __init__(self, table: LabelTable, name: str | None = None) -> None:
        if name not in (None, *NAMES):
            raise unknown_name("name of sidecars", str(name), NAMES)
        self._paths_of, self._name = paths_of(table), name

    def write(self, rows: Sequence[Row]) -> Written:
        """Make the tags among one image's rows the keywords of its sidecar, beside a person's.

        Of a sidecar under the other name, the tags that an earlier run wrote are taken out.

        Raises:
            InputError: a sidecar is read-only or not XMP; it is left as it is.
            OSError: it cannot be read or written.
        """
        called = (self._paths_of(row.label) for row in rows if row.is_tag)
        tags = [tag for tag in map(_printable, called) if tag.name]
        image = Path(rows[0].image)
        path = sidecar_of(image, self._name)
        former = _Former.of(image, path)
        if former is not None:
            tags = without_taken_out(tags, former.lists)
        written = _write_tags(image, path, tags)
        if former is not None and former.take_out():
            return written._replace(changed=True)
        return written


def _write_tags(image: Path, path: Path, tags: Sequence[NamedPaths]) -> Written:
    is_there = os.path.lexists(path)  # also a dangling link: reading it raises the error
    if not tags and not is_there:
        return Written()
    try:
        document = XmpDocument(path.read_bytes() if is_there else EMPTY.encode())
        before = document.lists()
        is_whole = all(before[kind].entries is not None for kind in KINDS)
        inside = NOTHING if is_whole or not tags else _inside(image)
        lists = updated(before, tags, inside)
        changed = document.change(lists)
        if changed:
            (_rewrite if is_there else _write)(path, document.to_bytes())
    except (InputError, BlockingIOError) as error:
        raise InputError(f"{path}: {error}; its keywords were not written") from None
    took_over = inside != NOTHING and lists != updated(before, tags, NOTHING)
    return Written(changed, changed and took_over)


class _Former(NamedTuple):
    """An image's sidecar under the other name, and its lists without a run's tags."""

    path: Path
    document: XmpDocument
    lists: Lists

    @classmethod
    def of(cls, image: Path, path: Path) -> _Former | None:
        """Return it beside the sidecar ``path``; nothing if there is none that is XMP."""
        for other in sidecars_of(image):
            if os.path.realpath(other) != os.path.realpath(path):
                try:
                    document = XmpDocument(other.read_bytes())
                except (InputError, OSError):
                    return None
                return cls(other, document, updated(document.lists(), (), NOTHING))
        return None

    def take_out(self) -> bool:
        """Take the tags out, and return whether there were any; a file of nothing else goes."""
        if not self.document.change(self.lists):
            return False
        try:
            data = self.document.to_bytes()
            _rewrite(self.path, data)
            if data == XmpDocument(EMPTY.encode()).to_bytes() and not self.path.is_symlink():
                self.path.unlink()  # programs that prefer its name would pass by the other file
        except (InputError, BlockingIOError) as error:
            raise InputError(
                f"{self.path}: {error}; the tags that an earlier run wrote there stay"
            ) from None
        return True


def _printable(tag: NamedPaths) -> NamedPaths:
    """Return a tag as XML can hold it."""
    paths = (tuple(level for name in path if (level := printable(name))) for path in tag.paths)
    return NamedPaths(printable(tag.name), tuple(path for path in paths if path))


def _inside(image: Path) -> Keywords:
    try:
        return embedded_keywords(image)
    except InputError:
        return NOTHING


def _rewrite(path: Path, data: bytes) -> None:
    """Replace the content of a file; its permissions and a link to it stay."""
    file = path.resolve()
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & 0o222 or not os.access(file, os.W_OK):  # the mode, as root may write to any file
        raise InputError("is read-only")
    _write(file, data, mode)


def _write(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file in one step; what a killed process left of it goes with the next attempt."""
    with atomic_path(path, exclusive=True, mode=mode) as temporary:
        temporary.write_bytes(data)
