"""Which images of an unlabelled folder to label next.

Letters: n images in the folder, N that the head was fitted on, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.data.near_duplicates import near_pairs
from imlgcn.data.scan import scan_image
from imlgcn.errors import InputError
from imlgcn.numbers import number, percent, plural
from imlgcn.prediction import expand_paths
from imlgcn.progress import SILENT, Progress
from imlgcn.suggestion.coverage import MOST, Coverage, doubt, unknown_after
from imlgcn.suggestion.folder import (
    ALIKE,
    ALMOST_SAME,
    PlacedImages,
    drawn,
    in_words,
    read_images,
)
from imlgcn.tagger import Tagger

NAMED = 2  # labels that an image may show


@dataclass(frozen=True)
class Suggestion:
    """One image to label.

    Attributes:
        image: its path.
        why: in words.
        nearest: the training image most like it; None if the tagger keeps no names.
        similarity: to that image, a cosine from 0 to 1; None if the tagger keeps no images.
        like: how many other images of the folder are like it.
        gain: which fraction of what was unknown about the folder goes when it is labelled, after
            those before it.
    """

    image: str
    why: str
    nearest: str | None
    similarity: float | None
    like: int
    gain: float


@dataclass(frozen=True)
class Suggestions:
    """The images to label, the most useful first.

    Attributes:
        images: as many as were asked for, or fewer.
        considered: how many images could be read.
        left_out: of a folder of more than 8,000, how many were not drawn.
        known: how many are nearly the same as a training image, and need no label.
        failed: path -> why it could not be read, with the path.
    """

    images: tuple[Suggestion, ...]
    considered: int
    left_out: int
    known: int
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Doubts:
    """How unsure each label of each image is, with what words say of it."""

    labels: tuple[str, ...]
    positives: NDArray[np.int64]  # (L,) in training
    probabilities: NDArray[np.float64]  # (n, L)
    weights: NDArray[np.float64]  # (n, L)

    def words(self, row: int) -> str:
        """Name the labels that matter most, the likeliest of them first."""
        first = np.argsort(-self.weights[row], kind="stable")[:NAMED]
        first = first[np.argsort(-self.probabilities[row, first], kind="stable")]
        named = (
            f"{self.labels[j]} ({percent(float(self.probabilities[row, j]))}, "
            f"{plural(int(self.positives[j]), 'training image')})"
            for j in first
        )
        return f"unsure: {', '.join(named)}"


def suggest(
    tagger: Tagger | str | Path,
    folder: str | Path | Sequence[str | Path],
    *,
    budget: int = 50,
    rare: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Suggestions:
    """Choose the images of a folder whose labels would teach the tagger most about the others.

    By the uncertainty of the kernel between images (:mod:`imlgcn.suggestion.coverage`): an image is
    worth labelling if much is unknown about the images like it. No two of them are near duplicates.
    The order of the files does not matter, and the same files give the same images.

    Args:
        tagger: the folder that training wrote, or what `Tagger.load` made of it.
        folder: images as for :func:`imlgcn.predict`: files, folders, patterns. Of more than 8,000,
            8,000 are drawn by their names.
        budget: how many images, 1 or more.
        rare: count an image more where labels with few training images are unsure.
        device: where the backbone runs, as for :meth:`imlgcn.Tagger.load`.
        progress: told how many images are read.

    Raises:
        InputError: a budget below 1, an exported file, or no image that can be read.
    """
    if budget < 1:
        raise InputError(f"expected budget=1 or more images; got {budget}")
    tagger = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger, device=device)
    given = expand_paths([folder] if isinstance(folder, str | Path) else folder)
    paths = drawn(given, MOST)
    images = read_images(tagger, paths, device=device, progress=progress)
    doubts = doubts_of(tagger, images.probabilities(tagger)) if rare else None
    chosen, known = choose(images, budget, doubts, _thumbnail)
    return Suggestions(
        tuple(chosen), len(images.paths), len(given) - len(paths), known, images.failed
    )


def doubts_of(tagger: Tagger, probabilities: NDArray[np.float64]) -> Doubts:
    """Return how unsure a tagger is of images, from their probabilities ``(n, L)``."""
    context = tagger.folder.context
    positives = np.array(tagger.info.calibration.positives)
    if context is not None and context.num_images:
        positives = context.occurrences
    return Doubts(tagger.labels, positives, probabilities, doubt(probabilities, positives))


@torch.inference_mode()
def choose(
    images: PlacedImages,
    budget: int,
    doubts: Doubts | None,
    thumbnail: Callable[[str], NDArray[np.uint8] | None],
) -> tuple[list[Suggestion], int]:
    """Return the suggestions, and how many images are nearly the same as a fitted one.

    ``thumbnail`` returns that of a path, ``(16, 17, 3)``, or None where there is none.
    """
    space, vectors = images.space, images.vectors
    weights = None if doubts is None else torch.from_numpy(doubts.weights.sum(1))
    coverage = Coverage(unknown_after(space, vectors), space.ridge, weights)
    distances, rows = images.nearest()
    free = distances > ALMOST_SAME
    known = int((~free).sum())
    found: list[Suggestion] = []
    thumbnails: list[NDArray[np.uint8]] = []
    while len(found) < budget and free.any():
        row, gain = coverage.best(free)
        coverage.label(row)
        around = space.distances(vectors[row : row + 1], vectors)[0]  # (n,)
        free &= around > ALMOST_SAME
        free[row] = False
        if _shown_before(thumbnail(images.paths[row]), thumbnails):
            continue
        like = int((around <= ALIKE).sum()) - 1
        distance = float(distances[row])
        words = _words(like, distance)
        if doubts is not None:
            words += f"; {doubts.words(row)}"
        similarity = float(space.similarity(distances[row])) if math.isfinite(distance) else None
        nearest = None if images.names is None else images.names[int(rows[row])]
        found.append(Suggestion(images.paths[row], words, nearest, similarity, max(like, 0), gain))
    return found, known


def _thumbnail(path: str) -> NDArray[np.uint8] | None:
    return scan_image(Path(path)).thumbnail


def _shown_before(thumbnail: NDArray[np.uint8] | None, thumbnails: list[NDArray[np.uint8]]) -> bool:
    """Say whether an image is a near duplicate of one before it; if not, remember it."""
    if thumbnail is None:
        return False
    last = len(thumbnails)
    if any(last in pair for pair in near_pairs(np.stack([*thumbnails, thumbnail]))):
        return True
    thumbnails.append(thumbnail)
    return False


def _words(like: int, distance: float) -> str:
    """Say how many images are like it, and how new it is; ``distance`` in medians."""
    if like > 0:
        others = "1 other image is" if like == 1 else f"{number(like, 0)} other images are"
    else:
        others = "no other image is"
    if not math.isfinite(distance):
        return f"{others} like it"
    if distance > ALIKE:
        return f"{others} like it; unlike any training image"
    return f"{others} like it; the nearest training image is {in_words(distance)}"
