"""What scikit-learn's users give as ``X``: a collection of images, and nothing that is none.

Letters: N images, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from imlgcn.data.formats.column_names import IMAGE_COLUMNS, normal
from imlgcn.data.image_input import ImageLike, ImageTypeError, is_image

EXPECTED = (
    "expected X as a list, Series or array (N,) of paths, PIL images or arrays, or as an array "
    "(N, H, W, C)"
)


def images_of(X: Any) -> list[ImageLike]:
    """Return the images of ``X``, one for each row; none is opened.

    ``X`` is a list, tuple, Series or array ``(N,)`` of paths, PIL images, bytes or arrays, an array
    ``(N, H, W, C)``, or a table with one column, or one that is named as images usually are.

    Raises:
        InputError: it is something else; rows of numbers and a single image are refused.
    """
    if hasattr(X, "__array__") and not hasattr(X, "__len__"):
        X = np.asarray(X)
    if X is None or isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise ImageTypeError(f"{EXPECTED}; got {'None' if X is None else type(X).__name__}")
    if hasattr(X, "toarray"):
        raise ImageTypeError(f"{EXPECTED}; got a sparse matrix, which holds no images")
    X = _column(X) if hasattr(X, "columns") else X
    if hasattr(X, "shape"):
        X = _rows(X)
    elif is_image(X):
        raise ImageTypeError(f"{EXPECTED}; got one image: put it into a list, [image]")
    images = list(X)
    for row, image in enumerate(images):
        if not _is_one(image):
            kind = type(image).__name__
            raise ImageTypeError(f"{EXPECTED}; row {row} is a {kind}, which is not an image")
    return images


def _is_one(image: Any) -> bool:
    try:
        return is_image(image)
    except ImageTypeError:
        return False


def _column(table: Any) -> Any:
    """Return the column of a table that holds the images."""
    names = list(table.columns)
    found = names if len(names) == 1 else [n for n in names if normal(str(n)) in IMAGE_COLUMNS]
    if len(found) != 1:
        shown = ", ".join(map(str, names[:6]))
        raise ImageTypeError(f"{EXPECTED}; got a table with columns {shown}: give that of images")
    return table[found[0]]


def _rows(X: Any) -> Any:
    """Return an array of images by its rows."""
    shape = tuple(X.shape)
    if len(shape) in (1, 4):
        return X
    is_text = isinstance(X, np.ndarray) and X.dtype.kind in "OUT"
    if is_text and len(shape) == 2 and shape[1] == 1:
        return X[:, 0]
    hints = {
        2: "rows of numbers are not images: reshape them to (N, height, width, channels)",
        3: "for grey images give X[..., None], for one image [X]",
    }
    hint = hints.get(len(shape), "give one image in each row")
    raise ImageTypeError(f"{EXPECTED}; got an array of shape {shape}: {hint}")
