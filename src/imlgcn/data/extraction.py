"""New images in batches, cached ones and copies: how :func:`.features.features_for` fills its rows.

Letters: N images, B batch, S input size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.mapped_rows import MappedRows
from imlgcn.data.shards import SHARD_ROWS, FeatureShards, Index
from imlgcn.files import cache_dir, content_number
from imlgcn.memory import SHARE, available_memory, new_array

Extractor = Callable[[NDArray[np.uint8]], NDArray[Any]]  # (B, S, S, 3) -> (B, ...)
OTHER_KEY = "use another key when the extractor changes"


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """The features of the readable images, in the order of their paths."""

    features: NDArray[Any] | MappedRows  # (number of readable images, ...)
    rows: NDArray[np.int64]  # for each of them, its index in the list of paths
    failed: dict[int, str]  # index in the list of paths -> error message, with the file name
    contents: NDArray[np.uint64]  # for each readable image, `content_number` of its file

    @property
    def array(self) -> NDArray[Any]:
        """The features in memory."""
        return np.asarray(self.features)


class LoadedImage(NamedTuple):
    """A file that was read: its content is known, and decoded where its rows are not."""

    digest: bytes  # SHA-256 of the file
    pixels: NDArray[np.uint8] | None = None  # (S, S, 3); None if its content is cached
    error: str = ""


class Extraction:
    """Extracts new images in batches and keeps track of cached ones and copies."""

    def __init__(
        self,
        count: int,
        shards: FeatureShards,
        extractor: Extractor,
        batch_size: int,
        streams: int,
    ) -> None:
        self._count, self._shards = count, shards
        self._extractor, self._batch_size, self._streams = extractor, batch_size, streams
        self._values: NDArray[Any] | None = None  # (N, ...), allocated with the first row
        self._stays: bool | None = None  # rows stay in the cache; known with the first one
        self._digests: dict[int, bytes] = {}  # of the images whose rows stay there
        self._mapped: MappedRows | None = None
        self._failed: dict[int, str] = {}
        self._contents = np.zeros(count, np.uint64)

    def start(self, pool: ThreadPoolExecutor) -> set[bytes]:
        """Begin a pass; return the set of contents that need no decoding, which grows."""
        self._pool = pool
        self._running: deque[tuple[list[tuple[int, LoadedImage]], Future[NDArray[Any]]]] = deque()
        self._cached: Index = self._shards.index()
        self._hits: dict[int, bytes] = {}  # image -> its content, which is cached
        self._first: dict[bytes, int] = {}  # new content -> index of the first image with it
        self._copies: dict[int, int] = {}
        self._batch: list[tuple[int, LoadedImage]] = []
        self._seen = set(self._cached)
        return self._seen

    def add(self, index: int, image: LoadedImage) -> None:
        """Take an image that was read; a batch that is full is extracted."""
        self._contents[index] = content_number(image.digest)
        if image.error:
            self._failed[index] = image.error
        elif image.digest in self._cached:
            self._hits[index] = image.digest
        elif image.digest in self._first:
            self._copies[index] = self._first[image.digest]
        else:
            self._first[image.digest] = index
            self._seen.add(image.digest)
            self._batch.append((index, image))
            if len(self._batch) == self._batch_size:
                self._submit()

    def finish(self) -> None:
        """Extract the last batch and wait for all."""
        if self._batch:
            self._submit()
        while self._running:
            self._collect()

    def _submit(self) -> None:
        if len(self._running) == self._streams:
            self._collect()
        batch, self._batch = self._batch, []
        pixels = np.stack([image.pixels for _, image in batch if image.pixels is not None])
        light = [(index, image._replace(pixels=None)) for index, image in batch]
        self._running.append((light, self._pool.submit(self._extract, pixels)))

    def _extract(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        return np.array(
            self._extractor(pixels), self._shards.dtype
        )  # a copy: the extractor may reuse its buffer

    def _collect(self) -> None:
        batch, future = self._running.popleft()
        rows = future.result()
        if len(rows) != len(batch):
            raise ValueError(f"the extractor returned {len(rows)} rows for {len(batch)} images")
        self._shards.append([image.digest for _, image in batch], rows)
        if self._stay(rows[:1].nbytes):
            self._digests |= {index: image.digest for index, image in batch}
        else:
            self._put([index for index, _ in batch], rows)

    def read_cached(self) -> list[int]:
        """End a pass: read the cached rows; return the images whose shard was damaged."""
        wanted: dict[Path, list[int]] = {}
        for index, digest in self._hits.items():
            wanted.setdefault(self._cached[digest][0], []).append(index)
        lost: list[int] = []
        for shard, indices in wanted.items():
            if self._stay(self._shards.row_size(shard)):
                return self._map()
            if (rows := self._shards.read(shard)) is None:
                lost.extend(indices)
            else:
                self._put(indices, rows[[self._cached[self._hits[i]][1] for i in indices]])
        if self._stays:  # and all are new
            return self._map()
        if self._values is not None:
            self._values[list(self._copies)] = self._values[list(self._copies.values())]
        return sorted(lost)

    def _stay(self, size: int) -> bool:
        """Return whether rows of ``size`` bytes stay in the cache: all would take much memory.

        It is decided by the first that is not 0, for all.
        """
        if self._stays is None and size:
            most = SHARE * available_memory()
            self._stays = self._shards.folder is not None and self._count * size > most
        return bool(self._stays)

    def _map(self) -> list[int]:
        """Map the shards of all rows; return the images whose shard was damaged."""
        self._digests |= self._hits
        self._digests |= {copy: self._digests[first] for copy, first in self._copies.items()}
        index = self._shards.index()
        numbers: dict[Path, int] = {}
        parts: list[NDArray[Any] | None] = []
        part, row = np.zeros((2, self._count), np.int32)
        lost = []
        for image, digest in self._digests.items():
            shard, at = index.get(digest, (None, 0))
            if shard is not None and shard not in numbers:
                numbers[shard] = len(parts)
                parts.append(self._shards.map(shard))
            if shard is None or parts[numbers[shard]] is None:
                lost.append(image)
            else:
                part[image], row[image] = numbers[shard], at
        for image in lost:
            del self._digests[image]
        whole = [rows for rows in parts if rows is not None]
        if len({rows.shape[1:] for rows in whole}) > 1:
            raise ValueError(f"rows of {len(whole)} shards differ in shape; {OTHER_KEY}")
        if whole and not lost:
            flat = [rows.reshape(len(rows), -1) for rows in whole]
            self._mapped = MappedRows(flat, part, row, slice(None), whole[0].shape[1:])
        return sorted(lost)

    def table(self) -> FeatureTable:
        """Return what all passes gave."""
        rows = np.array([i for i in range(self._count) if i not in self._failed], np.int64)
        failed = dict(sorted(self._failed.items()))
        if self._mapped is not None:
            return FeatureTable(self._mapped.select(rows), rows, failed, self._contents[rows])
        if self._values is None:
            self._values = np.zeros((self._count, 0), self._shards.dtype)
        features = _compacted(self._values, rows) if self._failed else self._values
        return FeatureTable(features, rows, failed, self._contents[rows])

    def _put(self, indices: list[int], rows: NDArray[Any]) -> None:
        if self._values is None:
            shape = (self._count, *rows.shape[1:])
            self._values = new_array(shape, self._shards.dtype, cache_dir())
        if rows.shape[1:] != self._values.shape[1:]:
            raise ValueError(
                f"rows of shape {rows.shape[1:]} after rows of shape {self._values.shape[1:]}; "
                f"{OTHER_KEY}"
            )
        self._values[indices] = rows


def _compacted(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return the rows of ``values`` at ``rows``, which ascend; those in a file stay in it."""
    if not isinstance(values, np.memmap):
        return values[rows]
    for start in range(0, len(rows), SHARD_ROWS):
        part = rows[start : start + SHARD_ROWS]
        values[start : start + len(part)] = values[part]
    return values[: len(rows)]
