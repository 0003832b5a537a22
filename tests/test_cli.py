"""The command line: what each command prints and writes, and one sentence for each mistake."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from imlgcn.tagger import Tagger

BACKBONE = "test_efficientnet"
COMMANDS = ("demo", "check", "split", "graph", "train", "evaluate", "predict", "params")


@pytest.fixture
def train(cli, shapes, weights, tmp_path, train_tiny, monkeypatch):
    """Return a function that trains with the tiny backbone through the command line."""
    import imlgcn.report

    monkeypatch.setattr(imlgcn.report, "write_report", lambda tagger, progress: None)

    def run(*arguments, data=shapes, out=tmp_path / "run", tiny=True):
        base = ["--backbone", BACKBONE, "--weights", weights, "--size", 64] if tiny else []
        few = ["--set", "linear.epochs=2", "--set", "graph.epochs=2"] if tiny else []
        return cli("train", data, "--out", out, *base, *few, *arguments)

    return run


def assert_refused(outcome, *words):
    """One sentence closes standard error, exit code 2, nothing on standard output."""
    last = outcome.err.rstrip("\n").splitlines()[-1]
    assert outcome.code == 2, outcome.err
    assert last.startswith("imlgcn: ")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    for word in words:
        assert word in last


# help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(cli, command):
    found = cli(command, "--help")
    assert found.code == 0
    assert f"Example: imlgcn {command}" in " ".join(found.out.split())


def test_the_command_alone_lists_all_commands(cli):
    found = cli()
    for command in COMMANDS:
        assert f" {command} " in found.out


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


def test_split_does_not_write_over_its_data_nor_to_another_kind_of_file(cli, rewrite, tmp_path):
    data = rewrite(lambda row: row)
    before = data.read_text()
    assert_refused(cli("split", data, "--out", data), "is the data itself")
    assert data.read_text() == before
    assert_refused(cli("split", data, "--out", tmp_path / "x.json"), ".csv")
    assert_refused(cli("split", data, "--out", tmp_path / "x.csv", "--val", 0.5), "sum 1")
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
    assert "3 labels in 5 images; 1 edges" in found.out
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


def test_params_refuses_what_it_does_not_know(cli):
    assert_refused(cli("params", "--head", "liner"), "did you mean 'linear'")
    assert_refused(cli("params", "--backbone", "tresnet_n"), "did you mean")


# train


def test_train_writes_a_tagger_and_prints_its_numbers_beside_the_control(train, tmp_path):
    found = train()
    assert found.code == 0
    assert "test split, 12 images" in found.out
    assert "mAP (protocol default)" in found.out
    assert "control: linear" in found.out
    assert "95 % interval" in found.out
    assert "imlgcn predict" in found.out, "what to type next"
    assert Tagger.load(tmp_path / "run").labels[0] == "blue"


def test_every_option_of_train_reaches_the_settings(train, tmp_path):
    found = train(
        *("--head", "ml_gcn", "--embedding", "onehot", "--graph", "identity", "--seed", 7),
        *("--preset", "paper", "--epochs", 1, "--set", "linear.batch_size=9", "--strict"),
        *("--set", "head_options.hidden=8"),
    )
    assert found.code == 0, found.err
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["head"] == "ml_gcn"
    assert config["head_options"].items() >= {
        ("embedding", "onehot"),
        ("graph", "identity"),
        ("hidden", 8),
    }
    assert (config["seed"], config["preset"], config["strict"]) == (7, "paper", True)
    assert (config["size"], config["backbone"]) == (64, BACKBONE)
    assert config["linear"]["batch_size"] == 9
    assert config["linear"]["epochs"] == 2, "--set goes over --epochs"
    assert config["tuning"]["epochs"] == 1


def test_fine_tuning_is_one_flag(train, tmp_path):
    found = train("--fine-tune", "--head", "linear", "--epochs", 1, "--set", "tuning.workers=0")
    assert found.code == 0, found.err
    assert (tmp_path / "run" / "checkpoints" / "linear.safetensors").is_file()


def test_the_settings_of_a_run_make_the_same_run(cli, tagger, tmp_path, shapes):
    found = cli("train", shapes, "--config", tagger.path / "config.yaml", "--out", tmp_path / "b")
    assert found.code == 0, found.err
    again = Tagger.load(tmp_path / "b")
    assert again.info.sha256 == tagger.info.sha256
    for name in ("config.yaml", "metrics.json", "report.html"):
        one, two = (folder / name for folder in (tagger.path, again.path))
        if name != "report.html":  # the report names its folder
            assert one.read_bytes() == two.read_bytes(), name
        assert two.is_file()


def test_a_delimiter_is_written_down_and_taken_from_the_settings(train, tmp_path, rewrite, cli):
    labels = {";": "|", "dark": "dark, grey"}  # two candidates: it must be said

    def change(row):
        text = row[1]
        for old, new in labels.items():
            text = text.replace(old, new)
        return (row[0], text, row[2])

    data = rewrite(change)
    assert_refused(train(data=data, out=tmp_path / "a"), "delimiter")
    assert train("--delimiter", "|", data=data, out=tmp_path / "a").code == 0
    config = tmp_path / "a" / "config.yaml"
    assert train("--config", config, data=data, out=tmp_path / "b", tiny=False).code == 0
    weights = (Tagger.load(tmp_path / name).info.sha256 for name in "ab")
    assert len({json.dumps(w) for w in weights}) == 1
    assert cli("evaluate", tmp_path / "a", data, "--delimiter", "|").code == 0


def test_going_on_from_a_tagger_is_one_option(train, tmp_path, tagger):
    found = train("--from", tagger.path, "--epochs", 1, tiny=False)
    assert found.code == 0, found.err
    assert Tagger.load(tmp_path / "run").info.backbone == tagger.info.backbone


def test_a_gpu_only_changes_what_was_not_said(train, tmp_path, monkeypatch, tagger):
    """With a GPU fine-tuning is the default; settings and flags stand over it."""
    import imlgcn.pipeline

    seen = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    def record(data, out, **options):
        seen.append(options.get("fine_tune"))
        raise imlgcn.pipeline.InputError("enough")

    monkeypatch.setattr(imlgcn.pipeline, "train", record)
    config = tagger.path / "config.yaml"  # has fine_tune: false
    for arguments in ((), ("--freeze",), ("--config", config), ("--set", "fine_tune=false")):
        train(*arguments)
    assert seen == [True, False, False, False]


# refusals: one sentence each, nothing left behind


@pytest.fixture
def bad_data(tmp_path, rewrite, shapes):
    """Data that cannot be trained on, each with words its sentence must hold."""
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "columns.csv").write_text("file,tags\na.png,red\n")
    (tmp_path / "split.csv").write_text(f"image,labels,split\n{shapes.parent}/00.png,red,tests\n")
    return {
        "no such path": (tmp_path / "nowhere.csv", "nowhere.csv"),
        "empty folder": (tmp_path / "empty", "empty"),
        "empty file": (tmp_path / "nothing.csv", "is empty"),
        "no column": (tmp_path / "columns.csv", "no column 'image'"),
        "unknown split": (tmp_path / "split.csv", "tests"),
        "unseen label": (
            rewrite(lambda r: (r[0], r[1] if r[2] == "train" else "cow", r[2]), name="cow.csv"),
            "no positive image in train: cow",
        ),
        "all corrupt": (
            rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]), name="bad.csv"),
            "cannot be read",
        ),
    }


@pytest.mark.parametrize(
    "which",
    [
        "no such path",
        "empty folder",
        "empty file",
        "no column",
        "unknown split",
        "unseen label",
        "all corrupt",
    ],
)
def test_data_that_cannot_be_used_is_refused(train, tmp_path, bad_data, which):
    data, words = bad_data[which]
    assert_refused(train(data=data), words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--head", "imlgcn"), "did you mean 'iml_gcn'"),
        (("--backbone", "test_efficientnt"), "did you mean 'test_efficientnet'"),
        (("--weights", "nowhere.pth"), "no weights file nowhere.pth"),
        (("--embedding", "image_pcs"), "did you mean 'image_pca'"),
        (("--graph", "identiti"), "did you mean 'identity'"),
        (("--preset", "smal"), "did you mean 'small'"),
        (("--size", 8), "setting 'size': expected greater than or equal to 16; got 8"),
        (("--epochs", 0), "expected greater than or equal to 1; got 0"),
        (("--seed", -1), "setting 'seed'"),
        (("--set", "linear.epoch=3"), "did you mean 'epochs'"),
        (("--set", "sede=3"), "did you mean 'seed'"),
        (("--set", "seed"), "--set takes key=value"),
        (("--set", "seed=abc"), "setting 'seed'"),
        (("--set", "linear.epochs=["), "is not YAML"),
        (("--set", "loss=null"), "setting 'loss'"),
        (("--set", "loss.name=focl"), "did you mean 'focal'"),
        (("--set", "threshold=best"), "threshold 'best' is not known"),
        (("--set", "resume=true"), "unknown setting 'resume'"),
        (("--set", "data=x"), "unknown setting 'data'"),
        (("--config", "nowhere.yaml"), "no file nowhere.yaml"),
        (("--from", "nowhere"), "--from takes the folder of a trained tagger"),
        (("--set", "embedding.dimension=99"), "dimension 99 was asked for"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(train, tmp_path, arguments, words):
    assert_refused(train(*arguments, tiny="--from" not in arguments), words)
    assert not (tmp_path / "run").exists()


def test_the_preset_may_be_a_setting_too(train, tmp_path):
    assert train("--set", "preset=paper", "--head", "linear").code == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["preset"] == "paper"


def test_a_size_that_tresnet_cannot_take_is_refused_with_two_that_it_can(
    cli, shapes, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "imlgcn.models.backbones.load_from_hub", lambda name, build: build(pretrained=False)
    )
    found = cli(
        "train", shapes, "--out", tmp_path / "run", "--backbone", "tresnet_m", "--size", 230
    )
    assert_refused(found, "tresnet_m takes image sides divisible by 4; 230 given; use 228 or 232")
    assert not (tmp_path / "run").exists()


def test_one_corrupt_image_is_counted_or_with_strict_refused(train, tmp_path, rewrite):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "03.png" else r)
    found = train(data=data, out=tmp_path / "a")
    assert found.code == 0
    assert "1 images could not be read and were left out" in found.err
    assert_refused(train("--strict", data=data, out=tmp_path / "b"), "1 of 72", "bad.png")
    assert not (tmp_path / "b").exists()


def test_an_output_folder_that_is_not_empty_is_refused_and_left_alone(train, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    for arguments in ((), ("--overwrite",), ("--resume",)):
        assert_refused(train(*arguments), "is not empty")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (tmp_path / "file").touch()
    assert_refused(train(out=tmp_path / "file"), "is a file")
    assert_refused(train(out=tmp_path / "file" / "below"), "file")


def test_a_finished_run_is_replaced_only_when_asked(train, tmp_path):
    assert train("--head", "linear").code == 0
    assert_refused(train(), "is not empty", "--overwrite")
    assert train("--overwrite").code == 0
    assert Tagger.load(tmp_path / "run").info.head.name == "iml_gcn"


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
    assert_refused(cli(*arguments), words)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_shell_is_one_sentence_and_no_traceback(tmp_path, shapes):
    script = "from imlgcn.cli import main; main()"
    command = [sys.executable, "-c", script, "train", str(shapes), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "--head", "lienar"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "imlgcn: unknown head 'lienar'; did you mean 'linear'? "
        "Known: iml_gcn, linear, ml_gcn, mlp\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_is_this_one():
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="imlgcn")
    assert entry.value == "imlgcn.cli:main"


def test_an_interruption_ends_with_130(cli, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("imlgcn.cli.data.load_dataset", interrupt)
    found = cli("check", "openclipart")
    assert found.code == 130
    assert "Traceback" not in found.err


def test_our_own_mistakes_are_not_hidden(cli, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("imlgcn.cli.data.load_dataset", fail)
    with pytest.raises(ZeroDivisionError):
        cli("check", "openclipart")


# evaluate


def test_evaluate_prints_and_writes_the_numbers_of_training(cli, tagger, shapes, tmp_path):
    out = tmp_path / "m.json"
    found = cli("evaluate", tagger.path, shapes, "--json", out)
    assert found.code == 0
    content = json.loads(out.read_text())
    assert content["mAP"] == pytest.approx(tagger.info.metrics["mAP"], abs=1e-3)
    assert f"{content['mAP']:.1f}" in found.out
    assert "test split, 12 images" in found.out
    assert cli("evaluate", tagger.path, shapes, "--split", "all").out.startswith("all split, 72")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--split", "training2"), "training2"),
        (("--protocol", "voc7"), "did you mean 'voc07'"),
    ],
)
def test_evaluate_refuses_what_it_does_not_know_and_writes_nothing(
    cli, tagger, shapes, tmp_path, arguments, words
):
    assert_refused(
        cli("evaluate", tagger.path, shapes, "--json", tmp_path / "m", *arguments), words
    )
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_tagger_is_refused_by_every_command_that_opens_one(cli, own_tagger, shapes):
    (own_tagger / "model.safetensors").write_bytes(b"x")
    image = shapes.parent / "00.png"
    for command, what in (("evaluate", shapes), ("predict", image)):
        assert_refused(cli(command, own_tagger, what), "missing or changed")
    (own_tagger / "model.json").write_text("{")
    for command, what in (("evaluate", shapes), ("predict", image)):
        assert_refused(cli(command, own_tagger, what), "damaged")


# predict


def test_predict_prints_json_lines_of_the_tags(cli, tagger, shapes):
    image = shapes.parent / "03.png"
    found = cli("predict", tagger.path, image, "--threshold", 0)
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert found.code == 0
    expected = tagger(image, threshold="0")
    assert [row["label"] for row in rows] == [tag.label for tag in expected]
    assert {row["image"] for row in rows} == {str(image)}
    assert rows[0]["probability"] == pytest.approx(expected[0].probability, abs=1e-5)
    assert "1 images tagged with 5 labels" in found.err


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
        (("--known", "red=1,blue=0"), "'iml_gcn' cannot use known labels"),
        (("--known", "red"), "--known takes name=1 or name=0"),
        (("--known", "red=2"), "--known takes name=1 or name=0"),
        (("--threshold", "best"), "threshold 'best' is not known"),
        (("--out", "tags.txt"), ".jsonl"),
    ],
    ids=str,
)
def test_predict_refuses_what_it_cannot_do_and_writes_nothing(
    cli, tagger, shapes, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert_refused(cli("predict", tagger.path, shapes.parent / "00.png", *arguments), words)
    assert list(tmp_path.iterdir()) == []


def test_the_reader_of_our_output_may_go_away(tagger, shapes):
    """As in `imlgcn predict ... | head -1`."""
    script = "from imlgcn.cli import main; main()"
    arguments = ["predict", str(tagger.path), str(shapes.parent), "--all"]
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


# demo


def test_demo_shows_metrics_examples_and_what_to_type_next(cli, tagger, monkeypatch, shapes):
    from imlgcn.data.dataset import load_dataset
    from imlgcn.pipeline import Demo

    test = load_dataset(shapes).split("test")
    examples = [
        (record.name, list(record.labels), tagger(path))
        for record, path in zip(test.records, test.paths, strict=True)
    ][:6]
    monkeypatch.setattr("imlgcn.pipeline.demo", lambda out, **options: Demo(tagger, examples))
    found = cli("demo", "--out", tagger.path)
    assert found.code == 0
    assert "Six test images" in found.out
    for name, _, _ in examples:
        assert name in found.out
    assert str(tagger.path / "metrics.json") in found.out
    assert f"imlgcn predict {tagger.path}" in found.out
