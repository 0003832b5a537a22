"""A push: one commit of data, private by default, without names, hashes and paths of anybody."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from hub_stub import READER, TOKEN, Repository
from imlgcn import InputError, Tagger, pull, push
from imlgcn.exporting.layouts import hf
from imlgcn.hub.errors import HubError
from imlgcn.publishing import sending

from .conftest import NAME

pytestmark = pytest.mark.thorough

SENT = {
    *("README.md", "config.json", "preprocessor_config.json", "onnx/model.onnx"),
    *("model.json", "model.safetensors", "model.onnx", "metrics.json", "config.yaml"),
    "label-table.csv",
}
NAMING = {"support.parquet", "predictions.parquet", "learnt-images.bin"}


@pytest.fixture
def quick(monkeypatch):
    """The file for other programs is short here: test_layout.py makes and reads a true one."""
    monkeypatch.setattr(hf, "write_for_clients", lambda given, file: file.write_bytes(b"onnx"))
    monkeypatch.setattr(sending, "sample_images", lambda *given: None)


@pytest.fixture
def pushed(hub, logged_in, quick, own_onnx_folder):
    return push(own_onnx_folder, NAME)


def test_what_was_pushed_loads_with_the_tags_of_the_tagger(pushed, own_onnx_folder, photo):
    loaded = Tagger.load(f"hf-hub:{NAME}")
    assert loaded(photo) == Tagger.load(own_onnx_folder)(photo)
    assert loaded.hub_address == str(pushed.address)
    assert loaded.engine.name == "onnxruntime"
    again = Tagger.load(f"hf-hub:{NAME}", engine="torch")
    assert [tag.label for tag in again(photo)] == [tag.label for tag in loaded(photo)]


def test_a_push_is_one_commit_of_known_files(pushed, hub):
    repository = hub.repositories[NAME]
    assert set(repository.files()) == SENT | {".gitattributes"}
    assert set(pushed.files) == SENT
    assert len(repository.commits) == 2  # the hub's own first one, and this
    assert pushed.address.revision == repository.branches["main"]


def test_a_new_repository_is_private_unless_told(pushed, hub, quick, own_onnx_folder):
    assert hub.repositories[NAME].private
    assert (pushed.private, pushed.created) == (True, True)
    assert push(own_onnx_folder, "ada/open", private=False).private is False
    assert not hub.repositories["ada/open"].private


def test_nothing_names_an_image_or_a_path_of_this_machine(
    hub, logged_in, quick, own_onnx_folder, shapes
):
    tagger = Tagger.load(own_onnx_folder)
    names = tagger.folder.support().images
    metrics = tagger.folder.metrics | {"failed_images": {names[0]: "it is damaged"}}
    (own_onnx_folder / "metrics.json").write_text(json.dumps(metrics))
    config = tagger.folder.config | {"label_embeddings": {"words": str(shapes)}}
    (own_onnx_folder / "config.yaml").write_text(yaml.safe_dump(config))
    push(own_onnx_folder, NAME)
    for name, data in hub.repositories[NAME].files().items():
        for secret in (*names, str(shapes.parent), str(own_onnx_folder), "learnt_images"):
            assert secret.encode() not in data, (name, secret)


def test_what_stays_is_said_with_a_reason(pushed):
    assert set(pushed.left_out) >= NAMING
    assert not set(pushed.left_out) & SENT
    assert all(pushed.left_out.values())


def test_names_of_images_go_along_only_if_asked_and_are_taken_back(
    hub, logged_in, quick, own_onnx_folder
):
    push(own_onnx_folder, NAME, with_support=True)
    there = hub.repositories[NAME].files()
    assert set(there) >= NAMING
    assert b"learnt_images" in there["model.onnx"]
    assert "names of the images" in there["README.md"].decode()
    assert Tagger.load(f"hf-hub:{NAME}").folder.support() is not None
    push(own_onnx_folder, NAME)
    assert not set(hub.repositories[NAME].files()) & NAMING


def test_other_files_of_the_repository_stay(hub, logged_in, quick, own_onnx_folder):
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].commit({"examples/one.txt": b"mine"})
    done = push(own_onnx_folder, NAME)
    assert (done.created, done.private) == (False, False)
    assert hub.repositories[NAME].files()["examples/one.txt"] == b"mine"


@pytest.mark.thorough
def test_a_branch_is_made_and_main_stays(pushed, hub, quick, own_onnx_folder):
    before = hub.repositories[NAME].branches["main"]
    (own_onnx_folder / "label-table.csv").unlink()
    done = push(own_onnx_folder, NAME, branch="second", message="Without a table")
    assert hub.repositories[NAME].branches["main"] == before
    assert hub.repositories[NAME].branches["second"] == done.address.revision
    assert done.url.endswith("/tree/second")


def test_an_interrupted_push_leaves_the_repository_as_it_was(pushed, hub, quick, own_onnx_folder):
    repository = hub.repositories[NAME]
    before = dict(repository.branches)
    (own_onnx_folder / "label-table.csv").write_text(
        "label\n" + "\n".join(Tagger.load(own_onnx_folder).labels)
    )
    hub.broken_at = "/commit/"
    with pytest.raises(HubError, match="you may not write"):
        push(own_onnx_folder, NAME)
    assert repository.branches == before


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(
    pushed, hub, quick, own_onnx_folder, monkeypatch
):
    from huggingface_hub import HfApi

    whole = HfApi.create_commit

    def late(self, *given, **more):
        hub.repositories[NAME].commit(hub.repositories[NAME].files(), message="somebody else")
        return whole(self, *given, **more)

    monkeypatch.setattr(HfApi, "create_commit", late)
    (own_onnx_folder / "metrics.json").unlink()
    with pytest.raises(HubError, match="did not let"):
        push(own_onnx_folder, NAME)
    assert (
        hub.repositories[NAME].messages[hub.repositories[NAME].branches["main"]] == "somebody else"
    )


def test_without_a_token_nothing_is_asked(hub, quick, own_onnx_folder):
    with pytest.raises(HubError, match=r"no token .* nothing was sent: `hf auth login`"):
        push(own_onnx_folder, NAME)
    assert hub.asked == []


def test_a_token_without_the_right_is_one_sentence(hub, quick, own_onnx_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(HubError, match=r"you may not write ada/shapes: log in"):
        push(own_onnx_folder, NAME)
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].commit({})
    with pytest.raises(HubError, match=r"you may not write"):
        push(own_onnx_folder, NAME)


def test_offline_nothing_is_sent(hub, logged_in, quick, own_onnx_folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="nothing was sent"):
        push(own_onnx_folder, NAME)


def test_without_a_connection_it_is_one_sentence(
    hub, logged_in, quick, own_onnx_folder, monkeypatch
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be reached"):
        push(own_onnx_folder, NAME)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"repository": "shapes"}, "expected user/name"),
        ({"branch": "../main"}, "branch="),
        ({"licence": "My Licence!"}, "identifier"),
        ({"card": "missing.md"}, "no file"),
        ({"tagger": f"hf-hub:{NAME}"}, "on the hub"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_asked(
    hub, logged_in, own_onnx_folder, given, words
):
    given = {"tagger": own_onnx_folder, "repository": NAME} | given
    with pytest.raises(InputError, match=words):
        push(given.pop("tagger"), given.pop("repository"), **given)
    assert hub.asked == []


def test_a_dry_run_lists_the_files_writes_the_card_and_asks_nobody(
    hub, cli, quick, own_onnx_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = cli("push", own_onnx_folder, NAME, "--dry-run")
    assert done.code == 0, done.err
    assert all(re.search(rf"^  {re.escape(name)} +[\d,.]+ kB$", done.out, re.M) for name in SENT)
    assert "support.parquet" in done.out.partition("stays here:")[2]
    assert (tmp_path / "card.md").read_text(encoding="utf-8").startswith("---\nlicense: unknown\n")
    assert hub.asked == []
    cli("push", own_onnx_folder, NAME, "--dry-run").assert_refused("card.md exists")


def test_a_card_of_ones_own_is_sent(hub, logged_in, cli, quick, own_onnx_folder, tmp_path):
    card = tmp_path / "mine.md"
    card.write_text("---\nlicense: mit\n---\n\n# Mine\n", encoding="utf-8")
    done = cli("push", own_onnx_folder, NAME, "--card", card)
    assert done.code == 0, done.err
    commit = hub.repositories[NAME].branches["main"]
    assert hub.repositories[NAME].files()["README.md"] == card.read_bytes()
    assert f"imlgcn predict hf-hub:{NAME}@{commit} photo.jpg" in done.out
    assert f'Tagger.load("hf-hub:{NAME}")' in done.out
    assert f"{hub.endpoint}/{NAME} (private" in done.out
    (tmp_path / "bare.md").write_text("# Mine\n")
    cli("push", own_onnx_folder, NAME, "--card", tmp_path / "bare.md").assert_refused("no head")


@pytest.mark.thorough
def test_pushed_and_pulled_it_is_the_tagger(pushed, own_onnx_folder, tmp_path, photo):
    folder = pull(NAME, tmp_path / "mine")
    assert folder.name == pushed.address.revision
    assert Tagger.load(tmp_path / "mine")(photo) == Tagger.load(own_onnx_folder)(photo)


@pytest.mark.thorough
def test_the_token_is_in_no_message(hub, logged_in, cli, quick, own_onnx_folder):
    done = cli("push", own_onnx_folder, NAME)
    assert TOKEN not in done.out + done.err
