"""`imlgcn label`: what is typed is what is learnt, and every change can be taken back."""

from __future__ import annotations

import csv
import json

import pytest

from imlgcn.growing import read_answers
from imlgcn.tagger import Tagger


def targets(path, label):
    """Return what the tagger's folder says of a label: image -> 1 or 0, where it is known."""
    support = Tagger.load(path).folder.support()
    column = support.targets[:, support.labels.index(label)]
    return {i: int(t) for i, t in zip(support.images, column, strict=True) if t >= 0}


def test_not_takes_all_images_up_to_the_next_option(cli, own_kernel, crosses, shapes):
    absent = [shapes.parent / "00.png", shapes.parent / "01.png"]  # as a shell expands a pattern
    done = cli("label", "add", own_kernel, "cross", *crosses, "--not", *absent, "--share", "0.1")
    assert done.code == 0, done.err
    known = {path.as_posix(): 1 for path in crosses} | {path.as_posix(): 0 for path in absent}
    assert targets(own_kernel, "cross") == known
    assert "cross: learnt from 6 images" in done.out


def test_questions_are_answered_and_learnt(cli, own_kernel, crosses, tmp_path):
    table = tmp_path / "questions.csv"
    done = cli("label", "add", own_kernel, "cross", *crosses, "--ask", 4, "--questions", table)
    assert f"label add {own_kernel} cross --answers {table}" in " ".join(done.out.split())
    rows = list(csv.DictReader(table.open()))
    assert [(row["label"], row["answer"]) for row in rows] == [("cross", "")] * 4
    rows[0]["answer"], rows[1]["answer"], rows[2]["answer"] = "Yes", "no", " "
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")  # as a spreadsheet saves it
        writer.writeheader()
        writer.writerows(rows)
    assert read_answers(table) == {"cross": {rows[0]["image"]: 1, rows[1]["image"]: 0}}
    done = cli("label", "add", own_kernel, "cross", "--answers", table)
    assert "learnt from 7 images" in done.out
    known = targets(own_kernel, "cross")
    assert (known[rows[0]["image"]], known[rows[1]["image"]]) == (1, 0)
    assert rows[3]["image"] not in known


def test_a_table_of_labels_and_json(cli, own_kernel, crosses, tmp_path):
    table = tmp_path / "new.csv"
    lines = [f"{path},{name}" for path, name in zip(crosses, ["cross", "line"] * 3, strict=True)]
    table.write_text("\n".join(["image,labels", *lines]) + "\n")
    found = json.loads(cli("label", "add", own_kernel, "--csv", table, "--json").out)
    assert [(one["label"], one["images"]) for one in found] == [("cross", 3), ("line", 3)]


def test_changes_are_listed_and_taken_back(cli, own_kernel):
    before = Tagger.load(own_kernel).labels
    assert cli("label", "rename", own_kernel, "red", "rot").out == "red is now rot\n"
    merged = cli("label", "merge", own_kernel, "circle", "square", "--into", "shape").out
    assert merged == "circle, square are now shape; 4 labels left\n"
    assert cli("label", "remove", own_kernel, "dark").out == "removed dark; 3 labels left\n"
    listed = cli("label", "undo", own_kernel, "--list").out.splitlines()
    what = ["rename red to rot", "merge circle, square into shape", "remove dark"]
    assert [line.split("  ")[-1] for line in listed] == what
    for change in reversed(what):
        assert cli("label", "undo", own_kernel).out == f"taken back: {change}\n"
    assert Tagger.load(own_kernel).labels == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "{}"), "give the NAME of the new label and images of it, or --csv DATA"),
        (("add", "{}", "cross"), "no image shows the new label 'cross'"),
        (("add", "{}", "red", "x.png"), "no such file or folder"),
        (("add", "{}", "x", "--csv", "y"), "leave NAME, --not and --answers out"),
        (("add", "{}", "x", "--ask", "-1"), "--ask takes a number of images"),
        (("add", "{}", "x", "--answers", "gone.csv"), "the answers in gone.csv cannot be read"),
        (("rename", "{}", "rde", "x"), "did you mean 'red'?"),
        (("undo", "{}"), "has no change of labels to take back"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(cli, own_kernel, arguments, message):
    done = cli("label", *(word.format(own_kernel) for word in arguments))
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (own_kernel / "history").exists()
