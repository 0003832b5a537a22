"""Features of a frozen backbone, from the cache or computed once.

Shapes: B batch, C channels, S input size, N images.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imlgcn.config import InputError
from imlgcn.data.dataset import Dataset
from imlgcn.data.features import features_for
from imlgcn.engines.allocator import raise_thresholds
from imlgcn.engines.device import batch_size, choose_device
from imlgcn.engines.torch import throughput_threads
from imlgcn.files import cache_dir
from imlgcn.models import Backbone, Head, PixelInput
from imlgcn.models.folding import fold_batch_norms
from imlgcn.models.layers import POOLINGS, pool
from imlgcn.numbers import number, plural
from imlgcn.progress import SILENT, Progress

Inputs = Tensor | tuple[Tensor, ...]  # one row per image


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of the images of a data set that could be read."""

    dataset: Dataset  # without the images that failed
    values: NDArray[np.float32]  # (N, 2, C): mean and maximum over the map
    failed: dict[str, str]  # image -> why it could not be read
    maps: tuple[NDArray[np.float16], ...] = ()  # (N, C, H, W) each, deepest last; see extract_maps

    def pooled(self, how: str) -> Tensor:
        """Return the features ``(N, C, 1, 1)`` pooled by ``avg`` or ``max``."""
        return torch.from_numpy(self.values[:, POOLINGS.index(how), :, None, None].copy())

    def inputs(self, head: Head) -> Inputs:
        """Return what ``head`` takes: vectors ``(N, C, 1, 1)``, a map, or a tuple of maps."""
        if head.pooling is not None:
            return self.pooled(head.pooling)
        maps = tuple(torch.from_numpy(level) for level in self.maps[-head.feature_levels :])
        assert len(maps) == head.feature_levels, "extract_maps comes first"
        return maps if head.feature_levels > 1 else maps[0]

    def split(self, name: str) -> tuple[Dataset, ImageFeatures]:
        """Return one split of the data set and its features."""
        found = self.select(np.flatnonzero([r.split == name for r in self.dataset.records]))
        return found.dataset, found

    def select(self, rows: NDArray[np.int64]) -> ImageFeatures:
        """Return the images at ``rows`` with their features, in that order."""
        maps = tuple(level[rows] for level in self.maps)
        return ImageFeatures(self.dataset.select(rows), self.values[rows], {}, maps)


def extract_features(
    backbone: Backbone,
    dataset: Dataset,
    *,
    strict: bool = False,
    use_cache: bool = True,
    device: str = "auto",
    progress: Progress = SILENT,
    stage: str = "features",
) -> ImageFeatures:
    """Return the pooled features of every readable image of ``dataset``.

    The cache key holds the backbone's weights, the preprocessing and the runtime; an image is found
    by its content, so files may move. The backbone is left on ``device``.

    Raises:
        InputError: there is no such device, ``strict`` and an image cannot be read, or none can.
    """
    raise_thresholds()
    with throughput_threads(device) as streams:
        table = features_for(
            dataset.paths,
            extractor=pooling_extractor(backbone, device),
            settings=backbone.image_settings,
            key=f"torch pooled folded {backbone.name} {weights_hash(backbone)}",
            cache=cache_dir() / "features" if use_cache else None,
            batch_size=batch_size(choose_device(device)),
            streams=streams,
            progress=progress,
            stage=stage,
        )
    failed = {dataset.records[row].name: why for row, why in table.failed.items()}
    if failed and (strict or not len(table.rows)):
        first = next(iter(table.failed.values()))
        raise InputError(
            f"{number(len(failed), 0)} of {plural(len(dataset), 'image')} cannot be read; first: "
            f"{first}"
        )
    return ImageFeatures(dataset.select(table.rows), table.features, failed)


def extract_maps(
    backbone: Backbone,
    features: ImageFeatures,
    levels: int = 1,
    *,
    use_cache: bool = True,
    progress: Progress = SILENT,
) -> ImageFeatures:
    """Return ``features`` with the last ``levels`` maps of every image, in half precision."""
    raise_thresholds()
    network = backbone.eval()
    side = backbone.image_settings.size
    device = next(network.parameters()).device
    normalize = PixelInput(backbone.image_settings).to(device)

    @torch.inference_mode()
    def compute(pixels: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        found = network(normalize(torch.from_numpy(pixels).to(device)), levels)
        return found if isinstance(found, tuple) else (found,)

    def extract(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = (
            torch.cat([level.flatten(1) for level in compute(images)], 1).float().cpu().numpy()
        )
        return rows

    with throughput_threads(str(device)) as streams:
        table = features_for(
            features.dataset.paths,
            extractor=extract,
            settings=backbone.image_settings,
            key=f"torch maps {levels} {backbone.name} {weights_hash(backbone)}",
            cache=cache_dir() / "features" if use_cache else None,
            streams=streams,
            batch_size=batch_size(device),
            dtype="float16",
            progress=progress,
            stage="feature maps",
        )
    if table.failed:
        raise InputError(
            f"images became unreadable during training; first: {min(table.failed.values())}"
        )
    shapes = [level.shape[1:] for level in compute(np.zeros((1, side, side, 3), np.uint8))]
    ends = np.cumsum([shape.numel() for shape in shapes])[:-1]
    parts = np.split(table.features, ends, axis=1)
    maps = tuple(part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True))
    return replace(features, maps=maps)


def pooling_extractor(
    backbone: Backbone, device: str = "auto"
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return a function from pixels ``(B, S, S, 3)`` to mean and maximum ``(B, 2, C)``.

    The backbone's batch norms are folded into its convolutions, in a copy.
    """
    target = choose_device(device)
    network: Backbone = backbone.eval().to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    lock = threading.Lock()

    @cache
    def folded() -> nn.Module:  # only when there is an image to extract: it takes a second
        return fold_batch_norms(network, backbone.image_settings.size)

    normalize = PixelInput(backbone.image_settings).to(target)

    @torch.inference_mode()
    def extract(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with lock:
            fast = folded()
        features = fast(normalize(torch.from_numpy(pixels).to(target)))
        both = torch.stack([pool(features, how) for how in POOLINGS], dim=1)  # (B, 2, C)
        result: NDArray[np.float32] = both.float().cpu().numpy()
        return result

    return extract


def weights_hash(module: nn.Module) -> str:
    """Return the SHA-256 of a module's state: names, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
