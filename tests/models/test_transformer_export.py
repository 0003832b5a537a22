"""Heads that read the whole map, exported with any batch size, score as they do here."""

from __future__ import annotations

import pytest
import torch

from imlgcn.models.heads import create_head

IN_CHANNELS = 12


@pytest.mark.parametrize("preset", ["small", "paper"])
@pytest.mark.parametrize("name", ["ml_decoder", "query2label", "csra"])
def test_exported_equals_eager_on_another_batch_size(name, preset, labels):
    head = create_head(name, IN_CHANNELS, labels, preset=preset).eval().fold()
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(
        head, (torch.randn(4, IN_CHANNELS, 3, 2),), dynamic_shapes={"features": {0: batch}}
    ).module()
    for size in (1, 7):
        features = torch.randn(size, IN_CHANNELS, 3, 2)
        torch.testing.assert_close(exported(features), head(features))
