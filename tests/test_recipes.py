"""Every recipe: its first lines, its settings, its network, its commands, and one training step."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from imlgcn.cli import commands
from imlgcn.config import TrainSettings, merge_settings, train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.papers import PUBLISHED
from imlgcn.models import HEADS, MultiLabelClassifier, create_backbone, create_head
from imlgcn.models.classifier import count_parameters
from imlgcn.models.counting import WORD_DIMENSIONS, count_system
from imlgcn.official.systems import SYSTEMS
from imlgcn.tagger.config_file import read_config
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.loop import create_fabric
from thorough import thorough_but

FOLDER = Path(__file__).parents[1] / "recipes"
FILES = sorted(FOLDER.glob("*.yaml"))
LABELS = {"COCO 2014": 80, "VG-500": 500, "VOC 2007": 20, "NUS-WIDE": 81}
IMAGES = {
    "COCO 2014": 82_783 + 40_504,
    "VG-500": 82_904 + 10_000,
    "VOC 2007": 5_011 + 4_952,
    "NUS-WIDE": 119_986 + 80_283,
}
PREFIX = {"COCO 2014": "coco", "VG-500": "vg500", "VOC 2007": "voc2007", "NUS-WIDE": "nuswide"}
BACKBONE, SIZE = "test_efficientnet", 64
ASSUMED = " (assumed: none was published)"

pytestmark = pytest.mark.skipif(not FILES, reason="the recipes are not here")
over_all_recipes = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def table():
    """The module that reads the first lines of recipes; it lies beside them."""
    spec = importlib.util.spec_from_file_location("recipes_table", FOLDER / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(path: Path) -> TrainSettings:
    content = read_config(path)
    return train_settings(content, preset=content["preset"])


@over_all_recipes
def test_the_first_lines_have_one_form(path, table):
    found = table.read_comments(path)
    notes = [key for key in found if key in table.NOTES]
    assert list(found) == [*table.ONCE, *notes], "each key, in this order, and no other"
    assert notes in (["differs"], ["reconstruction", "differs"])
    assert all(len(found[key]) == 1 for key in found if key != "differs")
    one = {key: values[0] for key, values in found.items()}
    assert path.stem.startswith(PREFIX[one["data"]] + "-")
    assert "https://" in one["paper"] or "no text or code is public" in one["paper"]
    assert re.fullmatch(r"\d\d\.\d mAP, (readme of [\w.-]+/[\w.-]+|\S.*)", one["published"])
    assert one["protocol"].removesuffix(ASSUMED) in PUBLISHED
    assert re.fullmatch(r"not measured|\d+(\.\d)?", one["hours"])
    if one["measured"] == "not measured":
        assert one["hours"] == "not measured"
        assert one["hardware"].endswith("; not run here")
    else:
        assert re.match(r"\d\d\.\d mAP", one["measured"])


@over_all_recipes
def test_the_settings_are_complete_and_known(path):
    content = read_config(path)
    assert TrainSettings.model_validate(content), "no unknown key on any level"
    settings = settings_of(path)
    assert (settings.preset, settings.fine_tune, settings.fit) == ("paper", True, "squash")
    assert settings.size is not None
    assert {**content["fine_tuning"]} == settings.fine_tuning.model_dump(exclude={"workers"})
    assert settings.loss.model_dump() == content["loss"], "no option of another loss is left"


@over_all_recipes
def test_the_network_can_be_built_and_has_the_parameters_of_its_system(path, table):
    settings, comments = settings_of(path), table.read_comments(path)
    backbone = empty_backbone(settings.backbone, settings.size)
    C, channels = backbone.out_channels, backbone.channels(HEADS[settings.head].feature_levels)

    def count(labels: int) -> int:
        context = LabelContext.placeholder(
            labels, words=WORD_DIMENSIONS, image=C, image_pca=min(labels, C)
        )
        with torch.device("meta"):
            head = create_head(
                settings.head, channels, context, preset=settings.preset, **settings.head_options
            )
        return count_parameters(MultiLabelClassifier(backbone, head))

    system = next((row for row in SYSTEMS if row.name == comments["system"][0]), None)
    if system is not None:
        assert (settings.head, count(80)) == (system.head, published_size(system.name))
    assert count(LABELS[comments["data"][0]]) > count_parameters(backbone)


@over_all_recipes
def test_the_memory_in_the_hardware_line_is_that_of_the_maps_a_head_needs(path, table):
    settings, comments = settings_of(path), table.read_comments(path)
    levels = HEADS[settings.head].feature_levels
    backbone = empty_backbone(settings.backbone, settings.size)
    labels = LabelContext.placeholder(2, words=2, image=2, image_pca=2)
    with torch.device("meta"):
        head = create_head(settings.head, backbone.channels(levels), labels)
    said = re.search(r"(\d+) GB of RAM", comments["hardware"][0])
    if head.pooling is not None:
        assert said is None
        return
    numbers = numbers_in_maps(settings.backbone, settings.size, levels)
    size = IMAGES[comments["data"][0]] * numbers * 2  # half precision
    assert int(said[1]) == round(size / 1e9)


@cache
def empty_backbone(name: str, size: int):
    with torch.device("meta"):  # a side that it cannot take is refused
        return create_backbone(name, pretrained=False, size=size)


@cache
def numbers_in_maps(name: str, size: int, levels: int) -> int:
    with torch.device("meta"):
        found = empty_backbone(name, size)(torch.empty(1, 3, size, size), levels)
    return sum(level.numel() for level in (found if isinstance(found, tuple) else (found,)))


@cache
def published_size(name: str) -> int:
    row = next(row for row in SYSTEMS if row.name == name)
    return count_system(row.head, row.backbone, 80, options=row.options)["total"]


def test_the_published_numbers_on_coco_are_those_of_the_systems_table(table):
    found = {}
    for path in FILES:
        comments = table.read_comments(path)
        if comments["data"] == ["COCO 2014"]:
            found[comments["system"][0]] = float(table.published(comments)[0])
    for system in SYSTEMS:
        if system.published_map is not None:
            assert found[system.name] == system.published_map


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_system_names_the_recipe_that_names_it(system, table):
    if not system.recipe:
        assert system.published_map is None
        return
    comments = table.read_comments(FOLDER / f"{system.recipe}.yaml")
    assert (comments["system"], comments["data"]) == ([system.name], ["COCO 2014"])


@over_all_recipes
def test_the_commands_are_those_of_the_command_line_and_name_this_recipe(path, table):
    comments = table.read_comments(path)
    train = parse(comments["train"][0])
    # typer before 0.29 leaves it to the command to make paths of them
    found = Path(train["config"]), Path(train["out"])
    assert found == (Path("recipes", path.name), Path("runs", path.stem))
    assert bool(train["words"]) == (settings_of(path).head in ("ml_gcn", "ssgrl", "kggr"))
    evaluate = parse(comments["evaluate"][0])
    assert (evaluate["tagger"], evaluate["data"]) == (train["out"], train["data"])
    assert evaluate["protocol"] == comments["protocol"][0].removesuffix(ASSUMED)
    assert evaluate["split"] == "test"


def parse(line: str) -> dict:
    """Return what the command line understands, without running it."""
    program, name, *arguments = shlex.split(line)
    assert program == "imlgcn"
    command = typer.main.get_command(commands()).commands[name]
    return command.make_context(name, arguments).params


def test_a_command_that_is_not_known_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        parse("imlgcn train coco2014 --out runs/a --confg a.yaml")


@pytest.fixture(scope="module")
def tiny(shapes, weights):
    """The shapes' first images, what is known of their labels, and a function: a small backbone."""
    dataset = load_dataset(shapes)
    train, val = dataset.split("train").select(range(6)), dataset.split("val").select(range(4))
    generator = np.random.default_rng(0)
    L = len(dataset.names)

    def backbone():
        built = create_backbone(BACKBONE, weights=weights, size=SIZE)
        built.image_settings = built.image_settings.model_copy(update={"fit": "squash"})
        return built

    C = backbone().out_channels
    widths = {"words": 300, "image": C, "image_pca": L}
    vectors = {k: generator.standard_normal((L, D), np.float32) for k, D in widths.items()}
    context = LabelContext.from_targets(dataset.names, dataset.split("train").targets, vectors)
    return train, val, context, backbone


