"""Files with one vector per name: JSON, npz, safetensors. Nothing in them is executed.

Shapes: D width of a vector.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError


def read_vectors(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the vectors ``(D,)`` of a file by name.

    A JSON file is ``{"name": [numbers], ...}``; the other two hold one array per name.

    Raises:
        InputError: a damaged file, or vectors that are empty, not finite or of different lengths.
    """
    try:
        content = READERS[path.suffix.lower()](path)
        vectors = {str(name): np.array(row, np.float64) for name, row in content.items()}
    except Exception as error:  # on garbage a reader raises whatever the bytes lead it to
        raise InputError(
            f"{path} is damaged or holds no vectors ({type(error).__name__}); expected one list of "
            "numbers for each name"
        ) from error
    for name, vector in vectors.items():
        if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
            raise InputError(
                f"{path}: the entry {name!r} is not a vector of finite numbers (its shape is "
                f"{vector.shape}); store one array (D,) for each name"
            )
    if len({len(vector) for vector in vectors.values()}) > 1:
        raise InputError(f"{path} holds vectors of different lengths; make it with one encoder")
    return vectors


def _read_json(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _read_npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors.numpy import load_file

    return load_file(path)


READERS: dict[str, Callable[[Path], Mapping[str, Any]]] = {
    ".json": _read_json,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}
