"""Decoding large files fast, and refusing what is too large, damaged or no image."""

import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFile, features

from imlgcn.data.images import ImageError, ImageInfo, image_info, open_image
from imlgcn.errors import InputError

from .conftest import encode, heic, picture

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def photograph(width: int, height: int, grain: float = 8) -> Image.Image:
    """Smooth shades, hard edges and grain."""
    random = np.random.default_rng(0)
    shades = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    image = shades.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y, side = (int(random.integers(width)) for _ in range(3))
        draw.ellipse((x, y, x + side // 4, y + side // 5), fill=(y % 256, x % 256, side % 256))
    if not grain:
        return image
    noise = random.normal(0, grain, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def difference(first: Image.Image, second: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(first, int) - np.asarray(second, int))


# --- fast decoding of large JPEG files -----------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "fit", "decoded"),
    [
        (None, "squash", (1600, 1200)),
        (429, "squash", (1600, 1200)),  # 1.4 * 429 = 601, more than half of 1200
        (428, "squash", (800, 600)),
        (214, "squash", (400, 300)),
        (20, "squash", (200, 150)),
        (572, "pad", (1600, 1200)),  # 1.4 * 572 = 801, more than half of 1600
        (571, "pad", (800, 600)),
    ],
)
def test_both_sides_of_a_draft_stay_above_the_wanted_ones(size, fit, decoded):
    data = encode(picture(1600, 1200), "JPEG")
    assert open_image(data, size=size, fit=fit).size == decoded


def test_the_short_side_counts_only_when_it_is_to_fill_the_square():
    data = encode(picture(1600, 250), "JPEG")
    assert open_image(data, size=224, fit="squash").size == (1600, 250)
    assert open_image(data, size=224, fit="pad").size == (400, 63)


@pytest.mark.parametrize("box", [(224, 168), (224, 224)])
def test_a_draft_resized_looks_like_the_full_decode_resized(box):
    data = encode(photograph(2000, 1500), "JPEG", quality=90)
    full = open_image(data).resize(box, Image.Resampling.BICUBIC)
    draft = open_image(data, size=224).resize(box, Image.Resampling.BICUBIC)
    assert draft.size == full.size
    assert difference(full, draft).max() <= 12
    assert difference(full, draft).mean() < 0.5


def test_a_12_megapixel_photograph_costs_far_less_than_a_full_decode():
    data = encode(photograph(4000, 3000, grain=0), "JPEG", quality=75)

    def seconds(size: int | None) -> float:
        times = []
        for _ in range(5):
            started = time.thread_time()
            open_image(data, size=size)
            times.append(time.thread_time() - started)
        return min(times)

    assert seconds(224) < 0.6 * seconds(None)  # 0.36 measured; a busy machine needs slack


def test_other_formats_ignore_the_wanted_size():
    assert open_image(encode(picture(640, 480), "PNG"), size=16).size == (640, 480)


# --- what is refused -----------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 0) + b"IDAT" + bytes(4)


def test_too_many_pixels_are_refused_from_the_header_alone(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(20_001, 10_000))
    with pytest.raises(ImageError, match=r"bomb\.png: 20001 x 10000 pixels .* 200 megapixels"):
        open_image(path)
    assert image_info(path) == ImageInfo(20_001, 10_000, "PNG")


def test_the_limit_is_ours_not_the_process_wide_one_of_pillow():
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match="truncated"):  # within the limit: it tries to decode
            open_image(png_header(12_000, 13_000))
    assert before == Image.MAX_IMAGE_PIXELS
    data = encode(picture(30, 20), "PNG")
    assert open_image(data, max_pixels=600).size == (30, 20)
    with pytest.raises(ImageError, match="30 x 20 pixels"):
        open_image(data, max_pixels=599)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_an_error_that_names_it(kind, share, tmp_path):
    data = encode(NOISE, kind)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=r"^.*/cut: \w+"):
        open_image(path, size=16)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_truncated_heic_or_avif_is_an_error():
    files = [heic(NOISE)] + ([encode(NOISE, "AVIF")] if features.check("avif") else [])
    for data in files:
        for share in (0.1, 0.5, 0.9):
            with pytest.raises(ImageError):
                open_image(data[: int(len(data) * share)])


@pytest.mark.filterwarnings("ignore")
def test_random_damage_never_raises_anything_but_an_image_error():
    random = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        good = encode(picture(40, 30), kind)
        for _ in range(60):
            data = bytearray(good)
            for position in random.integers(0, min(len(data), 400), 4):
                data[position] = random.integers(256)
            try:
                assert open_image(bytes(data), max_pixels=10**6).mode == "RGB"
            except ImageError:
                continue


def test_every_kind_of_bad_path_is_one_sentence_that_names_it(tmp_path):
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.png"
    text.write_text("these are not pixels")
    empty.touch()
    for path, words in (
        (text, "not an image of a known format"),
        (empty, "empty"),
        (tmp_path / "nowhere.jpg", "No such file"),
        (tmp_path, "directory"),
    ):
        for read in (open_image, image_info):
            with pytest.raises(ImageError) as caught:
                read(path)
            message = str(caught.value)
            assert message.startswith(f"{path}: ")
            assert words in message
            assert "\n" not in message
    assert issubclass(ImageError, InputError)


def test_a_video_is_not_taken_for_heic():
    with pytest.raises(ImageError, match="not an image of a known format"):
        open_image(b"\0\0\0\x18ftypisom" + bytes(100))
