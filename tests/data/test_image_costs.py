"""A file that would take long, or much memory, is refused on its header, in milliseconds."""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib

import pytest

from imlgcn.data import image_limits
from imlgcn.data.features import features_for
from imlgcn.data.image_input import as_image
from imlgcn.data.images import ImageError
from imlgcn.image_settings import ImageSettings

from .conftest import encode, picture

JPEG = encode(picture(64, 48), "JPEG")
PROGRESSIVE = encode(picture(64, 48), "JPEG", progressive=True)


def resized(jpeg: bytes, marker: bytes, side: int) -> bytes:
    """Return a JPEG whose header says that it is a square of that side."""
    at = jpeg.index(marker) + 5
    return jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :]


def png(side: int, colour: int, depth: int = 8) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 0) + b"IDAT" + bytes(4)


def many_scans(count: int) -> bytes:
    start = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:-2] + PROGRESSIVE[start:-2] * count + b"\xff\xd9"


COSTLY = {
    "junk after the start": (JPEG[:20] + bytes(3_000_000), "belong to no segment"),
    "segments without end": (b"\xff\xd8" + b"\xff\xfe\0\2" * 20_000, "first 10,000 segments"),
    "many scans": (many_scans(400), "scans or more"),
    "few scans of many pixels": (resized(many_scans(60), b"\xff\xc2", 9000), "scans or more"),
    "large progressive": (resized(PROGRESSIVE, b"\xff\xc2", 12_000), "progressive JPEG of 144"),
    "RGB": (png(13_000, 2), "mode RGB take 645 MiB"),
    "RGBA, which exists twice": (png(9_500, 6), "mode RGBA take 689 MiB"),
    "grey, which becomes RGB": (png(12_000, 0), "mode L take 687 MiB"),
    "16 bits": (png(11_000, 0, 16), "mode I;16 take 692 MiB"),
}


@pytest.mark.parametrize(("content", "words"), COSTLY.values(), ids=COSTLY)
def test_what_would_cost_much_is_refused_at_once(tmp_path, content, words):
    path = tmp_path / "costly.jpg"
    path.write_bytes(content)
    for given in (path, content):
        started = time.process_time()
        with pytest.raises(ImageError, match=words):
            as_image(given, size=32)
        assert time.process_time() - started < 1


def test_a_usual_file_is_within_all_limits():
    for content in (JPEG, PROGRESSIVE, many_scans(20), JPEG[:20] + bytes(500) + JPEG[20:]):
        assert as_image(content, size=32).mode == "RGB"


def special_files(folder):
    os.mkfifo(folder / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.jpg"))
    for name, target in (("zero.jpg", "/dev/zero"), ("random.jpg", "/dev/urandom")):
        (folder / name).symlink_to(target)
    (folder / "link.jpg").symlink_to(folder / "fifo.jpg")
    return sorted(folder.iterdir())


def test_only_regular_files_are_opened_by_prediction_and_by_training(tmp_path):
    files = special_files(tmp_path)
    assert len(files) == 5
    for path in files:
        with pytest.raises(ImageError, match=rf"{path.name}: is not a regular file but a device"):
            as_image(path, size=32)
    table = features_for(
        files, extractor=lambda pixels: pixels, settings=ImageSettings(size=16), key="", cache=None
    )
    assert len(table.failed) == 5
    assert "is not a regular file" in table.failed[0]


def test_a_file_of_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.write(JPEG)
        file.truncate(20 * 2**30)
    with pytest.raises(
        ImageError, match=r"sparse\.jpg: has 20,480 MiB, more than the limit of 512"
    ):
        as_image(path, size=32)


def test_every_limit_is_a_number_of_bytes_that_a_person_can_look_up():
    assert image_limits.MAX_DECODED < 2**30
    assert image_limits.MAX_FILE < 2**30
