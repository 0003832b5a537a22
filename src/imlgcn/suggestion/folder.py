"""A folder of images in a tagger's own space.

Letters: n images in the folder, N that the head was fitted on, D length of a vector, L labels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.data.dataset import Dataset
from imlgcn.data.features import features_for
from imlgcn.data.formats.base import Record
from imlgcn.errors import InputError
from imlgcn.models import Backbone, Head
from imlgcn.models.grown import GrownHead
from imlgcn.models.image_space import ImageSpace, deepest_roots, feature_space, median_distance
from imlgcn.models.scorer import Scorer
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger, load_classifier
from imlgcn.tagger.support import Support
from imlgcn.training.extract import ImageFeatures, extract_features
from imlgcn.training.levels import in_memory
from imlgcn.training.loop import score_features

BLOCK = 1024  # images compared with all others at once
WORDS = (  # up to so many medians of squared distance
    (0.05, "nearly the same picture"),
    (0.35, "very similar"),
    (0.6, "similar"),
    (0.85, "somewhat similar"),
)
ALMOST_SAME, ALIKE = WORDS[0][0], WORDS[2][0]


@dataclass(frozen=True, eq=False)
class PlacedImages:
    """Images in the space in which a tagger compares images.

    Attributes:
        paths: of the n images, as they were given.
        vectors: ``(n, D)``, float32.
        space: what the vectors belong to.
        names: of the N images in ``space.fitted``; None where the tagger does not keep them.
    """

    paths: tuple[str, ...]
    vectors: Tensor
    space: ImageSpace
    names: tuple[str, ...] | None

    def nearest(self) -> tuple[Tensor, Tensor]:
        """Return the distance to the nearest fitted image and its row, ``(n,)`` each.

        In medians of squared distance. Without fitted images: infinity, and 0.
        """
        fitted = self.space.fitted
        if not len(fitted):
            rows = torch.zeros(len(self.vectors), dtype=torch.int64)
            return torch.full((len(rows),), torch.inf), rows
        parts = torch.split(self.vectors, BLOCK)
        found = [self.space.distances(part, fitted).min(1) for part in parts]
        return torch.cat([part.values for part in found]), torch.cat([p.indices for p in found])


@dataclass(frozen=True, eq=False)
class ReadImages(PlacedImages):
    """Image files that could be read, and why others could not.

    Attributes:
        failed: path -> why it could not be read, with the path.
        features: what the backbone found in the images.
        head: of the tagger.
    """

    failed: dict[str, str]
    features: ImageFeatures
    head: Scorer

    def probabilities(self, tagger: Tagger) -> NDArray[np.float64]:
        """Return calibrated probabilities ``(n, L)``."""
        logits = pooled_logits(self.head, self.features)
        if logits is None:  # maps are too large to keep: each image runs once more
            logits = features_for(
                self.features.dataset.paths,
                extractor=tagger.engine.logits,
                settings=tagger.info.image,
                key="",
                cache=None,
            ).array
        return tagger.calibration.apply(logits)


def pooled_logits(head: Scorer, features: ImageFeatures) -> NDArray[np.float32] | None:
    """Return the logits ``(n, L)`` of a head; None where pooled features are not enough for it."""
    if not isinstance(head, Head) or head.pooling is None:
        return None
    with torch.inference_mode():
        return score_features(head, features.inputs(head))


def read_images(
    tagger: Tagger,
    paths: Sequence[str | Path],
    *,
    device: str = "auto",
    progress: Progress = SILENT,
) -> ReadImages:
    """Put image files into the space in which the tagger compares images.

    That of the kernel head is its own; for any other head it is made of the features of the
    images in ``support.parquet`` or, without this file, of the given images.

    Raises:
        InputError: ``tagger`` is an exported file, there is no such device, or no image can be
            read.
    """
    if tagger.path.is_file():
        raise InputError(
            f"{tagger.path} is an exported file, which has no features of images; give the "
            "folder that training wrote"
        )
    classifier, _ = load_classifier(tagger.path, tagger.info)
    classifier.eval()
    assert isinstance(classifier.backbone, Backbone)
    records = tuple(Record(str(path), Path(path)) for path in paths)
    targets = np.zeros((len(records), 0), np.int8)
    dataset = Dataset((), records, targets, reader="", reason="")
    features = extract_features(classifier.backbone, dataset, device=device, progress=progress)
    with torch.inference_mode():
        vectors = vectors_of(classifier.head, features)
        space, names = space_of(tagger, classifier.head, vectors)
    return ReadImages(
        tuple(record.name for record in features.dataset.records),
        *(vectors, space, names),
        *(features.failed, features, classifier.head),
    )


def vectors_of(head: Scorer, features: ImageFeatures) -> Tensor:
    """Return the vectors ``(n, D)`` of images: a kernel's own, else roots of features."""
    trained = _trained(head)
    own = _own_space(trained)
    if own is None:
        return deepest_roots(features.pooled("avg")[:])
    return own.vectors(in_memory(features.inputs(trained))).float()


def space_of(
    tagger: Tagger, head: Scorer, vectors: Tensor
) -> tuple[ImageSpace, tuple[str, ...] | None]:
    """Return the space of vectors ``(n, D)`` and the names of the images it is fitted on."""
    own = _own_space(_trained(head))
    if own is not None:
        kept = tagger.folder.support(features=False)
        return own, _names(kept, len(own.fitted))
    kept = tagger.folder.support()
    if kept is None or kept.features is None or not len(kept.images):
        return ImageSpace(deepest_roots, vectors[:0], median_distance(vectors)), None
    return feature_space(torch.from_numpy(kept.features.astype(np.float32))), kept.images


def _trained(head: Scorer) -> Scorer:
    return head.head if isinstance(head, GrownHead) else head


def _own_space(head: Scorer) -> ImageSpace | None:
    return head.image_space() if isinstance(head, Head) else None


def _names(kept: Support | None, images: int) -> tuple[str, ...] | None:
    """Return the names of the first images, which are the head's own; None if these are fewer."""
    return kept.images[:images] if kept is not None and len(kept.images) >= images else None


def in_words(distance: float) -> str:
    """Say how alike two images are; ``distance`` in medians of squared distance.

    >>> in_words(0.0), in_words(0.5), in_words(1.0)
    ('nearly the same picture', 'similar', 'no more similar than any two')
    """
    found = (words for limit, words in WORDS if distance <= limit)
    return next(found, "no more similar than any two")


def drawn(paths: Sequence[str], most: int) -> list[str]:
    """Return at most so many paths, sorted; which are drawn depends on their names alone.

    The names count from the folder that holds all of them, so that it may be moved.
    """
    paths = sorted(paths)
    if len(paths) <= most:
        return paths
    above = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])

    def mark(path: str) -> bytes:
        name = Path(os.path.relpath(os.path.abspath(path), above)).as_posix()
        return hashlib.sha256(name.encode(errors="surrogateescape")).digest()

    return sorted(sorted(paths, key=mark)[:most])
