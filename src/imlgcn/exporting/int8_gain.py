"""What 8-bit integers would bring a tagger that was just trained, measured in a few seconds.

The proof of ``export(int8=True)`` in small: the same quantisation with fewer training images, the
scores of both files on the same images that the tagger has not learnt, and their speed in turns on
this processor. The scores of the float32 file are known already: training has stored them.
Shapes: N images, S input size, L labels.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.features import features_for
from imlgcn.engines import open_file
from imlgcn.engines.base import Engine
from imlgcn.errors import InputError
from imlgcn.exporting.int8 import (
    BATCH,
    calibration_images,
    evenly_spread,
    judging_split,
    measure,
)
from imlgcn.exporting.quantize import quantize_onnx
from imlgcn.image_settings import ImageSettings
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores import ScoredSplit

CALIBRATION_IMAGES = 32  # on the demo the drop is 0.1 points from that with 128
JUDGED_IMAGES = 500
FEWEST_JUDGED = 100  # below, a single image moves mAP by points
# of timing, alternating; of processor time: on a busy machine the clock on the wall says nothing
ROUNDS, ROUND_SECONDS = 5, 0.08
# in runs of one image in float32: while ranges are collected, the runtime optimises nothing
CALIBRATING, JUDGING = 4.0, 0.5
MOST_SECONDS = 20.0  # of processor time; the demo takes 4 of these, and 3 for the weights


class Int8Gain(NamedTuple):
    """The effect of 8-bit integers, about: float32 stands beside it as the control."""

    rate_before: float  # images/s of each core here
    rate: float
    mAP_before: float  # noqa: N815 - percent, protocol default
    mAP: float  # noqa: N815
    images: int  # images behind mAP, those of `split`
    split: str

    @property
    def drop(self) -> float:
        """How many points of mAP are lost."""
        return self.mAP_before - self.mAP


class TooSlowError(Exception):
    """Measuring would take longer than a hint may; the message says about how long."""


class _Judged(NamedTuple):
    """Images that the tagger has not learnt, with what float32 says of them."""

    data: Dataset
    split: str
    logits: NDArray[np.float32]  # (N, L)
    targets: NDArray[np.int8]  # (N, L)


def int8_gain(tagger: Tagger, whole: Path, data: Dataset) -> Int8Gain | None:
    """Measure what 8-bit integers would bring, on the data that the tagger was trained on.

    ``whole`` is its float32 ONNX file. None where fewer than 100 images are left that the tagger
    has not learnt, or no label can be judged on them.

    Raises:
        TooSlowError: by the speed of the float32 file it would take more than 20 seconds of
            processor time.
    """
    judged = _unlearnt(tagger, data)
    if judged is None:
        return None
    size, before = tagger.info.image.size, open_file(whole, "onnxruntime")
    _check_time(before, size, len(judged.data))
    images = calibration_images(data, tagger.info.image, CALIBRATION_IMAGES)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_onnx(whole, file, images)
        after = open_file(file, "onnxruntime")
    scored = _scored(after, tagger.info.image, judged)
    mAPs = [
        100 * mean_average_precision(logits, scored.targets)[0]
        for logits in (judged.logits[scored.rows], scored.logits)
    ]
    if not np.isfinite(mAPs).all():
        return None
    rates = measure([before, after], size, ROUNDS, ROUND_SECONDS, time.thread_time)
    return Int8Gain(rates[0], rates[1], mAPs[0], mAPs[1], len(scored.rows), judged.split)


def _unlearnt(tagger: Tagger, data: Dataset) -> _Judged | None:
    """Return images of the data that the tagger has not learnt and training has scored."""
    refit = bool(tagger.folder.config.get("refit"))
    try:
        split = judging_split(data, learnt=refit)
    except InputError:
        return None
    scored = None if refit and split == "val" else tagger.folder.scored(split)
    if scored is None or scored.folds is not None or not _same_labels(scored, tagger):
        return None
    part = data.split(split)
    row_of = {name: row for row, name in enumerate(scored.images)}
    found = [at for at, record in enumerate(part.records) if record.name in row_of]
    chosen = evenly_spread(part.select(np.array(found, np.intp)), JUDGED_IMAGES)
    if len(chosen) < FEWEST_JUDGED:
        return None
    rows = [row_of[record.name] for record in chosen.records]
    return _Judged(chosen, split, scored.logits[rows], scored.targets[rows])


def _same_labels(scored: ScoredSplit, tagger: Tagger) -> bool:
    """Return whether the stored scores are of all labels: those of an older tagger may be added."""
    return bool(scored.logits.shape[1] == len(tagger.labels))


def _check_time(engine: Engine, size: int, judged: int) -> None:
    """Time the float32 file, and estimate the rest by it."""
    rate = measure([engine], size, 1, ROUND_SECONDS, time.thread_time)[0]
    seconds = (CALIBRATING * CALIBRATION_IMAGES + JUDGING * judged) / rate
    if seconds > MOST_SECONDS:
        raise TooSlowError(f"about {seconds:.0f} s of processor time")


class _Scored(NamedTuple):
    """What 8-bit integers say of the judged images that could be read again."""

    rows: NDArray[np.int64]  # of the judged images, those that were read again
    logits: NDArray[np.float32]
    targets: NDArray[np.int8]


def _scored(engine: Engine, settings: ImageSettings, judged: _Judged) -> _Scored:
    table = features_for(
        judged.data.paths,
        extractor=engine.logits,
        settings=settings,
        key="",
        cache=None,
        batch_size=BATCH,
        streams=engine.streams,
    )
    return _Scored(table.rows, table.array, judged.targets[table.rows])
