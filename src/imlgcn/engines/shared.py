"""Engines that several copies of a tagger share in one process.

A pool of processes unpickles the tagger for every task: all tasks of a process share one engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable

from imlgcn.engines.base import Engine

MOST = 4  # engines that are kept
SHARED: dict[tuple[int, Hashable], Engine] = {}  # by process and what it runs


_KEPT: list[object] = []


def keep_forever(engine: object) -> None:
    """Never delete what was opened by the process that this one was forked from."""
    _KEPT.append(engine)


def shared_engine(key: Hashable, opener: Callable[[], Engine]) -> Engine:
    """Return this process's engine for ``key``; it is opened once."""
    here = (os.getpid(), key)
    if here not in SHARED:
        while len(SHARED) >= MOST:
            owner, _ = oldest = next(iter(SHARED))
            engine = SHARED.pop(oldest)
            if owner != os.getpid():
                keep_forever(engine)
        SHARED[here] = opener()
    return SHARED[here]
