"""Out-of-fold scores: of images that the scoring head has not learnt, whoever computes them."""

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models import create_head
from imlgcn.training.extract import ImageFeatures, extract_features
from imlgcn.training.held_out import (
    ALWAYS_LEARNT,
    Lesson,
    exact_out_of_fold,
    make_lesson,
    out_of_fold,
)


@pytest.fixture
def features(backbone, colours) -> ImageFeatures:
    return extract_features(backbone, colours, use_cache=False)


def kernel(learnt: ImageFeatures):
    context = LabelContext.from_targets(learnt.dataset.names, learnt.dataset.targets)
    head = create_head("kernel", learnt.values.shape[-1], context)
    head.fit(learnt.inputs(head), torch.from_numpy(learnt.dataset.targets))
    return head


def test_every_image_of_the_splits_is_held_out_once(features):
    lesson = make_lesson(features, ("train", "val"))
    assert len(lesson.features.dataset) == 16
    assert lesson.held_out.all()
    assert set(lesson.folds) == set(range(5))


def test_where_the_backbone_was_tuned_only_validation_is_held_out(features):
    lesson = make_lesson(features, ("train", "val"), tuned=True)
    splits = np.array([record.split for record in lesson.features.dataset.records])
    np.testing.assert_array_equal(lesson.held_out, splits == "val")
    assert set(lesson.folds[splits == "train"]) == {ALWAYS_LEARNT}
    scores = out_of_fold({"kernel": kernel}, lesson)["kernel"].folds
    np.testing.assert_array_equal(np.isnan(scores).all(axis=1), splits == "train")


def test_fewer_groups_than_folds_give_as_many_folds(features):
    few = features.select(np.array([0, 1, 2]))
    assert set(make_lesson(few, ("train", "val")).folds) == {0, 1, 2}
    one = make_lesson(features.select(np.array([0])), ("train", "val"))
    assert not one.held_out.any()


@pytest.mark.parametrize("parallel", [False, True])
def test_a_head_that_scores_an_image_has_not_learnt_it(features, parallel):
    lesson = make_lesson(features, ("train", "val"))

    def fit(learnt):
        head = kernel(learnt)
        names.append({record.name for record in learnt.dataset.records})
        return head

    names: list[set[str]] = []
    test = {"test": features.select(np.arange(3))}
    found = out_of_fold({"kernel": fit}, lesson, unseen=test, parallel=parallel)["kernel"]
    scores, seconds = found.folds, found.seconds
    whole = kernel(lesson.features)
    with torch.no_grad():
        expected = whole(test["test"].inputs(whole)).numpy()
    np.testing.assert_allclose(found.unseen["test"], expected, atol=1e-6)
    assert np.isfinite(scores).all()
    assert seconds > 0
    for row, fold in enumerate(lesson.folds):
        alone = kernel(lesson.features.select(np.flatnonzero(lesson.folds != fold)))
        own = lesson.features.select(np.array([row]))
        with torch.no_grad():
            expected = alone(own.inputs(alone))[0].numpy()
        np.testing.assert_allclose(scores[row], expected, atol=1e-6)
    if not parallel:
        images = np.array([record.name for record in lesson.features.dataset.records])
        for fold, learnt in enumerate(names[:5]):
            assert not learnt & set(images[lesson.folds == fold])


def test_the_formula_agrees_with_fitting_anew_but_for_median_and_mean(features):
    lesson = make_lesson(features, ("train", "val"))
    by_fold, by_group = exact_out_of_fold(kernel(lesson.features), lesson)
    anew = out_of_fold({"kernel": kernel}, lesson)["kernel"].folds
    assert np.corrcoef(by_fold.ravel(), anew.ravel())[0, 1] > 0.9
    assert not np.allclose(by_fold, by_group), "more is learnt where only a group is left out"


def test_an_unknown_target_gets_the_mean_of_its_labels_scores(features):
    lesson = make_lesson(features, ("train", "val"))
    lesson.targets[3, 0] = -1
    by_fold, _ = exact_out_of_fold(kernel(lesson.features), lesson)
    others = np.delete(by_fold[:, 0], 3)
    assert by_fold[3, 0] == pytest.approx(others.sum() / (len(others) + 1), abs=1e-6)
    assert isinstance(lesson, Lesson)
