"""Everything that changes while a backbone is tuned, and when it is written to disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from imlgcn.models import MultiLabelClassifier
from imlgcn.stopping import Stopped
from imlgcn.training.checkpoint import (
    Checkpoints,
    optimizer_groups,
    optimizer_tensors,
    part,
    restore_optimizer,
    with_prefix,
)
from imlgcn.training.loop import Done
from imlgcn.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from lightning.fabric.plugins import Precision


@dataclass
class TrainingState:
    """Everything that changes during fine-tuning: the content of a checkpoint."""

    classifier: MultiLabelClassifier
    average: ModelEmaV3
    optimizer: Optimizer
    scheduler: OneCycleLR
    precision: Precision  # Fabric's; in half precision it holds the scale of the loss
    best: dict[str, Tensor]  # best weights on validation so far
    value: float  # their mAP, percent
    epoch: int = 0  # epochs done
    done: Done = field(default_factory=Done)  # of the epoch that has begun

    def save(self, checkpoints: Checkpoints, ranks: Ranks = ALONE) -> None:
        """Write a checkpoint, in the first process."""
        if not ranks.first:
            return
        tensors = (
            with_prefix("model", self.classifier.state_dict())
            | with_prefix("average", self.average.module.state_dict())
            | with_prefix("best", self.best)
            | with_prefix("optimizer", optimizer_tensors(self.optimizer))
        )
        state = {
            "epoch": self.epoch,
            "done": asdict(self.done),
            "value": self.value,
            "scheduler": self.scheduler.state_dict(),
            "groups": optimizer_groups(self.optimizer),
            "precision": self.precision.state_dict(),
        }
        checkpoints.save(tensors, state, step=self.scheduler.last_epoch)

    def restore(self, checkpoints: Checkpoints, ranks: Ranks = ALONE) -> bool:
        """Restore the newest checkpoint in all processes; return whether there is one."""
        if (found := ranks.from_first(checkpoints.newest)) is None:
            return False
        tensors, state = found
        self.classifier.load_state_dict(part("model", tensors))
        self.average.module.load_state_dict(part("average", tensors))
        restore_optimizer(self.optimizer, part("optimizer", tensors), state["groups"])
        self.scheduler.load_state_dict(state["scheduler"])
        if scaling := state.get("precision"):
            self.precision.load_state_dict(scaling)
        self.best, self.value, self.epoch = part("best", tensors), state["value"], state["epoch"]
        self.done = Done(**state["done"])
        return True


class Keeper:
    """Saves the state after a step, every so many minutes and when a signal asks to stop."""

    def __init__(
        self,
        state: TrainingState,
        checkpoints: Checkpoints,
        minutes: float,
        asked: Callable[[], int | None],
        ranks: Ranks = ALONE,
    ) -> None:
        self.state, self.checkpoints, self.asked, self.ranks = state, checkpoints, asked, ranks
        self.seconds, self.saved = 60 * minutes, time.monotonic()

    def __call__(self, images: int) -> None:
        """Save the state if it is time; end with `Stopped` where a signal has asked for it."""
        asked = self.asked()
        if self.ranks.world > 1:  # all stop after the same step, whichever was asked
            asked = int(self.ranks.largest(asked or 0)) or None
        if asked is not None or time.monotonic() - self.saved >= self.seconds:
            self.state.save(self.checkpoints, self.ranks)
            self.saved = time.monotonic()
        if asked is not None:
            raise Stopped(asked)
