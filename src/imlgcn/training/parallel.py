"""Independent pieces of work in copies of this process, one for each core.

A copy (fork) shares memory until it writes, as the workers of torch's data loader do; nothing but
the results is sent. Only where that is safe: on Linux, and with torch on the CPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

from imlgcn.stopping import end_with_the_parent

Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    found = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return len(found)


def each(tasks: Sequence[Callable[[], Result]], *, parallel: bool) -> Iterator[tuple[int, Result]]:
    """Yield the index and the result of each task, as they are finished.

    Args:
        tasks: functions of no arguments; they use one thread of torch and no GPU. Their results can
            be pickled.
        parallel: whether the work is worth a copy of the process; without, in order and here.

    Raises:
        Exception: what a task raised.
        RuntimeError: a copy was killed, as by the system when memory is short.
    """
    workers = min(cores(), len(tasks))
    if not parallel or workers < 2 or sys.platform != "linux":
        yield from ((index, task()) for index, task in enumerate(tasks))
        return
    context = get_context("fork")
    turn = context.Value("i", 0)
    pipes: dict[Connection, Any] = {}
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe(duplex=False)
            given = tasks, turn, theirs, os.getpid()
            process = context.Process(target=_work, args=given, daemon=True)
            process.start()
            theirs.close()
            pipes[ours] = process
        for _ in tasks:
            yield _receive(list(pipes), tasks)
    finally:
        for process in pipes.values():
            process.terminate()
            process.join()


def _receive(pipes: list[Connection], tasks: Sequence[Any]) -> tuple[int, Any]:
    while pipes:
        for pipe in wait(pipes):
            assert isinstance(pipe, Connection)
            try:
                index, result = pipe.recv()
            except EOFError:  # no more work for it, or it was killed
                pipes.remove(pipe)
                continue
            if isinstance(result, BaseException):
                raise result
            return index, result
    raise RuntimeError(
        f"a process that did a part of {len(tasks)} was killed; is there enough memory?"
    )


def _work(tasks: Sequence[Callable[[], Any]], turn: Any, pipe: Connection, parent: int) -> None:
    end_with_the_parent(parent)
    torch.set_num_threads(1)
    while True:
        with turn.get_lock():
            index = turn.value
            turn.value += 1
        if index >= len(tasks):
            return
        try:
            pipe.send((index, tasks[index]()))
        except BaseException as error:
            pipe.send((index, error))
            return
