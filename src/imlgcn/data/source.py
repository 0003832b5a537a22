"""Where data is and how it is read: one value instead of many loose arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imlgcn.arguments import own_names
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.objects import described
from imlgcn.errors import InputError, unknown_name
from imlgcn.progress import SILENT, Progress


@dataclass(frozen=True)
class DataSource:
    """A data set by its path, with what the reader has to be told; nothing is read before `load`.

    Attributes:
        path: a CSV, JSON, folder or zip, or ``openclipart``; of data in Python, its description.
        reader, variant, delimiter, images, fields, image_column, label_columns, split_column,
            group_column, sheet, label_names, minus_one, present_above, no_label: as for
            :func:`imlgcn.data.dataset.load_dataset`; one folder or column may be given as a string.
        held: data in Python instead of a path, as :func:`imlgcn.data.dataset.load_dataset` takes.
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
    label_names: str | tuple[str, ...] | None = None
    minus_one: str | None = None
    present_above: float | None = None
    no_label: tuple[str, ...] = ()
    held: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key in SEVERAL:
            given = getattr(self, key)
            one = isinstance(given, str | Path)
            object.__setattr__(self, key, tuple(map(str, [given] if one else given or ())))

    @classmethod
    def of(cls, data: Any, **how: Any) -> DataSource:
        """Return ``data`` itself, or the source at that path or in Python, read as ``how`` says."""
        given = {key: value for key, value in how.items() if value is not None}
        given = own_names(given, FLAGS)
        if unknown := [key for key in given if key not in HOW]:
            raise unknown_name("argument", unknown[0], HOW)
        if isinstance(data, DataSource):
            if given:
                raise InputError(f"a DataSource says how it is read: leave out {', '.join(given)}")
            return data
        if "label_names" in given:
            names = given["label_names"]
            one = isinstance(names, str | Path)
            given["label_names"] = str(names) if one else tuple(map(str, names))
        if isinstance(data, str | Path):
            return cls(str(data), **given)
        return cls(described(data), **given, held=data)

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
        how |= {key: list(value) for key, value in how.items() if isinstance(value, tuple)}
        key = "data" if self.held is None else IN_PYTHON
        return {key: self.path} | {k: value for k, value in how.items() if value not in (None, [])}

    def load(self, progress: Progress = SILENT) -> Dataset:
        """Read the records; images are not opened.

        Raises:
            InputError: there is no such data, or it cannot be read as asked.
        """
        data = self.path if self.held is None else self.held
        return load_dataset(data, progress=progress, **{k: getattr(self, k) for k in HOW})


IN_PYTHON = "data_in_python"  # the key of config.yaml that says in words what was held in Python
FLAGS = {"label_column": "label_columns"}  # a flag that is called otherwise than its argument
SEVERAL = ("images", "fields", "label_columns", "no_label")
HOW = (
    *("reader", "variant", "delimiter", "images", "fields", "image_column", "label_columns"),
    *("split_column", "group_column", "sheet", "label_names", "minus_one", "present_above"),
    "no_label",
)
