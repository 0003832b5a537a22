"""Scenes of clip art: what they hold, where it comes from, and how heads are measured on them."""

from __future__ import annotations

import json
from argparse import Namespace

import numpy as np
import pytest
from benchmarks.scene_images import CLUTTER, LABELS, PARENTS, VISIBLE, make_scenes, pictures
from benchmarks.scene_law import ThemeLaw
from benchmarks.scene_sheet import draw_sheet
from benchmarks.scenes import joined, measure, report, run
from PIL import Image

from benchmarks import scene_images
from imlgcn.data.dataset import SPLITS, load_dataset
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import create_backbone
from imlgcn.progress import SILENT

pytestmark = pytest.mark.thorough  # hundreds of pictures are drawn
COUNTS = {"train": 60, "val": 40, "test": 30}


@pytest.fixture(scope="module")
def source():
    return load_dataset("openclipart")


@pytest.fixture(scope="module")
def scenes(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return {s: make_scenes(source, s, COUNTS, folder=folder) for s in (0.0, 1.0)}


def parts_of(data):
    """Return what each scene of a data set was made of, in the order of its records."""
    return [
        json.loads((record.path.parent / "parts.json").read_text())[int(record.path.stem)]
        for record in data.records
    ]


def test_a_picture_counts_for_one_label_or_is_clutter(source):
    related = {*LABELS, *(parent for parents in PARENTS.values() for parent in parents)}
    for split in SPLITS:
        found = pictures(source, split)
        for label in LABELS:
            assert len(found[label]) >= 2
            assert all(set(LABELS) & set(record.labels) == {label} for record in found[label])
        assert not any(related & set(record.labels) for record in found[CLUTTER])


def test_no_picture_crosses_splits(source, scenes):
    split_of = {record.name: record.split for record in source.records}
    for data in scenes.values():
        for record, parts in zip(data.records, parts_of(data), strict=True):
            assert {split_of[part["picture"]] for part in parts} == {record.split}


def test_the_labels_of_a_scene_are_those_of_its_visible_pictures(source, scenes):
    labels_of = {record.name: set(record.labels) for record in source.records}
    hidden = 0
    for data in scenes.values():
        for row, (record, parts) in enumerate(zip(data.records, parts_of(data), strict=True)):
            union = set().union(*(labels_of[part["picture"]] for part in parts)) & set(LABELS)
            assert set(record.labels) == union
            assert {LABELS[i] for i in np.flatnonzero(data.targets[row] == 1)} == union
            assert len(parts) == len(union) + 1  # and the clutter
            assert all(VISIBLE <= part["visible"] <= 1 for part in parts)
            hidden += sum(part["visible"] < 0.8 for part in parts)
    assert hidden > 50


def test_labels_of_a_theme_meet_more_often_at_full_strength(scenes):
    together = {}
    for strength, data in scenes.items():
        targets = data.targets.reshape(-1, 4, 4).astype(int)  # themes of four
        together[strength] = (targets.sum(axis=2) * (targets.sum(axis=2) - 1)).sum()
    assert together[1.0] > 2 * together[0.0]


def test_the_same_scenes_come_again_and_more_of_them_change_none(source, scenes, tmp_path):
    again = make_scenes(source, 1.0, {**COUNTS, "test": 45}, folder=tmp_path)
    test, before = again.split("test"), scenes[1.0].split("test")
    assert [record.name for record in test.records[:30]] == [r.name for r in before.records]
    np.testing.assert_array_equal(test.targets[:30], before.targets)
    for path, old in zip(test.paths, before.paths, strict=False):
        assert path.read_bytes() == old.read_bytes()
    other = make_scenes(source, 1.0, {"test": 30}, seed=1, folder=tmp_path)
    assert (other.targets != before.targets).any()


def test_a_scene_that_is_there_is_not_drawn_again(source, scenes, monkeypatch):
    folder = scenes[1.0].paths[0].parent.parent
    monkeypatch.setattr(scene_images, "draw_scene", None)
    again = make_scenes(source, 1.0, COUNTS, folder=folder)
    np.testing.assert_array_equal(again.targets, scenes[1.0].targets)


def test_fewer_scenes_do_not_forget_the_others(source, scenes, monkeypatch):
    folder = scenes[1.0].paths[0].parent.parent
    assert len(make_scenes(source, 1.0, {"test": 3}, folder=folder)) == 3
    assert len(parts_of(scenes[1.0])) == sum(COUNTS.values())


def test_a_cut_out_keeps_white_inside_and_loses_it_outside(tmp_path):
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[10:30, 20:50] = 0
    pixels[15:25, 30:40] = 255
    Image.fromarray(pixels).save(tmp_path / "frame.png")
    cut = scene_images._cut_out(tmp_path / "frame.png")
    assert cut.size == (30, 20)
    assert (np.asarray(cut)[..., 3] == 255).all()


def test_joined_scenes_train_without_the_law_and_test_with_every_strength(scenes):
    data = joined(scenes, [0.0, 1.0])
    assert data.splits == {"train": 60, "val": 40, "test": 60}
    np.testing.assert_array_equal(data.split("train").targets, scenes[0.0].split("train").targets)
    names = [record.name for record in data.split("test").records]
    expected = [r.name for s in (0.0, 1.0) for r in scenes[s].split("test").records]
    assert names == expected
    np.testing.assert_array_equal(
        data.split("test").targets[30:], scenes[1.0].split("test").targets
    )


def test_a_law_helps_evidence_that_is_weak_and_nothing_helps_where_there_is_none():
    generator = np.random.default_rng(0)
    for strength in (0.0, 1.0):
        law = ThemeLaw(np.full(6, 0.25), np.repeat([0, 1, 2], 2), strength)
        targets = np.stack([law.sample(generator) for _ in range(800)]).astype(np.int8)
        # two Gaussians one apart: the log likelihood ratio is x - 1/2, and log-odds add the prior
        logits = generator.normal(targets, 1.0) - 0.5 + np.log(1 / 3)
        runs = {"linear": logits[None], "other": logits[None]}
        trained = {**runs, "other": law.posterior(logits)[None]}
        linear, other = measure(law, runs, trained, targets, {"linear": "a", "other": "b"})
        assert linear.alone == pytest.approx(100 * mean_average_precision(logits, targets)[0])
        assert linear.training_adds == (0, 0, 0)
        assert linear.over_linear is None
        assert other.training_adds == other.law_adds == other.over_linear
        if strength:
            assert linear.law_adds[1] > 2
            assert (linear.share, other.share) == (0, pytest.approx(100))
        else:
            assert linear.law_adds == pytest.approx((0, 0, 0), abs=1e-9)
            assert linear.share is None


@pytest.mark.slow
def test_the_whole_benchmark_runs(scenes, weights, tmp_path, monkeypatch, quick_runs):
    tiny = create_backbone("test_efficientnet", weights=weights, size=64)
    monkeypatch.setattr("benchmarks.scenes.create_backbone", lambda name: tiny)
    monkeypatch.setattr("benchmarks.scenes.SAMPLES", 20)
    arguments = Namespace(backbone="", epochs=1, seeds=2, heads="mlp:hidden=4", test=30)
    arguments.work = tmp_path / "work"
    tables = run([0.0, 1.0], scenes, arguments, progress=SILENT)
    assert [line.name for line in tables[1.0]] == ["linear", "mlp:hidden=4"]
    none = tables[0.0][1]
    assert none.trained == pytest.approx(none.alone)
    assert none.law_adds == pytest.approx((0, 0, 0), abs=1e-9)
    assert tables[1.0][1].trained != tables[1.0][1].alone
    arguments.heads = "linear"  # alone at a strength, whatever other strengths are asked for
    arguments.work = tmp_path / "one"
    one = run([1.0], scenes, arguments, progress=SILENT)[1.0][0]
    assert (one.alone, one.law_adds) == (tables[1.0][0].alone, tables[1.0][0].law_adds)
    text = report(tables, scenes, COUNTS, 2)
    assert text.count("| mlp:hidden=4 |") == 2
    assert "3.43 times as often as by chance" in text
    draw_sheet(scenes, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 400
