"""ASL checkpoints, https://github.com/Alibaba-MIIL/ASL at 8c9e0bd.

In the whole network the head is ``head.fc.*``, one linear layer, on a TResNet whose backbone is
``body.*`` in the original MIIL layout. Its "tresnet_l" is timm's ``tresnet_l``, not
``tresnet_v2_l``. The published files also hold the label names, under ``idx_to_class``.

With ``do_bottleneck_head``, as for Open Images, ``head.fc`` is two linear layers with 512 numbers
between them and no activation: they are joined into one.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from imlgcn.official.entries import State, head_entries

ANCHOR = "head.fc.weight"
EMBEDDING, LAST = "head.fc.embedding_generator.0", "head.fc.FC"


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.linear.LinearHead`."""
    if any(f".{key}".endswith(f".{LAST}.weight") for key in state):
        return _joined(head_entries(state, f"{LAST}.weight", "ASL"))
    head = head_entries(state, ANCHOR, "ASL")
    return {
        f"linear.{key.removeprefix('head.fc.')}": value
        for key, value in head.items()
        if key.startswith("head.")
    }


def _joined(head: State) -> dict[str, Tensor]:
    """Return one layer for the two of a bottleneck: nothing stands between them."""
    inner, outer = (head[f"{name}.weight"].double() for name in (EMBEDDING, LAST))
    start, shift = (head[f"{name}.bias"].double() for name in (EMBEDDING, LAST))
    return {
        "linear.weight": (outer @ inner).float(),  # (L, C)
        "linear.bias": (outer @ start + shift).float(),
    }


def options(state: State) -> dict[str, Any]:
    """Return the head options: average pooling, and a bias where the layer has one."""
    return {"pooling": "avg", "bias_start": 0.0 if "linear.bias" in convert(state) else None}
