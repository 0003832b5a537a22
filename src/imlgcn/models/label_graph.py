"""A label graph as its edges, so that a step on it costs what the edges cost.

Shapes: L labels, E edges (loops included), D width of a node.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.labels.sparse import SparseMatrix


class LabelGraph(NamedTuple):
    """A sparse ``(L, L)`` that multiplies nodes: ``graph @ nodes``, as a matrix would.

    Row l has the edges from ``starts[l]`` on to those of the next row.
    """

    starts: Tensor  # int64 (L,)
    sources: Tensor  # int64 (E,): the column of each edge
    weights: Tensor  # (E,)

    @classmethod
    def from_matrix(cls, matrix: SparseMatrix) -> LabelGraph:
        """Return the graph of a sparse adjacency."""
        return cls(
            torch.from_numpy(matrix.starts[:-1].copy()),
            torch.from_numpy(matrix.columns).long(),
            torch.from_numpy(matrix.values),
        )

    @classmethod
    def from_dense(cls, adjacency: Tensor) -> LabelGraph:
        """Return the graph of a dense adjacency ``(L, L)``."""
        rows, sources = adjacency.nonzero(as_tuple=True)
        lengths = torch.bincount(rows, minlength=len(adjacency))
        return cls(lengths.cumsum(0) - lengths, sources, adjacency[rows, sources])

    @classmethod
    def identity(cls, num_labels: int, device: torch.device | None = None) -> LabelGraph:
        """Return the graph whose only edges are loops of weight 1."""
        own = torch.arange(num_labels, device=device)
        return cls(own, own, torch.ones(num_labels, device=device))

    def check(self, num_labels: int) -> None:
        """Refuse what is not a graph of that many labels, as of a damaged file.

        Raises:
            InputError: the parts do not fit each other, or an edge leads to no label.
        """
        starts, sources, E = self.starts, self.sources, len(self.sources)
        fits = (
            starts.shape == (num_labels,)
            and sources.shape == self.weights.shape == (E,)
            and bool((starts[:1] == 0).all())
            and bool((starts.diff() >= 0).all())
            and bool((starts <= E).all())
            and bool(((sources >= 0) & (sources < num_labels)).all())
        )
        if not fits:
            raise InputError(
                f"the stored label graph is not one of {num_labels} labels; copy the tagger again"
            )

    def __matmul__(self, nodes: Tensor) -> Tensor:
        """Return the weighted sum of the sources' nodes ``(L, D)`` for each label, ``(L, D)``.

        Gradients flow into the nodes, not into the weights.
        """
        product: Tensor = nn.functional.embedding_bag(
            self.sources,
            nodes,
            self.starts,
            mode="sum",
            per_sample_weights=self.weights.to(nodes.dtype),
        )
        return product

    @property
    def targets(self) -> Tensor:
        """The label that each edge leads to, its row, ``(E,)``."""
        ends = torch.arange(len(self.sources), device=self.sources.device)
        return torch.searchsorted(self.starts, ends, right=True) - 1

    def row(self, label: int) -> Tensor:
        """Return the weights of the edges into one label, ``(L,)``."""
        end = int(self.starts[label + 1]) if label + 1 < len(self.starts) else len(self.sources)
        edges = slice(int(self.starts[label]), end)
        row = self.weights.new_zeros(len(self.starts))
        row[self.sources[edges]] = self.weights[edges]
        return row


Graph = Tensor | LabelGraph  # either multiplies nodes


class KeptEdges:
    """The edges of a dense adjacency, found anew only where it was replaced or written to."""

    def __init__(self) -> None:
        self._found: tuple[Tensor, int, LabelGraph] | None = None

    def of(self, adjacency: Tensor) -> LabelGraph:
        """Return the edges of ``adjacency`` ``(L, L)``."""
        version = adjacency._version
        if self._found is None or self._found[0] is not adjacency or self._found[1] != version:
            self._found = adjacency, version, LabelGraph.from_dense(adjacency)
        return self._found[2]
