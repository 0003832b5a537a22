"""Parquet files that are proven whole when they are read: each column carries its SHA-256.

A well-formed file with other content (rows reordered or left out, a changed number) is noticed, not
only a damaged one. Files of earlier versions have no hashes and are taken as they are. What is
larger than memory is written and read a row group at a time, with the same hashes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.files import atomic_path
from imlgcn.parquet_hashes import Parts, hash_column, hash_parts
from imlgcn.parsing import parse_json

if TYPE_CHECKING:
    from pyarrow import Schema, Table

HASHES = b"sha256"  # in the schema's metadata: column -> hash
ROW_GROUP = 2**20  # rows, as pyarrow cuts a table

Tables = Callable[[Sequence[str] | None], Iterator["Table"]]


def write_parquet(path: Path, table: Table, **options: Any) -> None:
    """Write ``table`` to ``path`` in one step; ``options`` are those of pyarrow's ``write_table``.

    The same table gives the same bytes.
    """
    import pyarrow.parquet as pq

    hashes = {name: hash_column(table, name) for name in table.column_names}
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(_with(table.schema, hashes)), temporary, **options
        )


def write_row_groups(path: Path, tables: Tables) -> None:
    """Write a table that is made :data:`ROW_GROUP` rows at a time to ``path``, in one step.

    A table of one row group gives the bytes of :func:`write_parquet`.

    Args:
        path: the file.
        tables: makes the row groups, with some columns or (None) all; several times, because the
            hashes stand before the columns. Columns are numbers or text, without missing entries.
    """
    import pyarrow.parquet as pq

    groups = tables(None)
    first, second = next(groups), next(groups, None)
    if second is None:
        write_parquet(path, first)
        return
    hashes = {name: hash_parts(_column(tables, name)) for name in first.column_names}
    schema = first.schema.with_metadata(_with(first.schema, hashes))
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for table in chain([first, second], groups):
            writer.write_table(table, row_group_size=ROW_GROUP)


def _with(schema: Schema, hashes: dict[str, str]) -> dict[bytes, bytes | str]:
    return {**(schema.metadata or {}), HASHES: json.dumps(hashes)}


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Table:
    """Return the given columns of a file, those that it has; None = all.

    Raises:
        ValueError: a column is not as it was written.
        OSError, pyarrow.ArrowException: the file cannot be read.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    wanted = names if columns is None else [name for name in columns if name in names]
    table = pq.read_table(path, columns=wanted)
    _prove(table.schema, columns, lambda name: hash_column(table, name))
    return table


def prove_row_groups(path: Path) -> Schema:
    """Prove all columns of a file of numbers and text, a row group at a time; return its schema.

    Raises:
        ValueError: a column is not as it was written.
        OSError, pyarrow.ArrowException: the file cannot be read.
    """
    import pyarrow.parquet as pq

    if not pq.read_metadata(path).num_rows:
        return read_parquet(path).schema
    schema = pq.read_schema(path)

    def tables(columns: Sequence[str] | None) -> Iterator[Table]:
        return read_row_groups(path, columns)

    _prove(schema, None, lambda name: hash_parts(_column(tables, name)))
    return schema


def read_row_groups(path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
    """Yield the row groups of a file, with some columns or all; they are not proven.

    Raises:
        OSError, pyarrow.ArrowException: the file cannot be read.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def _prove(schema: Schema, columns: Sequence[str] | None, hash_of: Callable[[str], str]) -> None:
    """Compare hashes of columns with those in the file, if it has any."""
    if (stored := (schema.metadata or {}).get(HASHES)) is None:
        return
    hashes = parse_json(stored)
    for name in columns or hashes:
        if (name in hashes) != (name in schema.names):
            raise ValueError(f"the column {name!r} is missing, or was added")
        if name in hashes and hash_of(name) != hashes[name]:
            raise ValueError(f"the column {name!r} is not as it was written")


def _column(tables: Tables, name: str) -> Parts:
    return lambda: (chunk for table in tables([name]) for chunk in table[name].chunks)
