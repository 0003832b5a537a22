"""What is built within `Unfilled` draws no random numbers, and is otherwise as ever."""

from __future__ import annotations

import pytest
import torch

from imlgcn.models import create_backbone
from imlgcn.models.unfilled import Unfilled


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "test_convnext"])
def test_nothing_is_drawn_at_random_and_all_else_is_set(name):
    before = torch.get_rng_state()
    with Unfilled():
        found = create_backbone(name, pretrained=False).model
    assert torch.equal(torch.get_rng_state(), before)
    expected = create_backbone(name, pretrained=False).model
    assert not torch.equal(torch.get_rng_state(), before)
    assert {k: v.shape for k, v in found.state_dict().items()} == {
        k: v.shape for k, v in expected.state_dict().items()
    }
    for key, value in expected.named_buffers():
        assert torch.equal(found.get_buffer(key), value)


def test_a_loaded_network_is_the_one_that_was_saved():
    saved = create_backbone("test_efficientnet", pretrained=False).model
    with Unfilled():
        loaded = create_backbone("test_efficientnet", pretrained=False).model
    loaded.load_state_dict(saved.state_dict())
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(loaded.eval()(images), saved.eval()(images))
