"""The command explain: what it prints and draws, and its answers to mistakes."""

from __future__ import annotations

import json

import pytest
from PIL import Image


@pytest.fixture
def photo(shapes):
    return str(shapes.parent / "03.png")


def test_it_prints_each_tag_with_its_threshold_its_place_and_its_neighbours(cli, tagger, photo):
    done = cli("explain", str(tagger.path), photo, "--label", "red")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "03.png, iml_gcn"
    for word in ("red", "threshold", "strongest:", "logit", "own node", "without the graph"):
        assert word in done.out
    assert "the mean over the input" in " ".join(done.out.split())


def test_json_is_all_that_is_printed(cli, tagger, photo, tmp_path):
    out = tmp_path / "why.png"
    done = cli("explain", str(tagger.path), photo, "--json", "--out", str(out))
    content = json.loads(done.out)
    assert content["head"] == "iml_gcn"
    assert len(content["scores"]) == len(tagger.labels)
    first = content["labels"][0]
    mean = sum(map(sum, first["map"])) / sum(map(len, first["map"]))
    assert mean + first["bias"] == pytest.approx(first["logit"], abs=1e-4)
    assert out.is_file()


def test_the_figure_is_drawn_where_it_is_asked_for(cli, tagger, photo, tmp_path):
    out = tmp_path / "new folder" / "why.png"
    done = cli("explain", str(tagger.path), photo, "--label", "dark", "--out", str(out))
    assert done.code == 0
    assert f"Drawn: {out}" in done.out
    assert Image.open(out).format == "PNG"


def test_an_unknown_label_is_refused_with_the_nearest(cli, tagger, photo):
    cli("explain", str(tagger.path), photo, "--label", "rde").assert_refused("'rde'", "'red'")


def test_an_unknown_kind_of_file_is_refused_before_anything_is_read(cli, photo, tmp_path):
    cli("explain", str(tmp_path / "none"), photo, "--out", "a.jpg").assert_refused(".png", "a.jpg")


def test_an_image_that_is_none_is_named(cli, tagger, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    cli("explain", str(tagger.path), str(tmp_path / "broken.png")).assert_refused("broken.png")
    cli("explain", str(tagger.path), str(tmp_path / "none.png")).assert_refused("none.png")


def test_a_head_that_cannot_say_where_it_looks_names_those_that_can(cli, untrained, photo):
    path = untrained("cnn_rnn").path
    cli("explain", str(path), photo).assert_refused("'cnn_rnn'", "linear", "query2label")
