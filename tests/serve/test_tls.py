"""A server with a certificate answers over https, the page, the token and health alike."""

from __future__ import annotations

import http.client
import json
import select
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from imlgcn.errors import InputError
from imlgcn.serve.tls import check_pair

from .conftest import picture

TOKEN = "correct-horse-battery"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return a function that makes a certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str, *more: str) -> tuple[Path, Path]:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        if not cert.exists():
            secret = more or ("-nodes",)
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", cert, "-days", "2",
                 "-subj", "/CN=tags", "-addext", "subjectAltName=IP:127.0.0.1", *secret],
                check=True,
                capture_output=True,
            )  # fmt: skip
        return cert, key

    return make


@pytest.fixture
def asking(pair, listening):
    """Return a function that starts a server over https and returns one that asks it."""
    cert, key = pair("ours")

    def start(**settings):
        return asker(listening(cert=cert, key=key, **settings), cert)

    return start


@pytest.fixture
def ask(asking):
    return asking(token=TOKEN)


def asker(port, cert):
    """Return a function that asks a server over https, and takes its certificate only."""
    context = ssl.create_default_context(cafile=cert)

    def ask(method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    ask.port = port
    return ask


def test_the_page_the_api_a_token_and_health_work_over_it(ask):
    right = {"authorization": f"Bearer {TOKEN}"}
    own = {"origin": f"https://127.0.0.1:{ask.port}", "sec-fetch-site": "same-origin", **right}
    answer, content = ask("POST", "/v1/tags", picture(), own)
    assert answer.status == 200
    assert json.loads(content)["images"]
    assert ask("POST", "/v1/tags", picture())[0].status == 401
    for path in ("/", "/static/page.js", "/docs", "/healthz", "/readyz"):
        answer, _ = ask("GET", path)
        assert answer.status == 200, path
        assert answer.headers["x-request-id"]


def test_plain_http_and_a_client_that_says_nothing_get_no_answer_and_harm_nobody(
    pair, listening, capfd
):
    cert, key = pair("ours")
    port = listening(cert=cert, key=key, header_seconds=0.5)
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    plain.request("GET", "/healthz")
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        plain.getresponse()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
        started = time.monotonic()
        assert silent.recv(10) == b""
        assert time.monotonic() - started < 3
    assert "Traceback" not in capfd.readouterr().err


def closed(connections: list[socket.socket]) -> int:
    """Return on how many the server has ended the connection."""
    return len(select.select(connections, [], [], 0)[0])


@pytest.fixture
def half_open():
    """Return a function that starts to agree on keys; the end of the server must end them all."""
    opened = []

    def start(port, count):
        made = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(count)]
        opened.extend(made)
        for connection in made:
            connection.sendall(b"\x16\x03\x01\x02\x00")  # the start of the client's first words
        return made

    yield start
    left = len(opened) - closed(opened)
    for connection in opened:
        connection.close()
    assert left == 0


def test_half_open_connections_are_few_and_make_room_for_a_request(half_open, asking, monkeypatch):
    monkeypatch.setattr("imlgcn.serve.connections.PATIENCE", 0.3)
    ask = asking(max_connections=8, header_seconds=30)
    young = half_open(ask.port, 40)
    time.sleep(0.2)
    assert closed(young) == 40 - 2 * 8  # as many as over http are told to come again
    time.sleep(0.2)  # after that, their places may be taken
    for _ in range(3):
        assert ask("GET", "/healthz")[0].status == 200
    assert closed(young) > 40 - 2 * 8
    half_open(ask.port, 8)


def test_one_without_the_other_another_key_and_no_certificate_are_one_sentence(
    pair, cli, tmp_path, monkeypatch
):
    (cert, key), (_, other) = pair("ours"), pair("other")
    nothing = tmp_path / "notes.txt"
    nothing.write_text("no certificate")
    monkeypatch.setattr("imlgcn.tagger.Tagger.load", None)  # nothing is loaded before
    for given, words in (
        (("--cert", cert), ("--cert", "--key", "both")),
        (("--key", key), ("--cert", "--key", "both")),
        (("--cert", cert, "--key", other), (str(other), "is not the key of")),
        (("--cert", cert, "--key", nothing), (str(nothing), "PEM")),
        (("--cert", nothing, "--key", key), (str(nothing), "PEM")),
        (("--cert", tmp_path / "none", "--key", key), ("No such file",)),
        (("--cert", tmp_path, "--key", key), ("Is a directory",)),
    ):
        cli("serve", "runs/any", *given).assert_refused(*words)


def test_a_key_with_a_passphrase_is_refused_without_asking(pair):
    cert, key = pair("secret", "-passout", "pass:secret")
    with pytest.raises(InputError, match="passphrase"):
        check_pair(cert, key)
