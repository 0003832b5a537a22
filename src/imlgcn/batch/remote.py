"""Files by their address, through fsspec: S3, Google Cloud Storage, HTTP and what else it knows.

Nothing is fetched but the addresses that the user gives, and those in a table that the user gives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import IO, Any, TypeVar

from imlgcn.data.image_limits import MAX_FILE, check_size
from imlgcn.errors import InputError
from imlgcn.extras import require

TRIES = 3  # of a read that the network may have failed
PAUSE = 0.5  # seconds before the second, twice as many before the third
CHAINED_OR_ONE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:(//|:)")  # of one letter is a drive
Result = TypeVar("Result")


def is_address(name: str) -> bool:
    """Return whether a name is an address, ``s3://bucket/a.jpg``, and no path of this machine.

    >>> is_address("s3://bucket/a.jpg"), is_address("photos/a.jpg"), is_address("C:/a.jpg")
    (True, False, False)
    """
    return CHAINED_OR_ONE.match(name) is not None


def without_query(name: str) -> str:
    """Return an address of the web up to its ``?`` or ``#``; any other name as it is.

    >>> without_query("https://x/a.tar?sig=3"), without_query("s3://bucket/?.tar")
    ('https://x/a.tar', 's3://bucket/?.tar')
    """
    is_of_web = name.lower().startswith(("http://", "https://"))
    return name.partition("#")[0].partition("?")[0] if is_of_web else name


def file_system(address: str) -> Any:
    """Return fsspec's file system of an address.

    Raises:
        InputError: fsspec, or what it needs for this kind of address, is not installed.
    """
    require("fsspec", f"reading {address}")
    from fsspec.core import url_to_fs

    if "::" in address:  # archives within addresses, or a cache on this machine
        raise InputError(f"{address}: chained addresses are not read; give each file's own")
    try:
        return url_to_fs(address)[0]
    except (ImportError, ValueError) as error:  # no s3fs, or no such protocol
        raise InputError(f"{address}: fsspec cannot open it: {error}") from None


def open_address(address: str) -> IO[bytes]:
    """Open a file for reading; the caller closes it.

    Raises:
        InputError: as `file_system`.
        OSError: it cannot be opened.
    """
    opened: IO[bytes] = file_system(address).open(address, "rb")
    return opened


def read_address(address: str) -> bytes:
    """Return the content of an image file; a read that fails is tried again, a missing file not.

    Raises:
        InputError: as `file_system`, or a file larger than an image may be.
        OSError: it cannot be read.
    """

    def read() -> bytes:
        try:
            with open_address(address) as file:
                content = file.read(MAX_FILE + 1)
        except (OSError, InputError):
            raise
        except Exception as error:  # each file system has errors of its own
            raise OSError(f"{type(error).__name__}: {error}") from error
        check_size(len(content))
        return content

    return tried(read)


def tried(work: Callable[[], Result]) -> Result:
    """Return what ``work`` does; it is done again when the network may have failed.

    Raises:
        OSError: that of the last try, or the first if the file is not there or not allowed.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise
        except OSError:
            time.sleep(PAUSE * attempt)
    return work()
