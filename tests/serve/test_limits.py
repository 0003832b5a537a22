"""Whatever a request says, the answer comes at once, and is never a failure of the server."""

from __future__ import annotations

import json
import time

import pytest

from imlgcn.serve.errors import ApiError
from imlgcn.serve.limits import DEPTH, VALUES, checked_json
from imlgcn.tagger import Tagger

from .conftest import picture

LONG = 1_000_000
TEXTS = (
    "", " ", "\0", "\ufffd", "\u202e", "\U0001f600", "'\"<>", "%", "../../etc/passwd", "a\r\nb: c",
    "nan", "NaN", "-inf", "1e999", "-1", "0", "9" * 4000, "9" * 5000, "1" + "0" * 400, "true",
    "x" * 10_000, "x" * LONG, "é" * LONG, "[" * 5000, "[" * LONG, '{"a":' * 2000,
    '{"red":NaN}', '{"red":1e999}', '{"red":' + "9" * 4000 + "}", '{"red":' + "9" * 5000 + "}",
    '{"red":"\\ud800"}', '{"\\ud800":1}', '{"red":1,"red":0}', '{"red":{"red":1}}', '{"red":[1]}',
    '{"":1}', "{" + ",".join(f'"{n}":1' for n in range(900)) + "}", "null", "[]", '"red"',
)  # fmt: skip
KEYS = ("image", "images", "budget", "rare")
BODIES = (
    *(text.encode("utf-8", "surrogatepass") for text in TEXTS),
    *(f'{{"{key}":{text}}}'.encode() for key in KEYS for text in TEXTS[::3]),
    b'{"images":[{"name":"a","vector":"%s"}]}' % (b"A" * LONG),
    b'{"images":[{"name":"%s","vector":"AAAA"}]}' % (b"a" * LONG),
    b'{"images":[{"name":"a","vector":"AAAA"}],"budget":1%s}' % (b"0" * 400),
    b'{"images":[' + b"0," * LONG + b"0]}",
    b'{"images":[' + b"[]," * LONG + b"0]}",
    b'{"images":[' + b'"",' * LONG + b'""]}',
    b'{"image":"' + b'\\"' * LONG,
    b'"' * LONG,
    b"\\" * LONG,
    b"]" * LONG,
    "[[1]]".encode("utf-16"),
    "[[1]]".encode("utf-32"),
    b"\xff\xfe\xfd",
    b"label\n" + b"a\n" * 100_000,
    b"label,name\nred," + b"x" * LONG + b"\n",
    b'label,name\n"red' + b"\n" * 1000,
    b"label," + b",".join(b"c%d" % n for n in range(20_000)) + b"\nred\n",
)
SECONDS = 1.0  # of processor time: other programs may be busy
OF_EACH_KIND = ("/v1/tags", "/v1/suggest", "/v1/label-table")  # others read a body alike
QUERY = 8000  # characters: the client of these tests sends no more, and uvicorn takes 16 KB


@pytest.fixture(scope="module")
def client(kernel_tagger, tmp_path_factory):
    """A client of a server that may do everything."""
    import shutil

    from fastapi.testclient import TestClient

    from imlgcn.serve import ServeSettings, create_app

    from .conftest import HOME

    folder = shutil.copytree(kernel_tagger.path, tmp_path_factory.mktemp("limits") / "kernel")
    app = create_app(Tagger.load(folder), ServeSettings(grow=True, label_studio=True))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        client.post("/v1/vectors", content=picture())  # the first one loads the network
        yield client


def checked(answer, started: float, what: object) -> None:
    seconds = time.process_time() - started
    assert answer.status_code < 500 or answer.status_code == 503, (what, answer.text[:500])
    assert seconds < SECONDS, (what, seconds)
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert 0 < len(error["message"]) <= 2000, what
        assert "\n" not in error["message"], what
        assert "Traceback" not in error["message"], what


def operations(client):
    for path, methods in client.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.mark.thorough
def test_no_parameter_of_any_address_makes_it_fail_or_hang(client):
    tried = 0
    for method, path, operation in operations(client):
        for parameter in operation.get("parameters", ()):
            needed = {
                other["name"]: "red"
                for other in operation["parameters"]
                if other.get("required") and other is not parameter
            }
            step = 30 if "/labels/" in path else 1  # these open the tagger each time
            for text in {text[:QUERY] for text in TEXTS[::step]}:
                query = {**needed, parameter["name"]: text}
                started = time.process_time()
                answer = client.request(method, path, params=query, content=b"no image")
                checked(answer, started, (path, parameter["name"], text[:40]))
                tried += 1
    assert tried > 5 * len(TEXTS)


@pytest.mark.thorough
def test_no_body_of_any_address_makes_it_fail_or_hang(client):
    kinds = ("application/json", "text/csv", "multipart/form-data; boundary=x")
    tried = 0
    for method, path, operation in operations(client):
        if "requestBody" not in operation:
            continue
        needed = {p["name"]: "red" for p in operation.get("parameters", ()) if p.get("required")}
        taken = operation["requestBody"]["content"]
        for kind in kinds:
            if kind.partition(";")[0] not in taken:
                continue
            step = 1 if path in OF_EACH_KIND else 25
            for body in BODIES[::step]:
                headers, started = {"content-type": kind}, time.process_time()
                answer = client.request(method, path, params=needed, content=body, headers=headers)
                checked(answer, started, (path, kind, body[:60]))
                tried += 1
    assert tried > 3 * len(BODIES)


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "punycode", "idna", "x" * 99])
@pytest.mark.parametrize("name", ["\\ud800", "+2AA-", "a\\x00b", "x" * 5000])
def test_no_name_of_a_file_in_any_encoding_makes_it_fail(client, charset, name):
    part = f'--x\r\ncontent-disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    body = part.encode() + picture() + b"\r\n--x--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    for path in ("/v1/tags", "/v1/vectors"):
        started = time.process_time()
        checked(client.post(path, content=body, headers=headers), started, (charset, name))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("[" * DEPTH + "]" * DEPTH, None),
        ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), 422),
        ('{"a":"' + "[" * 99 + '"}', None),
        ('{"a":"\\"' + "[" * 99 + '"}', None),
        ('{"a":"\\\\"' + "[" * 99 + "}", 422),
        ("[" + "0," * (VALUES - 1) + "0]", None),
        ("[" + "0," * VALUES + "0]", 413),
        ('["' + "," * VALUES + '"]', None),
    ],
)
def test_depth_and_values_are_counted_outside_of_strings(text, status):
    if status is None:
        assert json.loads(checked_json(text.encode())) == json.loads(text)
    else:
        with pytest.raises(ApiError) as refused:
            checked_json(text.encode())
        assert refused.value.status == status


@pytest.mark.parametrize("text", ['"' + '\\"' * LONG, '"' * LONG, "[" * LONG, '"\\' * LONG])
def test_counting_takes_no_longer_for_any_text(text):
    started = time.process_time()
    with pytest.raises(ApiError):
        checked_json(b"[" * 20 + text.encode())
    assert time.process_time() - started < SECONDS
