"""Decode images in processes that are killed when an image takes too long or too much memory.

Each process (:mod:`imlgcn.data.decode_worker`) has one image at a time. An image that exceeds a
limit costs its process, which is replaced, and nothing else. A process that ends for any other
reason, such as a kill from outside, costs nothing: another decodes the image again, once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.decode_worker import receive, send
from imlgcn.data.images import ImageError, ImageInfo
from imlgcn.data.thumbnails import SHAPE
from imlgcn.image_settings import ImageSettings

SECONDS = 10.0  # for one image; the largest that are accepted take about 3
MEMORY = 2**30  # bytes for one image
START = 60.0  # seconds until a new process is ready, also on a machine with much else to do
TRIES = 2  # processes for one image
STARTS = 3  # in vain, before it is no accident
START_CODE = (
    "import sys; sys.path[:] = sys.argv[3:]\n"
    "from imlgcn.data.decode_worker import main\n"
    "main(int(sys.argv[1]), float(sys.argv[2]))"
)
SECRETS = ("IMLGCN_TOKEN",)  # a process that reads what nobody checked need not know them


Message = tuple[dict[str, Any], bytes]


class DecodedImage(NamedTuple):
    """The network input ``(S, S, 3)``, uint8, and the (width, height) of what was resized to it.

    ``thumbnail`` is that of :func:`imlgcn.data.thumbnails.thumbnail_of`, where it was asked for.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    thumbnail: NDArray[np.uint8] | None = None


class RefusedError(ImageError):
    """An image cannot be used; ``info`` is what its header says, None where that is damaged."""

    def __init__(self, message: str, info: ImageInfo | None = None) -> None:
        super().__init__(message)
        self.info = info


class LimitError(ImageError):
    """Decoding an image exceeded a limit of time or memory, or ended its process every time."""


class ClosedPoolError(RuntimeError):
    """The pool is closed."""


