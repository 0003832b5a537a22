"""Backbone and head joined: images in, one logit per label out.

Shapes: B batch, H W image, h w activation map, L labels.
"""

from __future__ import annotations

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.models.backbones import Backbone
from imlgcn.models.scorer import Criterion, Features, Scorer


class MultiLabelClassifier(nn.Module):
    """``head(backbone(images), known)``; a head may take several maps.

    Shape:
        - images ``(B, 3, H, W)``, known ``(B, L)`` or None, output ``(B, L)``
    """

    def __init__(self, backbone: Backbone, head: Scorer) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.levels = head.feature_levels
        self.means = head.pooling is not None

    def forward(self, images: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of images."""
        logits: Tensor = self.head(self.features(images), known)
        return logits

    def features(self, images: Tensor) -> Features:
        """Return the maps or means of a batch of images that the head takes."""
        features: Features = self.backbone(images, self.levels, means=self.means)
        return features

    @property
    def uses_known(self) -> bool:
        """Whether the head can condition on labels that are already known."""
        return self.head.uses_known

    @property
    def map_kind(self) -> MapKind | None:
        """The kind of the head's activation maps; None if it has none."""
        return self.head.map_kind

    def activation_maps(self, images: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the logits and the head's activation maps ``(B, L, h, w)``."""
        return self.head.activation_maps(self.features(images), known)

    def loss(self, images: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the head's training loss on a batch of images."""
        return self.head.loss(self.features(images), targets, criterion)

    def divisor(self, targets: Tensor, criterion: Criterion) -> Tensor | int:
        """Return what the head's loss of a batch is divided by."""
        return self.head.divisor(targets, criterion)


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters, trained or frozen; buffers (graph, embeddings) not counted.

    What a closed form has fitted counts as well, though kept in buffers, but for scalars.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    fitted = (p for p in module.modules() if isinstance(p, Scorer) and p.closed_form)
    buffers = [buffer for part in fitted for buffer in part.buffers(recurse=False) if buffer.ndim]
    return sum(values.numel() for values in (*module.parameters(), *buffers))
