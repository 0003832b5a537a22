"""Images to logits: backbones, heads, and the two joined."""

from imlgcn.models.backbones import Backbone, create_backbone
from imlgcn.models.classifier import MultiLabelClassifier, count_parameters
from imlgcn.models.heads import HEADS, Head, create_head, head_options

__all__ = [
    "HEADS",
    "Backbone",
    "Head",
    "MultiLabelClassifier",
    "count_parameters",
    "create_backbone",
    "create_head",
    "head_options",
]
