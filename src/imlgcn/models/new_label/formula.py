r"""The score of a new label: four parts, each divided by its deviation over the known images.

.. math::
    s = w_1 \frac{s_\text{lda}}{\sigma} + w_2 \frac{s_\text{probe}}{\sigma}
      + w_3 \frac{s_\text{kernel}}{\sigma} + w_4 \frac{s_\text{graph}}{\sigma}

Images that the tagger was fitted on are negatives, but nobody has looked for the new label there:
those that discriminant analysis and graph score highest (6 % of all) are *doubtful*, and the probe
and the kernel are fitted without them.

Shapes: N images of the ground, q new images, D channels, V length of a kernel vector, L labels, A
new labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from imlgcn.models.new_label.ground import Ground
from imlgcn.models.new_label.parts import KernelPart, Near, graph, lda, probe

DOUBTFUL = 0.06  # of the images of the ground


class Weights(NamedTuple):
    """What each part counts for: the graph more where the images' other labels are known."""

    kernel: float = 0.5
    graph: float = 0.6
    lda: float = 0.5
    probe: float = 0.5


GRAPH = {True: 1.0, False: 0.6}  # its weight: where the labels of the images are known, and not


@dataclass(frozen=True, eq=False)
class Examples:
    """The images of one new label.

    Attributes:
        units: square-root vectors of q new images ``(q, D)``.
        kernel_units: the vectors the kernel takes ``(q, V)``.
        targets: ``(q,)`` 1 the image shows the label, 0 it does not.
        answers: ``(N,)`` of the ground's images: 1, 0 or -1, nobody has said.
        labels: ``(q, L)`` the known labels of the new images, 1, 0, -1; None: not known.
        hidden: a known label that plays no part, in trials.
    """

    units: Tensor
    kernel_units: Tensor
    targets: Tensor
    answers: Tensor
    labels: Tensor | None = None
    hidden: int | None = None

    @property
    def count(self) -> int:
        """k, how many images show the label."""
        return int((self.targets == 1).sum() + (self.answers == 1).sum())


@dataclass(frozen=True, eq=False)
class Formula:
    """A new label's score: ``u . linear + k(x, ground) . old + k(x, new) . new + offset``.

    Attributes:
        linear: ``(D,)``, on square-root vectors.
        old, new: weights ``(N,)`` and ``(q,)`` of images.
        offset: a number.
        held_out: ``(N,)`` the scores of the ground's images, each by a kernel without it.
    """

    linear: Tensor
    old: Tensor
    new: Tensor
    offset: float
    held_out: Tensor


@dataclass(frozen=True, eq=False)
class Parts:
    """The four parts of one new label, not yet weighed; `join` makes the formula."""

    ground: Ground
    flat: Tensor  # (D,) of s_lda
    probe: Tensor  # (D,)
    kernel: KernelPart
    alpha: Tensor  # (L,)
    doubtful: Tensor  # (N,) bool: left out of the negatives

    @cached_property
    def held_out(self) -> Tensor:
        """The four parts of the ground's images ``(4, N)``, as :class:`Weights` names them."""
        x = self.ground.x
        graph = self.ground.held_out @ self.alpha
        return torch.stack([self.kernel.held_out, graph, x @ self.flat, x @ self.probe])

    @cached_property
    def through_graph(self) -> Tensor:
        """The weights ``(N,)`` that the graph gives to the ground's images."""
        return self.ground.weights @ self.alpha

    def join(self, weights: Weights) -> Formula:
        """Return the formula of all parts, each divided by its deviation."""
        scale = torch.tensor(weights, dtype=self.flat.dtype) / _deviation(self.held_out.T)
        kernel, graph, flat, probe = scale
        linear = (flat * self.flat + probe * self.probe) / self.ground.length
        return Formula(
            linear=linear,
            old=kernel * self.kernel.old + graph * self.through_graph,
            new=kernel * self.kernel.new,
            offset=-float(self.ground.mean @ linear),
            held_out=scale @ self.held_out,
        )


