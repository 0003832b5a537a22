"""Files that hold many images, Parquet tables and WebDataset tars, and the images of a tar.

An image in a tar is called by the file and the member: ``shard.tar/0001.jpg``.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from imlgcn.batch.remote import is_address, open_address, tried, without_query
from imlgcn.data.image_limits import MAX_FILE
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.data.unpack import TAR_SUFFIXES


class Found(NamedTuple):
    """An image in a pack: its name, its content, path or address, or why there is none."""

    name: str
    image: bytes | str | None
    error: str | None = None


def is_tar(name: str) -> bool:
    """Return whether a path or address ends as tars do."""
    return without_query(name).lower().endswith(TAR_SUFFIXES)


def is_table(name: str) -> bool:
    """Return whether a path or address ends as Parquet files do."""
    return without_query(name).lower().endswith(".parquet")


def is_pack(name: str) -> bool:
    """Return whether a path or address ends as a tar or a Parquet file does."""
    return is_tar(name) or is_table(name)


def open_pack(name: str, folder: str) -> IO[bytes]:
    """Open a pack; a path is relative to ``folder``.

    Raises:
        InputError, OSError: as :func:`imlgcn.batch.remote.open_address`.
    """
    return tried(lambda: open_address(name)) if is_address(name) else Path(folder, name).open("rb")


def images_in_tar(name: str, folder: str) -> Iterator[Found]:
    """Yield the images of a tar, in its order, reading it once from its beginning.

    Raises:
        InputError, OSError, imlgcn.data.unpack.BROKEN: it cannot be read, or not to its end.
    """
    with open_pack(name, folder) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            base = posixpath.basename(member.name)
            suffix = posixpath.splitext(base)[1].lower()
            if not member.isfile() or base.startswith(".") or suffix not in IMAGE_SUFFIXES:
                continue
            called = f"{name}/{member.name}"
            if member.size > MAX_FILE:
                yield Found(called, None, f"has {member.size:,} bytes, too many for an image")
                continue
            opened = tar.extractfile(member)
            yield Found(called, b"" if opened is None else opened.read())
