"""Where data is and how it is read: one value instead of four loose arguments."""

from __future__ import annotations

from collections.abc import Mapping
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
        reader, variant, delimiter, images, fields, present_above, no_label: as for
            :func:`imlgcn.data.dataset.load_dataset`.
    """

    path: str
    reader: str | None = None
    variant: str | None = None
    delimiter: str | None = None
    images: str | None = None
    fields: tuple[str, ...] = ()
    present_above: float | None = None
    no_label: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: str | Path | DataSource, **how: Any) -> DataSource:
        """Return ``data`` itself, or the source at that path, read as ``how`` says."""
        if isinstance(data, DataSource):
            return data
        given = {key: value for key, value in how.items() if value is not None}
        for key in {"fields", "no_label"} & given.keys():
            given[key] = (given[key],) if isinstance(given[key], str) else tuple(given[key])
        return cls(str(data), **given)

    @classmethod
    def from_config(cls, content: Mapping[str, Any]) -> DataSource | None:
        """Return the source that a ``config.yaml`` names; None where it names no path."""
        if not isinstance(content.get("data"), str):
            return None
        return cls.of(content["data"], **{key: content.get(key) for key in HOW})

    def to_config(self) -> dict[str, Any]:
        """Return the keys of ``config.yaml``; what is found out is left out.

        >>> DataSource("photos.csv", delimiter=";").to_config()
        {'data': 'photos.csv', 'delimiter': ';'}
        """
        how = {key: getattr(self, key) for key in HOW}
        how |= {"fields": list(self.fields), "no_label": list(self.no_label)}
        return {"data": self.path} | {
            key: value for key, value in how.items() if value not in (None, [])
        }

    def load(self, progress: Progress = SILENT) -> Dataset:
        """Read the records; images are not opened.

        Raises:
            InputError: there is no such data, or it cannot be read as asked.
        """
        return load_dataset(self.path, progress=progress, **{k: getattr(self, k) for k in HOW})


HOW = ("reader", "variant", "delimiter", "images", "fields", "present_above", "no_label")
