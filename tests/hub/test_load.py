"""A tagger of the hub: the same tags, named files only, the revision asked for, offline too."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path

import pytest

from hub_stub import TOKEN
from imlgcn import InputError, Tagger, predict
from imlgcn.hub.address import HubAddress, hub_address, snapshot_of
from imlgcn.hub.errors import HubError
from imlgcn.tagger.fetched import WANTED

from .conftest import NAME

ADDRESS = f"hf-hub:{NAME}"
DATA = {".json", ".safetensors", ".onnx", ".yaml", ".csv", ".parquet", ".bin"}


def test_a_tagger_of_the_hub_gives_the_tags_of_its_folder(published, onnx_folder, photo):
    loaded = Tagger.load(ADDRESS)
    assert loaded(photo) == Tagger.load(onnx_folder)(photo)
    assert loaded.hub_address == f"{ADDRESS}@{published.branches['main']}"
    assert loaded.hub_address in repr(loaded)


def test_only_files_of_a_tagger_are_downloaded(published, hub, tmp_path):
    folder = Tagger.load(ADDRESS).path
    there = {path.name for path in folder.rglob("*") if path.is_file()}
    assert there == set(published.files()) & set(WANTED)
    assert {Path(name).suffix for name in WANTED} <= DATA
    assert "/" not in "".join(WANTED)
    got = {path.split("/")[-1] for path in hub.paths("GET") if "/resolve/" in path}
    assert got <= set(WANTED)
    assert not (tmp_path / "outside.json").exists()


def test_model_json_is_downloaded_last(published, hub):
    Tagger.load(ADDRESS)
    got = [path.split("/")[-1] for path in hub.paths("GET") if "/resolve/" in path]
    assert got[-1] == "model.json"


@pytest.mark.parametrize(("name", "size"), [("model.onnx", 2**31 + 1), ("model.json", 2**40)])
def test_a_file_that_is_too_large_is_refused_before_anything_is_downloaded(
    published, hub, name, size
):
    hub.sizes[name] = size
    with pytest.raises(HubError, match=rf"{name} of .* MiB large, and at most"):
        Tagger.load(ADDRESS)
    assert not [path for _, path in hub.asked if "/resolve/" in path]


def test_a_revision_is_a_branch_a_tag_or_a_commit(published, hub, photo):
    first = published.branches["main"]
    changed = dict(published.files())
    info = json.loads(changed["model.json"])
    info["calibration"]["threshold"] = [0.0] * len(info["labels"])
    second = published.commit(changed | {"model.json": json.dumps(info).encode()}, "lower")
    assert len(Tagger.load(f"{ADDRESS}@lower")(photo)) == len(info["labels"])
    assert Tagger.load(ADDRESS, revision="lower").path.name == second
    assert Tagger.load(ADDRESS).path.name == first
    assert Tagger.load(f"{ADDRESS}@{second}").path.name == second
    with pytest.raises(HubError, match="no such revision"):
        Tagger.load(f"{ADDRESS}@missing")


def test_a_commit_that_is_cached_asks_nobody(published, hub):
    commit = Tagger.load(ADDRESS).path.name
    hub.asked.clear()
    assert Tagger.load(f"{ADDRESS}@{commit}").path.name == commit
    assert hub.asked == []


def test_an_interrupted_download_is_finished_by_the_next(published, hub):
    hub.broken_at = "/model.onnx"
    with pytest.raises(HubError):
        Tagger.load(ADDRESS)
    hub.broken_at = None
    assert Tagger.load(ADDRESS).path.name == published.branches["main"]


def test_offline_what_was_downloaded_is_used_and_nothing_else(published, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        Tagger.load(ADDRESS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    commit = Tagger.load(ADDRESS).path.name
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Tagger.load(ADDRESS).path.name == commit
    assert hub.asked == []


def test_where_the_hub_fails_the_cached_commit_is_used_and_that_is_said(published, hub):
    commit = Tagger.load(ADDRESS).path.name
    hub.status = 503
    with pytest.warns(UserWarning, match=f"from the cache, at commit {commit}"):
        assert Tagger.load(ADDRESS).path.name == commit


def test_a_folder_made_by_hand_in_the_layout_of_the_cache_is_found(
    hub, onnx_folder, tmp_path, photo, monkeypatch
):
    """The layout as huggingface_hub's page on its cache draws it: blobs, refs, snapshots."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    place, commit = tmp_path / "hub" / "models--ada--shapes", "0123456789abcdef" * 2 + "01234567"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    (place / "blobs").mkdir()
    (place / "snapshots" / commit).mkdir(parents=True)
    for number, name in enumerate(("model.json", "model.safetensors", "model.onnx")):
        shutil.copy(onnx_folder / name, place / "blobs" / f"{number:040}")
        (place / "snapshots" / commit / name).symlink_to(f"../../blobs/{number:040}")
    wanted = Tagger.load(onnx_folder)(photo)
    assert Tagger.load(ADDRESS)(photo) == wanted
    assert Tagger.load(f"{ADDRESS}@{commit}")(photo) == wanted
    assert Tagger.load(place / "snapshots" / commit).hub_address == f"{ADDRESS}@{commit}"
    (place / "snapshots" / commit / "model.onnx").unlink()  # named in model.json, and not there
    with pytest.raises(HubError):
        Tagger.load(ADDRESS)


