"""A tagger: a folder with a network, its labels, calibration and thresholds.

`folder` owns its file names; `info` is ``model.json``, `network` is ``model.safetensors``, `scores`
is ``predictions.parquet``, and `tagger` is the object that tags images with them. Names are
imported on first use: loading an exported file needs neither torch nor timm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imlgcn.data.image_input import ImageLike
    from imlgcn.tagger.info import LabelCalibration, Part, TaggerInfo
    from imlgcn.tagger.network import load_classifier
    from imlgcn.tagger.tagger import Tag, Tagger, save_tagger

_HOMES = {
    "ImageLike": "imlgcn.data.image_input",
    "LabelCalibration": ".info",
    "Part": ".info",
    "Tag": ".tagger",
    "Tagger": ".tagger",
    "TaggerInfo": ".info",
    "load_classifier": ".network",
    "save_tagger": ".tagger",
}

__all__ = [
    "ImageLike",
    "LabelCalibration",
    "Part",
    "Tag",
    "Tagger",
    "TaggerInfo",
    "load_classifier",
    "save_tagger",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn.tagger' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], "imlgcn.tagger"), name)
