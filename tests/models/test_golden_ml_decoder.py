"""ML-Decoder against numbers of its published code, through the mapping of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.official.convert import ml_decoder

FILE = Path(__file__).parents[1] / "golden" / "head_ml_decoder.npz"
GOLDEN = {key: torch.from_numpy(array) for key, array in np.load(FILE).items()}
CASES = range(int(GOLDEN["num_cases"]))


def weights_of(case: int) -> dict[str, torch.Tensor]:
    start = f"case{case}/w/"
    return {k.removeprefix(start): v for k, v in GOLDEN.items() if k.startswith(start)}


def build(**options):
    labels = LabelContext.placeholder(int(GOLDEN["num_classes"]))
    channels = GOLDEN["features"].shape[1]
    return create_head("ml_decoder", channels, labels, preset="paper", **options).eval()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("prefix", ["", "head.", "module.fc."])
def test_golden_ml_decoder_logits(case, prefix):
    state = {prefix + key: value for key, value in weights_of(case).items()}
    state["body.conv1.weight"] = torch.zeros(1)  # of the trunk, when there is a prefix
    if not prefix:
        del state["body.conv1.weight"]
    head = build(**ml_decoder.options(state))
    head.load_state_dict(ml_decoder.convert(state))
    with torch.no_grad():
        logits = head(GOLDEN["features"])
    torch.testing.assert_close(logits, GOLDEN[f"case{case}/logits"], rtol=0, atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_golden_ml_decoder_groups_are_as_many_as_asked_for_but_never_more_than_labels(case):
    asked = int(GOLDEN["num_of_groups"][case])
    head = build(**({} if asked == -1 else {"num_of_groups": asked}))  # the default is 100
    stored = weights_of(case)["decoder.duplicate_pooling"]
    assert head.group_weight.shape[::2] == stored.shape[::2]  # groups, labels in a group