def test_a_private_tagger_needs_a_token(published, monkeypatch):
    published.private = True
    with pytest.raises(HubError, match=r"has no .* or it is private .*hf auth login"):
        Tagger.load(ADDRESS)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert Tagger.load(ADDRESS).labels


def test_a_repository_that_is_no_tagger_says_so(hub, published):
    files = dict(published.files())
    del files["model.json"]
    published.commit(files)
    with pytest.raises(HubError, match=r"holds no model\.json"):
        Tagger.load(ADDRESS)


def test_without_a_connection_it_is_one_sentence(hub, published, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="the hub cannot be reached"):
        Tagger.load(ADDRESS)


def test_a_path_of_this_machine_asks_nobody(hub, onnx_folder):
    assert Tagger.load(onnx_folder).hub_address is None
    assert hub.asked == []
    with pytest.raises(InputError, match="a revision is of a tagger on the hub"):
        Tagger.load(onnx_folder, revision="main")


@pytest.mark.parametrize(
    "text",
    [
        "hf-hub:shapes",
        "hf-hub:ada/../b",
        "hf-hub:ada/b/c",
        "hf-hub:/etc/passwd",
        "hf-hub:ada/b--c",
        "hf-hub:",
        "hf-hub:ada/b@",
        "hf-hub:ada/b@../x",
        "hf-hub:ada/b@a b",
        "hf-hub:ada/b\n",
    ],
)
def test_a_wrong_address_is_refused(text):
    with pytest.raises(InputError, match="expected"):
        hub_address(text)


def test_two_revisions_are_refused():
    assert hub_address(Path("hf-hub:ada/b@v1"), "v1") == HubAddress("ada/b", "v1")
    with pytest.raises(InputError, match="give one"):
        hub_address("hf-hub:ada/b@v1", "v2")


def test_no_other_folder_is_taken_for_one_of_the_cache(tmp_path):
    assert snapshot_of(tmp_path) is None
    assert snapshot_of("models--ada--b/snapshots/main") is None


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_the_command_line_takes_an_address_and_says_the_commit(
    cli, published, photo, shapes, command
):
    given = {"predict": [photo], "evaluate": [shapes]}[command]
    done = cli(command, ADDRESS, *given)
    assert done.code == 0, done.err
    assert f"{ADDRESS}@{published.branches['main']}" in done.err


def test_the_functions_take_an_address(published, onnx_folder, photo):
    assert list(predict(ADDRESS, [photo])) == list(predict(onnx_folder, [photo]))


@pytest.mark.parametrize(
    "command", [("export",), ("report",), ("label", "rename", "red", "rot"), ("label", "undo")]
)
def test_no_command_writes_into_the_cache_of_the_hub(cli, published, command):
    Tagger.load(ADDRESS)
    words = (*command[:2], ADDRESS, *command[2:]) if command[0] == "label" else (*command, ADDRESS)
    done = cli(*words)
    done.assert_refused("on the hub", "imlgcn pull")


def test_a_copy_of_ones_own_can_be_changed(cli, published, tmp_path, photo):
    out = tmp_path / "mine"
    done = cli("pull", ADDRESS, "--out", out)
    assert done.code == 0, done.err
    assert not [path for path in out.iterdir() if path.is_symlink()]
    assert Tagger.load(out)(photo) == Tagger.load(ADDRESS)(photo)
    assert Tagger.load(out).hub_address is None
    cli("pull", ADDRESS, "--out", out).assert_refused("is not empty")


def test_without_the_client_one_line_says_how_to_install_it(cli, monkeypatch, photo):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setattr("imlgcn.extras.find_spec", lambda name: None)
    cli("predict", ADDRESS, photo).assert_refused("pip install 'imlgcn[hub]'")
