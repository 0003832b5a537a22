from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext

IN_CHANNELS = 12


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def labels() -> LabelContext:
    """Five labels on 60 images; the last never occurs. No other width in the tests is five."""
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 5)) < [0.6, 0.5, 0.4, 0.2, 0.0]).astype(np.int8)
    targets[:, 1] |= targets[:, 3]  # label 4 never comes without label 2: an edge for sure
    embeddings = {
        kind: rng.standard_normal((5, width)).astype(np.float32)
        for kind, width in {"words": 7, "image": IN_CHANNELS, "image_pca": 4}.items()
    }
    return LabelContext.from_targets(["a", "b", "c", "d", "never"], targets, embeddings)
