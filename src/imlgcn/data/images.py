"""Decoding of images: any allowed file becomes an upright 8-bit RGB image, here and nowhere else.

A file that might not be decoded as intended is refused with an error that names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from imlgcn.config import InputError

ImageSource = Path | str | bytes | BinaryIO

# Pillow's plugins by the name each registers; imported eagerly, because threads decode. EPS (runs a
# program), PSD, ICNS, JPEG 2000 and rare old formats are left out to reduce the attack surface.
PLUGINS = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "WEBP": WebPImagePlugin,
    "GIF": GifImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "PPM": PpmImagePlugin,
    "AVIF": AvifImagePlugin,
}
ALLOWED_FORMATS = (*PLUGINS, "HEIF")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
IMAGE_SUFFIXES = frozenset(
    suffix
    for known in (
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        (".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
        (".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
        (".avif", ".heic", ".heif", ".hif"),
    )
    for suffix in known
)
MAX_PIXELS = 200_000_000  # above the largest phone sensors; 0.6 GB once decoded
# A JPEG decoder can halve an image up to three times, which saves work each time. It may do so
# while width and height stay at least this many times the requested ones: the resize that follows
# then still filters. On photographs of 640 to 4,000 pixels logits change by 0.06 on average (from
# bicubic to Lanczos: 0.09, to bilinear: 0.13; the embedded tagger at 224), and decoding takes half
# the time.
DRAFT_MARGIN = 1.4
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(InputError):
    """An image cannot be used; the message starts with the name of its file."""


class ImageInfo(NamedTuple):
    """Content of the header: the size as stored (before EXIF rotation) and the format's name."""

    width: int
    height: int
    format: str


def image_info(source: ImageSource) -> ImageInfo:
    """Read an image's size and format from its header, without decoding and without a limit."""
    with _header(source) as image:
        return ImageInfo(*image.size, image.format or "unknown")


def image_metadata(source: ImageSource) -> tuple[Mapping[Any, Any], Mapping[int, Any]]:
    """Read what is beside an image's pixels: Pillow's ``info``, and EXIF (of a TIFF, its tags).

    Raises:
        ImageError: not an allowed format, or its header is damaged.
    """
    with _header(source) as image:
        return image.info, image.getexif()


def open_image(
    source: ImageSource,
    *,
    size: int | None = None,
    fit: Literal["pad", "squash"] = "squash",
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decode an image to upright 8-bit RGB, transparency on white, first frame.

    With the ``size`` it will be resized to (width and height, or with ``fit="pad"`` the longer of
    them), a large JPEG is decoded at a half, a quarter or an eighth of its size, but never below
    :data:`DRAFT_MARGIN` times the requested width or height.

    Raises:
        ImageError: not an allowed format, damaged, or more than ``max_pixels`` pixels.
    """
    with _header(source) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise InputError(
                f"{width} x {height} pixels are more than the limit of {max_pixels / 1e6:g} "
                "megapixels; make the image smaller or raise max_pixels"
            )
        if size is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
            scale = DRAFT_MARGIN * size / max(width, height)
            least = (width * scale, height * scale) if fit == "pad" else (DRAFT_MARGIN * size,) * 2
            image.draft(None, (math.ceil(least[0]), math.ceil(least[1])))
        image.load()
        return _to_rgb(_turn_upright(image))


@contextmanager
def _header(source: ImageSource) -> Iterator[ImageFile.ImageFile]:
    """Yield the image with only its header read; any error names the file."""
    name = source if isinstance(source, (Path, str)) else getattr(source, "name", "")
    name = str(name) if isinstance(name, (Path, str)) else ""  # the name of a stream may be an int
    with ExitStack() as stack:
        try:
            if isinstance(source, (Path, str)):
                file: BinaryIO = stack.enter_context(Path(source).open("rb"))
            elif isinstance(source, bytes) or not source.seekable():
                file = BytesIO(source if isinstance(source, bytes) else source.read())
            else:
                file = source
            yield _identify(file)
        except Exception as error:  # decoders raise almost anything on damaged or malicious bytes
            system = error.strerror if isinstance(error, OSError) else None
            raise ImageError(
                f"{name or 'image'}: {system or str(error) or type(error).__name__}"
            ) from error


def _identify(file: BinaryIO) -> ImageFile.ImageFile:
    """Return the image in ``file``, of an allowed format, with only its header read.

    Not ``Image.open(formats=...)``: it applies Pillow's pixel limit, with a warning from 89
    megapixels on, and a higher limit would apply to the whole process.
    """
    file.seek(0)
    prefix = file.read(16)
    if not prefix:
        raise InputError("is empty (0 bytes)")
    for name in PLUGINS:
        factory, accept = Image.OPEN[name]
        accepted = accept is not None and accept(prefix)
        if not accepted:
            continue
        file.seek(0)
        try:
            if isinstance(accepted, str):  # this build of Pillow lacks the decoder
                raise SyntaxError(accepted)
            return factory(file, "")
        except SyntaxError as error:  # how Pillow reports that it is not this format
            if prefix[8:12] not in HEIF_BRANDS:
                raise InputError(f"is not a valid {name} file ({error})") from error
    if prefix[4:8] == b"ftyp" and prefix[8:12] in HEIF_BRANDS:
        file.seek(0)
        return _identify_heif(file)
    raise InputError(f"is not an image of a known format ({', '.join(ALLOWED_FORMATS)})")


def _identify_heif(file: BinaryIO) -> ImageFile.ImageFile:
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            "is a HEIC image, which needs pillow-heif: pip install 'imlgcn[heif]'"
        ) from None
    factory: Any = pillow_heif.HeifImageFile
    return cast(ImageFile.ImageFile, factory(file, ""))


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # the image is usable without its metadata
        return image
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise InputError(
            "has floating-point pixels of unknown range; save it with 8 or 16 bits per channel"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)  # (H, W)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(
            "has 32-bit pixels of unknown range; save it with 8 or 16 bits per channel"
        )
    grey = np.empty(values.shape, np.uint8)
    for row, found in zip(
        grey, values, strict=True
    ):  # row by row: as a whole, the wider integers take gigabytes
        row[:] = (found.astype(np.uint32) + 128) // 257  # 65535 = 255 * 257
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")
