"""Parquet tables of images, or of their paths and addresses.

An image is called by its path or address, by a cell beside it, or by the table and the row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.batch.packs import Found, open_pack
from imlgcn.batch.remote import is_address, without_query
from imlgcn.data.formats.column_names import IMAGE_COLUMNS, known_columns
from imlgcn.errors import InputError

ROWS = 16  # of a table that are held at a time
RECORD = "record"  # the column of a table of `imlgcn pack` with all that is said of an image
FAILED_COLUMNS = ("working_folder", "pack")  # of a table of failed images, beside image and error
BESIDE = ("s3", "gs", "gcs", "http", "https")  # protocols that a table may name beside its own


class Columns(NamedTuple):
    """The columns of a table: of images or their paths, and of names where there is one.

    ``more`` are those that say where the paths of a table of failed images begin.
    """

    image: str
    name: str | None
    holds_bytes: bool
    more: tuple[str, ...] = ()


def table_groups(name: str, folder: str) -> tuple[list[int], bool]:
    """Return how many rows each row group of a table has, and whether they only name files.

    Raises:
        InputError: fsspec cannot open it, or it has no column of images.
        OSError, pyarrow.ArrowException: it cannot be read.
    """
    import pyarrow.parquet as pq

    with open_pack(name, folder) as file, pq.ParquetFile(file) as table:
        columns = image_columns(table.schema_arrow, name)
        groups = map(table.metadata.row_group, range(table.num_row_groups))
        return [group.num_rows for group in groups], not columns.holds_bytes


def images_in_table(
    name: str, folder: str, groups: Sequence[int], first: int, skip: Collection[int] = ()
) -> Iterator[Found]:
    """Yield the images of some row groups of a table, without ``groups`` of all.

    The first of their rows is number ``first``; those of the numbers ``skip`` are left out.

    Raises:
        InputError, OSError, pyarrow.ArrowException: the table cannot be read, or not to its end.
    """
    import pyarrow.parquet as pq

    left_out = frozenset(skip)
    with open_pack(name, folder) as file, pq.ParquetFile(file) as table:
        wanted = list(groups) or list(range(table.num_row_groups))
        for number, found in enumerate(_rows(table, name, wanted, first), first):
            if number not in left_out:
                yield found


def named_files(name: str, folder: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each row that names a file, or address, and does not hold it; and that.

    Raises:
        InputError, OSError, pyarrow.ArrowException: the table cannot be read, or not to its end.
    """
    import pyarrow.parquet as pq

    first = 0
    with open_pack(name, folder) as file, pq.ParquetFile(file) as table:
        columns = image_columns(table.schema_arrow, name)
        for index in range(table.num_row_groups):
            group = table.metadata.row_group(index)
            if not (columns.holds_bytes and _is_filled(group, columns.image)):
                for number, found in enumerate(_rows(table, name, [index], first), first):
                    if isinstance(found.image, str):
                        yield number, found.image
            first += group.num_rows


def _is_filled(group: Any, column: str) -> bool:
    """Return whether a row group is known to hold the bytes of each of its images."""
    for part in map(group.column, range(group.num_columns)):
        if part.path_in_schema == column:  # not a struct, whose rows may have a path instead
            return True
        if part.path_in_schema == f"{column}.bytes":
            return part.statistics is not None and part.statistics.null_count == 0
    return False


def _rows(table: Any, name: str, groups: list[int], first: int) -> Iterator[Found]:
    columns = image_columns(table.schema_arrow, name)
    wanted = [column for column in (columns.image, columns.name, *columns.more) if column]
    number = first
    for batch in table.iter_batches(ROWS, groups, wanted, use_threads=False):
        for row in batch.to_pylist():
            image, called = row[columns.image], row[columns.name] if columns.name else None
            more = [row[column] for column in columns.more]
            if image and any(more):
                yield _again(image, *more)
            else:
                called = _recorded(called) if columns.name == RECORD else called
                yield _row(image, called, f"{name}#{number}", name)
            number += 1


def image_columns(schema: Any, name: str) -> Columns:
    """Return the columns of a table of images.

    The images are in a struct with ``bytes``, or in a column of bytes or of text with a usual name
    (``image``, ``file``, ``path``, ``url``, ...); the only column of bytes may be called anything.

    Raises:
        InputError: there is no such column.
    """
    from pyarrow import types

    texts = [field.name for field in schema if _is_text(_plain(field.type))]
    usual = [texts[index] for index in known_columns(texts, IMAGE_COLUMNS)]
    holding = [field.name for field in schema if _holds_bytes(_plain(field.type))]
    known = [holding[index] for index in known_columns(holding, IMAGE_COLUMNS)] or holding
    if len(known) == 1 or (known and known != holding):
        struct = types.is_struct(schema.field(known[0]).type)
        is_packed = struct and {"row", RECORD} <= {*schema.names}  # by `imlgcn pack`
        named_by = RECORD if is_packed else None if struct else next(iter(usual), None)
        return Columns(known[0], named_by, True)
    if not known and usual:
        is_of_failed = {"image", "error", *FAILED_COLUMNS} <= {*texts}
        return Columns(usual[0], None, False, FAILED_COLUMNS if is_of_failed else ())
    raise InputError(
        f"{name}: {'several columns hold images' if known else 'no column holds images'} (it has "
        f"{', '.join(schema.names)}): call the one with the bytes or the paths 'image'"
    )


def _plain(kind: Any) -> Any:
    """Return the type of the values of a column, of which each may be stored once."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return "bytes" in {kind.field(index).name for index in range(kind.num_fields)}
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _row(image: Any, called: str | None, place: str, table: str) -> Found:
    if isinstance(image, dict):
        called = called or image.get("path")
        image = image.get("path") if image.get("bytes") is None else image["bytes"]
    if image is None or image == "":
        return Found(called or place, None, "there is no image in this row")
    if isinstance(image, bytes):
        return Found(called or place, image)
    return _named(image, table)


def _recorded(text: str | None) -> str | None:
    """Return the name that an image had before it was packed."""
    try:
        name = json.loads(text or "{}")["name"]
    except (ValueError, LookupError, TypeError):
        return None
    return name if isinstance(name, str) else None


def _again(image: str, folder: str | None, pack: str | None) -> Found:
    """Return an image that another run could not read, under the name that it had there."""
    if pack == image:
        return Found(image, None, "is a tar or table that failed: mend it, and give it itself")
    if pack is not None:
        return Found(image, None, f"is in {pack}: mend that, and give it itself")
    return Found(image, image if is_address(image) else os.path.join(folder or "", image))


def _named(name: str, table: str) -> Found:
    """Return the image that a table names: an address, or a path relative to the table."""
    if is_address(name):
        own = table.partition("://")[0] if is_address(table) else ""
        if name.partition("://")[0].lower() in (*BESIDE, own):
            return Found(name, name)
        return Found(name, None, f"a table may name addresses of {', '.join(BESIDE)} only")
    if is_address(table):
        beside = without_query(table).rpartition("/")[0]
        return Found(found := f"{beside}/{name.lstrip('/')}", found)
    return Found(found := str(Path(table).parent / name), found)
