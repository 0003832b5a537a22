"""SRN: attention maps of all labels, whose relations in space a small network regularises.

Zhu et al., Learning Spatial Regularization with Image-level Supervisions for Multi-label Image
Classification (CVPR 2017), https://arxiv.org/abs/1702.05891.
Shapes: B batch, C D channels of the two maps, H W map, L labels, S size of the resampled maps.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Channels, Criterion, Features, Head, Presets
from imlgcn.models.layers import ImageVector
from imlgcn.models.scorer import refuse_known

KERNELS = 4  # of the last convolution, for each channel it sees


class SRNHead(Head):
    r"""Average a plain classifier with one on the attention maps of all labels.

    .. math::
        A &= \mathrm{softmax}_{x}\, f_{att}(X), \qquad S = f_{conf}(X), \qquad
        U = \sigma(S) \odot A \\
        y &= \tfrac12 (y_{cls} + y_{sr}), \quad y_{sr} = f_{sr}(U), \quad y_{cls} = W v(F) + b,
        \quad y_{att} = \textstyle\sum_x A_x \odot S_x

    ``X`` is the map of the stage before the last one and ``F`` the last map, averaged by ``v``.
    Attention ``A`` and confidence ``S`` have one map per label, resampled to ``size`` x ``size``
    before the softmax, so that maps of any size fit. :math:`f_{sr}` mixes the labels at each
    position twice, looks at each of the mixtures as a whole (four kernels of the size of the map
    for each
    channel, in groups of one channel: that keeps it small), and ends in a linear layer.

    ``train_stage`` chooses what is trained, and from which logits: 1 the classifier from
    :math:`y_{cls}`, 2 attention and confidence from the auxiliary logits :math:`y_{att}`, 3
    :math:`f_{sr}` from :math:`y_{sr}`, 4 everything from :math:`y`; the rest of the head is
    frozen, batch statistics included. Train the stages one from another, with the backbone frozen
    in 2 and 3. None trains everything at once from :math:`y` plus ``auxiliary`` times the loss of
    each of the other three.

    Differs from the paper: the official code is for Caffe; layers were rebuilt from descriptions
    and from the published size (48.0 M on ResNet-101; here 47,595,824 at 80 labels). The grouped
    convolution has no batch norm (one number per channel cannot be normalised in a batch of one
    image), and the last layer of :math:`f_{att}` no bias (softmax cancels it). The published
    training is staged; None is this project's. The preset ``small`` is narrow, scales ``v`` to norm
    :math:`\sqrt D` (``normalize``) and uses dropout.

    Shape:
        - features ``(B, C, H, W)`` and ``(B, D, H', W')``, output ``(B, L)``
    """

    feature_levels = 2

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            "attention_width": 512,
            "confidence_width": 1024,
            "width": 512,
            "normalize": False,
            "dropout": 0.0,
            "bias_start": 0.0,
        },
    }

    # chosen on Open Clip Art's validation split
    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 15, "learning_rate": 6e-3, "weight_decay": 3.0}
    }

    def __init__(
        self,
        in_channels: Channels,
        labels: LabelContext,
        *,
        attention_width: int = 32,
        confidence_width: int = 64,
        width: int = 64,
        size: int = 14,
        normalize: bool = True,
        dropout: float = 0.5,
        bias_start: float = -2.0,
        auxiliary: float = 0.2,
        train_stage: int | None = None,
    ) -> None:
        super().__init__(in_channels, labels)
        C, D = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        L = self.num_labels
        self.size = (size, size)
        self.auxiliary = auxiliary
        self.train_stage = train_stage
        self.vector = ImageVector("avg", normalize=normalize, dropout=dropout)
        self.classifier = nn.Linear(D, L)
        self.attention = nn.Sequential(
            *_convolution(C, attention_width),
            *_convolution(attention_width, attention_width, kernel=3),
            nn.Conv2d(attention_width, L, 1, bias=False),
        )
        self.confidence = nn.Sequential(
            *_convolution(C, confidence_width), nn.Conv2d(confidence_width, L, 1)
        )
        self.regulariser = nn.Sequential(
            *_convolution(L, width),
            *_convolution(width, width),
            nn.Conv2d(width, KERNELS * width, size, groups=width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(KERNELS * width, L),
        )
        for ending in (self.classifier, self.confidence[-1], self.regulariser[-1]):
            nn.init.constant_(ending.bias, bias_start)  # type: ignore[arg-type]
        for part in self._frozen():
            part.requires_grad_(False)

    def classify(self, last: Tensor) -> Tensor:
        """Return the logits of the plain classifier (B, L) from the last map."""
        logits: Tensor = self.classifier(self.vector(last))
        return logits

    def attend(self, earlier: Tensor) -> tuple[Tensor, Tensor]:
        """Return attention and confidence maps, each (B, L, S, S), from the earlier map."""
        scores = self._resample(self.attention(earlier))
        attention = scores.flatten(2).softmax(2).view_as(scores)  # sums to one over each map
        return attention, self._resample(self.confidence(earlier))

    def regularise(self, attention: Tensor, confidence: Tensor) -> Tensor:
        """Return the logits (B, L) that the maps of all labels give together."""
        logits: Tensor = self.regulariser(confidence.sigmoid() * attention)
        return logits

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of two maps each."""
        refuse_known(self, known)
        earlier, last = _two_maps(features)
        return (self.classify(last) + self.regularise(*self.attend(earlier))) / 2

    @property
    def map_kind(self) -> MapKind:
        """The attention A, which only the regularising half of the head uses."""
        return "attention"

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and the attention, ``size`` x ``size``."""
        return self(features, known), self.attend(_two_maps(features)[0])[0]

    def loss(self, features: Features, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the loss of the logits that ``train_stage`` trains."""
        earlier, last = _two_maps(features)
        if self.train_stage == 1:
            return criterion(self.classify(last), targets)
        attention, confidence = self.attend(earlier)
        by_attention = (attention * confidence).sum((2, 3))  # (B, L)
        if self.train_stage == 2:
            return criterion(by_attention, targets)
        by_maps = self.regularise(attention, confidence)
        if self.train_stage == 3:
            return criterion(by_maps, targets)
        by_vector = self.classify(last)
        loss = criterion((by_vector + by_maps) / 2, targets)
        if self.train_stage is None:
            for logits in (by_vector, by_attention, by_maps):
                loss = loss + self.auxiliary * criterion(logits, targets)
        return loss

    def train(self, mode: bool = True) -> SRNHead:
        """Set the mode of the trained parts; the others stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        """Return the parts that are not trained in this stage."""
        parts: list[list[nn.Module]] = [
            [self.classifier],
            [self.attention, self.confidence],
            [self.regulariser],
        ]
        if self.train_stage in (None, 4):
            return []
        if self.train_stage not in (1, 2, 3):
            raise InputError(f"train_stage is 1, 2, 3, 4 or none; got {self.train_stage!r}")
        del parts[self.train_stage - 1]
        return [module for part in parts for module in part]

    def _resample(self, maps: Tensor) -> Tensor:
        return nn.functional.interpolate(maps, self.size, mode="bilinear")  # (B, L, S, S)


def _convolution(in_channels: int, out_channels: int, *, kernel: int = 1) -> list[nn.Module]:
    """Return the layers of a convolution that keeps the size of the map."""
    padding = kernel // 2
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


def _two_maps(features: Features) -> tuple[Tensor, Tensor]:
    if isinstance(features, Tensor) or len(features) != 2:
        raise InputError("SRN takes two maps: those of the last two stages of the backbone")
    return features[0], features[1]
