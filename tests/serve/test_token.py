"""A server with a token answers nobody without it, but its health and its page."""

from __future__ import annotations

import base64

import pytest

from imlgcn.serve.token import read_token

from .conftest import assert_refused, picture

TOKEN = "correct-horse-battery"
RIGHT = {"authorization": f"Bearer {TOKEN}"}


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.fixture
def client(quick, serving):
    return serving(quick, token=TOKEN, sender="192.0.2.7", grow=True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer \xe9\xe9"},
        {"authorization": "Basic ????"},
        basic(f"{TOKEN}:"),
    ],
)
def test_without_the_token_nothing_is_answered(client, headers):
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    paths = {
        (method.upper(), path)
        for path, methods in client.app.openapi()["paths"].items()
        for method in methods
        if path not in ("/healthz", "/readyz", "/health")
    }
    assert len(paths) > 15
    for method, path in paths:
        answer = client.request(method, path, headers=headers)
        assert_refused(answer, 401, "no_token", "Authorization: Bearer")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_and_the_page_need_none(client):
    for path in ("/healthz", "/readyz", "/", "/docs", "/static/page.js", "/static/token.js"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("headers", [RIGHT, basic(f"anyone:{TOKEN}")])
def test_with_the_token_everything_is_answered_from_anywhere(client, headers):
    assert client.post("/v1/tags", content=picture(), headers=headers).status_code == 200
    assert client.get("/metrics", headers=headers).status_code == 200
    assert client.post("/v1/reload", headers=headers).status_code == 200


def test_a_browser_asks_for_it_where_a_page_holds_data(client):
    answer = client.get("/audit")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_reload_from_elsewhere_still_needs_a_token(quick, serving):
    answer = serving(quick, sender="192.0.2.7").post("/v1/reload", headers=RIGHT)
    assert_refused(answer, 403, "not_local")


def test_a_page_of_another_site_may_not_use_the_token(client):
    headers = RIGHT | {"origin": "https://evil.example"}
    assert_refused(client.get("/v1/labels", headers=headers), 403, "foreign_origin")


def test_the_token_is_read_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("IMLGCN_TOKEN", "another-token-of-length")
    assert read_token(file) == TOKEN
    assert read_token(None) == "another-token-of-length"
    monkeypatch.delenv("IMLGCN_TOKEN")
    assert read_token(None) is None


@pytest.mark.parametrize("content", [b"", b"short", b"two words in a token", b"\xff\xfe" * 20])
def test_what_is_no_token_is_one_sentence_that_does_not_repeat_it(cli, tagger, tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    outcome = cli("serve", tagger.path, "--token-file", file)
    outcome.assert_refused(str(file), "token")
    assert "two words" not in outcome.err
    cli("serve", tagger.path, "--token-file", tmp_path / "none").assert_refused("No such file")


def test_other_machines_are_let_in_with_a_token_only(cli, tagger, monkeypatch):
    monkeypatch.delenv("IMLGCN_TOKEN", raising=False)
    options = ("--host", "0.0.0.0", "--port", "0", "--engine", "torch")
    cli("serve", tagger.path, *options).assert_refused("0.0.0.0", "--token-file", "--no-token")
    started = []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: started.append(True))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert cli("serve", tagger.path, *options, "--no-token").code == 0
    monkeypatch.setenv("IMLGCN_TOKEN", TOKEN)
    assert cli("serve", tagger.path, *options).code == 0
    assert len(started) == 2


def test_settings_do_not_show_the_token(client):
    settings = client.app.state.service.settings
    assert TOKEN not in repr(settings)
    assert TOKEN not in str(settings.model_dump())
