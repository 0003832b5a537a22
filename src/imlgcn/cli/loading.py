"""Loading libraries without the garbage collector, for commands that are over in a moment."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def loading() -> Iterator[None]:
    """Load libraries and files in the block: all of it stays to the end of the program.

    Python's collector would search it for garbage each time that it has grown by a quarter, and
    once more at the end of the program: together a fifth of what tagging one image takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
        _spare_the_end()


@cache
def _spare_the_end() -> None:
    atexit.register(_leave_the_rest)


def _leave_the_rest() -> None:
    """Leave what there is to the system; torch has libraries that complain about what is left."""
    if "torch" in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()
