"""The published systems whose checkpoints can be imported, by name.

This file holds what the published code sets elsewhere: input size, normalisation, order of the
labels, threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.official.backbones import COUNTED, Select, beside, under
from imlgcn.official.convert import asl, c_tran, csra, ml_decoder, ml_gcn, query2label, ssgrl
from imlgcn.official.entries import State

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # pixels from -1 to 1
UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels from 0 to 1 as they are

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Source:
    """A published system.

    Attributes:
        head: our head.
        convert: its state dict from the checkpoint's.
        options: its options, read from the checkpoint's names and shapes.
        backbone: selects the entries of the backbone.
        count: entry and axis of our state dict that has one element for each label.
        size: network input size in pixels in the published evaluation.
        normalization: mean and std of the input of a ResNet; a TResNet takes 0 to 1 as it is.
        normalization_of: where it is another one: data set -> mean and std.
        alphabetical: labels of a data set are in alphabetical order, not by its ids.
        threshold: on the sigmoid, in the published code.
        needs: inputs that no checkpoint of it holds: argument of the import -> description.
        from_context: buffers of the head that the label context provides.
        width: entry and axis of our state dict with one element per number of a label vector.
        note: what else a user should know.
    """

    head: str
    convert: Callable[[State], dict[str, Tensor]]
    options: Callable[[State], dict[str, Any]]
    backbone: Select
    count: tuple[str, int]
    size: int
    normalization: tuple[Triple, Triple] = IMAGENET
    normalization_of: Mapping[str, tuple[Triple, Triple]] = field(default_factory=dict)
    alphabetical: bool = False
    threshold: float = 0.5
    needs: Mapping[str, str] = field(default_factory=dict)
    from_context: tuple[str, ...] = ()
    width: tuple[str, int] | None = None
    note: str = ""


WORDS = "the label vectors (words=: GloVe text, or the array of the official file as .npy)"
CROP = "the published evaluation crops the middle 576 of 640 pixels; here the whole image is scored"

SOURCES = {
    "asl": Source(
        "linear",
        asl.convert,
        asl.options,
        beside("head."),
        ("linear.weight", 0),
        size=448,
        normalization=UNIT,
        threshold=0.8,
        note="TResNet-M was published at input size 224 (size=224), TResNet-XL at 640",
    ),
    "ml_decoder": Source(
        "ml_decoder",
        ml_decoder.convert,
        ml_decoder.options,
        beside("head.", "fc.decoder."),
        ("bias", 0),
        size=448,
        normalization=UNIT,
        note="TResNet-M was published at input size 224 (size=224), TResNet-XL at 640",
    ),
    "ml_gcn": Source(
        "ml_gcn",
        ml_gcn.convert,
        ml_gcn.options,
        under("features.", rename=COUNTED),
        ("adjacency", 0),
        size=448,
        alphabetical=True,
        needs={"words": WORDS},
        from_context=("nodes",),
        width=("gc1.weight", 0),
    ),
    "ssgrl": Source(
        "ssgrl",
        ssgrl.convert,
        ssgrl.options,
        under("resnet_101."),
        ("weight", 0),
        size=576,
        needs={"words": WORDS, "graph": "the matrix of P(j|i) (graph=: the official .npy)"},
        from_context=("vectors",),
        width=("attention.label.weight", 1),
        note=CROP,
    ),
    "c_tran": Source(
        "c_tran",
        c_tran.convert,
        c_tran.options,
        under("backbone.base_network."),
        ("labels", 0),
        size=576,
        note=f"{CROP}; the order of its COCO labels is not documented, by category id is assumed",
    ),
    "query2label": Source(
        "query2label",
        query2label.convert,
        query2label.options,
        under("backbone.0.body.", "backbone.0."),
        ("weight", 0),
        size=448,
    ),
    "csra": Source(
        "csra",
        csra.convert,
        csra.options,
        beside("classifier.", "head."),
        ("weight", 1),
        size=448,
        normalization=UNIT,
        normalization_of={"wider": HALF},
        note="lambda is in no file: as published for COCO, 0.5, or of a vision transformer, 0.3 "
        "(a ResNet on VOC 2007: options.lam=0.1)",
    ),
}


def systems_of(state: State) -> list[str]:
    """Return the systems whose head is in a checkpoint, for the error message."""
    found = []
    for name, source in SOURCES.items():
        try:
            source.convert(state)
        except InputError:
            continue
        found.append(name)
    return found
