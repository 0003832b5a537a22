"""Shared by graph heads: semantic attention and a gated step on the graph, of SSGRL and KGGR.

Shapes: B batch, N = H * W positions, C channels, L labels, E width of the label vectors, K width of
the attention, D width of a node.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imlgcn.models.label_graph import Graph, LabelGraph
from imlgcn.numbers import plural


class SemanticAttention(nn.Module):
    r"""One vector per label: the positions, weighted by how well they fit the label's vector.

    .. math::
        h_{nl} = \tanh(U x_n \odot V e_l), \qquad
        a_{ln} = \mathrm{softmax}_n(\langle p, P h_{nl} + b \rangle + c), \qquad
        f_l = \sum_n a_{ln} x_n

    Semantic decoupling of SSGRL (https://arxiv.org/abs/1908.07325), a low-rank bilinear form of
    position and label. Equal, but much cheaper than P on every pair: :math:`\langle p, P h \rangle
    = \langle P^\top p, h \rangle`. b and c are the same at every position and cancel in the
    softmax: they are stored, since the published count holds them, and named in ``CANCELLED``.

    Shape:
        - positions ``(B, N, C)``, labels ``(L, E)``, output ``(B, L, C)``
    """

    CANCELLED = ("mix.bias", "score.bias")

    def __init__(self, in_channels: int, label_width: int, width: int) -> None:
        super().__init__()
        self.image = nn.Linear(in_channels, width, bias=False)  # U
        self.label = nn.Linear(label_width, width, bias=False)  # V
        self.mix = nn.Linear(width, width)  # P, b
        self.score = nn.Linear(width, 1)  # p, c

    def forward(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Return the attended vector of each label."""
        read: Tensor = self.weights(positions, labels) @ positions  # (B, L, C)
        return read

    def weights(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Return the attention of each label to each position, ``(B, L, N)``, with sum one."""
        direction = (self.score.weight @ self.mix.weight)[0]  # (K,)
        return _guided(self.image(positions), self.label(labels), direction)

    @torch.no_grad()
    def fold(self, labels: Tensor) -> FoldedAttention:
        """Return the attention with its products of the label vectors ``(L, E)`` computed once."""
        return FoldedAttention(
            self.image, self.label(labels), (self.score.weight @ self.mix.weight)[0]
        )


class FoldedAttention(nn.Module):
    r"""Semantic attention with :math:`V e_l` and :math:`P^\top p` computed in advance.

    Shape:
        - positions ``(B, N, C)``, output ``(B, L, C)``; label vectors are ignored
    """

    def __init__(self, image: nn.Linear, guides: Tensor, direction: Tensor) -> None:
        super().__init__()
        self.image = image  # U
        self.guides = nn.Parameter(guides)  # (L, K)
        self.direction = nn.Parameter(direction)  # (K,)

    def forward(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Return the attended vector of each label."""
        read: Tensor = self.weights(positions, labels) @ positions  # (B, L, C)
        return read

    def weights(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Return the attention of each label to each position, ``(B, L, N)``, with sum one."""
        return _guided(self.image(positions), self.guides, self.direction)


def _guided(seen: Tensor, guides: Tensor, direction: Tensor) -> Tensor:
    """Return the attention (B, L, N) of positions (B, N, K) by their fit to guides (L, K)."""
    fit = (seen.unsqueeze(2) * guides).tanh()  # (B, N, L, K)
    attention: Tensor = (fit @ direction).softmax(1).transpose(1, 2)  # (B, L, N)
    return attention


class GatedGraphUnit(nn.Module):
    r"""One step of a gated graph network (Li et al., ICLR 2016), https://arxiv.org/abs/1511.05493.

    .. math::
        m &= [A s, A^\top s] \\
        z &= \sigma(W_z m + U_z s), \qquad r = \sigma(W_r m + U_r s) \\
        c &= \tanh(W_c m + U_c (r \odot s)), \qquad s' = (1 - z) \odot s + z \odot c

    ``A`` is used as given. With ``shared_reset`` the reset gate r takes :math:`U_z`, as the
    published code of SSGRL does by mistake; :math:`U_r` is then stored but not used.

    Shape:
        - state and output ``(..., L, D)``, adjacency ``(L, L)``, or one for each state
    """

    def __init__(self, width: int, *, shared_reset: bool = False) -> None:
        super().__init__()
        self.shared_reset = shared_reset
        self.update_message = nn.Linear(2 * width, width)
        self.update_state = nn.Linear(width, width)
        self.reset_message = nn.Linear(2 * width, width)
        self.reset_state = nn.Linear(width, width)
        self.candidate_message = nn.Linear(2 * width, width)
        self.candidate_state = nn.Linear(width, width)

    def forward(self, state: Tensor, adjacency: Tensor) -> Tensor:
        """Return the nodes after one step."""
        message = torch.cat([adjacency @ state, adjacency.mT @ state], -1)  # (..., L, 2 * D)
        past = self.update_state(state)
        update: Tensor = (self.update_message(message) + past).sigmoid()
        if not self.shared_reset:
            past = self.reset_state(state)
        reset = (self.reset_message(message) + past).sigmoid()
        candidate: Tensor = self.candidate_message(message) + self.candidate_state(reset * state)
        return (1 - update) * state + update * candidate.tanh()  # (..., L, D)


def few_edges(adjacency: Graph) -> tuple[str, ...]:
    """Return a sentence if a label graph ``(L, L)`` has edges, but fewer than labels; else nothing.

    An edge of a label to itself does not count.

    >>> few_edges(torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    ('the label graph has 1 edge for 3 labels, little for a graph head to use',)
    """
    graph = adjacency if isinstance(adjacency, LabelGraph) else LabelGraph.from_dense(adjacency)
    labels, edges = len(graph.starts), int((graph.sources != graph.targets).sum())
    if not 0 < edges < labels:
        return ()
    counted = f"{plural(edges, 'edge')} for {plural(labels, 'label')}"
    return (f"the label graph has {counted}, little for a graph head to use",)
