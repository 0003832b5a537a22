"""The training images that speak for and against a label: they add up and are the right ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from imlgcn.explanation import explain
from imlgcn.explanation.figure import explanation_figure, save_figure
from imlgcn.explanation.support import Ledger, SupportEffect, SupportImage, support_effect
from imlgcn.explanation.words import describe, sum_of_score
from imlgcn.models import PixelInput
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import SUPPORT


@pytest.fixture(scope="module")
def kernel(once, train_tiny):
    """A trained tagger with the kernel head; read only."""
    return Tagger.load(once("kernel", lambda folder: train_tiny(folder, head="kernel", whole=True)))


@pytest.fixture(scope="module")
def kept(once, train_tiny):
    """The same with thumbnails."""
    made = once("pictured", lambda f: train_tiny(f, head="kernel", keep_thumbnails=True))
    return Tagger.load(made)


@pytest.fixture
def own(kernel, tmp_path):
    """A copy that a test may damage."""
    return Tagger.load(shutil.copytree(kernel.path, tmp_path / "copy"))


@pytest.fixture
def photo(shapes):
    return shapes.parent / "03.png"


def drawn_words(found, photo):
    with Image.open(photo) as image:
        figure = explanation_figure(found, image.convert("RGB"))
    own = [text.get_text() for text in figure.texts]
    return figure, own + [text.get_text() for axes in figure.axes for text in axes.texts]


def test_bias_named_images_and_the_others_add_up_to_the_score_of_every_label(kernel, photo):
    for label in explain(kernel, photo, kernel.labels).labels:
        support = label.support
        effects = [image.effect for image in support.shown]
        assert support.bias + sum(effects) + support.rest == pytest.approx(label.logit, abs=1e-5)
        assert support.others == len(kernel.folder.support().images) - len(effects)


def test_the_rest_is_what_the_other_images_add_and_the_bias_is_the_heads_own(kernel, photo):
    classifier = kernel.classifier().eval()
    pixels = torch.from_numpy(kernel.load_input(photo)[None])
    with torch.inference_mode():
        images = PixelInput(kernel.info.image)(pixels)
        features = classifier.backbone(images, classifier.levels, means=True)
        for index, label in enumerate(explain(kernel, photo, kernel.labels).labels):
            parts = classifier.head.support_contributions(features, index)
            others = list(range(len(parts)))
            for image in label.support.shown:
                assert image.effect == pytest.approx(float(parts[image.row]), abs=1e-6)
                others.remove(image.row)
            assert label.support.rest == pytest.approx(float(parts[others].sum()), abs=1e-5)
            assert label.support.bias == pytest.approx(float(classifier.head.mean[index]), abs=1e-5)
            assert max(parts[others]) <= label.support.speaks_for[-1].effect
            assert min(parts[others]) >= label.support.speaks_against[-1].effect


def test_a_head_that_takes_means_of_blocks_is_given_these(untrained, photo):
    """In EfficientNet the blocks before the last map are others than the maps of its stages."""
    tagger = untrained("kernel", backbone="efficientnet_lite0")
    for label in explain(tagger, photo, tagger.labels).labels:
        effects = sum(image.effect for image in label.support.shown)
        assert label.support.bias + effects + label.support.rest == pytest.approx(label.logit)


def test_each_image_has_its_own_name_and_says_whether_it_shows_the_label(kernel, photo):
    kept = kernel.folder.support()
    for index, label in enumerate(explain(kernel, photo, kernel.labels).labels):
        for image in label.support.shown:
            assert image.name == kept.images[image.row]
            assert image.present == bool(kept.targets[image.row, index])
            assert image.thumbnail is None


def test_a_training_image_never_speaks_against_its_own_labels(kernel, shapes):
    """Its weight has the sign of what the others left unexplained."""
    kept = kernel.folder.support()
    for row in (2, 11):
        present = [name for name, t in zip(kernel.labels, kept.targets[row], strict=True) if t == 1]
        for label in explain(kernel, shapes.parent / kept.images[row], present).labels:
            if label.wanted:
                assert row not in [image.row for image in label.support.speaks_against]


def test_the_strongest_come_first_on_either_side():
    parts = np.array([0.1, -0.4, 0.9, 0.0, -0.1, 0.3, 0.2, 0.4, -0.2, 0.5])
    found = support_effect(parts, 2.0, SupportImage)
    assert [image.row for image in found.speaks_for] == [2, 9, 7, 5]
    assert [image.row for image in found.speaks_against] == [1, 8, 4]
    assert (found.others, round(found.rest, 6)) == (3, 0.3)


def test_few_images_are_all_named_and_none_is_on_the_wrong_side():
    found = support_effect(np.array([0.1, 0.2]), 0.5, SupportImage)
    assert [image.row for image in found.speaks_for] == [1, 0]
    assert (found.speaks_against, found.others, found.rest) == ((), 0, 0.0)


@pytest.mark.parametrize("others", [0, 90])
def test_the_numbers_as_they_are_shown_add_up(others):
    rng = np.random.default_rng(others)
    for _ in range(300):
        effects = rng.normal(0, 0.3, 8)
        images = tuple(SupportImage(row, float(effect)) for row, effect in enumerate(effects))
        rest = float(rng.normal()) if others else 0.0
        effect = SupportEffect(float(rng.random()), images[:4], images[4:], rest, others)
        shown = Ledger.of(effect)
        total = sum(shown.shown) + shown.rest + shown.bias
        assert f"{total:.2f}".replace("-0.00", "0.00") == f"{shown.score:.2f}".replace(
            "-0.00", "0.00"
        )
        exact = effect.bias + effects.sum() + rest
        assert shown.score == pytest.approx(exact, abs=0.0051)
        assert abs(shown.rest - rest) < 0.06


def test_it_is_said_in_words_and_in_json(kernel, photo):
    found = explain(kernel, photo, ["red"])
    red = found.labels[0]
    assert sum_of_score(red).startswith("score ")
    said = describe(found, red)
    assert "strongest fall: " in said
    assert f"training images for it: +{red.support.speaks_for[0].effect:.2f}" in said
    content = json.loads(json.dumps(found.to_dict()))
    support = content["labels"][0]["support"]
    assert support["for"][0]["name"] == red.support.speaks_for[0].name
    named = support["for"] + support["against"]
    total = support["bias"] + support["rest"] + sum(image["effect"] for image in named)
    assert total == pytest.approx(content["labels"][0]["logit"], abs=1e-5)
    assert content["note"] == ""


def test_without_names_the_votes_stay_and_a_sentence_says_what_would_keep_them(own, cli, photo):
    expected = [image.effect for image in explain(own, photo, ["red"]).labels[0].support.shown]
    (own.path / SUPPORT).unlink()
    found = explain(own, photo, ["red"])
    shown = found.labels[0].support.shown
    assert [image.effect for image in shown] == expected
    assert {image.name for image in shown} == {None}
    assert "keep_support=True" in found.note
    done = cli("explain", own.path, photo)
    assert done.code == 0
    assert "--keep-support" in " ".join(done.out.split())
    assert drawn_words(found, photo)


def test_a_damaged_file_costs_the_names_and_says_so(own, photo):
    (own.path / SUPPORT).write_bytes(b"damaged")
    found = explain(own, photo)
    assert f"{SUPPORT} is damaged" in found.note
    assert found.labels[0].support.shown[0].name is None


def test_the_file_of_another_network_names_nobody(own, train_tiny, photo, tmp_path, rewrite):
    less = rewrite(lambda row: None if row[0] in ("00.png", "01.png", "02.png") else row)
    other = train_tiny(tmp_path / "other", less, head="linear")
    shutil.copy(other.path / SUPPORT, own.path / SUPPORT)
    found = explain(own, photo)
    assert "not this network's" in found.note
    assert found.labels[0].support.shown[0].name is None


def test_a_head_without_support_reads_no_file_and_notes_nothing(tagger, photo, monkeypatch):
    import imlgcn.tagger.support as support

    monkeypatch.setattr(support, "read_support", None)
    found = explain(tagger, photo)
    assert (found.note, found.labels[0].support) == ("", None)


def test_tagging_does_not_read_the_file(own, photo, monkeypatch):
    (own.path / SUPPORT).write_bytes(b"damaged")
    assert isinstance(own(photo), list)


def test_the_terminal_names_the_images(cli, kernel, photo):
    done = cli("explain", kernel.path, photo, "--label", "red")
    red = explain(kernel, photo, ["red"]).labels[0]
    assert done.code == 0
    for image in red.support.shown:
        assert image.name in done.out
    assert "replaced by the map's mean" in " ".join(done.out.split())


def test_the_figure_is_an_account_of_the_score_by_name(kernel, photo, tmp_path):
    found = explain(kernel, photo, ["red"])
    figure, shown = drawn_words(found, photo)
    save_figure(figure, found, tmp_path / "a.png")
    red = found.labels[0].support
    for image in red.shown:
        assert image.name in shown
    assert shown.count("Training images") == len(found.labels)
    assert f"{red.others} others" in shown
    assert "fall of the score" in " ".join(shown)


def test_kept_thumbnails_are_drawn_in_place_of_names(kept, photo, tmp_path):
    found = explain(kept, photo, ["red"])
    figure, shown = drawn_words(found, photo)
    save_figure(figure, found, tmp_path / "a.png")
    images = [image for label in found.labels for image in label.support.shown]
    pictures = [axes for axes in figure.axes if axes.images]
    expected = sum(image.thumbnail is not None for image in images)
    assert expected > 0
    assert len(pictures) == 1 + len(found.labels) + 1 + expected
    pictured = [image for image in images if image.thumbnail and image.name != found.image]
    assert not any(image.name in shown for image in pictured)


def test_a_thumbnail_that_is_no_image_is_its_name(kept, photo):
    found = explain(kept, photo, ["red"])
    red = found.labels[0]
    broken = tuple(replace(image, thumbnail=b"no image") for image in red.support.speaks_for)
    support = replace(red.support, speaks_for=broken)
    again = replace(found, labels=(replace(red, support=support),))
    shown = drawn_words(again, photo)[1]
    assert all(image.name in shown for image in broken)
