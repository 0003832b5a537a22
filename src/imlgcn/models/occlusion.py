r"""Activation maps by occlusion, for heads whose score is not a sum over positions.

One position of the map after another is replaced by the map's mean; the fall of the score is its
value (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014,
https://arxiv.org/abs/1311.2901, who occlude the image). Here the backbone runs once.
Shapes: B batch, C channels, H W map, N = H * W positions, L labels.
"""

from __future__ import annotations

from torch import Tensor

from imlgcn.models.scorer import Features, Scorer


def occlusion_maps(scorer: Scorer, features: Features) -> tuple[Tensor, Tensor]:
    r"""Return the logits ``(B, L)`` of an average-pooling scorer, and its maps ``(B, L, H, W)``.

    .. math:: M_p = s(m) - s\Big(m + \frac{m - f_p}{N}\Big), \qquad m = \frac1N \sum_p f_p

    which is exactly the fall when :math:`f_p` is replaced by the mean m: only the mean is scored.
    Of several levels the deepest is occluded, and the others stay as they are. A map of one
    position is zero. The N changed means of all images are scored as one batch.
    """
    assert scorer.pooling == "avg", "only the mean is occluded"
    levels = features if isinstance(features, tuple) else (features,)
    deepest = levels[-1].flatten(2).mT  # (B, N, C)
    B, N, _ = deepest.shape
    mean = deepest.mean(1, keepdim=True)  # (B, 1, C)
    occluded = (mean + (mean - deepest) / N).flatten(0, 1)  # (B * N, C)
    others = (level.mean((2, 3)).repeat_interleave(N, 0) for level in levels[:-1])
    pooled = tuple(vectors[:, :, None, None] for vectors in (*others, occluded))
    logits: Tensor = scorer(features)
    scores: Tensor = scorer(pooled if isinstance(features, tuple) else pooled[0])
    falls = (logits[:, None] - scores.view(B, N, logits.shape[1])).mT  # (B, L, N)
    return logits, falls.reshape(*falls.shape[:2], *levels[-1].shape[2:])
