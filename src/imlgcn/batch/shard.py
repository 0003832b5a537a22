"""The work of one worker: a block of images becomes a file of rows that nobody counts yet.

The file lies in a folder of its own, under a name of its own: it counts when the driver has given
it its place. A block that is tagged twice, as after a worker was lost, gives two such files, of
which one takes the place.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imlgcn.batch.blocks import Block, images_of
from imlgcn.batch.packs import Found
from imlgcn.batch.remote import GONE, reason_of
from imlgcn.batch.tagger import BatchTagger
from imlgcn.data.unpack import BROKEN
from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.prediction.results import Total
from imlgcn.prediction.rows import Row, open_rows
from imlgcn.prediction.stream import Item


class Report(NamedTuple):
    """What a worker says of a block that it has tagged."""

    shard: int
    file: str  # its path
    sha256: str  # of the file
    images: int
    failed: int
    tags: int
    untagged: int
    rows: int
    errors: tuple[str, ...]  # the first few
    cpu_seconds: float


class ShardTagger:
    """Tags blocks, one after another, with one tagger.

    Args:
        tag: the tagger; each process opens its network once.
        place: the folder for files that do not count yet.
        folder: what paths are relative to.
    """

    def __init__(self, tag: BatchTagger, place: str, folder: str) -> None:
        self._tag, self._place, self._folder = tag, Path(place), folder

    def tag(self, block: Block, last: bool = False) -> Report:
        """Write the rows of a block to a new file and return what is in it.

        Damaged files have a row with an error. When a pack cannot be read for another reason, such
        as the network, the error is raised for another try; on the ``last`` it is a row as well.
        """
        started = time.process_time()
        name = f"{block.number:06}-{os.getpid()}-{secrets.token_hex(6)}.parquet"
        total, rows = Total(None), 0
        with open_rows(self._place / name, self._tag.columns) as write:
            for found in self._tag.rows(self._items(block, last)):
                write(found)
                total.add(found)
                rows += len(found)
        counts = total.summary()
        return Report(
            shard=block.number,
            file=str(self._place / name),
            sha256=sha256_file(self._place / name),
            images=counts.images,
            failed=counts.failed,
            tags=counts.tags,
            untagged=counts.untagged,
            rows=rows,
            errors=counts.errors,
            cpu_seconds=round(time.process_time() - started, 3),
        )

    def _items(self, block: Block, last: bool) -> Iterator[Item]:
        for found in self._images(block, last):
            if found.image is None:
                yield found.name, found.name, [Row(found.name, error=found.error)]
            else:
                yield found.name, found.image, None

    def _images(self, block: Block, last: bool) -> Iterator[Found]:
        from pyarrow import ArrowException

        is_empty = bool(block.pack) and not block.groups  # of a table, what is left out is known
        try:
            for found in images_of(block, self._folder):
                is_empty = False
                yield found
            if is_empty:
                yield Found(block.pack, None, "holds no images")
        except Exception as error:  # each file system has errors of its own
            is_damage = isinstance(error, (InputError, ArrowException, *GONE, *BROKEN))
            if not (block.pack and (is_damage or last)):
                raise
            yield _unread(block, error)


def _unread(block: Block, error: Exception) -> Found:
    reason = reason_of(error, block.pack)
    return Found(block.pack, None, f"cannot be read to its end: {reason}")
