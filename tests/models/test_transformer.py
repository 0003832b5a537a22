"""What heads on the whole map share; the attention blocks are tested with the heads."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.models.heads import create_head
from imlgcn.models.transformer import AttentionBlock, MapInput, scale_map


def test_a_scaled_map_has_a_mean_square_of_one_whatever_its_unit():
    maps = torch.randn(3, 4, 2, 5)
    scaled = scale_map(maps)
    torch.testing.assert_close(scaled.square().mean((1, 2, 3)), torch.ones(3))
    for unit in (1e-3, 50.0):
        torch.testing.assert_close(scale_map(unit * maps), scaled)


def test_scaling_keeps_positions_in_proportion_and_zeros_zero():
    maps = torch.randn(1, 4, 1, 2)
    ratio = scale_map(maps) / maps
    torch.testing.assert_close(ratio, ratio[:, :1, :, :1].expand_as(ratio))
    assert torch.equal(scale_map(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))


def test_dropout_takes_whole_channels_and_only_in_training():
    take_in = MapInput(normalize=False, dropout=0.5)
    maps = torch.ones(8, 16, 3, 3)
    dropped = take_in(maps)
    per_channel = dropped.flatten(2)
    assert (per_channel == per_channel[:, :, :1]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(take_in.eval()(maps), maps)


@pytest.mark.parametrize("coded", ["query_code", "key_code"])
def test_codes_steer_attention_but_are_not_read(coded):
    block = AttentionBlock(8, 2, 0.0).eval()
    x, memory = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    length = 3 if coded == "query_code" else 5
    code = torch.randn(length, 8)
    assert not torch.allclose(block(x, memory, **{coded: code}), block(x, memory), atol=1e-4)
    alike = memory[:, :1].expand(-1, 5, -1)  # wherever it looks, it reads the same
    torch.testing.assert_close(block(x, alike, **{coded: code}), block(x, alike))


ATTENTION_HEADS = ("ssgrl", "kggr", "c_tran", "ml_decoder", "query2label")


@torch.no_grad()
@pytest.mark.parametrize("name", ATTENTION_HEADS)
def test_the_mean_path_adds_a_linear_layer_on_the_mean_and_starts_at_zero(labels, name):
    torch.manual_seed(2)
    head = create_head(name, 12, labels).eval()
    torch.manual_seed(2)
    without = create_head(name, 12, labels, residual=False).eval()
    features = torch.randn(2, 12, 4, 4)
    torch.testing.assert_close(head(features), without(features))
    torch.nn.init.normal_(head.mean_path.weight)
    mean = head.input(features).mean((2, 3))
    expected = without(features) + mean @ head.mean_path.weight.T
    torch.testing.assert_close(head(features), expected)
    torch.testing.assert_close(head.fold()(features), expected)
    assert create_head(name, 12, labels, preset="paper").mean_path is None


def test_the_map_is_averaged_over_windows_of_which_the_last_may_be_smaller():
    pooled = MapInput(normalize=False, dropout=0.0, pooling=2)(torch.arange(15.0).view(1, 1, 3, 5))
    assert pooled.flatten().tolist() == [3.0, 5.0, 6.5, 10.5, 12.5, 14.0]
    with pytest.raises(InputError, match="map_pooling is the size of a window, 1 or more; got 0"):
        MapInput(normalize=False, dropout=0.0, pooling=0)
