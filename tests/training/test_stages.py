"""The stages on features: a linear head, label embeddings from them, any head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from imlgcn.config import EmbeddingSettings, HeadTraining, LossSettings
from imlgcn.labels.embeddings import image_embeddings, pca_embeddings
from imlgcn.models import HEADS, create_head
from imlgcn.progress import Progress
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import score_features
from imlgcn.training.stages import _shuffled, add_words, embed_labels, train_head

SETTINGS = HeadTraining(epochs=15, batch_size=4, learning_rate=0.05, weight_decay=0.01)


@pytest.fixture
def features(colours):
    """Six channels per image: three of the averages and three others of the maxima tell."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(16, 2, 6)).astype(np.float32) * 0.1
    values[:, 0, :3] += colours.targets
    values[:, 1, 3:] += 2 * colours.targets
    return ImageFeatures(colours, values, {})


@pytest.fixture
def parts(features):
    return features.split("train")[1], features.split("val")[1]


@pytest.fixture
def train(parts, fabric):
    def run(head, *, seed=0, settings=SETTINGS, loss=None, **options):
        rows = []
        train_head(
            head,
            *parts,
            settings=settings,
            loss=loss or LossSettings(),
            seed=seed,
            fabric=fabric,
            log=rows.append,
            **options,
        )
        return rows

    return run


@pytest.fixture
def described(context, parts):
    return embed_labels(context, parts[0], EmbeddingSettings())


@pytest.mark.parametrize("name", ["linear", "mlp", "iml_gcn"])
def test_every_head_learns_and_logs_each_epoch(train, described, name):
    torch.manual_seed(0)
    head = create_head(name, 6, described, dropout=0.0)
    rows = train(head, stage="a head")
    assert [row["epoch"] for row in rows] == list(range(1, 16))
    assert {row["stage"] for row in rows} == {"a head"}
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[-1]["val_mAP"] > 90
    assert not head.training


def test_a_head_on_maps_learns_where_in_the_image_a_label_is(context, features, fabric):
    """Each label marks one channel at one place: nothing else in the map tells it."""
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(16, 6, 3, 3)).astype(np.float16) * np.float16(0.1)
    maps[:, :3, 1, 2] += 3 * features.dataset.targets
    shown = replace(features, maps=(maps,))
    head, rows = create_head("csra", 6, context), []
    train_head(
        head,
        shown.split("train")[1],
        shown.split("val")[1],
        settings=SETTINGS,
        loss=LossSettings(),
        seed=0,
        fabric=fabric,
        log=rows.append,
    )
    assert rows[-1]["val_mAP"] > 90


def test_a_head_is_trained_on_the_pooling_it_asks_for(train, context, parts):
    for pooling, told in (("avg", slice(0, 3)), ("max", slice(3, 6))):
        head = create_head("linear", 6, context, pooling=pooling)
        train(head)
        strength = head.linear.weight.detach().abs()
        assert strength[:, told].diagonal().min() > strength.mean()
        assert score_features(head, parts[1].pooled(pooling)).shape == (5, 3)


