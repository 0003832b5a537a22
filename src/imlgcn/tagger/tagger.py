"""The tagger: images in, tags out.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import ActivationMaps, Region
from imlgcn.config import InputError
from imlgcn.data.images import open_image
from imlgcn.data.transforms import EvalTransform
from imlgcn.files import sha256_file, write_atomic
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.thresholds import ThresholdFit, parse_operating_point
from imlgcn.tagger.folder import MODEL, WEIGHTS
from imlgcn.tagger.info import TaggerInfo
from imlgcn.tagger.known import known_row
from imlgcn.tagger.network import save_weights, without_maps
from imlgcn.tagger.opened import OpenedTagger

if TYPE_CHECKING:
    from imlgcn.models import MultiLabelClassifier

ImageLike = str | Path | bytes | BinaryIO | Image.Image


class Tag(NamedTuple):
    """One label of one image: its calibrated probability and threshold, both 0 to 1."""

    label: str
    probability: float
    threshold: float


class Tagger(OpenedTagger):
    """Tags images with every label at or above its threshold, by the rules of its label table.

    >>> tagger = Tagger.load("runs/demo")  # doctest: +SKIP
    >>> tagger("photo.jpg")  # doctest: +SKIP
    [Tag(label='food', probability=0.97, threshold=0.41), ...]
    """

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Thresholds on calibrated probabilities (L,): of the label table, else fitted ones."""
        return self.label_table.thresholds(np.array(self.info.calibration.threshold))

    def thresholds_for(self, operating_point: str | None) -> NDArray[np.float64]:
        """Return thresholds (L,) for an operating point, None for the tagger's own.

        ``f1``, ``f1-macro``, ``f1-micro``, ``precision=0.9``, ``recall=0.9`` or a number. Any but
        the stored one is fitted on the scores in ``predictions.parquet`` that calibration was
        fitted on: out-of-fold, or of validation. A threshold of the label table stays.
        """
        return self.label_table.thresholds(self._fitted_thresholds(operating_point))

    def _fitted_thresholds(self, operating_point: str | None) -> NDArray[np.float64]:
        if operating_point is None or operating_point == self.info.calibration.operating_point:
            return np.array(self.info.calibration.threshold)
        point = parse_operating_point(operating_point)
        if point.kind == "fixed":
            return np.full(len(self.labels), point.value)
        if self.info.origin or self.path.is_file():
            kind = "exported file" if self.path.is_file() else "imported checkpoint"
            raise InputError(
                f"an {kind} has no held-out scores to fit thresholds on; give a number, such as "
                "threshold=0.5"
            )
        return self._threshold_fit.thresholds(point)

    def at(self, operating_point: str | None) -> Self:
        """Return the same tagger with the thresholds of another operating point; None: itself."""
        if operating_point is None:
            return self
        limits = self._fitted_thresholds(operating_point).tolist()
        changes = {"threshold": limits, "operating_point": operating_point}
        calibration = self.info.calibration.model_copy(update=changes)
        other = copy(self)
        other.info = self.info.model_copy(update={"calibration": calibration})
        return other

    @cached_property
    def _threshold_fit(self) -> ThresholdFit:
        scored = self.folder.scores.fitted()
        return ThresholdFit(scored.probabilities, scored.targets, folds=scored.folds)

    def load_input(self, image: ImageLike) -> NDArray[np.uint8]:
        """Open one image and make the network input ``(S, S, 3)`` of it.

        Raises:
            ImageError: the image cannot be read; the message names the file.
        """
        settings = self.info.image
        if not isinstance(image, Image.Image):
            image = open_image(image, size=settings.size, fit=settings.fit)
        return EvalTransform(settings)(image)

    def probabilities(
        self, inputs: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float64]:
        """Return calibrated probabilities ``(B, L)`` of images ``(B, S, S, 3)`` as loaded.

        ``known`` from :meth:`known_row`, ``(L,)`` for all of them or ``(B, L)``, sets those
        probabilities to 1 or 0 and moves the others: `known_by` says how.
        """
        if known is None:
            return self.calibration.apply(self.engine.logits(inputs))
        rows = np.array(np.broadcast_to(known, (len(inputs), len(self.labels))))  # (B, L)
        if self.known_by == "head":
            scores = self.calibration.apply(self.engine.logits(inputs, rows))
        else:
            logits = self.calibration.logits(self.engine.logits(inputs))
            scores = self.known_update.probabilities(logits, rows)
        return np.where(rows >= 0, rows, scores)

    def region(self, size: tuple[int, int]) -> Region:
        """Return where the network input shows an image of ``size`` (width, height)."""
        return EvalTransform(self.info.image).region(size)

    def maps(
        self,
        inputs: NDArray[np.uint8],
        sizes: Sequence[tuple[int, int]] | None = None,
        known: NDArray[np.int8] | None = None,
    ) -> ActivationMaps:
        """Return where each label's logit comes from, for images ``(B, S, S, 3)`` as loaded.

        ``sizes`` are the (width, height) of the images: with them the result has the region
        of the network input that shows each image. ``known`` as in `probabilities`, for a head
        that takes known labels; counts of label pairs move a score, but at no place of the image:
        logits and maps are then those of the image alone.

        Raises:
            InputError: the head, or the exported file, has no maps.
        """
        engine = self._map_engine
        if engine.map_kind is None:
            raise without_maps(self.info, self.path)
        rows = None
        if known is not None and self.known_by == "head":
            rows = np.tile(known, (len(inputs), 1))  # (B, L)
        logits, maps = engine.maps(inputs, rows)
        whole = [Region()] * len(inputs)
        regions = whole if sizes is None else [self.region(size) for size in sizes]
        return ActivationMaps(logits, maps, engine.map_kind, tuple(regions))

    def __call__(
        self,
        image: ImageLike,
        *,
        known: Mapping[str, int] | None = None,
        threshold: str | None = None,
    ) -> list[Tag]:
        """Return the image's tags, most probable first; ``threshold`` as in `thresholds_for`.

        Raises:
            ImageError: the image cannot be read.
            InputError: known labels that do not exist, or of a tagger that cannot use them.
        """
        given = self.known_row(known)
        row = self.probabilities(self.load_input(image)[None], given)[0]
        return self.tags(row, self.thresholds_for(threshold))

    def tags(
        self, probabilities: NDArray[np.float64], thresholds: NDArray[np.float64] | None = None
    ) -> list[Tag]:
        """Return the tags of one row of probabilities (L,), most probable first.

        By the rules of the label table: a parent has at least the probability of its child, and
        may be below its own threshold. What users read is ``tagger.label_table.name_of(label)``.
        """
        limits = self.thresholds if thresholds is None else thresholds
        scores, given = self.label_table.decide(probabilities, limits)
        found = [
            Tag(name, float(p), float(t))
            for name, p, t, tagged in zip(self.labels, scores, limits, given, strict=True)
            if tagged
        ]
        return sorted(found, key=lambda tag: -tag.probability)

    def known_row(self, known: Mapping[str, int] | None) -> NDArray[np.int8] | None:
        """Return labels that are already known as a row (L,): 1 present, 0 absent, -1 not known.

        Raises:
            InputError: the tagger cannot use known labels, or there is no such label.
        """
        if not known:
            return None
        row = known_row(known, self.labels)
        if self.known_by == "counts":
            _ = self.known_update  # raises where there are no counts
        return self.label_table.close_known(row)


def save_tagger(
    path: Path, classifier: MultiLabelClassifier, context: LabelContext, info: TaggerInfo
) -> Tagger:
    """Write ``model.safetensors``, then ``model.json`` with its hash; return the tagger."""
    save_weights(path, classifier, context)
    info = info.model_copy(update={"sha256": {WEIGHTS: sha256_file(path / WEIGHTS)}})
    write_atomic(path / MODEL, info.model_dump_json(indent=1) + "\n")
    return Tagger(path, info)
