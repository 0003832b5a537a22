r"""A head that has met new labels since it was trained: its own scores, and theirs beside them.

.. math::
    s(x) = u^\top W + k(x, \text{fitted})\, V + k(x, \text{new})\, V' + b

for the new labels (:mod:`imlgcn.models.new_label`); the scores of the old labels are those of the
head as it was trained, to the last bit. A label of the tagger may also be the largest of several of
these scores (labels that were merged), and a score may belong to no label (one that was removed).

Shapes: B batch, C channels of the deepest map, H W map, N images the kernel knows, Q new images,
V length of a kernel vector, H labels of the head, A added ones, L labels of the tagger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.models.image_space import deepest_roots
from imlgcn.models.kernel_regression import squared_distances
from imlgcn.models.kernel_scorer import KernelScorer
from imlgcn.models.occlusion import occlusion_maps
from imlgcn.models.scorer import Features, Scorer, refuse_known

ADDED = "added."  # where the state of a grown head has that of the labels that were added
ENTRIES = ("linear", "old", "new", "rows", "new_rows", "offset", "rate")


def platt(slope: Sequence[float], intercept: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return the calibration of all scores ``(H + A,)``, as a grown head takes it."""
    return torch.tensor(slope, dtype=torch.float32), torch.tensor(intercept, dtype=torch.float32)


def kernel_vectors(head: Scorer, features: Features) -> Tensor:
    """Return the vectors ``(B, V)`` whose distances the kernel of new labels takes.

    Those of a kernel head, stages included; of another head square-root vectors of the deepest map.
    """
    if isinstance(head, KernelScorer):
        return head.vectors(features)
    return deepest_roots(features)


class AddedLabels(nn.Module):
    """The scores of A labels that were added.

    Its state: ``linear`` ``(C, A)``, ``rows`` ``(N, V)`` in half precision (empty beside a kernel
    head, which has them), ``old`` ``(N, A)``, ``new_rows`` ``(Q, V)`` in half precision, ``new``
    ``(Q, A)``, ``offset`` ``(A,)``, ``rate`` ``()``, of the kernel.
    """

    linear: Tensor
    old: Tensor
    new: Tensor
    rows: Tensor
    new_rows: Tensor
    offset: Tensor
    rate: Tensor

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in ENTRIES:
            self.register_buffer(name, state[name])

    def forward(self, units: Tensor, vectors: Tensor, near: Tensor | None) -> Tensor:
        """Return the scores ``(B, A)``.

        Args:
            units: square-root vectors of the deepest map ``(B, C)``.
            vectors: of :func:`kernel_vectors`, ``(B, V)``.
            near: the kernel to the fitted images ``(B, N)``, of a kernel head; None: computed.
        """
        if near is None:
            near = self._kernel(vectors, self.rows)
        recent = self._kernel(vectors, self.new_rows)
        return units @ self.linear + near @ self.old + recent @ self.new + self.offset

    def _kernel(self, vectors: Tensor, rows: Tensor) -> Tensor:
        distances = squared_distances(vectors, rows.to(vectors.dtype))
        return (distances * -self.rate).exp()


class GrownHead(Scorer):
    """The scores of a tagger's labels, from those of its head and of the labels that were added.

    Args:
        head: as it was trained, or folded.
        added: the labels that were added; None: there are none.
        outputs: for each of L labels the scores it is the largest of: numbers of the head's
            labels, from 0, then of the added ones.
        slope, intercept: ``(H + A,)``: what makes the scores of merged labels comparable.
    """

    members: Tensor
    slope: Tensor
    intercept: Tensor

    def __init__(
        self,
        head: Scorer,
        added: AddedLabels | None,
        outputs: list[list[int]],
        slope: Tensor,
        intercept: Tensor,
    ) -> None:
        super().__init__()
        self.head, self.added, self.outputs = head, added, outputs
        self.feature_levels, self.pooling = head.feature_levels, head.pooling
        self.register_buffer("slope", slope, persistent=False)
        self.register_buffer("intercept", intercept, persistent=False)
        most = max(len(columns) for columns in outputs)
        rows = [columns + columns[:1] * (most - len(columns)) for columns in outputs]
        self.register_buffer("members", torch.tensor(rows), persistent=False)  # (L, most)

    @property
    def map_kind(self) -> MapKind | None:
        """By occlusion where only the mean of a map counts, for all labels alike; else none."""
        return "occlusion" if self.pooling == "avg" else None

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scores ``(B, L)``; ``known`` is refused."""
        refuse_known(self, known)
        scores = self._all(features)
        first = scores[:, self.members[:, 0]]
        if self.members.shape[1] == 1:
            return first
        alike = scores * self.slope + self.intercept
        merged = alike[:, self.members.flatten()].view(-1, *self.members.shape).amax(2)
        single = (self.members == self.members[:, :1]).all(1)
        return torch.where(single, first, merged)

    def _all(self, features: Features) -> Tensor:
        """Return the scores of the head's labels and of the added ones, ``(B, H + A)``."""
        if self.added is None:
            alone: Tensor = self.head(features)
            return alone
        vectors = kernel_vectors(self.head, features)
        if isinstance(self.head, KernelScorer):
            near = self.head.similarities(vectors)
            own = self.head.scores(near)
        else:
            near, own = None, self.head(features)
        return torch.cat([own, self.added(deepest_roots(features), vectors, near)], 1)

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the scores, and how far each falls without a position of the deepest map."""
        refuse_known(self, known)
        return occlusion_maps(self, features)

    @torch.no_grad()
    def fold(self) -> GrownHead:
        """Return the same scores, of the folded head."""
        folded = GrownHead(self.head.fold(), self.added, self.outputs, self.slope, self.intercept)
        return folded.eval()
