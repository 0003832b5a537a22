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

from imlgcn.data.dataset import Dataset
from imlgcn.data.mapped_rows import MappedRows, select_rows
from imlgcn.engines.allocator import raise_thresholds
from imlgcn.engines.device import batch_size, choose_device
from imlgcn.engines.torch import throughput_threads
from imlgcn.errors import InputError
from imlgcn.files import cache_dir
from imlgcn.models import Backbone, PixelInput
from imlgcn.models.folding import fold_batch_norms
from imlgcn.models.kernel_stages import MOST_STAGES
from imlgcn.models.layers import POOLINGS, pool
from imlgcn.models.scorer import Scorer
from imlgcn.numbers import number, plural
from imlgcn.progress import SILENT, Progress
from imlgcn.training.levels import Inputs, Level, level_of
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.sharing import shared_features

Values = NDArray[np.float32] | MappedRows


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of the images of a data set that could be read."""

    dataset: Dataset  # without the images that failed
    values: Values  # (N, 2, C): mean and maximum over the map
    failed: dict[str, str]  # image -> why it could not be read
    stages: tuple[
        NDArray[np.float32] | MappedRows, ...
    ] = ()  # (N, C_s) each: means of the blocks before
    maps: tuple[NDArray[np.float16] | MappedRows, ...] = ()  # (N, C, H, W) each, deepest last
    contents: NDArray[np.uint64] | None = None  # (N,) of the files; None: they do not come of files

    @property
    def stay_in_files(self) -> bool:
        """Whether the values are larger than memory and stay in the files of the cache."""
        return isinstance(self.values, MappedRows)

    def pooled(self, how: str) -> Level:
        """Return the features ``(N, C, 1, 1)`` pooled by ``avg`` or ``max``."""
        which = POOLINGS.index(how)
        if isinstance(self.values, MappedRows):
            C = self.values.tail[-1]
            return level_of(self.values.take_columns(which * C, (which + 1) * C, (C,)), C, 1, 1)
        return torch.from_numpy(self.values[:, which, :, None, None].copy())

    def means(self) -> NDArray[np.float32]:
        """Return the means over the map ``(N, C)``, in memory."""
        means: NDArray[np.float32] = self.pooled("avg")[:].flatten(1).numpy()
        return means

    def inputs(self, head: Scorer) -> Inputs:
        """Return what ``head`` takes: vectors ``(N, C, 1, 1)``, maps, or a tuple of these."""
        before = head.feature_levels - 1
        if head.pooling is None:
            levels = tuple(level_of(level, *level.shape[1:]) for level in self.maps[-1 - before :])
        else:
            means = self.stages[len(self.stages) - before :]
            earlier = (level_of(level, level.shape[1], 1, 1) for level in means)
            levels = (*earlier, self.pooled(head.pooling))
        assert len(levels) == head.feature_levels, "extract_maps comes first"
        return levels if before else levels[0]

    def select(self, rows: NDArray[np.intp]) -> ImageFeatures:
        """Return the features of some images, by their numbers, in that order."""
        return ImageFeatures(
            self.dataset.select(rows),
            select_rows(self.values, rows),
            {},
            tuple(select_rows(level, rows) for level in self.stages),
            tuple(select_rows(level, rows) for level in self.maps),
            None if self.contents is None else self.contents[rows],
        )

    def split(self, name: str) -> tuple[Dataset, ImageFeatures]:
        """Return one split of the data set and its features."""
        part = self.select(np.flatnonzero([r.split == name for r in self.dataset.records]))
        return part.dataset, part


def extract_features(
    backbone: Backbone,
    dataset: Dataset,
    *,
    strict: bool = False,
    use_cache: bool = True,
    device: str = "auto",
    progress: Progress = SILENT,
    stage: str = "features",
    ranks: Ranks = ALONE,
) -> ImageFeatures:
    """Return the pooled features of every readable image of ``dataset``, and those of blocks.

    The cache key holds the backbone's weights, the preprocessing and the runtime; an image is found
    by its content, so files may move. The backbone is left on ``device``. Of several ``ranks`` each
    extracts its share, and all return the same.

    Raises:
        InputError: there is no such device, ``strict`` and an image cannot be read, or none can.
    """
    raise_thresholds()
    network = f"{backbone.name} {weights_hash(backbone)}"
    with throughput_threads(device) as streams:
        table = shared_features(
            dataset.paths,
            ranks,
            extractor=pooling_extractor(backbone, device),
            settings=backbone.image_settings,
            key=f"torch pooled folded blocks {MOST_STAGES} {network}",
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
    kept = dataset.select(table.rows)
    return features_of_rows(backbone, kept, table.features, failed, table.contents)


def features_of_rows(
    backbone: Backbone,
    dataset: Dataset,
    rows: NDArray[np.float32] | MappedRows,
    failed: dict[str, str] | None = None,
    contents: NDArray[np.uint64] | None = None,
) -> ImageFeatures:
    """Return what :func:`pooling_extractor` made of the images of ``dataset``, one row each."""
    *stages, C = _channels(backbone)
    if isinstance(rows, MappedRows):
        own = rows.take_columns(0, 2 * C, (2, C))
        ends = np.cumsum([2 * C, *stages])[1:]
        blocks = tuple(rows.take_columns(b - n, b, (n,)) for b, n in zip(ends, stages, strict=True))
        return ImageFeatures(dataset, own, failed or {}, blocks, contents=contents)
    values = np.ascontiguousarray(rows[:, : 2 * C]).reshape(-1, 2, C)
    ends = np.cumsum([2 * C, *stages])[:-1]
    means = tuple(map(np.ascontiguousarray, np.split(rows, ends, axis=1)[1:]))
    return ImageFeatures(dataset, values, failed or {}, means, contents=contents)


def extract_maps(
    backbone: Backbone,
    features: ImageFeatures,
    levels: int = 1,
    *,
    use_cache: bool = True,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
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
        table = shared_features(
            features.dataset.paths,
            ranks,
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
    sizes = [shape.numel() for shape in shapes]
    ends = np.cumsum(sizes)[:-1]
    if isinstance(rows := table.features, MappedRows):
        each = zip(np.cumsum(sizes), sizes, shapes, strict=True)
        maps = tuple(rows.take_columns(b - n, b, tuple(shape)) for b, n, shape in each)
        return replace(features, maps=maps)
    parts = np.split(rows, ends, axis=1)
    whole = tuple(part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True))
    return replace(features, maps=whole)


class _Means(nn.Module):
    """A backbone and what is cached of it: mean and maximum of its map, then means of blocks."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.levels = backbone, len(_channels(backbone))

    def forward(self, images: Tensor) -> Tensor:
        """Return one row per image, ``(B, 2 C + C_1 + C_2)``."""
        features = self.backbone(images, self.levels, means=True)
        *earlier, last = features if isinstance(features, tuple) else (features,)
        parts = [pool(last, how) for how in POOLINGS] + [level.flatten(1) for level in earlier]
        return torch.cat(parts, 1)


