"""Images inside shards, read where they are: a path below a file says which part of it they are.

- ``train-000000.tar/@1536+20480/0001.jpg``: 20,480 bytes of a tar, from byte 1,536 on;
- ``train.parquet/@image+3+17+8211/0001.jpg``: row 17 of row group 3 of the column ``image``, of
  8,211 bytes in the file (in ``.arrow``: of a batch of 8,211 rows).

No file can be below a file, so such a path is never mistaken. It is text: it goes through a CSV,
a process and a configuration. What was written anew under the same name is noticed: the header of
the member, or the size of the group, is another.

Of a tar only the image is read. Of a Parquet table a row group is decoded at once, and the last few
are kept (:data:`KEPT` bytes): who asks in the order of :func:`block_of` decodes each once.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from imlgcn.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: the command line starts without it

PLACE = re.compile(r"(?P<file>.+)[/\\]@(?P<where>[^/\\]+)[/\\](?P<name>[^/\\]+)", re.DOTALL)
MEMBER = re.compile(r"(\d{1,18})\+(\d{1,18})")
CELL = re.compile(r"([^+]+)\+(\d{1,18})\+(\d{1,18})\+(\d{1,18})")
LARGEST = 512 * 2**20  # bytes of an image in a tar, as of a file
RUN, RUNS = 1024, 16  # images of a tar that are near each other; so many runs are read at once
KEPT = 256 * 2**20  # bytes of decoded row groups that a process keeps
CHANGED = "its shard is not as it was when the data was read; read the data again"


def member_path(tar: Path, offset: int, size: int, name: str) -> Path:
    """Return the path of ``size`` bytes of a tar from ``offset`` on.

    >>> member_path(Path("a.tar"), 512, 3, "x/1.jpg").as_posix()
    'a.tar/@512+3/1.jpg'
    """
    return tar / f"@{offset}+{size}" / name.rpartition("/")[2]


def cell_path(table: Path, column: str, group: int, row: int, size: int, name: str) -> Path:
    """Return the path of a row of a group of ``size``, in a column of a Parquet or Arrow file."""
    own = name.rpartition("/")[2] or "image"
    return table / f"@{quote(column, safe='')}+{group}+{row}+{size}" / own


def is_packed(path: Path | str) -> bool:
    """Return whether a path names an image inside of a file that is there."""
    found = PLACE.fullmatch(os.fspath(path))
    return found is not None and os.path.isfile(found["file"])


def is_image_there(path: Path | str) -> bool:
    """Return whether there is a file, or an image inside of one, at a path; nothing is read."""
    return os.path.isfile(path) or is_packed(path)


def open_packed(path: Path | str) -> BytesIO | None:
    """Return the content of an image inside of a file; None of another path.

    Raises:
        InputError: the file has changed since its images were listed, or holds no bytes there.
        OSError: it cannot be read.
    """
    if (found := PLACE.fullmatch(os.fspath(path))) is None or not os.path.isfile(found["file"]):
        return None
    file = Path(found["file"])
    if part := MEMBER.fullmatch(found["where"]):
        content = _member(file, int(part[1]), int(part[2]), found["name"])
    elif part := CELL.fullmatch(found["where"]):
        content = _cell(file, unquote(part[1]), *map(int, part.groups()[1:]))
    else:
        return None
    if content is None:
        raise InputError(CHANGED)
    return BytesIO(content)


class Block(NamedTuple):
    """A part of a shard that is read at once: a row group, or a run of images of a tar.

    ``part`` and, for each image, ``each`` are what it takes of what may be read in any order
    without reading twice; 1 is all.
    """

    file: str
    number: int
    part: float = 0.0
    each: float = 0.0


def block_of(path: Path, row: int) -> Block | None:
    """Return the part of a shard that is read with an image; None of a file of its own.

    ``row`` is the number of the image among those that are read.
    """
    if (found := PLACE.fullmatch(os.fspath(path))) is None:
        return None
    if part := CELL.fullmatch(found["where"]):
        return Block(found["file"], int(part[2]), int(part[4]) / KEPT)
    return Block(found["file"], row // RUN, each=1 / (RUN * RUNS))


def reading_order(paths: Sequence[Path]) -> list[int]:
    """Return the numbers of images in an order in which each row group is decoded once.

    Files of their own and members of tars stay as they are listed.
    """
    first: dict[tuple[str, str, str], int] = {}  # group -> where it is listed first

    def rank(row: int) -> int:
        found = PLACE.fullmatch(os.fspath(paths[row]))
        if found is None or not (part := CELL.fullmatch(found["where"])):
            return -1
        return first.setdefault((found["file"], part[1], part[2]), row)

    return sorted(range(len(paths)), key=rank)


def _member(file: Path, offset: int, size: int, name: str) -> bytes | None:
    """Return a member of a tar; None unless it is the one that its header before it says."""
    import tarfile  # only here: the command line starts without it

    if size > LARGEST:
        raise InputError(f"has {size / 2**20:,.0f} MiB, more than the limit of {LARGEST // 2**20}")
    with file.open("rb") as tar:
        tar.seek(max(offset - tarfile.BLOCKSIZE, 0))
        header, content = tar.read(tarfile.BLOCKSIZE), tar.read(size)
    try:
        info = tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return None
    own = info.name.rpartition("/")[2]
    same = own == name or len(info.name) >= tarfile.LENGTH_NAME or not own.isascii()
    return content if same and info.size == size == len(content) else None


class _Groups:
    """The row groups that were decoded last, one lock for all threads of a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.groups: OrderedDict[tuple[Any, ...], pa.Array] = OrderedDict()

    def get(self, file: Path, column: str, group: int, size: int) -> pa.Array | None:
        """Return the cells of a group; None unless it has the size that was listed."""
        found = os.stat(file)
        key = str(file), found.st_mtime_ns, found.st_size, column, group, size
        with self.lock:
            if key not in self.groups:
                read = _parquet_cells if file.suffix.lower() == ".parquet" else _arrow_cells
                if (cells := read(file, column, group, size)) is None:
                    return None
                self.groups[key] = cells
                while len(self.groups) > 1 and sum(a.nbytes for a in self.groups.values()) > KEPT:
                    self.groups.popitem(last=False)
            self.groups.move_to_end(key)
            return self.groups[key]


