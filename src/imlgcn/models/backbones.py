"""Any timm model as a feature map ``(B, C, H, W)``.

timm: https://github.com/huggingface/pytorch-image-models. Channels-last maps (Swin), tokens (ViT)
and fully connected layers (VGG) are converted to that form. Shapes: B batch, C channels, H W map.
"""

from __future__ import annotations

import inspect
import math
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings


class Backbone(nn.Module):
    """A timm model without its classifier; made by :func:`imlgcn.models.create.create_backbone`.

    Attributes:
        name: the argument of `create_backbone`.
        out_channels: C of the maps.
        image_settings: input size, mean, std and interpolation of the weights.
        size_multiple: input sizes must be divisible by it.
        fixed_size: the only possible input size; None where others are possible.
        weights_id: source of the weights, with a content hash where there is one.

    Shape:
        - images ``(B, 3, H, W)``, output ``(B, C, H / stride, W / stride)``; for ``levels`` above 1
          a tuple of maps, each with its own C, H and W, the last one deepest; where ``means`` are
          wanted, the earlier ones are means over the map, ``(B, C, 1, 1)``

    Earlier maps are those of the last stages (one for each resolution). Earlier means are those of
    the last blocks: timm counts these apart in EfficientNet and MobileNetV3, where a stage holds
    several; in all other models they are the stages.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        *,
        image_settings: ImageSettings,
        weights_id: str,
        size_multiple: int = 1,
        fixed_size: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.model = model
        self.out_channels = int(getattr(model, "head_hidden_size", None) or model.num_features)  # type: ignore[arg-type]
        self.image_settings = image_settings
        self.weights_id = weights_id
        self.size_multiple = size_multiple
        self.fixed_size = fixed_size

    def check_size(self, size: int) -> None:
        """Raise `InputError` unless the backbone takes square images of this size."""
        if self.fixed_size not in (None, size):
            raise InputError(
                f"{self.name} was built for input size {self.fixed_size}; got {size}; "
                f"build it with size={size}"
            )
        step = self.size_multiple
        if size < 1 or size % step:
            lower = max(size // step * step, step)
            nearest = f"{lower} or {lower + step}" if size > lower else f"{lower}"
            raise InputError(
                f"{self.name} takes input sizes divisible by {step}; got {size}; use {nearest}"
            )

    def channels(self, levels: int = 1, *, means: bool = False) -> int | tuple[int, ...]:
        """Return C of the map or, for ``levels`` above 1, of each of the maps or means."""
        if levels == 1:
            return self.out_channels
        return (*self._earlier_channels(self._earlier(levels, means), means), self.out_channels)

    def num_levels(self, *, means: bool = False) -> int:
        """Return the most ``levels`` there are: 1 is the deepest map alone."""
        if not hasattr(self.model, "forward_intermediates"):
            return 1
        model: Any = self.model
        return len(model.blocks) + 1 if means and self._counts_blocks else len(model.feature_info)

    def forward(
        self, images: Tensor, levels: int = 1, *, means: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the last map of a batch of images, or the last ``levels`` maps or means."""
        if levels == 1:
            return self._to_map(self.model(images), images)
        model: Any = self.model
        how = {"extra_blocks": True} if means and self._counts_blocks else {}
        indices = self._earlier(levels, means)
        last, earlier = model.forward_intermediates(
            images, indices=indices, stop_early=False, **how
        )
        if means:
            earlier = [level.mean((2, 3), keepdim=True) for level in earlier]
        return (*earlier, self._to_map(model.forward_head(last), images))

    @cached_property
    def _counts_blocks(self) -> bool:
        """Whether timm gives the maps of all blocks, the stem first, beside those of stages."""
        method = getattr(self.model, "forward_intermediates", None)
        return method is not None and "extra_blocks" in inspect.signature(method).parameters

    def _earlier(self, levels: int, means: bool) -> list[int]:
        """Return timm's numbers of the levels before the last: that one is the deepest map."""
        known = self.num_levels(means=means)
        if not 1 <= levels <= known:
            raise InputError(f"{self.name} has 1 to {known} feature maps; {levels} are needed")
        return list(range(known - levels, known - 1))

    def _earlier_channels(self, indices: list[int], means: bool) -> list[int]:
        model: Any = self.model
        if not (means and self._counts_blocks):
            return [int(model.feature_info[index]["num_chs"]) for index in indices]
        parts = [model.conv_stem, *model.blocks]  # each ends in a convolution
        return [
            [p.out_channels for p in parts[index].modules() if isinstance(p, nn.Conv2d)][-1]
            for index in indices
        ]

    def _to_map(self, features: Any, images: Tensor) -> Tensor:
        if not isinstance(features, Tensor):
            raise InputError(f"{self.name} has no feature map; choose another backbone")
        if features.ndim == 2:
            return features[:, :, None, None]  # (B, C, 1, 1)
        if features.ndim == 3:
            return self._tokens_to_map(features, images)
        if features.shape[1] != self.out_channels:
            return features.permute(0, 3, 1, 2)  # (B, H, W, C) -> (B, C, H, W)
        return features

    def _tokens_to_map(self, tokens: Tensor, images: Tensor) -> Tensor:
        from timm.layers.patch_embed import PatchEmbed

        patches = getattr(self.model, "patch_embed", None)
        if isinstance(patches, PatchEmbed):
            height, width = patches.dynamic_feat_size((images.shape[2], images.shape[3]))
        else:
            height = width = math.isqrt(tokens.shape[1])
        tokens = tokens[:, -height * width :]  # class token and registers come first
        return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)  # (B, C, H, W)
