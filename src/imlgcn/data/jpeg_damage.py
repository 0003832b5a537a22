"""JPEG data that cannot be what was saved: too little of it, or zeros where a copy was interrupted.

Decoders fill in grey for what is missing and say nothing. JPEG has no checksum, so that most single
changed bits go unnoticed; what is found here is certain (ITU-T T.81, sections B.2 and F.2.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from imlgcn.data.image_limits import EOI, FRAMES, SOS, STANDALONE, next_marker
from imlgcn.errors import InputError

DHT = 0xC4  # Huffman tables
SEQUENTIAL = {0xC0, 0xC1}  # Huffman-coded frames of one pass
HUFFMAN = SEQUENTIAL | {0xC2}
SHORT = 64  # bytes


@dataclass
class _Frame:
    blocks: int = 0  # of 8 x 8 samples in all components
    marker: int = 0
    first_symbols: set[int] = field(default_factory=set)  # that AC tables give to a code of zeros

    @property
    def longest_zeros(self) -> int:
        """Bytes of zeros in a row that an image may have.

        Where zeros mean the end of a block, each block of a flat area takes 2 to 4 bits of them. In
        most files they mean a coefficient of -1: some dozen in a row are not a picture.
        """
        if self.marker in SEQUENTIAL and self.first_symbols - {0}:
            return SHORT
        return max(SHORT, self.blocks // 2)


def check_jpeg_data(file: IO[bytes]) -> None:
    """Refuse a JPEG whose compressed data are visibly damaged; the position in ``file`` stays.

    Raises:
        InputError: fewer bits than any image of its size takes, or a long run of zeros.
    """
    position = file.tell()
    try:
        if (frame := _frame(file)) is None:
            return
        content = file.read()
    finally:
        file.seek(position)
    words = np.frombuffer(content, np.uint64, len(content) // 8)
    zeros = len(words) - int(np.count_nonzero(words))
    if len(content) < 2 * frame.blocks or zeros >= frame.longest_zeros // 8 - 1:  # few files
        _check_closely(content, frame)


def _check_closely(content: bytes, frame: _Frame) -> None:
    end = content.find(bytes([0xFF, EOI]))  # a film or more may follow
    # a block takes two codes or more, of a bit each; what has no end is truncated, says the decoder
    if frame.marker in SEQUENTIAL and 0 <= 8 * end < 2 * frame.blocks:
        raise InputError(
            "is damaged: it has far too little data for its size; copy it again or remove it"
        )
    size = len(content) if end < 0 else end
    if content.find(bytes(frame.longest_zeros), 0, size) >= 0:
        raise InputError(
            "is damaged: zeros stand where a part of the picture was; copy it again or remove it"
        )


def _frame(file: IO[bytes]) -> _Frame | None:
    """Return what stands before the data, where ``file`` is left; None: no usual Huffman JPEG."""
    frame = _Frame()
    file.seek(2)
    for _ in range(1000):
        marker, _skipped = next_marker(file, 2**16)
        if marker in STANDALONE:
            continue
        if marker is None or marker == EOI:
            return None
        segment = file.read(max(int.from_bytes(file.read(2)) - 2, 0))
        if marker == SOS:
            return frame if frame.marker in HUFFMAN else None
        if marker == DHT:
            frame.first_symbols |= _first_symbols(segment)
        elif marker in FRAMES:
            frame.marker, frame.blocks = marker, _blocks(segment)
    return None


def _first_symbols(tables: bytes) -> set[int]:
    """Return the first symbol, which has the code of zeros only, of every AC table."""
    found = set()
    while len(tables) > 17:
        if tables[0] >> 4 == 1:
            found.add(tables[17])
        tables = tables[17 + sum(tables[1:17]) :]
    return found


def _blocks(frame: bytes) -> int:
    """Return the number of blocks of a frame header without its length."""
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    factors = [divmod(byte, 16) for byte in frame[7::3]]
    if not factors or not all(map(all, factors)):
        return 0
    if len(factors) == 1:
        factors = [(1, 1)]  # one component is not interleaved
    across, down = max(h for h, _ in factors), max(v for _, v in factors)
    units = math.ceil(width / (8 * across)) * math.ceil(height / (8 * down))
    return units * sum([h * v for h, v in factors])
