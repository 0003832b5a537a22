"""Where data is and how it is read: one value instead of four loose arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.progress import SILENT, Progress


@dataclass(frozen=True)
class DataSource:
    """A data set by its path, with what the reader has to be told; nothing is read before `load`.

    Attributes:
        path: a CSV, JSON, folder or zip, or ``openclipart``.
        reader, variant, delimiter: as for :func:`imlgcn.data.dataset.load_dataset`.
    """

    path: str
    reader: str | None = None
    variant: str | None = None
    delimiter: str | None = None

    @classmethod
    def of(cls, data: str | Path | DataSource, **how: str | None) -> DataSource:
        """Return ``data`` itself, or the source at that path, read as ``how`` says."""
        return data if isinstance(data, DataSource) else cls(str(data), **how)

    @classmethod
    def from_config(cls, content: Mapping[str, Any]) -> DataSource | None:
        """Return the source that a ``config.yaml`` names; None where it names no path."""
        if not isinstance(content.get("data"), str):
            return None
        return cls(content["data"], *(content.get(key) for key in HOW))

    def to_config(self) -> dict[str, str]:
        """Return the keys of ``config.yaml``; what is found out is left out.

        >>> DataSource("photos.csv", delimiter=";").to_config()
        {'data': 'photos.csv', 'delimiter': ';'}
        """
        keys = {"data": self.path} | {key: getattr(self, key) for key in HOW}
        return {key: value for key, value in keys.items() if value is not None}

    def load(self, progress: Progress = SILENT, *, fields: Sequence[str] = ()) -> Dataset:
        """Read the records; images are not opened. ``fields`` are columns that are no labels.

        Raises:
            InputError: there is no such data, or it cannot be read as asked.
        """
        how = {key: getattr(self, key) for key in HOW}
        return load_dataset(self.path, fields=fields, progress=progress, **how)


HOW = ("reader", "variant", "delimiter")
