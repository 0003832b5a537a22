"""Feature rows on disk, keyed by the SHA-256 of the file they were computed from.

One folder holds one kind of row. Writers only add whole files ("shards"), so they need no lock and
a killed one leaves nothing behind. A shard that cannot be read, or whose content is not what was
written, counts as absent.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.files import atomic_path

SHARD_ROWS = 1024  # a power failure loses at most this many rows, an exception none
SHARD_BYTES = 64 * 2**20  # the same for feature maps, which are large

FEATURES = "features.npy"  # in a shard

Index = dict[bytes, tuple[Path, int]]  # SHA-256 -> shard and row in it


class FeatureShards:
    """The shards of one folder; with ``None`` nothing is found and nothing is kept.

    As a context manager it writes buffered rows on exit, also after an error.
    """

    def __init__(self, folder: Path | None, dtype: np.dtype[Any]) -> None:
        self.folder = folder
        self.dtype = dtype
        self._digests: list[bytes] = []
        self._rows: list[NDArray[Any]] = []
        self._unreadable: set[Path] = set()

    def __enter__(self) -> FeatureShards:
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.flush()

    def index(self) -> Index:
        """Return the shard and row of each digest, from all readable shards."""
        index: Index = {}
        shards = set(self.folder.glob("*.npz")) if self.folder is not None else set()
        for shard in sorted(shards - self._unreadable):
            if (digests := self._digests_of(shard)) is not None:
                index.update((digest.tobytes(), (shard, row)) for row, digest in enumerate(digests))
        return index

    def read(self, shard: Path) -> NDArray[Any] | None:
        """Return the rows of a shard, or ``None`` if it is damaged; it is then ignored."""
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                digests, rows = arrays["sha256"], arrays["features"]
                if arrays["whole"].tobytes() != _hash(digests, rows):
                    raise ValueError("well-formed, but not what was written")
        except Exception as error:  # damaged archives raise almost anything
            self._reject(shard, error)
            return None
        checked: NDArray[Any] = rows
        return checked

    def row_size(self, shard: Path) -> int:
        """Return the bytes of a row of a shard by its header; 0 if that cannot be read."""
        try:
            return int(_mapped(shard, FEATURES)[:1].nbytes)
        except Exception:  # as in `read`, which says so
            return 0

    def map(self, shard: Path) -> NDArray[Any] | None:
        """Return the rows of a shard as they lie in its file, or ``None`` if it is damaged.

        They are proven once, here; the file takes no memory that the system could not have back.
        """
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                digests, whole = arrays["sha256"], arrays["whole"].tobytes()
            rows = _mapped(shard, FEATURES)
            if whole != _hash(digests, rows):
                raise ValueError("well-formed, but not what was written")
        except Exception as error:  # as in `read`
            self._reject(shard, error)
            return None
        return rows

    def append(self, digests: Sequence[bytes], rows: NDArray[Any]) -> None:
        """Add rows, one per SHA-256; written when a shard is full and by :meth:`flush`."""
        if self.folder is None:
            return
        self._digests.extend(digests)
        self._rows.append(rows)
        size = sum(part.nbytes for part in self._rows)
        if len(self._digests) >= SHARD_ROWS or size >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows as one shard, in one step."""
        if self.folder is None or not self._digests:
            return
        digests = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32)
        rows = np.concatenate(self._rows)
        self._digests, self._rows = [], []
        try:
            with (
                atomic_path(self.folder / f"{secrets.token_hex(8)}.npz") as path,
                path.open("wb") as file,
            ):
                whole = np.frombuffer(_hash(digests, rows), np.uint8)
                np.savez(file, sha256=digests, features=rows, whole=whole)
        except OSError as error:
            raise self._unwritable(error) from error

    def _digests_of(self, shard: Path) -> NDArray[Any] | None:
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                digests: NDArray[Any] = arrays["sha256"]
        except Exception as error:
            self._reject(shard, error)
            return None
        return digests

    def _reject(self, shard: Path, error: Exception) -> None:
        if isinstance(error, MemoryError):  # the shard is sound
            raise error
        self._unreadable.add(shard)
        if not isinstance(error, OSError):  # an OSError may be temporary: keep the file
            with suppress(OSError):
                shard.unlink()

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write to the cache {self.folder}: {error.strerror or error}; free some space "
            "or set IMLGCN_CACHE to another folder"
        )


def _mapped(archive: Path, name: str) -> NDArray[Any]:
    """Return an array of an archive that is not compressed, mapped."""
    with zipfile.ZipFile(archive) as members, archive.open("rb") as file:
        info = members.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError("is compressed")
        file.seek(info.header_offset + 26)  # in the header before the content: two lengths
        lengths = struct.unpack("<HH", file.read(4))
        file.seek(info.header_offset + 30 + sum(lengths))
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, in_columns, dtype = read(file)
        if dtype.hasobject or in_columns:
            raise ValueError("is not an array of numbers by rows")
        return np.memmap(archive, dtype, "r", file.tell(), shape)


def _hash(digests: NDArray[Any], rows: NDArray[Any]) -> bytes:
    """Return the SHA-256 of a shard's content, its shape and type included."""
    found = hashlib.sha256(f"{digests.shape} {rows.shape} {rows.dtype}".encode())
    for array in (digests, rows):
        found.update(np.ascontiguousarray(array).data)
    return found.digest()
