"""Backbone and head joined: images in, one logit per label out.

Shapes: B batch, H W image, L labels.
"""

from __future__ import annotations

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.models.backbones import Backbone
from imlgcn.models.heads.base import Criterion, Head


class MultiLabelClassifier(nn.Module):
    """``head(backbone(images), known)`` and nothing more; a head may ask for several maps.

    Shape:
        - images ``(B, 3, H, W)``, known ``(B, L)`` or None, output ``(B, L)``
    """

    def __init__(self, backbone: Backbone, head: Head | nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.levels = int(getattr(head, "feature_levels", 1))

    def forward(self, images: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of images."""
        logits: Tensor = self.head(self.backbone(images, self.levels), known)
        return logits

    @property
    def map_kind(self) -> MapKind | None:
        """What the head's maps are, or None if it has none."""
        kind: MapKind | None = getattr(self.head, "map_kind", None)
        return kind

    def activation_maps(self, images: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the logits and the head's maps ``(B, L, h, w)``."""
        features = self.backbone(images, self.levels)
        result: tuple[Tensor, Tensor] = self.head.activation_maps(features, known)  # type: ignore[operator]
        return result

    def loss(self, images: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the head's training loss on a batch of images."""
        loss: Tensor = self.head.loss(self.backbone(images, self.levels), targets, criterion)  # type: ignore[operator]
        return loss


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters, trained or frozen; buffers (graph, embeddings) not counted.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in module.parameters())
