"""ML-Decoder checkpoints, https://github.com/Alibaba-MIIL/ML_Decoder at 8a9e984.

In the whole network the head is ``head.decoder.*`` on a TResNet (the backbone is ``body.*``, in the
original MIIL layout) and ``fc.decoder.*`` on a ResNet (backbone: torchvision's names, no prefix).
Its "tresnet_l" is timm's ``tresnet_v2_l``, not ASL's.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from imlgcn.official.entries import State, head_entries, rename

ANCHOR = "decoder.duplicate_pooling"
LAYER = "decoder.layers.0."
NAMES = {
    "decoder.embed_standart.": "embed.",
    "decoder.query_embed.weight": "queries",
    "decoder.duplicate_pooling_bias": "bias",
    ANCHOR: "group_weight",
    f"{LAYER}norm1.": "query_norm.",
    f"{LAYER}multihead_attn.": "cross_attention.attention.",
    f"{LAYER}norm2.": "cross_attention.norm.",
    f"{LAYER}linear": "feed_forward.linear",
    f"{LAYER}norm3.": "feed_forward.norm.",
}


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.ml_decoder.MLDecoderHead`."""
    head = head_entries(state, ANCHOR, "ML-Decoder")
    return {rename(key, NAMES): value for key, value in head.items()}


def options(state: State) -> dict[str, Any]:
    """Return the head options; the number of attention heads is 8 in the published code."""
    head = convert(state)
    groups, width, _ = head["group_weight"].shape
    return {
        "num_of_groups": groups,
        "decoder_embedding": width,
        "dim_feedforward": len(head["feed_forward.linear1.weight"]),
    }