def test_the_same_seed_gives_the_same_weights_whatever_happened_before(train, context):
    weights = []
    for seed in (0, 0, 1):
        torch.rand(len(weights) + 1)
        head = create_head("linear", 6, context, dropout=0.5)
        train(head, seed=seed)
        weights.append(head.linear.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_validation_data_reach_the_log_and_not_the_weights(train, context, parts, fabric):
    one, other = (create_head("linear", 6, context) for _ in range(2))
    rows = train(one)
    flipped = replace(
        parts[1], dataset=replace(parts[1].dataset, targets=1 - parts[1].dataset.targets)
    )
    log = []
    train_head(
        other,
        parts[0],
        flipped,
        settings=SETTINGS,
        loss=LossSettings(),
        seed=0,
        fabric=fabric,
        log=log.append,
    )
    assert torch.equal(one.linear.weight, other.linear.weight)
    assert log[-1]["val_mAP"] < rows[-1]["val_mAP"]


def test_a_target_that_is_unknown_moves_nothing(train, context, parts):
    before = create_head("linear", 6, context)
    parts[0].dataset.targets[:, 1] = -1
    head = create_head("linear", 6, context)
    train(head, settings=SETTINGS.model_copy(update={"weight_decay": 0.0}))
    assert torch.equal(head.linear.weight[1], before.linear.weight[1])
    assert not torch.equal(head.linear.weight[0], before.linear.weight[0])


def test_the_bar_counts_every_image_of_every_epoch(train, context):
    class Counting(Progress):
        total, done = 0, 0

        def bar(self, stage, total, unit="images"):
            from contextlib import contextmanager

            @contextmanager
            def counter():
                self.total = total
                yield lambda count: setattr(self, "done", self.done + count)

            return counter()

    progress = Counting()
    train(create_head("linear", 6, context), progress=progress)
    assert progress.done == progress.total == 15 * 11


def test_an_epoch_takes_every_image_once_in_an_order_of_its_own():
    torch.manual_seed(0)
    features, targets = torch.arange(11.0), torch.arange(11)
    orders = []
    for _ in range(2):
        batches = list(_shuffled(features, targets, 4, torch.device("cpu")))
        assert [len(batch) for batch, _ in batches] == [4, 4, 3]
        assert all(torch.equal(x.long(), y) for x, y in batches), "features keep their targets"
        orders.append(torch.cat([y for _, y in batches]).tolist())
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(11))


@pytest.mark.parametrize("centred", [True, False])
def test_embeddings_come_from_the_average_pooled_training_features(context, parts, centred):
    settings = EmbeddingSettings(centred=centred, unit_rms=centred)
    found = embed_labels(context, parts[0], settings)
    f_i = image_embeddings(
        parts[0].values[:, 0],
        parts[0].dataset.targets,
        centred=centred,
        unit_rms=centred,
    )
    np.testing.assert_allclose(found.embedding("image"), f_i)
    expected = pca_embeddings(f_i, centred=centred, unit_rms=centred)
    np.testing.assert_allclose(found.embedding("image_pca"), expected)
    assert found.embedding("image_pca").shape == (3, 2 if centred else 3)
    assert found.names == context.names


def test_the_dimension_asked_for_is_that_of_the_nodes(context, parts):
    found = embed_labels(context, parts[0], EmbeddingSettings(dimension=1))
    assert found.embedding("image_pca").shape == (3, 1)


def test_words_are_read_from_a_file_and_missing_ones_are_said(context, tmp_path):
    (tmp_path / "glove.txt").write_text("blue 1 2\nred 3 -4\nother 5 6\n")
    said = []
    progress = Progress()
    progress.say = said.append
    found = add_words(context, str(tmp_path / "glove.txt"), progress)
    np.testing.assert_allclose(found.embedding("words")[[0, 2]], [[1, 2], [3, -4]])
    assert len(said) == 1
    assert "no word vector for: green" in said[0]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_trains_on_what_it_asks_for_vectors_or_maps(features, context, fabric, name):
    torch.manual_seed(0)
    words = {"words": np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)}
    described = embed_labels(context, features.split("train")[1], EmbeddingSettings())
    described = described.with_embeddings(**words)
    maps = np.broadcast_to(features.values[:, 0, :, None, None], (16, 6, 4, 4)).astype(np.float16)
    with_maps = replace(features, maps=(maps, maps[:, :, ::2, ::2]))
    head = create_head(name, 6, described)
    rows = []
    train_head(
        head,
        with_maps.split("train")[1],
        with_maps.split("val")[1],
        settings=HeadTraining(epochs=20, learning_rate=3e-3, weight_decay=0.0, batch_size=4),
        loss=LossSettings(),
        seed=0,
        fabric=fabric,
        log=rows.append,
    )
    assert head.closed_form or rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["val_mAP"] > 0
    assert score_features(head, with_maps.split("val")[1].inputs(head)).shape == (5, 3)
