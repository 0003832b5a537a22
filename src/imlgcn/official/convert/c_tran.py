"""C-Tran checkpoints, https://github.com/QData/C-Tran at 560cf6f.

In the whole network the backbone is ``backbone.base_network.*``, torchvision's ResNet-101 with its
``fc``, which is not used; all of it may have the prefix ``module.``.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.official.entries import State, head_entries, rename

ANCHOR = "known_label_lt.weight"
LAYER = re.compile(r"self_attn_layers\.(\d+)\.transformer_layer\.(.+)")
NAMES = {
    "label_lt.weight": "labels",
    ANCHOR: "states",
    "LayerNorm.": "norm.",
    "output_linear.": "",
}
BLOCKS = {  # {} is the number of the layer
    "self_attn.": "attention.{}.attention.",
    "norm1.": "attention.{}.norm.",
    "linear": "feed_forward.{}.linear",
    "norm2.": "feed_forward.{}.norm.",
}


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.c_tran.CTranHead`."""
    converted = {}
    for key, value in head_entries(state, ANCHOR, "C-Tran").items():
        if key.startswith("backbone."):
            continue
        if layer := LAYER.fullmatch(key):
            number, rest = layer.groups()
            converted[rename(rest, BLOCKS).replace("{}", number)] = value
        else:
            converted[rename(key, NAMES)] = value
    return converted


def with_masking(head: dict[str, Tensor], masking: bool | None) -> dict[str, Tensor]:
    """Return the converted head as it was trained: with label mask training, or without.

    Without it (no ``--use_lmt`` for the published script) the states are never added to the labels,
    but the file holds them as they were initialised: uniform in +-1 / sqrt(D). Training moves the
    states of known labels out of these bounds.

    Raises:
        InputError: ``masking`` is None, and the states look as if they were never trained.
    """
    states = head["states"]  # (3, D): unknown, absent, present
    if masking is None and states[1:].abs().max() <= states.shape[1] ** -0.5 * (1 + 1e-6):
        raise InputError(
            "the states of known labels are as at the start of a training, so this C-Tran seems to "
            "be trained without label masking: say which it is, label_masking=False or "
            "label_masking=True"
        )
    return head if masking is not False else {**head, "states": torch.zeros_like(states)}


def options(state: State) -> dict[str, Any]:
    """Return the head options; the number of attention heads is 4 in the published code."""
    head = convert(state)
    return {
        "hidden_dim": None,
        "layers": len({key.split(".")[1] for key in head if key.startswith("attention.")}),
        "dim_feedforward": len(head["feed_forward.0.linear1.weight"]),
    }
