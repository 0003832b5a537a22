"""IML-GCN: ML-GCN whose nodes are image-based embeddings of the labels, on a TResNet backbone.

No code or full text of it is public. The reconstruction rests on the published parameter counts:
backbone + D * 1024 + 1024 * C without biases, D = C for F_I and D = L for F_PCA. Letters: C
channels, L labels, D node width.
"""

from __future__ import annotations

from typing import Any

from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.ml_gcn import MLGCNHead


class IMLGCNHead(MLGCNHead):
    r"""ML-GCN on the mean image features of each label (F_I) or their principal components (F_PCA).

    The formula and the options are those of :class:`~imlgcn.models.heads.ml_gcn.MLGCNHead`;
    ``embedding`` is ``image_pca`` (F_PCA) or ``image`` (F_I), and the map is averaged.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    candidate = True

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        embedding: str = "image_pca",
        pooling: str = "avg",
        **options: Any,
    ) -> None:
        super().__init__(in_channels, labels, embedding=embedding, pooling=pooling, **options)
