"""Evaluation of an int8 file: size, speed on this machine, mAP on held-out images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.images import ImageError
from imlgcn.data.source import DataSource
from imlgcn.data.transforms import load_input
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.exporting.agreement import ExportRefused
from imlgcn.exporting.quantize import Pixels
from imlgcn.extras import installed
from imlgcn.image_settings import ImageSettings
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import SPLIT

CALIBRATION_IMAGES = 128  # more change the ranges little
MEASURED_IMAGES = 2000  # mAP to a few tenths
ROUNDS = 7  # of timing, alternating
ROUND_SECONDS = 0.3
BATCH = 4


class Int8Report(NamedTuple):
    """The effect of 8-bit integers."""

    size_before: int  # bytes of the float32 file
    rate: float  # images/s here, all cores
    rate_before: float
    mAP: float  # noqa: N815 - percent, protocol default
    mAP_before: float  # noqa: N815
    images: int  # images behind mAP, those of `split`
    calibrated: int  # training images behind the ranges
    split: str = "val"


class Scorer(Protocol):
    """The part of an engine that is timed."""

    def logits(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return logits of a batch."""
        ...


def training_data(tagger: Tagger) -> Dataset | None:
    """Return what the tagger was trained on, with its splits; None if it is not there any more.

    Splits that the training has made are in a file of the tagger's folder, with the images.
    """
    folder = tagger.folder
    with suppress(InputError):
        if (folder.path / SPLIT).is_file():
            return load_dataset(folder.path / SPLIT)
        if source := DataSource.from_config(folder.config):
            return source.load()
    return None


def calibration_images(
    data: Dataset, settings: ImageSettings, most: int = CALIBRATION_IMAGES
) -> list[Pixels]:
    """Return training images, evenly spread over the data, each ``(S, S, 3)``.

    Raises:
        InputError: the data has no splits, or no image of ``train`` can be read.
    """
    judging_split(data)
    paths = evenly_spread(data.split("train"), most).paths
    found = []
    for path in paths:
        with suppress(ImageError):
            found.append(load_input(path, settings))
    if not found:
        raise InputError("no image of the split train can be read, so no ranges can be fitted")
    return found


def judging_split(data: Dataset, *, learnt: bool = False) -> str:
    """Return the split that judges the file: val, or test where the tagger has learnt val.

    Nothing is fitted on it. On images that a head has learnt, what 8 bits cost cannot be seen.

    Raises:
        InputError: the data lacks train, or any other split.
    """
    others = [name for name in ("test", "val") if name in data.splits]
    if "train" not in data.splits or not others:
        raise InputError(
            "8-bit ranges are fitted on the split train and evaluated on val or test; the data has "
            f"{', '.join(data.splits) or 'no splits'}: `imlgcn split` makes them"
        )
    return others[0 if learnt else -1]


def evaluate_int8(
    before: Path,
    after: Path,
    data: Dataset,
    split: str,
    max_drop: float,
    calibrated: int,
    progress: Progress,
    runtimes: Sequence[str],
) -> Int8Report:
    """Compare the int8 file ``after`` with the float32 file ``before`` in every installed runtime.

    Both run on the CPU. The report is of the first runtime, the default of prediction.

    Raises:
        ExportRefused: mAP falls by more than ``max_drop`` points, or it is not faster here.
    """
    held_out = evenly_spread(data.split(split), MEASURED_IMAGES)
    reports = [
        _evaluate(before, after, held_out, split, max_drop, calibrated, progress, runtime)
        for runtime in runtimes
        if installed(runtime)
    ]
    return reports[0]


def _evaluate(
    before: Path,
    after: Path,
    held_out: Dataset,
    split: str,
    max_drop: float,
    calibrated: int,
    progress: Progress,
    runtime: str,
) -> Int8Report:
    # on the CPU, whatever GPUs there are: 8-bit files are for CPUs
    float32, int8 = (
        Tagger.load(path, engine=runtime, latency=True, device="cpu") for path in (before, after)
    )
    scores = []
    for tagger in (float32, int8):
        found = evaluate(tagger, held_out, split=None, progress=progress)["mAP"]
        if found is None:
            raise InputError(f"no label has a positive in the split {split}: mAP is undefined")
        scores.append(float(found))
    drop = scores[0] - scores[1]
    if drop > max_drop:
        raise ExportRefused(
            f"in 8-bit integers, run by {runtime}, mAP falls by {number(drop, 2)} points "
            f"({number(scores[0], 2)} to {number(scores[1], 2)} on "
            f"{plural(len(held_out), 'image')} of {split}), more than "
            f"max_drop={max_drop:g}; nothing was written"
        )
    rates = measure([float32.engine, int8.engine], float32.info.image.size)
    if rates[1] <= rates[0]:
        raise ExportRefused(
            f"in 8-bit integers, run by {runtime}, the network is not faster on this machine: "
            f"{number(rates[1])} images/s against {number(rates[0])}; nothing was written"
        )
    size = before.stat().st_size
    return Int8Report(
        size, rates[1], rates[0], scores[1], scores[0], len(held_out), calibrated, split
    )


def measure(
    engines: Sequence[Scorer],
    size: int,
    rounds: int = ROUNDS,
    seconds: float = ROUND_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return images/s of engines, medians of alternating rounds: a disturbance affects all.

    With `time.thread_time` as ``clock``: of each core, for an engine that computes in its caller's
    thread.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    rates: list[list[float]] = [[] for _ in engines]
    for engine in engines:
        engine.logits(pixels)  # warm-up: the first run allocates
    for _ in range(rounds):
        for engine, found in zip(engines, rates, strict=True):
            runs, start = 0, clock()
            while not runs or clock() - start < seconds:
                engine.logits(pixels)
                runs += 1
            found.append(runs * BATCH / max(clock() - start, 1e-9))
    return [statistics.median(found) for found in rates]


def evenly_spread(data: Dataset, most: int) -> Dataset:
    """Return at most so many records, evenly spread over the data."""
    return data.select(np.unique(np.linspace(0, len(data) - 1, min(len(data), most)).astype(int)))
