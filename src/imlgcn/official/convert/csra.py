"""CSRA checkpoints, https://github.com/Kevinz-code/CSRA at c848052.

In the whole network the backbone is a torchvision ResNet under its own names, or a vision
transformer under timm's (``blocks.<i>.*``; all its tokens but the first are the map), without a
prefix. The head is ``multi_head.<i>.head.weight`` under whatever prefix, a single block
``head.weight``. Lambda is in no checkpoint: the published values are 0.5 on COCO and 0.1 on VOC
2007 for a ResNet, 0.3 for a transformer.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.models.heads.csra import TEMPERATURES
from imlgcn.numbers import plural
from imlgcn.official.backbones import POSITIONS
from imlgcn.official.entries import State

BLOCK = re.compile(r"(?:.*\.)?multi_head\.(\d+)\.head\.weight")
SINGLE = re.compile(r"(?:.*\.)?head\.weight")


def convert(state: State) -> dict[str, Tensor]:
    """Return the state dict of :class:`~imlgcn.models.heads.csra.CSRAHead`: the stacked weights."""
    numbered = {int(match[1]): key for key in state if (match := BLOCK.fullmatch(key))}
    single = [key for key in state if SINGLE.fullmatch(key) and state[key].ndim == 4]
    blocks = [numbered[number] for number in sorted(numbered)] or single[:1]
    if not blocks:
        raise InputError(
            "not a checkpoint of CSRA: no entry is named multi_head.0.head.weight or head.weight; "
            f"it has {plural(len(state), 'entry', 'entries')} ({', '.join(list(state)[:3])}, ...)"
        )
    return {"weight": torch.stack([state[key].flatten(1) for key in blocks])}  # (T, L, C)


def options(state: State) -> dict[str, Any]:
    """Return the head options: the published temperatures for the number of heads.

    Raises:
        InputError: there are no published temperatures for this number.
    """
    heads = len(convert(state)["weight"])
    if heads not in TEMPERATURES:
        known = ", ".join(map(str, TEMPERATURES))
        raise InputError(f"CSRA has published temperatures for {known} heads, not for {heads}")
    found: dict[str, Any] = {"temperatures": TEMPERATURES[heads]}
    if POSITIONS in state:
        found["lam"] = 0.3  # of the published commands for vision transformers
    return found
