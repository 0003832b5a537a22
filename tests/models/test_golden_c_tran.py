"""C-Tran against numbers of its published code, through the mapping of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.official.convert import c_tran

FILE = Path(__file__).parents[1] / "golden" / "head_c_tran.npz"
GOLDEN = {key: torch.from_numpy(array) for key, array in np.load(FILE).items()}
WEIGHTS = {k.removeprefix("w/"): v for k, v in GOLDEN.items() if k.startswith("w/")}
FEATURES = GOLDEN["features"]


def load(state):
    """Return the head with official weights."""
    labels = LabelContext.placeholder(GOLDEN["mask_full"].shape[1])
    options = c_tran.options(state) | {"num_heads": int(GOLDEN["heads"])}
    head = create_head("c_tran", FEATURES.shape[1], labels, preset="paper", **options).eval()
    head.load_state_dict(c_tran.convert(state))
    return head


def close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5)


@torch.no_grad()
@pytest.mark.parametrize("given", ["unknown", "partial", "full"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_golden_c_tran_logits(given, prefix):
    state = {prefix + key: value for key, value in WEIGHTS.items()}
    state[f"{prefix}backbone.base_network.fc.weight"] = torch.zeros(1)
    close(load(state)(FEATURES, GOLDEN[f"mask_{given}"]), GOLDEN[f"logits_lmt_{given}"])


@torch.no_grad()
def test_golden_c_tran_without_known_labels_all_are_unknown():
    close(load(WEIGHTS)(FEATURES), GOLDEN["logits_lmt_unknown"])


@torch.no_grad()
@pytest.mark.parametrize("given", ["unknown", "partial", "full"])
def test_golden_c_tran_states_of_zero_are_training_without_label_masks(given):
    head = load(WEIGHTS)
    head.states.zero_()
    close(head(FEATURES, GOLDEN[f"mask_{given}"]), GOLDEN["logits_nolmt"])


def test_golden_c_tran_options_are_read_from_the_names():
    assert c_tran.options(WEIGHTS) == {
        "hidden_dim": None,
        "layers": int(GOLDEN["layers"]),
        "dim_feedforward": len(
            GOLDEN["w/self_attn_layers.0.transformer_layer.linear1.weight"],
        ),
    }


def test_golden_c_tran_entries_that_nobody_knows_are_reported_by_strict_loading():
    with pytest.raises(RuntimeError, match=r"Unexpected key.*surprise\.weight"):
        load({**WEIGHTS, "surprise.weight": torch.zeros(1)})


def test_another_checkpoint_is_refused_by_name():
    with pytest.raises(InputError, match="not a checkpoint of C-Tran: no entry is named known_l"):
        c_tran.convert({"fc.weight": torch.zeros(1)})


@pytest.mark.parametrize("num_labels", [80, 500])
def test_a_state_dict_of_the_published_size_loads(num_labels):
    L, D = num_labels, 2048
    shapes = {"label_lt.weight": (L, D), "known_label_lt.weight": (3, D)}
    shapes |= {"LayerNorm.weight": (D,), "LayerNorm.bias": (D,)}
    shapes |= {"output_linear.weight": (L, D), "output_linear.bias": (L,)}
    for layer in (f"self_attn_layers.{i}.transformer_layer" for i in range(3)):
        shapes |= {f"{layer}.self_attn.in_proj_weight": (3 * D, D)}
        shapes |= {f"{layer}.self_attn.in_proj_bias": (3 * D,)}
        for part in ("self_attn.out_proj", "linear1", "linear2"):
            shapes |= {f"{layer}.{part}.weight": (D, D), f"{layer}.{part}.bias": (D,)}
        for part in ("norm1", "norm2"):
            shapes |= {f"{layer}.{part}.weight": (D,), f"{layer}.{part}.bias": (D,)}
    with torch.device("meta"):
        state = {f"module.{name}": torch.empty(shape) for name, shape in shapes.items()}
        state["module.backbone.base_network.layer4.2.conv3.weight"] = torch.empty(D, 512, 1, 1)
        labels = LabelContext.placeholder(L)
        head = create_head("c_tran", D, labels, preset="paper", **c_tran.options(state))
    head.load_state_dict(c_tran.convert(state), assign=True)
