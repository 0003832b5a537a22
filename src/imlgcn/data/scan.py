"""Scan of image files: does each exist, can it be decoded, and what does it look like?

The digests and thumbnails serve the search for duplicates (``near_duplicates.py``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.image_limits import open_image_file
from imlgcn.data.images import MAX_PIXELS, ImageError, image_info
from imlgcn.data.packed import is_image_there
from imlgcn.data.shards import FeatureShards
from imlgcn.data.thumbnails import thumbnail_of
from imlgcn.errors import InputError
from imlgcn.progress import SILENT, Progress

VERSION = 1  # of the thumbnails in the cache: increase it when they are made in another way
EMPTY: Mapping[bytes, NDArray[np.uint8]] = {}


@dataclass(frozen=True)
class Scan:
    """Result for one file: a digest and a thumbnail, or a problem."""

    digest: str = ""  # SHA-256 of the content
    thumbnail: NDArray[np.uint8] | None = None  # (16, 17, 3)
    problem: str = ""  # missing, too_large, truncated, unreadable, or none
    message: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether the image has a single colour."""
        return self.thumbnail is not None and int(np.ptp(self.thumbnail, axis=(0, 1)).max()) <= 2


def scan_images(
    paths: Sequence[Path],
    *,
    cache: Path | None = None,
    progress: Progress = SILENT,
    stage: str = "Scanning images",
) -> list[Scan]:
    """Scan files in threads: decoding releases the interpreter lock.

    ``cache``: a folder of thumbnails by file content; what is in it is not decoded again.
    """
    shards = FeatureShards(cache, np.dtype(np.uint8))
    kept = _kept(shards)
    with (
        shards,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        progress.bar(stage, len(paths)) as advance,
    ):
        scans = []
        for scan in pool.map(partial(scan_image, kept=kept), paths):
            scans.append(scan)
            if scan.thumbnail is not None and (digest := bytes.fromhex(scan.digest)) not in kept:
                kept[digest] = scan.thumbnail
                shards.append([digest], scan.thumbnail[None])
            advance(1)
    return scans


def find_images(paths: Sequence[Path], *, progress: Progress = SILENT) -> list[Scan]:
    """Return which files are missing, without reading any; each folder is listed once."""
    folders: dict[str, set[str]] = {}
    scans = []
    with progress.bar("Looking for images", len(paths)) as advance:
        for path in paths:
            folder, name = os.path.split(path)
            if (names := folders.get(folder)) is None:
                names = folders[folder] = _file_names(folder or ".")
            found = name in names or is_image_there(path)  # the second where case does not matter
            scans.append(Scan() if found else _missing(path))
            advance(1)
    return scans


def _file_names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def _missing(path: Path) -> Scan:
    return Scan(problem="missing", message=f"{path}: no such file")


def _kept(shards: FeatureShards) -> dict[bytes, NDArray[np.uint8]]:
    """Return the thumbnails in the cache by the SHA-256 of their files."""
    found: dict[bytes, NDArray[np.uint8]] = {}
    rows: dict[Path, NDArray[np.uint8] | None] = {}
    for digest, (shard, row) in shards.index().items():
        if shard not in rows:
            rows[shard] = shards.read(shard)
        if (thumbnails := rows[shard]) is not None:
            found[digest] = thumbnails[row]
    return found


def scan_image(path: Path, kept: Mapping[bytes, NDArray[np.uint8]] = EMPTY) -> Scan:
    """Scan one file; its thumbnail is taken from ``kept`` if its content is there."""
    if not is_image_there(path):
        return _missing(path)
    digest = ""
    try:
        with open_image_file(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if (thumbnail := kept.get(bytes.fromhex(digest))) is not None:
            return Scan(digest, thumbnail)
        info = image_info(path)
        if info.width * info.height > MAX_PIXELS:
            message = f"{path}: {info.width} x {info.height} pixels"
            return Scan(digest, problem="too_large", message=message)
        return Scan(digest, thumbnail_of(path))
    except OSError as error:
        return Scan(digest, problem="unreadable", message=f"{path}: {error.strerror or error}")
    except ImageError as error:
        problem = "truncated" if "truncated" in str(error) else "unreadable"
        return Scan(digest, problem=problem, message=str(error))
    except InputError as error:  # not even opened
        return Scan(digest, problem="unreadable", message=f"{path}: {error}")
