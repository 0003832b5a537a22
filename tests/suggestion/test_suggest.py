"""`imlgcn.suggest`: the budget, copies, the order of files, files that cannot be read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imlgcn import suggest
from imlgcn.errors import InputError
from imlgcn.suggestion import choice
from imlgcn.suggestion.folder import drawn
from imlgcn.tagger import Tagger


def names(found) -> list[str]:
    return [Path(image.image).name for image in found.images]


def test_as_many_images_are_suggested_as_were_asked_for_each_once(kernel, folder):
    found = suggest(kernel, folder, budget=7)
    assert len(set(names(found))) == len(found.images) == 7
    assert (found.considered, found.left_out, found.known, found.failed) == (24, 0, 0, {})


def test_a_smaller_budget_is_the_beginning_of_a_larger_one(kernel, folder):
    assert names(suggest(kernel, folder, budget=9))[:4] == names(suggest(kernel, folder, budget=4))


def test_with_a_budget_beyond_the_folder_every_image_is_suggested_and_the_gains_fall(
    kernel, folder
):
    found = suggest(kernel, folder, budget=100)
    assert sorted(names(found)) == sorted(path.name for path in folder.iterdir())
    gains = [image.gain for image in found.images]
    assert gains == sorted(gains, reverse=True)
    assert 0 < sum(gains) < 1


def test_the_order_of_the_files_and_the_place_of_the_folder_do_not_matter(kernel, folder, tmp_path):
    paths = sorted(folder.iterdir())
    shuffled = [paths[i] for i in np.random.default_rng(1).permutation(len(paths))]
    found = suggest(kernel, shuffled, budget=6)
    assert found == suggest(kernel, paths, budget=6) == suggest(kernel, folder, budget=6)
    shutil.move(folder, tmp_path / "moved")
    assert names(suggest(kernel, tmp_path / "moved", budget=6)) == names(found)


def test_no_two_suggestions_are_copies_or_near_duplicates(kernel, folder, saved_again):
    first = folder / names(suggest(kernel, folder, budget=1))[0]
    before = names(suggest(kernel, folder, budget=100))
    shutil.copy(first, folder / "copy.png")
    saved_again(first, folder / "again.jpg")
    found = names(suggest(kernel, folder, budget=100))
    assert len({first.name, "copy.png", "again.jpg"} & set(found)) == 1
    assert len(found) == len(before)


def test_a_near_duplicate_is_left_out_also_where_its_features_differ(
    kernel, folder, saved_again, monkeypatch
):
    saved_again(folder / "new03.png", folder / "again.jpg")
    monkeypatch.setattr(choice, "ALMOST_SAME", -1.0)
    found = names(suggest(kernel, folder, budget=100))
    assert len(found) == 24
    assert len({"new03.png", "again.jpg"} & set(found)) == 1


def test_images_that_training_has_seen_are_counted_and_not_suggested(kernel, folder, shapes):
    learnt = kernel.folder.support(features=False).images[:3]
    for name in learnt:
        shutil.copy(shapes.parent / name, folder / f"seen-{name}")
    found = suggest(kernel, folder, budget=100)
    assert found.known == 3
    assert not any(name.startswith("seen") for name in names(found))


def test_a_file_that_cannot_be_read_is_named_with_the_reason_and_the_others_are_chosen(
    kernel, folder
):
    before = names(suggest(kernel, folder, budget=5))
    bad = folder / "bad.png"
    bad.write_bytes(b"no image")
    found = suggest(kernel, folder, budget=5)
    assert list(found.failed) == [str(bad)]
    assert str(bad) in found.failed[str(bad)]
    assert (names(found), found.considered) == (before, 24)


def test_a_suggestion_says_how_many_images_are_like_it_and_the_nearest_training_image(
    kernel, folder
):
    found = suggest(kernel, folder, budget=3)
    learnt = kernel.folder.support(features=False).images
    for image in found.images:
        count = "no other image is" if not image.like else f"{image.like} other image"
        assert image.why.startswith(count)
        assert " like it" in image.why
        assert "training image" in image.why
        assert image.nearest in learnt
        assert 0 <= image.similarity <= 1
    assert json.loads(json.dumps(found.to_dict()))["images"][0]["image"] == found.images[0].image


def test_the_nearest_training_image_is_that_image_where_it_is_in_the_folder(
    kernel, folder, shapes, monkeypatch
):
    learnt = kernel.folder.support(features=False).images[2]
    monkeypatch.setattr(choice, "ALMOST_SAME", -1.0)
    found = suggest(kernel, shapes.parent / learnt)
    assert found.images[0].nearest == learnt
    assert found.images[0].similarity == pytest.approx(1, abs=1e-3)


def test_rare_names_the_labels_that_are_unsure_with_their_training_images(kernel, folder):
    found = suggest(kernel, folder, budget=4, rare=True)
    counts = dict(zip(kernel.labels, kernel.folder.context.occurrences, strict=True))
    for image in found.images:
        label = image.why.split("unsure: ")[1].split(" (")[0]
        assert f"{counts[label]} training images" in image.why
    assert "unsure" not in suggest(kernel, folder, budget=1).images[0].why


def test_rare_counts_images_that_may_show_a_label_of_few_training_images(
    kernel, folder, monkeypatch
):
    paths = sorted(folder.iterdir())
    chances = np.full((len(paths), len(kernel.labels)), 1e-9)
    chances[5, 2] = 0.5
    monkeypatch.setattr(
        "imlgcn.suggestion.folder.ReadImages.probabilities", lambda self, tagger: chances
    )
    found = suggest(kernel, folder, budget=1, rare=True)
    assert names(found) == [paths[5].name]
    assert f"{kernel.labels[2]} (50 %" in found.images[0].why


@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("head", ["linear", "query2label"])
def test_a_head_without_a_space_of_its_own_uses_the_features_of_the_backbone(
    untrained, folder, head, rare
):
    found = suggest(untrained(head), folder, budget=5, rare=rare)
    assert len(found.images) == 5
    assert all(image.nearest is None and image.similarity is None for image in found.images)


def test_the_features_of_other_heads_training_images_are_those_in_the_folder(
    linear_tagger, folder, shapes
):
    learnt = linear_tagger.folder.support(features=False).images
    shutil.copy(shapes.parent / learnt[4], folder / "seen.png")
    found = suggest(linear_tagger, folder, budget=100)
    assert found.known == 1
    assert all(image.nearest in learnt for image in found.images)


def test_a_kernel_without_the_names_of_its_images_still_suggests(kernel, folder, tmp_path):
    copy = Path(shutil.copytree(kernel.path, tmp_path / "copy"))
    (copy / "support.parquet").unlink()
    found = suggest(Tagger.load(copy), folder, budget=5)
    expected = suggest(kernel, folder, budget=5)
    assert [replace(image, nearest=None) for image in expected.images] == list(found.images)


def test_of_a_large_folder_some_are_drawn_by_their_names_wherever_it_is(tmp_path):
    def paths(root):
        return [f"{root}/{number % 3}/{number}.png" for number in range(60)]

    here, there = drawn(paths("a"), 20), drawn(list(reversed(paths("b/c"))), 20)
    assert len(here) == 20
    assert here == sorted(here)
    assert [path.removeprefix("a") for path in here] == [p.removeprefix("b/c") for p in there]
    assert drawn(paths("a"), 60) == sorted(paths("a"))


def test_what_is_not_drawn_of_a_large_folder_is_counted(kernel, folder, monkeypatch):
    monkeypatch.setattr(choice, "MOST", 10)
    found = suggest(kernel, folder, budget=100)
    assert (found.considered, found.left_out) == (10, 14)


def test_mistakes_are_refused_in_words(kernel, onnx_file, folder):
    with pytest.raises(InputError, match="budget=1 or more images; got 0"):
        suggest(kernel, folder, budget=0)
    with pytest.raises(InputError, match="exported file"):
        suggest(onnx_file, folder)
    with pytest.raises(InputError, match="no such file"):
        suggest(kernel, folder / "none")
