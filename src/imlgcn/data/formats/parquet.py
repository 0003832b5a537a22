"""Tables of parquet or Arrow that hold their images: what Hugging Face's ``datasets`` writes.

https://huggingface.co/docs/hub/datasets-image#parquet-format: a column of images is a struct of
``bytes`` and ``path``; class numbers have their names in the schema (key ``huggingface``) or in
``README.md``. One file, a folder of shards (``data/train-00000-of-00001.parquet``), or what
``save_to_disk`` writes (``.arrow``). Splits are in the names of the files or of their folders.
Images are read where they are, a row group at a time (:mod:`imlgcn.data.packed`); of groups of more
than 512 MiB they are unpacked into the cache. A table may also name images by paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.data.formats.base import TABLE_OPTIONS, ReadOptions, Source, unwrap
from imlgcn.data.formats.column_names import LABEL_COLUMNS, normal
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.parquet_images import in_place
from imlgcn.data.formats.schema_names import names_in_readme, names_in_schema
from imlgcn.data.formats.splits import splits_if_several
from imlgcn.data.formats.value_table import (
    IMAGES,
    ValueTable,
    image_column,
    join_tables,
    read_columns,
)
from imlgcn.data.image_store import image_suffix
from imlgcn.data.unpack import check_size, unpack_once
from imlgcn.errors import InputError
from imlgcn.numbers import plural

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: the command line starts without it

NAME = "parquet"
OPTIONS = TABLE_OPTIONS
SUFFIXES = (".parquet", ".arrow")
INDEX = "index.json"  # the file of each row's image, in the folder of the unpacked ones
BATCH = 64  # images held at a time


def recognise(source: Path | str) -> str | None:
    """Recognise a table by its suffix, or a folder of tables with images in them."""
    path = Path(source)
    files = _tables(path)
    if not files:
        return None
    if path.is_file():
        return f"the file ends in {path.suffix}"
    try:
        column = _embedded(_schema(files[0]), files[0])
    except InputError as error:  # of which the user hears by reading it
        column = "image" if "several columns" in str(error) else None
    return f"{files[0].relative_to(unwrap(path)).as_posix()} holds images" if column else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the tables, unpacking their images on first use."""
    path = Path(source)
    files = _tables(path)
    if not files:
        raise InputError(f"{path}: holds no .parquet or .arrow")
    splits = splits_if_several(files)
    column = options.image_column or _embedded(_schema(files[0]), files[0])
    tables = [_read_table(file, column) for file in files]
    column = column or image_column(tables[0], options)
    images = [
        image
        for file, table in zip(files, tables, strict=True)
        for image in _images(file, table, column, options)
    ]
    if len({name for name, _ in images}) < len(images):
        stems = [
            file.stem for file, table in zip(files, tables, strict=True) for _ in range(len(table))
        ]
        images = [(f"{stem}/{i.name}", i) for stem, (_, i) in zip(stems, images, strict=True)]
    table = join_tables(tables, splits, options)
    found = read_columns(table, options, images, beside=[column])
    used = f"{plural(len(files), 'file')}, images are in the column {column!r}"
    return Source(found.names, found.records, NAME, f"{NAME}: {options.why}; {used}; {found}")


def read_cells(
    file: Path, columns: Sequence[str] | None = None, *, rows: int | None = None
) -> dict[str, list[Any]]:
    """Return the columns of a table, of all rows, or of none with ``rows=0``.

    Raises:
        InputError: the file is not such a table.
    """
    schema = _schema(file)
    names = [name for name in schema.names if columns is None or name in columns]
    cells: dict[str, list[Any]] = {name: [] for name in names}
    for batch in () if rows == 0 else _batches(file, names):
        for name in names:
            cells[name] += batch.column(name).to_pylist()
    return cells


