"""Any timm model as a feature map ``(B, C, H, W)``.

timm: https://github.com/huggingface/pytorch-image-models. Channels-last maps (Swin), tokens (ViT)
and fully connected layers (VGG) are converted to that form. Shapes: B batch, C channels, H W map.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from imlgcn.config import ImageSettings, InputError


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
          a tuple of maps, each with its own C, H and W, the last one deepest
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

    def channels(self, levels: int = 1) -> int | tuple[int, ...]:
        """Return C of the map or, for ``levels`` above 1, of each of the maps."""
        if levels == 1:
            return self.out_channels
        stages: Any = self.model.feature_info
        earlier = (int(stages[index]["num_chs"]) for index in self._earlier_stages(levels))
        return (*earlier, self.out_channels)

    def forward(self, images: Tensor, levels: int = 1) -> Tensor | tuple[Tensor, ...]:
        """Return the last map of a batch of images, or the maps of the last ``levels`` stages."""
        if levels == 1:
            return self._to_map(self.model(images), images)
        model: Any = self.model
        last, earlier = model.forward_intermediates(images, indices=self._earlier_stages(levels))
        return (*earlier, self._to_map(model.forward_head(last), images))

    def _earlier_stages(self, levels: int) -> list[int]:
        stages: Any = getattr(self.model, "feature_info", ())
        known = len(stages) if hasattr(self.model, "forward_intermediates") else 1
        if not 1 <= levels <= known:
            raise InputError(f"{self.name} has 1 to {known} feature maps; {levels} are needed")
        return list(range(known - levels, known - 1))

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
