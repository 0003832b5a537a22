"""Variants of published systems that their entries alone do not tell, or that have other parts."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from imlgcn.errors import InputError
from imlgcn.labels.known_names import label_names
from imlgcn.models import PixelInput
from imlgcn.official import backbones
from imlgcn.official.checkpoint import import_checkpoint
from imlgcn.official.convert import asl, c_tran, csra
from imlgcn.tagger import Tagger
from official_states import (
    head_state,
    linear,
    resnet,
    resnet_maps,
    resnet_state,
)

from .conftest import C, L, write_names


def pixels(size=64):
    return torch.randint(256, (2, size, size, 3), dtype=torch.uint8)


# ASL with a bottleneck


@torch.no_grad()
def test_the_two_layers_of_a_bottleneck_score_as_one():
    shapes = linear("head.fc.embedding_generator.0", 12, 5) | linear("head.fc.FC", 5, L)
    state = {f"module.{name}": torch.randn(shape) for name, shape in shapes.items()}
    vectors = torch.randn(4, 12)
    first = F.linear(vectors, *(state[f"module.head.fc.embedding_generator.0.{k}"] for k in KINDS))
    expected = F.linear(first, *(state[f"module.head.fc.FC.{k}"] for k in KINDS))
    found = asl.convert(state)
    torch.testing.assert_close(F.linear(vectors, *(found[f"linear.{k}"] for k in KINDS)), expected)
    assert found["linear.weight"].shape == (L, 12)
    assert asl.options(state) == {"pooling": "avg", "bias_start": 0.0}


KINDS = ("weight", "bias")

# C-Tran without label masking


def save_c_tran(folder, states=None):
    model = resnet("resnet18")
    head = head_state("c_tran", L, C)
    if states is not None:
        head["known_label_lt.weight"] = states
    path = folder / "c_tran.pt"
    torch.save({"state_dict": resnet_state("c_tran", model) | head}, path)
    return path, model, head


def untrained():
    return (2 * torch.rand(3, C) - 1) * C**-0.5


def by_hand(head, maps, states):
    """Return the logits, a layer's parts from the published names; ``states`` (D,) or 0."""
    tokens = torch.cat([maps.flatten(2).transpose(1, 2), state_of(head, maps, states)], 1)
    tokens = F.layer_norm(tokens, (C,), head["LayerNorm.weight"], head["LayerNorm.bias"])
    for number in range(3):
        layer = torch.nn.TransformerEncoderLayer(C, 4, C, batch_first=True).eval()
        name = f"self_attn_layers.{number}.transformer_layer."
        own = {k.removeprefix(name): v for k, v in head.items() if k.startswith(name)}
        layer.load_state_dict(own)
        tokens = layer(tokens)
    scores = F.linear(tokens[:, -L:], head["output_linear.weight"], head["output_linear.bias"])
    return scores.diagonal(dim1=1, dim2=2)


def state_of(head, maps, states):
    return (head["label_lt.weight"] + states).expand(len(maps), -1, -1)


@torch.no_grad()
@pytest.mark.parametrize("masking", [True, False])
def test_c_tran_adds_the_state_of_labels_only_if_it_was_trained_with_masks(masking, tmp_path):
    path, model, head = save_c_tran(tmp_path)
    names = write_names(tmp_path)
    given = {"data_names": names, "size": 64, "label_masking": masking}
    tagger = import_checkpoint(path, "c_tran", tmp_path / "out", **given)
    images = pixels()
    maps = resnet_maps(model, PixelInput(tagger.info.image)(images))
    unknown = head["known_label_lt.weight"][0]
    expected, other = (
        by_hand(head, maps, s) for s in (unknown, torch.zeros(C))[:: 2 * masking - 1]
    )
    found = torch.from_numpy(tagger.engine.logits(images.numpy()))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - other).abs().max() > 1e-3, "the wrong one is another tagger"
    again = Tagger.load(tagger.path)
    if masking:
        assert again.known_by == "head"
    else:
        with pytest.raises(InputError, match="an imported checkpoint has none"):
            again(images[0].numpy(), known={"thing 1": 1})


@pytest.mark.parametrize("factor", [1.0, 1.2])
def test_states_that_were_never_trained_are_asked_about(factor):
    head = {"states": untrained()}
    head["states"][1, 0] = factor * C**-0.5
    if factor > 1:
        assert c_tran.with_masking(head, None) is head
        return
    with pytest.raises(InputError, match="seems to be trained without label masking: say which"):
        c_tran.with_masking(head, None)
    assert c_tran.with_masking(head, True) is head
    assert not c_tran.with_masking(head, False)["states"].any()


