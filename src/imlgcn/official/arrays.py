"""What published systems keep in files beside a checkpoint: label vectors, and a label graph.

Shapes: L labels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imlgcn.errors import InputError
from imlgcn.labels.embeddings import FloatArray
from imlgcn.labels.word_vectors import word_embeddings
from imlgcn.progress import Progress


def read_vectors(path: Path, names: Sequence[str], progress: Progress) -> FloatArray:
    """Return the label vectors (L, D): an array in the labels' order, or matched by name."""
    if path.suffix.lower() == ".npy":
        return read_array(path, (len(names), None))
    vectors, missing = word_embeddings(names, path, progress=progress)
    if missing:
        progress.say(
            f"no word vector for: {', '.join(missing)} (replaced by the mean of the others)"
        )
    return vectors


def read_array(path: Path, shape: tuple[int | None, ...]) -> FloatArray:
    """Return the array in a ``.npy`` file; None in ``shape`` is any length.

    Raises:
        InputError: no such file, a pickled array, another shape, or numbers that are not finite.
    """
    wanted = " x ".join("D" if side is None else str(side) for side in shape)
    if not path.is_file():
        raise InputError(f"no file {path}; expected a .npy array, {wanted}")
    try:
        array = np.load(path, allow_pickle=False)
        numbers: FloatArray = np.array(array, np.float32)
    except (ValueError, TypeError, OSError, EOFError) as error:
        raise InputError(
            f"{path} is not a .npy file of numbers ({error}); convert a pickled array with "
            "numpy.save"
        ) from error
    fits = len(shape) == numbers.ndim and all(
        side in (None, found) for side, found in zip(shape, numbers.shape, strict=True)
    )
    if not fits or not np.isfinite(numbers).all():
        raise InputError(f"{path} must hold finite numbers, {wanted}; its shape is {numbers.shape}")
    return numbers
