"""A label that is added leaves the others as they are, and scores as its formula says."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from imlgcn.engines.torch import TorchEngine
from imlgcn.errors import InputError
from imlgcn.exporting import export
from imlgcn.growing import NewLabel, add_labels, read_new_labels, undo
from imlgcn.growing.examples import features_of, ground_of
from imlgcn.growing.state import read_state
from imlgcn.models import HEADS
from imlgcn.models.grown import GrownHead, kernel_vectors
from imlgcn.models.image_space import deepest_roots
from imlgcn.tagger import Tagger
from thorough import thorough_but


def logits(tagger, pixels):
    return TorchEngine(tagger.classifier(), tagger.info.image, latency=True).logits(pixels)


@pytest.mark.parametrize("head", thorough_but(("linear", "iml_gcn", "c_tran", "kernel"), HEADS))
def test_whatever_the_head_its_own_scores_stay_to_the_last_bit(
    head, untrained, with_support, crosses, pixels
):
    tagger = with_support(untrained(head))
    before = logits(tagger, pixels)
    grown, _ = add_labels(tagger.path, [NewLabel("cross", tuple(crosses))])
    assert grown.labels == (*tagger.labels, "cross")
    after = logits(grown, pixels)
    np.testing.assert_array_equal(after[:, :-1], before)
    assert np.isfinite(after).all()
    np.testing.assert_allclose(grown.engine.logits(pixels), after, rtol=1e-3, atol=1e-3)


def test_the_network_scores_the_new_label_as_the_closed_form_does(own_kernel, crosses, pixels):
    state = read_state(own_kernel)
    known = ground_of(state)
    new = features_of(state, crosses)
    grown, _ = add_labels(own_kernel, [NewLabel("cross", tuple(crosses))])
    classifier = grown.classifier().eval()
    head = classifier.head
    assert isinstance(head, GrownHead)
    with torch.no_grad():
        images = torch.rand(3, 3, 64, 64)
        features = classifier.features(images)
        found = head(features)[:, -1].double()
        units, vectors = deepest_roots(features).double(), kernel_vectors(head.head, features)
    added = head.added
    by_hand = (
        units @ added.linear[:, 0].double()
        + known.ground.kernel_to(vectors.double()) @ added.old[known.rows, 0].double()
        + known.ground.kernel_between(vectors.double(), new.vectors) @ added.new[:, 0].double()
        + added.offset[0]
    )
    torch.testing.assert_close(found, by_hand, rtol=1e-3, atol=2e-3)


def test_the_images_of_a_new_label_get_it(own_kernel, crosses, shapes):
    grown, (report,) = add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:4]))])
    assert report.images == 4
    own = np.stack([grown.load_input(path) for path in crosses])
    other = np.stack(
        [grown.load_input(shapes.parent / name) for name in ("00.png", "01.png", "05.png")]
    )
    assert grown.probabilities(own)[:, -1].min() > grown.probabilities(other)[:, -1].max()


@pytest.mark.thorough
def test_an_exported_file_is_written_anew_and_agrees(own_kernel_onnx, crosses, pixels):
    assert_written_anew(own_kernel_onnx, crosses, pixels)


@pytest.mark.slow
def test_so_is_that_of_a_linear_head(linear_tagger, crosses, pixels, tmp_path):
    folder = shutil.copytree(linear_tagger.path, tmp_path / "linear")
    export(folder, "onnx")
    assert_written_anew(folder, crosses, pixels)


def assert_written_anew(folder, crosses, pixels):
    old = Tagger.load(folder, engine="onnxruntime").engine.logits(pixels)
    grown, _ = add_labels(folder, [NewLabel("cross", tuple(crosses))])
    assert "model.onnx" in grown.info.sha256
    alone = Tagger.load(folder / "model.onnx")
    assert alone.labels == grown.labels
    found = alone.engine.logits(pixels)
    np.testing.assert_array_equal(found[:, :-1], old)
    np.testing.assert_allclose(found, logits(grown, pixels), rtol=1e-3, atol=1e-3)


def test_a_label_learnt_in_two_steps_equals_one_learnt_at_once(own_kernel, crosses, pixels):
    first, second = tuple(crosses[:2]), tuple(crosses[2:])
    add_labels(own_kernel, [NewLabel("cross", first)])
    twice, (report,) = add_labels(own_kernel, [NewLabel("cross", second)])
    assert report.images == 6
    steps = logits(twice, pixels)
    undo(own_kernel)
    undo(own_kernel)
    once, _ = add_labels(own_kernel, [NewLabel("cross", (*first, *second))])
    # the vectors of the first images were kept in half precision
    np.testing.assert_allclose(steps, logits(once, pixels), rtol=2e-2, atol=2e-2)


def test_the_order_of_labels_and_images_does_not_matter(own_kernel, crosses, pixels):
    one, two = NewLabel("cross", tuple(crosses[:3])), NewLabel("other", tuple(crosses[3:]))
    found, _ = add_labels(own_kernel, [one, two])
    forward = dict(zip(found.labels, logits(found, pixels).T, strict=True))
    undo(own_kernel)
    turned = NewLabel("cross", tuple(crosses[2::-1]))
    found, _ = add_labels(own_kernel, [two, turned])
    backward = dict(zip(found.labels, logits(found, pixels).T, strict=True))
    for name, scores in forward.items():
        np.testing.assert_allclose(backward[name], scores, rtol=1e-3, atol=1e-3)


def test_answers_about_training_images_become_targets(own_kernel, crosses):
    state = read_state(own_kernel)
    yes, no = state.support.images[:2]
    label = NewLabel("cross", tuple(crosses[:2]), answers={yes: 1, no: 0})
    grown, (report,) = add_labels(own_kernel, [label])
    assert report.images == 3
    assert yes not in report.doubtful
    assert no not in report.doubtful
    support = grown.folder.support()
    column = support.labels.index("cross")
    assert support.targets[:2, column].tolist() == [1, 0]
    again, (later,) = add_labels(own_kernel, [NewLabel("cross", answers={no: 1})])
    assert later.images == 4
    assert again.labels == grown.labels


def test_a_table_gives_many_labels_and_what_is_known_of_their_images(own_kernel, crosses, tmp_path):
    table = tmp_path / "new.csv"
    rows = [f"{path},cross;red" for path in crosses[:3]] + [f"{path},line" for path in crosses[3:]]
    table.write_text("image,labels\n" + "\n".join(rows) + "\n")
    labels, known = read_new_labels(own_kernel, table)
    assert [label.name for label in labels] == ["cross", "line"]
    assert known[crosses[0]] == {"red": 1}
    assert known[crosses[5]] == {"red": 0}
    grown, found = add_labels(own_kernel, labels, known=known)
    assert [one.name for one in found] == ["cross", "line"]
    counts = grown.folder.context
    pair = counts.pair_counts[grown.labels.index("cross"), grown.labels.index("red")]
    assert pair == 3


def test_without_the_images_of_the_tagger_a_probe_is_all(untrained, crosses, shapes, pixels):
    kernel = untrained("kernel")
    before = logits(kernel, pixels)
    grown, (report,) = add_labels(kernel.path, [NewLabel("cross", tuple(crosses))])
    assert report.probe_only
    np.testing.assert_array_equal(logits(grown, pixels)[:, :-1], before)
    linear = untrained("linear")
    with pytest.raises(InputError, match=r"keeps no features .* absent="):
        add_labels(linear.path, [NewLabel("cross", tuple(crosses))])
    absent = tuple(shapes.parent / f"{number:02}.png" for number in range(8))
    grown, (report,) = add_labels(linear.path, [NewLabel("cross", tuple(crosses), absent)])
    assert report.probe_only
    own = np.stack([grown.load_input(path) for path in crosses])
    other = np.stack([grown.load_input(path) for path in absent])
    assert logits(grown, own)[:, -1].min() > logits(grown, other)[:, -1].max()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (NewLabel("red", ()), "was trained with the label 'red'"),
        (NewLabel("cross", ()), "no image shows the new label 'cross'"),
        (NewLabel(" \n", ()), "a label's name is one line of text"),
        (NewLabel("cross", answers={"nowhere.png": 1}), "none of the tagger's training images"),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_nothing_changes(own_kernel, label, message):
    before = {path.name: path.read_bytes() for path in own_kernel.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=message):
        add_labels(own_kernel, [label])
    assert {p.name: p.read_bytes() for p in own_kernel.iterdir() if p.is_file()} == before
    assert not (own_kernel / "history").exists()


def test_a_label_of_which_nothing_new_is_said_is_not_learnt_again(own_kernel, crosses):
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses))])
    with pytest.raises(InputError, match="nothing new is said of the label 'cross'"):
        add_labels(own_kernel, [NewLabel("cross")])


def test_a_label_that_is_given_twice_is_refused(own_kernel, crosses):
    twice = [NewLabel("cross", tuple(crosses[:2])), NewLabel(" cross", tuple(crosses[2:]))]
    with pytest.raises(InputError, match="'cross' is given twice"):
        add_labels(own_kernel, twice)


def test_a_new_training_in_the_folder_forgets_the_changes_of_the_old_one(
    own_kernel, crosses, train_tiny
):
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses))])
    new = train_tiny(own_kernel, head="kernel", replace=True)
    assert "cross" not in new.labels
    with pytest.raises(InputError, match="no change of labels to take back"):
        undo(own_kernel)


def test_an_exported_file_cannot_learn(onnx_file, crosses):
    with pytest.raises(InputError, match="give the tagger folder it was exported from"):
        add_labels(onnx_file, [NewLabel("cross", tuple(crosses))])