@pytest.mark.parametrize("path", thorough_but(FILES[::6], FILES), ids=lambda path: path.stem)
def test_one_step_of_the_recipe_on_a_small_backbone_moves_the_head_and_the_backbone(
    path, tiny, tmp_path
):
    """Its own head, options, loss and tuning; one batch of six images, hidden_dim at most 64."""
    settings = settings_of(path)
    train, val, context, make_backbone = tiny
    options = dict(settings.head_options)
    if options.get("hidden_dim"):
        options["hidden_dim"] = min(options["hidden_dim"], 64)
    torch.manual_seed(0)
    backbone = make_backbone()
    channels = backbone.channels(HEADS[settings.head].feature_levels)
    head = create_head(settings.head, channels, context, preset=settings.preset, **options)
    if settings.head == "linear":  # starts at zero; an epoch on the frozen backbone comes first
        torch.nn.init.normal_(head.linear.weight, std=0.1)
    classifier = MultiLabelClassifier(backbone, head)
    before = {name: value.detach().clone() for name, value in classifier.named_parameters()}
    rows, after = [], {}

    def log(row):  # called before the best weights are restored, which may be those of the start
        rows.append(row)
        after.update({n: v.detach().clone() for n, v in classifier.named_parameters()})

    fine_tune(
        classifier,
        train,
        val,
        settings=settings.fine_tuning.model_copy(
            update={"epochs": 1, "batch_size": 6, "workers": 0}
        ),
        loss=settings.loss,
        seed=0,
        fabric=create_fabric(),
        checkpoints=Checkpoints(tmp_path, "c"),
        log=log,
    )
    assert [row["epoch"] for row in rows] == [0, 1]
    assert np.isfinite(rows[1]["loss"])
    assert rows[1]["loss"] > 0
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"backbone", "head"}


