"""All heads by name. A new head is one file and one line in :data:`HEADS`."""

from __future__ import annotations

import inspect
from typing import Any

from imlgcn.errors import unknown_name
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Channels, Criterion, Features, Head
from imlgcn.models.heads.c_tran import CTranHead
from imlgcn.models.heads.cnn_rnn import CNNRNNHead
from imlgcn.models.heads.csra import CSRAHead
from imlgcn.models.heads.iml_gcn import IMLGCNHead
from imlgcn.models.heads.kernel import KernelHead
from imlgcn.models.heads.kggr import KGGRHead
from imlgcn.models.heads.linear import LinearHead
from imlgcn.models.heads.ml_decoder import MLDecoderHead
from imlgcn.models.heads.ml_gcn import MLGCNHead
from imlgcn.models.heads.mlp import MLPHead
from imlgcn.models.heads.query2label import Query2LabelHead
from imlgcn.models.heads.srn import SRNHead
from imlgcn.models.heads.ssgrl import SSGRLHead

HEADS: dict[str, type[Head]] = {
    "linear": LinearHead,
    "mlp": MLPHead,
    "kernel": KernelHead,
    "ml_gcn": MLGCNHead,
    "iml_gcn": IMLGCNHead,
    "cnn_rnn": CNNRNNHead,
    "srn": SRNHead,
    "ssgrl": SSGRLHead,
    "kggr": KGGRHead,
    "c_tran": CTranHead,
    "ml_decoder": MLDecoderHead,
    "query2label": Query2LabelHead,
    "csra": CSRAHead,
}

CANDIDATES = tuple(name for name, head in HEADS.items() if head.candidate)

__all__ = [
    "CANDIDATES",
    "HEADS",
    "Channels",
    "Criterion",
    "Features",
    "Head",
    "create_head",
    "head_options",
]


def head_options(name: str, preset: str = "small", **options: Any) -> dict[str, Any]:
    """Return every option of a head with its value: default, then preset, then ``options``.

    >>> head_options("linear", "paper", pooling="max")
    {'pooling': 'max', 'normalize': False, 'dropout': 0.0, 'bias_start': 0.0}
    """
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    head = HEADS[name]
    if preset not in head.PRESETS:
        raise unknown_name("preset", preset, head.PRESETS)
    defaults: dict[str, Any] = {}
    for base in head.__mro__:
        parameters = inspect.signature(base).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY} | defaults
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break  # a class with **options also takes those of its base
    for option in options:
        if option not in defaults:
            raise unknown_name(f"option of head {name!r}:", option, defaults)
    return {**defaults, **head.PRESETS[preset], **options}


def create_head(
    name: str, in_channels: Channels, labels: LabelContext, *, preset: str = "small", **options: Any
) -> Head:
    """Return the head called ``name``; ``options`` override the values of ``preset``."""
    return HEADS[name](in_channels, labels, **head_options(name, preset, **options))
