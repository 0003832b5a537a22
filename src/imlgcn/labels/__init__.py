"""Prior knowledge about the labels: counts, graph, embeddings. No torch."""

from imlgcn.labels.context import LabelContext

__all__ = ["LabelContext"]
