"""The tagger: images in, tags out.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import ActivationMaps, Region
from imlgcn.data.image_input import ImageLike, each_image, is_image, name_of
from imlgcn.data.transforms import EvalTransform, load_input
from imlgcn.files import sha256_file, write_atomic
from imlgcn.tagger.choice import TagBounds, TagRule
from imlgcn.tagger.folder import MODEL, WEIGHTS
from imlgcn.tagger.info import TaggerInfo
from imlgcn.tagger.known import known_row
from imlgcn.tagger.tags import Tag as Tag
from imlgcn.tagger.tags import Tags
from imlgcn.tagger.thresholds import TaggerWithThresholds, Threshold

if TYPE_CHECKING:
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier


class Tagger(TaggerWithThresholds):
    """Tags images with every label at or above its threshold, by the rules of its label table.

    >>> tagger = Tagger.load("runs/demo")  # doctest: +SKIP
    >>> tagger("photo.jpg")  # doctest: +SKIP
    [Tag(label='food', probability=0.97, threshold=0.41), ...]
    >>> tagger(["a.jpg", "b.jpg"])  # doctest: +SKIP
    [[Tag(label='food', ...), ...], [Tag(label='sea', ...)]]
    """

    def at(self, operating_point: str | float | None) -> Self:
        """Return the same tagger with the thresholds of another operating point; None: itself."""
        if operating_point is None:
            return self
        limits = self._fitted_thresholds(operating_point).tolist()
        changes = {"threshold": limits, "operating_point": str(operating_point)}
        calibration = self.info.calibration.model_copy(update=changes)
        other = copy(self)
        other.info = self.info.model_copy(update={"calibration": calibration})
        return other

    def load_input(self, image: ImageLike) -> NDArray[np.uint8]:
        """Open one image and make the network input ``(S, S, 3)`` of it.

        Raises:
            ImageError: the image cannot be read; the message names the file.
            ImageTypeError: it is not an image in a form that is accepted.
        """
        return load_input(image, self.info.image)

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
            from imlgcn.tagger.network import without_maps

            raise without_maps(self.info, self.path)
        rows = None
        if known is not None and self.known_by == "head":
            rows = np.tile(known, (len(inputs), 1))  # (B, L)
        logits, maps = engine.maps(inputs, rows)
        whole = [Region()] * len(inputs)
        regions = whole if sizes is None else [self.region(size) for size in sizes]
        return ActivationMaps(logits, maps, engine.map_kind, tuple(regions))

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str and an array are iterable, too
        self,
        images: ImageLike,
        *,
        known: Mapping[str, int] | None = None,
        threshold: Threshold | None = None,
        top_k: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
    ) -> list[Tag]: ...

    @overload
    def __call__(
        self,
        images: Iterable[ImageLike],
        *,
        known: Mapping[str, int] | None = None,
        threshold: Threshold | None = None,
        top_k: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
    ) -> list[list[Tag]]: ...

    def __call__(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        known: Mapping[str, int] | None = None,
        threshold: Threshold | None = None,
        top_k: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
    ) -> list[Tag] | list[list[Tag]]:
        """Return the tags of one image, most probable first, or a list of tags for each of many.

        Args:
            images: an image in any form that :mod:`imlgcn.data.image_input` takes (path, bytes,
                open file, PIL image, array, tensor), or a list, tuple or generator of them. For
                many files :func:`imlgcn.predict` uses all cores and goes on after a damaged one.
            known: labels that are already known of all of them: 1 present, 0 absent.
            threshold: as in `thresholds_for`.
            top_k, at_least, at_most: as for :class:`imlgcn.tagger.choice.TagBounds`.

        Raises:
            ImageError: an image cannot be read.
            ImageTypeError: something is not an image in a form that is accepted.
            InputError: known labels that do not exist, or of a tagger that cannot use them.
        """
        bounds = TagBounds(top_k=top_k, at_least=at_least, at_most=at_most)
        rule = TagRule(self.label_table, self.thresholds_for(threshold), bounds)
        found = [self._tags(row, rule) for row in self._scored(images, known)]
        if is_image(images):
            return Tags(found[0], name_of(images))
        names = [name_of(image) for image in images] if isinstance(images, list | tuple) else []
        names += [""] * (len(found) - len(names))
        many: list[list[Tag]] = [Tags(tags, name) for tags, name in zip(found, names, strict=True)]
        return many

    def predict_proba(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        known: Mapping[str, int] | None = None,
    ) -> NDArray[np.float64]:
        """Return the calibrated probability of every label ``(N, L)``, in the order of `labels`.

        ``images`` and ``known`` as for calling the tagger; one image gives one row. By the rule of
        the label table no parent is below its child.
        """
        rows = list(self._scored(images, known))
        found = np.stack(rows) if rows else np.zeros((0, len(self.labels)))
        return self.label_table.close(found)

    def _scored(
        self, images: ImageLike | Iterable[ImageLike], known: Mapping[str, int] | None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities (L,) of each image, as many at a time as suit the engine."""
        given = self.known_row(known)
        each, size = each_image(images), 1 if is_image(images) else self.engine.batch
        while chunk := list(islice(each, size)):
            yield from self.probabilities(np.stack([self.load_input(i) for i in chunk]), given)

    def tags(
        self,
        probabilities: NDArray[np.float64],
        thresholds: NDArray[np.float64] | None = None,
        bounds: TagBounds | None = None,
    ) -> list[Tag]:
        """Return the tags of one row of probabilities (L,), most probable first.

        By the rules of the label table: a parent has at least the probability of its child, and
        may be below its own threshold. What users read is ``tagger.label_table.name_of(label)``.
        """
        limits = self.thresholds if thresholds is None else thresholds
        rule = TagRule(self.label_table, limits, bounds or TagBounds())
        return self._tags(probabilities, rule)

    def _tags(self, probabilities: NDArray[np.float64], rule: TagRule) -> list[Tag]:
        scores, given = rule.decide(probabilities)
        tagged = np.flatnonzero(given)
        tagged = tagged[np.argsort(-scores[tagged], kind="stable")]
        names, limits = self.info.labels, rule.thresholds
        return [Tag(names[i], float(scores[i]), float(limits[i])) for i in tagged]

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
    from imlgcn.tagger.network import save_weights

    save_weights(path, classifier, context)
    info = info.model_copy(update={"sha256": {WEIGHTS: sha256_file(path / WEIGHTS)}})
    write_atomic(path / MODEL, info.model_dump_json(indent=1) + "\n")
    return Tagger(path, info)
