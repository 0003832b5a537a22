"""Which images a tagger has learnt: eight bytes of the SHA-256 of each file, and nothing else.

A file of the same content is found under any name. One that was encoded anew, resized or cropped is
another content, and is not: `imlgcn check` looks for near duplicates. Letters: N images.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.files import content_number, write_atomic
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress

KEY = "learnt_images"  # in the metadata of an exported file
STORED = np.dtype("<u8")
FEW_LEARNT = 0.01  # of the images: a stray copy moves no number that is printed
THREADS = 4  # that hash: reading waits for the disk


class LearntImagesError(InputError):
    """The images to evaluate on are images that the tagger has learnt."""


@dataclass(frozen=True, eq=False)
class LearntImages:
    """The contents of the images that a tagger has learnt.

    Attributes:
        contents: ``(N,)`` :func:`imlgcn.files.content_number` of each, sorted, each once.
    """

    contents: NDArray[np.uint64]

    @classmethod
    def of(cls, contents: ArrayLike) -> LearntImages:
        """Return those of numbers in any order.

        >>> LearntImages.of([7, 3, 7]).contents.tolist()
        [3, 7]
        """
        return cls(np.unique(np.asarray(contents, np.uint64)))

    def include(self, contents: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of other images ``(M,)`` are among these.

        >>> LearntImages.of([3, 7]).include(np.array([7, 8], np.uint64)).tolist()
        [True, False]
        """
        return np.isin(contents, self.contents)

    def joined(self, contents: NDArray[np.uint64]) -> LearntImages:
        """Return these images and others ``(M,)``."""
        return LearntImages.of(np.concatenate([self.contents, contents]))

    def to_text(self) -> str:
        """Return them as text, for metadata: base64 of the file's bytes."""
        return base64.b64encode(self.contents.astype(STORED).tobytes()).decode()


def refuse_learnt(
    learnt: NDArray[np.bool_] | None,
    stored: Mapping[int, NDArray[Any]],
    progress: Progress,
    *,
    anyway: bool,
) -> None:
    """Refuse images that were learnt ``(N,)``, but for few, and those with ``stored`` scores.

    None: it is not known which were.
    """
    if learnt is None:
        return
    rows = [row for row in np.flatnonzero(learnt) if row not in stored]
    if not rows:
        return
    found = f"{number(len(rows), 0)} of {plural(len(learnt), 'image')} were in the training data"
    if len(rows) > FEW_LEARNT * len(learnt) and not anyway:
        raise LearntImagesError(
            f"{found} of this tagger, so this is not a test: give images that it has not learnt, "
            "or anyway=True for numbers that are too good"
        )
    progress.say(f"{found} of this tagger: the numbers are better than on new images")


def learnt_from_text(text: str, origin: Path) -> LearntImages:
    """Read :meth:`LearntImages.to_text`, found in the file ``origin``.

    Raises:
        InputError: it is damaged.
    """
    try:
        return _learnt(base64.b64decode(text, validate=True), origin)
    except binascii.Error:
        raise _damaged(origin) from None


def write_learnt(path: Path, learnt: LearntImages) -> None:
    """Write images to ``path`` in one step: 8 bytes each, sorted."""
    write_atomic(path, learnt.contents.astype(STORED).tobytes())


def read_learnt(path: Path) -> LearntImages:
    """Read a file of :func:`write_learnt`.

    Raises:
        InputError: it is damaged.
    """
    return _learnt(path.read_bytes(), path)


def contents_of(paths: Sequence[Path]) -> NDArray[np.uint64]:
    """Return the numbers of files ``(N,)``; 0 of one that cannot be read."""
    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(_content, paths)), np.uint64)


def _content(path: Path) -> int:
    from imlgcn.data.image_limits import open_image_file  # it loads Pillow

    try:
        with open_image_file(path) as file:
            return content_number(hashlib.file_digest(file, "sha256").digest())
    except (OSError, InputError):  # whoever opens it next says so
        return 0


def _learnt(data: bytes, origin: Path) -> LearntImages:
    if len(data) % STORED.itemsize:
        raise _damaged(origin)
    return LearntImages.of(np.frombuffer(data, STORED))


def _damaged(origin: Path) -> InputError:
    return InputError(
        f"{origin}: the list of learnt images is damaged; copy the tagger again, or delete the "
        "list: tagging does not need it"
    )
