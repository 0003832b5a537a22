"""CNN-RNN: an LSTM that names the labels of an image one after another, frequent ones first.

Wang et al., CNN-RNN: A Unified Framework for Multi-label Image Classification (CVPR 2016),
https://arxiv.org/abs/1604.04573. No official code is public: this is a reconstruction.
Shapes: B batch, C channels, H W map, L labels, D joint width, E LSTM width, K beams, T steps.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Criterion, Features, Head, Presets
from imlgcn.models.layers import ImageVector, leaf_uniform
from imlgcn.models.scorer import refuse_known

NEVER = -1e4  # score of an impossible next label: probability and gradient are zero
SURE = -1e-6  # largest log-probability, so that logits stay finite


class Paths(NamedTuple):
    """The K most probable beginnings of label sequences, for each image."""

    log_probability: Tensor  # (B, K)
    last: Tensor  # (B, K) rank of the last label, -1 where there is none yet
    previous: Tensor  # (B, K, D) embedding of the last label
    hidden: Tensor  # (B, K, E) of the LSTM
    memory: Tensor  # (B, K, E) of the LSTM


class CNNRNNHead(Head):
    r"""Score a label by the probability that an LSTM names it, over the paths of a beam search.

    .. math::
        o_t &= \mathrm{LSTM}(u_{l_{t-1}}), \qquad
        P(l_t \mid l_{<t}) = \mathrm{softmax}(U x_t + b), \quad
        x_t = \mathrm{ReLU}(W_o\, o_t + W_I\, v(F)) \\
        q_l &= \sum_t \sum_{k} P(l_{<t}^k)\, P(l \mid l_{<t}^k), \qquad
        y_l = \log \frac{q_l}{1 - q_l}

    A row ``u`` of ``U`` is the embedding of a label, both as input and as output; one more row ends
    a sequence. Sequences are ordered, frequent labels first (ties by name): after a label only
    rarer ones or the end can come, so that each set of labels is exactly one sequence.

    **Score.** The beam search keeps the ``beams`` most probable beginnings for ``max_labels``
    steps. The events "these labels first, then l" exclude each other, so :math:`q_l` is the
    probability that the model names l, except for dropped beginnings; with beams for all of them it
    is exact. The same holds alone or in a batch: the number of steps is fixed.

    **Loss.** Teacher forcing: the negative log-probability of the image's own sequence, mean over
    images; an unknown label is neither named nor available. ``criterion`` is not used: it
    treats labels independently.

    Differs from the paper: built from descriptions, without its code. A path ends by the end row;
    ``b``, the score, ``max_labels`` and the order as a constraint are this project's, and so are
    the widths of the preset ``paper``. With VGG-16 they give 135,744,592 parameters at 80 labels,
    134,260,544 of them VGG-16 up to its second fully connected layer; the published 66.2 M cannot
    be derived. The preset ``small`` scales ``v`` to norm :math:`\sqrt C` (``normalize``) and uses
    dropout.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {"width": 64, "hidden": 512, "normalize": False, "dropout": 0.0},
    }

    # chosen on Open Clip Art's validation split
    own_loss = "the log-probability of label sequences"

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 30, "learning_rate": 3e-3, "weight_decay": 1.0}
    }

    order: Tensor

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        width: int = 256,
        hidden: int = 128,
        beams: int = 4,
        max_labels: int = 12,
        pooling: str = "avg",
        normalize: bool = True,
        dropout: float = 0.7,
    ) -> None:
        super().__init__(in_channels, labels)
        if min(beams, max_labels) < 1:
            raise InputError(f"beams and max_labels are 1 or more; got {beams} and {max_labels}")
        self.beams, self.max_labels = beams, max_labels
        order = np.lexsort((np.array(labels.names), -labels.occurrences))
        self.register_buffer("order", torch.tensor(order))  # (L,) label of each rank
        self.pooling = pooling
        self.vector = ImageVector(pooling, normalize=normalize, dropout=dropout)
        self.embedding = leaf_uniform(self.num_labels, width, bound=width**-0.5)
        self.start = leaf_uniform(width, bound=width**-0.5)
        self.end = leaf_uniform(width, bound=width**-0.5)
        self.bias = nn.Parameter(torch.zeros(self.num_labels))
        self.lstm = nn.LSTMCell(width, hidden)
        self.from_output = nn.Linear(hidden, width)
        self.from_image = nn.Linear(in_channels, width, bias=False)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of maps."""
        refuse_known(self, known)
        image = self.from_image(self.vector(features))  # (B, D)
        rows, paths = self._rows(), self._beginning(image)
        named = []
        for _ in range(min(self.max_labels, self.num_labels)):
            log_p, hidden, memory = self._next(image, paths, rows)
            joint = paths.log_probability[:, :, None] + log_p[:, :, :-1]  # (B, K, L)
            named.append(joint)
            best = joint.flatten(1).topk(min(self.beams, joint.shape[1] * self.num_labels))
            beam, last = best.indices // self.num_labels, best.indices % self.num_labels  # (B, K)
            paths = Paths(best.values, last, rows[last], _take(hidden, beam), _take(memory, beam))
        log_q = torch.cat(named, 1).logsumexp(1).clamp(max=SURE)  # (B, L) by rank
        logits = log_q - torch.log(-torch.expm1(log_q))
        return logits[:, self.order.argsort()]

    def loss(self, features: Features, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the mean negative log-probability of the images' sequences."""
        image = self.from_image(self.vector(features))  # (B, D)
        targets = targets[:, self.order]  # by rank
        L = self.num_labels
        named = nn.functional.pad(targets == 1, (0, 1))  # (B, L + 1)
        rank = torch.arange(L + 1, device=targets.device)
        sequences = torch.where(named, rank, L).sort(1).values  # (B, L + 1), filled up with ends
        steps = 1 + int(named.sum(1).max()) if len(named) else 0
        rows, paths = self._rows(), self._beginning(image)
        loss = image.new_zeros(())
        for now in torch.split(sequences[:, :steps], 1, 1):  # (B, 1)
            log_p, hidden, memory = self._next(image, paths, rows, unknown=targets < 0)
            loss = loss - log_p.gather(2, now[:, :, None]).sum()  # after an end, the end is sure
            paths = Paths(paths.log_probability, now, rows[now], hidden, memory)
        mean: Tensor = loss / self.divisor(targets, criterion)
        return mean

    def divisor(self, targets: Tensor, criterion: Criterion) -> int:
        """Return the number of images."""
        return max(len(targets), 1)

    def _beginning(self, image: Tensor) -> Paths:
        """Return the empty sequence of each image: K = 1."""
        B = image.shape[0]  # len() would fix the batch size of an exported head
        nothing = image.new_zeros(B, 1)
        memory = image.new_zeros(B, 1, self.lstm.hidden_size)
        start = self.start.expand(B, 1, -1)
        return Paths(nothing, nothing.long() - 1, start, memory, memory)

    def _next(
        self, image: Tensor, paths: Paths, rows: Tensor, unknown: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return log P of each label by rank and of the end (B, K, L + 1), and the LSTM's state."""
        shape = paths.last.shape  # (B, K)
        state = (paths.hidden.flatten(0, 1), paths.memory.flatten(0, 1))
        hidden, memory = self.lstm(paths.previous.flatten(0, 1), state)  # (B * K, E)
        output = self.from_output(hidden).unflatten(0, shape)
        joint = torch.relu(output + image[:, None])  # (B, K, D)
        bias = nn.functional.pad(self.bias[self.order], (0, 1))
        scores = nn.functional.linear(joint, rows, bias)  # (B, K, L + 1)
        rank = torch.arange(self.num_labels, device=image.device)
        barred = rank <= paths.last[:, :, None]  # (B, K, L) more frequent than the last, or it
        if unknown is not None:
            barred = barred | unknown[:, None]
        scores = scores.masked_fill(nn.functional.pad(barred, (0, 1)), NEVER)
        return scores.log_softmax(2), hidden.unflatten(0, shape), memory.unflatten(0, shape)

    def _rows(self) -> Tensor:
        """Return the embeddings of the labels by rank, and of the end (L + 1, D)."""
        return torch.cat([self.embedding[self.order], self.end[None]])


def _take(states: Tensor, beam: Tensor) -> Tensor:
    """Return the LSTM's state (B, K, E) of the kept beams."""
    return states.gather(1, beam[:, :, None].expand(-1, -1, states.shape[2]))
