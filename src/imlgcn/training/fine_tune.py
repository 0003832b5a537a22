"""Training backbone and head together, with augmentation, a weight average and resuming.

The recipe is that of ASL (https://arxiv.org/abs/2009.14119): RandAugment, cut-out, OneCycle, weight
decay on matrices only, an exponential moving average (EMA) of the weights. Differs from it: AdamW
for Adam, a warm-up of the EMA, frozen batch-norm statistics on small data, the best epoch chosen on
validation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from imlgcn.config import SMALL_DATA, FineTuning, LossSettings
from imlgcn.data.dataset import Dataset
from imlgcn.engines.allocator import raise_thresholds
from imlgcn.engines.torch import TorchEngine
from imlgcn.image_settings import ImageSettings
from imlgcn.losses import create_loss
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import MultiLabelClassifier
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, safe_points
from imlgcn.training.augmentation import augmented_batches
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.loop import Done, Shares, scales_loss, train_epoch
from imlgcn.training.optimization import Group, create_optimizer, freeze_batch_norm
from imlgcn.training.order import seed_of
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.sharing import shared_features
from imlgcn.training.stages import Log
from imlgcn.training.tuning_state import Keeper, TrainingState

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
    ranks: Ranks = ALONE,
) -> None:
    """Train ``classifier`` in place and leave it with the best weights on validation.

    The candidates are the initial weights and the average after each epoch, so fine-tuning never
    ends below its start on validation. The state is saved after every epoch, every ``minutes`` and
    when a signal asks to stop. If there are ``checkpoints``, training continues from the newest and
    ends with the same weights as without the interruption.

    With several ``ranks`` each takes its share of every batch, ``fabric`` averages the gradients,
    and the first keeps the average of the weights, saves and logs; how many there are may change
    when training is resumed. Batch norms whose statistics are not frozen see one process's share.

    On a CPU that other programs use as well, set ``OMP_WAIT_POLICY=PASSIVE`` before torch is
    imported, as the command line does: threads that spin while they wait for each other made
    training 3 to 6 times slower there.
    """
    raise_thresholds()
    tuning = _Tuning(
        classifier, train, val, settings, loss, seed, fabric, log, progress, stage, ranks
    )
    state = tuning.state
    if state.restore(checkpoints, ranks):
        within = f", after {plural(n, 'batch', 'batches')}" if (n := state.done.batches) else ""
        where = min(state.epoch + 1, settings.epochs)
        progress.say(f"{stage}: continues in epoch {where} of {settings.epochs}{within}")
    else:
        tuning.validate(0, None)
    while state.epoch < settings.epochs:
        with safe_points() as asked:
            mean_loss = tuning.epoch(Keeper(state, checkpoints, minutes, asked, ranks))
            try:
                tuning.validate(state.epoch + 1, mean_loss)
            except Stopped:  # it is all that is repeated
                state.save(checkpoints, ranks)
                raise
            state.epoch, state.done = state.epoch + 1, Done()
            state.save(checkpoints, ranks)
    classifier.load_state_dict(ranks.state_of_first(lambda: state.best))
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
        ranks: Ranks,
    ) -> None:
        self.ranks = ranks
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
            ranks=self.ranks,
        )
        averager = _Averager(state.average, state.classifier, state.scheduler)
        # closed at once where a signal ends it: its workers would wait for the garbage collector
        with warnings.catch_warnings(), closing(rest), bar as advance:
            # who asks for more workers than cores may wait for a disk; torch would say no to it
            warnings.filterwarnings("ignore", "This DataLoader will create")
            advance(state.done.images)
            return train_epoch(
                *(self.model, rest, self.criterion, self.optimizer, state.scheduler),
                fabric=self.fabric,
                clip=self.settings.clip_gradient,
                done=state.done,
                after_step=_in_turn(*([averager] if self.ranks.first else []), advance, keeper),
                shares=Shares(
                    self.ranks,
                    lambda targets: state.classifier.divisor(targets, self.criterion),
                    self.settings.accumulate,
                    lambda batch: seed_of(self.seed, state.epoch, batch),
                ),
            )

    def validate(self, epoch: int, mean_loss: float | None) -> None:
        """Judge the average on validation after so many epochs; keep it if it is the best."""
        state, stage = self.state, self.stage
        average, ranks = state.average.module, self.ranks
        if ranks.world > 1:
            average.load_state_dict(ranks.state_of_first(average.state_dict))
        value = validation_map(
            average, self.val, self.image, self.progress, f"{stage}, validation", ranks
        )
        rate = None if mean_loss is None else state.scheduler.get_last_lr()[0]
        row = {"stage": stage, "epoch": epoch, "loss": mean_loss, "learning_rate": rate}
        self.log(row | {"val_mAP": value})
        if ranks.first and (value > state.value or not state.best):  # NaN: no label has a positive
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
    ranks: Ranks = ALONE,
) -> float:
    """Return the mAP of ``classifier`` on ``val`` in percent, protocol "default"."""
    engine = TorchEngine(classifier, image, device=str(next(classifier.parameters()).device))
    with engine.streaming() as streams:
        scores = shared_features(
            val.paths,
            ranks,
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


def _keeps_statistics(settings: FineTuning, images: int) -> bool:
    if settings.freeze_batch_norm is None:
        return images < SMALL_DATA
    return settings.freeze_batch_norm


def _copy(classifier: MultiLabelClassifier) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in classifier.state_dict().items()}
