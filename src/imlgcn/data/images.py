"""Decoding of images: any allowed file becomes an upright 8-bit RGB image, here and nowhere else.

A file that might not be decoded as intended is refused with an error that names it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

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

from imlgcn.data.image_limits import (
    MAX_FILE,
    check_jpeg,
    check_memory,
    check_size,
    open_image_file,
)
from imlgcn.data.image_modes import upright_rgb
from imlgcn.data.jpeg_damage import check_jpeg_data
from imlgcn.errors import InputError

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
# pictures that are not decoded: of cameras, and formats that are rare or no photographs
OTHER_SUFFIXES = frozenset(
    suffix
    for known in (
        (".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".orf"),
        (".rw2", ".pef", ".srw", ".x3f", ".3fr", ".erf", ".kdc", ".mef", ".mos", ".mrw", ".raw"),
        (".rwl", ".iiq", ".dcr", ".jp2", ".j2k", ".jpx", ".jxl", ".psd", ".xcf", ".svg", ".tga"),
    )
    for suffix in known
)
# An image much larger than the network input is first averaged over blocks of k x k pixels, k the
# largest power of two that leaves at least this many times the wanted size: the resize that
# follows then still filters. On photographs of 640 to 4,000 pixels logits change by 0.06 on average
# (from bicubic to Lanczos: 0.09, to bilinear: 0.13; the embedded tagger at 224).
REDUCE_MARGIN = 1.4
# A JPEG decoder averages blocks itself, up to 8 x 8, and skips most of its work: a 12-megapixel
# photograph takes 36 ms instead of 60. Its averages differ a little from those of whole decodes (it
# does not smooth the colours' resolution first), so it may do so above this size only: below, every
# route from a file to the network (path, bytes, PIL image, array) gives the same pixels. 640 x 480
# takes 0.5 to 0.9 ms more than if the decoder averaged.
WHOLE_PIXELS = 3_000_000


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
    whole_pixels: int = 0,
) -> Image.Image:
    """Decode an image to upright 8-bit RGB, transparency on white, first frame.

    With the ``size`` it will be resized to (width and height, or with ``fit="pad"`` the longer of
    them), a large JPEG of more than ``whole_pixels`` is decoded at a half, a quarter or an eighth
    of its size: see :func:`block_side`. For a network use
    :func:`imlgcn.data.image_input.as_image`.

    Raises:
        ImageError: not an allowed format, damaged, more than ``max_pixels`` pixels, or beyond a
            limit of :mod:`imlgcn.data.image_limits`.
    """
    with _header(source) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise InputError(
                f"{width} x {height} pixels are more than the limit of {max_pixels / 1e6:g} "
                "megapixels; make the image smaller or raise max_pixels"
            )
        by_decoder = isinstance(image, JpegImagePlugin.JpegImageFile)
        if size is not None and by_decoder and width * height > whole_pixels:
            side = block_side(image.size, size, fit)
            image.draft(None, (max(1, width // side), max(1, height // side)))
        check_memory(image)
        if by_decoder and image.fp is not None:
            check_jpeg_data(image.fp)
        image.load()
        return upright_rgb(image)


def reduced(image: Image.Image, size: int | None, fit: Literal["pad", "squash"]) -> Image.Image:
    """Return an image averaged over blocks of :func:`block_side`; itself where that is 1."""
    side = 1 if size is None else block_side(image.size, size, fit)
    return image if side == 1 else image.reduce(side)


def block_side(of: tuple[int, int], size: int, fit: Literal["pad", "squash"]) -> int:
    """Return the side of the blocks, a power of two, for an image of (width, height) ``of``.

    >>> block_side((640, 480), 224, "pad"), block_side((640, 300), 224, "squash")
    (2, 1)
    """
    length = max(of) if fit == "pad" else min(of)
    side = 1
    while math.ceil(length / (2 * side)) >= REDUCE_MARGIN * size:
        side *= 2
    return side


@contextmanager
def _header(source: ImageSource) -> Iterator[ImageFile.ImageFile]:
    """Yield the image with only its header read; any error names the file."""
    name = source if isinstance(source, (Path, str)) else getattr(source, "name", "")
    name = str(name) if isinstance(name, (Path, str)) else ""  # the name of a stream may be an int
    with ExitStack() as stack:
        try:
            if isinstance(source, (Path, str)):
                opened = stack.enter_context(open_image_file(source))
                file = cast(BinaryIO, opened)
            elif isinstance(source, bytes) or not source.seekable():
                content = source if isinstance(source, bytes) else source.read(MAX_FILE + 1)
                file = BytesIO(content)
            else:
                file = source
            check_size(file.seek(0, os.SEEK_END))
            image = _identify(file)
            if image.format == "TIFF" and Path(name).suffix.lower() in OTHER_SUFFIXES:
                raise InputError("is not a TIFF")  # its first image is a thumbnail
            yield image
        except Exception as error:  # decoders raise almost anything on damaged or malicious bytes
            raise ImageError(f"{name or 'image'}: {_reason(error, name)}") from error


def _reason(error: Exception, name: str) -> str:
    """Return why a file cannot be used."""
    if isinstance(error, IsADirectoryError):
        return "is a directory; imlgcn.predict tags the images in it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if (suffix := Path(name).suffix).lower() in OTHER_SUFFIXES:
        return f"is of a format that is not read ({suffix}); save it as JPEG, PNG or TIFF"
    return str(error) or type(error).__name__


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
        accept = Image.OPEN[name][1]
        accepted = accept is not None and accept(prefix)
        if not accepted:
            continue
        try:
            return _opened(file, name, accepted)
        except SyntaxError as error:  # how Pillow reports that it is not this format
            if prefix[8:12] not in HEIF_BRANDS:
                raise InputError(f"is not a valid {name} file ({error})") from error
    if prefix[4:8] == b"ftyp" and prefix[8:12] in HEIF_BRANDS:
        file.seek(0)
        return _identify_heif(file)
    raise InputError(f"is not an image of a known format ({', '.join(ALLOWED_FORMATS)})")


def _opened(file: BinaryIO, name: str, accepted: bool | str) -> ImageFile.ImageFile:
    if isinstance(accepted, str):  # this build of Pillow lacks the decoder
        raise SyntaxError(accepted)
    if name == "JPEG":
        check_jpeg(file)
    file.seek(0)
    return Image.OPEN[name][0](file, "")


def _identify_heif(file: BinaryIO) -> ImageFile.ImageFile:
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            "is a HEIC image, which needs pillow-heif: pip install 'imlgcn[heif]'"
        ) from None
    factory: Any = pillow_heif.HeifImageFile
    return cast(ImageFile.ImageFile, factory(file, ""))
