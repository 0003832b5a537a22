"""The backbone of a published checkpoint: its entries, and which network they belong to.

It is a ResNet under torchvision's names, a TResNet in the original MIIL layout or a vision
transformer under timm's names; timm loads all (:func:`imlgcn.models.weights.load_backbone`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from torch import Tensor

from imlgcn.official.entries import State

# stem width and blocks of the four stages; ML-Decoder's own XL (3, 8, 34, 5) is not in timm
TRESNETS = {
    (64, (3, 4, 11, 3)): "tresnet_m",
    (76, (4, 5, 18, 3)): "tresnet_l",
    (83, (4, 5, 24, 3)): "tresnet_xl",
    (64, (3, 4, 23, 3)): "tresnet_v2_l",
}
RESNETS = {  # whether blocks are bottlenecks, and blocks of the four stages
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
# width, blocks and tokens of a vision transformer, whose entries are timm's own
TRANSFORMERS = {
    (768, 12, 197): "vit_base_patch16_224",
    (1024, 24, 197): "vit_large_patch16_224",
}
# ML-GCN numbers the modules of a ResNet: 0 is the first convolution, 4 the first stage
COUNTED = {"0.": "conv1.", "1.": "bn1."} | {f"{i + 3}.": f"layer{i}." for i in range(1, 5)}
LAYER = re.compile(r"blocks\.(\d+)\.")
BLOCK = re.compile(r"(?:body\.)?layer([1-4])\.(\d+)\.")

POSITIONS = "pos_embed"  # (1, N, D) of a vision transformer: a class token, then patches

Select = Callable[[State], dict[str, Tensor]]


def under(*prefixes: str, rename: Mapping[str, str] | None = None) -> Select:
    """Return a function that takes the entries under the first of ``prefixes`` that exists.

    The prefix is removed; ``rename`` replaces what the rest begins with.

    >>> under("net.", rename={"0.": "conv1."})({"net.0.weight": 1, "fc.weight": 2})
    {'conv1.weight': 1}
    """

    def select(state: State) -> dict[str, Tensor]:
        found = (p for p in prefixes if any(key.startswith(p) for key in state))
        prefix = next(found, None)
        if prefix is None:
            return {}
        entries = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        return {_renamed(key, rename or {}): value for key, value in entries.items()}

    return select


def beside(*heads: str) -> Select:
    """Return a function that takes all entries but those of the head, ``heads`` being its prefixes.

    >>> beside("head.")({"body.conv.weight": 1, "head.fc.weight": 2})
    {'body.conv.weight': 1}
    """
    return lambda state: {k: v for k, v in state.items() if not k.startswith(heads)}


def _renamed(key: str, starts: Mapping[str, str]) -> str:
    start = next((start for start in starts if key.startswith(start)), "")
    return starts.get(start, "") + key.removeprefix(start)


def native_size(entries: State) -> int | None:
    """Return the input size that a vision transformer was trained at; None for other networks."""
    if POSITIONS not in entries:
        return None
    side = math.isqrt(entries[POSITIONS].shape[1] - 1)
    return side * int(entries["patch_embed.proj.weight"].shape[-1])


def recognize(entries: State) -> str | None:
    """Return timm's name of the network that has these entries, or None.

    Stages and blocks are counted; missing or extra entries are reported on loading.
    """
    if POSITIONS in entries:
        blocks_of_it = {match[1] for key in entries if (match := LAYER.match(key))}
        _, tokens, width = entries[POSITIONS].shape
        return TRANSFORMERS.get((width, len(blocks_of_it), tokens))
    counted: dict[int, set[int]] = {}
    for key in entries:
        if match := BLOCK.match(key):
            counted.setdefault(int(match[1]), set()).add(int(match[2]))
    blocks = tuple(len(counted.get(stage, ())) for stage in range(1, 5))
    stems = ("body.conv1.0.weight", "body.conv1.conv.weight")
    stem = next((entries[name] for name in stems if name in entries), None)
    if stem is not None:
        return next((n for k, n in TRESNETS.items() if k == (len(stem), blocks)), None)
    bottlenecks = "layer1.0.conv3.weight" in entries
    return next((n for k, n in RESNETS.items() if k == (bottlenecks, blocks)), None)
