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
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from imlgcn.data.extraction import Extraction, Extractor, FeatureTable, LoadedImage
from imlgcn.data.image_limits import open_image_file
from imlgcn.data.images import ImageError
from imlgcn.data.packed import reading_order
from imlgcn.data.shards import FeatureShards
from imlgcn.data.transforms import load_input
from imlgcn.errors import InputError
from imlgcn.files import cache_note
from imlgcn.image_settings import ImageSettings
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, safe_points

VERSION = 3  # increase when decoding, transforms or the shards change: it invalidates old rows
KEPT = "what was read is kept in the cache: the same command goes on from there"


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
    extraction = Extraction(len(paths), shards, extractor, batch_size, streams)
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


def _namespace(key: str, settings: ImageSettings, dtype: str) -> str:
    parts = [VERSION, key, settings.model_dump(mode="json"), dtype]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _load(path: Path, *, settings: ImageSettings, seen: set[bytes]) -> LoadedImage:
    """Hash a file and, unless its content was seen, decode it; opened once, so contents agree."""
    try:
        with open_image_file(path) as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return LoadedImage(digest, None if digest in seen else load_input(file, settings))
    except OSError as error:
        return LoadedImage(b"", error=f"{path}: {error.strerror or error}")
    except ImageError as error:
        return LoadedImage(b"", error=str(error))
    except InputError as error:  # not even opened
        return LoadedImage(b"", error=f"{path}: {error}")


@contextmanager
def _threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers or min(2, os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after an error the waiting tasks are useless


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[Path], LoadedImage],
    paths: Iterable[Path],
    ahead: int,
) -> Iterator[LoadedImage]:
    waiting: deque[Future[LoadedImage]] = deque()
    for path in paths:
        waiting.append(pool.submit(work, path))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
