"""The images that a head was fitted on, as the tagger folder keeps them for later questions.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.images import ImageError, open_image
from imlgcn.errors import InputError
from imlgcn.models import Head
from imlgcn.models.layers import POOLINGS
from imlgcn.models.scorer import Scorer
from imlgcn.tagger import Tagger
from imlgcn.tagger.learnt import LearntImages
from imlgcn.tagger.support import Support, half_precision
from imlgcn.training.held_out import Lesson

SIDE = 96  # pixels of the longer side of a thumbnail
QUALITY = 80  # of WebP: 2 kB a picture
PER_LABEL = 30  # images with the largest weights: on clip art nine of ten that explain shows
MOST_BYTES = 5_000_000  # of all thumbnails
BLOCK = 8192  # images whose features are read at once


def fitted_support(lesson: Lesson, head: Scorer, *, thumbnails: bool = False) -> Support:
    """Return the images that ``head`` has learnt, in the order in which it learnt them.

    Where it scores by some of them only (landmarks), these come first, in its own order.

    ``thumbnails`` adds small pictures of those with the largest weights, where the head scores by
    the images it was fitted on.
    """
    order = _order(len(lesson.groups), head)
    dataset = lesson.features.dataset.select(order)
    values, stages = lesson.features.values, lesson.features.stages
    average = POOLINGS.index("avg")
    pictures = {}
    if thumbnails and isinstance(head, Head) and head.has_support:
        weights = head.support_weights().abs().cpu().numpy()  # (N, L)
        pictures = _thumbnails(dataset.paths, strongest_rows(weights))
    return Support(
        labels=tuple(dataset.names),
        images=tuple(record.name for record in dataset.records),
        targets=dataset.targets,
        features=_halves(order, lambda rows: values[rows][:, average]),
        stages=_halves(order, lambda rows: np.concatenate([s[rows] for s in stages], 1))
        if stages
        else None,
        groups=lesson.groups[order] if lesson.held_out.any() else None,
        folds=lesson.folds[order] if lesson.held_out.any() else None,
        thumbnails=pictures,
    )


def _halves(
    order: NDArray[np.int64], rows: Callable[[NDArray[np.int64]], NDArray[np.floating]]
) -> NDArray[np.float16]:
    """Return ``rows`` of all numbers in ``order``, as float16, made a block at a time."""
    found: NDArray[np.float16] | None = None
    for start in range(0, max(len(order), 1), BLOCK):
        block = half_precision(rows(order[start : start + BLOCK]))
        if found is None:
            found = np.empty((len(order), block.shape[1]), np.float16)
        found[start : start + len(block)] = block
    assert found is not None, "no rows are a block, too"
    return found


def learnt_images(lesson: Lesson, start: Path | None = None) -> LearntImages | None:
    """Return the images of a lesson and those of the tagger ``start`` that training continued from.

    None: they do not come of files, or the older tagger does not know its own.
    """
    if lesson.features.contents is None:
        return None
    own = LearntImages.of(lesson.features.contents)
    if start is None:
        return own
    try:
        before = Tagger.load(start).learnt_images()
    except InputError:  # a damaged list is no list, and no reason to lose a training
        return None
    return None if before is None else before.joined(own.contents)


def _order(images: int, head: Scorer) -> NDArray[np.int64]:
    """Return the rows of all images, those that the head scores by first."""
    everyone = np.arange(images)
    if not isinstance(head, Head) or head.support_rows is None:
        return everyone
    own = head.support_rows.cpu().numpy()
    return np.concatenate([own, np.setdiff1d(everyone, own)])


def strongest_rows(weights: NDArray[np.floating]) -> list[int]:
    """Return the rows of ``weights`` ``(N, L)`` that are among the 30 largest of a label.

    The largest of every label come first, then the second of every label, and so on.

    >>> strongest_rows(np.array([[0.1, 0.9], [0.3, 0.2], [0.2, 0.0]]))
    [1, 0, 2]
    """
    ranked = np.argsort(-weights, axis=0, kind="stable")[:PER_LABEL]  # (30, L)
    return list(dict.fromkeys(int(row) for row in ranked.ravel()))


def _thumbnails(paths: list[Path], rows: list[int]) -> dict[int, bytes]:
    """Return the first pictures that fit into the budget; an image that is gone has none."""
    found: dict[int, bytes] = {}
    total = 0
    for row in rows:
        try:
            picture = thumbnail(paths[row])
        except ImageError:
            continue
        total += len(picture)
        if total > MOST_BYTES:
            break
        found[row] = picture
    return found


def thumbnail(path: Path) -> bytes:
    """Return an image file as a small WebP, without anything but its pixels.

    Raises:
        ImageError: it cannot be read.
    """
    image = open_image(path, size=SIDE, fit="pad")
    image.thumbnail((SIDE, SIDE))
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()
