"""KGGR: SSGRL's attention and propagation, and classifiers that pass the label graph as well.

Chen et al., Knowledge-Guided Multi-Label Few-Shot Learning for General Image Recognition (TPAMI
2022), https://arxiv.org/abs/2009.09450. A reconstruction: no code is public. Shapes: C channels,
L labels, O width of the output.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from imlgcn.labels.context import LabelContext
from imlgcn.models.graph_layers import GatedGraphUnit
from imlgcn.models.heads.base import Presets
from imlgcn.models.heads.ssgrl import CANCELLED, SSGRLHead

CLOSED = -4.0  # start of the update gate's bias: 2 % of a classifier change in a step


class KGGRHead(SSGRLHead):
    r"""SSGRL whose classifiers are nodes of the label graph too.

    .. math::
        w^0 = w, \qquad w^{t+1} = \mathrm{gated}'(w^t, A), \qquad
        y_l = \langle w^T_l, \tanh(W_o [s^T_l, f_l] + b_o) \rangle + b_l

    A label with few images thus uses those of co-occurring labels. The rest of the formula and the
    options are those of :class:`~imlgcn.models.heads.ssgrl.SSGRLHead`; each gated network has all
    its matrices here. The update gate of the second starts nearly closed, so that classifiers start
    as themselves: started half open it ended 5 mAP lower on Open Clip Art in one run.

    This is a reconstruction from the paper's abstract: features guided by label semantics start one
    propagation, the classifiers' weights another. The paper's count of 45.0 M on ResNet-101 at 80
    labels cannot be derived (SSGRL's widths give 92 M before the second network). The preset
    ``paper`` meets it by choice of one width, 288, for attention, nodes and output. That proves
    only that the sizes are comparable, nothing about the method or its published mAP. Left out: the
    few-shot training.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            **SSGRLHead.PRESETS["paper"],
            "hidden_dim": 288,
            "attention_dim": 288,
            "output_dim": 288,
        },
    }

    SHARED_RESET: ClassVar[bool] = False

    unused_parameters = CANCELLED

    def __init__(
        self, in_channels: int, labels: LabelContext, *, output_dim: int = 256, **options: Any
    ) -> None:
        super().__init__(in_channels, labels, output_dim=output_dim, **options)
        propagation = GatedGraphUnit(output_dim)
        nn.init.constant_(propagation.update_message.bias, CLOSED)
        self.classifier_propagation: GatedGraphUnit | None = propagation

    def classifiers(self, adjacency: Tensor | None = None) -> Tensor:
        """Return one classifier per label ``(L, O)`` after all steps on the graph."""
        adjacency = self.adjacency if adjacency is None else adjacency
        classifiers: Tensor = self.weight
        if self.classifier_propagation is not None:
            for _ in range(self.time_step):
                classifiers = self.classifier_propagation(classifiers, adjacency)
        return classifiers

    @torch.no_grad()
    def fold(self) -> Self:
        """Return the head whose classifiers have passed the graph once and for all."""
        folded = super().fold()
        folded.weight.copy_(self.classifiers())
        folded.classifier_propagation = None
        return folded
