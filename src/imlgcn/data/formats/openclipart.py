"""The embedded Open Clip Art set, by its name ``openclipart``."""

from __future__ import annotations

from pathlib import Path

from imlgcn.data import openclipart
from imlgcn.data.formats import csv
from imlgcn.data.formats.base import ReadOptions, Source

NAME = "openclipart"
OPTIONS: tuple[str, ...] = ()


def recognise(source: Path | str) -> str | None:
    """Recognise the name; for a folder of that name give a Path or ``./openclipart``."""
    if str(source) != NAME or (isinstance(source, Path) and source.exists()):
        return None
    return "the data set included in imlgcn"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Unpack the data set on first use and read its CSV."""
    table = openclipart.unpack(progress=options.progress) / "labels.csv"
    inner = csv.read(table, ReadOptions())
    reason = f"{NAME}: {options.why}, in {table.parent}"
    return Source(inner.labels, inner.records, NAME, reason)
