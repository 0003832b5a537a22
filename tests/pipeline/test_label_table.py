"""A label table at training: parents in the targets, a copy in the folder, no edit lost."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger
from runs import Said, config_of

DEFAULT = """label,show,name,parents,threshold,exclusive
blue,yes,,,,
circle,yes,,,,
dark,yes,,,,
red,yes,,,,
square,yes,,,,
"""
RULES = "label,name,parents\nred,rot,dark\ncircle,,\n"


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.csv"
    path.write_text(RULES)
    return path


@pytest.fixture(scope="module")
def ruled(train_tiny, rules, tmp_path_factory):
    """A tagger trained with the rules, and what was said; read only."""
    said = Said()
    out = tmp_path_factory.mktemp("ruled") / "run"
    return train_tiny(out, head="linear", label_table=rules, progress=said), said


def file_of(out):
    return out / "label-table.csv"


def test_a_run_without_a_table_writes_the_default_one_and_nothing_else_of_it(linear_tagger):
    assert file_of(linear_tagger.path).read_text() == DEFAULT
    assert not {"label_table", "label_parents"} & config_of(linear_tagger).keys()
    assert linear_tagger.label_table.is_default


def test_every_image_with_a_child_has_its_parent_in_training(ruled, shapes):
    tagger, said = ruled
    data = load_dataset(shapes)
    red, dark = (data.targets[:, data.names.index(name)] == 1 for name in ("red", "dark"))
    missing = int((red & ~dark).sum())
    assert missing
    assert any(f"{missing} targets on {missing} images (dark {missing})" in x for x in said.lines)
    scored = tagger.folder.scores.split("train")
    red, dark = (scored.targets[:, tagger.labels.index(name)] for name in ("red", "dark"))
    assert (dark[red == 1] == 1).all()
    assert tagger.folder.context.pair_counts[3, 2] == tagger.folder.context.occurrences[3]


def test_the_folder_has_a_copy_and_the_settings_say_where_it_is_from(ruled, rules):
    tagger, _ = ruled
    assert "red,yes,rot,dark,," in file_of(tagger.path).read_text()
    assert config_of(tagger)["label_table"] == str(rules)
    assert config_of(tagger)["label_parents"] == {"red": ["dark"]}
    assert Tagger.load(tagger.path).label_table.name_of("red") == "rot"


def test_evaluation_knows_the_images_again_by_the_targets_that_training_made(ruled, shapes):
    tagger, _ = ruled
    found = evaluate(tagger, shapes, split="train")
    assert found["out_of_fold_images"] == 42
    edited = Tagger.load(tagger.path, label_table=LabelTable.of(tagger.labels))
    assert evaluate(edited, shapes, split="train")["mAP"] == found["mAP"]


def test_a_wrong_row_is_refused_before_anything_is_written(train_tiny, tmp_path):
    table = tmp_path / "wrong.csv"
    table.write_text("label\nrde\n")
    with pytest.raises(InputError, match=r"line 2: unknown label 'rde'; did you mean 'red'"):
        train_tiny(tmp_path / "run", label_table=table)
    assert not (tmp_path / "run").exists()


def test_a_label_that_cannot_be_learnt_takes_its_row_with_it(train_tiny, tmp_path, rewrite):
    data = rewrite(
        lambda r: (r[0], *(int(n in r[1]) for n in ("red", "blue", "never")), r[2]),
        header=("image", "red", "blue", "never", "split"),
    )
    table = LabelTable.of(["red", "blue", "never"], [LabelRow("never", parents=("red",))])
    tagger = train_tiny(tmp_path / "run", data, head="linear", label_table=table)
    assert tagger.label_table == LabelTable.of(["red", "blue"])


def edit(out) -> str:
    """A person edits the folder's table."""
    text = DEFAULT.replace("blue,yes,,,,", "blue,no,blau,,0.25,")
    file_of(out).write_text(text)
    return text


def test_a_replaced_run_hands_its_edited_table_on(train_tiny, tmp_path):
    out, said = tmp_path / "run", Said()
    train_tiny(out, head="linear")
    text = edit(out)
    tagger = train_tiny(out, head="linear", replace=True, progress=said)
    assert file_of(out).read_text() == text
    assert any(f"that of {out} is taken over" in words for words in said.lines)
    assert tagger.label_table.rows[0] == LabelRow("blue", False, "blau", threshold=0.25)


def test_a_table_that_another_one_replaces_stays_in_the_folder(train_tiny, tmp_path, rules):
    out = tmp_path / "run"
    train_tiny(out, head="linear")
    text = edit(out)
    tagger = train_tiny(out, head="linear", replace=True, label_table=rules)
    assert tagger.label_table.name_of("red") == "rot"
    assert (out / "label-table.replaced.csv").read_text() == text


def test_a_run_from_a_tagger_takes_over_its_table(train_tiny, tmp_path, rewrite):
    first = train_tiny(tmp_path / "a", head="linear").path
    edit(first)
    data = rewrite(lambda row: (row[0], row[1].replace("red", "zebra"), row[2]))
    tagger = train_tiny(tmp_path / "b", data, start=first)
    assert tagger.label_table.rows[0] == LabelRow("blue", False, "blau", threshold=0.25)
    assert tagger.label_table.rows[-2] == LabelRow("zebra")
    assert tagger.label_table.rows[-1].label == "red"  # kept from the older tagger, with its row


def test_a_resumed_run_has_one_table_and_says_so_where_there_are_two(
    train_tiny, tmp_path, rules, monkeypatch
):
    from imlgcn import pipeline

    out, whole = tmp_path / "run", pipeline._save

    def killed(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(out, head="linear", label_table=rules)
    monkeypatch.setattr(pipeline, "_save", whole)
    kept = file_of(out).read_text()
    file_of(out).write_text(kept.replace("rot", "Rot"))
    with pytest.raises(InputError, match="differs from label_table=: make the two the same"):
        train_tiny(out, head="linear", label_table=rules, resume=True)
    file_of(out).write_text(kept)
    tagger = train_tiny(out, head="linear", label_table=rules, resume=True)
    assert file_of(out).read_text() == kept
    assert tagger.label_table.name_of("red") == "rot"


def test_a_resumed_run_has_the_parents_that_it_was_started_with(train_tiny, tmp_path, monkeypatch):
    from imlgcn import pipeline

    out, whole = tmp_path / "run", pipeline._save
    monkeypatch.setattr(pipeline, "_save", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_tiny(out, head="linear")
    monkeypatch.setattr(pipeline, "_save", whole)
    text = edit(out)
    tagger = train_tiny(out, head="linear", resume=True)
    assert file_of(out).read_text() == text
    assert np.isclose(tagger.thresholds[0], 0.25)
    file_of(out).write_text(DEFAULT.replace("red,yes,,,,", "red,yes,,dark,,"))
    with pytest.raises(InputError, match=r"other settings \(label_parents\)"):
        train_tiny(out, head="linear", resume=True)
