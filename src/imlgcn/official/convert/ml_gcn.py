"""ML-GCN checkpoints, https://github.com/megvii-research/ML-GCN at 5517d6f.

In the whole network the backbone is ``features.<i>.*``, the parts of torchvision's ResNet-101
counted through, and ``A`` is the re-weighted label graph before it is normalised. The label vectors
are in no checkpoint but in a file of their own (``coco_glove_word2vec.pkl``): give them as
``nodes``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from imlgcn.labels.graph import normalize_adjacency
from imlgcn.official.entries import State, head_entries

ANCHOR = "gc1.weight"
WEIGHTS = (ANCHOR, "gc2.weight")


def convert(state: State, *, nodes: Tensor | None = None) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.ml_gcn.MLGCNHead`.

    ``nodes`` ``(L, D)`` are the label vectors; without them the buffer is left out, and so is the
    graph of a head that comes without ``A``.
    """
    head = head_entries(state, ANCHOR, "ML-GCN")
    converted = {key: value for key, value in head.items() if not key.startswith("features.")}
    graph = converted.pop("A", None)
    if graph is not None:
        normalized = normalize_adjacency(graph.detach().cpu().numpy())
        converted["adjacency"] = torch.as_tensor(normalized, dtype=torch.float32)
    if nodes is not None:
        converted["nodes"] = nodes.float()
    return converted


def options(state: State) -> dict[str, Any]:
    """Return the head options; pooling is the maximum in the published code."""
    head = convert({key: value for key, value in state.items() if not key.endswith("A")})
    return {"hidden": head[ANCHOR].shape[1], "pooling": "max", "graph": "cooccurrence"}
