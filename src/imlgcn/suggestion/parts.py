"""Suggestions among images that arrive in parts: what is needed of each, as bytes.

A client asks for that of every image, keeps it, and gives all of it back for the choice, so that
neither side needs all images at once. Letters: n images, D length of a vector, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.formats.base import Record
from imlgcn.data.thumbnails import SHAPE
from imlgcn.errors import InputError
from imlgcn.models import Backbone
from imlgcn.numbers import number
from imlgcn.suggestion.choice import Suggestions, choose, doubts_of
from imlgcn.suggestion.coverage import MOST
from imlgcn.suggestion.folder import PlacedImages, pooled_logits, space_of, vectors_of
from imlgcn.tagger import Tagger, load_classifier
from imlgcn.training.extract import features_of_rows, pooling_extractor

OTHER = "the vectors are not of this tagger; read the images again"


class ImageReader:
    """Reads images one at a time, and suggests some of those that it has read.

    It holds the tagger's network, and of the images nothing. Any thread may use it.
    """

    def __init__(self, tagger: Tagger) -> None:
        """Load the network.

        Raises:
            InputError: an exported file.
        """
        if tagger.path.is_file():
            raise InputError(
                f"{tagger.path} is an exported file, which has no features of images; give the "
                "folder that training wrote"
            )
        classifier, _ = load_classifier(tagger.path, tagger.info)
        classifier.eval()
        assert isinstance(classifier.backbone, Backbone)
        self._tagger, self._head = tagger, classifier.head
        self._backbone = classifier.backbone
        self._extract = pooling_extractor(classifier.backbone, "cpu")

    @torch.inference_mode()
    def read(self, pixels: NDArray[np.uint8], thumbnail: NDArray[np.uint8]) -> bytes:
        """Return what `suggest` needs of an image: vector, probabilities, thumbnail.

        Args:
            pixels: its network input ``(S, S, 3)``.
            thumbnail: that of :func:`imlgcn.data.thumbnails.thumbnail_of` ``(16, 17, 3)``.
        """
        targets = np.zeros((1, 0), np.int8)
        dataset = Dataset((), (Record("", Path()),), targets, reader="", reason="")
        features = features_of_rows(self._backbone, dataset, self._extract(pixels[None]))
        logits = pooled_logits(self._head, features)
        if logits is None:
            logits = self._tagger.engine.logits(pixels[None])
        vector = vectors_of(self._head, features)[0].numpy()
        probabilities = self._tagger.calibration.apply(logits)[0]
        parts = (vector.astype("<f4"), probabilities.astype("<f8"), thumbnail)
        return b"".join(part.tobytes() for part in parts)

    def suggest(
        self, names: Sequence[str], seen: Sequence[bytes], *, budget: int = 50, rare: bool = False
    ) -> Suggestions:
        """Choose among n images as :func:`imlgcn.suggest` does; order them by path for the same.

        Args:
            names: of the images, each another.
            seen: what :meth:`read` returned for each.
            budget: how many images, 1 or more.
            rare: count an image more where labels with few training images are unsure.

        Raises:
            InputError: no images, more than 8,000, a name that two have, a budget below 1, or bytes
                that are not from this tagger.
        """
        if budget < 1:
            raise InputError(f"expected budget=1 or more images; got {budget}")
        if not 0 < len(names) <= MOST:
            raise InputError(f"expected 1 to {number(MOST, 0)} images; got {number(len(names), 0)}")
        if len(set(names)) < len(names):
            raise InputError("two images have the same name; give each its own")
        vectors, probabilities, pictures = self._taken_apart(seen)
        with torch.inference_mode():
            space, fitted = space_of(self._tagger, self._head, vectors)
        if len(space.fitted) and space.fitted.shape[1] != vectors.shape[1]:
            raise InputError(OTHER)
        placed = PlacedImages(tuple(names), vectors, space, fitted)
        doubts = doubts_of(self._tagger, probabilities) if rare else None
        rows = {name: row for row, name in enumerate(names)}
        chosen, known = choose(placed, budget, doubts, lambda name: pictures[rows[name]])
        return Suggestions(tuple(chosen), len(names), 0, known, {})

    def _taken_apart(
        self, seen: Sequence[bytes]
    ) -> tuple[torch.Tensor, NDArray[np.float64], NDArray[np.uint8]]:
        """Return vectors ``(n, D)``, probabilities ``(n, L)`` and thumbnails ``(n, 16, 17, 3)``."""
        after = 8 * len(self._tagger.labels), int(np.prod(SHAPE))
        start = len(seen[0]) - sum(after)
        if start <= 0 or start % 4 or any(len(each) != len(seen[0]) for each in seen):
            raise InputError(OTHER)
        rows = np.stack([np.frombuffer(each, np.uint8) for each in seen])
        vectors = rows[:, :start].copy().view("<f4")
        probabilities = rows[:, start : start + after[0]].copy().view("<f8")
        if not (np.isfinite(vectors).all() and np.isfinite(probabilities).all()):
            raise InputError("the vectors are damaged; read the images again")
        pictures = rows[:, start + after[0] :].reshape(-1, *SHAPE)
        return torch.from_numpy(vectors), probabilities, pictures
