"""What a process takes of a batch, and what the shares add up to; no process is started here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from imlgcn.config import EmbeddingSettings, FineTuning
from imlgcn.data.features import features_for
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import OPTIONAL, LabelContext
from imlgcn.losses import create_loss
from imlgcn.models import create_head
from imlgcn.training.augmentation import augmented_batches
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.layout import Layout
from imlgcn.training.loop import Shares, split_batch
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.sharing import count_labels, shared_features
from imlgcn.training.stages import embed_labels

SETTINGS = FineTuning(batch_size=4, workers=0)
IMAGE = ImageSettings(size=16, fit="squash")


def of(world):
    """Return the places of so many processes, which are not connected."""
    return [Ranks(Layout(world, rank=rank)) for rank in range(world)]


@pytest.mark.parametrize("reduction", ["sum", "batch", "mean"])
@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("images", [9, 2])
@pytest.mark.parametrize("name", ["linear", "cnn_rnn"])  # whose loss is always a mean
def test_the_losses_of_all_parts_add_up_to_that_of_the_batch(
    name, reduction, world, accumulate, images
):
    generator = torch.Generator().manual_seed(images)
    features = torch.randn(images, 3, 1, 1, generator=generator)
    targets = torch.randint(-1, 2, (images, 5), generator=generator, dtype=torch.int8)
    head = create_head(name, 3, LabelContext.from_targets(list("abcde"), targets.numpy())).eval()
    criterion = create_loss("asymmetric", reduction=reduction)
    parts = [
        part
        for ranks in of(world)
        for part in split_batch(
            features[ranks.mine],
            targets,
            Shares(ranks, lambda targets: head.divisor(targets, criterion), accumulate),
        )
    ]
    total = sum(part.weight * head.loss(part.inputs, part.targets, criterion) for part in parts)
    torch.testing.assert_close(total, head.loss(features, targets, criterion))
    assert len(parts) >= world, "each process takes part in each step"


class InThreads(Ranks):
    """A process that is a thread of this one."""

    def __init__(self, layout, barrier, values):
        super().__init__(layout)
        self.barrier, self.values = barrier, values

    def gather(self, value):
        self.values[self.rank] = value
        self.barrier.wait(30)
        found = list(self.values)
        self.barrier.wait(30)
        return found

    def each_row(self, rows):
        width = max(rows.shape[1:] for rows in self.gather(rows))
        return (part.reshape(-1, *width) for part in self.gather(rows))


def in_threads(world, work):
    """Return what ``work(ranks)`` returns or raises in each of so many processes."""
    barrier, values = Barrier(world), [None] * world

    def run(rank):
        try:
            return work(InThreads(Layout(world, rank=rank), barrier, values))
        except InputError as error:
            return error

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(run, range(world)))


@pytest.mark.parametrize("world", [2, 5])
@pytest.mark.parametrize("unknown", [False, True])
def test_labels_are_counted_once_each_by_all(world, unknown):
    targets = np.random.default_rng(0).integers(-int(unknown), 2, (23, 4)).astype(np.int8)
    one = LabelContext.from_targets(list("abcd"), targets)
    for found in in_threads(world, lambda ranks: count_labels(list("abcd"), targets, ranks)):
        for name in ("pair_counts", "occurrences", "num_images", *OPTIONAL):
            assert np.array_equal(getattr(found, name), getattr(one, name)), name


@pytest.mark.parametrize("images", ["all", "sole", "weighted"])
def test_label_embeddings_are_those_of_all_images(colours, images):
    rng = np.random.default_rng(1)
    values = rng.standard_normal((len(colours), 2, 6)).astype(np.float32)
    features = ImageFeatures(colours, values, {})
    context = LabelContext.named(colours.names)
    settings = EmbeddingSettings(images=images)
    one = embed_labels(context, features, settings)
    for found in in_threads(3, lambda r: embed_labels(context, features, settings, r)):
        for kind, vectors in one.embeddings.items():
            np.testing.assert_allclose(found.embeddings[kind], vectors, atol=1e-5)


def test_shared_features_are_in_order_and_the_unreadable_are_known_to_all(colours, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [*colours.paths[:3], tmp_path / "broken.png", *colours.paths[3:]]
    given = {"settings": IMAGE, "key": "sums", "cache": None}
    seen = []

    def extract(pixels):
        seen.extend(pixel.tobytes() for pixel in pixels)
        return pixels.reshape(len(pixels), -1).sum(1, dtype=np.float32)[:, None]

    one = features_for(paths, extractor=extract, **given)
    once = sorted(seen)
    seen.clear()
    for found in in_threads(4, lambda r: shared_features(paths, r, extractor=extract, **given)):
        assert np.array_equal(found.features, one.features)
        assert np.array_equal(found.rows, one.rows)
        assert np.array_equal(found.contents, one.contents)
        assert found.failed == one.failed
        assert list(found.failed) == [3]
    assert sorted(seen) == once, "each image by one process"


def test_what_stops_one_stops_all_with_its_error(colours):
    def work(ranks):
        def fail():
            if ranks.rank == 2:
                raise InputError("the disk is full")

        return ranks.together(fail)

    assert [str(error) for error in in_threads(3, work)] == 3 * ["the disk is full"]


@pytest.mark.parametrize("world", [2, 3])
def test_the_shares_of_an_epoch_are_the_images_of_one_process(colours, fabric, world):
    train = colours.split("train")
    whole = list(augmented_batches(train, IMAGE, SETTINGS, fabric, seed=(1, 2)))
    shared = [
        list(augmented_batches(train, IMAGE, SETTINGS, fabric, seed=(1, 2), ranks=ranks))
        for ranks in of(world)
    ]
    for (images, targets), *parts in zip(whole, *shared, strict=True):
        found = torch.empty_like(images)
        for ranks, (own, all_targets) in zip(of(world), parts, strict=True):
            found[ranks.mine] = own
            assert torch.equal(all_targets, targets)
        assert torch.equal(found, images), "bit for bit, also of a short last batch"


def test_loading_processes_change_nothing(colours, fabric):
    train = colours.split("train")
    own, loaded = (
        augmented_batches(
            *(train, IMAGE, SETTINGS.model_copy(update={"workers": workers}), fabric), seed=(5, 2)
        )
        for workers in (0, 2)
    )
    for a, b in zip(own, loaded, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_alone_everything_is_immediate():
    assert ALONE.gather("it") == ["it"]
    assert ALONE.add([np.ones(2), 3])[1] == 3
    assert (ALONE.sum(2.5), ALONE.largest(1.5)) == (2.5, 1.5)
    assert ALONE.from_first(lambda: 7) == ALONE.together(lambda: 7) == 7
    assert ALONE.device("cuda:5") == "cuda:5"
