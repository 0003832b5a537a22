"""Images to logits: backbones, heads, and classifiers of the two."""

from imlgcn.models.backbones import Backbone
from imlgcn.models.classifier import MultiLabelClassifier, count_parameters
from imlgcn.models.create import create_backbone
from imlgcn.models.heads import CANDIDATES, HEADS, Head, create_head, head_options
from imlgcn.models.pixels import PixelInput

__all__ = [
    "CANDIDATES",
    "HEADS",
    "Backbone",
    "Head",
    "MultiLabelClassifier",
    "PixelInput",
    "count_parameters",
    "create_backbone",
    "create_head",
    "head_options",
]
