"""The folder of a layout: whole or not there, replaced only if an export wrote all of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import imlgcn.exporting.layouts as layouts
from imlgcn.errors import InputError
from imlgcn.exporting import ExportRefused, export
from imlgcn.exporting.agreement import Agreement, Samples
from imlgcn.exporting.layouts.base import Given, Layout, Written, new_folder
from imlgcn.exporting.layouts.photoprism import NOTHING, notes, settings_text
from imlgcn.exporting.layouts.wd14 import tags_csv
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger

pytest.importorskip("onnxruntime")


def write(given, folder) -> Written:
    (folder / "toy.txt").write_text(f"{given.name} {given.client_threshold}")
    return Written(Agreement(tags=3), ("Toys are small.",))


def fail(given, folder) -> Written:
    write(given, folder)
    raise ExportRefused("no toy")


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Two layouts that are written at once: `toy`, and `broken`, which is refused half way."""
    made = {
        "toy": Layout(lambda: write, "a toy", threshold=0.5, bounds=(0.2, 0.8)),
        "broken": Layout(lambda: fail, "a toy"),
    }
    monkeypatch.setattr(layouts, "LAYOUTS", layouts.LAYOUTS | made)


def test_a_layout_is_a_folder_that_names_its_source_and_no_path(tagger, tmp_path):
    done = export(tagger, layout="toy", out=tmp_path / "a" / "my toy")
    assert done.path == tmp_path / "a" / "my toy"
    assert (done.path / "toy.txt").read_text() == "my toy 0.5"
    said = json.loads((done.path / "imlgcn.json").read_text())
    assert said["files"] == ["toy.txt", "imlgcn.json"]
    assert (said["layout"], said["tagger"]) == ("toy", tagger.path.name)
    assert str(tmp_path) not in json.dumps(said)
    assert done.notes == ("Toys are small.",)
    assert [path.name for path in done.path.parent.iterdir()] == ["my toy"]


def test_what_is_refused_half_way_leaves_nothing_and_changes_nothing(tagger, tmp_path):
    out = tmp_path / "kept"
    with pytest.raises(ExportRefused):
        export(tagger, layout="broken", out=out)
    assert not list(tmp_path.iterdir())
    export(tagger, layout="toy", out=out)
    with pytest.raises(ExportRefused):
        export(tagger, layout="broken", out=out, overwrite=True)
    assert (out / "toy.txt").read_text() == "kept 0.5"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_that_a_person_adds_meanwhile_stays(tmp_path):
    out = tmp_path / "out"
    for content in ("first", "second"):
        with new_folder(out, overwrite=True, about={}) as folder:
            (folder / "toy.txt").write_text(content)

    def replace_slowly():
        with new_folder(out, overwrite=True, about={}) as folder:
            (folder / "toy.txt").write_text("third")
            (out / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match=f"{out} holds a file that no export wrote .mine.txt"):
        replace_slowly()
    assert ((out / "toy.txt").read_text(), (out / "mine.txt").read_text()) == ("second", "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interruption_between_old_and_new_leaves_the_old_one(tmp_path, monkeypatch):
    out, rename = tmp_path / "out", Path.rename
    with new_folder(out, overwrite=False, about={}) as folder:
        (folder / "toy.txt").write_text("first")

    def interrupted(self, target):
        found = rename(self, target)
        if target.suffix == ".old":
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), new_folder(out, overwrite=True, about={}):
        pass
    assert (out / "toy.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_what_an_export_wrote_is_replaced(tagger, tmp_path):
    out = tmp_path / "out"
    export(tagger, layout="toy", out=out)
    with pytest.raises(InputError, match="give overwrite=True to replace it"):
        export(tagger, layout="toy", out=out)
    done = export(tagger, layout="toy", out=out, client_threshold=0.3, overwrite=True)
    assert (done.path / "toy.txt").read_text() == "out 0.3"
    (out / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"no export wrote \(holiday.jpg\)"):
        export(tagger, layout="toy", out=out, overwrite=True)
    (out / "holiday.jpg").unlink()
    (out / "imlgcn.json").write_text("{}")
    with pytest.raises(InputError, match="was not written by an export with layout="):
        export(tagger, layout="toy", out=out, overwrite=True)
    assert (out / "toy.txt").is_file()


def test_an_empty_folder_is_taken(tagger, tmp_path):
    (tmp_path / "empty").mkdir()
    export(tagger, layout="toy", out=tmp_path / "empty")
    assert (tmp_path / "empty" / "toy.txt").is_file()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layout": "wd15", "out": "x"}, ["layout", "wd15", "wd14"]),
        ({"layout": "toy"}, ["writes a folder", "out="]),
        ({"layout": "toy", "out": "x", "int8": True}, ["int8=", "leave it out"]),
        ({"layout": "toy", "out": "x", "maps": True}, ["maps=", "leave it out"]),
        ({"layout": "toy", "out": "x", "format": "openvino"}, ["format=", "leave it out"]),
        ({"layout": "toy", "out": "x", "client_threshold": "high"}, ["0.2 to 0.8", "high"]),
        ({"layout": "toy", "out": "x", "client_threshold": 0.9}, ["0.2 to 0.8, or none"]),
        ({"layout": "photoprism", "out": "x", "client_threshold": "none"}, ["0.1 to 0.2; got"]),
        ({"layout": "broken", "out": "x", "client_threshold": 0.5}, ["has no meaning"]),
        ({"client_threshold": 0.5}, ["client_threshold=", "is for layout="]),
        ({"overwrite": True}, ["overwrite=", "is for layout="]),
        ({"max_drop": 1.0}, ["max_drop=", "is for int8=True"]),
    ],
)
def test_what_does_not_go_together_is_one_sentence(tagger, tmp_path, given, words):
    if "out" in given:
        given = given | {"out": tmp_path / given["out"]}
    with pytest.raises(InputError) as caught:
        export(tagger, **given)
    for word in words:
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["folder", "nothing"])
def test_a_link_is_no_place(tagger, tmp_path, target):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    with pytest.raises(InputError, match="link is a link, which cannot be replaced; give"):
        export(tagger, layout="toy", out=link, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]


