"""Which images to label next over HTTP: the numbers of `imlgcn suggest`."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from imlgcn import suggest
from imlgcn.tagger import Tagger

from .conftest import assert_refused, picture


@pytest.fixture
def folder(shapes):
    """Where the drawn images are: those of training among them."""
    return shapes.parent


@pytest.fixture
def client(kernel_tagger, serving):
    return serving(kernel_tagger)


def vectors(client, paths) -> list[dict]:
    """Return what a client gives back, of files in several requests."""
    found = []
    for start in range(0, len(paths), 20):
        files = [("image", (p.name, p.read_bytes())) for p in paths[start : start + 20]]
        answer = client.post("/v1/vectors", files=files)
        assert answer.status_code == 200, answer.text
        found += answer.json()["images"]
    return found


@pytest.mark.parametrize("rare", [False, True])
def test_the_choice_is_that_of_the_command_image_by_image(
    client, kernel_tagger, folder, crosses, rare
):
    paths = [*sorted(folder.glob("*.png"))[:24], *sorted(crosses)]
    order = sorted(paths, key=str)
    body = {"images": vectors(client, order), "budget": 9, "rare": rare}
    answer = client.post("/v1/suggest", json=body)
    assert answer.status_code == 200, answer.text
    found, expected = answer.json(), suggest(kernel_tagger, paths, budget=9, rare=rare)
    assert (found["considered"], found["known"]) == (30, expected.known)
    assert len(found["images"]) == len(expected.images) > 3
    for given, own in zip(found["images"], expected.images, strict=True):
        assert own.image.endswith(given["image"])
        assert (given["why"], given["nearest"], given["like"]) == (own.why, own.nearest, own.like)
        assert given["similarity"] == pytest.approx(own.similarity, abs=1e-5)
        assert given["gain"] == pytest.approx(own.gain, rel=1e-4)


def test_a_head_without_a_space_of_its_own_suggests_the_same_as_well(
    linear_tagger, serving, crosses
):
    client = serving(linear_tagger)
    found = client.post("/v1/suggest", json={"images": vectors(client, crosses), "budget": 3})
    expected = suggest(linear_tagger, crosses, budget=3)
    names = [image["image"] for image in found.json()["images"]]
    assert names == [image.image.rpartition("/")[2] for image in expected.images]


def test_a_damaged_image_has_an_error_and_the_others_a_vector(client, crosses):
    files = [("image", ("a.png", crosses[0].read_bytes())), ("image", ("b.png", b"no image"))]
    good, bad = client.post("/v1/vectors", files=files).json()["images"]
    assert good["name"] == "a.png"
    assert good["vector"]
    assert bad["error"]["code"] == "not_an_image"


def test_what_is_not_from_this_tagger_is_refused_in_words(client, crosses):
    (image,) = vectors(client, crosses[:1])

    def ask(**body):
        return client.post("/v1/suggest", json=body)

    assert_refused(ask(images=[]), 422, "bad_vectors", "1 to 8,000 images")
    assert_refused(ask(images=[image], budget=0), 422, "bad_vectors", "budget=1")
    assert_refused(ask(images=[image, image]), 422, "bad_vectors", "same name")
    assert_refused(ask(images=[{"name": "a"}]), 422, "bad_body", "images.0.vector")
    assert_refused(client.post("/v1/suggest", content=b"[]"), 422, "bad_body")
    short = base64.b64decode(image["vector"])[4:]
    for vector, word in [
        ("!", "damaged"),
        (base64.b64encode(short).decode(), "not of this tagger"),
        (base64.b64encode(np.full(1, np.nan, "<f4").tobytes() + short).decode(), "damaged"),
    ]:
        assert_refused(ask(images=[{"name": "a", "vector": vector}]), 422, "bad_vectors", word)


def test_an_exported_file_says_that_it_cannot(onnx_file, serving):
    client = serving(Tagger.load(onnx_file))
    assert client.get("/v1/model").json()["can"]["suggest"] is False
    for answer in (
        client.post("/v1/vectors", content=picture()),
        client.post("/v1/suggest", json={"images": []}),
    ):
        assert_refused(answer, 404, "no_suggestions", "exported file")
