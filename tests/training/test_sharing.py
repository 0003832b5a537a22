"""What a process takes of a batch, and what the shares add up to; no process is started here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.config import FineTuning, ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.losses import create_loss
from imlgcn.models import create_head
from imlgcn.training.augmentation import augmented_batches
from imlgcn.training.layout import Layout
from imlgcn.training.loop import Shares, split_batch
from imlgcn.training.ranks import ALONE, Ranks

SETTINGS = FineTuning(batch_size=4, workers=0)
IMAGE = ImageSettings(size=16, fit="squash")


def of(world):
    """Return the places of so many processes, which are not connected."""
    return [Ranks(Layout(world, rank=rank)) for rank in range(world)]


@pytest.mark.parametrize("reduction", ["sum", "batch", "mean"])
@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("images", [9, 2])
@pytest.mark.parametrize("name", ["linear", "cnn_rnn"])  # whose loss is always a mean
def test_the_losses_of_all_parts_add_up_to_that_of_the_batch(
    name, reduction, world, accumulate, images
):
    generator = torch.Generator().manual_seed(images)
    features = torch.randn(images, 3, 1, 1, generator=generator)
    targets = torch.randint(-1, 2, (images, 5), generator=generator, dtype=torch.int8)
    head = create_head(name, 3, LabelContext.from_targets(list("abcde"), targets.numpy())).eval()
    criterion = create_loss("asymmetric", reduction=reduction)
    parts = [
        part
        for ranks in of(world)
        for part in split_batch(
            features[ranks.mine],
            targets,
            Shares(ranks, lambda targets: head.divisor(targets, criterion), accumulate),
        )
    ]
    total = sum(part.weight * head.loss(part.inputs, part.targets, criterion) for part in parts)
    torch.testing.assert_close(total, head.loss(features, targets, criterion))
    assert len(parts) >= world, "each process takes part in each step"


@pytest.mark.parametrize("world", [2, 3])
def test_the_shares_of_an_epoch_are_the_images_of_one_process(colours, fabric, world):
    train = colours.split("train")
    whole = list(augmented_batches(train, IMAGE, SETTINGS, fabric, seed=(1, 2)))
    shared = [
        list(augmented_batches(train, IMAGE, SETTINGS, fabric, seed=(1, 2), ranks=ranks))
        for ranks in of(world)
    ]
    for (images, targets), *parts in zip(whole, *shared, strict=True):
        found = torch.empty_like(images)
        for ranks, (own, all_targets) in zip(of(world), parts, strict=True):
            found[ranks.mine] = own
            assert torch.equal(all_targets, targets)
        assert torch.equal(found, images), "bit for bit, also of a short last batch"


def test_loading_processes_change_nothing(colours, fabric):
    train = colours.split("train")
    own, loaded = (
        augmented_batches(
            *(train, IMAGE, SETTINGS.model_copy(update={"workers": workers}), fabric), seed=(5, 2)
        )
        for workers in (0, 2)
    )
    for a, b in zip(own, loaded, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_alone_everything_is_immediate():
    assert ALONE.gather("it") == ["it"]
    assert ALONE.add([np.ones(2), 3])[1] == 3
    assert (ALONE.sum(2.5), ALONE.largest(1.5)) == (2.5, 1.5)
    assert ALONE.from_first(lambda: 7) == ALONE.together(lambda: 7) == 7
    assert ALONE.device("cuda:5") == "cuda:5"
