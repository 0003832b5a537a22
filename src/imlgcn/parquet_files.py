"""Parquet files that are proven whole when they are read: each column carries its SHA-256.

A well-formed file with other content (rows reordered or left out, a changed number) is noticed, not
only a damaged one. Files of earlier versions have no hashes and are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.files import atomic_path
from imlgcn.parsing import parse_json

if TYPE_CHECKING:
    from pyarrow import Table

HASHES = b"sha256"  # in the schema's metadata: column -> hash
MOST_TEXT = 2**31 - 1  # bytes of a column of text in one piece
ROWS = 2**24  # of a longer one that are hashed at a time


def write_parquet(path: Path, table: Table, **options: Any) -> None:
    """Write ``table`` to ``path`` in one step; ``options`` are those of pyarrow's ``write_table``.

    The same table gives the same bytes.
    """
    import pyarrow.parquet as pq

    hashes = json.dumps({name: _hash(table, name) for name in table.column_names})
    known = table.schema.metadata or {}
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({**known, HASHES: hashes}), temporary, **options
        )


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
    if (hashes := (table.schema.metadata or {}).get(HASHES)) is not None:
        _prove(table, parse_json(hashes), columns)
    return table


def _prove(table: Table, hashes: dict[str, str], columns: Sequence[str] | None) -> None:
    for name in columns or hashes:
        if (name in hashes) != (name in table.column_names):
            raise ValueError(f"the column {name!r} is missing, or was added")
        if name in hashes and _hash(table, name) != hashes[name]:
            raise ValueError(f"the column {name!r} is not as it was written")


def _hash(table: Table, name: str) -> str:
    """Return the hash of a column's values, however they are encoded and cut into chunks."""
    found, column = hashlib.sha256(), table[name]
    step = ROWS if _bytes_of_text(column) > MOST_TEXT else max(len(column), 1)
    for start in range(0, max(len(column), 1), step):
        _feed(found, column.slice(start, step).combine_chunks())
    return found.hexdigest()


def _bytes_of_text(column: Any) -> int:
    """Return how long a column of names would be without its dictionary; 0 for other columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        total += pc.sum(pc.cast(lengths.take(chunk.indices), pa.int64())).as_py() or 0
    return total


def _feed(found: Any, array: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        _feed(found, pc.list_value_length(array))
        _feed(found, array.flatten())
        return
    sink = pa.BufferOutputStream()
    plain = pa.table({"": array})
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    found.update(sink.getvalue())
