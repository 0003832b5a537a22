"""Any timm model as a feature map ``(B, C, H, W)``.

timm: https://github.com/huggingface/pytorch-image-models. Channels-last maps (Swin), tokens (ViT)
and fully connected ends (VGG) are brought to that form. Shapes: B batch, C channels, H W map.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imlgcn.config import ImageSettings, InputError
from imlgcn.models.weights import EMBEDDED, load_embedded, load_file, load_from_hub


class Backbone(nn.Module):
    """A timm model without its classifier; made by :func:`create_backbone`.

    Attributes:
        name: what :func:`create_backbone` was asked for.
        out_channels: C of the maps.
        image_settings: side, mean, std and interpolation the weights were made for.
        size_multiple: input sides must be divisible by it.
        fixed_size: the only input side, for a model that cannot take others; else None.
        weights_id: where the weights came from, with a content hash where there is one.

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
        """Raise unless the backbone takes square images of this side."""
        if self.fixed_size not in (None, size):
            raise InputError(
                f"{self.name} was built for image side {self.fixed_size}; {size} given; "
                f"build it with size={size}"
            )
        step = self.size_multiple
        if size < 1 or size % step:
            lower = max(size // step * step, step)
            nearest = f"{lower} or {lower + step}" if size > lower else f"{lower}"
            raise InputError(
                f"{self.name} takes image sides divisible by {step}; {size} given; use {nearest}"
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
            raise InputError(f"{self.name} gives 1 to {known} feature maps; {levels} asked for")
        return list(range(known - levels, known - 1))

    def _to_map(self, features: Any, images: Tensor) -> Tensor:
        if not isinstance(features, Tensor):
            raise InputError(f"{self.name} gives no feature map; choose another backbone")
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


def create_backbone(
    name: str,
    *,
    weights: Path | str | None = None,
    pretrained: bool = True,
    size: int | None = None,
) -> Backbone:
    """Return a timm model as a backbone, or several joined.

    Args:
        name: a timm name, with or without a tag; ``efficientnet_lite0`` is the one whose weights
            are installed with imlgcn (timm's own of that name is ``timm/efficientnet_lite0``).
            Names with "+" between them: see `imlgcn.models.joined.JoinedBackbone`; the side is then
            the largest of theirs.
        weights: a local file to load; then nothing is fetched.
        pretrained: load weights: the installed ones or those of the timm hub. False = random.
        size: side of the input images, if not the one the weights were made for.
    """
    if "+" in name:
        return _create_joined(name, weights=weights, pretrained=pretrained, size=size)
    architecture = EMBEDDED.get(name, name.removeprefix("timm/"))
    config = _pretrained_config(name, architecture)
    side = size or int(config.input_size[-1])
    build = partial(_build, architecture, config, side)

    def wrap(model: nn.Module, fixed_size: int | None, weights_id: str) -> Backbone:
        backbone = Backbone(
            name,
            model,
            image_settings=_image_settings(config, side),
            weights_id=weights_id,
            size_multiple=_size_multiple(model),
            fixed_size=fixed_size,
        )
        backbone.check_size(side)
        return backbone

    with torch.device("meta"):  # a side it cannot take is refused before anything is fetched
        wrap(*build(pretrained=False), "meta")
    if weights is not None:
        model, fixed_size = build(pretrained=False)
        weights_id = load_file(model, weights)
    elif not pretrained:
        model, fixed_size = build(pretrained=False)
        weights_id = f"random:{_fingerprint(model)}"
    elif name in EMBEDDED:
        model, fixed_size = build(pretrained=False)
        weights_id = load_embedded(model, name)
    elif not config.has_weights:
        raise InputError(
            f"timm has no weights for {name}; give a file (--weights FILE) or pretrained=False"
        )
    else:
        model, fixed_size = load_from_hub(name, partial(build, pretrained=True))
        weights_id = f"hub:{config.architecture}.{config.tag}"
    return wrap(model, fixed_size, weights_id)


def _create_joined(
    name: str, *, weights: Path | str | None, pretrained: bool, size: int | None
) -> Backbone:
    from imlgcn.models.joined import JoinedBackbone

    if weights is not None:
        raise InputError(f"one file holds the weights of one backbone, not of {name}; leave it out")
    names = [part.strip() for part in name.split("+")]
    if size is None:
        with torch.device("meta"):
            alone = [create_backbone(part, pretrained=False) for part in names]
        size = max(member.image_settings.size for member in alone)
    members = [create_backbone(part, pretrained=pretrained, size=size) for part in names]
    return JoinedBackbone(members, size)


def _pretrained_config(name: str, architecture: str) -> Any:
    import timm

    base, _, tag = architecture.partition(".")
    if not timm.is_model(base):
        near = difflib.get_close_matches(name, [*EMBEDDED, *timm.list_models()], n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise InputError(f"unknown backbone {name!r}; {hint}timm.list_models() lists all")
    tags = [full.partition(".")[2] for full in timm.list_models(f"{base}.*", pretrained=True)]
    if tag and tag not in tags:
        raise InputError(f"{base} has no weights {tag!r}; known: {', '.join(tags) or 'none'}")
    return timm.get_pretrained_cfg(architecture)


def _build(
    architecture: str, config: Any, side: int, *, pretrained: bool
) -> tuple[nn.Module, int | None]:
    """Return the model and, if it takes no other, its image side."""
    import timm

    native = int(config.input_size[-1])
    ways: list[tuple[dict[str, Any], int | None]] = [({}, None)]
    if config.fixed_input_size:  # timm names no common option: try from the freest to the strictest
        ways = [({"dynamic_img_size": True}, None), ({"img_size": side}, side), ({}, native)]
    for options, fixed_size in ways:
        try:
            model: nn.Module = timm.create_model(
                architecture, pretrained=pretrained, num_classes=0, global_pool="", **options
            )
        except AssertionError as error:
            raise InputError(
                f"timm cannot build {architecture} as a feature map for image side {side}: {error}"
            ) from error
        except TypeError as error:
            if not any(option in str(error) for option in options):
                raise
        else:
            return model, fixed_size
    raise AssertionError("the last way passes no option")


def _size_multiple(model: nn.Module) -> int:
    from timm.layers.patch_embed import PatchEmbed
    from timm.layers.space_to_depth import SpaceToDepth

    for module in model.modules():
        if isinstance(module, SpaceToDepth):  # TResNet
            return int(module.bs)
        if isinstance(module, PatchEmbed) and not module.dynamic_img_pad:
            return int(module.patch_size[0])
    return 1


def _image_settings(config: Any, side: int) -> ImageSettings:
    return ImageSettings(
        size=side, mean=config.mean, std=config.std, interpolation=config.interpolation
    )


def _fingerprint(model: nn.Module) -> str:
    """Tell two random starts apart by their first matrix, so that no cache mixes their features."""
    matrix = next(parameter for parameter in model.parameters() if parameter.ndim > 1)
    if matrix.is_meta:
        return "meta"
    return hashlib.sha256(matrix.detach().cpu().numpy().tobytes()).hexdigest()[:16]
