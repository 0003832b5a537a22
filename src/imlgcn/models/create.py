"""Backbones by timm name: look up, build at an input size, load weights."""

from __future__ import annotations

import difflib
import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.models.backbones import Backbone
from imlgcn.models.joined import JOIN, JoinedBackbone
from imlgcn.models.weights import EMBEDDED, load_embedded, load_file, load_from_hub


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
            Names joined by "+": see `imlgcn.models.joined.JoinedBackbone`; the default size is
            then the largest of theirs.
        weights: a local file to load; then nothing is fetched.
        pretrained: load weights: the installed ones or those of the timm hub. False = random.
        size: input size in pixels; None is that of the weights.
    """
    if JOIN in name:
        return _create_joined(name, weights=weights, pretrained=pretrained, size=size)
    architecture = EMBEDDED.get(name, name.removeprefix("timm/"))
    config = _pretrained_config(name, architecture)
    side = size or int(config.input_size[-1])
    build = partial(_build, architecture, config, side)

    _check_size(name, side)
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
        raise InputError(f"timm has no weights for {name}; give a file (weights=FILE)")
    else:
        model, fixed_size = load_from_hub(name, partial(build, pretrained=True))
        weights_id = f"hub:{config.architecture}.{config.tag}"
    return _wrap(name, model, config, side, fixed_size, weights_id)


@lru_cache(maxsize=256)
def _check_size(name: str, side: int) -> None:
    """Refuse a size that the network cannot take, before anything is fetched."""
    architecture = EMBEDDED.get(name, name.removeprefix("timm/"))
    config = _pretrained_config(name, architecture)
    with torch.device("meta"):
        model, fixed_size = _build(architecture, config, side, pretrained=False)
        _wrap(name, model, config, side, fixed_size, "meta")


def _wrap(
    name: str, model: nn.Module, config: Any, side: int, fixed_size: int | None, weights_id: str
) -> Backbone:
    """Return the model as a backbone; its size is checked."""
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


def _create_joined(
    name: str, *, weights: Path | str | None, pretrained: bool, size: int | None
) -> Backbone:
    if weights is not None:
        raise InputError(
            f"one file holds the weights of one backbone, not of {name}; leave weights= out"
        )
    names = [part.strip() for part in name.split(JOIN)]
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
    """Return the model and its input size if that is fixed, else None."""
    import timm

    native = int(config.input_size[-1])
    ways: list[tuple[dict[str, Any], int | None]] = [({}, None)]
    if config.fixed_input_size:  # timm has no common option: try the most flexible first
        ways = [({"dynamic_img_size": True}, None), ({"img_size": side}, side), ({}, native)]
    for options, fixed_size in ways:
        try:
            model: nn.Module = timm.create_model(
                architecture, pretrained=pretrained, num_classes=0, global_pool="", **options
            )
        except AssertionError as error:
            raise InputError(
                f"timm cannot build {architecture} as a feature map for input size {side}: {error}"
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
    """Return a hash of the first matrix: it tells random initialisations apart in the cache."""
    matrix = next(parameter for parameter in model.parameters() if parameter.ndim > 1)
    if matrix.is_meta:
        return "meta"
    return hashlib.sha256(matrix.detach().cpu().numpy().tobytes()).hexdigest()[:16]
