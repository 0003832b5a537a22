"""`imlgcn train`: what its options do, and one sentence for each that cannot be."""

from __future__ import annotations

import json

import pytest
import yaml

from imlgcn.tagger import Tagger
from runs import BACKBONE, metrics_of


@pytest.fixture
def train(cli, shapes, weights, tmp_path, quick_runs):
    """Return a function that trains with the tiny backbone through the command line."""

    def run(*arguments, data=shapes, out=tmp_path / "run", tiny=True):
        base = ["--backbone", BACKBONE, "--weights", weights, "--size", 64] if tiny else []
        few = (
            ["--set", "linear_training.epochs=2", "--set", "head_training.epochs=2"] if tiny else []
        )
        return cli("train", data, "--out", out, *base, *few, *arguments)

    return run


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
        *("--preset", "paper", "--epochs", 1, "--set", "linear_training.batch_size=9", "--strict"),
        *("--set", "head_options.hidden=8", "--log", "tensorboard"),
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
    assert config["linear_training"]["batch_size"] == 9
    assert config["linear_training"]["epochs"] == 2, "--set goes over --epochs"
    assert config["fine_tuning"]["epochs"] == 1
    assert any((tmp_path / "run" / "tensorboard").iterdir())


def test_fine_tuning_is_one_flag(train, tmp_path):
    found = train(
        *("--fine-tune", "--head", "linear", "--epochs", 1, "--set", "fine_tuning.workers=0"),
        "--keep-checkpoints",
    )
    assert found.code == 0, found.err
    assert len(list((tmp_path / "run" / "checkpoints").glob("linear-*.checkpoint"))) == 1


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
    train(data=data, out=tmp_path / "a").assert_refused("delimiter")
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


# refusals: one sentence each, nothing left behind


