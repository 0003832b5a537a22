"""Images in JSON, parameters that do not exist, content types, bounds on the number of tags."""

from __future__ import annotations

import base64

import pytest

from .conftest import assert_refused, picture

IMAGE = picture(seed=1)
TEXT = base64.b64encode(IMAGE).decode()


def names(answer):
    assert answer.status_code == 200, answer.text
    return [[tag["label"] for tag in image["tags"]] for image in answer.json()["images"]]


def test_images_in_base64_get_the_tags_of_their_bytes(quick, serving):
    client = serving(quick)
    expected = client.post("/v1/tags", content=IMAGE).json()
    url = f"data:image/png;base64,{TEXT}"
    lines = "\n".join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76))
    for text in (TEXT, url, lines):
        assert client.post("/v1/tags", json={"image": text}).json() == expected
    both = client.post("/v1/tags", json={"images": [TEXT, url]}).json()
    assert both["images"] == expected["images"] * 2
    assert client.post("/v1/maps", json={"image": TEXT}).status_code in (200, 404)


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        (b"{", 400, "bad_json", "not JSON"),
        (b"[]", 422, "bad_json", '{"image": "<base64>"}'),
        (b'{"picture": "a"}', 422, "bad_json", '{"images": ["<base64>", ...]}'),
        (b'{"image": 5}', 422, "bad_json", "image 1 is not text"),
        (b'{"images": ["aGk=", "a#"]}', 422, "bad_base64", "image 2 is not base64"),
        (b'{"image": "https://a.b/c.jpg"}', 422, "bad_base64", "fetches nothing"),
        (b'{"image": "aGVsbG8="}', 415, "not_an_image", "not an image of a known format"),
        (b'{"images": []}', 422, "no_image", "send one as the body"),
    ],
)
def test_other_json_is_refused_with_what_to_send(quick, serving, body, status, code, word):
    answer = serving(quick).post(
        "/v1/tags", content=body, headers={"content-type": "application/json; charset=utf-8"}
    )
    assert_refused(answer, status, code, word)


def test_json_has_the_limits_of_a_form(quick, serving):
    client = serving(quick, max_files=1, max_bytes=2 * len(TEXT) + 100)
    answer = client.post("/v1/tags", json={"images": [TEXT, TEXT]})
    assert_refused(answer, 422, "too_many_images", "at most 1 images")
    assert_refused(client.post("/v1/tags", json={"image": TEXT * 3}), 413, "too_large")


@pytest.mark.parametrize("kind", ["text/html", "application/xml", "video/mp4"])
def test_another_content_type_is_refused_with_what_to_send(quick, serving, kind):
    answer = serving(quick).post("/v1/tags", content=IMAGE, headers={"content-type": kind})
    assert_refused(answer, 415, "content_type", kind, "send one as the body", "multipart", "base64")


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded", None]
)
def test_bytes_are_taken_under_every_name_that_clients_give_them(quick, serving, kind):
    headers = {} if kind is None else {"content-type": kind}
    assert names(serving(quick).post("/v1/tags", content=IMAGE, headers=headers))


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("/v1/tags?treshold=0.5", "did you mean 'threshold'"),
        ("/v1/tags?topk=3", "did you mean 'top_k'"),
        ("/v1/tags?threshold=0.5&x=1", "unknown parameter 'x'"),
        ("/v1/maps?labels=sea", "did you mean 'label'"),
    ],
)
def test_an_unknown_parameter_is_an_error_that_names_the_known_ones(quick, serving, address, word):
    answer = serving(quick).post(address, content=IMAGE)
    assert_refused(answer, 422, "unknown_parameter", word)


def test_an_address_without_parameters_says_so_and_those_of_watchers_take_any(quick, serving):
    client = serving(quick)
    assert_refused(client.get("/v1/labels?x=1"), 422, "unknown_parameter", "takes none")
    assert client.get("/healthz?probe=1").status_code == 200


def test_bounds_on_the_number_of_tags_are_those_of_the_tagger(quick, serving):
    client = serving(quick)
    ranked = [tag.label for tag in quick(IMAGE, threshold=0)]
    for query, expected in (
        ("top_k=2", ranked[:2]),
        ("threshold=1&at_least=1", ranked[:1]),
        ("threshold=0&at_most=3", ranked[:3]),
    ):
        assert names(client.post(f"/v1/tags?{query}", content=IMAGE)) == [expected]
    wrong = client.post("/v1/tags?at_least=3&at_most=1", content=IMAGE)
    assert_refused(wrong, 422, "bad_parameter", "at_least=3 is more than at_most=1")
    assert_refused(client.post("/v1/tags?top_k=0", content=IMAGE), 422, "bad_parameter", "top_k")


def test_the_description_of_the_api_has_json_and_the_bounds(quick, serving):
    post = serving(quick).get("/openapi.json").json()["paths"]["/v1/tags"]["post"]
    schemas = post["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [list(schema["properties"]) for schema in schemas] == [["image"], ["images"]]
    parameters = {parameter["name"] for parameter in post["parameters"]}
    assert parameters == {"threshold", "top_k", "at_least", "at_most", "known", "all", "logits"}
