"""Writers of shards: tars as WebDataset has them, and tables of Parquet as Hugging Face has them.

The same images give the same bytes: nothing of the time, the user or the machine is written.
"""

from __future__ import annotations

import json
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.data.formats.packs import FORMATS, IMAGE

GROUP = 32 * 2**20  # bytes of images in a row group: it is decoded at once
NO_SPLIT = "images"  # begins the names of shards without a split


class Sample(NamedTuple):
    """An image as it is packed: its number among all, its file, and what is said of it."""

    row: int
    content: bytes
    suffix: str
    said: Mapping[str, Any]


class ShardWriter(ABC):
    """Writes samples to shards of at most ``max_bytes`` each (and of one image at least)."""

    suffix: str

    def __init__(self, folder: Path, max_bytes: float) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.shards: list[dict[str, Any]] = []  # those that are whole
        self._counts: dict[str, int] = {}
        self._open: dict[str, Any] = {}  # split -> its shard
        self._sizes: dict[str, float] = {}
        self._images: dict[str, int] = {}

    def add(self, sample: Sample) -> None:
        """Write a sample to the shard of its split; a full one is closed before."""
        split = sample.said.get("split") or NO_SPLIT
        size = len(sample.content) + 2048  # headers, and what is said
        if split in self._open and self._sizes[split] + size > self.max_bytes:
            self._finish(split)
        if split not in self._open:
            self._open[split] = self._create(self._path(split))
            self._sizes[split] = self._images[split] = 0
        self._write(self._open[split], sample)
        self._sizes[split] += size
        self._images[split] += 1

    def close(self) -> None:
        """Close what is open, in order."""
        for split in sorted(self._open):
            self._finish(split)
        self.shards.sort(key=lambda shard: str(shard["file"]))

    def abandon(self) -> None:
        """Close the files of what is not wanted any more."""
        for shard in self._open.values():
            shard.close()
        self._open.clear()

    def _path(self, split: str) -> Path:
        return self.folder / f"{split}-{self._counts.get(split, 0):06d}{self.suffix}"

    def _finish(self, split: str) -> None:
        path = self._path(split)
        self._open.pop(split).close()
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        size = path.stat().st_size
        self.shards.append({"file": path.name, "images": self._images[split], "bytes": size})
        self._counts[split] = self._counts.get(split, 0) + 1

    @abstractmethod
    def _create(self, path: Path) -> Any:
        """Return a new shard with a method ``close``."""

    @abstractmethod
    def _write(self, shard: Any, sample: Sample) -> None:
        """Write a sample to a shard."""


class TarWriter(ShardWriter):
    """``000000012.jpg`` beside ``000000012.json``, in the order of the data."""

    suffix = FORMATS["webdataset"]

    def _create(self, path: Path) -> tarfile.TarFile:
        return tarfile.open(path, "x:")

    def _write(self, shard: tarfile.TarFile, sample: Sample) -> None:
        said = json.dumps(sample.said, ensure_ascii=False).encode()
        for suffix, content in ((sample.suffix, sample.content), (".json", said)):
            info = tarfile.TarInfo(f"{sample.row:09d}{suffix}")
            info.size = len(content)
            shard.addfile(info, BytesIO(content))
        shard.members.clear()  # type: ignore[attr-defined]  # it would keep them all


class ParquetWriter(ShardWriter):
    """A column ``image`` of bytes and path, ``labels``, and all that is said, as JSON."""

    suffix = FORMATS["parquet"]

    def _create(self, path: Path) -> _Table:
        return _Table(path)

    def _write(self, shard: _Table, sample: Sample) -> None:
        shard.add(sample)


class _Table:
    """A Parquet file that is written a row group at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        text, several = pa.string(), pa.list_(pa.string())
        fields = {IMAGE: image, "labels": several, "split": text, "group": text}
        self.schema = pa.schema([*fields.items(), ("row", pa.int64()), ("record", text)])
        features = {name: _feature(name, str(kind)) for name, kind in self._columns()}
        known = json.dumps({"info": {"features": features}})
        self.schema = self.schema.with_metadata({"huggingface": known})
        # images do not get smaller; their minimum and maximum are of no use
        statistics = ["labels.list.element", "split", "group", "row", f"{IMAGE}.bytes"]
        self.writer = pq.ParquetWriter(
            path, self.schema, compression="none", use_dictionary=False, write_statistics=statistics
        )
        self.rows: list[dict[str, Any]] = []
        self.size = 0

    def _columns(self) -> list[tuple[str, Any]]:
        return [(field.name, field.type) for field in self.schema]

    def add(self, sample: Sample) -> None:
        """Add a row; a full group is written before."""
        if self.rows and self.size + len(sample.content) > GROUP:
            self._flush()
        labels = sample.said["labels"]
        if isinstance(labels, Mapping):
            labels = [name for name, value in labels.items() if value == 1]
        path = f"{sample.row:09d}{sample.suffix}"
        self.rows.append(
            {
                IMAGE: {"bytes": sample.content, "path": path},
                "labels": labels,
                "split": sample.said.get("split"),
                "group": sample.said.get("group"),
                "row": sample.row,
                "record": json.dumps(sample.said, ensure_ascii=False),
            }
        )
        self.size += len(sample.content)

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self.rows, self.size = self.rows, [], 0
        self.writer.write_table(pa.Table.from_pylist(rows, schema=self.schema), len(rows))

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self.rows:
            self._flush()
        self.writer.close()


def _feature(name: str, kind: str) -> dict[str, Any]:
    """Return what Hugging Face's ``datasets`` shall take a column for."""
    if name == IMAGE:
        return {"_type": "Image"}
    if name == "labels":
        return {"_type": "Sequence", "feature": {"_type": "Value", "dtype": "string"}}
    return {"_type": "Value", "dtype": kind}


WRITERS: dict[str, type[ShardWriter]] = {"webdataset": TarWriter, "parquet": ParquetWriter}