def _tables(path: Path) -> list[Path]:
    """Return the table itself, or those in a folder and two levels of folders in it."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    if not path.is_dir():
        return []
    folder = unwrap(path)
    for level in ("*", "*/*", "*/*/*"):
        found = [file for suffix in SUFFIXES for file in folder.glob(level + suffix)]
        found = [file for file in found if not file.name.startswith((".", "cache-"))]
        if found:
            return sorted(found)
    return []


def _schema(file: Path) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix.lower() == ".parquet":
            return pq.read_schema(file)
        with pa.OSFile(str(file)) as stream:
            return pa.ipc.open_stream(stream).schema
    except (pa.ArrowException, OSError, ValueError) as error:
        with file.open("rb") as stream:
            start = stream.read(40)
        if start.startswith(b"version https://git-lfs"):
            why = "is a pointer of Git LFS, not the data: fetch it with 'git lfs pull'"
        else:
            why = f"is not a {file.suffix[1:]} table ({error})"
        raise InputError(f"{file}: {why}") from None


def _batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix.lower() == ".parquet":
            with pq.ParquetFile(file) as table:
                yield from table.iter_batches(batch_size=BATCH, columns=list(columns))
            return
        with pa.OSFile(str(file)) as stream:
            for batch in pa.ipc.open_stream(stream):
                yield batch.select(list(columns))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None


def _embedded(schema: pa.Schema, file: Path) -> str | None:
    """Return the column that holds images: a struct with bytes, or bytes by a usual name."""
    from pyarrow import types

    found = [
        field.name
        for field in schema
        if _holds_bytes(field.type)
        and (types.is_struct(field.type) or normal(field.name) in IMAGES)
    ]
    usual = [name for name in found if normal(name) in IMAGES] or found
    if len(usual) > 1:
        raise InputError(
            f"{file}: several columns hold images ({', '.join(usual)}); say which (image_column=)"
        )
    return next(iter(usual), None)


def _holds_bytes(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return "bytes" in {kind.field(index).name for index in range(kind.num_fields)}
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _read_table(file: Path, image: str | None) -> ValueTable:
    """Return the columns of one file that may hold labels, names, splits or groups."""
    from pyarrow import types

    schema = _schema(file)
    if image is not None and image not in schema.names:
        raise InputError(f"{file}: has no column {image!r}; it has {', '.join(schema.names)}")
    kept = [
        field.name
        for field in schema
        if not _holds_bytes(field.type)
        and (not types.is_nested(field.type) or normal(field.name) in LABEL_COLUMNS)
    ]
    names = names_in_readme([file.parent, file.parent.parent]) | names_in_schema(schema.metadata)
    return ValueTable(read_cells(file, kept), str(file), lambda n: f"{file}, row {n + 1}: ", names)


def _images(
    file: Path, table: ValueTable, column: str, options: ReadOptions
) -> list[tuple[str, Path]]:
    """Return name and file of the image of each row."""
    if not _holds_bytes(_schema(file).field(column).type):
        names = [str(cell or "").replace("\\", "/") for cell in table.columns[column]]
        if "" in names:
            raise InputError(f"{table.at(names.index(''))}the image is missing")
        return list(zip(names, locate(names, file, options.images), strict=True))
    if (entries := in_place(file, column)) is None:
        folder = unpack_once(file, lambda target: _unpack(file, column, target), part=column)
        index = json.loads((folder / INDEX).read_text())
        entries = [
            (entry["path"] or entry["file"], folder / entry["file"] if entry["file"] else None)
            for entry in index
        ]
    outside = [name for name, path in entries if path is None]
    found = iter(locate(outside, file, options.images) if outside else [])
    return [(name, next(found) if path is None else path) for name, path in entries]


def _unpack(file: Path, column: str, folder: Path) -> None:
    """Write the image of each row into ``folder``, and :data:`INDEX`."""
    entries: list[dict[str, str]] = []
    size = 0
    for batch in _batches(file, [column]):
        for cell in batch.column(column).to_pylist():
            cell = cell if isinstance(cell, dict) else {"bytes": cell}
            content, path = cell.get("bytes"), str(cell.get("path") or "").replace("\\", "/")
            if not content and not path:
                raise InputError(f"{file}, row {len(entries) + 1}: the image is missing")
            name = ""
            if content:
                size += len(content)
                check_size(file, size, folder)
                name = f"{len(entries):07d}{image_suffix(content, Path(path).suffix or '.jpg')}"
                (folder / name).write_bytes(content)
            entries.append({"file": name, "path": path})
    (folder / INDEX).write_text(json.dumps(entries))
