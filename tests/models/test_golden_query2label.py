"""Query2Label against numbers of its published code, through the mapping of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.heads.query2label import sine_code
from imlgcn.official.convert import query2label

FILE = Path(__file__).parents[1] / "golden" / "head_query2label.npz"
GOLDEN = {key: torch.from_numpy(array) for key, array in np.load(FILE).items()}
CASES = range(int(GOLDEN["num_cases"]))


def weights_of(case: int) -> dict[str, torch.Tensor]:
    start = f"case{case}/w/"
    return {k.removeprefix(start): v for k, v in GOLDEN.items() if k.startswith(start)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_golden_query2label_logits(case, prefix):
    state = {prefix + key: value for key, value in weights_of(case).items()}
    state[f"{prefix}backbone.0.body.conv1.weight"] = torch.zeros(1)
    state[f"{prefix}backbone.1.pe"] = GOLDEN["position_encoding"]
    features = GOLDEN["features" if GOLDEN["has_input_proj"][case] else "features_hidden"]
    expected = GOLDEN[f"case{case}/logits"]
    options = query2label.options(state) | {"num_heads": int(GOLDEN["heads"])}
    labels = LabelContext.placeholder(expected.shape[1])
    head = create_head("query2label", features.shape[1], labels, preset="paper", **options).eval()
    head.load_state_dict(query2label.convert(state))
    with torch.no_grad():
        torch.testing.assert_close(head(features), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_golden_query2label_options_are_read_from_the_names(case):
    assert query2label.options(weights_of(case)) == {
        "hidden_dim": GOLDEN["features_hidden"].shape[1]
        if GOLDEN["has_input_proj"][case]
        else None,
        "dim_feedforward": len(weights_of(case)["transformer.decoder.layers.0.linear1.weight"]),
        "enc_layers": int(GOLDEN["enc_layers"]),
        "dec_layers": int(GOLDEN["dec_layers"]),
        "keep_first_self_attn": bool(GOLDEN["keep_first_self_attn"][case]),
        "keep_other_self_attn": bool(GOLDEN["keep_other_self_attn"][case]),
    }


@pytest.mark.parametrize("name", ["position_encoding", "position_encoding_14"])
def test_golden_query2label_position_code(name):
    code = sine_code(torch.zeros_like(GOLDEN[name]))
    torch.testing.assert_close(code[None], GOLDEN[name], rtol=0, atol=2e-6)
