"""CSRA against numbers of its published code, through the mapping of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.heads.csra import TEMPERATURES
from imlgcn.official.convert import csra

FILE = Path(__file__).parents[1] / "golden" / "head_csra.npz"
GOLDEN = {key: torch.from_numpy(array) for key, array in np.load(FILE).items()}
LAM = [(index, float(value)) for index, value in enumerate(GOLDEN["lam"])]


def check(start: str, expected: torch.Tensor, **options):
    """Load the official weights named ``start``, run the head and its fold, compare."""
    state = {k.removeprefix(start): v for k, v in GOLDEN.items() if k.startswith(start)}
    features = GOLDEN["features"]
    labels = LabelContext.placeholder(expected.shape[1])
    options = csra.options(state) | options
    head = create_head("csra", features.shape[1], labels, preset="paper", **options).eval()
    whole = {f"classifier.{key}": value for key, value in state.items()}
    for official in (state, {"conv1.weight": torch.zeros(1), **whole}):
        head.load_state_dict(csra.convert(official))
        with torch.no_grad():
            torch.testing.assert_close(head(features), expected, rtol=0, atol=1e-5)
            torch.testing.assert_close(head.fold()(features), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("temperature", GOLDEN["single_T"].tolist())
@pytest.mark.parametrize(("index", "lam"), LAM)
def test_golden_csra_single_block(temperature, index, lam):
    name = f"single_T{temperature}"
    expected = GOLDEN[f"{name}/logits"][index]
    check(f"{name}/w/", expected, temperatures=[temperature], lam=lam)


@pytest.mark.parametrize("heads", GOLDEN["mha_heads"].tolist())
def test_golden_csra_several_heads(heads):
    assert list(TEMPERATURES[heads]) == GOLDEN[f"mha{heads}/temperatures"].tolist()
    check(f"mha{heads}/w/", GOLDEN[f"mha{heads}/logits"], lam=float(GOLDEN["mha_lam"]))
