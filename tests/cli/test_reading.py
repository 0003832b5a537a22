"""How data is read has the same names in the terminal, in Python, in settings and in taggers."""

from __future__ import annotations

import inspect
import json

import pytest
import typer
import yaml
from PIL import Image

from imlgcn.cli import commands
from imlgcn.cli.flags import FLAGS
from imlgcn.cli.reading import OPTIONS
from imlgcn.data.dataset import load_dataset
from imlgcn.data.source import HOW, DataSource
from imlgcn.tagger.folder import ORIGIN
from imlgcn.training.resolve import plan_run

READING = ("check", "split", "graph", "evaluate", "compare", "audit", "train")
ALL = {
    "reader": "csv",
    "variant": "x",
    "delimiter": ";",
    "images": ["a", "b"],
    "fields": ["n"],
    "image_column": "who",
    "label_columns": ["what"],
    "split_column": "when",
    "group_column": "where",
    "sheet": "s",
    "label_names": "names.txt",
    "minus_one": "absent",
    "present_above": 0,
    "no_label": ["none"],
}


@pytest.mark.parametrize("command", READING)
def test_every_command_that_reads_data_has_all_options(command):
    parsed = typer.main.get_command(commands()).commands[command]
    flags = {flag for parameter in parsed.params for flag in parameter.opts}
    assert {FLAGS[name] for name in HOW} <= flags


def test_the_names_are_the_same_everywhere():
    arguments = set(inspect.signature(load_dataset).parameters) - {"data", "progress"}
    assert set(HOW) == set(OPTIONS) == arguments == set(ALL)
    assert set(HOW) <= set(ORIGIN)


def test_a_settings_file_and_a_tagger_keep_how_data_is_read(tmp_path):
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(ALL))
    plan = plan_run("photos.csv", {}, config=tmp_path / "settings.yaml")
    assert plan.data == DataSource.of("photos.csv", **ALL)
    kept = yaml.safe_load(yaml.safe_dump(plan.to_config()))
    assert kept == {"data": "photos.csv", **ALL}
    assert DataSource.from_config(kept) == plan.data
    assert plan_run(
        "photos.csv", {"images": "c"}, config=tmp_path / "settings.yaml"
    ).data.images == ("c",)


@pytest.fixture
def photos(tmp_path):
    """Pictures in two folders and a function that writes a table of them elsewhere."""
    for n in range(8):
        file = tmp_path / "pictures" / ("one" if n % 2 else "two") / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (30 * n, 255 - 30 * n, n * n)).save(file)
    (tmp_path / "data").mkdir()

    def write(header, row, name="photos.csv"):
        path = tmp_path / "data" / name
        path.write_text("\n".join([header, *(row(n) for n in range(8))]))
        return path

    return write


def labels(cli, *arguments):
    found = cli("check", *arguments, "--json")
    return {label["name"] for label in json.loads(found.out)["labels"]}


def test_the_folders_of_the_images_are_named_in_the_terminal(cli, photos, tmp_path):
    data = photos("image,labels", lambda n: f"{n},{'sea' if n % 3 else 'sand'}")
    cli("check", data).assert_refused("found 0 of 8 images", "(--images FOLDER)")
    assert labels(cli, data, "--images", tmp_path / "pictures") == {"sand", "sea"}
    both = [word for name in ("one", "two") for word in ("--images", tmp_path / "pictures" / name)]
    assert labels(cli, data, *both) == {"sand", "sea"}


@pytest.mark.parametrize(
    ("header", "row", "hint", "options"),
    [
        (
            "who,x",
            lambda n: f"../pictures/{('two', 'one')[n % 2]}/{n}.png,sea",
            "--label-column",
            ["x"],
        ),
        ("id,a,b", lambda n: f"{n},{n % 3},1", "--present-above 0", []),
        ("id,a,b", lambda n: f"{n},0.{n + 1},0.5", "--present-above 0.5", []),
        ("id,a,b", lambda n: f"{n},{2 * (n % 2) - 1},1", "--minus-one absent", []),
        ("id,a,b", lambda n: f"{n},{2 * (n % 2) - 1},1", "--minus-one unknown", []),
        ("id,tags,genre", lambda n: f"{n},sea,x", "--label-column tags", []),
        ("id,a,b,c", lambda n: f"{n},{n % 2},0.{n + 1},1", "--fields b", []),
    ],
)
def test_a_hint_of_a_refusal_works_as_it_is_typed(
    cli, photos, tmp_path, header, row, hint, options
):
    data = photos(header, row)
    images = ["--images", tmp_path / "pictures"]
    cli("check", data, *images).assert_refused(hint)
    assert labels(cli, data, *images, *hint.split(), *options)


def test_split_writes_paths_that_stay_right_when_all_is_moved(cli, photos, tmp_path):
    data = photos("image,labels", lambda n: f"{n},{'sea' if n % 3 else 'sand'}")
    out = tmp_path / "splits" / "photos.csv"
    out.parent.mkdir()
    cli("split", data, "--out", out, "--images", tmp_path / "pictures")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("pictures", "splits"):
        (tmp_path / name).rename(moved / name)
    found = load_dataset(moved / "splits" / "photos.csv")
    assert all(path.is_file() for path in found.paths)


@pytest.mark.parametrize("flag", ["--group-by", "--group-column"])
def test_split_keeps_a_named_column_together_and_writes_it(cli, photos, tmp_path, flag):
    data = photos("image,labels,patient", lambda n: f"{n},{'sea' if n % 3 else 'sand'},p{n // 2}")
    out = tmp_path / "out.csv"
    found = cli("split", data, "--out", out, "--images", tmp_path / "pictures", flag, "patient")
    assert found.code == 0, found.err
    records = load_dataset(out).records
    assert {record.group for record in records} == {"p0", "p1", "p2", "p3"}
    assert len({(record.group, record.split) for record in records}) == 4
