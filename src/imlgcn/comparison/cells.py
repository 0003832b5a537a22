"""One training of a comparison, kept in a file so that it is not repeated.

Shapes: N images of the split, L labels.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imlgcn.comparison.entries import Entry
from imlgcn.config import HeadTraining, LossSettings
from imlgcn.files import atomic_path
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, count_parameters, create_head
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import create_fabric, score_features, take
from imlgcn.training.stages import train_head

BATCH = 32  # images scored at once where a head's speed is measured
REPEATS = 5  # the median of so many


@dataclass(frozen=True, eq=False)
class Material:
    """The inputs that every cell of a comparison shares."""

    train: ImageFeatures
    val: ImageFeatures
    test: ImageFeatures
    context: LabelContext
    backbone: Backbone  # whose features these are
    fingerprint: str  # of images, targets, splits and backbone
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Cell:
    """The result of one training: logits and costs."""

    val: NDArray[np.float32]  # (N, L)
    test: NDArray[np.float32]  # (N, L)
    seconds: float  # of training
    milliseconds: float  # per image, of the folded head on features
    stored: int  # parameters
    folded: int


def run_cell(
    entry: Entry,
    options: Mapping[str, Any],
    training: HeadTraining,
    loss: LossSettings,
    seed: int,
    material: Material,
    folder: Path,
) -> Cell:
    """Return the cell from its file in ``folder``, or train it and write the file.

    ``options`` are those of the head, complete. The file's name holds a hash of all that the
    result depends on: another setting is another file.
    """
    what = {
        "head": entry.head,
        "options": dict(options),
        "training": training.model_dump(),
        "loss": loss.model_dump(),
        "seed": seed,
        "material": material.fingerprint,
    }
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "_", entry.name.lower()).strip("_")
    path = folder / f"{slug[:60]}-{digest[:12]}.npz"
    found = _read(path)
    if found is None:
        found = _train(entry, options, training, loss, seed, material)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(found), made_by=np.array(version("imlgcn")))
    return found


def _read(path: Path) -> Cell | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            numbers = {key: file[key].item() for key in file.files if file[key].ndim == 0}
            if numbers.pop("made_by", version("imlgcn")) != version("imlgcn"):
                return None  # another version may train differently
            return Cell(val=file["val"], test=file["test"], **numbers)
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        TypeError,
        BadZipFile,
    ):  # damaged: trained again
        return None


def _train(
    entry: Entry,
    options: Mapping[str, Any],
    training: HeadTraining,
    loss: LossSettings,
    seed: int,
    material: Material,
) -> Cell:
    from imlgcn.models import HEADS

    channels = HEADS[entry.head].channels_of(material.backbone, options)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = create_head(entry.head, channels, material.context, **options)
        started = time.perf_counter()
        train_head(
            head,
            material.train,
            material.val,
            settings=training,
            loss=loss,
            seed=seed,
            fabric=create_fabric(material.device),
        )
        seconds = time.perf_counter() - started
    val, test = (score_features(head, part.inputs(head)) for part in (material.val, material.test))
    folded = head.cpu().eval().fold()
    return Cell(
        val=val,
        test=test,
        seconds=seconds,
        milliseconds=_milliseconds(folded, material.val.inputs(head)),
        stored=count_parameters(head),
        folded=count_parameters(folded),
    )


@torch.inference_mode()
def _milliseconds(head: nn.Module, inputs: Any) -> float:
    batch = take(inputs, slice(BATCH), torch.device("cpu"))
    first = batch[0] if isinstance(batch, tuple) else batch
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        head(batch)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times)) / len(first)