@pytest.mark.parametrize("name", thorough_but(("voc2007-csra",), ["coco-iml-gcn", "voc2007-csra"]))
def test_a_recipe_is_what_config_takes(name, cli, shapes, weights, tmp_path, quick_runs):
    """From the command of its comments to a tagger that is scored; made small by `--set`."""
    path, out = FOLDER / f"{name}.yaml", tmp_path / "run"
    small = ["--backbone", BACKBONE, "--weights", weights, "--size", SIZE, "--epochs", 1]
    found = cli(
        *("train", shapes, "--config", path, "--out", out, *small, "--set", "fine_tuning.workers=0")
    )
    assert found.code == 0, found.err
    wrote, asked = read_config(out / "config.yaml"), read_config(path)
    made_small = {"backbone": BACKBONE, "size": SIZE}
    expected = merge_settings(wrote, asked, made_small, {"fine_tuning": {"epochs": 1}})
    assert wrote == expected, "all that the recipe says, but for what was made small"
    assert json.loads((out / "metrics.json").read_text())["num_images"] == 12


def test_the_table_in_the_readme_is_made_from_the_recipes(table):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert table.with_table(page) == page, "run: python recipes/table.py"
    assert all(f"]({path.name})" in page for path in FILES)


@pytest.mark.parametrize("line", ["# diffres: something", "# just a comment"])
def test_a_first_line_that_is_not_known_is_refused(line, table, tmp_path):
    (tmp_path / "a.yaml").write_text(f"{line}\nhead: linear\n")
    with pytest.raises(ValueError, match="known key"):
        table.read_comments(tmp_path / "a.yaml")
