"""Gaussian kernel ridge regression on square-root features: fitted by a formula, not by steps.

Saunders, Gammerman and Vovk, Ridge Regression Learning Algorithm in Dual Variables (ICML 1998);
Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), http://gaussianprocess.org/gpml/.
Shapes: B batch, C channels, H W map, N images fitted on, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.feature_rows import PooledRows, RowFeatures, levels_of, rows_of
from imlgcn.models.heads.base import Channels, Features, Head
from imlgcn.models.image_space import ImageSpace
from imlgcn.models.kernel_fit import fit_kernel, hold_out_kernel, is_exact
from imlgcn.models.kernel_folded import FoldedKernel
from imlgcn.models.kernel_regression import Solution, solve, squared_distances
from imlgcn.models.kernel_rows import Kept, KeptUnits, keep, keep_blocks
from imlgcn.models.kernel_scorer import KernelScorer, pooled_levels
from imlgcn.models.kernel_stages import (
    MOST_STAGES,
    block_scales,
    channel_scales,
    choose_stages,
    joined_units,
)
from imlgcn.models.scorer import refuse_known

if TYPE_CHECKING:
    from imlgcn.models.backbones import Backbone


ROWS_AT_ONCE = 20_000  # whose features are in memory, in float64: 0.25 GB of 1,584 channels


class _Rows(NamedTuple):
    """The rows to keep, what their stages are standardised by, and how many maps they use."""

    kept: Kept
    mean: Tensor
    rate: Tensor
    levels: int


class KernelHead(KernelScorer, Head):
    r"""Every image it was fitted on votes for its labels, by how near it is.

    .. math::
        s(x) = \sum_{i=1}^{N} \exp\Big( -\frac{\gamma}{m} |v(x) - v_i|^2 \Big) A_i + \bar T, \qquad
        A = (K + \lambda I)^{-1} (T - \bar T)

    ``v`` joins the deepest map (averaged, square roots that keep the sign, scaled to length 1) with
    the means of up to ``stages`` earlier maps (standardised per channel on the fitted images,
    scaled to length ``stage_weight`` each) and is scaled to length 1; m is the median of all N x N
    squared distances between the fitted images, K the kernel between them, :math:`\gamma` is
    ``gamma``, :math:`\lambda` is ``ridge``, T are the targets 0 and 1. A label with unknown targets
    is solved on its known rows. :meth:`fit` solves all labels at once, in float64. The images are
    kept in half precision, their stages in 8 bits, and A is solved for what is kept. Beyond 20,000
    images only some of them, the landmarks, vote (:mod:`imlgcn.models.falkon`).

    A score is about 0 for an absent label and 1 for a present one: a logit only after calibration.
    Before :meth:`fit` it is the mean, 0. There is no gradient through the images, no dropout and
    no randomness. ``support`` is how many vote, ``stages`` the earlier maps in use; :meth:`fit`
    sets both (fewer stages where they are clearly better), :meth:`fitted_options` returns them.
    With one number as ``in_channels``, and with a backbone of one map, there are none.

    Shape:
        - features ``(B, C, H, W)`` or, with stages, a tuple of maps or means, deepest last; output
          ``(B, L)``
    """

    candidate = True
    closed_form = True
    has_support = True
    counted_with: ClassVar[Mapping[str, int]] = {"support": 1000}

    median: Tensor

    def __init__(
        self,
        in_channels: Channels,
        labels: LabelContext,
        *,
        support: int = 0,
        gamma: float = 2.0,
        ridge: float = 0.1,
        stages: int = MOST_STAGES,
        stage_weight: float = 0.5,
    ) -> None:
        super().__init__(in_channels, labels)
        if not (gamma > 0 and ridge > 0 and stage_weight > 0):
            given = f"{gamma}, {ridge} and {stage_weight}"
            raise InputError(f"gamma, ridge and stage_weight are above 0; {given} given")
        if support < 0:
            raise InputError(f"support is a number of images, 0 or more; {support} given")
        if stages not in range(MOST_STAGES + 1):
            raise InputError(f"stages is a number from 0 to {MOST_STAGES}; {stages} given")
        self.pooling = "avg"
        self.gamma, self.ridge, self.stage_weight = gamma, ridge, stage_weight
        channels = in_channels if isinstance(in_channels, tuple) else (in_channels,)
        channels = channels[-1 - stages :]
        self.feature_levels = len(channels)
        L, before = self.num_labels, sum(channels[:-1])
        self.register_buffer("support", torch.zeros(support, channels[-1], dtype=torch.float16))
        self.register_buffer("stage_support", torch.zeros(support, before, dtype=torch.int8))
        self.register_buffer("stage_step", torch.ones(()))
        self.register_buffer("weights", torch.zeros(support, L))
        self.register_buffer("mean", torch.zeros(L))
        self.register_buffer("median", torch.ones(()))
        self.register_buffer("stage_mean", torch.zeros(before))
        self.register_buffer("stage_rate", torch.zeros(before))

    @classmethod
    def channels_of(cls, backbone: Backbone, options: Mapping[str, Any]) -> Channels:
        """Return C of the wanted stages, as far as the backbone has them, and of the last."""
        wanted = 1 + int(options.get("stages", MOST_STAGES))
        return backbone.channels(min(wanted, backbone.num_levels(means=True)), means=True)

    @torch.no_grad()
    def fit(self, features: RowFeatures, targets: Tensor, groups: Tensor | None = None) -> None:
        """Solve for the targets ``(N, L)`` of features ``(N, C, H, W)``, on the CPU.

        Rows of features may stay in their files: they are taken 20,000 at a time.
        ``groups`` ``(N,)`` are held out together where stages are chosen.

        Raises:
            InputError: features that are not finite.
        """
        rows = self._rows(features, targets, groups)
        units = _to_solve(rows.kept, targets)
        found = fit_kernel(units, targets.cpu(), self.gamma, self.ridge)
        device = self.mean.device
        self.feature_levels = rows.levels
        self.support_rows = None if len(found.rows) == len(units) else found.rows
        self.stage_mean = rows.mean.float().to(device)
        self.stage_rate = rows.rate.float().to(device)
        self.support = rows.kept.deepest[found.rows].to(device)
        self.stage_support = rows.kept.stages[found.rows].to(device)
        self.stage_step = rows.kept.step.to(device)
        self.weights = found.weights.float().to(device)
        self.mean = found.mean.float().to(device)
        self.median = torch.tensor(found.scale, dtype=torch.float32, device=device)

    @torch.no_grad()
    def held_out(
        self, features: RowFeatures, targets: Tensor, *groups: Tensor
    ) -> tuple[Tensor, ...] | None:
        """Return the held-out scores.

        What does not look at targets (the stages' scales and m), the choice of stages (by the last
        of ``groups``) and the mean of the targets stay those of all images. The scores are exact;
        with landmarks there are none for more than ten groups: None.
        """
        rows = self._rows(features, targets, groups[-1] if groups else None)
        units = _to_solve(rows.kept, targets)
        found = hold_out_kernel(units, targets.cpu(), self.gamma, self.ridge, *groups)
        return None if found is None else tuple(scores.float() for scores in found)

    def _rows(self, features: RowFeatures, targets: Tensor, groups: Tensor | None) -> _Rows:
        """Choose the stages by held-out scores and return the rows to keep."""
        pooled_levels(rows_of(features, slice(0, 1)), self.feature_levels)  # refuses other numbers
        levels = [PooledRows(level) for level in levels_of(features)]
        how: dict[str, Any] = {
            "weight": self.stage_weight,
            "gamma": self.gamma,
            "ridge": self.ridge,
        }
        together = torch.arange(len(targets)) if groups is None else groups.cpu()
        if len(targets) > ROWS_AT_ONCE:
            return self._by_blocks(levels, targets.cpu(), together, how)
        whole = [level[:] for level in levels]
        if len(whole) > 1:
            whole = whole[-1 - choose_stages(whole, targets.cpu(), together, **how) :]
        mean, rate = channel_scales(torch.cat([whole[0][:, :0], *whole[:-1]], 1))
        kept = keep(joined_units(whole, mean, rate, self.stage_weight), len(mean))
        return _Rows(kept, mean, rate, len(whole))

    def _by_blocks(
        self, levels: list[PooledRows], targets: Tensor, groups: Tensor, how: dict[str, Any]
    ) -> _Rows:
        """Do the same with :data:`ROWS_AT_ONCE` rows in memory, and those that are kept."""
        starts = range(0, len(targets), ROWS_AT_ONCE)
        parts = [slice(start, start + ROWS_AT_ONCE) for start in starts]
        mean = rate = torch.zeros(0, dtype=torch.float64)
        if len(levels) > 1:
            earlier = levels[:-1]
            mean, rate = block_scales(
                lambda: (torch.cat([level[part] for level in earlier], 1) for part in parts)
            )
            levels = levels[
                -1 - choose_stages(levels, targets, groups, scales=(mean, rate), **how) :
            ]
            used = sum(level.channels for level in levels[:-1])
            mean, rate = mean[len(mean) - used :], rate[len(rate) - used :]
        kept = keep_blocks(
            lambda: (
                joined_units([level[part] for level in levels], mean, rate, self.stage_weight)
                for part in parts
            ),
            len(mean),
        )
        return _Rows(kept, mean, rate, len(levels))

    def fitted_options(self) -> dict[str, Any]:
        """Return how many images the head holds and how many stages it uses."""
        return {"support": len(self.support), "stages": self.feature_levels - 1}

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scores of a batch of maps."""
        refuse_known(self, known)
        return self.scores(self.similarities(self.vectors(features)))

    def similarities(self, vectors: Tensor) -> Tensor:
        """Return the kernel between a batch and the images it was fitted on, ``(B, N)``."""
        distances = squared_distances(vectors, self.fitted_vectors(vectors.dtype))  # (B, N)
        return (distances * (-self.gamma / self.median)).exp()

    def kernel_rate(self) -> float:
        r"""Return :math:`\gamma / m`, by which squared distances are multiplied."""
        return self.gamma / float(self.median)

    def image_space(self) -> ImageSpace:
        """Return the vectors v, and those of the images it was fitted on as they are kept."""
        kept = self.fitted_vectors(torch.float32)
        return ImageSpace(self.vectors, kept, float(self.median), self.gamma, self.ridge)

    def support_contributions(self, features: Features, label: int) -> Tensor:
        """Return each image's similarity to this one times its weight for the label, ``(N,)``."""
        return self.similarities(self.vectors(features))[0] * self.weights[:, label]

    def support_weights(self) -> Tensor:
        """Return A, ``(N, L)``: no image adds more than its weight, as no kernel is above 1."""
        return self.weights

    @property
    def num_solvable(self) -> int:
        """Return how many images vote: with landmarks these are not all it was fitted on."""
        return len(self.support)

    @torch.no_grad()
    def solve_beside(self, vectors: Tensor, targets: Tensor) -> Solution:
        """Return labels solved with the head's own vectors, m, gamma and lambda, in float64."""
        every = torch.cat([self.fitted_vectors(torch.float64), vectors])  # (N + Q, V)
        kernel = squared_distances(every, every).fill_diagonal_(0)
        kernel.mul_(-self.kernel_rate()).exp_()
        return solve(kernel, targets, self.ridge)

    @torch.no_grad()
    def fold(self) -> FoldedKernel:
        """Return the same scores with what does not depend on the image computed once."""
        return FoldedKernel(self, (self.gamma / self.median).float())


def _to_solve(kept: Kept, targets: Tensor) -> Tensor | KeptUnits:
    """Return the rows ``(N, D)`` in float64 or, where there are too many, as they are kept."""
    return kept.units(torch.float64) if is_exact(targets) else KeptUnits(kept)