class DecodePool:
    """Processes that decode; any number of threads may call it, each waits for its own image."""

    def __init__(self, processes: int, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        """Prepare for ``processes`` at once, each image with its ``seconds`` and ``memory``.

        A process is started when it is first needed, or by `open`.
        """
        self._count, self._seconds, self._memory = processes, seconds, memory
        self._idle: SimpleQueue[_Worker | None] = SimpleQueue()  # None: one that is to be started
        for _ in range(processes):
            self._idle.put(None)
        self._lock = threading.Lock()  # guards the set and whether it may grow
        self._workers: set[_Worker] = set()
        self._closed = threading.Event()
        self._watching = False

    def open(self) -> None:
        """Start every process, without waiting until they are ready."""
        for _ in range(self._count):
            self._idle.put(self._idle.get() or self._start())

    def close(self) -> None:
        """Kill every process; what they were decoding ends with `ClosedPoolError`."""
        with self._lock:
            self._closed.set()
            workers = list(self._workers)
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.process.wait()

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the processes that run now."""
        with self._lock:
            return tuple(worker.process.pid for worker in self._workers)

    def __call__(
        self,
        data: bytes,
        settings: ImageSettings,
        *,
        max_pixels: int,
        with_thumbnail: bool = False,
    ) -> DecodedImage:
        """Return the network input of the image in ``data``.

        Raises:
            RefusedError: it is not an image of a known format, damaged, or beyond a limit of
                its size.
            LimitError: it took too long or too much memory.
            ClosedPoolError: the pool was closed.
        """
        asked = {
            "image": settings.model_dump(mode="json"),
            "max_pixels": max_pixels,
            "thumbnail": with_thumbnail,
        }
        for _ in range(TRIES):
            if (found := self._ask(asked, data)) is not None:
                return _decoded(*found, settings.size)
        raise LimitError("image: the process that decoded it ended each time, without an answer")

    def _ask(self, asked: dict[str, Any], data: bytes) -> Message | None:
        """Return the answer of a process; None where it ended without one."""
        worker = self._take()
        answer = None
        try:
            answer = worker.ask(asked, data, self._seconds)
        finally:
            if answer is None or answer[0]["last"] or worker.is_overdue:
                self._discard(worker)
                self._idle.put(None if self._closed.is_set() else self._start())
            else:
                self._idle.put(worker)
        if answer is None and self._closed.is_set():
            raise ClosedPoolError
        if answer is None and worker.is_overdue:
            raise LimitError(f"image: takes more than {self._seconds:g} seconds to decode")
        if answer is not None and answer[0].get("limit"):
            size = f"{self._memory / 2**20:,.0f} MiB"
            raise LimitError(f"image: takes more than {size} of memory to decode")
        return answer

    def _take(self) -> _Worker:
        """Return a process that runs, as soon as one has nothing to do."""
        failed = 0
        while worker := self._idle.get() or self._start():
            if worker.is_ready():
                return worker
            self._discard(worker)
            self._idle.put(None)
            failed += not worker.has_started
            if failed == STARTS and not self._closed.is_set():
                raise RuntimeError("the processes that decode images do not start")
        self._idle.put(None)  # for the next that waits
        raise ClosedPoolError

    def _start(self) -> _Worker | None:
        with self._lock:
            if self._closed.is_set():
                return None
            worker = _Worker(self._memory, self._seconds)
            self._workers.add(worker)
            if not self._watching:
                threading.Thread(target=self._watch, name="decode-watch", daemon=True).start()
                self._watching = True
            return worker

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.end()

    def _watch(self) -> None:
        while not self._closed.wait(min(self._seconds / 10, 1)):
            with self._lock:
                workers = list(self._workers)
            for worker in workers:
                worker.kill_if_overdue()


class _Worker:
    """One process. Only the thread that took it from the pool asks it."""

    def __init__(self, memory: int, seconds: float) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START_CODE, str(memory), str(seconds), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal is for the server alone
        )
        self.is_overdue = False
        self.has_started = False
        self._lock = threading.Lock()  # guards the two below
        self._deadline: float | None = None

    def is_ready(self) -> bool:
        """Wait until it has started, and return whether it runs."""
        if not self.has_started:
            self.has_started = self._timed(START, self._receive) is not None
        return self.has_started and self.process.poll() is None and not self.is_overdue

    def ask(self, asked: dict[str, Any], data: bytes, seconds: float) -> Message | None:
        """Return its answer to a message; None where it ended, or was killed, before that."""
        stdin = self.process.stdin
        assert stdin is not None

        def exchange() -> Message | None:
            send(stdin, asked, data)  # type: ignore[arg-type]
            return self._receive()

        return self._timed(seconds, exchange)

    def kill_if_overdue(self) -> None:
        with self._lock:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.is_overdue = True
                self.kill()

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        """Kill it and give back what the system holds for it."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # of what was still to be written
                assert pipe is not None
                pipe.close()
        self.process.wait()

    def _receive(self) -> Message | None:
        assert self.process.stdout is not None
        return receive(self.process.stdout)  # type: ignore[arg-type]

    def _timed(self, seconds: float, work: Callable[[], Message | None]) -> Message | None:
        with self._lock:
            self._deadline = time.monotonic() + seconds
        try:
            return work()
        except OSError:  # it ended while it was written to
            return None
        finally:
            with self._lock:
                self._deadline = None


def _decoded(facts: dict[str, Any], pixels: bytes, side: int) -> DecodedImage:
    if "bug" in facts:
        raise RuntimeError(f"decoding an image failed\n{facts['bug']}")
    if "error" in facts:
        info = facts["info"] and ImageInfo(*facts["info"])
        raise RefusedError(facts["error"], info)
    array, rest = np.split(np.frombuffer(bytearray(pixels), np.uint8), [3 * side**2])
    thumbnail = rest.reshape(SHAPE) if len(rest) else None
    return DecodedImage(array.reshape(side, side, 3), tuple(facts["size"]), thumbnail)
