"""Packs of images, and what a run left."""

from __future__ import annotations

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq


def rows_of(path):
    """Return the rows of a Parquet file, or of all in a folder."""
    return pq.read_table(path).to_pylist()


def pack(path, files):
    """Write a tar of files beside what is not an image."""
    with tarfile.open(path, "w") as tar:
        for name, content in [("note.txt", b"no image"), *files, ("._a.png", b"of a Mac")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def table(path, /, group=3, **columns):
    """Write a Parquet table with so many rows in a row group."""
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path
