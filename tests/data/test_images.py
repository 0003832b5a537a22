import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from imlgcn.data.images import (
    ALLOWED_FORMATS,
    IMAGE_SUFFIXES,
    ImageError,
    ImageInfo,
    image_info,
    open_image,
)

from .conftest import difference, encode, heic, picture

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", pytest.param("AVIF", marks=needs_avif)],
)
def test_every_allowed_format_gives_the_picture(kind, tmp_path):
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(encode(picture(), kind))
    assert difference(open_image(path), picture()).mean() < 4
    assert image_info(path) == ImageInfo(64, 48, kind)
    assert path.suffix in IMAGE_SUFFIXES
    assert kind in ALLOWED_FORMATS


def test_heic_is_read_without_registering_a_plugin_for_the_whole_program():
    data = heic(picture())
    assert difference(open_image(data), picture()).mean() < 4
    assert image_info(data) == ImageInfo(64, 48, "HEIF")
    assert "HEIF" not in Image.OPEN


def test_heic_under_the_brand_it_shares_with_avif_is_read_too():
    data = heic(picture())
    assert data[8:12] == b"heic"
    shared = data[:8] + b"mif1" + data[12:]
    assert difference(open_image(shared), picture()).mean() < 4


def test_heic_without_its_package_says_what_to_install(monkeypatch, tmp_path):
    path = tmp_path / "phone.heic"
    path.write_bytes(heic(picture()))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"phone\.heic: .*pip install 'imlgcn\[heif\]'"):
        open_image(path)


@pytest.mark.parametrize("kind", ["ICO", "PCX", "JPEG2000", "EPS", "TGA"])
def test_other_formats_of_pillow_are_refused(kind):
    Image.init()
    with pytest.raises(ImageError, match="not an image of a known format"):
        open_image(encode(picture(), kind))


def test_a_decoder_missing_from_pillow_is_named(monkeypatch):
    factory, _ = Image.OPEN["WEBP"]
    monkeypatch.setitem(Image.OPEN, "WEBP", (factory, lambda prefix: "WEBP support not installed"))
    with pytest.raises(ImageError, match="WEBP support not installed"):
        open_image(encode(picture(), "WEBP"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_many_frames_the_first_is_shown(kind):
    frames = [picture(), Image.new("RGB", (64, 48), "white")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    assert difference(open_image(data), frames[0]).mean() < 4


# --- turned by EXIF ------------------------------------------------------------------------------

# how a camera stores the upright picture, for each orientation that undoes it
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(image: Image.Image, orientation: int, kind: str) -> bytes:
    method = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image if method is None else image.transpose(method), kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photograph_stands_upright(orientation, kind):
    found = open_image(turned(picture(), orientation, kind))
    assert found.size == (64, 48)
    assert difference(found, picture()).mean() < 4


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photograph_decoded_at_an_eighth_stands_upright_too(orientation):
    found = open_image(turned(picture(1024, 768), orientation, "JPEG"), size=32)
    assert found.size == (128, 96)
    assert difference(found, picture(128, 96)).mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_metadata_do_not_cost_the_picture():
    data = encode(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert difference(open_image(data), picture()).mean() < 4


# --- where it comes from -------------------------------------------------------------------------


class Pipe(io.RawIOBase):
    """A stream that can only be read onwards."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(buffer)


def test_path_text_bytes_and_streams_give_the_same_picture(tmp_path):
    data = encode(picture(), "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    half_read = io.BytesIO(data)
    half_read.seek(10)
    for source in (path, str(path), data, half_read, Pipe(data)):
        assert difference(open_image(source), picture()).max() == 0
    assert not half_read.closed


def test_an_error_names_an_open_file_and_calls_nameless_bytes_image(tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"bad")
    with path.open("rb") as file, pytest.raises(ImageError, match=r"bad\.jpg: "):
        open_image(file)
    for source in (b"bad", io.BytesIO(b"bad"), Pipe(b"bad")):
        with pytest.raises(ImageError, match=r"^image: "):
            open_image(source)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files on Linux")
def test_no_file_stays_open(tmp_path):
    data = encode(picture(), "GIF", save_all=True, append_images=[picture()])
    (tmp_path / "many.gif").write_bytes(data)
    (tmp_path / "cut.png").write_bytes(encode(NOISE, "PNG")[:3000])
    (tmp_path / "pages.tiff").write_bytes(
        encode(picture(), "TIFF", save_all=True, append_images=[picture()])
    )
    before = len(os.listdir("/proc/self/fd"))
    kept = []
    for path in tmp_path.iterdir():
        try:
            kept.append(open_image(path))
        except ImageError as error:
            kept.append(error)
        image_info(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_decode_the_same_picture():
    sources = [encode(picture(), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF")] * 20
    alone = [np.asarray(open_image(data)) for data in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: np.asarray(open_image(data)), sources))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)
