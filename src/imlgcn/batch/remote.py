"""Files by their address, through fsspec: S3, Google Cloud Storage, HTTP and what else it knows.

Nothing is fetched but the addresses that the user gives, and those in a table that the user gives.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

from imlgcn.data.image_limits import MAX_FILE, check_size
from imlgcn.errors import InputError
from imlgcn.extras import require

TRIES = 3  # of a read that the network may have failed
GONE = (FileNotFoundError, PermissionError, IsADirectoryError)  # it is no use to try again
TOO_MANY, SERVER_ERROR = 429, 500  # answers by HTTP that pass: this one, and from this one on
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
    system = file_system(address)
    with _network_errors(address):
        opened: IO[bytes] = system.open(address, "rb")
    return opened


def read_address(address: str) -> bytes:
    """Return the content of an image file; a read that fails is tried again, a missing file not.

    Raises:
        InputError: as `file_system`, or a file larger than an image may be.
        OSError: it cannot be read.
    """

    def read() -> bytes:
        with open_address(address) as file, _network_errors(address):
            content = file.read(MAX_FILE + 1)
        check_size(len(content))
        return content

    return tried(read)


def reason_of(error: BaseException, name: str) -> str:
    """Return why the file ``name`` cannot be read, without the name.

    >>> reason_of(FileNotFoundError("http://x/a.jpg"), "http://x/a.jpg")
    'No such file or directory'
    """
    for cause in _causes(error):
        if status := getattr(cause, "status", None):  # of an answer by HTTP
            return f"HTTP {status} {getattr(cause, 'message', '')}".rstrip()
    for cause in reversed(_causes(error)):
        if isinstance(cause, OSError) and cause.strerror:
            number = cause.errno or 0
            return os.strerror(number) if number > 0 else cause.strerror
    said = str(error).strip().removeprefix(f"{name}: ")
    if isinstance(error, FileNotFoundError):  # file systems say no more than the name
        return os.strerror(errno.ENOENT)
    return type(error).__name__ if said in ("", name) else said


@contextmanager
def _network_errors(address: str) -> Iterator[None]:
    """Raise `OSError` for any error; fsspec calls each answer but a file one that is not found."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each file system has errors of its own
        reason = reason_of(error, address)
        if isinstance(error, FileNotFoundError) and any(map(_is_passing, _causes(error))):
            raise ConnectionError(reason) from error
        if isinstance(error, GONE):
            raise type(error)(reason) from error
        if isinstance(error, OSError):
            raise
        raise OSError(f"{type(error).__name__}: {reason}") from error


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it was raised from, and that from."""
    found = [error]
    while (cause := found[-1].__cause__) is not None:
        found.append(cause)
    return found


def _is_passing(cause: BaseException) -> bool:
    """Return whether it is a server that cannot answer now, or a connection that failed."""
    status = getattr(cause, "status", None)
    if status is None:
        return isinstance(cause, OSError) and not isinstance(cause, GONE)
    return bool(status == TOO_MANY or status >= SERVER_ERROR)


def tried(work: Callable[[], Result]) -> Result:
    """Return what ``work`` does; it is done again when the network may have failed.

    Raises:
        OSError: that of the last try, or the first if the file is not there or not allowed.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except GONE:
            raise
        except OSError:
            time.sleep(PAUSE * attempt)
    return work()
