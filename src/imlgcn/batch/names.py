"""One name for each file: the first that it is given by, whatever spelling comes later."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from imlgcn.batch.remote import is_address

OF_THIS_MACHINE = ("file://", "local://")


class Names:
    """The files that were met, known by their whole path or address; links are files of their own.

    >>> met = Names(["photos/a.jpg"])
    >>> met.is_new("./photos/b/../a.jpg"), met.is_new("photos/b.jpg"), met.is_new("photos/b.jpg")
    (False, True, False)
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._seen = {_key(name) for name in names}

    def is_new(self, name: str) -> bool:
        """Return whether a file is met for the first time."""
        before = len(self._seen)
        self._seen.add(_key(name))
        return len(self._seen) > before


def tidy(name: str) -> str:
    """Return the name that a file is called by: a path without ``./`` and ``//``, or its address.

    >>> tidy("./photos//a.jpg"), tidy("file:///photos/a.jpg"), tidy("http://x/a.jpg")
    ('photos/a.jpg', '/photos/a.jpg', 'http://x/a.jpg')
    """
    name = own_path(name)
    return name if is_address(name) else str(Path(name))


def own_path(name: str) -> str:
    """Return the path that an address of this machine has, ``file:///a.jpg``; else the name."""
    return name.partition("://")[2] if name.lower().startswith(OF_THIS_MACHINE) else name


def _key(name: str) -> int:
    """Return a number of 64 bits: two files would share one among billions."""
    name = own_path(name)
    if not is_address(name):
        return hash(os.path.abspath(name))
    protocol = name.partition("://")[0].lower()
    if (system := _system(protocol)) is None:
        return hash(name)
    known = system.protocol if isinstance(system.protocol, str) else system.protocol[0]
    return hash((known, system._strip_protocol(name)))


@lru_cache
def _system(protocol: str) -> Any:
    """Return fsspec's class for a protocol; None if it has none, or what that needs is missing."""
    try:
        from fsspec import get_filesystem_class

        return get_filesystem_class(protocol)
    except (ImportError, ValueError):
        return None
