"""Of several mistakes in one push, the first that is said is the first to mend."""

from __future__ import annotations

import os

import pytest

from imlgcn import InputError, push
from imlgcn.hub.errors import HubError
from imlgcn.publishing import sending

from .conftest import NAME


@pytest.fixture
def idle(monkeypatch):
    """Nothing may be written."""

    def refuse(*given):
        raise AssertionError("something was written before all was checked")

    monkeypatch.setattr(sending, "_write", refuse)


MISTAKES = [
    (("TAGGER", "shapes"), "expected user/name"),
    (("TAGGER", NAME, "--branch", "../x"), "--branch takes the name of a branch"),
    (("TAGGER", NAME, "--licence", "My Licence!"), "--licence takes an identifier"),
    (("nowhere", NAME), "nowhere"),
]


@pytest.mark.parametrize(("given", "words"), MISTAKES)
@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["sent", "dry run"])
def test_a_mistake_in_what_was_written_comes_before_a_card_that_exists_and_a_missing_token(
    hub, cli, idle, onnx_folder, tmp_path, monkeypatch, given, words, more
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.md").write_text("mine")
    given = (onnx_folder if word == "TAGGER" else word for word in given)
    refused = cli("push", *given, *more)
    refused.assert_refused(words)
    assert "card.md" not in refused.err
    assert os.listdir(tmp_path) == ["card.md"]
    assert hub.asked == []


def test_a_card_that_exists_is_the_last_mistake_of_a_dry_run(
    hub, cli, idle, onnx_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.md").write_text("mine")
    cli("push", onnx_folder, NAME, "--dry-run").assert_refused("card.md exists")
    assert (tmp_path / "card.md").read_text() == "mine"


def test_a_missing_token_is_the_last_mistake_of_a_push(hub, idle, onnx_folder, tmp_path):
    with pytest.raises(InputError, match="no file"):
        push(onnx_folder, NAME, card=tmp_path / "missing.md")
    with pytest.raises(InputError, match="nowhere"):
        push(tmp_path / "nowhere", NAME)
    with pytest.raises(HubError, match="no token"):
        push(onnx_folder, NAME)
