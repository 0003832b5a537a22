"""Workers on a Ray cluster, https://docs.ray.io: actors, each with one core and the network.

Ray never repeats a task by itself here (``max_restarts`` and ``max_task_retries`` are 0): whoever
asks for a block is told that its worker was lost, and a new one takes its place.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imlgcn.batch.blocks import Block
from imlgcn.batch.remote import reason_of
from imlgcn.batch.shard import Report, ShardTagger
from imlgcn.batch.tagger import BatchTagger
from imlgcn.engines.base import cores
from imlgcn.errors import InputError
from imlgcn.extras import require
from imlgcn.stopping import SIGNALS

HOST = re.compile(r"(ray://)?(?P<host>\[[^]]+\]|[^:/]+):(?P<port>\d+)")
PATIENCE = 10.0  # seconds
HEADER, SETTINGS = 9, b"\4"  # bytes of a frame's header in HTTP/2, and its type, the fourth
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0" + SETTINGS + bytes(5)  # as gRPC begins
ADVICE = "correct the address, start one there, or unset RAY_ADDRESS to use this machine alone"
MEMORY = 100 * 2**20  # bytes of Ray's object store, which holds no images here


def check_ray() -> None:
    """Raise `InputError` if Ray or fsspec is not installed."""
    for name in ("ray", "fsspec"):
        require(name, "cluster='ray'")


def check_address() -> None:
    """Raise `InputError` if no cluster answers at the host of ``$RAY_ADDRESS``: Ray goes on trying.

    ``auto`` and other addresses without a host are left to Ray.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    if (found := HOST.fullmatch(address)) is None or _is_connected():
        return
    place = found["host"].strip("[]"), int(found["port"])
    try:
        with socket.create_connection(place, PATIENCE) as connection:  # of reads, too
            if os.environ.get("RAY_USE_TLS") == "1":  # Ray has the certificates
                return
            connection.sendall(HELLO)
            if connection.recv(HEADER)[3:4] == SETTINGS:
                return
            reason = "what answers there is not Ray"
    except (OSError, OverflowError) as error:  # a port may have too many digits
        reason = reason_of(error, address)
    raise InputError(f"no Ray cluster at RAY_ADDRESS={address}: {reason}; {ADVICE}")


def _is_connected() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextmanager
def ray_workers(
    tag: BatchTagger, place: Path, folder: str, workers: int | None
) -> Iterator[RayWorkers]:
    """Yield the workers on the cluster of ``$RAY_ADDRESS``, or on one that is started here.

    Args:
        tag: what they tag with.
        place: the folder for their files.
        folder: what paths are relative to.
        workers: how many; None: as many as there are cores.

    Raises:
        InputError: there is no cluster at the address, or it has no core.
    """
    with _ray(workers) as ray:
        number = workers or int(ray.cluster_resources().get("CPU", 0))
        if not number:
            raise InputError("the Ray cluster has no core to work on")
        actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ShardTagger)
        pool = RayWorkers(ray, lambda: actor.remote(tag, str(place), folder), number)
        try:
            yield pool
        finally:
            pool.close()


class RayWorkers:
    """So many actors; one that is lost is replaced."""

    def __init__(self, ray: Any, make: Any, number: int) -> None:
        self._ray, self._make = ray, make
        self._idle = [make() for _ in range(number)]
        self._running: dict[Any, tuple[Any, Block]] = {}

    @property
    def idle(self) -> int:
        """How many actors have no block."""
        return len(self._idle)

    def submit(self, block: Block, *, last: bool) -> None:
        """Give a block to an actor that has none."""
        actor = self._idle.pop()
        self._running[actor.tag.remote(block, last)] = (actor, block)

    def done(self, timeout: float) -> list[tuple[Block, Report | Exception]]:
        """Return what came of the blocks that are done, after so many seconds at most."""
        ready, _ = self._ray.wait(list(self._running), timeout=timeout)
        found: list[tuple[Block, Report | Exception]] = []
        for reference in ready:
            actor, block = self._running.pop(reference)
            try:
                outcome: Report | Exception = self._ray.get(reference)
                self._idle.append(actor)
            except self._ray.exceptions.RayTaskError as error:  # raised by the work itself
                outcome = error.cause if isinstance(error.cause, Exception) else error
                self._idle.append(actor)
            except self._ray.exceptions.RayError as error:  # the actor, or its machine, is lost
                outcome = error
                self._end(actor)
                self._idle.append(self._make())
            found.append((block, outcome))
        return found

    def close(self) -> None:
        """End the actors, whatever they are doing."""
        for actor in [*self._idle, *(actor for actor, _ in self._running.values())]:
            self._end(actor)

    def _end(self, actor: Any) -> None:
        with suppress(Exception):  # it may be gone, and so may the cluster
            self._ray.kill(actor)


@contextmanager
def _ray(workers: int | None) -> Iterator[Any]:
    """Yield Ray, connected; a cluster that was not started here goes on."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # it warns of a change else
    import ray

    if ray.is_initialized():  # by whoever calls
        yield ray
        return
    with _own_signals():
        _connect(ray, workers)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, workers: int | None) -> None:
    silent = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **silent)
        else:
            ray.init(
                address="local",
                num_cpus=workers or cores(),
                object_store_memory=MEMORY,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **silent,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at RAY_ADDRESS={address}" if address else "on this machine"
        advice = f"; {ADVICE}" if address else ""
        raise InputError(f"no Ray cluster {where}: {error}{advice}") from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our handlers of signals: Ray would set its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
