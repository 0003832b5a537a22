"""Decode images of many requests in parallel and score them together.

A pool of threads decodes, or has other processes decode; as many threads as the engine has streams
each take what is ready, up to a batch, and score it. It knows neither HTTP nor taggers: both
functions are passed in.
Shapes: B batch, L labels.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # one image (S, S, 3)
Known = NDArray[np.int8] | None  # its known labels (L,)
Row = NDArray[np.float64]  # its probabilities (L,)
Decode = Callable[[bytes], Pixels]
Score = Callable[[Pixels, Sequence[Known]], Row]  # (B, S, S, 3) and B known rows -> (B, L)


class QueueFullError(Exception):
    """More images were submitted than the queue holds."""


class ClosedError(Exception):
    """The batcher accepts no more images."""


@dataclass(eq=False)
class _Item:
    data: bytes
    known: Known
    future: Future[Row] = field(default_factory=Future)
    pixels: Pixels | None = None


class Batcher:
    """Scores images that arrive one by one in batches.

    A batch is closed when it is full, when ``max_wait_ms`` have passed since its first image was
    ready, or when no other image is being decoded: a lone image never waits.
    """

    def __init__(
        self,
        decode: Decode,
        score: Score,
        *,
        streams: int,
        workers: int,
        max_batch: int,
        max_wait_ms: float,
        queue: int,
        on_batch: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._decode, self._score, self._on_batch = decode, score, on_batch
        self._max_batch, self._max_wait, self._queue = max_batch, max_wait_ms / 1000, queue
        self._changed = threading.Condition()  # guards the four below
        self._ready: deque[_Item] = deque()
        self._decoding = 0
        self._accepted = 0
        self._closed = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._threads = [
            threading.Thread(target=self._run, name=f"score-{number}", daemon=True)
            for number in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def accepted(self) -> int:
        """How many images have room reserved and are not answered yet."""
        return self._accepted

    @contextmanager
    def reserve(self, images: int) -> Iterator[None]:
        """Reserve room for some images while the block runs.

        Raises:
            QueueFullError: there is not that much room; nothing is reserved then.
            ClosedError: the batcher is closed.
        """
        with self._changed:
            if self._closed:
                raise ClosedError
            if self._accepted + images > self._queue:
                raise QueueFullError
            self._accepted += images
        try:
            yield
        finally:
            with self._changed:
                self._accepted -= images

    def submit(self, data: bytes, known: Known = None) -> Future[Row]:
        """Decode and score one image; the future holds its probabilities or the error.

        A future that is cancelled before its turn is skipped.
        """
        item = _Item(data, known)
        with self._changed:
            self._decoding += 1
        self._pool.submit(self._prepare, item)
        return item.future

    def close(self) -> None:
        """Finish every submitted image, then end the threads."""
        with self._changed:
            self._closed = True
        self._pool.shutdown()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _prepare(self, item: _Item) -> None:
        try:
            if not item.future.cancelled():
                item.pixels = self._decode(item.data)
        except Exception as error:
            _answer(item.future, error)
        item.data = b""
        with self._changed:
            self._decoding -= 1
            if item.pixels is not None:
                self._ready.append(item)
            self._changed.notify_all()

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            batch = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if batch:
                self._score_batch(batch)

    def _take(self) -> list[_Item] | None:
        """Wait for images and return some; None when closed and empty."""
        with self._changed:
            while not self._ready:
                if self._closed and not self._decoding:
                    return None
                self._changed.wait()
            end = time.monotonic() + self._max_wait
            while self._decoding and 0 < len(self._ready) < self._max_batch:
                if (left := end - time.monotonic()) <= 0:
                    break
                self._changed.wait(left)
            size = min(len(self._ready), self._max_batch)  # 0 where another thread was faster
            return [self._ready.popleft() for _ in range(size)]

    def _score_batch(self, batch: list[_Item]) -> None:
        started = time.perf_counter()
        try:
            pixels = np.stack([item.pixels for item in batch if item.pixels is not None])
            rows = self._score(pixels, [item.known for item in batch])
        except Exception as error:
            for item in batch:
                item.future.set_exception(error)
            return
        self._on_batch(len(batch), time.perf_counter() - started)
        for item, row in zip(batch, rows, strict=True):
            item.future.set_result(row)


def _answer(future: Future[Row], error: Exception) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
