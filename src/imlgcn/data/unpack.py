"""Zip and tar archives, unpacked once into the cache, and safely.

Only images, text, CSV, JSON and XML are unpacked. An archive with a path outside of its folder, a
link, an encrypted file or a decompression bomb is refused.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.files import cache_dir, sha256_file
from imlgcn.numbers import number
from imlgcn.progress import SILENT, Progress

PLAIN_TAR = ".tar"  # not compressed: its members can be read where they are
UNPACKED_SUFFIXES = IMAGE_SUFFIXES | {
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".cls"),
}
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Zip hardly compresses images, and text about twenty times; more than this is a bomb.
MAX_RATIO = 100
SMALL = 256 * 2**20  # unpacked bytes below which the ratio is not checked
NOTHING = "{path}: holds no image, .txt, .csv or .json"
MAX_DEPTH = 100  # folders in folders
# tarfile and zipfile take numbers in headers as they are: too large, or none (ValueError)
BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(ValueError, OverflowError, NotImplementedError),
)


def unpack(path: Path, *, progress: Progress = SILENT) -> Path:
    """Return the folder in the cache with the archive's content, unpacking it on first use."""

    def fill(folder: Path) -> None:
        if is_tar(path):
            with tarfile.open(path) as tar:
                return _extract_tar(tar, path, folder, progress)
        with zipfile.ZipFile(path) as archive:
            _extract(archive, path, folder, progress)

    return unpack_once(path, fill)


def is_tar(path: Path) -> bool:
    """Return whether a file has the suffix of a tar archive, compressed or not."""
    return path.name.lower().endswith(TAR_SUFFIXES)


class Member(NamedTuple):
    """A file in a plain tar: where its content is, and the content if it was asked for."""

    name: PurePosixPath
    offset: int
    size: int
    content: bytes | None


def members(path: Path, texts: Collection[str]) -> list[Member] | None:
    """Return the files of a plain tar as they lie in it, with the content of those called so.

    Headers are read, and not what an image holds. None where members cannot be read in place: the
    tar is compressed, or has a sparse file; :func:`unpack` takes such.

    Args:
        path: the tar.
        texts: suffixes of files whose content is returned.

    Raises:
        InputError: the tar is damaged, or a member is one that :func:`unpack` refuses.
    """
    if not path.name.lower().endswith(PLAIN_TAR):
        return None
    try:
        with tarfile.open(path, "r:") as tar:
            found = _members(tar, path, texts)
    except InputError:
        raise
    except (*BROKEN, OSError) as error:
        raise _damaged(path, error) from error
    if found == []:
        raise InputError(NOTHING.format(path=path))
    return found


def _members(tar: tarfile.TarFile, path: Path, texts: Collection[str]) -> list[Member] | None:
    found, whole = [], path.stat().st_size
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
        name = _safe_name(info.name, path, link=info.issym() or info.islnk())
        if info.issparse():
            return None
        if name is None or not info.isreg():
            continue
        if info.offset_data + info.size > whole:
            check_size(path, info.size, path.parent)
            raise InputError(f"{path}: cannot be unpacked ({name} is cut off)")
        content = None
        if name.suffix.lower() in texts and (file := tar.extractfile(info)) is not None:
            content = file.read()
        found.append(Member(name, info.offset_data, info.size, content))
    return found


def _damaged(path: Path, error: Exception) -> InputError:
    why = str(error).partition("\n")[0].rstrip(":")  # of every compression that was tried
    return InputError(f"{path}: cannot be unpacked ({why})")


def unpack_once(path: Path, fill: Callable[[Path], None], part: str = "") -> Path:
    """Return the folder in the cache for the content of ``path``; ``fill`` fills it on first use.

    The folder is named by the hash of the file (and of ``part``, what of it is unpacked), and is
    created atomically, so that an interrupted run leaves nothing incomplete and concurrent runs do
    not interfere.

    Raises:
        InputError: the file is damaged, or the disk is full.
    """
    name = sha256_file(path)[:32]
    if part:
        name = hashlib.sha256(f"{name} {part}".encode()).hexdigest()[:32]
    folder = cache_dir() / "unpacked" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fill(temporary)
        _publish(temporary, folder)
    except InputError:
        raise
    except (*BROKEN, OSError) as error:
        raise _damaged(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def check_size(path: Path, size: int, folder: Path) -> None:
    """Refuse ``size`` unpacked bytes that are a bomb, or more than the disk of ``folder`` has."""
    if size > SMALL and size > MAX_RATIO * path.stat().st_size:
        raise InputError(
            f"{path}: would unpack to {number(size / path.stat().st_size, 0)} times its size"
        )
    if size > (free := shutil.disk_usage(folder).free):
        raise InputError(
            f"{path}: unpacks to {number(size / 1e9)} GB and {folder.parent} has "
            f"{number(free / 1e9)} GB "
            "left; set IMLGCN_CACHE to a folder with more room"
        )


def _publish(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise


def _extract(archive: zipfile.ZipFile, path: Path, folder: Path, progress: Progress) -> None:
    members = _safe_members(archive, path)
    check_size(path, sum(info.file_size for _, info in members), folder)
    with progress.bar(f"Unpacking {path.name}", len(members), "files") as advance:
        for name, info in members:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            advance(1)


def _extract_tar(archive: tarfile.TarFile, path: Path, folder: Path, progress: Progress) -> None:
    """Unpack member by member: a compressed tar has no list of them to check before."""
    size = count = 0
    with progress.bar(f"Unpacking {path.name}", path.stat().st_size // 2**20, "MB") as advance:
        for info in archive:
            name = _safe_name(info.name, path, link=info.issym() or info.islnk())
            advance((size + info.size) // 2**20 - size // 2**20)
            size += info.size
            check_size(path, size, folder)
            content = archive.extractfile(info) if info.isreg() and name is not None else None
            if name is None or content is None:
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            count += 1
    if not count:
        raise InputError(NOTHING.format(path=path))


def _safe_members(
    archive: zipfile.ZipFile, path: Path
) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    members = []
    for info in archive.infolist():
        name = _safe_name(info.filename, path, link=stat.S_ISLNK(info.external_attr >> 16))
        if info.is_dir() or name is None:
            continue
        if info.flag_bits & 1:
            raise InputError(f"{path}: is encrypted; unpack it and give the folder")
        members.append((name, info))
    if not members:
        raise InputError(NOTHING.format(path=path))
    return members


def _safe_name(text: str, path: Path, *, link: bool) -> PurePosixPath | None:
    """Return the path of a member; None for one to leave packed, an error for a dangerous one."""
    name = PurePosixPath(text.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or re.match("[A-Za-z]:", text):
        raise InputError(f"{path}: refused, {text!r} is a path outside of the archive")
    if link:
        raise InputError(f"{path}: refused, {text!r} is a link")
    if len(name.parts) > MAX_DEPTH or "\0" in text:
        what = f"folders {MAX_DEPTH} deep" if "\0" not in text else "a zero byte"
        raise InputError(f"{path}: refused, the name {text[:40]!a} ... has {what}")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return None if hidden or name.suffix.lower() not in UNPACKED_SUFFIXES else name
