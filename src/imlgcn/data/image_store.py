"""Images that come as bytes or as objects, kept as files in the cache, named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imlgcn.config import InputError
from imlgcn.data.images import ImageError, image_info
from imlgcn.files import cache_dir, write_atomic

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "HEIF": ".heic"}
PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
FORMS = "a path, a PIL image, the bytes of a file, or a uint8 array (H, W, 3)"


def image_file(image: Any, where: str = "") -> Path:
    """Return the file of an image: its path, or a copy in the cache, written on first use.

    Args:
        image: a path, bytes, a PIL image, an array (H, W, 1|3|4) or (H, W) of uint8, or a mapping
            with ``bytes`` or ``path``, as Hugging Face stores images.
        where: the start of a message.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(image, str | Path) and str(image):
        return Path(image)
    if isinstance(image, Mapping) and (image.get("bytes") or image.get("path")):
        return image_file(image.get("bytes") or image["path"], where)
    if isinstance(image, bytes | bytearray) and image:
        return _keep(bytes(image), image_suffix(bytes(image)))
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        image = _from_array(image, where)
    if not isinstance(image, Image.Image):
        raise InputError(
            f"{where}the image is {_described(image)}; expected {FORMS}"
            + ("; leave out the transform that makes tensors" if hasattr(image, "shape") else "")
        )
    return _keep_pixels(image, where)


def image_suffix(content: bytes, otherwise: str = ".jpg") -> str:
    """Return the suffix of an image by its content; ``otherwise`` for what is no image.

    >>> image_suffix(b"no image")
    '.jpg'
    """
    try:
        kind = image_info(content).format
    except ImageError:
        return otherwise
    return SUFFIXES.get(kind, f".{kind.lower()}")


def _from_array(array: np.ndarray[Any, Any], where: str) -> Image.Image:
    try:
        return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)
    except TypeError:
        raise InputError(
            f"{where}the image has the shape {array.shape}; expected {FORMS}"
        ) from None


def _keep_pixels(image: Image.Image, where: str) -> Path:
    """Keep pixels without loss, and how they are to be turned."""
    if image.mode == "F":
        raise InputError(f"{where}the image has floating-point pixels; expected {FORMS}")
    exif = image.getexif()
    image = image if image.mode in PNG_MODES else image.convert("RGB")
    content = BytesIO()
    image.save(content, "PNG", compress_level=1, exif=exif)
    return _keep(content.getvalue(), ".png")


def _keep(content: bytes, suffix: str) -> Path:
    name = hashlib.sha256(content).hexdigest()[:32]
    file = cache_dir() / "images" / name[:2] / f"{name}{suffix}"
    if not file.is_file():
        write_atomic(file, content)
    return file


def _described(image: Any) -> str:
    kind = type(image).__name__
    if hasattr(image, "shape"):
        return f"a {kind} of {getattr(image, 'dtype', '')} {tuple(image.shape)}"
    return "missing" if image in (None, "", b"") else f"a {kind}"
