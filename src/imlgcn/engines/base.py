"""The protocol of engines: a batch of network inputs in, logits out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MEANING, MapKind

LARGEST_BATCH = 16  # that a file may ask for
GPU_BATCH = 32  # images at a time on a GPU
_FORKS: list[int] = []  # this process, where it was forked from one that had this module


def is_forked() -> bool:
    """Return whether this process was forked: threads of its parent are missing in it."""
    return bool(_FORKS)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=lambda: _FORKS.append(os.getpid()))


def map_kind_of(metadata: Mapping[str, str]) -> MapKind | None:
    """Return the kind of an exported file's maps, from its metadata; None where it has none."""
    kind = metadata.get("maps")
    return next((known for known in MEANING if known == kind), None)


def batch_of(metadata: Mapping[str, str]) -> int:
    """Return how many images at a time an exported file asks for, from its metadata; else 1.

    On the CPU more are hardly faster, and take memory; a network asks for them where each run reads
    much memory, however many images there are.

    >>> batch_of({"batch": "2"}), batch_of({})
    (2, 1)
    """
    asked = metadata.get("batch", "")
    return int(asked) if asked in map(str, range(1, LARGEST_BATCH + 1)) else 1


class Engine(Protocol):
    """Computes the logits of a batch of network inputs, on any number of threads at once.

    Shape:
        - pixels uint8 ``(B, S, S, 3)``, output float32 ``(B, L)``, not calibrated
    """

    name: str

    streams: int
    """How many threads should call it at once to use the whole machine."""

    batch: int
    """How many images at a time it scores fastest, in throughput."""

    takes_known: bool
    """Whether the network conditions on known labels."""

    map_kind: MapKind | None
    """The kind of the maps that `maps` returns; None where the network has none."""

    metadata: dict[str, str]
    """The metadata of an exported file; ``imlgcn`` is the tagger's ``model.json``."""

    def streaming(self) -> AbstractContextManager[int]:
        """Set the runtime up for calls from several threads at once; yield their number."""
        ...

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch of any length, 0 included.

        ``known`` ``(B, L)`` (1 present, 0 absent, -1 unknown) is for networks that take it.
        """
        ...

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits and maps ``(B, L, h, w)``; only where ``map_kind`` is set."""
        ...


def cores() -> int:
    """Return how many cores this process may use: ``$OMP_NUM_THREADS`` or what the system allows.

    The cores of the container or job count, not those of the machine.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1
