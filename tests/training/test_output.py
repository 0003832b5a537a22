"""The folder of a run: begun, refused, resumed, replaced."""

from __future__ import annotations

import json

import pytest
import yaml

from imlgcn.config import train_settings
from imlgcn.errors import InputError
from imlgcn.tagger.config_file import read_config, read_settings
from imlgcn.tagger.folder import FILES
from imlgcn.tagger.info import read_info
from imlgcn.training.loop import DivergedError
from imlgcn.training.output import (
    RunLog,
    close_run_folder,
    discard_run,
    discarded_if_useless,
    locked_run_folder,
    open_run_folder,
    remove_run,
)

SETTINGS = train_settings({"seed": 3})
ORIGIN = {"data": "photos.csv", "delimiter": None, "from": None}


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def finish(folder):
    for name in FILES:
        (folder / name).touch()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "linear.safetensors").touch()


@pytest.mark.parametrize("existing", [False, True])
def test_a_new_run_writes_its_complete_settings(tmp_path, existing):
    out = tmp_path / "a" / "run"
    if existing:
        out.mkdir(parents=True)
    open_run_folder(out, SETTINGS, {**ORIGIN, "delimiter": "|"})
    content = yaml.safe_load((out / "config.yaml").read_text())
    assert content.pop("data") == "photos.csv"
    assert content.pop("delimiter") == "|"
    assert "from" not in content
    assert train_settings(content) == SETTINGS
    assert content.keys() == SETTINGS.model_dump().keys()
    assert content["fine_tuning"].keys() == SETTINGS.fine_tuning.model_dump().keys()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match=r"takes a folder; .* is a file"):
        open_run_folder(tmp_path / "run", SETTINGS, ORIGIN)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    for options in ({}, {"replace": True}, {"resume": True}):
        with pytest.raises(InputError, match="is not empty"):
            open_run_folder(tmp_path, SETTINGS, ORIGIN, **options)
    assert names(tmp_path) == {"mine.txt"}


def test_an_unfinished_run_is_refused_with_the_way_to_go_on(tmp_path):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    with pytest.raises(InputError, match="unfinished run: add resume=True"):
        open_run_folder(tmp_path, SETTINGS, ORIGIN)
    (tmp_path / "model.json").touch()
    with pytest.raises(InputError, match="is not empty; give another out=, or replace=True"):
        open_run_folder(tmp_path, SETTINGS, ORIGIN)


def test_the_same_run_may_go_on_and_loses_nothing(tmp_path):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    finish(tmp_path)
    before = names(tmp_path)
    text = (tmp_path / "config.yaml").read_bytes()
    open_run_folder(tmp_path, SETTINGS, ORIGIN, resume=True)
    assert names(tmp_path) == before
    assert (tmp_path / "config.yaml").read_bytes() == text


@pytest.mark.parametrize(
    ("settings", "origin", "changed"),
    [
        (train_settings({"seed": 4}), ORIGIN, "seed"),
        (train_settings({"seed": 3, "linear_training": {"epochs": 9}}), ORIGIN, "linear_training"),
        (SETTINGS, {**ORIGIN, "data": "others.csv"}, "data"),
        (SETTINGS, {**ORIGIN, "from": "runs/old"}, "from"),
    ],
)
def test_another_run_may_not_go_on_in_its_place(tmp_path, settings, origin, changed):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    with pytest.raises(InputError, match=rf"started with other settings \({changed}\)"):
        open_run_folder(tmp_path, settings, origin, resume=True)


def test_a_run_that_began_from_a_tagger_does_not_go_on_without_it(tmp_path):
    open_run_folder(tmp_path, SETTINGS, {**ORIGIN, "from": "runs/old"})
    with pytest.raises(InputError, match=r"other settings \(from\)"):
        open_run_folder(tmp_path, SETTINGS, ORIGIN, resume=True)


def test_resume_without_a_run_begins_one(tmp_path):
    open_run_folder(tmp_path / "new", SETTINGS, ORIGIN, resume=True)
    assert names(tmp_path / "new") == {"config.yaml"}


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"replace": True}])
def test_a_run_killed_while_it_wrote_its_settings_has_not_begun(tmp_path, options):
    (tmp_path / ".config.yaml.0a1b2c.tmp").touch()
    open_run_folder(tmp_path, SETTINGS, ORIGIN, **options)
    assert names(tmp_path) == {"config.yaml"}


