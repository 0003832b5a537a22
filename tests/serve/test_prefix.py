"""A server below a path of its name, behind a proxy that hands the path on or leaves it out."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

import imlgcn
from imlgcn.errors import InputError
from imlgcn.serve import ServeSettings, create_app

from .conftest import HOME, assert_refused, picture

STATIC = Path(imlgcn.__file__).parent / "serve" / "static"
TOKEN = "correct-horse-battery"


class Proxy:
    """An application that has another one below a path, and leaves the path out for it or not."""

    def __init__(self, app, strips: bool) -> None:
        self.app, self.strips = app, strips

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith("/tags"), f"{scope['path']} is another site's"
            if self.strips:
                scope = {**scope, "path": scope["path"].removeprefix("/tags") or "/"}
        await self.app(scope, receive, send)


@pytest.fixture(params=[True, False], ids=["left out", "handed on"])
def behind(quick, serving, request):
    """Return a function that opens a client of a proxy before a server."""

    def behind(**settings):
        from fastapi.testclient import TestClient

        own = serving(quick, root_path="/tags", **settings)  # its lifespan runs here
        proxy = Proxy(own.app, request.param)
        return TestClient(proxy, base_url=HOME, raise_server_exceptions=False)

    return behind


def test_the_page_and_all_that_it_links_to_are_below_the_path(behind):
    client = behind()
    for page in ("/tags/", "/tags/docs", "/tags"):
        text = client.get(page).text
        links = re.findall(r"\b(?:href|src)=\"([^\"#]+)\"", text)
        assert len(links) > 5
        for link in links:
            address = urljoin(HOME + page, link)
            assert address.startswith(f"{HOME}/tags/"), link
            if link != "/tags/audit":
                assert client.get(address).status_code == 200, link
    assert '"/tags/static/page.js"' in client.get("/tags/").text


def test_the_scripts_name_no_address_but_by_that_of_their_own_file():
    """``address`` in ``api.js`` makes every path one below that which the script came from."""
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for call in re.findall(r"\bfetch\(([^,)]*)", text):
            assert call.startswith("address("), (script.name, call)
        for imported in re.findall(r"\bfrom \"([^\"]+)\"|import\(\"([^\"]+)\"\)", text):
            assert "".join(imported).startswith("./"), (script.name, imported)
        assert not re.search(r"(?:href|src|action)\s*[:=]\s*[\"'`]/", text), script.name
    assert urljoin(f"{HOME}/tags/static/api.js", "../v1/tags") == f"{HOME}/tags/v1/tags"


def test_the_api_answers_below_the_path_and_says_so(behind):
    client = behind()
    assert client.post("/tags/v1/tags", content=picture()).status_code == 200
    for path in ("/tags/healthz", "/tags/readyz", "/tags/metrics", "/tags/v1/label-table"):
        assert client.get(path).status_code == 200, path
    assert client.get("/tags/openapi.json").json()["servers"] == [{"url": "/tags"}]
    assert_refused(client.get("/tags/nothing"), 404, "not_found", "/tags/docs lists")
    assert_refused(client.get("/tags/v1/labels?x=1"), 422, "unknown_parameter", "/v1/labels")


def test_a_token_is_asked_for_at_the_same_addresses_as_without_a_path(behind):
    client = behind(token=TOKEN)
    for path in ("/tags/", "/tags/docs", "/tags/static/api.js", "/tags/healthz"):
        assert client.get(path).status_code == 200, path
    for path in ("/tags/v1/labels", "/tags/metrics", "/tags/healthz/v1", "/tags/static"):
        assert_refused(client.get(path), 401, "no_token")
    asks = client.get("/tags/audit").headers["www-authenticate"]
    assert asks.startswith("Basic")


@pytest.mark.parametrize(
    "path", ["tags", "//evil.example", "/a b", '/"><script>', "/..", "/v1", "/static/", "/docs"]
)
def test_a_path_that_is_none_or_an_address_of_the_server_is_one_sentence(quick, path):
    with pytest.raises(InputError, match="root_path"):
        create_app(quick, ServeSettings(root_path=path))


def test_a_slash_at_the_end_and_several_parts_are_taken(quick, serving):
    client = serving(quick, root_path="/our/tags/")
    assert client.get("/our/tags/v1/labels").status_code == 200
    assert "/our/tags/static/page.js" in client.get("/our/tags/").text
