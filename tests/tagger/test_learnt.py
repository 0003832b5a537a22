"""A tagger knows the images that it has learnt, by the content of their files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import LearntImagesError, evaluate
from imlgcn.growing import NewLabel, add_labels, remove_labels, undo
from imlgcn.tagger import Tagger
from imlgcn.tagger.learnt import (
    LearntImages,
    contents_of,
    learnt_from_text,
    read_learnt,
    write_learnt,
)
from runs import Said

NAME = "learnt-images.bin"


def test_a_content_is_the_first_eight_bytes_of_its_hash_under_any_name(tmp_path):
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"the same")
    (tmp_path / "c.png").write_bytes(b"another")
    a, b, c, gone = contents_of([tmp_path / name for name in ("a.png", "b.jpg", "c.png", "d.png")])
    assert a == b != c
    assert a.item().to_bytes(8, "big") == hashlib.sha256(b"the same").digest()[:8]
    assert gone == 0, "whoever opens it says that it cannot be read"


def test_the_file_and_the_text_give_back_what_was_written(tmp_path):
    learnt = LearntImages.of([2**64 - 1, 5, 5, 0])
    write_learnt(tmp_path / NAME, learnt)
    assert (tmp_path / NAME).stat().st_size == 3 * 8, "eight bytes an image, each once"
    for again in (read_learnt(tmp_path / NAME), learnt_from_text(learnt.to_text(), tmp_path)):
        np.testing.assert_array_equal(again.contents, [0, 5, 2**64 - 1])


@pytest.mark.parametrize("text", ["AAAA", "not base64!"])
def test_a_damaged_list_is_refused(text, tmp_path):
    with pytest.raises(InputError, match="damaged; copy the tagger again, or delete"):
        learnt_from_text(text, tmp_path / "model.onnx")


def test_a_tagger_knows_the_images_of_its_training_and_no_other(tagger, shapes):
    learnt = Tagger.load(tagger.path).learnt_images()
    for split, known in (("train", True), ("val", True), ("test", False)):
        contents = contents_of(load_dataset(shapes).split(split).paths)
        np.testing.assert_array_equal(learnt.include(contents), known)
    assert len(learnt.contents) == 42 + 18


def test_where_validation_is_not_learnt_it_may_be_evaluated(train_tiny, tmp_path):
    run = train_tiny(tmp_path / "run", refit=False)
    assert len(run.learnt_images().contents) == 42


def renamed(shapes, folder, splits):
    """Return a CSV of the images of some splits under new names, all in the split test."""
    rows = ["image,labels,split"]
    for split in splits:
        part = load_dataset(shapes).split(split)
        for record, row in zip(part.records, part.targets, strict=True):
            shutil.copy(record.path, folder / f"copy-{record.name}")
            labels = ";".join(np.array(part.names)[row == 1])
            rows.append(f"copy-{record.name},{labels},test")
    (folder / "copies.csv").write_text("\n".join(rows) + "\n")
    return folder / "copies.csv"


def test_learnt_images_are_no_test_under_any_name(tagger, shapes, tmp_path, cli):
    data = renamed(shapes, tmp_path, ("val", "test"))
    with pytest.raises(LearntImagesError, match="18 of 30 images were in the training data"):
        evaluate(tagger, data)
    found = cli("evaluate", tagger.path, data)
    assert (found.code, found.out) == (1, "")
    assert "18 of 30 images" in found.err
    assert "give images that it has not learnt, or --anyway" in found.err
    found = cli("evaluate", tagger.path, data, "--anyway")
    assert found.code == 0
    assert "In the tagger's training data: 18 of 30 images." in found.out


@pytest.mark.parametrize("form", [Path.read_bytes, lambda path: path.open("rb"), Image.open])
def test_learnt_images_are_known_when_python_holds_their_files(form, tagger, shapes, tmp_path):
    part = load_dataset(shapes).split("val")
    held = [(form(record.path), list(record.labels)) for record in part.records]
    with pytest.raises(LearntImagesError, match="18 of 18 images were in the training data"):
        evaluate(tagger, held, split=None)
    file = tmp_path / "metrics.json"
    found = evaluate(tagger.path, held, split="all", anyway=True, device="cpu", json=file)
    assert (found["learnt_images"], found["split"]) == (18, "all")
    assert json.loads(file.read_text())["mAP"] == found["mAP"]


def test_a_stray_copy_is_said_and_is_no_reason_to_refuse(tagger, shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.tagger.learnt.FEW_LEARNT", 0.6)
    said = Said()
    found = evaluate(tagger, renamed(shapes, tmp_path, ("val", "test")), progress=said)
    assert found["learnt_images"] == 18
    assert said.about("18 of 30 images were in the training data of this tagger: the numbers are")


def test_an_exported_file_knows_them_wherever_it_is(tagger, onnx_file, onnx_folder, shapes, cli):
    np.testing.assert_array_equal(
        Tagger.load(onnx_file).learnt_images().contents, tagger.learnt_images().contents
    )
    assert evaluate(onnx_file, shapes)["learnt_images"] == 0
    with pytest.raises(LearntImagesError, match="18 of 18 images"):
        evaluate(onnx_file, shapes, split="val")
    inside = evaluate(onnx_folder / "model.onnx", shapes, split="val")
    assert inside["out_of_fold_images"] == 18, "as its folder has them"
    assert inside["mAP"] == evaluate(onnx_folder, shapes, split="val")["mAP"]


def test_who_asks_for_training_images_gets_them(onnx_file, shapes):
    assert evaluate(onnx_file, shapes, split="train")["learnt_images"] == 42


def test_without_the_list_it_is_said_that_nothing_is_known(own_tagger, shapes, cli):
    (own_tagger / NAME).unlink()
    found = cli("evaluate", own_tagger, shapes)
    assert found.code == 0
    assert "Not known: whether the tagger has learnt some of these images." in found.out


def test_a_tagger_that_keeps_nothing_of_its_images_has_no_list(train_tiny, tmp_path):
    run = train_tiny(tmp_path / "run", head="linear", keep_support=False)
    assert run.learnt_images() is None
    assert not (run.path / NAME).exists()


def test_images_of_added_labels_are_learnt_until_that_is_undone(own_kernel, crosses):
    before = Tagger.load(own_kernel).learnt_images()
    contents = contents_of(crosses)
    assert not before.include(contents).any()
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:4]), absent=tuple(crosses[4:5]))])
    learnt = Tagger.load(own_kernel).learnt_images()
    assert learnt.include(contents).tolist() == [True] * 5 + [False]
    assert learnt.include(before.contents).all()
    remove_labels(own_kernel, ["cross"])
    assert Tagger.load(own_kernel).learnt_images().include(contents[:5]).all()
    undo(own_kernel)
    undo(own_kernel)
    np.testing.assert_array_equal(Tagger.load(own_kernel).learnt_images().contents, before.contents)


def test_a_list_that_would_be_of_the_added_images_alone_is_not_begun(own_kernel, crosses):
    (own_kernel / NAME).unlink()
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses))])
    assert Tagger.load(own_kernel).learnt_images() is None


def test_training_from_a_tagger_adds_to_its_images(tagger, train_tiny, rewrite, tmp_path):
    half = rewrite(lambda row: row if row[0] < "36" else None)
    new = train_tiny(tmp_path / "new", half, start=tagger.path)
    assert new.learnt_images().include(tagger.learnt_images().contents).all()
