"""Rows read back from the files that `rows` writes, a block at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from imlgcn.prediction.rows import Row
from imlgcn.prediction.shard_record import lines_of
from imlgcn.spreadsheets import bare as without_apostrophe

AT_ONCE = 512  # rows of a Parquet file that are Python objects
TRUTH = {"True": True, "False": False, "": None}


def rows_of(path: Path, columns: Sequence[str], *, bare: bool = False) -> Iterator[Row]:
    """Yield the rows of a file; ``bare``: a CSV whose formulas were written as they are."""
    if path.suffix.lower() == ".csv":
        return _csv_rows(path, columns, bare)
    return _parquet_rows(path) if path.suffix.lower() == ".parquet" else _jsonl_rows(path)


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for line in lines_of(path):
        yield Row(**json.loads(line))


def _csv_rows(path: Path, columns: Sequence[str], bare: bool) -> Iterator[Row]:
    read: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(("image", "label"), str if bare else without_apostrophe),
        **dict.fromkeys(("error", "name"), partial(_text, bare=bare)),
        **dict.fromkeys(("probability", "threshold"), lambda cell: float(cell) if cell else None),
        "tag": TRUTH.__getitem__,
    }
    of_column = [read[column] for column in columns]
    for cells in csv.reader(line.decode() for line in lines_of(path, skip=1)):
        values = [of(cell) for of, cell in zip(of_column, cells, strict=True)]
        yield Row(**dict(zip(columns, values, strict=True)))


def _text(cell: str, *, bare: bool) -> str | None:
    return (cell if bare else without_apostrophe(cell)) or None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        with pq.ParquetFile(path, metadata=metadata) as file:  # closed until the next is needed
            table = file.read_row_group(group)
        for batch in table.to_batches(max_chunksize=AT_ONCE):
            columns = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield Row(**dict(zip(batch.schema.names, values, strict=True)))
