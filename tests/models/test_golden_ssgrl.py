"""SSGRL against numbers of its published code, through the mapping of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.official.convert import ssgrl

FILE = Path(__file__).parents[1] / "golden" / "head_ssgrl.npz"
GOLDEN = {key: torch.from_numpy(array) for key, array in np.load(FILE).items()}
WEIGHTS = {k.removeprefix("w/"): v for k, v in GOLDEN.items() if k.startswith("w/")}
FILES = {"word_features": GOLDEN["word_features"], "matrix": GOLDEN["in_matrix"]}


def load(state, **options):
    """Return the head with official weights."""
    L, E = GOLDEN["word_features"].shape
    labels = LabelContext.placeholder(L, words=E)
    options = ssgrl.options(state) | {"time_step": int(GOLDEN["time_step"])} | options
    options["map_pooling"] = 1  # the file's features are what the trunk's last pooling left
    channels = GOLDEN["features"].shape[1]
    head = create_head("ssgrl", channels, labels, preset="paper", **options).eval()
    head.load_state_dict(ssgrl.convert(state, **FILES))
    return head


def close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_golden_ssgrl_semantic_and_graph_features():
    head = load(WEIGHTS)
    seen = head.see(GOLDEN["features"])
    close(seen, GOLDEN["semantic_features"])
    close(head.propagate(seen), GOLDEN["graph_features"])
    close(head.propagate(GOLDEN["semantic_features"]), GOLDEN["graph_features"])


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "module."])
def test_golden_ssgrl_logits_with_and_without_the_trunk_in_the_checkpoint(prefix):
    state = {prefix + key: value for key, value in WEIGHTS.items()}
    state[f"{prefix}resnet_101.conv1.weight"] = torch.zeros(1)
    close(load(state)(GOLDEN["features"]), GOLDEN["logits"])


@torch.no_grad()
def test_golden_ssgrl_what_is_listed_as_unused_has_no_influence_and_all_else_has():
    head = load(WEIGHTS)
    for name, parameter in head.named_parameters():
        kept = parameter.clone()
        parameter += 0.3 * torch.randn_like(parameter)
        same = torch.allclose(head(GOLDEN["features"]), GOLDEN["logits"], rtol=0, atol=1e-5)
        assert same == (name in head.unused_parameters), name
        parameter.copy_(kept)


def test_golden_ssgrl_the_out_matrix_is_the_transpose():
    assert torch.equal(GOLDEN["out_matrix"], GOLDEN["in_matrix"].T)


def test_golden_ssgrl_options_are_read_from_the_shapes():
    assert ssgrl.options(WEIGHTS) == {
        "hidden_dim": None,
        "attention_dim": GOLDEN["w/word_semantic.fc_1.weight"].shape[0],
        "output_dim": GOLDEN["w/classifiers.weight"].shape[1],
    }


def test_golden_ssgrl_entries_that_nobody_knows_are_reported_by_strict_loading():
    with pytest.raises(RuntimeError, match=r"Unexpected key.*surprise\.weight"):
        load({**WEIGHTS, "surprise.weight": torch.zeros(1)})


def test_a_checkpoint_without_the_files_keeps_the_vectors_and_graph_of_the_labels(labels):
    head = create_head("ssgrl", 12, labels, residual=False)
    converted = ssgrl.convert(WEIGHTS)
    missing = set(head.state_dict()) - set(converted) - {"input_proj.weight", "input_proj.bias"}
    assert missing == {"vectors", "adjacency"}


def test_another_checkpoint_is_refused_by_name():
    with pytest.raises(InputError, match="not a checkpoint of SSGRL: no entry is named word_sem"):
        ssgrl.convert({"fc.weight": torch.zeros(1)})


@pytest.mark.parametrize("num_labels", [20, 80])
def test_a_state_dict_of_the_published_size_loads(num_labels):
    L, C, E, K, O = num_labels, 2048, 300, 1024, 2048  # noqa: E741
    linear = {
        "word_semantic.fc_3": (K, K),
        "word_semantic.fc_a": (1, K),
        "fc_output": (O, 2 * C),
        "classifiers": (L, O),
        **{f"graph_net.fc_eq{i}_w": (C, 2 * C) for i in (3, 4, 5)},
        **{f"graph_net.fc_eq{i}_u": (C, C) for i in (3, 4, 5)},
    }
    shapes = {f"{name}.weight": shape for name, shape in linear.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in linear.items()}
    shapes |= {"word_semantic.fc_1.weight": (K, C), "word_semantic.fc_2.weight": (K, E)}
    with torch.device("meta"):
        state = {f"module.{name}": torch.empty(shape) for name, shape in shapes.items()}
        state["module.resnet_101.layer4.2.conv3.weight"] = torch.empty(C, 512, 1, 1)
        labels = LabelContext.placeholder(L, words=E)
        head = create_head("ssgrl", C, labels, preset="paper", **ssgrl.options(state))
        files = {"word_features": torch.empty(L, E), "matrix": torch.empty(L, L)}
    head.load_state_dict(ssgrl.convert(state, **files), assign=True)
