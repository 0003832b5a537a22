"""Work for several processes, in a module of its own: each process imports it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.config import EmbeddingSettings, FineTuning, LossSettings
from imlgcn.data.dataset import load_dataset
from imlgcn.labels.context import LabelContext
from imlgcn.losses import create_loss
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.training import fine_tune as fine_tuning
from imlgcn.training import tuning_state
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.extract import extract_features
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.layout import Layout
from imlgcn.training.loop import DivergedError, Shares, create_fabric, train_epoch
from imlgcn.training.optimization import Group, create_optimizer
from imlgcn.training.ranks import Ranks, joined
from imlgcn.training.sharing import count_labels
from imlgcn.training.stages import embed_labels
from runs import BACKBONE

# 42 images in batches of 10: the last has 2, fewer than four processes; iml_gcn has dropout
SETTINGS = FineTuning(
    epochs=4, batch_size=10, accumulate=2, learning_rate=1e-3, ema_decay=0.5, workers=0
)


def in_processes(progress, **arguments):
    """Run `trial` in one of several processes."""
    with joined(Layout.of()) as ranks:
        ranks.connect("cpu")
        trial(ranks, **arguments)
        diverge(ranks)
        ranks.wait()


def trial(ranks: Ranks, data: Path, weights: Path, out: Path) -> None:
    """Extract, count, embed and fine-tune; the first process writes what came of it."""
    backbone = create_backbone(BACKBONE, weights=str(weights), size=64)
    features = extract_features(backbone, load_dataset(data), device="cpu", ranks=ranks)
    train = features.split("train")[1]
    context = count_labels(features.dataset.names, train.dataset.targets, ranks)
    found = {"pairs": context.pair_counts, "features": features.values}
    for images in ("all", "sole", "weighted"):
        embedded = embed_labels(context, train, EmbeddingSettings(images=images), ranks)
        found |= {f"{images} {kind}": rows for kind, rows in embedded.embeddings.items()}
    losses, rows = [], []

    class Keeper(tuning_state.Keeper):
        def __call__(self, images):
            losses.append(self.state.done.loss)
            super().__call__(images)

    fine_tuning.Keeper = Keeper
    name = "linear" if "mean" in out.name else "iml_gcn"
    torch.manual_seed(1)
    head = create_head(name, backbone.out_channels, embedded)
    classifier = MultiLabelClassifier(backbone, head)
    fine_tune(
        classifier,
        train.dataset,
        features.split("val")[0],
        settings=SETTINGS,
        loss=LossSettings(options={"reduction": "mean"} if "mean" in out.name else {}),
        seed=3,
        fabric=ranks.fabric or create_fabric("cpu"),
        checkpoints=Checkpoints(out.parent / f"{out.name}-saved", "c"),
        log=rows.append,
        ranks=ranks,
    )
    fine_tuning.Keeper = tuning_state.Keeper
    if ranks.first:
        state = {key: value.numpy() for key, value in classifier.state_dict().items()}
        found |= {
            "losses": np.array(losses),
            "mAP": np.array([row["val_mAP"] for row in rows]),
            "failed": np.array(sorted(features.failed)),
            "names": np.array([record.name for record in features.dataset.records]),
        }
        np.savez(out, **found, **state)


def diverge(ranks: Ranks) -> None:
    """The input of one process is not finite: all stop, with what that one has found."""
    head = create_head("linear", 3, LabelContext.named(["a", "b"]))
    optimizer, scheduler = create_optimizer([Group(head, 1e-3, 0.0)], 4)
    model, optimizer = ranks.fabric.setup(head, optimizer)
    model.mark_forward_method("loss")
    inputs = torch.full((2, 3, 1, 1), torch.nan if ranks.rank == 1 else 1.0)
    batch = inputs, torch.ones(2 * ranks.world, 2, dtype=torch.int8)
    criterion = create_loss("bce")
    with pytest.raises(DivergedError, match="inputs of this batch hold values that are not finite"):
        train_epoch(
            *(model, [batch], criterion, optimizer, scheduler),
            fabric=ranks.fabric,
            shares=Shares(ranks, criterion.divisor),
        )


def places() -> None:
    """Say which place this process has, once all are there."""
    with joined(Layout.of()) as ranks:
        ranks.connect("cpu")
        found = ranks.gather((ranks.rank, ranks.layout.local, os.getpid()))
        if ranks.first:
            print([(rank, local) for rank, local, _ in found], len({pid for *_, pid in found}))
        ranks.wait()


if __name__ == "__main__":
    places()
