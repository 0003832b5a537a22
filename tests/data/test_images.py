import io
import os
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
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

WHITE = (255, 255, 255)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(image: Image.Image) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file)
    return file.getvalue()


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Red left, blue right, a green bar along the top: every turn and flip shows."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    image.paste("lime", (0, 0, width, height // 4))
    return image


def pixel(source, at=(0, 0)):
    image = open_image(source)
    assert image.mode == "RGB"
    return image.getpixel(at)


def difference(first: Image.Image, second: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(first, int) - np.asarray(second, int))


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


# --- colours -------------------------------------------------------------------------------------


def palette_image() -> Image.Image:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30, 255, 0, 0])
    image.putpixel((3, 1), 2)
    return image


TRANSPARENT = {
    "RGBA": encode(Image.new("RGBA", (4, 2), (10, 20, 30, 0)), "PNG"),
    "LA": encode(Image.new("LA", (4, 2), (10, 0)), "PNG"),
    "P, one colour": encode(palette_image(), "PNG", transparency=1),
    "P, table": encode(palette_image(), "PNG", transparency=b"\xff\x00\xff"),
    "RGB, one colour": encode(Image.new("RGB", (4, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
    "L, one colour": encode(Image.new("L", (4, 2), 7), "PNG", transparency=7),
    "I;16, one colour": encode(
        Image.fromarray(np.full((2, 4), 777, np.uint16)), "PNG", transparency=777
    ),
    "GIF": encode(palette_image(), "GIF", transparency=1),
    "WebP": encode(Image.new("RGBA", (4, 2), (10, 20, 30, 0)), "WEBP", lossless=True),
    "PA": encode(Image.new("PA", (4, 2), (1, 0)), "TIFF"),
}


@pytest.mark.parametrize("data", TRANSPARENT.values(), ids=TRANSPARENT)
def test_transparent_is_white(data):
    assert pixel(data) == WHITE


def test_half_transparent_is_mixed_with_white():
    assert pixel(encode(Image.new("RGBA", (4, 2), (0, 100, 255, 51)), "PNG")) == (204, 224, 255)


def test_palette_colours_are_kept():
    assert pixel(encode(palette_image(), "PNG", transparency=1), at=(3, 1)) == (255, 0, 0)
    assert pixel(encode(palette_image(), "PNG")) == (10, 20, 30)


VALUES = [0, 128, 129, 257 * 100, 32896, 65407, 65535]
SCALED = [0, 0, 1, 100, 128, 255, 255]  # nearest whole number to value / 257


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.fromarray(np.array([VALUES], np.uint16)), "PNG"),
        encode(Image.fromarray(np.array([VALUES], np.uint16)), "TIFF"),
        encode(Image.fromarray(np.array([VALUES], np.int32)), "TIFF"),
        b"P5 7 1 65535\n" + np.array(VALUES, ">u2").tobytes(),
    ],
    ids=["PNG", "TIFF", "TIFF int32", "PGM"],
)
def test_16_bit_grey_is_scaled_not_clipped(data):
    pixels = np.asarray(open_image(data))
    assert pixels[0].tolist() == [[grey] * 3 for grey in SCALED]


def test_16_bit_grey_takes_little_more_memory_than_its_pixels():
    """A small file may hold many pixels: a server says what one costs it at most."""
    data = encode(Image.new("I;16", (2000, 1000)), "PNG")
    tracemalloc.start()
    try:
        open_image(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * 2_000_000  # bytes a pixel, Pillow's own not counted


@pytest.mark.parametrize("values", [[-1, 5], [5, 65536]])
def test_32_bit_values_without_a_known_range_are_refused(values):
    with pytest.raises(ImageError, match="32-bit pixels"):
        open_image(encode(Image.fromarray(np.array([values], np.int32)), "TIFF"))


def test_floating_point_pixels_are_refused():
    with pytest.raises(ImageError, match="floating-point"):
        open_image(encode(Image.new("F", (4, 2), 0.5), "TIFF"))


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr"])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_other_colour_spaces_become_rgb(mode, kind):
    if (mode, kind) == ("YCbCr", "TIFF") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 refuses an uncompressed YCbCr TIFF as truncated")
    image = picture().convert(mode)
    found = open_image(encode(image, kind))
    assert difference(found, image.convert("RGB")).mean() < 4


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
