"""Atomic writes, content hashes, and the cache folder."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

if sys.platform != "win32":
    import fcntl


# full, over the quota or the file size limit, read-only, not allowed, or defective
LOCK = ".lock"  # in a folder whose parent cannot be written
DISK_ERRORS = (
    *(errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
)


def cache_dir() -> Path:
    """Return the folder for what can be recomputed: ``$IMLGCN_CACHE`` or the user's cache.

    Where the latter cannot be written, as of a user without a home, it is a temporary folder of
    this process: :func:`cache_note` says so.
    """
    if given := os.environ.get("IMLGCN_CACHE"):
        return Path(given).expanduser()
    variable, usual = (
        ("LOCALAPPDATA", "~") if sys.platform == "win32" else ("XDG_CACHE_HOME", "~/.cache")
    )
    try:
        cache = Path(os.environ.get(variable, usual)).expanduser() / "imlgcn"
    except RuntimeError:  # no home at all
        return _temporary_cache(usual)
    return cache if _is_writable(cache) else _temporary_cache(str(cache))


def cache_note() -> str:
    """Return what to say of a cache that is temporary, once; nothing where it is not."""
    cache_dir()
    return _NOTES.pop() if _NOTES else ""


_NOTES: list[str] = []


def _is_writable(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@cache
def _temporary_cache(wanted: str) -> Path:
    import atexit
    import shutil
    import tempfile

    folder, owner = Path(tempfile.mkdtemp(prefix="imlgcn-")), os.getpid()

    def remove() -> None:
        if owner == os.getpid():  # not a process that was forked from it
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))  # it would complain, too
    _NOTES.append(
        f"the cache {wanted} cannot be written: features are kept in {folder} until this ends; "
        "set IMLGCN_CACHE to a folder to keep them"
    )
    return folder


@contextmanager
def atomic_path(
    path: Path | str, *, exclusive: bool = False, mode: int | None = None
) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it is flushed to disk and renamed.

    On an error nothing remains: neither the temporary file nor a changed ``path``. A process that
    is killed leaves its temporary file behind. With ``exclusive`` (not on Windows) there is one
    such file per ``path``, which the next writer replaces, and one writer at a time. ``mode`` are
    the permissions of the file, also while it is written; None: those that the umask leaves.

    Raises:
        BlockingIOError: another writer has ``path``, and both are ``exclusive``.
        OSError: the disk is full or read-only, or ``path`` must not be written; it names ``path``,
            whichever library was writing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    locked = exclusive and sys.platform != "win32"
    unique = "" if locked else f".{os.urandom(6).hex()}"
    temporary = path.with_name(f".{path.name}{unique}.tmp")
    with only_writer(path) if locked else nullcontext():
        try:
            temporary.unlink(missing_ok=True)
            temporary.touch(0o666 if mode is None else mode & 0o600)
            if mode is None:
                mode = temporary.stat().st_mode  # as the umask has it; some writers make it private
            else:
                temporary.chmod(mode)
            yield temporary
            temporary.chmod(mode)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except Exception as error:
            if (known := _of_the_system(error)) is None:
                raise
            raise OSError(known, os.strerror(known), str(path)) from error
        finally:
            with suppress(OSError):  # on a disk that has become read-only it cannot be deleted
                temporary.unlink(missing_ok=True)


def _of_the_system(error: Exception) -> int | None:
    """Return the system's number of an error in writing, which libraries wrap in their own."""
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return error.errno
    found = re.search(r"\b(?:os error|errno) (\d+)\b", str(error), re.IGNORECASE)
    if found and (number := int(found[1])) in DISK_ERRORS:
        return number
    return None


@contextmanager
def only_writer(path: Path | str) -> Iterator[None]:
    """Be the only writer of the file or folder ``path``, which need not exist.

    The system releases the lock of a process that is killed: a dead writer locks nobody out. The
    lock is on a file beside ``path``: on some network drives a locked file cannot be written.

    Raises:
        BlockingIOError: another process has it.
    """
    path = Path(path).absolute()
    if sys.platform == "win32":
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    if path.is_dir() and not os.access(path.parent, os.W_OK):  # such as a mounted folder
        lock = path / LOCK
    try:
        opened = lock.open("wb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(file.fileno()), lock.stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        except OSError:  # a file system without locks
            is_ours = True
        if not is_ours:
            raise BlockingIOError(errno.EAGAIN, "another run is writing this file", str(path))
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def write_atomic(path: Path | str, data: bytes | str, *, mode: int | None = None) -> None:
    """Write ``data`` to ``path`` in one step (text as UTF-8), with the permissions ``mode``."""
    with atomic_path(path, mode=mode) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def sha256_file(path: Path | str) -> str:
    """Return the hex SHA-256 of a file's content."""
    import hashlib  # it loads OpenSSL

    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_number(digest: bytes) -> int:
    """Return what a content is known by where 32 bytes are too many: the first 8 of its SHA-256.

    Of a million files, one more has the number of another with probability 5e-14.
    """
    return int.from_bytes(digest[:8], "big")
