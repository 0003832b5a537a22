"""Image files in, rows out: in order, with all cores busy.

Each worker decodes a few images, scores them itself on one thread of the engine, and makes their
rows: no core waits while there is work for any, and pixels never move from thread to thread.
Decoding, resizing and scoring release Python's global lock.
Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from threading import Semaphore
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.image_input import ImageLike, ImageTypeError, name_of
from imlgcn.engines.base import cores
from imlgcn.errors import InputError
from imlgcn.prediction.rows import Row
from imlgcn.tagger.choice import TagBounds, TagRule

if TYPE_CHECKING:
    from imlgcn.prediction.known import KnownTable
    from imlgcn.tagger import Tagger
    from imlgcn.tagger.thresholds import Threshold

DIGITS = 6  # of probabilities and thresholds in rows
AHEAD = 4  # chunks for each worker that may be finished before an earlier one is
Input = NDArray[np.uint8] | str  # one image (S, S, 3), or why it cannot be used
Rows = list[Row]  # of one image: at least one
Item = tuple[str, ImageLike, Rows | None]  # name, image, and its rows where it needs no scoring
Given = TypeVar("Given")
Made = TypeVar("Made")


class RowMaker:
    """Decodes, scores and describes a few images at a time; many threads may call it at once.

    Only tags, or every label that is shown with ``all_labels``, the most probable first; an image
    without any gets one row with an empty label, one that cannot be read a row with ``error``.
    Numbers have ``digits``, or all that there are with None. ``tolerant``: what is no image in any
    form that is accepted is a row with ``error``, too, and not refused.

    Raises:
        InputError: the tagger does not support the threshold, the bounds or the known labels.
    """

    def __init__(
        self,
        tagger: Tagger,
        *,
        threshold: Threshold | None = None,
        bounds: TagBounds | None = None,
        known: Mapping[str, int] | None = None,
        known_from: KnownTable | None = None,
        all_labels: bool = False,
        digits: int | None = DIGITS,
        tolerant: bool = False,
    ) -> None:
        self._tagger, self._labels, self._all = tagger, tagger.labels, all_labels
        self.thresholds = tagger.thresholds_for(threshold)  # (L,)
        self.bounds = bounds or TagBounds()
        self._rule = TagRule(tagger.label_table, self.thresholds, self.bounds)
        self._digits, self._tolerant = digits, tolerant
        self._known, self._known_from = tagger.known_row(known), known_from
        self._slots = Semaphore()

    def limit(self, streams: int) -> None:
        """Let this many threads use the engine at once; the others decode meanwhile."""
        self._slots = Semaphore(streams)

    def __call__(self, chunk: Iterable[Item]) -> list[Rows]:
        """Return the rows of each image; one file that cannot be read never ends the run."""
        images = [(name, rows or self._load(image, name)) for name, image, rows in chunk]
        read = [(name, found) for name, found in images if isinstance(found, np.ndarray)]
        scores: Iterator[NDArray[np.float64]] = iter(())
        if read:
            pixels, known = np.stack([found for _, found in read]), self._known_of(read)
            with self._slots:
                scores = iter(self._tagger.probabilities(pixels, known))  # (B, L)
        return [
            found
            if isinstance(found, list)
            else [Row(name, error=found)]
            if isinstance(found, str)
            else self._rows(name, next(scores))
            for name, found in images
        ]

    def _known_of(self, read: Sequence[tuple[str, object]]) -> NDArray[np.int8] | None:
        """Return what is known of each image (B, L), or of all (L,); the table's word is last."""
        found = [self._known_from.row(name) if self._known_from else None for name, _ in read]
        if all(row is None for row in found):
            return self._known
        rest = np.full(len(self._labels), -1, np.int8) if self._known is None else self._known
        return np.stack([rest if row is None else np.where(row >= 0, row, rest) for row in found])

    def _load(self, image: ImageLike, name: str) -> Input:
        """Return the preprocessed image or what is wrong with it."""
        try:
            return self._tagger.load_input(image)
        except MemoryError:  # not the image's fault
            raise
        except Exception as error:  # an object that is given as an image may raise anything
            is_of_image = isinstance(error, OSError | ValueError)
            if not self._tolerant and (isinstance(error, ImageTypeError) or not is_of_image):
                raise
            reason = str(error)
            for known in (name, name_of(image) or name, "image"):
                reason = reason.removeprefix(f"{known}: ")
            return reason or type(error).__name__

    def _rows(self, name: str, scores: NDArray[np.float64]) -> Rows:
        table = self._rule.table
        scores, given = self._rule.decide(scores)
        wanted = np.flatnonzero(table.shown if self._all else given)
        order = wanted[np.argsort(-scores[wanted], kind="stable")]
        values = zip(
            order.tolist(),
            self._rounded(scores[order]),
            self._rounded(self.thresholds[order]),
            strict=True,
        )
        rows = [Row(name, self._labels[i], p, t) for i, p, t in values]
        if not table.is_default or self.bounds.are_set:
            names = [table.name_of(row.label) for row in rows]
            tags = given[order].tolist() if self._rule.decides else [None] * len(rows)
            ruled = zip(rows, names, tags, strict=True)
            rows = [row._replace(name=called, tag=tag) for row, called, tag in ruled]
        return rows or [Row(name)]

    def _rounded(self, numbers: NDArray[np.float64]) -> list[float]:
        found: list[float] = (
            numbers if self._digits is None else numbers.round(self._digits)
        ).tolist()
        return found


def stream_rows(
    tagger: Tagger,
    maker: RowMaker,
    items: Iterable[Item],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Generator[Rows]:
    """Yield the rows of each image in order, as soon as those before it are done.

    ``batch_size`` images are decoded and scored together (by default what suits the engine), by
    each of ``workers`` threads (by default one for each core).

    Raises:
        InputError: ``batch_size`` or ``workers`` is below 1.
    """
    if (batch_size or 1) < 1 or (workers or 1) < 1 or 0 in (batch_size, workers):
        raise InputError(
            f"batch size and workers must be at least 1; got {batch_size} and {workers}"
        )
    return _stream(tagger, maker, items, batch_size, workers)


def _stream(
    tagger: Tagger,
    maker: RowMaker,
    items: Iterable[Item],
    batch_size: int | None,
    workers: int | None,
) -> Generator[Rows]:
    engine = tagger.engine
    with engine.streaming() as streams:
        maker.limit(streams)
        chunks = _chunks(items, batch_size or engine.batch)
        with closing(in_order(maker, chunks, workers or max(streams, cores()))) as done:
            for images in done:
                yield from images


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def in_order(
    work: Callable[[Given], Made], items: Iterable[Given], workers: int
) -> Generator[Made]:
    """Yield ``work(item)`` of each item in order, done by several threads.

    Items are taken when there is room: :data:`AHEAD` for each worker, so memory stays bounded.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="predict")
    pending: deque[Future[Made]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) == AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
