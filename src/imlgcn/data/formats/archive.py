"""A zip or tar of anything that the other readers know, unpacked once into the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source
from imlgcn.data.unpack import is_tar, unpack
from imlgcn.errors import InputError

NAME = "zip"
OPTIONS: tuple[str, ...] = ()
ASKS_OTHERS = True


def recognise(source: Path | str) -> str | None:
    """Recognise a file by its suffix."""
    path = Path(source)
    if not path.is_file() or not (path.suffix.lower() == ".zip" or is_tar(path)):
        return None
    return f"the file ends in {path.suffix}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Unpack the archive and read the folder by whichever reader recognises it."""
    path = Path(source)
    unpacked = unpack(path, progress=options.progress)
    inner = options.read_inside(unpacked)
    _refuse_outside(path, unpacked, inner.records)
    return replace(inner, reason=f"{NAME}: {options.why}; {inner.reason}")


def _refuse_outside(path: Path, folder: Path, records: Sequence[Record]) -> None:
    """Refuse records of files outside of the unpacked folder."""
    inside = os.path.join(os.path.abspath(folder), "")
    for record in records:
        if not os.path.abspath(record.path).startswith(inside):
            raise InputError(f"{path}: refused, {record.name!r} is outside of the archive")
