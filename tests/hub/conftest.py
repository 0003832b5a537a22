"""A hub on loopback, a cache and a home of its own, and a repository with a tagger."""

from __future__ import annotations

import pytest

from hub_stub import TOKEN, Repository, running_hub

NAME = "ada/shapes"


@pytest.fixture(scope="session")
def _hub():
    with running_hub() as hub:
        yield hub


@pytest.fixture
def hub(_hub, tmp_path, monkeypatch):
    """The stub, empty, asked by this process and those that it starts; nobody is logged in."""
    from huggingface_hub import constants

    _hub.repositories.clear()
    _hub.sizes.clear()
    _hub.asked.clear()
    _hub.status = _hub.broken_at = None
    given = {
        "ENDPOINT": _hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": _hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_STORED_TOKENS_PATH": str(tmp_path / "tokens"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }
    for name, value in given.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_ENDPOINT", _hub.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    return _hub


@pytest.fixture
def logged_in(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def published(hub, onnx_folder):
    """A repository that holds all that a tagger folder may, and things that it may not."""
    files = {path.name: path.read_bytes() for path in onnx_folder.iterdir() if path.is_file()}
    strange = {
        "model.pt2": b"pickle",
        "pytorch_model.bin": b"pickle",
        "imlgcn.py": b"raise SystemExit",
        "../outside.json": b"{}",
        "sub/model.json": b"{}",
        "README.md": b"# card",
    }
    repository = hub.repositories[NAME] = Repository()
    repository.commit(files | strange)
    return repository


@pytest.fixture
def photo(shapes):
    return shapes.parent / "03.png"
