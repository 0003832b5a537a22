"""What the stages of a training share, and what a training returns.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from imlgcn.config import TrainSettings
from imlgcn.data.dataset import Dataset
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, Head, MultiLabelClassifier
from imlgcn.progress import SILENT, Progress
from imlgcn.training.choice import Attempt
from imlgcn.training.extract import ImageFeatures, extract_features, extract_maps
from imlgcn.training.held_out import Lesson
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.stages import Log

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Scores = dict[str, NDArray[Any]]  # split -> logits (N, L)


@dataclass(frozen=True, eq=False)
class Run:
    """What every stage shares.

    Attributes:
        settings: of the run.
        heads: name of each head to train -> the settings to train it with; the control is first.
        fabric: the device and its precision.
        device: as for :func:`imlgcn.engines.device.choose_device`.
        checkpoints: folder for those of fine-tuning.
        checkpoint_minutes: between two of them within an epoch.
        log: receives the rows of ``log.jsonl``.
        progress: receives bars and messages.
        ranks: the processes of the run.
    """

    settings: TrainSettings
    heads: Mapping[str, TrainSettings]
    fabric: Fabric
    device: str
    checkpoints: Path
    checkpoint_minutes: float = 5.0
    log: Log = lambda row: None
    progress: Progress = SILENT
    ranks: Ranks = ALONE

    @property
    def learnt(self) -> tuple[str, ...]:
        """The splits that the final head learns, as far as the data has them."""
        return ("train", "val") if self.settings.refit else ("train",)


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training.

    Attributes:
        classifier, context: the network that is shipped, and its labels.
        head: its name.
        options: of the head, complete.
        dataset: the data without the images that could not be read.
        failed: image -> why it could not be read.
        scores: logits of each split that was scored. Calibration is fitted on all but ``test``.
        control: the same of the linear head; None if that is the head.
        folds: split -> the fold ``(N,)`` in which each image was held out, for splits whose scores
            are out-of-fold, because the head has learnt their images.
        lesson: what the head has learnt, in the order in which it was learnt.
        attempts: what was tried, best first; empty if the head was given.
        tried: head -> its scores, of each head that was tried.
    """

    classifier: MultiLabelClassifier
    context: LabelContext
    head: str
    options: dict[str, Any]
    dataset: Dataset
    failed: dict[str, str]
    scores: Scores
    control: Scores | None
    lesson: Lesson
    folds: dict[str, NDArray[Any]] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    tried: dict[str, Scores] = field(default_factory=dict)


def extract(run: Run, backbone: Backbone, dataset: Dataset) -> ImageFeatures:
    """Return the features of the images that can be read; no split may be lost.

    Raises:
        InputError: no image of train, or of val where there is one, can be read.
    """
    features = extract_features(
        backbone,
        dataset,
        strict=run.settings.strict,
        device=run.device,
        progress=run.progress,
        stage="features",
        ranks=run.ranks,
    )
    for split in ("train", "val"):
        if split in dataset.splits and split not in features.dataset.splits:
            first = next(iter(features.failed.values()))
            raise InputError(f"no image of the split {split!r} can be read; first: {first}")
    return features


def with_maps(
    run: Run, backbone: Backbone, head: Head, features: ImageFeatures, *, use_cache: bool
) -> ImageFeatures:
    """Return features with the maps that a head without pooling takes."""
    return extract_maps(
        backbone,
        features,
        head.feature_levels,
        use_cache=use_cache,
        progress=run.progress,
        ranks=run.ranks,
    )
