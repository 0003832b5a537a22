"""Images that come as bytes or as objects, kept as files in the cache, named by their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ImageFile

from imlgcn.data.image_input import as_image
from imlgcn.data.images import ImageError, image_info
from imlgcn.errors import InputError
from imlgcn.files import cache_dir, write_atomic

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "HEIF": ".heic"}
WHOLE = 2**20  # an input side for which no image is made smaller


def image_file(image: Any, where: str = "") -> Path:
    """Return the file of an image: its path, or a copy in the cache, written on first use.

    The copy is the image's own file where it has one that is not decoded yet, else its pixels.

    Args:
        image: as for :func:`imlgcn.data.image_input.as_image`, or a mapping with ``bytes`` or
            ``path``, as Hugging Face stores images.
        where: the start of a message.

    Raises:
        InputError: it is none of these, or cannot be used.
    """
    if isinstance(image, Mapping) and (image.get("bytes") or image.get("path")):
        image = image.get("bytes") or image["path"]
    if isinstance(image, str | os.PathLike) and os.fspath(image):
        return Path(image)
    if image is None or (isinstance(image, str | bytes) and not image):
        raise InputError(f"{where}the image is missing")
    file = image
    if isinstance(image, ImageFile.ImageFile):
        file = image.fp if image.tile and image.tell() == 0 else None
    if hasattr(file, "read") and not isinstance(file, TextIOBase):
        image = _content(file)
    if isinstance(image, bytes | bytearray | memoryview):
        return _keep(bytes(image), image_suffix(bytes(image)))
    try:
        pixels = as_image(image, size=WHOLE)
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    content = BytesIO()
    pixels.save(content, "PNG", compress_level=1)
    return _keep(content.getvalue(), ".png")


def _content(file: BinaryIO) -> bytes:
    if file.seekable():
        file.seek(0)
    return file.read()


def image_suffix(content: bytes, otherwise: str = ".jpg") -> str:
    """Return the suffix of an image by its content; ``otherwise`` for what is not an image.

    >>> image_suffix(b"no image")
    '.jpg'
    """
    try:
        kind = image_info(content).format
    except ImageError:
        return otherwise
    return SUFFIXES.get(kind, f".{kind.lower()}")


def _keep(content: bytes, suffix: str) -> Path:
    name = hashlib.sha256(content).hexdigest()[:32]
    file = cache_dir() / "images" / name[:2] / f"{name}{suffix}"
    if not file.is_file():
        write_atomic(file, content)
    return file
