"""What a process of a training does that is not the first: the same work, without a word."""

from __future__ import annotations

from pathlib import Path

from imlgcn.training.checks import check_settings
from imlgcn.training.loop import create_fabric
from imlgcn.training.method import train_method
from imlgcn.training.ranks import Ranks
from imlgcn.training.resolve import Plan
from imlgcn.training.run import Run
from imlgcn.training.start import open_backbone


def follow(ranks: Ranks, plan: Plan, checkpoints: Path) -> None:
    """Take part in a training of ``plan`` on the data that the first process has read."""
    settings, dataset = ranks.received()
    backbone, start = open_backbone(settings, plan.start)
    heads = plan.heads(settings)
    probes = {
        name: check_settings(each, backbone, len(dataset.names)) for name, each in heads.items()
    }
    device = ranks.device(plan.device)
    run = Run(settings, heads, create_fabric(device), device, checkpoints, ranks=ranks)
    train_method(run, backbone, dataset, probe=probes.get(settings.head), start=start)
