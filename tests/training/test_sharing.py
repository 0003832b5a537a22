"""What a process takes of a batch, and what the shares add up to; no process is started here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from torch.nn import functional

from imlgcn.config import EmbeddingSettings, FineTuning
from imlgcn.data.features import features_for
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import OPTIONAL, LabelContext
from imlgcn.losses import create_loss
from imlgcn.models import HEADS, create_head
from imlgcn.training.augmentation import augmented_batches
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.layout import Layout
from imlgcn.training.loop import Part, Shares, split_batch
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.row_draws import RowDraws
from imlgcn.training.sharing import count_labels, shared_features
from imlgcn.training.stages import embed_labels

SETTINGS = FineTuning(batch_size=4, workers=0)
IMAGE = ImageSettings(size=16, fit="squash")


def of(world):
    """Return the places of so many processes, which are not connected."""
    return [Ranks(Layout(world, rank=rank)) for rank in range(world)]


def parts_of(head, criterion, features, targets, world, accumulate):
    """Return the parts that all of so many processes take of a batch."""
    shares = [
        Shares(ranks, lambda targets: head.divisor(targets, criterion), accumulate)
        for ranks in of(world)
    ]
    return [
        part for each in shares for part in split_batch(features[each.ranks.mine], targets, each)
    ]


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
    parts = parts_of(head, criterion, features, targets, world, accumulate)
    total = sum(part.weight * head.loss(part.inputs, part.targets, criterion) for part in parts)
    torch.testing.assert_close(total, head.loss(features, targets, criterion))
    assert len(parts) >= world, "each process takes part in each step"


# their attention drops weights within torch
DRAW_WITHIN = ("c_tran", "ml_decoder", "query2label")
BY_ROWS = [
    name
    for name, head in HEADS.items()
    if not head.closed_form and head.feature_levels == 1 and name not in DRAW_WITHIN
]


@pytest.mark.parametrize("name", [*BY_ROWS, "c_tran"])
def test_what_a_head_draws_belongs_to_the_image_whoever_computes_it(name):
    """Dropout and hidden labels: the losses of all parts add up to that of the batch."""
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(7, 16, 3, 2, generator=generator).abs()
    targets = torch.randint(0, 2, (7, 6), generator=generator, dtype=torch.int8)
    vectors = {kind: np.eye(6, dtype=np.float32) for kind in ("words", "image", "image_pca")}
    context = LabelContext.from_targets(list("abcdef"), targets.numpy(), vectors)
    options = {"dropout": 0.0} if name in DRAW_WITHIN else {}
    head = create_head(name, 16, context, **options).train()
    if head.pooling is not None:
        features = features.mean((2, 3), keepdim=True)
    criterion = create_loss("asymmetric")

    def loss(part):
        torch.manual_seed(5)
        with torch.no_grad(), part.draws:
            return part.weight * head.loss(part.inputs, part.targets, criterion)

    whole = loss(Part(features, targets))
    for world, accumulate in ((2, 1), (3, 1), (1, 2), (2, 3)):
        parts = parts_of(head, criterion, features, targets, world, accumulate)
        torch.testing.assert_close(sum(map(loss, parts)), whole)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("drop", ["dropout", "dropout1d"])
def test_a_part_drops_what_the_batch_drops_in_any_order_of_memory(axes, drop):
    def ones(images):
        """Return ones (images, 4, 3) that lie in memory in another order."""
        order = [axes.index(axis) for axis in range(3)]
        return torch.ones(images, 4, 3).permute(order).contiguous().permute(axes)

    rows = torch.tensor([1, 4])
    torch.manual_seed(1)
    whole = getattr(functional, drop)(ones(5), 0.5)
    torch.manual_seed(1)
    with RowDraws(rows, 5):
        part = getattr(functional, drop)(ones(2), 0.5)
        assert getattr(functional, drop)(ones(2), 0.5, training=False).all()
    assert torch.equal(part, whole[rows])
    assert not part.all()


def test_numbers_that_are_not_of_rows_are_drawn_as_ever():
    with RowDraws(torch.tensor([0]), 3):
        torch.manual_seed(2)
        found = torch.rand(4), torch.rand_like(torch.ones(2, 2)), torch.rand((2, 1))
    torch.manual_seed(2)
    wanted = torch.rand(4), torch.rand_like(torch.ones(2, 2)), torch.rand((2, 1))
    assert all(map(torch.equal, found, wanted))


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
