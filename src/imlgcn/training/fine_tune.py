"""Training backbone and head together, with augmentation, a weight average and resuming.

The recipe is that of ASL (https://arxiv.org/abs/2009.14119): RandAugment, cut-out, OneCycle, weight
decay on matrices only, an exponential moving average (EMA) of the weights. Differs from it: AdamW
for Adam, a warm-up of the EMA, frozen batch-norm statistics on small data, the best epoch chosen on
validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from imlgcn.config import SMALL_DATA, FineTuning, ImageSettings, LossSettings
from imlgcn.data.dataset import Dataset
from imlgcn.data.features import features_for
from imlgcn.data.image_input import as_image
from imlgcn.data.transforms import TrainTransform
from imlgcn.engines.allocator import raise_thresholds
from imlgcn.engines.torch import TorchEngine
from imlgcn.losses import create_loss
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import MultiLabelClassifier
from imlgcn.progress import SILENT, Advance, Progress
from imlgcn.training.checkpoint import (
    load_checkpoint,
    optimizer_groups,
    optimizer_tensors,
    part,
    restore_optimizer,
    save_checkpoint,
    with_prefix,
)
from imlgcn.training.loop import train_epoch
from imlgcn.training.optimization import Group, create_optimizer, freeze_batch_norm
from imlgcn.training.stages import Log

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass
class TrainingState:
    """Everything that changes during fine-tuning: the content of a checkpoint."""

    classifier: MultiLabelClassifier
    average: ModelEmaV3
    optimizer: Optimizer
    scheduler: OneCycleLR
    best: dict[str, Tensor]  # best weights on validation so far
    value: float  # their mAP, percent
    epoch: int = 0  # epochs done

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        tensors = (
            with_prefix("model", self.classifier.state_dict())
            | with_prefix("average", self.average.module.state_dict())
            | with_prefix("best", self.best)
            | with_prefix("optimizer", optimizer_tensors(self.optimizer))
        )
        state = {
            "epoch": self.epoch,
            "value": self.value,
            "scheduler": self.scheduler.state_dict(),
            "groups": optimizer_groups(self.optimizer),
        }
        save_checkpoint(path, tensors, state)

    def restore(self, path: Path) -> None:
        """Restore a checkpoint."""
        tensors, state = load_checkpoint(path)
        self.classifier.load_state_dict(part("model", tensors))
        self.average.module.load_state_dict(part("average", tensors))
        restore_optimizer(self.optimizer, part("optimizer", tensors), state["groups"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.best, self.value, self.epoch = part("best", tensors), state["value"], state["epoch"]


def fine_tune(
    classifier: MultiLabelClassifier,
    train: Dataset,
    val: Dataset,
    *,
    settings: FineTuning,
    loss: LossSettings,
    seed: int,
    fabric: Fabric,
    checkpoint: Path,
    log: Log = lambda row: None,
    progress: Progress = SILENT,
    stage: str = "fine-tune",
) -> None:
    """Train ``classifier`` in place and leave it with the best weights on validation.

    The candidates are the initial weights and the average after each epoch, so fine-tuning never
    ends below its start on validation. If ``checkpoint`` exists, training continues from it and
    ends with the same weights as without the interruption.

    On a CPU that other programs use as well, set ``OMP_WAIT_POLICY=PASSIVE`` before torch is
    imported, as the command line does: threads that spin while they wait for each other made
    training 3 to 6 times slower there.
    """
    raise_thresholds()
    image = classifier.backbone.image_settings
    steps = settings.epochs * math.ceil(len(train) / settings.batch_size)
    group = Group(classifier, settings.learning_rate, settings.weight_decay)
    optimizer, scheduler = create_optimizer([group], steps)
    model, wrapped = fabric.setup(classifier, optimizer)
    model.mark_forward_method("loss")
    average = ModelEmaV3(classifier, decay=settings.ema_decay, use_warmup=True)
    state = TrainingState(classifier, average, wrapped.optimizer, scheduler, {}, -1.0)
    criterion = create_loss(loss.name, **loss.options)

    def validate(mean_loss: float | None) -> None:
        value = validation_map(average.module, val, image, progress, f"{stage}, validation")
        log({"stage": stage, "epoch": state.epoch, "loss": mean_loss, "val_mAP": value})
        if value > state.value or not state.best:  # NaN: no label has a positive
            state.value, state.best = value, _copy(average.module)

    if checkpoint.is_file():
        state.restore(checkpoint)
        progress.say(f"{stage}: continues after epoch {state.epoch} of {settings.epochs}")
    else:
        validate(None)

    while state.epoch < settings.epochs:
        model.train()
        if _keeps_statistics(settings, len(train)):
            freeze_batch_norm(model)
        with progress.bar(f"{stage}, epoch {state.epoch + 1}", len(train)) as advance:
            mean_loss = train_epoch(
                model,
                augmented_batches(train, image, settings, fabric, seed=(seed, state.epoch)),
                criterion,
                wrapped,
                scheduler,
                fabric=fabric,
                clip=settings.clip_gradient,
                after_step=_Averager(average, classifier, scheduler, advance),
            )
        state.epoch += 1
        validate(mean_loss)
        state.save(checkpoint)
    classifier.load_state_dict(state.best)
    classifier.eval()


class _Averager:
    """After a step: move the weight average, then the progress bar."""

    def __init__(
        self,
        average: ModelEmaV3,
        classifier: MultiLabelClassifier,
        scheduler: OneCycleLR,
        advance: Advance,
    ) -> None:
        self.average, self.classifier = average, classifier
        self.scheduler, self.advance = scheduler, advance

    def __call__(self, images: int) -> None:
        self.average.update(self.classifier, step=self.scheduler.last_epoch)
        self.advance(images)


def validation_map(
    classifier: MultiLabelClassifier,
    val: Dataset,
    image: ImageSettings,
    progress: Progress = SILENT,
    stage: str = "validation",
) -> float:
    """Return the mAP of ``classifier`` on ``val`` in percent, protocol "default"."""
    engine = TorchEngine(classifier, image, device=str(next(classifier.parameters()).device))
    with engine.streaming() as streams:
        scores = features_for(
            val.paths,
            extractor=engine.logits,
            settings=image,
            key="",
            cache=None,
            batch_size=engine.batch,
            streams=streams,
            progress=progress,
            stage=stage,
        )
    value, _ = mean_average_precision(scores.features, val.targets[scores.rows])
    return 100 * value


def augmented_batches(
    train: Dataset,
    image: ImageSettings,
    settings: FineTuning,
    fabric: Fabric,
    *,
    seed: tuple[int, int],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, augmented batches; the same for the same (seed, epoch)."""
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    torch.manual_seed(number)
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        _AugmentedImages(train, image, settings),  # type: ignore[arg-type]  # collated to tensors
        batch_size=settings.batch_size,
        shuffle=True,
        num_workers=settings.workers,
        generator=torch.Generator().manual_seed(number),
        pin_memory=fabric.device.type == "cuda",
    )
    for images, targets in loader:
        moved = images.to(fabric.device, memory_format=torch.channels_last, non_blocking=True)
        yield moved, targets.to(fabric.device, non_blocking=True)


class _AugmentedImages(TorchDataset[tuple[NDArray[np.float32], NDArray[np.int8]]]):
    """A map-style torch data set over images and targets."""

    def __init__(self, train: Dataset, image: ImageSettings, settings: FineTuning) -> None:
        self.train, self.image = train, image
        self.transform = TrainTransform(
            image,
            num_ops=2 if settings.rand_augment else 0,  # at magnitude 0 some still change colours
            magnitude=settings.rand_augment,
            flip=settings.flip,
            cutout=settings.cutout,
        )

    def __len__(self) -> int:
        return len(self.train)

    def __getitem__(self, row: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        image = as_image(self.train.paths[row], size=self.image.size, fit=self.image.fit)
        return self.transform(image), self.train.targets[row]


def _keeps_statistics(settings: FineTuning, images: int) -> bool:
    if settings.freeze_batch_norm is None:
        return images < SMALL_DATA
    return settings.freeze_batch_norm


def _copy(classifier: MultiLabelClassifier) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in classifier.state_dict().items()}
