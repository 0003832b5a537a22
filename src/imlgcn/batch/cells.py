"""A cell of a column of images: the image and what it is called, or why there is none.

A cell may hold any object: whatever it is, it becomes a :class:`Cell` and raises nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from imlgcn.data.image_input import ImageLike, is_image, name_of

NO_IMAGE = "there is no image in this row"
NO_NAME = "there is no name for the image in this row"
SEVERAL = "several images in one cell"
MISSING_TYPES = ("NAType", "NaTType")  # of pandas, which may not be installed


class Cell(NamedTuple):
    """One image of a batch: what it is called, and either the image or why there is none."""

    name: str
    image: ImageLike | None
    error: str | None = None


def as_cell(value: object, called: object = None) -> Cell:
    """Return a cell that holds ``value``; what it is ``called``, or else its own path, names it.

    An image without a name has an error, too: nobody could tell whose tags these are.
    """
    name = _text(called)
    try:
        image, own = _image_of(value)
        name = name or own
        error = _error_of(image)
    except Exception as raised:  # an object may raise whatever it likes
        return Cell(name, None, str(raised) or type(raised).__name__)
    error = error or (None if name else NO_NAME)
    return Cell(name, None if error else image, error)


def is_of(module: str, kind: str, value: object) -> bool:
    """Return whether a value is of a class of a module that may not be loaded."""
    known = getattr(sys.modules.get(module), kind, None)
    return known is not None and isinstance(value, known)


def _image_of(value: Any) -> tuple[Any, str]:
    """Return what is to be read, a path as a string, and its own name or path."""
    value, own = _plain(value), ""
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):
        path, content = _plain(value.get("path")), _plain(value.get("bytes"))
        own = _text(path)
        value = path if _is_missing(content) else content
    if isinstance(value, os.PathLike):
        value = os.fsdecode(value)
    return value, own or _text(name_of(value))


def _error_of(image: object) -> str | None:
    """Return why something cannot be an image; its content is not looked at.

    Raises:
        ImageTypeError: it is of no type that is accepted.
    """
    if _is_missing(image):
        return NO_IMAGE
    return None if is_image(image) else SEVERAL


def _plain(value: Any) -> Any:
    """Return the Python object in a scalar of Arrow; of text that is not UTF-8, a file's name."""
    if not is_of("pyarrow", "Scalar", value):
        return value
    try:
        return value.as_py()
    except UnicodeDecodeError:
        if isinstance(value, Mapping):  # a struct: each of its fields for itself
            return dict(value.items())
        return os.fsdecode(value.as_buffer().to_pybytes())


def _text(value: object) -> str:
    """Return a name as text, which may be empty."""
    try:
        value = _plain(value)
        if _is_missing(value):
            return ""
        return os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else str(value)
    except Exception:  # an object may raise whatever it likes
        return ""


def _is_missing(value: object) -> bool:
    """Return whether a cell is empty, in the way of Python, numpy or pandas."""
    if isinstance(value, float | np.generic | Decimal) and bool(value != value):  # NaN and NaT
        return True
    return (
        value is None
        or value is np.ma.masked
        or (isinstance(value, str) and not value)
        or type(value).__name__ in MISSING_TYPES
    )
