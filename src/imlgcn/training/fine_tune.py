"""Training backbone and head together, with augmentation, a weight average and resuming.

The recipe is that of ASL (https://arxiv.org/abs/2009.14119): RandAugment, cut-out, OneCycle, weight
decay on matrices only, an exponential moving average (EMA) of the weights. Differs from it: AdamW
for Adam, a warm-up of the EMA, frozen batch-norm statistics on small data, the best epoch chosen on
validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
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
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, leave_to_the_parent, safe_points
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.loop import Done, scales_loss, train_epoch
from imlgcn.training.optimization import Group, create_optimizer, freeze_batch_norm
from imlgcn.training.order import epoch_order
from imlgcn.training.stages import Log
from imlgcn.training.tuning_state import Keeper, TrainingState, restore_generators

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def fine_tune(
    classifier: MultiLabelClassifier,
    train: Dataset,
    val: Dataset,
    *,
    settings: FineTuning,
    loss: LossSettings,
    seed: int,
    fabric: Fabric,
    checkpoints: Checkpoints,
    minutes: float = 5.0,
    log: Log = lambda row: None,
    progress: Progress = SILENT,
    stage: str = "fine-tune",
) -> None:
    """Train ``classifier`` in place and leave it with the best weights on validation.

    The candidates are the initial weights and the average after each epoch, so fine-tuning never
    ends below its start on validation. The state is saved after every epoch, every ``minutes`` and
    when a signal asks to stop. If there are ``checkpoints``, training continues from the newest and
    ends with the same weights as without the interruption.

    On a CPU that other programs use as well, set ``OMP_WAIT_POLICY=PASSIVE`` before torch is
    imported, as the command line does: threads that spin while they wait for each other made
    training 3 to 6 times slower there.
    """
    raise_thresholds()
    tuning = _Tuning(classifier, train, val, settings, loss, seed, fabric, log, progress, stage)
    state = tuning.state
    if state.restore(checkpoints):
        within = f", after {plural(n, 'batch', 'batches')}" if (n := state.done.batches) else ""
        where = min(state.epoch + 1, settings.epochs)
        progress.say(f"{stage}: continues in epoch {where} of {settings.epochs}{within}")
    else:
        tuning.validate(0, None)
    while state.epoch < settings.epochs:
        with safe_points() as asked:
            mean_loss = tuning.epoch(Keeper(state, checkpoints, minutes, asked))
            try:
                tuning.validate(state.epoch + 1, mean_loss)
            except Stopped:  # it is all that is repeated
                state.save(checkpoints)
                raise
            state.epoch, state.done, state.random = state.epoch + 1, Done(), {}
            state.save(checkpoints)
    classifier.load_state_dict(state.best)
    classifier.eval()


class _Tuning:
    """One stage: the network with its average and optimizer, its epochs and its validation."""

    def __init__(
        self,
        classifier: MultiLabelClassifier,
        train: Dataset,
        val: Dataset,
        settings: FineTuning,
        loss: LossSettings,
        seed: int,
        fabric: Fabric,
        log: Log,
        progress: Progress,
        stage: str,
    ) -> None:
        self.train, self.val, self.settings, self.seed = train, val, settings, seed
        self.fabric, self.log, self.progress, self.stage = fabric, log, progress, stage
        self.image = classifier.backbone.image_settings
        self.criterion = create_loss(loss.name, **loss.options)
        steps = settings.epochs * math.ceil(len(train) / settings.batch_size)
        group = Group(classifier, settings.learning_rate, settings.weight_decay)
        optimizer, scheduler = create_optimizer([group], steps, fused=not scales_loss(fabric))
        self.model, self.optimizer = fabric.setup(classifier, optimizer)
        self.model.mark_forward_method("loss")
        average = ModelEmaV3(classifier, decay=settings.ema_decay, use_warmup=True)
        inner = self.optimizer.optimizer
        precision = fabric._precision
        self.state = TrainingState(classifier, average, inner, scheduler, precision, {}, -1.0)

    def epoch(self, keeper: Keeper) -> float:
        """Train the rest of the epoch that has begun; return its mean loss per image."""
        state = self.state
        self.model.train()
        if _keeps_statistics(self.settings, len(self.train)):
            freeze_batch_norm(self.model)
        bar = self.progress.bar(f"{self.stage}, epoch {state.epoch + 1}", len(self.train))
        rest = augmented_batches(
            *(self.train, self.image, self.settings, self.fabric),
            seed=(self.seed, state.epoch),
            skip=state.done.batches,
            random=state.random,
        )
        averager = _Averager(state.average, state.classifier, state.scheduler)
        # closed at once where a signal ends it: its workers would wait for the garbage collector
        with closing(rest), bar as advance:
            advance(state.done.images)
            return train_epoch(
                *(self.model, rest, self.criterion, self.optimizer, state.scheduler),
                fabric=self.fabric,
                clip=self.settings.clip_gradient,
                done=state.done,
                after_step=_in_turn(averager, advance, keeper),
            )

    def validate(self, epoch: int, mean_loss: float | None) -> None:
        """Judge the average on validation after so many epochs; keep it if it is the best."""
        state, stage = self.state, self.stage
        average = state.average.module
        value = validation_map(average, self.val, self.image, self.progress, f"{stage}, validation")
        self.log({"stage": stage, "epoch": epoch, "loss": mean_loss, "val_mAP": value})
        if value > state.value or not state.best:  # NaN: no label has a positive
            state.value, state.best = value, _copy(average)


def _in_turn(*steps: Callable[[int], None]) -> Callable[[int], None]:
    def each(images: int) -> None:
        for step in steps:
            step(images)

    return each


class _Averager:
    """Moves the weight average after a step."""

    def __init__(
        self, average: ModelEmaV3, classifier: MultiLabelClassifier, scheduler: OneCycleLR
    ) -> None:
        self.average, self.classifier, self.scheduler = average, classifier, scheduler

    def __call__(self, images: int) -> None:
        self.average.update(self.classifier, step=self.scheduler.last_epoch)


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
    skip: int = 0,
    random: dict[str, Tensor] | None = None,
) -> Generator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, augmented batches; the same for the same (seed, epoch).

    An epoch that was interrupted after ``skip`` batches goes on with the others and with the states
    of the ``random`` generators of then.
    """
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    order = epoch_order(train.paths, number)
    starts = range(skip * settings.batch_size, len(train), settings.batch_size)
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        _AugmentedImages(train, image, settings, seed),  # type: ignore[arg-type]  # to tensors
        batch_sampler=[order[start : start + settings.batch_size] for start in starts],
        num_workers=settings.workers,
        worker_init_fn=leave_to_the_parent,
        generator=torch.Generator(),
        pin_memory=fabric.device.type == "cuda",
    )
    if skip and random:
        restore_generators(random)
    else:
        torch.manual_seed(number)
    for images, targets in loader:
        moved = images.to(fabric.device, memory_format=torch.channels_last, non_blocking=True)
        yield moved, targets.to(fabric.device, non_blocking=True)


class _AugmentedImages(TorchDataset[tuple[NDArray[np.float32], NDArray[np.int8]]]):
    """A map-style torch data set over images and targets; augmentation by image and epoch."""

    def __init__(
        self, train: Dataset, image: ImageSettings, settings: FineTuning, seed: tuple[int, int]
    ) -> None:
        self.train, self.image, self.seed = train, image, seed
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
        path = self.train.records[row].path
        image = as_image(path, size=self.image.size, fit=self.image.fit)
        # by image and epoch, whatever was drawn before: batches can be skipped and shared out
        number = np.random.SeedSequence((*self.seed, row)).generate_state(1)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(number))
            return self.transform(image), self.train.targets[row]


def _keeps_statistics(settings: FineTuning, images: int) -> bool:
    if settings.freeze_batch_norm is None:
        return images < SMALL_DATA
    return settings.freeze_batch_norm


def _copy(classifier: MultiLabelClassifier) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in classifier.state_dict().items()}
