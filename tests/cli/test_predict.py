"""`imlgcn predict`: rows to a file or the screen, a list as input, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_predict_prints_json_lines_of_the_tags(cli, tagger, shapes):
    image = shapes.parent / "03.png"
    found = cli("predict", tagger.path, image, "--threshold", 0)
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert found.code == 0
    expected = tagger(image, threshold="0")
    assert [row["label"] for row in rows] == [tag.label for tag in expected]
    assert {row["image"] for row in rows} == {str(image)}
    assert rows[0]["probability"] == pytest.approx(expected[0].probability, abs=1e-5)
    assert "1 image read, 5 tags" in found.err


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_predict_writes_a_row_per_tag_of_a_folder(cli, tagger, shapes, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    found = cli("predict", tagger.path, shapes.parent, "--out", out, "--all")
    assert (found.code, found.out) == (0, "")
    if suffix == ".csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        import pyarrow.parquet as pq

        rows = pq.read_table(out).to_pylist()
    assert len(rows) == 72 * 5
    assert len({row["image"] for row in rows}) == 72


def test_predict_reads_a_list_from_standard_input(cli, tagger, shapes, monkeypatch):
    images = [shapes.parent / name for name in ("05.png", "02.png")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{image}\n" for image in images)))
    found = cli("predict", tagger.path, "-", "--all")
    seen = list(dict.fromkeys(json.loads(line)["image"] for line in found.out.splitlines()))
    assert seen == [str(image) for image in images]


def test_predict_ends_with_3_when_a_file_cannot_be_read_and_tags_the_others(
    cli, tagger, shapes, tmp_path
):
    (tmp_path / "bad.png").write_bytes(b"no image")
    good, out = shapes.parent / "00.png", tmp_path / "tags.csv"
    found = cli("predict", tagger.path, tmp_path / "bad.png", good, "--out", out, "--all")
    assert found.code == 3
    assert "1 of 2 files could not be read" in found.err
    assert "bad.png" in found.err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "not an image" in rows[0]["error"]
    assert len(rows) == 1 + 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--known", "rde=1,blue=0"), "unknown label 'rde'; did you mean 'red'"),
        (("--known", "red=1", "--known-by", "head"), "'iml_gcn' does not take known labels"),
        (("--known-from", "none.csv"), "none.csv: cannot be read"),
        (("--known", "red"), "--known takes name=1 or name=0"),
        (("--known", "red=2"), "--known takes name=1 or name=0"),
        (("--threshold", "best"), "unknown threshold 'best'"),
        (("--out", "tags.txt"), ".jsonl"),
        (("--engine", "tensorflow"), "unknown engine 'tensorflow'"),
        (("--engine", "onnxruntime"), "holds no exported file for the engine 'onnxruntime'"),
        (("--resume",), "say which with"),
        (("--label-studio", "tasks.csv"), "ending in .json"),
    ],
    ids=str,
)
def test_predict_refuses_what_it_cannot_do_and_writes_nothing(
    cli, tagger, shapes, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    cli("predict", tagger.path, shapes.parent / "00.png", *arguments).assert_refused(words)
    assert list(tmp_path.iterdir()) == []


def test_the_reader_of_our_output_may_go_away(onnx_file, shapes):
    """As in `imlgcn predict ... | head -1`."""
    script = "from imlgcn.cli import main; main()"
    arguments = ["predict", str(onnx_file), str(shapes.parent), "--all"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert done.returncode not in (0, 2)


def test_a_csv_that_holds_no_predictions_is_not_written_over(cli, tagger, shapes, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("image,labels\n")
    found = cli("predict", tagger.path, shapes.parent / "00.png", "--out", mine)
    found.assert_refused("exists and does not hold predictions")
    assert mine.read_text() == "image,labels\n"
    mine.write_text("")
    assert cli("predict", tagger.path, shapes.parent / "00.png", "--out", mine).code == 0


def test_predict_says_which_engine_auto_has_taken(cli, tagger, shapes):
    found = cli("predict", tagger.path, shapes.parent / "00.png", "--engine", "auto", "--latency")
    assert found.code == 0
    assert "engine: torch (images/s measured here: torch " in found.err


def test_no_engine_is_measured_for_a_shard(cli, tagger, shapes, tmp_path):
    arguments = ("--engine", "auto", "--shard", "1/2", "--out", tmp_path / "tags.csv")
    found = cli("predict", tagger.path, shapes.parent / "00.png", *arguments)
    found.assert_refused("--engine auto is measured on each machine, and all shards need the same")
    assert "images/s" not in found.err
    assert not list(tmp_path.iterdir())


def test_predict_writes_sidecars_and_pre_annotations(cli, tagger, shapes, tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes((shapes.parent / "00.png").read_bytes())
    tasks = tmp_path / "tasks.json"
    found = cli("predict", tagger.path, image, "--threshold", 0, "--xmp", "--label-studio", tasks)
    assert "1 image read, 5 tags; 1 sidecar written" in found.err
    subject = (tmp_path / "image.png.xmp").read_text().partition("</dc:subject>")[0]
    assert subject.count("<rdf:li>") == 5
    assert len(json.loads(tasks.read_text())) == 1
    (tmp_path / "image.png.xmp").write_text("no xml")
    found = cli("predict", tagger.path, image, "--threshold", 0, "--xmp")
    assert found.code == 3
    assert "1 sidecar could not be written" in found.err


def test_known_labels_of_all_images_and_of_each_are_taken(cli, tagger, shapes, tmp_path):
    photos = [shapes.parent / f"0{number}.png" for number in range(3)]
    table = tmp_path / "known.csv"
    table.write_text("image,labels,absent\n00.png,red,circle;purple\n01.png,,dark\nlost.png,red,\n")
    out = tmp_path / "tags.csv"
    arguments = ("--known", "dark=1", "--known-from", table, "--all", "--out", out)
    found = cli("predict", tagger.path, *photos, *arguments)
    assert found.code == 0, found.err
    assert (
        f"{table}: known labels of 2 images; ignored: 1 name that no single image has (lost.png) "
        "and 1 label that the tagger does not have (purple)"
    ) in " ".join(found.err.split())
    with out.open(newline="") as file:
        rows = {(Path(r["image"]).name, r["label"]): r["probability"] for r in csv.DictReader(file)}
    certain = {key: value for key, value in rows.items() if float(value) in (0, 1)}
    assert {key: float(value) for key, value in certain.items()} == {
        ("00.png", "red"): 1, ("00.png", "circle"): 0, ("00.png", "dark"): 1,
        ("01.png", "dark"): 0, ("02.png", "dark"): 1,
    }  # fmt: skip


def labels(found):
    assert found.code == 0, found.err
    return [json.loads(line)["label"] for line in found.out.splitlines()]


def test_the_number_of_tags_can_be_bounded(cli, tagger, shapes):
    image = shapes.parent / "03.png"
    ranked = [tag.label for tag in tagger(image, threshold=0)]
    assert labels(cli("predict", tagger.path, image, "--topk", 3)) == ranked[:3]
    bounds = ("--threshold", 1, "--at-least", 1, "--at-most", 2)
    assert labels(cli("predict", tagger.path, image, *bounds)) == ranked[:1]
    wrong = cli("predict", tagger.path, image, "--topk", 1, "--at-most", 2)
    wrong.assert_refused("leave --at-least and --at-most out")


def test_a_file_of_tags_is_replaced_only_with_overwrite(cli, tagger, shapes, tmp_path):
    out, image = tmp_path / "tags.csv", shapes.parent / "00.png"
    assert cli("predict", tagger.path, image, "--out", out).code == 0
    refused = cli("predict", tagger.path, image, "--out", out)
    refused.assert_refused("exists; give --overwrite to replace it, or another --out")
    assert cli("predict", tagger.path, image, "--out", out, "--overwrite").code == 0


def test_raw_photographs_in_a_folder_are_counted_in_one_line(cli, tagger, shapes, tmp_path):
    (tmp_path / "a.png").write_bytes((shapes.parent / "00.png").read_bytes())
    for name in ("b.CR2", "c.NEF", "d.jp2"):
        (tmp_path / name).write_bytes(b"II*\0")
    found = cli("predict", tagger.path, tmp_path, "--topk", 1)
    assert len(labels(found)) == 1
    assert "3 files of a format that is not read: .CR2 (1), .NEF (1), .jp2 (1)" in found.err


def test_a_table_stands_for_the_images_of_its_column(cli, tagger, shapes):
    found = cli("predict", tagger.path, shapes, "--topk", 1)
    assert len(labels(found)) == 72


def test_shards_are_tagged_and_merged_from_the_command_line(cli, tagger, shapes, tmp_path):
    whole, out = tmp_path / "whole.csv", tmp_path / "tags.csv"
    assert cli("predict", tagger.path, shapes.parent, "--out", whole).code == 0
    for number in (1, 2, 3):
        words = ("predict", tagger.path, shapes.parent, "--out", out, "--shard", f"{number}/3")
        assert cli(*words, "--resume").code == 0
    found = cli(*words, "--resume")
    assert found.code == 0
    assert "tags.3-of-3.csv is complete: nothing is left to do" in found.err
    shards = sorted(tmp_path.glob("tags.*-of-3.csv"))
    refused = cli("merge-predictions", *shards[1:], "--out", out)
    refused.assert_refused("shard 1/3 is missing: give", "tags.1-of-3.csv, too")
    found = cli("merge-predictions", *shards, "--out", out)
    assert found.code == 0, found.err
    assert "72 images read" in found.err
    assert out.read_bytes() == whole.read_bytes()
    cli("merge-predictions", *shards, "--out", out).assert_refused("exists; give --overwrite")
    mine = tmp_path / "mine.3-of-3.csv"
    mine.write_text("a,b\n")
    words = ("--shard", "3/3", "--overwrite", "--out", tmp_path / "mine.csv")
    found = cli("predict", tagger.path, shapes.parent, *words)
    found.assert_refused("mine.3-of-3.csv exists and does not hold predictions")
    wrong = cli("predict", tagger.path, shapes.parent, "--shard", "0/3")
    wrong.assert_refused("--shard 0/3: there is no such shard; they count from 1")