def fit_parts(ground: Ground, many: Sequence[Examples]) -> list[Parts]:
    """Return the parts of A new labels; each has at least one image that shows it."""
    images, owner, shown = _given(ground, many)
    k = torch.tensor([examples.count for examples in many])
    mu = torch.zeros(images.shape[1], len(many), dtype=images.dtype)
    mu.index_add_(1, owner[shown == 1], images[shown == 1].T)
    mu /= k
    answers = torch.stack([examples.answers for examples in many], 1)  # (N, A)
    flat, alpha = lda(ground, mu), _graphs(ground, many, mu)
    sure = torch.tensor([GRAPH[examples.labels is not None] for examples in many], dtype=mu.dtype)
    rough = _unit(ground.x @ flat) + sure * _unit(ground.held_out @ alpha)
    doubtful = _doubtful(rough, answers)
    near = Near.of(ground, torch.cat([examples.kernel_units for examples in many]))
    whose = torch.repeat_interleave(
        torch.arange(len(many)), torch.tensor([len(examples.units) for examples in many])
    )
    tested = probe(ground.x, (answers != 1) & ~doubtful, images, owner, shown)
    return [
        Parts(
            ground,
            flat[:, a],
            tested[:, a],
            KernelPart(
                ground,
                near.select((whose == a).nonzero()[:, 0]),
                examples.targets.to(mu.dtype),
                (examples.answers == 1).to(mu.dtype),
                doubtful[:, a],
            ),
            alpha[:, a],
            doubtful[:, a],
        )
        for a, examples in enumerate(many)
    ]


def _given(ground: Ground, many: Sequence[Examples]) -> tuple[Tensor, Tensor, Tensor]:
    """Return x of all new images, and of those of the ground that show a new label: ``(K, D)``.

    With the number of each one's label, and whether it shows it, ``(K,)``.
    """
    images, owner, shown = [], [], []
    for a, examples in enumerate(many):
        yes = ground.x[examples.answers == 1]
        images += [ground.centred(examples.units), yes]
        shown += [examples.targets.long(), torch.ones(len(yes), dtype=torch.int64)]
        owner.append(torch.full((len(examples.units) + len(yes),), a))
    return torch.cat(images), torch.cat(owner), torch.cat(shown)


def _graphs(ground: Ground, many: Sequence[Examples], mu: Tensor) -> Tensor:
    r"""Return :math:`\alpha` ``(L, A)``; labels with as many images share a system."""
    alpha = torch.zeros(ground.targets.shape[1], len(many), dtype=mu.dtype)
    kinds = [(examples.count, examples.labels is not None) for examples in many]
    for kind in sorted(set(kinds)):
        chosen = [a for a, own in enumerate(kinds) if own == kind]
        shares = torch.stack([_shares(ground, many[a]) for a in chosen], 1) if kind[1] else None
        hidden = [many[a].hidden for a in chosen]
        alpha[:, chosen] = graph(ground, mu[:, chosen], kind[0], shares, hidden)
    return alpha


def _shares(ground: Ground, examples: Examples) -> Tensor:
    """Return c ``(L,)``: how much more often than usual each label is on the label's images."""
    assert examples.labels is not None
    new = examples.labels[examples.targets == 1]
    rows = torch.cat([new, ground.targets[examples.answers == 1]])
    p, known = ground.frequency, (rows >= 0).sum(0)
    return ((rows == 1).sum(0) + p) / (known + 1) - p


def _doubtful(scores: Tensor, answers: Tensor) -> Tensor:
    """Return ``(N, A)``: the highest scores among the images of which nobody has said anything."""
    nobody = answers < 0
    count = int(DOUBTFUL * len(scores))
    top = scores.masked_fill(~nobody, -torch.inf).topk(count, 0).indices
    return torch.zeros_like(nobody).scatter_(0, top, value=True) & nobody


def _deviation(part: Tensor) -> Tensor:
    return part.std(0, correction=0).clamp(min=1e-12)


def _unit(parts: Tensor) -> Tensor:
    return parts / _deviation(parts)
