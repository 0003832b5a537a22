"""Where data is and how it is read: one value instead of many loose arguments."""

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
        reader, variant, delimiter, images, fields, image_column, label_columns, split_column,
            group_column, sheet, label_names, minus_one, present_above: as for
            :func:`imlgcn.data.dataset.load_dataset`; one folder or column may be given as a string.
    """

    path: str
    reader: str | None = None
    variant: str | None = None
    delimiter: str | None = None
    images: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    image_column: str | None = None
    label_columns: tuple[str, ...] = ()
    split_column: str | None = None
    group_column: str | None = None
    sheet: str | None = None
    label_names: str | None = None
    minus_one: str | None = None
    present_above: float | None = None

    def __post_init__(self) -> None:
        for key in SEVERAL:
            given = getattr(self, key)
            one = isinstance(given, str | Path)
            object.__setattr__(self, key, tuple(map(str, [given] if one else given or ())))

    @classmethod
    def of(cls, data: str | Path | DataSource, **how: Any) -> DataSource:
        """Return ``data`` itself, or the source at that path, read as ``how`` says."""
        if isinstance(data, DataSource):
            return data
        given = {key: value for key, value in how.items() if value is not None}
        if "label_names" in given:
            given["label_names"] = str(given["label_names"])
        return cls(str(data), **given)

    @classmethod
    def from_config(cls, content: Mapping[str, Any]) -> DataSource | None:
        """Return the source that a ``config.yaml`` names; None where it names no path."""
        if not isinstance(content.get("data"), str):
            return None
        return cls.of(content["data"], **{key: content.get(key) for key in HOW})

    def to_config(self) -> dict[str, Any]:
        """Return the keys of ``config.yaml``; what is found out is left out.

        >>> DataSource("photos.csv", delimiter=";", images="photos").to_config()
        {'data': 'photos.csv', 'delimiter': ';', 'images': ['photos']}
        """
        how = {key: getattr(self, key) for key in HOW}
        how |= {key: list(how[key]) for key in SEVERAL}
        return {"data": self.path} | {
            k: value for k, value in how.items() if value not in (None, [])
        }

    def load(self, progress: Progress = SILENT) -> Dataset:
        """Read the records; images are not opened.

        Raises:
            InputError: there is no such data, or it cannot be read as asked.
        """
        return load_dataset(self.path, progress=progress, **{k: getattr(self, k) for k in HOW})


SEVERAL = ("images", "fields", "label_columns")
HOW = (
    *("reader", "variant", "delimiter", "images", "fields", "image_column", "label_columns"),
    *("split_column", "group_column", "sheet", "label_names", "minus_one", "present_above"),
)
