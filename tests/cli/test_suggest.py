"""The commands suggest and similar: what they print and write, and their answers to mistakes."""

from __future__ import annotations

import csv
import json

import pytest


@pytest.fixture
def folder(shapes):
    return shapes.parent


def test_suggest_prints_a_row_for_each_image_and_says_how_many(cli, linear_tagger, folder):
    done = cli("suggest", linear_tagger.path, folder, "--budget", 3)
    assert done.code == 0
    words = " ".join(done.out.split())
    assert words.startswith("image why nearest similarity")
    assert "3 images of 72 to label; 60 nearly the same as a training image" in done.err


def test_suggest_writes_what_it_prints_as_csv(cli, linear_tagger, folder, tmp_path):
    out = tmp_path / "next.csv"
    done = cli("suggest", linear_tagger.path, folder, "--budget", 3, "--json", "--out", out)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = json.loads(done.out)["images"]
    assert list(rows[0]) == ["image", "why", "nearest", "similarity"]
    assert [row["image"] for row in rows] == [image["image"] for image in images]
    assert rows[0]["why"] == images[0]["why"]
    assert float(rows[0]["similarity"]) == pytest.approx(images[0]["similarity"], abs=0.006)


def test_json_is_written_as_it_is_printed(cli, linear_tagger, folder, tmp_path):
    out = tmp_path / "next.json"
    done = cli("suggest", linear_tagger.path, folder, "--rare", "--json", "--out", out)
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(done.out)
    assert "unsure" in json.loads(done.out)["images"][0]["why"]


def test_similar_prints_the_most_similar_first(cli, linear_tagger, folder):
    done = cli("similar", linear_tagger.path, folder / "03.png", folder, "--top", 4, "--json")
    images = json.loads(done.out)["images"]
    assert (done.code, len(images)) == (0, 4)
    shown = cli("similar", linear_tagger.path, folder / "03.png", folder, "--top", 4)
    assert images[0]["words"] in " ".join(shown.out.split())


@pytest.mark.parametrize("command", ["suggest", "similar"])
def test_a_file_that_cannot_be_read_is_named_and_ends_with_3(
    cli, linear_tagger, folder, tmp_path, command
):
    (tmp_path / "bad.png").write_bytes(b"no image")
    image = [folder / "03.png"] * (command == "similar")
    done = cli(command, linear_tagger.path, *image, folder, tmp_path)
    assert done.code == 3
    assert "bad.png" in done.err
    assert "1 of 7" in done.err  # of 73, or of 72 without the image itself
    assert done.out


def test_mistakes_are_refused(cli, linear_tagger, onnx_file, folder, tmp_path):
    cli("suggest", tmp_path / "none", folder, "--out", "a.txt").assert_refused(".csv", "a.txt")
    cli("suggest", onnx_file, folder).assert_refused("exported file")
    cli("suggest", linear_tagger.path, folder, "--budget", 0).assert_refused("--budget", "0")
    cli("similar", linear_tagger.path, folder / "none.png", folder).assert_refused("none.png")
