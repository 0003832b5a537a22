"""Image folders of Hugging Face: images with a ``metadata.csv``, ``.jsonl`` or ``.parquet``.

https://huggingface.co/docs/hub/datasets-image: the column ``file_name`` is relative to the metadata
file; labels are in a column with a usual name (``labels``, ``tags``, ``objects``, ...), or in one
of 1 and 0 for each. Sub-folders ``train``, ``validation``, ``test``, each with a metadata file, are
the splits. Names of class numbers are taken from ``README.md`` (``dataset_info: features``), if
they stand there. For tables that hold images see :mod:`imlgcn.data.formats.parquet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    SPLIT_SPELLINGS,
    TABLE_OPTIONS,
    ReadOptions,
    Source,
    read_text,
    unwrap,
)
from imlgcn.data.formats.csv import is_table, read_header, read_table
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.parquet import read_cells
from imlgcn.data.formats.schema_names import names_in_readme
from imlgcn.data.formats.splits import splits_if_several
from imlgcn.data.formats.value_table import ValueTable, join_tables, read_columns
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural
from imlgcn.parsing import ParseError, parse_json

NAME = "hugging_face"
OPTIONS = tuple(name for name in TABLE_OPTIONS if name != "image_column")
FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
COLUMN = "file_name"


def recognise(source: Path | str) -> str | None:
    """Recognise a metadata file with a column ``file_name``, or a folder that holds some."""
    path = Path(source)
    found = _metadata(path)
    if not found or COLUMN not in _columns(found[0]):
        return None
    here = found[0].name if path.is_file() else found[0].relative_to(unwrap(path)).as_posix()
    return f"{here} has the column {COLUMN}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the metadata files; images that these do not list are left out."""
    path = Path(source)
    files = _metadata(path)
    if not files:
        raise InputError(f"{path}: holds no {', '.join(FILES)}")
    parts = [_read_table(file) for file in files]
    for part in parts:
        if COLUMN not in (header := list(part.columns)):
            raise InputError(f"{part.called}: has no column {COLUMN!r}; it has {', '.join(header)}")
    table = join_tables(parts, splits_if_several(files), options)
    if len(files) == 1 and options.split_column is None:
        table = _with_splits_of_paths(table)
    images = [
        (f"{file.parent.name}/{name}" if len(files) > 1 else name, image)
        for file, part in zip(files, parts, strict=True)
        for name, image in _images(file, part, options)
    ]
    found = read_columns(table, options, images, beside=[COLUMN])
    reason = f"{NAME}: {options.why}; {plural(len(files), 'metadata file')}; {found}"
    if left := _not_listed(files, [image for _, image in images]):
        reason += f"; left out: {number(left, 0)} not in the metadata"
    return Source(found.names, found.records, NAME, reason)


def _metadata(path: Path) -> list[Path]:
    """Return the metadata file itself, that of a folder, or those of the folders in it."""
    if path.is_file():
        return [path] if path.name in FILES else []
    if not path.is_dir():
        return []
    folder = unwrap(path)
    for pattern in ("{}", "*/{}", "data/*/{}"):
        found = {file for name in FILES for file in folder.glob(pattern.format(name))}
        if found:
            return sorted({file.parent: file for file in sorted(found)}.values())
    return []


def _columns(file: Path) -> Sequence[str]:
    """Return the names of the columns, without reading the rows."""
    if is_table(file):
        return read_header(file)
    if file.suffix == ".parquet":
        try:
            return list(read_cells(file, rows=0))
        except InputError:
            return ()
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        row = parse_json(first)
    except ParseError:
        return ()
    return list(row) if isinstance(row, dict) else ()


def _read_table(file: Path) -> ValueTable:
    """Return the columns of one metadata file."""
    names = names_in_readme([file.parent, file.parent.parent])
    if is_table(file):
        table = read_table(file)
        cells = {name: table.column(index) for index, name in enumerate(table.header)}
        return ValueTable(cells, str(file), table.at)
    if file.suffix == ".parquet":
        return ValueTable(
            read_cells(file), str(file), lambda row: f"{file}, row {row + 1}: ", names
        )
    rows, lines = _json_lines(file)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return ValueTable(
        {name: [row.get(name) for row in rows] for name in columns},
        str(file),
        lambda row: f"{file}, line {lines[row]}: ",
        names,
    )


def _json_lines(file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    rows, lines = [], []
    for line, text in enumerate(read_text(file).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            row = parse_json(text)
        except ParseError as error:
            raise InputError(f"{file}, line {line}: is not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {line}: expected an object with {COLUMN}; got {text}")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise InputError(f"{file}: is empty")
    return rows, lines


def _with_splits_of_paths(table: ValueTable) -> ValueTable:
    """Return the table with splits where all paths begin with train, validation or test."""
    names = [str(cell).replace("\\", "/") for cell in table.columns[COLUMN]]
    splits = [SPLIT_SPELLINGS.get(name.split("/")[0].lower()) for name in names]
    if "split" in table.columns or None in splits or len(set(splits)) < 2:
        return table
    return replace(table, columns={**table.columns, "split": splits})


def _images(file: Path, part: ValueTable, options: ReadOptions) -> list[tuple[str, Path]]:
    names = []
    for row, cell in enumerate(part.columns[COLUMN]):
        if not isinstance(cell, str) or not cell:
            raise InputError(f"{part.at(row)}{COLUMN} is missing")
        names.append(cell.replace("\\", "/"))
    return list(zip(names, locate(names, file, options.images), strict=True))


def _not_listed(files: Sequence[Path], images: Sequence[Path]) -> int:
    """Return how many images lie beside the metadata without being listed."""
    listed = {image.absolute() for image in images}
    beside = {
        entry.absolute()
        for file in files
        for entry in file.parent.rglob("*")
        if entry.suffix.lower() in IMAGE_SUFFIXES
    }
    return len(beside - listed)
