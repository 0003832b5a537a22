"""The hash of a column of a table: of its values, however they are encoded and cut into parts.

It is the SHA-256 of the column as a stream in the format of Arrow (its document "IPC streaming
format": a head, then for each buffer of the column its bytes). :func:`hash_parts` makes the same
bytes of a column that is never whole in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyarrow import Array, DataType, Table

MOST_TEXT = 2**31 - 1  # bytes of a column of text in one piece
ROWS = 2**24  # of a longer one that are hashed at a time
STARTS = np.dtype("<i4")  # of texts, as Arrow keeps them
Parts = Callable[[], Iterable["Array"]]


def hash_column(table: Table, name: str) -> str:
    """Return the hash of a column of any type."""
    found, column = hashlib.sha256(), table[name]
    text = sum(map(_bytes_of_names, column.chunks))
    step = ROWS if text > MOST_TEXT else max(len(column), 1)
    for start in range(0, max(len(column), 1), step):
        _feed(found, column.slice(start, step).combine_chunks())
    return found.hexdigest()


def hash_parts(parts: Parts) -> str:
    """Return the hash of a column of numbers or text, of one row at least, made a part at a time.

    Args:
        parts: makes them, up to four times.

    Raises:
        ValueError: an entry is missing.
    """
    found, text = hashlib.sha256(), 0
    for part in parts():
        if part.null_count:
            raise ValueError("a number or a name is missing")
        text += _bytes_of_names(part)
    if text <= MOST_TEXT:
        _feed_parts(found, parts)
    else:
        for piece in _pieces(parts()):
            _feed_parts(found, piece.copy)
    return found.hexdigest()


def _bytes_of_names(array: Array) -> int:
    """Return how long a column of text is, without its dictionary; 0 for other columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_text(array.type):
        return pc.sum(pc.cast(pc.binary_length(array), pa.int64())).as_py() or 0
    if not pa.types.is_dictionary(array.type):
        return 0
    lengths = pc.binary_length(array.dictionary)
    return pc.sum(pc.cast(lengths.take(array.indices), pa.int64())).as_py() or 0


def _feed(found: Any, array: Array) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _plain(array)
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        _feed(found, pc.list_value_length(array))
        _feed(found, array.flatten())
        return
    sink = pa.BufferOutputStream()
    _stream(array, sink)
    found.update(sink.getvalue())


def _plain(array: Array) -> Array:
    """Return a column without its dictionary."""
    import pyarrow as pa

    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _stream(array: Array, sink: Any) -> None:
    import pyarrow as pa

    table = pa.table({"": array})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


def _pieces(parts: Iterable[Array]) -> Iterator[list[Array]]:
    """Yield parts of :data:`ROWS` rows together."""
    piece: list[Array] = []
    room = ROWS
    for part in parts:
        left = part
        while len(left) >= room:
            yield [*piece, left.slice(0, room)]
            left, piece, room = left.slice(room), [], ROWS
        if len(left):
            piece.append(left)
            room -= len(left)
    if piece:
        yield piece


def _feed_parts(found: Any, parts: Parts) -> None:
    """Hash what `_feed` hashes of all parts as one column."""
    kind: DataType = next(iter(_plain(part).type for part in parts()))
    text = _is_text(kind)
    bodies = iter([_starts, _text] if text else [_numbers])
    rows = sum(len(part) for part in parts())
    length = sum(len(body) for body in _text(map(_plain, parts()))) if text else 0
    for piece in _frame(kind, rows, length):
        for body in [piece] if piece is not None else next(bodies)(map(_plain, parts())):
            found.update(body)


def _is_text(kind: DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind))


def _starts(parts: Iterable[Array]) -> Iterator[memoryview]:
    """Yield where each text begins, and where the last one ends."""
    yield np.zeros(1, STARTS).data
    before = 0
    for part in parts:
        ends = _offsets(part)[1:] - (_offsets(part)[0] - before)
        yield ends.astype(STARTS).data
        before = int(ends[-1]) if len(ends) else before


def _text(parts: Iterable[Array]) -> Iterator[memoryview]:
    for part in parts:
        first, *_, last = _offsets(part)[[0, -1]]
        yield memoryview(part.buffers()[2] or b"")[first:last]


def _offsets(part: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    starts = np.frombuffer(part.buffers()[1] or bytes(4), STARTS)
    return starts[part.offset : part.offset + len(part) + 1].astype(np.int64)


def _numbers(parts: Iterable[Array]) -> Iterator[memoryview]:
    for part in parts:
        yield np.ascontiguousarray(part.to_numpy()).view(np.uint8).data


def _frame(kind: DataType, rows: int, text: int) -> list[bytes | None]:
    """Return a column's stream in pieces, with None in the place of each buffer.

    It is taken from a column as long of zeros, of which nothing but the length is looked at.
    """
    import pyarrow as pa

    if _is_text(kind):
        starts = np.zeros(rows + 1, STARTS)
        starts[-1] = text
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(np.zeros(text, np.uint8))]
    else:
        buffers = [None, pa.py_buffer(np.zeros(rows * kind.bit_width // 8, np.uint8))]
    pieces = _Pieces()
    _stream(pa.Array.from_buffers(kind, rows, buffers, 0), pa.PythonFile(pieces, "w"))
    assert pieces.found.count(None) == len(buffers) - 1
    return pieces.found


class _Pieces:
    """A file that keeps what is written but buffers, which pyarrow gives as such."""

    closed = False

    def __init__(self) -> None:
        self.found: list[bytes | None] = []

    def write(self, piece: Any) -> int:
        self.found.append(piece if isinstance(piece, bytes) else None)
        return len(piece)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True
