"""What :mod:`benchmarks.scale` measures: each stage of a training and of its use, by N and L.

A stage is a function of :class:`Data` that makes what it needs and returns the work to be measured.
Letters: N images, L labels, C channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import train_settings
from imlgcn.data.dataset import Dataset, Record
from imlgcn.data.mapped_rows import MappedRows
from imlgcn.files import cache_dir
from imlgcn.labels.context import LabelContext
from imlgcn.memory import new_array
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.held_out import FOLDS, Lesson

C = 1280  # of EfficientNet-Lite0
LANDMARKS = 2800  # in place of 14,000: minutes, not hours
LABELS_PER_IMAGE = 5  # drawn; an image has 3 to 8, without those that were drawn twice
Work = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Data:
    """Images with labels of a Zipf law, features that show the labels, and scores.

    Attributes:
        N, L: images and labels.
    """

    N: int
    L: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(f"label {index}" for index in range(self.L))

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Image and label of each present entry."""
        generator = np.random.default_rng(self.N + self.L)
        count = np.clip(generator.poisson(LABELS_PER_IMAGE, self.N), 3, 8)
        frequency = 1 / (np.arange(self.L) + 10.0)
        images = np.repeat(np.arange(self.N), count)
        return images, generator.choice(self.L, len(images), p=frequency / frequency.sum())

    @cached_property
    def targets(self) -> NDArray[np.int8]:
        found = np.zeros((self.N, self.L), np.int8)
        found[self.pairs] = 1
        return found

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        generator = np.random.default_rng(1)
        found = generator.standard_normal((self.N, self.L), dtype=np.float32)
        found -= 4
        found[self.pairs] += 3
        return found

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Features (N, C), 0 or more: noise, and a direction for each of a hundred topics.

        Of many they are in a file, as the cache keeps them.
        """
        generator = np.random.default_rng(2)
        topics = generator.standard_normal((100, C), dtype=np.float32)
        first = self.pairs[1][np.searchsorted(self.pairs[0], np.arange(self.N))]
        found = new_array((self.N, C), np.float32, cache_dir())
        for start in range(0, self.N, 8192):
            part = slice(start, start + 8192)
            noise = generator.standard_normal(found[part].shape, dtype=np.float32)
            np.maximum(noise + topics[first[part] % 100], 0, out=found[part])
        return found

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        return np.random.default_rng(3).integers(0, FOLDS, self.N)

    @cached_property
    def dataset(self) -> Dataset:
        rows, labels = self.pairs
        each = np.split(labels, np.searchsorted(rows, np.arange(1, self.N)))
        records = tuple(
            Record(f"{row}.jpg", Path(f"{row}.jpg"), tuple(self.names[j] for j in {*own.tolist()}))
            for row, own in enumerate(each)
        )
        return Dataset(self.names, records, self.targets, "csv", "")

    @property
    def features(self) -> ImageFeatures:
        """The mean is given as the maximum as well, or alone: no head here uses both."""
        if isinstance(self.vectors, np.memmap):
            rows = np.arange(self.N, dtype=np.int32)
            mapped = MappedRows([self.vectors], 0 * rows, rows, slice(0, C), (2, C))
            return ImageFeatures(self.dataset, mapped, {})
        values = np.lib.stride_tricks.as_strided(
            self.vectors, (self.N, 2, C), (self.vectors.strides[0], 0, 4), writeable=False
        )
        return ImageFeatures(self.dataset, values, {})

    @property
    def lesson(self) -> Lesson:
        return Lesson(self.features, np.arange(self.N), self.folds)

    @property
    def context(self) -> LabelContext:
        return LabelContext.from_targets(self.names, self.targets)


def count(data: Data) -> Work:
    """Counts of labels and pairs."""
    targets = data.targets
    return lambda: LabelContext.from_targets(data.names, targets)


def embed(data: Data) -> Work:
    """F_I and F_PCA."""
    from imlgcn.training.stages import embed_labels

    context, features = data.context, data.features
    settings = train_settings().label_embeddings
    return lambda: embed_labels(context, features, settings)


def _epoch(data: Data, name: str) -> Work:
    from imlgcn.models import HEADS, create_head, head_options
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.stages import describe_labels, train_head

    settings = train_settings({"head_training": HEADS[name].TRAINING.get("small", {})})
    features, options = data.features, head_options(name, "small")
    context = describe_labels(data.context, options, features, settings)
    head = create_head(name, C, context, **options)
    fabric = create_fabric("cpu")
    one = settings.head_training.model_copy(update={"epochs": 1})
    how = {"settings": one, "loss": settings.loss, "seed": 0, "fabric": fabric}
    return lambda: train_head(head, features, None, **how)


def linear(data: Data) -> Work:
    """An epoch of the head linear."""
    return _epoch(data, "linear")


def iml_gcn(data: Data) -> Work:
    """An epoch of the head iml_gcn."""
    return _epoch(data, "iml_gcn")


def _few_landmarks() -> None:
    """Fit with so few landmarks that a million images would take an hour, not a day.

    No block of the kernel is kept: how many are depends on the memory, and up to the size that it
    has room for they save most of the work. That is a step at this size, and no growth.
    """
    from imlgcn.models import falkon

    falkon.SHARE_KEPT = 0.0
    falkon.Falkon.__init__.__kwdefaults__["most"] = LANDMARKS  # type: ignore[index]


def kernel(data: Data) -> Work:
    """The fit of the head kernel; beyond 20,000 images with 2,800 landmarks, no block kept."""
    from imlgcn.models import create_head

    _few_landmarks()
    head = create_head("kernel", C, LabelContext.named(data.names))
    features, targets = torch.from_numpy(data.vectors[:, :, None, None]), data.targets
    return lambda: head.fit(features, torch.from_numpy(targets))


def held_out(data: Data) -> Work:
    """Out-of-fold scores of the head kernel, likewise."""
    from imlgcn.models import create_head
    from imlgcn.training.held_out import exact_out_of_fold

    _few_landmarks()
    head, lesson = create_head("kernel", C, LabelContext.named(data.names)), data.lesson
    return lambda: exact_out_of_fold(head, lesson)


def duplicates(data: Data) -> Work:
    """Near duplicates among thumbnails."""
    from imlgcn.data.near_duplicates import near_pairs

    images = thumbnails(data.N)
    return lambda: near_pairs(images)


def thumbnails(count: int) -> NDArray[np.uint8]:
    """Return thumbnails (N, 16, 17, 3) whose amplitudes fall as one over the frequency.

    Three quarters of the variance is that of brightness; one in a hundred is a duplicate.
    """
    generator = np.random.default_rng(4)
    y, x = np.fft.fftfreq(16)[:, None], np.fft.rfftfreq(17)[None]
    fall = 1 / np.maximum(np.hypot(y, x), 1 / 17)
    fall[0, 0] = 0
    found = np.empty((count, 16, 17, 3), np.uint8)
    for start in range(0, count, 4096):
        n = min(4096, count - start)
        noise = generator.standard_normal((n, 4, 16, 17), dtype=np.float32)
        fields = np.fft.irfft2(np.fft.rfft2(noise) * fall, (16, 17))  # (n, 4, 16, 17)
        fields /= fields.std((2, 3), keepdims=True)
        image = 3**0.5 * fields[:, :1] + fields[:, 1:]  # (n, 3, 16, 17)
        found[start : start + n] = np.clip(128 + 25 * image, 0, 255).transpose(0, 2, 3, 1)
    again = generator.choice(count, (2, count // 100), replace=False)
    changed = found[again[0]].astype(np.int16) + generator.integers(-2, 3, (16, 17, 3))
    found[again[1]] = np.clip(changed, 0, 255)
    return found


def stratify(data: Data) -> Work:
    """Five folds, stratified by labels."""
    from imlgcn.data.folds import grouped_folds

    dataset, groups = data.dataset, np.arange(data.N)
    return lambda: grouped_folds(dataset, groups=groups)


def split(data: Data) -> Work:
    """A stratified split, with its table."""
    from imlgcn.data.split import split_dataset

    dataset, groups = data.dataset, np.arange(data.N)
    return lambda: split_dataset(dataset, groups=groups)


def check(data: Data) -> Work:
    """Counts of labels, and questions about them and their names."""
    from imlgcn.data.check_labels import count_labels, label_problems
    from imlgcn.data.guard import misread

    def work() -> None:
        labels = count_labels(dataset)
        list(misread(dataset, labels))
        list(label_problems(dataset, labels, 10))

    dataset = data.dataset
    return work


def support(data: Data) -> Work:
    """The images that the head has learnt, as they are written."""
    from imlgcn.models import create_head
    from imlgcn.tagger.support import write_support
    from imlgcn.training.support import fitted_support

    lesson, head = data.lesson, create_head("linear", C, LabelContext.named(data.names))
    folder = tempfile.TemporaryDirectory()
    file = Path(folder.name) / "support.parquet"
    return lambda: (write_support(file, fitted_support(lesson, head)), folder)[0]
