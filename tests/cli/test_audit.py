"""The command audit: a table, files that do not exist yet, and answers that come back."""

from __future__ import annotations

import csv
import json

import pytest


@pytest.fixture
def audited(tagger, cli):
    """Return a function that audits the trained tagger's own data."""
    return lambda *options: cli("audit", tagger.path, *options)


def test_a_tagger_is_audited_by_its_stored_scores(audited, tmp_path):
    out, page = tmp_path / "findings.csv", tmp_path / "page.html"
    found = audited("--out", out, "--page", page)
    assert found.code == 0, found.err
    assert "72 images" in found.out
    assert f"Written to {page}" in found.out.replace("\n", "")
    assert "Does this image show" in page.read_text()
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} <= {"wrong", "missing", "conflict"}
    assert [float(row["sure"]) for row in rows] == sorted(
        (float(row["sure"]) for row in rows), reverse=True
    )


def test_json_has_every_finding_and_label(audited):
    found = json.loads(audited("--json").out)
    assert found["num_images"] == 72
    assert {label["label"] for label in found["labels"]} == {
        "blue",
        "circle",
        "dark",
        "red",
        "square",
    }


@pytest.mark.parametrize(("option", "suffix"), [("--out", "csv"), ("--page", "html")])
def test_a_file_that_exists_is_refused_before_any_work(audited, tmp_path, option, suffix):
    path = tmp_path / f"mine.{suffix}"
    path.write_text("precious")
    audited(option, path).assert_refused("exists and is not replaced", option)
    assert path.read_text() == "precious"


def test_answers_make_a_new_table(cli, shapes, tmp_path):
    answers, out = tmp_path / "answers.csv", tmp_path / "corrected.csv"
    answers.write_text("image,label,answer\n00.png,dark,yes\n01.png,dark,yes\n00.png,red,\n")
    found = cli("audit", shapes, "--answers", answers, "--out", out)
    assert found.code == 0, found.err
    assert "written to" in found.out
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all("dark" in row["labels"].split(";") for row in rows[:2])
    assert [row["split"] for row in rows[:12]] == ["train"] * 7 + ["val"] * 3 + ["test"] * 2


def test_answers_need_a_place_to_go(cli, shapes, tmp_path):
    answers = tmp_path / "answers.csv"
    answers.write_text("image,label,answer\n")
    cli("audit", shapes, "--answers", answers).assert_refused("--answers", "give --out")


def test_a_head_with_a_tagger_is_refused(audited):
    audited("--head", "linear").assert_refused("--head with data instead")