@pytest.fixture
def bad_data(tmp_path, rewrite, shapes):
    """Data that cannot be trained on, each with words its sentence must hold."""
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "columns.csv").write_text("place,when\nBrest,1998\n")
    (tmp_path / "split.csv").write_text(f"image,labels,split\n{shapes.parent}/00.png,red,tests\n")
    return {
        "no such path": (tmp_path / "nowhere.csv", "nowhere.csv"),
        "empty folder": (tmp_path / "empty", "empty"),
        "empty file": (tmp_path / "nothing.csv", "is empty"),
        "no column": (tmp_path / "columns.csv", "columns are place, when"),
        "unknown split": (tmp_path / "split.csv", "tests"),
        "unseen labels": (
            rewrite(lambda r: (r[0], "" if r[2] != "test" else r[1], r[2]), name="unseen.csv"),
            "no label has a positive in train or val",
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
        "unseen labels",
        "all corrupt",
    ],
)
def test_data_that_cannot_be_used_is_refused(train, tmp_path, bad_data, which):
    data, words = bad_data[which]
    train(data=data).assert_refused(words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--head", "imlgcn"), "did you mean 'iml_gcn'"),
        (("--backbone", "test_efficientnt"), "did you mean 'test_efficientnet'"),
        (("--weights", "nowhere.pth"), "no weights file nowhere.pth"),
        (("--head", "iml_gcn", "--embedding", "image_pcs"), "did you mean 'image_pca'"),
        (("--graph", "identity"), "--graph: for one head, and --head auto chooses among several"),
        (("--head", "iml_gcn", "--graph", "identiti"), "did you mean 'identity'"),
        (("--log", "tensorbord"), "unknown log 'tensorbord'; did you mean 'tensorboard'"),
        (("--preset", "smal"), "did you mean 'small'"),
        (("--size", 8), "setting 'size': expected greater than or equal to 16; got 8"),
        (("--epochs", 0), "expected greater than or equal to 1; got 0"),
        (("--seed", -1), "setting 'seed'"),
        (("--set", "linear_training.epoch=3"), "did you mean 'epochs'"),
        (("--set", "sede=3"), "did you mean 'seed'"),
        (("--set", "seed"), "a setting is KEY=VALUE"),
        (("--set", "seed=abc"), "setting 'seed'"),
        (("--set", "linear_training.epochs=["), "is not YAML"),
        (("--set", "loss=null"), "setting 'loss'"),
        (("--set", "loss.name=focl"), "did you mean 'focal'"),
        (("--set", "threshold=best"), "unknown threshold 'best'"),
        (("--set", "resume=true"), "unknown setting 'resume'"),
        (("--set", "data=x"), "unknown setting 'data'"),
        (("--config", "nowhere.yaml"), "no file nowhere.yaml"),
        (("--from", "nowhere"), "--from takes the folder that training wrote"),
        (("--head", "iml_gcn", "--set", "label_embeddings.dimension=99"), "none for all; got 99"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(train, tmp_path, arguments, words):
    train(*arguments, tiny="--from" not in arguments).assert_refused(words)
    assert not (tmp_path / "run").exists()


def test_the_preset_may_be_a_setting_too(train, tmp_path):
    assert train("--set", "preset=paper", "--head", "linear").code == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["preset"] == "paper"


def test_a_size_that_tresnet_cannot_take_is_refused_with_two_that_it_can(
    cli, shapes, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "imlgcn.models.create.load_from_hub", lambda name, build: build(pretrained=False)
    )
    found = cli(
        "train", shapes, "--out", tmp_path / "run", "--backbone", "tresnet_m", "--size", 230
    )
    found.assert_refused("tresnet_m takes input sizes divisible by 4; got 230; use 228 or 232")
    assert not (tmp_path / "run").exists()


def test_one_corrupt_image_is_counted_or_with_strict_refused(train, tmp_path, rewrite):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "03.png" else r)
    found = train(data=data, out=tmp_path / "a")
    assert found.code == 0
    assert "left out, could not be read: 1 image" in found.err
    train("--strict", data=data, out=tmp_path / "b").assert_refused("1 of 72", "bad.png")
    assert not (tmp_path / "b").exists()


def test_an_output_folder_that_is_not_empty_is_refused_and_left_alone(train, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    for arguments in ((), ("--overwrite",), ("--resume",)):
        train(*arguments).assert_refused("is not empty")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (tmp_path / "file").touch()
    train(out=tmp_path / "file").assert_refused("is a file")
    train(out=tmp_path / "file" / "below").assert_refused("file")


def test_a_finished_run_is_replaced_only_when_asked(train, tmp_path):
    assert train("--head", "linear").code == 0
    train().assert_refused("is not empty", "--overwrite")
    assert train("--overwrite").code == 0
    assert metrics_of(Tagger.load(tmp_path / "run"))["tried"], "the head was chosen"


def test_the_command_line_and_python_make_the_same_run(train, shapes, weights, tmp_path):
    """The same words, as flags, as arguments and as keys of a file: the same settings and bits."""
    from imlgcn import train as train_in_python

    words = {"backbone": BACKBONE, "weights": str(weights), "size": 64, "head": "ml_gcn"}
    words |= {"graph": "identity", "embedding": "onehot", "epochs": 2, "seed": 3}
    flags = [part for key, value in words.items() for part in (f"--{key}", value)]
    assert train(*flags, out=tmp_path / "flags", tiny=False).code == 0
    train_in_python(shapes, tmp_path / "arguments", **words)
    (tmp_path / "words.yaml").write_text(yaml.safe_dump(words))
    train_in_python(shapes, tmp_path / "file", config=tmp_path / "words.yaml")
    runs = [Tagger.load(tmp_path / name) for name in ("flags", "arguments", "file")]
    first = runs[0]
    assert first.folder.config["head_options"]["graph"] == "identity"
    for run in runs[1:]:
        assert run.folder.config == first.folder.config
        assert run.info.sha256 == first.info.sha256
