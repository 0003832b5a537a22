"""Where the images of a table are, without reading them: names, row groups and rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.data.image_store import image_suffix
from imlgcn.data.packed import cell_path, group_sizes, open_packed
from imlgcn.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: the command line starts without it

LARGEST = 2**29  # bytes of a row group that is decoded at once


def in_place(file: Path, column: str) -> list[tuple[str, Path | None]] | None:
    """Return name and path of the image of each row; None where groups are too large for that.

    The path is None of a row that only names its image. Bytes are looked at where some are missing,
    and the first of a table without names, for their suffix.
    """
    groups = _groups(file, column)
    if any(decoded > LARGEST for *_, decoded in groups):
        return None
    entries: list[tuple[str, Path | None]] = []
    suffix = ""
    for number, (rows, size, _) in enumerate(groups):
        names, held = _held(file, column, number, rows)
        for row, (name, is_held) in enumerate(zip(names, held, strict=True)):
            if not name and not is_held:
                raise InputError(f"{file}, row {len(entries) + 1}: the image is missing")
            if not name:
                suffix = suffix or _suffix(cell_path(file, column, number, row, size, ""))
                name = f"{len(entries):07d}{suffix}"
            path = cell_path(file, column, number, row, size, name) if is_held else None
            entries.append((name, path))
    return entries


def _suffix(path: Path) -> str:
    content = open_packed(path)
    assert content is not None
    return image_suffix(content.getvalue())


def _groups(file: Path, column: str) -> list[tuple[int, int, int]]:
    """Return rows, size and decoded bytes of each part of a table that is read at once."""
    import pyarrow as pa

    if file.suffix.lower() == ".parquet":
        return group_sizes(file, column)
    with pa.memory_map(str(file)) as stream:  # a batch is a view of the file
        return [(len(batch), len(batch), 0) for batch in pa.ipc.open_stream(stream)]


def _held(file: Path, column: str, group: int, rows: int) -> tuple[list[str], list[bool]]:
    """Return the names that a group gives to its images, and which it holds."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import types

    names = [""] * rows
    is_struct = types.is_struct(kind := _type(file, column))
    named = is_struct and kind.get_field_index("path") >= 0
    leaf = f"{column}.bytes" if is_struct else column
    if file.suffix.lower() != ".parquet":
        with pa.memory_map(str(file)) as stream:
            batch = next(b for n, b in enumerate(pa.ipc.open_stream(stream)) if n == group)
            cells = batch.column(column)
            lengths = pc.binary_length(pc.struct_field(cells, "bytes") if is_struct else cells)
            if named:
                names = _as_names(pc.struct_field(cells, "path"))
            return names, _filled(lengths)
    with pq.ParquetFile(file) as table:
        if named:
            cells = table.read_row_group(group, columns=[f"{column}.path"]).column(column)
            names = _as_names(pc.struct_field(cells, "path"))
        known = table.metadata.row_group(group)
        own = next(
            x for x in map(known.column, range(known.num_columns)) if x.path_in_schema == leaf
        )
        if own.statistics is not None and own.statistics.null_count == 0:
            return names, [True] * rows
        cells = table.read_row_group(group, columns=[leaf]).column(column)
        return names, _filled(
            pc.binary_length(pc.struct_field(cells, "bytes") if is_struct else cells)
        )


def _as_names(cells: Any) -> list[str]:
    return [str(path or "").replace("\\", "/") for path in cells.to_pylist()]


def _filled(lengths: Any) -> list[bool]:
    return [bool(length) for length in lengths.to_pylist()]


def _type(file: Path, column: str) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix.lower() == ".parquet":
        return pq.read_schema(file).field(column).type
    with pa.memory_map(str(file)) as stream:
        return pa.ipc.open_stream(stream).schema.field(column).type