def test_a_file_and_an_exported_file_are_no_place_and_no_source(tagger, onnx_file, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; give another out="):
        export(tagger, layout="toy", out=tmp_path / "file", overwrite=True)
    with pytest.raises(InputError, match="give the tagger folder it was exported from"):
        export(onnx_file, layout="toy", out=tmp_path / "x")


def test_the_command_says_what_was_written_and_how_it_was_proven(cli, tagger, tmp_path):
    ran = cli("export", tagger.path, "--layout", "toy", "--out", tmp_path / "x")
    assert ran.code == 0
    assert "toy.txt" in ran.out
    assert "the 3 tags are identical" in ran.out
    assert ran.out.rstrip().endswith("Toys are small.")
    again = cli("export", tagger.path, "--layout", "toy", "--out", tmp_path / "x")
    again.assert_refused("exists; give --overwrite to replace it")
    broken = cli("export", tagger.path, "--layout", "broken", "--out", tmp_path / "y")
    assert (broken.code, broken.err.splitlines()[-1]) == (4, "imlgcn: no toy")


# names


def given_for(tagger, *rows) -> Given:
    table = LabelTable.of(tagger.labels, rows)
    opened = Tagger(tagger.path, tagger.info, label_table=table)
    return Given(opened, tagger.info, Samples(np.zeros((0, 64, 64, 3), np.uint8), ""), "x")


def test_the_tag_list_has_the_names_that_users_read_and_how_often_they_were_seen(tagger):
    lines = tags_csv(given_for(tagger, LabelRow("red", name='Rot, "hell"'))).splitlines()
    assert len(lines) == 1 + 4 + 5 + 2
    counts = dict(zip(tagger.labels, tagger.folder.context.occurrences, strict=True))
    assert lines[5] == f"0,blue,0,{counts['blue']}"
    assert lines[8] == f'3,"Rot, ""hell""",0,{counts["red"]}'


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([LabelRow("red", name="two\nlines")], "has a line for each label"),
        ([LabelRow("red", name="blue")], "two labels are called 'blue'"),
        ([LabelRow(name, show=False) for name in ("blue", "circle", "dark", "red", "square")],
         "hides every label"),
    ],
)  # fmt: skip
def test_names_that_a_client_cannot_tell_apart_are_refused(tagger, rows, words):
    with pytest.raises(InputError, match=words):
        _ = given_for(tagger, *rows).names


def test_what_photoprism_makes_of_names_is_said(tagger):
    rows = [LabelRow("red", name="Background"), LabelRow("dark", name="BLUE")]
    said = " ".join(notes(given_for(tagger, *rows)))
    assert f"ignores labels called {NOTHING!r}" in said
    assert "'blue' stands for two labels" in said
    assert notes(given_for(tagger)) == ()


def test_another_threshold_of_photoprisms_is_in_its_settings(tagger):
    image = tagger.info.image
    assert "Thresholds" not in settings_text(image, "x", 0.2)
    assert "Confidence: 10" in settings_text(image, "x", 0.1)
