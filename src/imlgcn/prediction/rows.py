"""Prediction rows and the files they go to: JSON lines, CSV, Parquet.

A file appears under its name only when complete; memory does not grow with the number of rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from imlgcn.errors import InputError
from imlgcn.files import atomic_path
from imlgcn.labels.label_table import LabelTable
from imlgcn.spreadsheets import inert_rows

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used

ROW_GROUP = 8_192  # rows held before they are written to a Parquet file: two megabytes


class Row(NamedTuple):
    """One label of one image; an image without tags, or that failed, has one with no label.

    Files have the columns :func:`columns_for`: ``name`` and ``tag`` are among them only where a
    label table makes them differ from the label and from ``probability >= threshold``.
    """

    image: str
    label: str = ""
    probability: float | None = None  # calibrated
    threshold: float | None = None
    error: str | None = None  # why the file has no tags
    name: str | None = None  # what users read, where that is not the label
    tag: bool | None = None  # whether it is a tag, where the threshold alone does not decide

    @property
    def is_tag(self) -> bool:
        """Whether the label is at or above its threshold, or what the label table says."""
        if self.tag is not None:
            return self.tag
        if self.probability is None or self.threshold is None:
            return False
        return self.probability >= self.threshold


COLUMNS = Row._fields[:5]
Write = Callable[[Sequence[Row]], None]


def check_output(path: Path) -> None:
    """Refuse a file that rows cannot be written to, before any work is done."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(
            f"{path}: predictions are written to a file ending in {', '.join(WRITERS)}; "
            f"got {path.suffix or 'no ending'!r}"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file in it")


def columns_for(
    table: LabelTable, *, all_labels: bool, are_bounded: bool = False
) -> tuple[str, ...]:
    """Return the columns of a file of rows that a tagger with this label table makes.

    ``are_bounded``: the number of tags has bounds, so that thresholds alone do not decide.
    """
    names = ("name",) if table.has_names else ()
    decides = table.decides or are_bounded
    return (*COLUMNS, *names, *(("tag",) if all_labels and decides else ()))


@contextmanager
def open_rows(
    path: Path, columns: Sequence[str] = COLUMNS, *, bare: bool = False
) -> Iterator[Write]:
    """Yield the function that writes rows to ``path``, in the format of its suffix.

    The file takes its name when the block ends; on an error nothing remains and an older file of
    that name stays as it was. In a CSV a cell that a spreadsheet would take for a formula begins
    with an apostrophe, unless all are ``bare``.
    """
    check_output(path)
    writer = WRITERS[path.suffix.lower()]
    if bare and writer is _csv_file:
        writer = partial(_csv_file, bare=True)
    with (
        atomic_path(path, exclusive=True) as temporary,
        writer(temporary, columns) as write,
    ):
        yield write


def jsonl_writer(stream: TextIO, columns: Sequence[str] = COLUMNS) -> Write:
    """Return a function that writes rows to an open text stream, one JSON object per line."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
    ascii_only = not encoding.startswith("utf")

    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            fields = dict(zip(columns, _cells(row, columns), strict=True))
            if row.error is None:
                del fields["error"]
            stream.write(storable(json.dumps(fields, ensure_ascii=ascii_only)) + "\n")
        stream.flush()  # the reader of a pipe sees an image when it is done

    return write


@contextmanager
def _jsonl_file(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        yield jsonl_writer(stream, columns)


class _UnixLines:
    """Takes rows that end in CR LF, and writes them with LF."""

    def __init__(self, stream: TextIO) -> None:
        self._write = stream.write

    def write(self, row: str) -> int:
        return self._write(row[:-2] + "\n")


def csv_writer(stream: TextIO, columns: Sequence[str], *, bare: bool = False) -> Write:
    """Return a function that writes rows to an open text stream as CSV, without a header."""
    # before Python 3.13 it quotes a line end in a name only if its own lines end so
    table = csv.writer(_UnixLines(stream), lineterminator="\r\n")
    safe = list if bare else inert_rows
    return lambda rows: table.writerows(safe(_cells(row, columns) for row in rows))


@contextmanager
def _csv_file(path: Path, columns: Sequence[str], *, bare: bool = False) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        stream.write(",".join(columns) + "\n")
        yield csv_writer(stream, columns, bare=bare)


def rows_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of rows in a Parquet file."""
    import pyarrow as pa

    text, fraction = pa.string(), pa.float64()
    types = (text, text, fraction, fraction, text, text, pa.bool_())
    return pa.schema([(name, dict(zip(Row._fields, types, strict=True))[name]) for name in columns])


@contextmanager
def _parquet_file(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = rows_schema(columns)
    waiting: list[Row] = []
    with pq.ParquetWriter(path, schema) as file:

        def write_group() -> None:
            rows = [
                row._replace(image=storable(row.image), error=row.error and storable(row.error))
                for row in waiting
            ]
            arrays = [
                pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema
            ]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
            waiting.clear()

        def write(rows: Sequence[Row]) -> None:
            waiting.extend(rows)
            if len(waiting) >= ROW_GROUP:
                write_group()

        yield write
        if waiting:
            write_group()


WRITERS: dict[str, Callable[[Path, Sequence[str]], AbstractContextManager[Write]]] = {
    ".jsonl": _jsonl_file,
    ".csv": _csv_file,
    ".parquet": _parquet_file,
}


def _cells(row: Row, columns: Sequence[str]) -> list[object]:
    return [getattr(row, name) for name in columns]


def storable(text: str) -> str:
    r"""Escape what is not Unicode: a file name may hold any bytes. (``\udcff`` is JSON, too.)"""
    return text.encode("utf-8", "backslashreplace").decode()
