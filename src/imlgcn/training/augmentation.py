"""Shuffled, augmented batches of an epoch; the same whichever process or worker makes them.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from imlgcn.config import FineTuning
from imlgcn.data.dataset import Dataset
from imlgcn.data.image_input import as_image
from imlgcn.data.transforms import TrainTransform
from imlgcn.image_settings import ImageSettings
from imlgcn.stopping import leave_to_the_parent
from imlgcn.training.order import epoch_order, seed_of
from imlgcn.training.parallel import cores
from imlgcn.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def augmented_batches(
    train: Dataset,
    image: ImageSettings,
    settings: FineTuning,
    fabric: Fabric,
    *,
    seed: tuple[int, int],
    skip: int = 0,
    ranks: Ranks = ALONE,
) -> Generator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, augmented batches; the same for the same (seed, epoch).

    An epoch that was interrupted after ``skip`` batches goes on with the others. With several
    ``ranks``, a batch holds the images of this one and the targets of all.
    """
    order = epoch_order(train.paths, seed_of(*seed))
    starts = range(skip * settings.batch_size, len(train), settings.batch_size)
    batches = [order[start : start + settings.batch_size] for start in starts]
    shares = [rows[ranks.mine] for rows in batches]
    workers = min(settings.workers, cores())
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        _AugmentedImages(train, image, settings, seed),  # type: ignore[arg-type]  # to tensors
        batch_sampler=[share for share in shares if share],
        num_workers=workers,
        # copies, also of a process that was itself spawned and would spawn them: each would
        # import torch again, every epoch
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        worker_init_fn=partial(leave_to_the_parent, os.getpid()),
        generator=torch.Generator(),
        pin_memory=fabric.device.type == "cuda",
    )
    found = iter(loader)
    nothing = torch.empty(0, 3, image.size, image.size), torch.empty(0)
    for rows, share in zip(batches, shares, strict=True):
        images, targets = next(found) if share else nothing
        if ranks.world > 1:
            targets = torch.from_numpy(train.stored_targets[rows])
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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(*self.seed, row))
            return self.transform(image), self.train.stored_targets[row]