_GROUPS = _Groups()
if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock
    os.register_at_fork(after_in_child=lambda: _GROUPS.__init__())  # type: ignore[misc]


def _cell(file: Path, column: str, group: int, row: int, size: int) -> bytes | None:
    import pyarrow as pa

    try:
        cells = _GROUPS.get(file, column, group, size)
    except (pa.ArrowException, IndexError, KeyError) as error:
        raise InputError(f"its shard cannot be read ({error})") from None
    if cells is None or row >= len(cells):
        return None
    cell = cells[row].as_py()
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    return content if isinstance(content, bytes) else None


def group_sizes(file: Path, column: str) -> list[tuple[int, int, int]]:
    """Return rows, bytes in the file and decoded bytes of a column in each row group of Parquet."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        return _sizes(table.metadata, column)


def _sizes(metadata: Any, column: str) -> list[tuple[int, int, int]]:
    groups = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        leaves = map(group.column, range(group.num_columns))
        own = [x for x in leaves if x.path_in_schema in (column, f"{column}.bytes")]
        packed = sum(leaf.total_compressed_size for leaf in own)
        groups.append((group.num_rows, packed, sum(leaf.total_uncompressed_size for leaf in own)))
    return groups


def _parquet_cells(file: Path, column: str, group: int, size: int) -> pa.Array | None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        sizes = _sizes(table.metadata, column)
        if group >= len(sizes) or sizes[group][1] != size:
            return None
        # one thread: pyarrow's own do not survive the fork of a process that loads images
        found = table.read_row_group(group, columns=[column], use_threads=False)
        return found.column(column).combine_chunks()


def _arrow_cells(file: Path, column: str, group: int, size: int) -> pa.Array | None:
    """Return the cells of a batch: a view of the file, mapped; nothing is read before its use."""
    import pyarrow as pa

    with pa.memory_map(str(file)) as stream:
        for number, batch in enumerate(pa.ipc.open_stream(stream)):
            if number == group:
                return batch.column(column) if len(batch) == size else None
    return None
