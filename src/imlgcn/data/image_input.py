"""What may be given as an image, and the one place that turns it into pixels.

The same picture gives the same pixels in every form: a file by its path, its bytes, opened, as a
PIL image (turned as its EXIF data say, transparency on white) or as an array of its values. Only a
JPEG of more than :data:`imlgcn.data.images.WHOLE_PIXELS` that was decoded elsewhere differs from
its file, by about half a level of 255.

Letters: C channels, H height, W width, N images.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin

from imlgcn.data.image_modes import eight_bits, upright_rgb
from imlgcn.data.images import MAX_PIXELS, WHOLE_PIXELS, ImageError, open_image, reduced
from imlgcn.errors import InputError

if TYPE_CHECKING:
    import torch

    ImageLike = (
        str
        | os.PathLike[str]
        | bytes
        | bytearray
        | memoryview
        | BinaryIO
        | Image.Image
        | NDArray[Any]
        | torch.Tensor
    )
else:
    ImageLike = Any

ACCEPTED = (
    "a path, bytes, an open binary file, a PIL image, a numpy array (H, W, 3), (H, W, 4) or (H, W) "
    "of uint8, uint16, bool or floats from 0 to 1, a torch tensor (3, H, W) of these; or a list, "
    "tuple, generator or array of these"
)
ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:(//|[a-z]+/[a-z]+[;,])")  # https://, data:image/png;
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by channels
Fit = Literal["pad", "squash"]


class ImageTypeError(InputError, TypeError):
    """Something that is not an image in any form that is accepted; the message lists these."""


def is_image(given: object) -> TypeGuard[ImageLike]:
    """Return whether something is one image; False for a collection of images.

    An array or tensor of four dimensions is a collection: ``(N, H, W, C)``, ``(N, C, H, W)``, and
    so is an array ``(N,)`` of paths or objects, a column of a table.

    Raises:
        ImageTypeError: it is neither.
    """
    if isinstance(given, np.ndarray) or _is_tensor(given):
        is_column = isinstance(given, np.ndarray) and given.dtype.kind in "OU" and given.ndim == 1
        return not is_column and bool(cast(Any, given).ndim != 4)
    known = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
    if isinstance(given, known) or hasattr(given, "read"):
        return True
    if isinstance(given, Iterable) and not isinstance(given, Mapping):
        return False
    raise _unknown(given)


def each_image(given: object) -> Iterator[ImageLike]:
    """Yield the images of a collection as they are asked for, or the one image.

    Raises:
        ImageTypeError: something among them is not an image.
    """
    if is_image(given):
        yield given
        return
    for number, image in enumerate(cast(Iterable[object], given), 1):
        try:
            if not is_image(image):
                raise ImageTypeError(f"{_unknown(image)}, but no list within a list")
        except ImageTypeError as error:
            raise ImageTypeError(f"image {number}: {error}") from None
        yield image


def name_of(image: object) -> str:
    """Return the path of an image that has one, else nothing; never opens it."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    names = (getattr(image, attribute, "") for attribute in ("filename", "name"))
    return next((str(name) for name in names if name and isinstance(name, (str, Path))), "")


