"""Engines that several copies of a tagger share in one process.

A pool of processes unpickles the tagger for every task: all tasks of a process share one engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable

from imlgcn.engines.base import Engine

MOST = 4  # engines that are kept
SHARED: dict[Hashable, Engine] = {}


def shared_engine(key: Hashable, opener: Callable[[], Engine]) -> Engine:
    """Return this process's engine for ``key``; it is opened once."""
    here = (os.getpid(), key)
    if here not in SHARED:
        while len(SHARED) >= MOST:
            SHARED.pop(next(iter(SHARED)))
        SHARED[here] = opener()
    return SHARED[here]