def test_the_command_asks_and_takes_the_answer(tmp_path, cli):
    path, *_ = save_c_tran(tmp_path, untrained())
    names, out = write_names(tmp_path), tmp_path / "out"
    command = ("import", path, "--from", "c_tran", "--data-names", names, "--size", 64, "-o", out)
    found = cli(*command)
    found.assert_refused("say which it is, --no-label-masking or --label-masking")
    assert not out.exists()
    assert cli(*command, "--no-label-masking").code == 0
    found = cli("import", path, "--from", "csra", "-o", out, "--label-masking")
    found.assert_refused("--label-masking is for c_tran; leave it out for csra")


# CSRA on a vision transformer


def vit_maps(state, images, heads=3):
    """Return the map of a vision transformer, from its entries by the formulas of its paper."""
    width = state["pos_embed"].shape[-1]

    def norm(name, x):
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    def layer(name, x):
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    patches = F.conv2d(images, *(state[f"patch_embed.proj.{k}"] for k in KINDS), stride=16)
    tokens = patches.flatten(2).transpose(1, 2)
    first = state["cls_token"].expand(len(tokens), -1, -1)
    x = torch.cat([first, tokens], 1) + state["pos_embed"]
    for number in range(12):
        block = f"blocks.{number}"
        parts = layer(f"{block}.attn.qkv", norm(f"{block}.norm1", x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts)
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        x = x + layer(f"{block}.attn.proj", (weights @ v).transpose(1, 2).flatten(2))
        hidden = F.gelu(layer(f"{block}.mlp.fc1", norm(f"{block}.norm2", x)))
        x = x + layer(f"{block}.mlp.fc2", hidden)
    return norm("norm", x)[:, 1:].transpose(1, 2).unflatten(-1, (14, 14))


@pytest.fixture
def small_vit(tmp_path, monkeypatch):
    """A CSRA checkpoint on the smallest vision transformer of 12 blocks, and its entries."""
    tiny = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    monkeypatch.setitem(backbones.TRANSFORMERS, (192, 12, 197), "vit_tiny_patch16_224")
    trunk = {key: torch.randn_like(value) / 8 for key, value in tiny.state_dict().items()}
    head = head_state("csra", 14, 192, heads=1)
    torch.save(trunk | head, tmp_path / "vit.pth")
    return tmp_path / "vit.pth", trunk | head


@torch.no_grad()
def test_csra_scores_on_a_vision_transformer_as_its_formula(small_vit, tmp_path):
    path, state = small_vit
    tagger = import_checkpoint(path, "csra", tmp_path / "out", data_names="wider")
    assert tagger.labels == label_names("wider")
    settings = tagger.info.image
    assert (settings.size, settings.mean, settings.std) == (224, (0.5,) * 3, (0.5,) * 3)
    images = pixels(224)
    maps = vit_maps(state, images.permute(0, 3, 1, 2) / 127.5 - 1)
    weight = F.normalize(state["classifier.multi_head.0.head.weight"].flatten(1), dim=1)
    scores = torch.einsum("lc,bchw->blhw", weight, maps).flatten(2)
    attended = (scores.softmax(-1) * scores).sum(-1)
    expected = scores.mean(-1) + 0.3 * attended
    found = tagger.engine.logits(images.numpy())
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-3)


def test_the_published_transformers_are_recognised_by_width_and_depth():
    for name in ("vit_base_patch16_224", "vit_large_patch16_224"):
        with torch.device("meta"):
            entries = timm.create_model(name, num_classes=0).state_dict()
        assert backbones.recognize(entries) == name
        assert backbones.native_size(entries) == 224
        entries.pop("blocks.11.norm1.weight")
        entries = {k: v for k, v in entries.items() if not k.startswith("blocks.11.")}
        assert backbones.recognize(entries) is None
    assert backbones.native_size({"layer1.0.conv1.weight": torch.ones(1)}) is None


def test_lambda_of_a_transformer_is_the_published_one(small_vit):
    assert csra.options(small_vit[1]) == {"temperatures": (1,), "lam": 0.3}
    assert "lam" not in csra.options(head_state("csra", L, C))
