"""SSGRL checkpoints, https://github.com/HCPLab-SYSU/SSGRL at ea47ccb.

In the whole network the backbone is ``resnet_101.*``, a ResNet-101 under torchvision's names; all
of it may have the prefix ``module.``. The label vectors and the matrix of conditional probabilities
are in no checkpoint but in files of their own (``vectors.npy`` and ``prob_train.npy`` for COCO):
give their arrays, or keep what the head got from its label context and load with ``strict=False``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from imlgcn.official.entries import State, head_entries, rename

ANCHOR = "word_semantic.fc_1.weight"
NAMES = {
    "word_semantic.fc_1.": "attention.image.",
    "word_semantic.fc_2.": "attention.label.",
    "word_semantic.fc_3.": "attention.mix.",
    "word_semantic.fc_a.": "attention.score.",
    "graph_net.fc_eq3_w.": "propagation.update_message.",
    "graph_net.fc_eq3_u.": "propagation.update_state.",
    "graph_net.fc_eq4_w.": "propagation.reset_message.",
    "graph_net.fc_eq4_u.": "propagation.reset_state.",
    "graph_net.fc_eq5_w.": "propagation.candidate_message.",
    "graph_net.fc_eq5_u.": "propagation.candidate_state.",
    "fc_output.": "output.",
    "classifiers.": "",
}


def convert(
    state: State, *, word_features: Tensor | None = None, matrix: Tensor | None = None
) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.ssgrl.SSGRLHead`.

    ``word_features`` ``(L, E)`` and ``matrix`` ``(L, L)``, row i holding P(j|i), are the contents
    of the two files; without one its buffer is left out.
    """
    head = head_entries(state, ANCHOR, "SSGRL")
    converted = {
        rename(key, NAMES): value
        for key, value in head.items()
        if not key.startswith("resnet_101.")
    }
    buffers = {"vectors": word_features, "adjacency": matrix}
    return converted | {key: value.float() for key, value in buffers.items() if value is not None}


def options(state: State) -> dict[str, Any]:
    """Return the head options; the number of steps is 3 in the published code."""
    head = convert(state)
    return {
        "hidden_dim": None,
        "attention_dim": len(head["attention.image.weight"]),
        "output_dim": len(head["output.weight"]),
    }
