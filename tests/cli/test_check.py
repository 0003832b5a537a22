"""imlgcn check and train where labels look misread."""

import json
import shutil

import pytest


@pytest.fixture
def odd(rewrite):
    """Data whose labels are separated by a sign that is not found out."""
    return rewrite(lambda row: (row[0], row[1].replace(";", "+"), row[2]))


def test_check_stops_with_the_option_that_mends_it(cli, odd):
    found = cli("check", odd, "--no-images")
    assert found.code == 1
    said = " ".join(found.out.split())
    assert "--delimiter + would make 5 labels" in said
    assert cli("check", odd, "--no-images", "--delimiter", "+").code == 0
    forced = cli("check", odd, "--no-images", "--force")
    assert forced.code == 0
    assert "warning: " in forced.out


def test_check_as_json_names_flags_and_lists_every_member(cli, odd, shapes, tmp_path):
    for number in range(72):
        shutil.copy(shapes.parent / f"{number:02}.png", tmp_path)
    rows = odd.read_text().replace(f"{shapes.parent}/", "").partition("\n")[2]
    odd.write_text(odd.read_text() + rows)
    problems = json.loads(cli("check", odd, "--json").out)["problems"]
    found = {problem["kind"]: problem for problem in problems}
    assert "--delimiter +" in found["combinations_as_labels"]["message"]
    equal = found["duplicate"]
    assert equal["count"] == len(equal["groups"]) == len(equal["examples"]) == 72
    assert all(len(group) == 2 for group in equal["groups"])


def test_train_stops_before_any_work_unless_forced(cli, odd, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("imlgcn.pipeline.choose_label_table", stop)
    out = tmp_path / "run"
    found = cli("train", odd, "--out", out)
    assert found.code == 1
    assert "--delimiter + would make 5 labels" in found.err
    assert found.err.endswith("If they are right, --force\n")
    assert not out.exists()
    assert cli("train", odd, "--out", out, "--force").code == 130, "it went on"


def test_train_says_in_one_line_what_it_takes_for_labels(cli, shapes, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("imlgcn.pipeline.choose_label_table", stop)
    found = cli("train", shapes, "--out", tmp_path / "run")
    assert "labels: blue, circle, dark, red, square\n" in found.err


def test_of_very_many_labels_the_most_frequent_are_printed_in_their_order(monkeypatch):
    from imlgcn.cli import show_many as show

    assert show.frequent("abcd", [1, 2, 3, 4]) == list("abcd")
    monkeypatch.setattr(show, "MOST_ROWS", 3)
    monkeypatch.setattr(show, "SHOWN", 2)
    assert show.frequent("abcd", [5, 2, 3, 4]) == ["a", "d"]
