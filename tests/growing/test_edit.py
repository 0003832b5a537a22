"""Labels removed, renamed, merged; and every change taken back."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.exporting import export
from imlgcn.growing import (
    NewLabel,
    add_labels,
    changes,
    merge_labels,
    remove_labels,
    rename_label,
    undo,
    use_label_table,
)
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger

NAMES = LabelTable((LabelRow("red", name="rot"), LabelRow("square", show=False)))
CHANGES = {
    "add": lambda path, crosses: add_labels(path, [NewLabel("cross", tuple(crosses))]),
    "remove": lambda path, crosses: remove_labels(path, ["red", "dark"]),
    "rename": lambda path, crosses: rename_label(path, "red", "rot"),
    "merge": lambda path, crosses: merge_labels(path, ["red", "blue"], "coloured"),
    "label table": lambda path, crosses: use_label_table(path, NAMES),
}


def content(path):
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


@pytest.mark.parametrize("change", CHANGES)
def test_undo_brings_every_file_back(change, own_kernel, crosses):
    before = content(own_kernel)
    CHANGES[change](own_kernel, crosses)
    assert content(own_kernel) != before
    assert len(changes(own_kernel)) == 1
    undo(own_kernel)
    assert content(own_kernel) == before
    assert not (own_kernel / "history").exists()
    with pytest.raises(InputError, match="no change of labels to take back"):
        undo(own_kernel)


def test_changes_are_taken_back_one_by_one(own_kernel, crosses, pixels):
    states = [content(own_kernel)]
    for change in CHANGES.values():
        if change in (CHANGES["merge"], CHANGES["label table"]):
            continue  # red is gone
        if change is CHANGES["rename"]:
            rename_label(own_kernel, "blue", "blau")
        else:
            change(own_kernel, crosses)
        states.append(content(own_kernel))
    for state in states[-2::-1]:
        undo(own_kernel)
        assert content(own_kernel) == state


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES)
def test_all_that_reads_a_tagger_reads_a_changed_one(change, own_kernel, crosses, shapes, cli):
    CHANGES[change](own_kernel, crosses)
    tagger = Tagger.load(own_kernel)
    image = shapes.parent / "03.png"
    assert cli("predict", own_kernel, image).code == 0
    assert cli("report", own_kernel).code == 0
    assert cli("explain", own_kernel, image).code == 0
    assert cli("similar", own_kernel, image, shapes.parent).code == 0
    assert cli("suggest", own_kernel, shapes.parent, "--budget", "3").code == 0
    assert evaluate(tagger, shapes)["mAP"] is not None
    assert tagger.thresholds_for("f1-macro").shape == (len(tagger.labels),)
    assert tagger.folder.support().labels == tagger.labels
    assert tagger.folder.context.names == tagger.labels


def test_the_scores_of_the_other_labels_stay(own_kernel, crosses, pixels):
    old = Tagger.load(own_kernel)
    before = dict(zip(old.labels, old.probabilities(pixels).T, strict=True))
    for change in (CHANGES["rename"], CHANGES["add"]):
        change(own_kernel, crosses)
    remove_labels(own_kernel, ["dark"])
    merge_labels(own_kernel, ["circle", "square"], "circle")
    new = Tagger.load(own_kernel)
    after = dict(zip(new.labels, new.probabilities(pixels).T, strict=True))
    np.testing.assert_array_equal(after["rot"], before["red"])
    np.testing.assert_array_equal(after["blue"], before["blue"])
    assert set(after) == {"rot", "blue", "circle", "cross"}


def test_a_merged_label_is_as_sure_as_the_surer_of_the_two_before_it_is_calibrated(
    own_kernel, pixels
):
    old = Tagger.load(own_kernel)
    pair = [old.labels.index(name) for name in ("red", "blue")]
    before = old.folder.support()
    surest = old.probabilities(pixels)[:, pair].max(1)
    new = merge_labels(own_kernel, ["red", "blue"], "coloured")
    found = new.probabilities(pixels)[:, new.labels.index("coloured")]
    assert (np.argsort(found) == np.argsort(surest)).all()
    support = new.folder.support()
    wanted = (before.targets[:, pair] == 1).any(1)
    column = support.labels.index("coloured")
    np.testing.assert_array_equal(support.targets[:, column] == 1, wanted)
    assert new.folder.context.occurrences[column] == wanted.sum()


def test_a_merged_label_is_merged_again(own_kernel, pixels):
    merge_labels(own_kernel, ["red", "blue"], "coloured")
    twice = merge_labels(own_kernel, ["coloured", "dark"], "any")
    undo(own_kernel)
    undo(own_kernel)
    once = merge_labels(own_kernel, ["red", "blue", "dark"], "any")
    np.testing.assert_allclose(
        twice.probabilities(pixels)[:, twice.labels.index("any")],
        once.probabilities(pixels)[:, once.labels.index("any")],
        atol=1e-6,
    )


def test_a_merged_label_that_was_added_learns_on(own_kernel, crosses):
    pair = [NewLabel("cross", tuple(crosses[:2])), NewLabel("line", tuple(crosses[2:4]))]
    add_labels(own_kernel, pair)
    merge_labels(own_kernel, ["cross", "line"], "stroke")
    grown, (report,) = add_labels(own_kernel, [NewLabel("stroke", tuple(crosses[4:]))])
    assert report.images == 6
    place = grown.labels.index("stroke")
    assert len(grown.info.growth.outputs[place]) == 1  # its score is calibrated once
    alone, _ = add_labels(own_kernel, [NewLabel("again", tuple(crosses))])
    pixels = np.stack([alone.load_input(path) for path in crosses])
    scores = alone.probabilities(pixels)
    np.testing.assert_allclose(scores[:, place], scores[:, alone.labels.index("again")], atol=0.02)


@pytest.mark.thorough
def test_undo_takes_files_with_it_that_were_exported_since(own_kernel, crosses):
    CHANGES["add"](own_kernel, crosses)
    done = export(own_kernel, "torch")
    assert done.path.parent == own_kernel
    undo(own_kernel)
    assert not done.path.exists()


def test_a_removed_label_leaves_no_name_behind_but_in_the_history(own_kernel):
    rename_label(own_kernel, "red", "unspeakable")
    undo(own_kernel)
    remove_labels(own_kernel, ["dark"])
    for name in ("model.json", "predictions.parquet", "support.parquet", "label-table.csv"):
        content = (own_kernel / name).read_bytes()
        allowed = 1 if name == "model.json" else 0  # the head's own labels, by position
        assert content.count(b'"dark"') <= allowed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: remove_labels(path, ["rde"]), "did you mean 'red'"),
        (lambda path: remove_labels(path, []), "name at least one"),
        (lambda path: remove_labels(path, Tagger.load(path).labels), "at least one label"),
        (lambda path: rename_label(path, "red", "blue"), "there is a label 'blue' already"),
        (lambda path: rename_label(path, "red", " "), "one line of text"),
        (lambda path: merge_labels(path, ["red"], "x"), "takes two labels or more"),
        (lambda path: merge_labels(path, ["red", "blue"], "dark"), "the name of another label"),
    ],
)
def test_a_wrong_change_is_refused_and_nothing_changes(own_kernel, change, message):
    before = content(own_kernel)
    with pytest.raises(InputError, match=message):
        change(own_kernel)
    assert content(own_kernel) == before
    assert not (own_kernel / "history").exists()


def test_the_methods_of_a_tagger_change_it_in_place(own_kernel, crosses):
    import imlgcn

    tagger = imlgcn.Tagger.load(own_kernel)
    labels = tagger.labels
    assert tagger.add_label("cross", crosses[:3], absent=crosses[3:]).images == 3
    tagger.rename_label("red", "rot")
    tagger.merge_labels(["circle", "square"], "shape")
    tagger.remove_label("dark")
    assert set(tagger.labels) == {"blue", "rot", "shape", "cross"}
    assert len(tagger.thresholds) == len(tagger(crosses[0], threshold="0")) == 4
    for _ in range(4):
        tagger.undo()
    assert tagger.labels == labels


@pytest.mark.thorough
def test_a_label_table_goes_into_exported_files_and_leaves_the_network_alone(
    own_kernel_onnx,
):
    own_kernel = own_kernel_onnx
    before = content(own_kernel)
    used = use_label_table(own_kernel, NAMES)
    assert used.label_table.name_of("red") == "rot"
    alone = Tagger.load(own_kernel / "model.onnx")
    assert alone.label_table == used.label_table == LabelTable.of(used.labels, NAMES.rows)
    assert (own_kernel / "model.safetensors").read_bytes() == before["model.safetensors"]
    assert used.info.growth is None
    with pytest.raises(InputError, match=r"exported file"):
        use_label_table(own_kernel / "model.onnx", NAMES)
    undo(own_kernel)
    assert content(own_kernel) == before