def _channels(backbone: Backbone) -> tuple[int, ...]:
    """Return the channels of the blocks whose means are cached, and C, which comes last."""
    levels = min(1 + MOST_STAGES, backbone.num_levels(means=True))
    found = backbone.channels(levels, means=True)
    return found if isinstance(found, tuple) else (found,)


def pooling_extractor(
    backbone: Backbone, device: str = "auto"
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return a function from pixels ``(B, S, S, 3)`` to rows ``(B, 2 C + C_1 + C_2)``.

    They hold mean and maximum of the map, then the means of the blocks before it, deepest last.
    The backbone's batch norms are folded into its convolutions, in a copy.
    """
    target = choose_device(device)
    network: Backbone = backbone.eval().to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    lock = threading.Lock()

    @cache
    def folded() -> nn.Module:  # only when there is an image to extract: it takes a second
        return fold_batch_norms(_Means(network), backbone.image_settings.size)

    normalize = PixelInput(backbone.image_settings).to(target)

    @torch.inference_mode()
    def extract(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with lock:
            fast = folded()
        rows = fast(normalize(torch.from_numpy(pixels).to(target)))
        result: NDArray[np.float32] = rows.float().cpu().numpy()
        return result

    return extract


def weights_hash(module: nn.Module) -> str:
    """Return the SHA-256 of a module's state: names, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
