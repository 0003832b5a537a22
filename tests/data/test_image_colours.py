"""Whatever the colours of a file, its picture is RGB on white, with nothing clipped."""

import tracemalloc

import numpy as np
import PIL
import pytest
from PIL import Image

from imlgcn.data.images import ImageError, open_image

from .conftest import difference, encode, picture, pixel

WHITE = (255, 255, 255)


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
