"""ASL checkpoints, https://github.com/Alibaba-MIIL/ASL at 8c9e0bd.

In the whole network the head is ``head.fc.*``, one linear layer, on a TResNet whose backbone is
``body.*`` in the original MIIL layout. Its "tresnet_l" is timm's ``tresnet_l``, not
``tresnet_v2_l``. The published files also hold the label names, under ``idx_to_class``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from imlgcn.official.entries import State, head_entries

ANCHOR = "head.fc.weight"


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.linear.LinearHead`."""
    head = head_entries(state, ANCHOR, "ASL")
    return {
        f"linear.{key.removeprefix('head.fc.')}": value
        for key, value in head.items()
        if key.startswith("head.")
    }


def options(state: State) -> dict[str, Any]:
    """Return the head options: average pooling, and a bias where the layer has one."""
    return {"pooling": "avg", "bias_start": 0.0 if "linear.bias" in convert(state) else None}
