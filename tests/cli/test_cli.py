"""The command line: version, data, counts, and how a mistake ends."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys

import pytest

from imlgcn.official.systems import SYSTEMS


def test_the_version_is_the_package_s(cli):
    from importlib.metadata import version

    assert cli("--version").out == f"imlgcn {version('imlgcn')}\n"


# data


def test_check_prints_a_table_and_ends_well_on_good_data(cli, shapes):
    found = cli("check", shapes)
    assert found.code == 0
    assert "Ready to train" in found.out
    for label in ("blue", "circle", "dark", "red", "square"):
        assert label in found.out
    assert "72 images, 5 labels; csv" in found.err, "the reader, and why"


def test_check_ends_with_1_when_training_would_be_harmed_and_speaks_json(cli, rewrite, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "03.png" else r)
    found = cli("check", data, "--json")
    assert found.code == 1
    content = json.loads(found.out)
    assert any("bad.png" in str(p["examples"]) for p in content["problems"])
    assert cli("check", data).code == 1


def test_split_writes_data_that_train_reads_and_prints_wanted_and_got(cli, rewrite, tmp_path):
    from imlgcn.data.dataset import load_dataset

    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    out = tmp_path / "split.csv"
    shares = ("--train", 0.5, "--val", 0.25, "--test", 0.25, "--seed", 3)
    found = cli("split", data, "--out", out, *shares)
    assert found.code == 0
    assert "36 (36.0)" in found.out
    assert load_dataset(out).splits == {"train": 36, "val": 18, "test": 18}
    first = out.read_text()
    cli("split", data, "--out", out, *shares)
    assert out.read_text() == first


def test_split_keeps_groups_and_writes_them(cli, rewrite, tmp_path):
    from imlgcn.data.dataset import load_dataset

    count = itertools.count()
    data = rewrite(
        lambda row: [*row[:2], f"g{next(count) // 6}"], header=("image", "labels", "group")
    )
    out = tmp_path / "split.csv"
    found = cli("split", data, "--out", out, "--group-by", "group")
    assert found.code == 0
    assert "12 groups by near duplicates and group" in " ".join(found.out.split())
    records = load_dataset(out).records
    assert [record.group for record in records] == [f"g{n // 6}" for n in range(72)]
    assert len({(record.group, record.split) for record in records}) == 12


def test_split_does_not_write_over_its_data_nor_to_another_kind_of_file(cli, rewrite, tmp_path):
    data = rewrite(lambda row: row)
    before = data.read_text()
    cli("split", data, "--out", data).assert_refused("is the data itself")
    assert data.read_text() == before
    cli("split", data, "--out", tmp_path / "x.json").assert_refused(".csv")
    cli("split", data, "--out", tmp_path / "x.csv", "--val", 0.5).assert_refused("sum 1")
    assert not list(tmp_path.glob("x.*"))


def test_graph_prints_the_rules_of_the_training_split(cli, tmp_path, shapes):
    text = "image,labels,split\n" + "".join(
        f"{shapes.parent}/{i:02}.png,{labels},{split}\n"
        for i, (labels, split) in enumerate(
            [("cake;food", "train")] * 3 + [("food", "train"), ("lone", "train"), ("cake", "test")]
        )
    )
    (tmp_path / "d.csv").write_text(text)
    found = cli("graph", tmp_path / "d.csv", "--threshold", 0.8)
    assert found.code == 0
    assert "3 labels in 5 images; 1 edge with" in found.out
    assert "cake -> food 1.00, 3 images" in found.out, "the test image does not count"
    assert "Isolated (1): lone" in found.out
    assert "Fewer edges than labels" in found.out
    content = json.loads(cli("graph", tmp_path / "d.csv", "--json", "--threshold", 0.7).out)
    assert content["num_images"] == 5
    assert [(e["source"], e["target"]) for e in content["edges"]] == [
        ("cake", "food"),
        ("food", "cake"),
    ]


# params


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        (("--head", "linear", "--backbone", "tresnet_m"), "29,503,952"),
        (("--head", "iml_gcn", "--embedding", "image"), "33,534,336"),
        (("--head", "iml_gcn", "--labels", "500"), "31,949,184"),
        (("--head", "ml_gcn", "--backbone", "resnet101"), "44,904,512"),
    ],
)
def test_params_prints_the_papers_counts(cli, arguments, total):
    found = cli("params", *arguments)
    assert found.code == 0
    assert re.search(rf"total +{total}$", found.out, re.MULTILINE)


def test_params_says_for_how_many_images_a_closed_form_is_counted(cli):
    kernel = ("params", "--head", "kernel", "--backbone", "test_efficientnet", "--labels", 5)
    found = cli(*kernel)
    assert re.search(r"support +1,000 +the data decide it; --support N counts", found.out)
    assert re.search(r"head +34,265$", cli(*kernel, "--support", 100).out, re.MULTILINE)


def test_params_refuses_what_it_does_not_know(cli):
    cli("params", "--head", "liner").assert_refused("did you mean 'linear'")
    cli("params", "--backbone", "tresnet_n").assert_refused("did you mean")


def test_systems_shows_our_counts_beside_the_published_ones(cli, monkeypatch):
    two = SYSTEMS[1:3]  # all of them are counted in tests/official/test_systems.py
    monkeypatch.setattr("imlgcn.cli.model.SYSTEMS", two)
    found = cli("systems", "--json")
    assert found.code == 0, found.err
    rows = json.loads(found.out)
    assert [row["name"] for row in rows] == [system.name for system in two]
    text = cli("systems").out
    for row in rows:
        assert row["our_params"] > 1_000_000
        assert row["name"] in text
        assert f"{row['our_params']:,}" in text


def test_a_damaged_tagger_is_refused_by_every_command_that_opens_one(cli, own_tagger, shapes):
    (own_tagger / "model.safetensors").write_bytes(b"x")
    image = shapes.parent / "00.png"
    for command, what in (("evaluate", shapes), ("predict", image)):
        cli(command, own_tagger, what).assert_refused("missing or changed")
    (own_tagger / "model.json").write_text("{")
    for command, what in (("evaluate", shapes), ("predict", image)):
        cli(command, own_tagger, what).assert_refused("damaged")


# demo


def test_demo_shows_metrics_examples_and_what_to_type_next(cli, tagger, monkeypatch, shapes):
    from imlgcn.data.dataset import load_dataset
    from imlgcn.demonstration import Demo

    test = load_dataset(shapes).split("test")
    examples = [
        (record.name, list(record.labels), tagger(path))
        for record, path in zip(test.records, test.paths, strict=True)
    ][:6]
    monkeypatch.setattr("imlgcn.demonstration.demo", lambda out, **options: Demo(tagger, examples))
    found = cli("demo", "--out", tagger.path)
    assert found.code == 0
    assert "Test images with two labels or more" in found.out
    for name, _, _ in examples:
        assert name in found.out
    assert str(tagger.path / "metrics.json") in found.out
    assert f"imlgcn predict {tagger.path}" in found.out


# mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nowhere"), "no such file or folder"),
        (("split", "nowhere", "--out", "x.csv"), "no such file or folder"),
        (("graph", "nowhere"), "no such file or folder"),
        (("evaluate", "nowhere", "x.csv"), "no tagger at nowhere"),
        (("predict", "nowhere", "x.png"), "no tagger at nowhere"),
    ],
    ids=str,
)
def test_a_path_that_does_not_exist_is_one_sentence(cli, arguments, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    cli(*arguments).assert_refused(words)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_shell_is_one_sentence_and_no_traceback(tmp_path, shapes):
    script = "from imlgcn.cli import main; main()"
    command = [sys.executable, "-c", script, "split", str(shapes), "--out", str(tmp_path / "x.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("imlgcn: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_is_this_one():
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="imlgcn")
    assert entry.value == "imlgcn.cli:main"


def test_an_interruption_ends_with_130(cli, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("imlgcn.data.source.load_dataset", interrupt)
    found = cli("check", "openclipart")
    assert found.code == 130
    assert "Traceback" not in found.err


def test_our_own_mistakes_are_not_hidden(cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # the file with the details goes there

    def fail(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("imlgcn.data.source.load_dataset", fail)
    found = cli("check", "openclipart")
    assert found.code == 70
    assert "internal error (ZeroDivisionError); details are in" in found.err


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_an_error_that_nobody_reads_keeps_its_exit_code_and_leaves_no_report(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", "from imlgcn.cli import main; main()", "predict", ".", "a.jpg"],
        cwd=tmp_path,
        stderr=write,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
