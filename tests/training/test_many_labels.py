"""Heads train on thousands of labels without a matrix of images or of labels by labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.many_labels import measure, run_case, zipf_targets

from imlgcn.config import EmbeddingSettings, HeadTraining, LossSettings
from imlgcn.data.dataset import Dataset, Record
from imlgcn.labels.context import LabelContext
from imlgcn.models import create_head
from imlgcn.models.layers import FoldedHead
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import score_features
from imlgcn.training.stages import embed_labels, train_head

IMAGES, LABELS, CHANNELS = 256, 2_000, 24


@pytest.fixture(scope="module")
def features():
    """Features in which each label has a direction of its own."""
    targets = zipf_targets(IMAGES, LABELS)
    names = tuple(f"label {index}" for index in range(LABELS))
    records = tuple(Record(str(index), Path(str(index))) for index in range(IMAGES))
    data = Dataset(names, records, targets, "made", "made")
    random = np.random.default_rng(0)
    directions = random.standard_normal((LABELS, CHANNELS)).astype(np.float32)
    values = random.standard_normal((IMAGES, 2, CHANNELS)).astype(np.float32)
    values[:, 0] += targets.dense() @ directions
    return ImageFeatures(data, values, {})


@pytest.fixture(scope="module")
def context(features):
    context = LabelContext.from_targets(features.dataset.names, features.dataset.stored_targets)
    return embed_labels(context, features, EmbeddingSettings())


def trained(name, features, context, fabric):
    torch.manual_seed(0)
    head, losses = create_head(name, CHANNELS, context), []
    settings = HeadTraining(epochs=3, batch_size=64, learning_rate=0.02, weight_decay=0.1)
    train_head(
        head, features, None, settings=settings, loss=LossSettings(), seed=0, fabric=fabric,
        log=losses.append,
    )  # fmt: skip
    return head, [row["loss"] for row in losses]


@pytest.mark.parametrize("name", ["linear", "iml_gcn"])
def test_a_head_learns_two_thousand_labels_from_sparse_targets_as_from_dense_ones(
    name, features, context, fabric
):
    head, losses = trained(name, features, context, fabric)
    assert losses[-1] < 0.9 * losses[0]
    assert max(value.numel() for value in head.state_dict().values()) <= LABELS * CHANNELS
    scores = score_features(head, features.inputs(head))
    assert scores.shape == (IMAGES, LABELS)
    folded = head.fold()
    assert isinstance(folded, FoldedHead)
    np.testing.assert_allclose(
        score_features(folded, features.inputs(head)), scores, rtol=1e-4, atol=1e-5
    )
    dense = replace(features.dataset, targets=features.dataset.targets)
    same, _ = trained(name, replace(features, dataset=dense), context, fabric)
    assert np.array_equal(score_features(same, features.inputs(same)), scores)


@pytest.mark.scale
@pytest.mark.parametrize("name", ["linear", "iml_gcn"])
def test_ten_thousand_labels_can_be_trained_within_three_gigabytes(name):
    found = measure("train", name, "10000", "2560", "now")
    assert np.isfinite(found["loss"])
    assert found["peak"] < 3
    assert found["step"] < 3, "seconds; 0.3 on an idle core"


@pytest.mark.scale
def test_counting_pairs_grows_with_the_images_and_not_with_the_square_of_the_labels():
    few, many = (run_case("count", "200000", labels) for labels in ("1000", "50000"))
    assert many["count"] < 10 * max(few["count"], 0.1)
    assert many["edges"] < 20 * 50_000
