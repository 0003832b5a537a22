"""Zip archives, unpacked once into the cache, and safely.

Only images, text, CSV, JSON and XML are unpacked. An archive with a path outside of its folder, a
link, an encrypted file or a decompression bomb is refused.
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from imlgcn.config import InputError
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.files import cache_dir, sha256_file
from imlgcn.numbers import number
from imlgcn.progress import SILENT, Progress

UNPACKED_SUFFIXES = IMAGE_SUFFIXES | {".txt", ".csv", ".tsv", ".json", ".xml"}
# Zip hardly compresses images, and text about twenty times; more than this is a bomb.
MAX_RATIO = 100
SMALL = 256 * 2**20  # unpacked bytes below which the ratio is not checked


def unpack(path: Path, *, progress: Progress = SILENT) -> Path:
    """Return the folder in the cache with the archive's content, unpacking it on first use.

    The folder is named by the hash of the archive and is created atomically, so that an interrupted
    run leaves nothing incomplete and concurrent runs do not interfere.
    """
    folder = cache_dir() / "unpacked" / sha256_file(path)[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with zipfile.ZipFile(path) as archive:
            _extract(archive, path, temporary, progress)
        _publish(temporary, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise InputError(f"{path}: cannot be unpacked ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _publish(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise


def _extract(archive: zipfile.ZipFile, path: Path, folder: Path, progress: Progress) -> None:
    members = _safe_members(archive, path)
    size = sum(info.file_size for _, info in members)
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
    with progress.bar(f"Unpacking {path.name}", len(members), "files") as advance:
        for name, info in members:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            advance(1)


def _safe_members(
    archive: zipfile.ZipFile, path: Path
) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    members = []
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or re.match("[A-Za-z]:", info.filename):
            raise InputError(f"{path}: refused, {info.filename!r} is a path outside of the archive")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{path}: refused, {info.filename!r} is a link")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
        if info.is_dir() or hidden or name.suffix.lower() not in UNPACKED_SUFFIXES:
            continue
        if info.flag_bits & 1:
            raise InputError(f"{path}: is encrypted; unpack it and give the folder")
        members.append((name, info))
    if not members:
        raise InputError(f"{path}: holds no image, .txt, .csv or .json")
    return members
