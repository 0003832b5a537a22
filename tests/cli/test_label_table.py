"""The label table on the command line: check and predict; parents are proposed, never applied."""

from __future__ import annotations

import json

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.data.label_table_file import read_label_table
from imlgcn.labels.paths import paths_of
from photos import photo, xmp


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_text(text)
        return path

    return write


def test_check_lists_every_wrong_row_and_ends_with_1(cli, shapes, table):
    path = table("label,parents\nrde,\nblue,red\nred,blue\ndark,crcle\n")
    found = cli("check", shapes, "--label-table", path, "--json")
    assert found.code == 1
    (problem,) = (p for p in json.loads(found.out)["problems"] if p["kind"] == "label_table")
    assert problem["count"] == len(problem["examples"]) == 3
    words = " ".join(problem["examples"])
    for part in (
        "line 2: unknown label 'rde'; did you mean 'red'?",
        "blue > red > blue",
        "'circle'",
    ):
        assert part in words


def test_check_counts_what_the_table_would_change(cli, shapes, table):
    path = table("label,parents,exclusive\nred,dark,\ncircle,,form\nsquare,,form\n")
    found = cli("check", shapes, "--label-table", path)
    assert found.code == 0
    assert "1 parent is missing on images of its children" in found.out
    data = load_dataset(shapes)
    red, dark = (data.targets[:, data.names.index(name)] == 1 for name in ("red", "dark"))
    assert f"dark: {(red & ~dark).sum()} images" in found.out
    assert "form: " in found.out


@pytest.fixture
def tame(rewrite):
    """Every red image has the label animal, as have some others."""

    def change(row):
        animal = "red" in row[1] or row[0] < "10"
        return (row[0], row[1] + ";animal" if animal else row[1].replace("animal", ""), row[2])

    return rewrite(change)


def test_parents_are_proposed_and_written_on_request_only(cli, tame, tmp_path):
    out = tmp_path / "proposed.csv"
    found = cli("check", tame, "--propose-parents", "--save-table", out)
    assert "Proposed parents" in found.out
    rows = {row.label: row.parents for row in read_label_table(out, load_dataset(tame).names).rows}
    assert rows["red"] == ("animal",)
    assert sum(map(len, rows.values())) == 1
    content = json.loads(cli("check", tame, "--propose-parents", "--json").out)
    assert [(p["child"], p["parent"], p["probability"]) for p in content["parents"]] == [
        ("red", "animal", 1.0)
    ]
    assert "parents" not in json.loads(cli("check", tame, "--json").out)
    cli("check", tame, "--save-table", out).assert_refused("exists; give another name")


def test_levels_of_keywords_become_parents_of_a_saved_table(cli, tmp_path):
    for name in "abcd":
        inside = xmp(lr_hierarchicalSubject=[f"Places|France|{name.upper()}"])
        photo(tmp_path / "photos" / f"{name}.jpg", inside=inside)
    out = tmp_path / "levels.csv"
    how = ("--variant", "parents", "--propose-parents")
    found = cli("check", tmp_path / "photos", *how, "--save-table", out)
    assert "levels" in found.out
    data = load_dataset(tmp_path / "photos", variant="parents")
    table = read_label_table(out, data.names)
    assert table.parents == {name: ["France"] for name in "ABCD"} | {"France": ["Places"]}
    assert paths_of(table)("A").paths == (("Places", "France", "A"),)


def test_a_table_may_be_saved_before_any_training(cli, shapes, tmp_path):
    cli("check", shapes, "--save-table", tmp_path / "new.csv")
    assert read_label_table(tmp_path / "new.csv", load_dataset(shapes).names).is_default


def test_predict_takes_another_table(cli, tagger, shapes, table, tmp_path):
    path, out = table("label,name,threshold\nred,rot,0\n"), tmp_path / "tags.csv"
    photo = shapes.parent / "03.png"
    assert cli("predict", tagger.path, photo, "--out", out, "--label-table", path).code == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "image,label,probability,threshold,error,name"
    assert any(line.endswith(",0.0,,rot") for line in lines)
    again = cli("predict", tagger.path, photo, "--out", out, "--overwrite")
    assert again.code == 0, "its own file may be replaced"
    wrong = table("label\nrot\n")
    refused = cli("predict", tagger.path, photo, "--label-table", wrong)
    refused.assert_refused("table.csv: line 2: unknown label 'rot'")
    none = cli("predict", tagger.path, photo, "--label-table", tmp_path / "none.csv")
    none.assert_refused("--label-table takes a CSV")
