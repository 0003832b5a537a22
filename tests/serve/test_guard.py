"""Other sites' pages get nothing, and our own page may do little."""

from __future__ import annotations

import re

import pytest

from .conftest import assert_refused, picture


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "192.168.1.7"])
def test_addresses_and_localhost_are_answered(quick, serving, host):
    assert serving(quick).get("/v1/labels", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_a_name_that_is_not_ours_is_refused(quick, serving, host):
    client = serving(quick)
    assert_refused(client.get("/v1/labels", headers={"host": host}), 403, "foreign_host")
    answer = client.post("/v1/tags", content=picture(), headers={"host": host})
    assert_refused(answer, 403, "foreign_host")


def test_a_name_can_be_allowed(quick, serving):
    client = serving(quick, allow_hosts=("Tagger.example",))
    assert client.get("/", headers={"host": "tagger.example:8000"}).status_code == 200


def test_an_allowed_name_may_stand_before_a_proxy(quick, serving):
    """The proxy asks with its own name for us; the page has the name that it came from."""
    client = serving(quick, allow_hosts=("tags.example",))
    own = {"origin": "https://tags.example", "sec-fetch-site": "same-origin"}
    assert client.post("/v1/tags", content=picture(), headers=own).status_code == 200
    other = own | {"origin": "https://tags.example.evil"}
    assert client.post("/v1/tags", content=picture(), headers=other).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},  # another program's page on this machine
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_a_page_of_another_site_may_not_use_it(quick, serving, headers):
    client = serving(quick)
    answer = client.post("/v1/tags", content=picture(), headers=headers)
    assert_refused(answer, 403, "foreign_origin")
    assert_refused(client.get("/v1/labels", headers=headers), 403, "foreign_origin")


def test_our_own_page_and_a_followed_link_are_welcome(quick, serving):
    client = serving(quick)
    own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert client.post("/v1/tags", content=picture(), headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/labels", "/nothing", "/static/style.css"])
def test_every_answer_is_locked_down_and_none_has_a_cors_header(quick, serving, path):
    headers = serving(quick).get(path, headers={"origin": "http://127.0.0.1:8000"}).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(quick, serving):
    client = serving(quick)
    for page in ("/", "/docs"):
        text = client.get(page).text
        assert not re.search(r"(src|href)=\"(https?:)?//", text)
        assert not re.search(r"<script(?![^>]*\ssrc=)", text)
        assert not re.search(r"\son\w+=|style=\"", text)
        for address in re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", text):
            assert client.get(address).status_code == 200, address


def test_every_file_of_the_page_is_fetched_once(quick, serving):
    client = serving(quick)
    first = client.get("/")
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""


def test_the_colours_are_those_of_the_report(quick, serving):
    from imlgcn.palette import DARK, LIGHT

    text = serving(quick).get("/static/colours.css").text
    assert LIGHT["tagger"] in text
    assert DARK["tagger"] in text
