"""The proof of an exported file: its logits and tags are those of the trained network.

Shapes: N images, B batch, S input size, L labels.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MapKind
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.images import ImageError
from imlgcn.data.source import DataSource
from imlgcn.data.transforms import load_input
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.numbers import plural
from imlgcn.tagger import Tagger

IMAGES = 8
BATCHES = (1, 3)
# relative to the largest logit; runtimes differ by about 1e-6 (summation order)
TOLERANCE = 1e-3
# of a logit: a threshold is often exactly the score of a validation image, and then rounding
# decides on which side of it the score of another runtime is
ROUNDING = 5e-5


class ExportRefused(Exception):  # noqa: N818  # an outcome, not an error
    """An exported file was not kept; the message says why."""


class Scorer(Protocol):
    """Anything that computes logits from pixels, and maps if it has them."""

    takes_known: bool

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return logits ``(B, L)`` of pixels ``(B, S, S, 3)``."""
        ...

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits, and maps ``(B, L, h, w)``."""
        ...


class Samples(NamedTuple):
    """Real images to compare on, and their source."""

    pixels: NDArray[np.uint8]  # (N, S, S, 3)
    origin: str


class Agreement(NamedTuple):
    """The difference of two networks on the samples."""

    difference: float = 0.0  # the largest of any logit
    largest: float = 0.0  # the largest logit, for scale
    other_tags: int = 0  # (image, label) pairs that only one of them tags
    tags: int = 0  # pairs that the trained network tags
    maps: float = 0.0  # the largest difference of any map, relative to the largest value of all

    @property
    def holds(self) -> bool:
        """Whether the two are equivalent."""
        close = self.difference <= TOLERANCE * max(self.largest, 1.0)
        return bool(close and not self.other_tags and self.maps <= TOLERANCE)


def sample_images(tagger: Tagger, settings: ImageSettings, data: Dataset | None) -> Samples:
    """Return real images: of ``data``, else of the training data, else clip art.

    Raises:
        InputError: fewer than 8 of them can be read.
    """
    dataset, origin = (data, "the calibration data") if data is not None else _known_data(tagger)
    found: list[NDArray[np.uint8]] = []
    paths = dataset.paths
    # evenly spread over the data: neighbours in a list are often alike
    step = max(len(paths) // IMAGES, 1)
    for path in [p for first in range(step) for p in paths[first::step]]:
        with suppress(ImageError):
            found.append(load_input(path, settings))
        if len(found) == IMAGES:
            return Samples(np.stack(found), f"{plural(IMAGES, 'image')} of {origin}")
    raise InputError(
        f"an export is compared on {IMAGES} images; {origin} has {len(found)} that can be read; "
        "give data with more (calibration=)"
    )


def compare(
    scorer: Scorer, reference: Scorer, tagger: Tagger, pixels: NDArray[np.uint8]
) -> Agreement:
    """Compare on every sample at batch sizes 1 and 3, with and without known labels."""
    given: list[NDArray[np.int8] | None] = [None]
    if reference.takes_known:
        row = np.full(len(tagger.labels), -1, np.int8)
        row[0] = 1
        given.append(row)
    found, wanted = [], []
    for row_or_none in given:
        for size in BATCHES:
            for start in range(0, len(pixels), size):
                batch = pixels[start : start + size]
                rows = None if row_or_none is None else np.tile(row_or_none, (len(batch), 1))
                found.append(scorer.logits(batch, rows))
                wanted.append(reference.logits(batch, rows))
    return agreement(np.concatenate(found), np.concatenate(wanted), tagger)


def agreement(found: NDArray[np.float32], wanted: NDArray[np.float32], tagger: Tagger) -> Agreement:
    """Compare logits ``(N, L)`` and the tags they give; NaN never agrees.

    Tags count as different only where the logits differ by more than rounding.
    """
    apart = np.abs(found - wanted).max(initial=0.0)
    ours, theirs = (tagger.calibration.apply(x) - tagger.thresholds for x in (found, wanted))
    differ = ((ours >= 0) != (theirs >= 0)) & (np.abs(found - wanted) > ROUNDING)
    return Agreement(
        difference=float(apart) if np.isfinite(apart) else float("inf"),
        largest=float(np.abs(wanted).max(initial=0.0)),
        other_tags=int(differ.sum()),
        tags=int((theirs >= 0).sum()),
    )


def compare_maps(
    scorer: Scorer, reference: Scorer, kind: MapKind, pixels: NDArray[np.uint8]
) -> float:
    """Return the largest difference of any map, relative to the largest value of all.

    Maps of kind ``winner`` are compared by their means: of two nearly equal positions, rounding
    decides which wins. Those of kind ``occlusion`` are differences of nearly equal logits, and
    round as these do: relative to the largest logit.
    """
    found = scorer.maps(pixels)[1]
    logits, wanted = reference.maps(pixels)
    if found.shape != wanted.shape:
        return float("inf")
    if kind == "winner":
        found, wanted = (x.mean((2, 3)) for x in (found, wanted))
    largest = float(np.abs(logits if kind == "occlusion" else wanted).max())
    apart = float(np.abs(found - wanted).max() / max(largest, 1e-12))
    return apart if np.isfinite(apart) else float("inf")


def _known_data(tagger: Tagger) -> tuple[Dataset, str]:
    """Return the training data if it is still there, else Open Clip Art."""
    with suppress(InputError):
        if source := DataSource.from_config(tagger.folder.config):
            return _held_out(source.load()), source.path
    return _held_out(load_dataset("openclipart")), "openclipart"


def _held_out(dataset: Dataset) -> Dataset:
    return dataset.split("val") if "val" in dataset.splits else dataset