def as_image(
    given: ImageLike, *, size: int, fit: Fit = "squash", max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Return one image as upright 8-bit RGB, averaged to what a network input of ``size`` needs.

    Arrays are RGB (turn OpenCV's with ``[..., ::-1]``), RGBA (then on white) or grey. ``uint16`` is
    divided by 257, and of ``bool`` True is white. Floats are fractions of white: ``x`` becomes the
    nearest of ``255 x``; an array with a value outside of 0 to 1 is refused.

    Args:
        given: an image in one of the forms that :data:`ACCEPTED` lists.
        size, fit: as for :func:`imlgcn.data.images.open_image`.
        max_pixels: of a file that is decoded here.

    Raises:
        ImageError: the image cannot be used; the message starts with its name.
        ImageTypeError: it is not an image in any of these forms.
    """
    if isinstance(given, np.ndarray) or _is_tensor(given):
        image = _of_array(given)
    elif isinstance(given, Image.Image) and not _is_for_its_decoder(given):
        image = _of_pil(given)
    else:
        limits = {"max_pixels": max_pixels, "whole_pixels": WHOLE_PIXELS}
        image = open_image(_file(given), size=size, fit=fit, **limits)
    return reduced(image, size, fit)


def refuse_address(name: str) -> None:
    """Raise `ImageError` if a path is an address on the net: nothing is fetched."""
    if ADDRESS.match(name):
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        raise ImageError(
            f"{shown}: is an address, and imlgcn fetches nothing; download the file and give its "
            "path or its bytes"
        )


def _file(given: object) -> Path | bytes | BinaryIO:
    if isinstance(given, (str, os.PathLike)):
        name = os.fspath(given)
        refuse_address(name)
        return Path(name)
    if isinstance(given, (bytes, bytearray, memoryview)):
        return bytes(given)
    if isinstance(given, ImageFile.ImageFile):
        return _content(given)
    if isinstance(given, TextIOBase):
        name = name_of(given) or type(given).__name__
        raise ImageTypeError(f"{name} is open as text; open it with open(..., 'rb')")
    if hasattr(given, "read"):
        return cast(BinaryIO, given)
    raise _unknown(given)


def _is_for_its_decoder(image: Image.Image) -> bool:
    """Return whether it is a large JPEG that is not decoded yet: its decoder averages blocks."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return False
    is_untouched = bool(image.tile) and image.fp is not None and image.tell() == 0
    return is_untouched and image.width * image.height > WHOLE_PIXELS


def _content(image: ImageFile.ImageFile) -> BytesIO:
    """Return the file of an opened image: drafting the image itself would change its size."""
    assert image.fp is not None
    image.fp.seek(0)  # its own load() seeks, too
    file = BytesIO(image.fp.read())
    file.name = name_of(image)
    return file


def _of_pil(image: Image.Image) -> Image.Image:
    try:
        image.load()
        if not image.width * image.height:
            raise ValueError("it has no pixels")
        return upright_rgb(image)
    except Exception as error:  # it may be decoded only now, and decoders raise almost anything
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name_of(image) or 'image'}: {reason}") from error


def _of_array(given: Any) -> Image.Image:
    values, form = _channels_last(given)
    channels = values.shape[2]
    if channels not in MODES or not values.size:
        wanted = "(C, H, W)" if _is_tensor(given) else "(H, W, C)"
        raise ImageTypeError(
            f"{form} is not an image: expected {wanted} with C = 1, 3 or 4 and at least one pixel; "
            "several images go in a list"
        )
    pixels = _bytes_of(values, form)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    assert image.mode == MODES[channels]
    return upright_rgb(image)


def _channels_last(given: Any) -> tuple[NDArray[Any], str]:
    """Return an array ``(H, W, C)``, and what came for a message."""
    dtype = str(given.dtype).removeprefix("torch.")
    kind = "tensor" if _is_tensor(given) else "array"
    form = f"{'an' if dtype[0] in 'aeio' else 'a'} {dtype} {kind} of shape {tuple(given.shape)}"
    if given.ndim not in (2, 3):
        raise ImageTypeError(f"{form} is not an image; expected {ACCEPTED}")
    if kind == "array":
        array = np.asarray(given)
        return (array[..., None] if array.ndim == 2 else array), form
    tensor = given.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()  # numpy has no bfloat16
    array = tensor.numpy()
    return (array[..., None] if array.ndim == 2 else np.moveaxis(array, 0, -1)), form


def _bytes_of(values: NDArray[Any], form: str) -> NDArray[np.uint8]:
    """Return values as 8 bits by the rule for their type."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # in either order of bytes
        return eight_bits(values)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind != "f":
        raise ImageTypeError(
            f"{form} is not an image: expected uint8, uint16, bool or floats from 0 to 1; "
            "image.astype('uint8') converts values from 0 to 255"
        )
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # nor NaN
        raise ImageError(
            f"image: floats are taken from 0 to 1, and {form} has {low:g} to {high:g}; give it "
            "before it is normalised, or values from 0 to 255 as uint8"
        )
    return np.rint(values.astype(np.float32) * 255).astype(np.uint8)


def _is_tensor(given: object) -> bool:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    return torch is not None and isinstance(given, torch.Tensor)


def _unknown(given: object) -> ImageTypeError:
    kind = type(given)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return ImageTypeError(
        f"{module}{kind.__qualname__} is not accepted as an image; expected {ACCEPTED}"
    )
