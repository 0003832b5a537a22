"""Every answer has an id, and the log a line that nobody else can write."""

from __future__ import annotations

import json
import logging

import pytest

from imlgcn.serve.grow import check
from imlgcn.serve.logs import logging_to_streams
from imlgcn.serve.request_log import REQUESTS

from .conftest import picture

TOKEN = "correct-horse-battery"


@pytest.fixture
def lines(caplog):
    """Return the lines of requests so far, and forget them."""
    caplog.set_level(logging.INFO, REQUESTS.name)

    def taken() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == REQUESTS.name]
        caplog.clear()
        return found

    return taken


@pytest.mark.parametrize("path", ["/", "/v1/labels", "/static/page.js", "/healthz", "/nothing"])
def test_every_answer_has_an_id_of_its_own(quick, serving, path):
    client = serving(quick)
    first, second = (client.get(path).headers["x-request-id"] for _ in range(2))
    assert first != second
    assert len(first) == 24


@pytest.mark.parametrize("given", ["a", "Root=1-67891233-abcdef", "x" * 128, "5f/0+c9=="])
def test_a_clients_own_id_is_kept_and_stands_in_an_error_and_in_the_log(
    quick, serving, lines, given
):
    answer = serving(quick).get("/nothing", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["error"]["request_id"] == given
    assert lines()[-1].split(" ")[1] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\nb", 'a"b', "\x1b[31m", "é", "<b>"])
def test_an_id_that_is_none_is_replaced(quick, serving, given):
    headers = {"x-request-id": given.encode("latin-1")}
    found = serving(quick).get("/v1/labels", headers=headers).headers["x-request-id"]
    assert found != given
    assert len(found) == 24
    two = [("x-request-id", "a"), ("x-request-id", "b")]
    assert len(serving(quick).get("/v1/labels", headers=two).headers["x-request-id"]) == 24


def test_a_line_in_json_counts_what_was_sent_and_answered(quick, serving, lines):
    client = serving(quick, log="json")
    image = picture()
    answer = client.post("/v1/tags?threshold=0.5", content=image)
    line = json.loads(lines()[-1])
    assert list(line) == [
        "time", "id", "method", "path", "status", "ms", "received", "bytes", "images",
    ]  # fmt: skip
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/tags", 200)
    assert (line["received"], line["images"]) == (len(image), 1)
    assert line["bytes"] == len(answer.content)
    assert line["id"] == answer.headers["x-request-id"]
    assert 0 < line["ms"] < 60_000
    client.post("/v1/tags", files=[("image", (f"{n}.png", image)) for n in range(3)])
    assert json.loads(lines()[-1])["images"] == 3


@pytest.mark.parametrize("log", ["text", "json"])
def test_nothing_of_an_image_its_name_the_query_or_a_token_is_in_the_log(
    quick, serving, lines, log
):
    client = serving(quick, log=log, token=TOKEN)
    headers = {"authorization": f"Bearer {TOKEN}", "user-agent": "secret-agent"}
    files = [("image", ("secret-holiday.png", picture())), ("image", ("secret.txt", b"secret"))]
    query = {"known": '{"red": 1}', "threshold": "0.123"}
    assert client.post("/v1/tags", files=files, params=query, headers=headers).status_code == 200
    assert client.post("/v1/tags", files=files, params=query).status_code == 401
    text = "\n".join(lines())
    assert text.count("\n") == 1
    for word in ("secret", TOKEN, "known", "red", "0.123"):
        assert word not in text


@pytest.mark.parametrize("log", ["text", "json"])
@pytest.mark.parametrize(
    "path", ["/a%0A2026-11-26 forged", "/%1b%5b31m", "/%22%2c%22status%22:200", "/" + "x" * 5000]
)
def test_nobody_writes_a_line_of_their_own(quick, serving, lines, log, path):
    answer = serving(quick, log=log).get(path)
    (line,) = lines()
    assert answer.status_code == 404
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 600
    if log == "json":
        assert json.loads(line)["status"] == 404
    else:
        assert line.split(" ")[4:5] == ["status=404"]


def test_a_failure_has_the_id_of_its_request(quick, serving, caplog, monkeypatch):
    def fail(*given, **more):
        raise RuntimeError("a bug")

    client = serving(quick)
    monkeypatch.setattr(type(client.app.state.service), "answer", fail)
    answer = client.post("/v1/tags?x=%0A", content=picture())
    assert answer.status_code == 422
    answer = client.post("/v1/tags", content=picture())
    assert answer.json()["error"]["code"] == "internal"
    identity = answer.json()["error"]["request_id"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == f"request {identity}: POST /v1/tags failed"


@pytest.mark.parametrize("log", ["text", "json"])
def test_requests_go_to_standard_output_and_failures_to_standard_error(capfd, log):
    from imlgcn.serve.errors import LOG

    with logging_to_streams(log):
        REQUESTS.info("one line")
        try:
            check.nothing  # noqa: B018
        except AttributeError as error:
            LOG.error("a bug\x1b[31m", exc_info=error)
    out, err = capfd.readouterr()
    assert out == "one line\n"
    assert "\x1b" not in err
    if log == "json":
        line = json.loads(err)
        assert (line["level"], line["message"]) == ("error", "a bug\\x1b[31m")
        assert "AttributeError" in line["traceback"]
    else:
        assert err.startswith("imlgcn: a bug\\x1b[31m\nTraceback")
    REQUESTS.info("not any more")
    assert capfd.readouterr().out == ""
