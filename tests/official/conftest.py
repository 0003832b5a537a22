"""Checkpoints of few labels, and what a system keeps beside its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.official.sources import SOURCES
from official_states import head_state, resnet, resnet_state

L = 7


C = 512  # of ResNet-18


SMALL = {"ssgrl": {"width": 16, "output": 24, "words": 5}, "ml_gcn": {"hidden": 9, "words": 5}}


SMALL["query2label"] = {"inner": 40}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def write_names(folder: Path, number: int = L) -> Path:
    path = folder / "names.txt"
    path.write_text("\n".join(f"thing {i}" for i in range(number)) + "\n")
    return path


def files_beside(system: str, folder: Path, number: int = L) -> dict[str, Path]:
    """Write what a system keeps outside its checkpoint; return the arguments that name it."""
    given = {}
    if "words" in SOURCES[system].needs:
        width = SMALL[system]["words"]
        given["words"] = folder / "vectors.npy"
        np.save(given["words"], torch.randn(number, width).numpy())
    if "graph" in SOURCES[system].needs:
        given["graph"] = folder / "graph.npy"
        np.save(given["graph"], torch.rand(number, number).numpy().astype(np.float64))
    return given


def save_csra(folder: Path, *, labels: int = L, extra=None, change=None) -> Path:
    """Write a CSRA checkpoint on a ResNet-18; ``change`` is called with its entries."""
    state = head_state("csra", labels, C) | resnet_state("csra", resnet("resnet18"))
    if change is not None:
        change(state)
    path = folder / "csra.pth"
    torch.save({"state_dict": state, **(extra or {})}, path)
    return path