def test_replacing_deletes_a_run_and_what_a_kill_left_of_it(tmp_path):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    finish(tmp_path)
    (tmp_path / ".model.safetensors.0a1b2c.tmp").touch()
    open_run_folder(tmp_path, SETTINGS, ORIGIN, replace=True)
    close_run_folder(tmp_path)
    assert names(tmp_path) == {"config.yaml"}


@pytest.mark.parametrize("kills", [0, 1, 2])
def test_a_replaced_run_comes_back_when_the_new_one_cannot_go_on(tmp_path, kills):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    finish(tmp_path)
    before = names(tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    for seed in range(kills + 1):  # all but the last are killed
        open_run_folder(tmp_path, train_settings({"seed": seed}), ORIGIN, replace=True)
    discard_run(tmp_path, folder=False)
    assert names(tmp_path) == before
    assert (tmp_path / "config.yaml").read_text() == text


def test_nothing_but_a_run_is_ever_deleted(tmp_path):
    finish(tmp_path)
    (tmp_path / "notes.md").touch()
    (tmp_path / ".secret.tmp").touch()
    remove_run(tmp_path)
    assert names(tmp_path) == {"notes.md", ".secret.tmp"}


def test_a_discarded_run_takes_its_folder_along_only_when_empty(tmp_path):
    for number, folder in enumerate((tmp_path / "a", tmp_path / "b", tmp_path / "c")):
        folder.mkdir()
        (folder / "config.yaml").touch()
        if number == 1:
            (folder / "notes.md").touch()
        discard_run(folder, folder=number < 2)
    assert names(tmp_path) == {"b", "c"}
    assert names(tmp_path / "b") == {"notes.md"}


def test_a_tagger_s_settings_come_without_its_data(tmp_path):
    open_run_folder(tmp_path, SETTINGS, {**ORIGIN, "from": "runs/old"})
    assert train_settings(read_settings(tmp_path)) == SETTINGS
    with pytest.raises(InputError, match="start= takes the folder that training wrote"):
        read_settings(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n- b", "must hold settings"),
        (b"", "must hold settings"),
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_one_sentence(tmp_path, content, message):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_settings_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no file .*none\.yaml"):
        read_config(tmp_path / "none.yaml")


def test_the_log_is_one_json_line_per_event(tmp_path):
    log = RunLog(tmp_path)
    log({"stage": "a", "epoch": 1, "loss": None, "val_mAP": float("nan")})
    log({"stage": "é", "epoch": 2})

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line, parse_constant=refuse) for line in lines]
    assert rows[0] == {"stage": "a", "epoch": 1, "loss": None, "val_mAP": None}
    assert rows[1]["stage"] == "é"


def test_a_new_log_begins_anew_and_a_resumed_one_goes_on(tmp_path):
    RunLog(tmp_path)({"epoch": 1})
    RunLog(tmp_path, keep=True)({"epoch": 2})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    RunLog(tmp_path)({"epoch": 3})
    assert (tmp_path / "log.jsonl").read_text() == '{"epoch": 3}\n'


def test_after_a_killed_replacement_the_earlier_run_is_pointed_at_and_whole(tmp_path):
    run = tmp_path / "run"
    open_run_folder(run, SETTINGS, ORIGIN)
    finish(run)
    open_run_folder(run, SETTINGS, ORIGIN, replace=True)  # and killed
    with pytest.raises(InputError, match=r"replaces is whole, in .*\.replaced: move that folder"):
        read_info(run)
    (run / ".replaced").rename(tmp_path / "back")
    assert names(tmp_path / "back") >= {"model.json", "config.yaml"}
    with pytest.raises(InputError, match="did not finish"):
        read_info(run)


def test_a_run_has_one_writer(tmp_path):
    with (
        locked_run_folder(tmp_path / "run"),
        pytest.raises(InputError, match=r"another run is writing .*run: wait"),
        locked_run_folder(tmp_path / "run"),
    ):
        pass
    with locked_run_folder(tmp_path / "run"):
        pass


def test_a_diverged_run_keeps_what_it_saved(tmp_path):
    open_run_folder(tmp_path, SETTINGS, ORIGIN)
    (tmp_path / "checkpoints").mkdir()
    with (
        pytest.raises(DivergedError),
        discarded_if_useless(tmp_path, resumed=False, existed=True),
    ):
        raise DivergedError("the loss became nan")
    assert (tmp_path / "checkpoints").is_dir()
    with pytest.raises(InputError), discarded_if_useless(tmp_path, resumed=False, existed=True):
        raise InputError("no image can be read")
    assert names(tmp_path) == set()
