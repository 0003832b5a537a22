"""Query2Label checkpoints, https://github.com/SlongLiu/query2labels at 55eb050.

In the whole network the head stands beside ``backbone``: ``backbone.0.body.*`` is the backbone of a
ResNet (torchvision's names) or TResNet (MIIL layout), ``backbone.0.*`` that of another network,
``backbone.1.*`` the position code, which is computed here. All may have the prefix ``module.``.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from imlgcn.official.entries import State, head_entries, rename

ANCHOR = "transformer.decoder.norm.weight"
LAYER = re.compile(r"transformer\.(encoder|decoder)\.layers\.(\d+)\.(.+)")
NAMES = {"transformer.decoder.norm.": "norm.", "query_embed.weight": "queries"}
BLOCKS = {
    "self_attn.": "self_attention.attention.",
    "multihead_attn.": "cross_attention.attention.",
    "norm1.": "self_attention.norm.",
    "linear": "feed_forward.linear",
}
NORMS = {  # the later norms of a layer
    "encoder": {"norm2.": "feed_forward.norm."},
    "decoder": {"norm2.": "cross_attention.norm.", "norm3.": "feed_forward.norm."},
}


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.query2label.Query2LabelHead`."""
    converted = {}
    for key, value in head_entries(state, ANCHOR, "Query2Label").items():
        if key.startswith("backbone."):
            continue
        if key in ("fc.W", "fc.b"):  # stored with an axis of length 1 in front
            converted["weight" if key == "fc.W" else "bias"] = value[0]
        elif layer := LAYER.fullmatch(key):
            part, number, rest = layer.groups()
            converted[f"{part}.{number}.{rename(rest, BLOCKS | NORMS[part])}"] = value
        else:
            converted[rename(key, NAMES)] = value
    return converted


def options(state: State) -> dict[str, Any]:
    """Return the head options; the number of attention heads is 4 in the published code."""
    head = convert(state)
    layers = {tuple(key.split(".")[:2]) for key in head}
    kept = {key.split(".")[1] for key in head if key.startswith("decoder.") and ".self_" in key}
    projection = head.get("input_proj.weight")
    return {
        "hidden_dim": None if projection is None else len(projection),
        "dim_feedforward": len(head["decoder.0.feed_forward.linear1.weight"]),
        "enc_layers": sum(part == "encoder" for part, *_ in layers),
        "dec_layers": sum(part == "decoder" for part, *_ in layers),
        "keep_first_self_attn": "0" in kept,
        "keep_other_self_attn": bool(kept - {"0"}),
    }
