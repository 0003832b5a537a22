"""What is known about the labels before any model: counts, graph, embeddings. No torch."""

from imlgcn.labels.context import LabelContext

__all__ = ["LabelContext"]
