"""The same picture gives the same pixels, in whatever form it is given."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imlgcn.data.image_input import ImageTypeError, as_image, each_image, is_image, name_of
from imlgcn.data.images import WHOLE_PIXELS, ImageError
from imlgcn.data.transforms import load_input
from imlgcn.image_settings import ImageSettings

from .conftest import difference, encode, picture

SETTINGS = ImageSettings(size=32)
GREY = Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21)  # 16 bits


def photograph(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Return smooth colours with a few edges, and grain as of a camera."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (9, 12, 3), np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    image.paste(
        tuple(small[0, 0].tolist()), (size[0] // 4, size[1] // 3, size[0] // 2, size[1] // 2)
    )
    grain = random.normal(0, 12, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(picture(200, 120), "JPEG", exif=exif)


def with_alpha(mode: str) -> Image.Image:
    image = picture().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def palette() -> bytes:
    return encode(picture().quantize(16), "PNG", transparency=3)


FILES = {
    "colours": lambda: encode(picture(), "PNG"),
    "photograph": lambda: encode(photograph(0), "JPEG"),
    "large photograph": lambda: encode(picture(2200, 1500), "JPEG"),
    "turned": rotated,
    "transparent": lambda: encode(with_alpha("RGB"), "PNG"),
    "grey and transparent": lambda: encode(with_alpha("L"), "PNG"),
    "palette": palette,
    "animation": lambda: encode(picture(), "GIF", save_all=True, append_images=[picture(64, 48)]),
    "16 bits": lambda: encode(GREY, "PNG"),
    "16 bits TIFF": lambda: encode(GREY, "TIFF"),
    "CMYK": lambda: encode(picture().convert("CMYK"), "JPEG"),
    "CMYK TIFF": lambda: encode(picture().convert("CMYK"), "TIFF"),
    "grey": lambda: encode(picture().convert("L"), "JPEG"),
    "black and white": lambda: encode(picture().convert("1"), "PNG"),
    "WebP": lambda: encode(with_alpha("RGB"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_gives_the_same_pixels_as_path_bytes_stream_and_pil_image(kind, tmp_path):
    data = FILES[kind]()
    path = tmp_path / "picture"
    path.write_bytes(data)
    expected = load_input(path, SETTINGS)
    opened = Image.open(path)
    forms = [str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), opened]
    for form in forms:
        np.testing.assert_array_equal(load_input(form, SETTINGS), expected)
    size = opened.size
    opened.load()
    assert opened.size == size, "the caller's image is as it was"
    if size[0] * size[1] <= WHOLE_PIXELS:
        np.testing.assert_array_equal(load_input(opened, SETTINGS), expected)
        decoded = opened.copy()  # a copy still says how it is to be turned
        np.testing.assert_array_equal(load_input(decoded, SETTINGS), expected)


@pytest.mark.parametrize("size", [(64, 48), (640, 480)])
def test_an_array_and_a_tensor_of_a_picture_are_the_picture(size, tmp_path):
    path = tmp_path / "photo.jpg"
    photograph(3, size).save(path)
    expected = load_input(path, SETTINGS)
    array = np.asarray(Image.open(path))  # (H, W, 3)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)  # (3, H, W)
    forms = [array, array[::-1][::-1], array.astype(np.uint16) * 257, array / 255]
    forms += [(array / 255).astype(np.float32), tensor, tensor / 255, (tensor / 255).double()]
    forms += [np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])]  # opaque
    for form in forms:
        np.testing.assert_array_equal(load_input(form, SETTINGS), expected)


def test_a_grey_array_has_two_dimensions_or_one_channel_and_transparency_is_on_white():
    grey = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64).astype(np.uint8)
    expected = load_input(Image.fromarray(grey), SETTINGS)
    for form in (grey, grey[..., None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        np.testing.assert_array_equal(load_input(form, SETTINGS), expected)
    clear = np.zeros((4, 4, 4), np.uint8)
    assert load_input(clear, SETTINGS).min() == 255
    half = np.full((40, 40, 4), [0, 0, 0, 51], np.uint8)
    assert load_input(half, SETTINGS)[16, 16].tolist() == [204] * 3


def test_sixteen_bits_become_the_nearest_of_eight_and_floats_are_fractions_of_white():
    values = np.array([[0, 128, 129, 65535]], np.uint16)
    assert np.asarray(as_image(values, size=4))[0, :, 0].tolist() == [0, 0, 1, 255]
    floats = np.array([[0, 0.5, 0.25, 1]])
    assert np.asarray(as_image(floats, size=4))[0, :, 0].tolist() == [0, 128, 64, 255]


def test_truth_values_are_black_and_white_and_the_order_of_bytes_does_not_matter():
    black_and_white = picture(64, 48).convert("1")
    expected = np.asarray(as_image(black_and_white, size=64))
    assert set(np.unique(expected)) == {0, 255}
    values = np.asarray(black_and_white)  # bool
    for form in (values, torch.from_numpy(values.copy())):
        np.testing.assert_array_equal(np.asarray(as_image(form, size=64)), expected)
    grey = np.asarray(GREY)
    for form in (grey.astype("<u2"), grey.astype(">u2")):
        np.testing.assert_array_equal(
            np.asarray(as_image(form, size=64)), np.asarray(as_image(GREY, size=64))
        )


def test_a_turned_image_is_turned_once_and_the_callers_image_stays(tmp_path):
    opened = Image.open(io.BytesIO(rotated()))
    upright = as_image(opened, size=32, fit="pad")
    assert upright.height > upright.width
    assert as_image(upright, size=32, fit="pad").size == upright.size
    assert opened.size == (200, 120)
    assert opened.getexif()[0x0112] == 6


def test_pixels_of_unknown_range_are_refused_as_a_file_as_a_pil_image_and_as_an_array(tmp_path):
    path = tmp_path / "float.tif"
    Image.new("F", (4, 2), 0.5).save(path)
    for form in (path, Image.open(path), Image.new("F", (4, 2), 0.5)):
        with pytest.raises(ImageError, match="floating-point pixels of unknown range"):
            load_input(form, SETTINGS)
    for low, high in ((0, 255), (-1, 1), (0, np.nan)):
        with pytest.raises(ImageError, match="floats are taken from 0 to 1"):
            load_input(np.array([[low, high]], float), SETTINGS)


class Picture:
    """Something that is not an image."""


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        {"image": "a.jpg"},
        Picture(),
        np.zeros((3, 4, 5, 6, 7), np.uint8),
        np.zeros(10, np.uint8),
        np.zeros((3, 48, 64), np.uint8),  # channels first
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4), complex),
        torch.zeros(48, 64, 3, dtype=torch.uint8),  # channels last
    ],
    ids=lambda given: f"{type(given).__name__}{getattr(given, 'shape', '')}",
)
def test_what_is_no_image_is_a_type_error_that_says_what_is_taken(given):
    with pytest.raises(ImageTypeError, match=r"expected .*(a path, bytes|H, W|uint8)") as caught:
        as_image(next(each_image(given)), size=32)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "address", ["https://example.org/a.jpg", "s3://bucket/a.jpg", "data:image/png;base64,AAAA"]
)
def test_an_address_is_refused_with_a_word(address):
    with pytest.raises(ImageError, match="is an address, and imlgcn fetches nothing"):
        as_image(address, size=32)


def test_a_file_that_is_open_as_text_is_refused_with_how_to_open_it(tmp_path):
    (tmp_path / "a.png").write_bytes(FILES["colours"]())
    with (
        (tmp_path / "a.png").open(encoding="latin-1") as file,
        pytest.raises(ImageTypeError, match=r"a\.png is open as text; open it with"),
    ):
        as_image(file, size=32)


def test_a_folder_a_missing_and_a_damaged_file_are_named(tmp_path):
    for path, words in ((tmp_path, "directory"), (tmp_path / "a.jpg", "No such file")):
        with pytest.raises(ImageError, match=words) as caught:
            as_image(path, size=32)
        assert str(caught.value).startswith(f"{path}: ")
    cut = Image.open(io.BytesIO(encode(picture(), "JPEG")[:-200]))
    with pytest.raises(ImageError, match="truncated"):
        as_image(cut, size=32)


@pytest.mark.parametrize("suffix", [".CR2", ".nef", ".dng"])
def test_a_raw_photograph_is_no_tiff_though_it_may_look_like_one(suffix, tmp_path):
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(encode(picture(), "TIFF"))
    with pytest.raises(ImageError, match=f"not read \\({suffix}\\); save it as JPEG"):
        as_image(path, size=32)


def test_one_image_and_many_are_told_apart():
    array = np.zeros((4, 4, 3), np.uint8)
    for one in ("a.jpg", Path("a.jpg"), b"", bytearray(), io.BytesIO(), picture(), array):
        assert is_image(one)
        assert len(list(each_image(one))) == 1
    for many in (["a"], ("a",), (n for n in "a"), {"a"}, np.zeros((1, 4, 4, 3), np.uint8)):
        assert not is_image(many)
        assert len(list(each_image(many))) == 1
    with pytest.raises(ImageTypeError, match="image 2: int is not accepted"):
        list(each_image(["a.jpg", 5]))


def test_an_image_is_called_by_its_file(tmp_path):
    path = tmp_path / "a.png"
    picture().save(path)
    with path.open("rb") as file:
        names = [name_of(form) for form in (path, str(path), Image.open(path), file)]
    assert set(names) == {str(path)}
    assert name_of(picture()) == name_of(b"") == name_of(np.zeros((2, 2), np.uint8)) == ""


def compare_routes(count: int, folder: Path) -> None:
    """Assert that a photograph has one network input, by every route from its file."""
    settings, path = ImageSettings(size=224), folder / "photo.jpg"
    for seed in range(count):
        photograph(seed).save(path, quality=(75, 85, 92)[seed % 3], subsampling=seed % 3)
        expected = load_input(path, settings)
        whole = Image.open(path).convert("RGB")
        for form in (path.read_bytes(), Image.open(path), whole, np.asarray(whole)):
            np.testing.assert_array_equal(load_input(form, settings), expected)


@pytest.mark.thorough
def test_photographs_with_grain_get_the_same_tags_by_every_route(tmp_path):
    """Equal inputs of the network: no probability differs, so no tag flips."""
    compare_routes(60, tmp_path)


@pytest.mark.slow
def test_many_photographs_with_grain_get_the_same_tags_by_every_route(tmp_path):
    compare_routes(200, tmp_path)


def test_a_large_jpeg_that_was_decoded_elsewhere_is_nearly_its_file(tmp_path):
    settings, path = ImageSettings(size=224), tmp_path / "large.jpg"
    photograph(0, (2400, 1800)).save(path, quality=85)
    whole = Image.open(path)
    whole.load()
    found, expected = (load_input(form, settings).astype(int) for form in (whole, path))
    assert np.abs(found - expected).max() <= 6
    assert np.abs(found - expected).mean() < 0.5


def test_a_large_image_is_averaged_over_blocks_before_it_is_resized():
    image = photograph(0, (640, 480))
    assert difference(as_image(image, size=224, fit="pad"), image.reduce(2)).max() == 0
    assert as_image(image, size=224, fit="squash").size == (640, 480)  # 1.4 x 224 > 480 / 2
