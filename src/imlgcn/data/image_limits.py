"""What a file may cost: checked on its header, before anything is decoded.

Nothing here needs the pixels. A file that is not a regular file is never opened, since reading it
may wait for ever; one that would take long or much memory is refused in milliseconds.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from PIL import Image

from imlgcn.data.packed import open_packed
from imlgcn.errors import InputError

MAX_FILE = 512 * 2**20  # bytes of a file; a 150-megapixel TIFF of 24 bits is smaller
MAX_DECODED = 640 * 2**20  # bytes that decoding an image takes; with what a process holds, 1 GiB
MAX_SCANS = 200  # of a JPEG; encoders write about 10
MAX_WORK = 2 * 10**9  # pixels times scans of a JPEG: each scan goes over the whole image
MAX_SEGMENTS = 10_000  # before a JPEG's first scan; its profile and preview take some hundred
MAX_JUNK = 2**16  # bytes between them that belong to nothing, as damaged files have
CHUNK = 2**20
SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
STANDALONE = {0x01, *range(0xD0, SOI)}  # markers without a length
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # that begin with the image's size
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
BYTES = {"1": 1, "L": 1, "P": 1, "LA": 4, "PA": 4, "I;16": 2, "I;16B": 2, "I": 4, "F": 4, "La": 4}


def open_image_file(path: Path | str) -> BufferedReader | BytesIO:
    """Open a file that may hold an image, or an image inside of a shard, for reading.

    Raises:
        InputError: it is not a regular file, or larger than `MAX_FILE`.
        OSError: it cannot be opened.
    """
    try:
        found = os.stat(path)
    except OSError:
        if (packed := open_packed(path)) is None:
            raise
        return packed
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise InputError("is not a regular file but a device, a pipe or a socket")
    check_size(found.st_size)
    return Path(path).open("rb")


def check_size(size: int) -> None:
    """Refuse a file of more than `MAX_FILE` bytes."""
    if size > MAX_FILE:
        raise InputError(
            f"has {size / 2**20:,.0f} MiB, more than the limit of {MAX_FILE // 2**20}; save it "
            "smaller"
        )


def check_memory(image: Image.Image) -> None:
    """Refuse an image whose pixels take more than `MAX_DECODED` while they are decoded.

    Pillow keeps colours in 4 bytes a pixel; 16 bits a channel are read into 8. What is transparent,
    or not RGB, exists twice for a while: as it is and as RGB. A progressive JPEG is held as a whole
    in coefficients of 2 bytes, whatever the size it is decoded at.
    """
    width, height = image.size
    taken = BYTES.get(image.mode, 4)
    if image.mode != "RGB" or image.has_transparency_data:
        taken += 4 + (4 if image.has_transparency_data and image.mode != "RGBA" else 0)
    needed = taken * width * height
    if needed > MAX_DECODED:
        raise InputError(
            f"{width} x {height} pixels of mode {image.mode} take {needed / 2**20:,.0f} MiB to "
            f"decode, more than the limit of {MAX_DECODED // 2**20}; make the image smaller"
        )


def check_jpeg(file: BinaryIO) -> None:
    """Refuse a JPEG whose structure makes decoders search or repeat for long.

    Raises:
        InputError: there is no image in its first segments, or it has very many scans.
    """
    file.seek(2)
    junk = components = pixels = 0
    is_progressive = False
    for _ in range(MAX_SEGMENTS):
        marker, skipped = next_marker(file, MAX_JUNK - junk)
        junk += skipped
        if marker in STANDALONE:
            continue
        length = int.from_bytes(file.read(2))
        if marker is None or marker == EOI or length < 2:
            return  # damaged: the decoder says so at once
        if marker in FRAMES:
            frame = file.read(6)
            components = frame[-1] if len(frame) == 6 else 0
            pixels = int.from_bytes(frame[1:3]) * int.from_bytes(frame[3:5])
            is_progressive = marker in PROGRESSIVE
            file.seek(length - 8, os.SEEK_CUR)
        elif marker == SOS:
            if is_progressive and 2 * pixels * max(components, 1) > MAX_DECODED:
                raise InputError(
                    f"is a progressive JPEG of {pixels / 1e6:,.0f} megapixels, too large to "
                    "decode; save it as a baseline JPEG or smaller"
                )
            if is_progressive or file.read(1) < bytes([components]):
                _check_scans(file, pixels)
            return
        else:
            file.seek(length - 2, os.SEEK_CUR)
    raise InputError(f"is damaged: it has no image in its first {MAX_SEGMENTS:,} segments")


def next_marker(file: IO[bytes], allowed: int) -> tuple[int | None, int]:
    """Return the next marker, None at the end, and how many bytes before it belong to nothing."""
    start = file.tell()
    found = file.read(2)
    if len(found) == 2 and found[0] == 0xFF and found[1] not in (0, 0xFF):
        return found[1], 0
    content = found + file.read(allowed)
    position = content.find(b"\xff")
    while 0 <= position < len(content) - 1 and content[position + 1] in (0, 0xFF):
        position = content.find(b"\xff", position + 1)
    if 0 <= position < len(content) - 1:
        file.seek(start + position + 2)
        return content[position + 1], position
    if len(content) > allowed:
        raise InputError(f"is damaged: {MAX_JUNK:,} bytes after its start belong to no segment")
    return None, len(content)


def _check_scans(file: BinaryIO, pixels: int) -> None:
    scans, before = 1, b""
    while content := file.read(CHUNK):
        scans += (before + content).count(bytes([0xFF, SOS]))
        before = content[-1:]
        if scans > MAX_SCANS or scans * pixels > MAX_WORK:
            raise InputError(
                f"is a JPEG of {scans} scans or more over {pixels / 1e6:,.1f} megapixels, which "
                "would take minutes to decode; save it anew"
            )
