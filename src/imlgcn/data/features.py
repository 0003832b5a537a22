"""Features of a list of images, extracted once per file content and cached on disk.

The key of a row is the file's content and what computed it: weights, preprocessing, version.
Letters: N images, B batch, S input size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import ImageSettings, InputError
from imlgcn.data.image_limits import open_image_file
from imlgcn.data.images import ImageError
from imlgcn.data.mapped_rows import MappedRows
from imlgcn.data.packed import reading_order
from imlgcn.data.shards import SHARD_ROWS, FeatureShards, Index
from imlgcn.data.transforms import load_input
from imlgcn.files import cache_dir, cache_note, content_number
from imlgcn.memory import SHARE, available_memory, new_array
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, safe_points

Extractor = Callable[[NDArray[np.uint8]], NDArray[Any]]  # (B, S, S, 3) -> (B, ...)

VERSION = 3  # increase when decoding, transforms or the shards change: it invalidates old rows
OTHER_KEY = "use another key when the extractor changes"
KEPT = "what was read is kept in the cache: the same command goes on from there"


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


def features_for(
    paths: Sequence[Path],
    *,
    extractor: Extractor,
    settings: ImageSettings,
    key: str,
    cache: Path | None,
    batch_size: int = 32,
    workers: int | None = None,
    streams: int = 1,
    dtype: Literal["float32", "float16"] = "float32",
    progress: Progress = SILENT,
    stage: str = "features",
) -> FeatureTable:
    """Return the features of ``paths``; rows in the folder ``cache`` are not computed again.

    ``key`` identifies everything the output of ``extractor`` depends on: weights, pooling, engine.
    Rows are returned in ``dtype`` as they are stored, so that a cached row is bit-identical. Images
    are decoded ahead in ``workers`` threads (default: 2 at most) while up to ``streams`` batches
    are extracted in a thread each: ``extractor`` must then be thread-safe. An image that cannot be
    read is in ``failed`` and has no row.

    Rows that would take more than a quarter of the memory that is left stay in the files of the
    cache, mapped, where there is a cache.
    """
    if not paths:
        nothing = np.zeros((0, 0), dtype), np.zeros(0, np.int64)
        return FeatureTable(*nothing, {}, np.zeros(0, np.uint64))
    if cache is not None and (note := cache_note()):
        progress.say(note)
    folder = None if cache is None else Path(cache) / _namespace(key, settings, dtype)
    shards = FeatureShards(folder, np.dtype(dtype))
    extraction = _Extraction(len(paths), shards, extractor, batch_size, streams)
    todo: Sequence[int] = reading_order(paths)
    while todo:  # a second pass only if a shard is damaged
        with (
            safe_points() as asked,
            progress.bar(stage, len(todo)) as advance,
            shards,
            _threads(workers) as pool,
            _threads(streams) as extractors,
        ):
            seen = extraction.start(extractors)
            load = partial(_load, settings=settings, seen=seen)
            # bounded memory: at most two batches of decoded images wait
            images = _in_order(pool, load, (Path(paths[i]) for i in todo), 2 * batch_size)
            for index, image in zip(todo, images, strict=True):
                extraction.add(index, image)
                advance(1)
                if (number := asked()) is not None:
                    extraction.finish()  # what is decoded is extracted and kept
                    raise Stopped(number, "" if folder is None else KEPT)
            extraction.finish()
        todo = extraction.read_cached()
    return extraction.table()


class _Image(NamedTuple):
    digest: bytes  # SHA-256 of the file
    pixels: NDArray[np.uint8] | None = None  # (S, S, 3); None if its content is cached
    error: str = ""


class _Extraction:
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
        self._running: deque[tuple[list[tuple[int, _Image]], Future[NDArray[Any]]]] = deque()
        self._cached: Index = self._shards.index()
        self._hits: dict[int, bytes] = {}  # image -> its content, which is cached
        self._first: dict[bytes, int] = {}  # new content -> index of the first image with it
        self._copies: dict[int, int] = {}
        self._batch: list[tuple[int, _Image]] = []
        self._seen = set(self._cached)
        return self._seen

    def add(self, index: int, image: _Image) -> None:
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


def _namespace(key: str, settings: ImageSettings, dtype: str) -> str:
    parts = [VERSION, key, settings.model_dump(mode="json"), dtype]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _load(path: Path, *, settings: ImageSettings, seen: set[bytes]) -> _Image:
    """Hash a file and, unless its content was seen, decode it; opened once, so contents agree."""
    try:
        with open_image_file(path) as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return _Image(digest, None if digest in seen else load_input(file, settings))
    except OSError as error:
        return _Image(b"", error=f"{path}: {error.strerror or error}")
    except ImageError as error:
        return _Image(b"", error=str(error))
    except InputError as error:  # not even opened
        return _Image(b"", error=f"{path}: {error}")


@contextmanager
def _threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers or min(2, os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after an error the waiting tasks are useless


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[Path], _Image],
    paths: Iterable[Path],
    ahead: int,
) -> Iterator[_Image]:
    waiting: deque[Future[_Image]] = deque()
    for path in paths:
        waiting.append(pool.submit(work, path))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
