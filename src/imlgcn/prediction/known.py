"""Known labels of each image from a table: what makes a half-tagged library complete.

The table is a CSV as for training, with a column ``image`` and one of two kinds of labels:

- ``labels`` (``dog;cat``): these are present. A label that is *not* listed is not known; in
  training it would be absent. A column ``absent`` lists labels that are not in the image.
- One column for each label: ``1`` present, ``0`` absent; empty, ``-1`` and ``?`` are not known.

Images are matched by their name: relative to the table's folder or its ``images/``, or else by the
last parts of the path, where only one image ends in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.formats.csv import (
    VALUES,
    Table,
    image_names,
    is_label,
    label_columns,
    read_table,
)
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

NO_LABELS = ("image", "labels", "absent", "split", "group")
EXAMPLES = 3  # named in a message

Row = NDArray[np.int8]  # (L,) of 1, 0 and -1


class KnownTable:
    """The known labels of images in a table.

    Args:
        path: the table.
        tagger: labels that it does not have are ignored and listed in ``other_labels``.
        images: the images that are to be tagged, as they are called later.

    Raises:
        InputError: no such table, a damaged one, a label both present and absent, none of its
            images among ``images``, or a tagger that cannot use known labels.
    """

    def __init__(self, path: Path, tagger: Tagger, images: Sequence[str | Path]) -> None:
        self.path = path
        table = read_table(path)
        names = image_names(table, table.index("image"))
        others: dict[str, None] = {}
        labels = set(tagger.labels)
        by_name: dict[str, dict[str, int]] = {}
        for line, (name, said) in enumerate(zip(names, _known(table), strict=True)):
            given = by_name.setdefault(name, {})
            for label, value in said.items():
                if label not in labels:
                    others[label] = None
                elif given.setdefault(label, value) != value:
                    raise InputError(f"{table.at(line)}{label!r} is both present and absent")
        self.other_labels = tuple(others)
        matched = match(list(by_name), images, path.absolute().parent)
        self.other_names = tuple(name for name in by_name if name not in matched)
        if not matched:
            raise InputError(
                f"{path}: none of its {plural(len(by_name), 'image')} (the first is "
                f"{names[0]!r}) is among the images to tag; names are relative to the table's "
                "folder, or the last parts of a path"
            )
        self._rows = {
            image: row
            for name, image in matched.items()
            if (row := tagger.known_row(by_name[name])) is not None
        }

    def row(self, image: str | Path) -> Row | None:
        """Return the known labels of an image; None where nothing is known."""
        return self._rows.get(os.path.abspath(image))

    def sentence(self) -> str:
        """Return what was found and what was ignored, for people."""
        parts = [f"{self.path}: known labels of {plural(len(self._rows), 'image')}"]
        ignored = [
            f"{plural(len(left), what)} that {why} ({_some(left)})"
            for left, what, why in (
                (self.other_names, "name", "no single image has"),
                (self.other_labels, "label", "the tagger does not have"),
            )
            if left
        ]
        return "; ignored: ".join(parts + ([" and ".join(ignored)] if ignored else []))


def match(names: Sequence[str], images: Sequence[str | Path], folder: Path) -> dict[str, str]:
    """Return the one image that each name stands for, as an absolute path; others are left out.

    >>> found = match(["b.jpg", "x/a.jpg", "c.jpg"], ["/p/x/a.jpg", "/p/b.jpg"], Path("/t"))
    >>> found == {"b.jpg": os.path.abspath("/p/b.jpg"), "x/a.jpg": os.path.abspath("/p/x/a.jpg")}
    True
    """
    paths = dict.fromkeys(os.path.abspath(image) for image in images)
    found: dict[str, str] = {}
    left: dict[tuple[str, ...], str] = {}
    for name in names:
        beside = (os.path.abspath(root / name) for root in (folder, folder / "images"))
        exact = next((path for path in beside if path in paths), None)
        if exact is not None:
            found[name] = exact
        else:
            left[PurePosixPath(name).parts] = name
    ends: dict[str, list[str]] = {}
    lengths = sorted({len(parts) for parts in left})
    taken = set(found.values())
    for path in paths:
        if path not in taken:
            parts = Path(path).parts
            for length in lengths:
                if (end := left.get(parts[-length:])) is not None:
                    ends.setdefault(end, []).append(path)
    return found | {name: ends[name][0] for name in left.values() if len(ends.get(name, ())) == 1}


def _known(table: Table) -> Iterator[Mapping[str, int]]:
    """Yield the known labels of each row."""
    labels, absent = table.find("labels"), table.find("absent")
    if labels is None and absent is None:
        yield from _from_columns(table)
        return
    lists = [(column, value) for column, value in ((labels, 1), (absent, 0)) if column is not None]
    cells = [table.rows[row][column] for row in range(len(table.rows)) for column, _ in lists]
    parts = split_cells(cells, where=lambda cell: table.at(cell // len(lists))).rows
    for row in range(len(table.rows)):
        said: dict[str, int] = {}
        for cell, (_, value) in enumerate(lists, row * len(lists)):
            for label in parts[cell][0]:
                if said.setdefault(label, value) != value:
                    raise InputError(f"{table.at(row)}{label!r} is both present and absent")
        yield said


def _from_columns(table: Table) -> Iterator[Mapping[str, int]]:
    columns = [
        index
        for index, name in enumerate(table.header)
        if name.lower() not in NO_LABELS and is_label(table.column(index))
    ]
    label_columns(table, columns)  # refuses what is not 1, 0, -1, ? or empty
    for cells in table.rows:
        given = ((table.header[index], cells[index].lower()) for index in columns)
        yield {name: VALUES[cell] for name, cell in given if cell and VALUES[cell] >= 0}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:EXAMPLES])
    rest = len(names) - EXAMPLES
    return f"{shown} and {number(rest, 0)} more" if rest > 0 else shown
