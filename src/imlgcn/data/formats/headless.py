"""Tables without a header, where it is plain which cells are images, splits and labels.

Google's Vertex AI and AutoML write ``TRAIN,gs://bucket/a.jpg,boat,sea``, with or without the split:
https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data.
"""

from __future__ import annotations

from dataclasses import replace

from imlgcn.data.formats.base import SPLIT_WORDS
from imlgcn.data.formats.column_names import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    is_image_name,
    normal,
)
from imlgcn.data.formats.tables import Cells, Table
from imlgcn.errors import InputError
from imlgcn.numbers import plural

MOST_TITLES = 4
WEAK = {"id", "name", "key", "set", "class", "path", "file", "url"}  # words of a title as well
NAMES = {*IMAGE_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS}
UNASSIGNED = ("unassigned", "none", "")


def is_data(first: list[str]) -> bool:
    """Return whether a first line is of data: it names an image and no column.

    >>> is_data(["TRAIN", "a.jpg", "sea"]), is_data(["image", "a.jpg"])
    (True, False)
    """
    return any(map(is_image_name, first)) and not any(normal(cell) in NAMES for cell in first)


def without_title(cells: Cells) -> tuple[Cells, str]:
    """Return a table without lines above its header, as spreadsheets have, and a word about it."""
    titles = _num_titles(cells.rows[: MOST_TITLES + 1])
    if not titles:
        return cells, ""
    rest = replace(cells, rows=cells.rows[titles:], lines=cells.lines[titles:])
    below = "first image" if is_data(rest.rows[0]) else "header"
    return rest, f"left out: {plural(titles, 'line')} above the {below}"


def _num_titles(rows: list[list[str]]) -> int:
    """Return how many lines are above the one with names of columns."""
    for number, row in enumerate(rows):
        if _is_header(row):
            narrower = all(_num_filled(before) < _num_filled(row) for before in rows[:number])
            return number if narrower or _names_images_and_more(row, rows[:number]) else 0
    # with names that nobody knows: a text alone, above lines of several cells
    number = next((n for n, row in enumerate(rows) if _num_filled(row) > 1), 0)
    alone = [cell for row in rows[:number] for cell in row if cell]
    columns = any(normal(cell) in NAMES or is_image_name(cell) for cell in alone)
    return 0 if columns else number


def _names_images_and_more(row: list[str], before: list[list[str]]) -> bool:
    """Return whether a line is a header in spite of lines as long above it, of no images."""
    names = {normal(cell) for cell in row} - WEAK
    images = names & {*IMAGE_COLUMNS} and names & {*LABEL_COLUMNS, *SPLIT_COLUMNS}
    return bool(images) and not any(is_image_name(cell) for line in before for cell in line)


def _is_header(row: list[str]) -> bool:
    return _num_filled(row) > 1 and any(normal(cell) in NAMES - WEAK for cell in row)


def _num_filled(row: list[str]) -> int:
    return sum(map(bool, row))


def with_usual_header(cells: Cells) -> Table:
    """Return the table with the columns split (if there is one), image and labels.

    Raises:
        InputError: it is not plain which cells are which.
    """
    column = next(index for index, cell in enumerate(cells.rows[0]) if is_image_name(cell))
    before = [row[:column] for row in cells.rows]
    images = [row[column] if len(row) > column else "" for row in cells.rows]
    has_split = column == 1 and all(_is_split(row[0]) for row in before)
    if column != has_split or not all(map(is_image_name, images)):
        raise _no_header(cells, "such as image,labels")
    rest = [row[column + 1 :] for row in cells.rows]
    if _has_vectors(rest):
        raise _no_header(cells, "image and each label")
    header = [*["split"] * has_split, "image", "labels"]
    rows = [
        [*split, image, labels[0] if labels else ""]
        for split, image, labels in zip(before, images, rest, strict=True)
    ]
    beyond = [labels[1:] for labels in rest]
    return Table(cells.path, header, rows, cells.lines, beyond, cells.note)


def _no_header(cells: Cells, columns: str) -> InputError:
    return InputError(
        f"{cells.path}: its first line, {','.join(cells.rows[0])!r}, looks like data; write a line "
        f"before it that names the columns, {columns}"
    )


def _is_split(cell: str) -> bool:
    return cell.lower() in SPLIT_WORDS or cell.lower() in UNASSIGNED


def _has_vectors(rest: list[list[str]]) -> bool:
    """Return whether all lines end in numbers, and the same number of them."""
    one_width = len({len(row) for row in rest}) == 1 and len(rest[0]) > 1
    return one_width and all(
        cell.replace(".", "", 1).lstrip("-").isdecimal() for row in rest for cell in row
    )
