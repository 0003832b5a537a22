"""The training images that decide: those that `explain` names, only where the tagger keeps them."""

from __future__ import annotations

import io
import shutil

import pytest
from PIL import Image

from imlgcn.explanation import explain
from imlgcn.explanation.support import Ledger
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import SUPPORT, WEIGHTS

from .conftest import MeanColour, assert_refused, picture


@pytest.fixture(scope="module")
def folder(once, train_tiny):
    """The folder of a trained tagger with the kernel head and thumbnails; read only."""
    return once("pictured", lambda f: train_tiny(f, head="kernel", keep_thumbnails=True))


@pytest.fixture
def own(folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(folder, tmp_path / "copy")


def opened(path) -> Tagger:
    """Return the tagger with an engine that costs nothing: the network is not used for tags."""
    tagger = Tagger.load(path)
    tagger.engine = MeanColour(num_labels=len(tagger.labels))
    return tagger


def test_the_images_and_numbers_are_those_of_explain_and_add_up_as_they_are(folder, serving):
    tagger = Tagger.load(folder)
    data = picture(size=(64, 48))
    image = Image.open(io.BytesIO(data)).convert("RGB")
    client = serving(opened(folder))
    content = client.post("/v1/support?label=red&label=dark", content=data).json()
    assert list(content["support"]) == ["red", "dark"]
    for label in explain(tagger, image, ["red", "dark"]).labels[:2]:
        parts, expected = content["support"][label.label], label.support
        images = parts["for"] + parts["against"]
        assert [i["name"] for i in images] == [i.name for i in expected.shown]
        assert [i["effect"] for i in images] == list(Ledger.of(expected).shown)
        assert [i["present"] for i in images] == [i.present for i in expected.shown]
        assert len(parts["for"]) == len(expected.speaks_for)
        assert parts["others"] == expected.others
        assert parts["score"] == pytest.approx(label.logit, abs=0.005)
        total = parts["bias"] + parts["rest"] + sum(i["effect"] for i in images)
        assert total == pytest.approx(parts["score"], abs=1e-9)


def test_pictures_are_shown_where_the_tagger_keeps_them(folder, once, train_tiny, serving):
    named = once("kernel", lambda f: train_tiny(f, head="kernel", whole=True))
    for path, kept in ((folder, True), (named, False)):
        answer = serving(opened(path)).post("/v1/support?label=red", content=picture()).json()
        red = answer["support"]["red"]
        pictures = [image["thumbnail"] for image in red["for"] + red["against"]]
        assert pictures
        starts = [p.startswith("data:image/webp;base64,UklGR") for p in pictures if p]
        assert starts == [True] * (len(pictures) if kept else 0)


@pytest.mark.parametrize("lost", [None, SUPPORT])
def test_names_are_given_only_while_the_file_of_them_is_there(own, serving, lost):
    if lost:
        (own / lost).unlink()
    client = serving(opened(own))
    model = client.get("/v1/model").json()
    answer = client.post("/v1/support?label=red", content=picture())
    assert model["can"]["support"] is not bool(lost)
    if lost is None:
        assert (answer.status_code, model["no_support"]) == (200, "")
        return
    assert_refused(answer, 404, "no_support", "support.parquet", "--no-support")
    assert answer.json()["error"]["message"] == model["no_support"]
    assert ".png" not in answer.text


def test_a_head_that_does_not_score_by_images_says_so_and_the_page_says_nothing(quick, serving):
    client = serving(quick)
    model = client.get("/v1/model").json()
    assert (model["can"]["support"], model["no_support"]) == (False, "")
    answer = client.post("/v1/support?label=red", content=picture())
    assert_refused(answer, 404, "no_support", "does not score by training images")


def test_an_exported_file_says_that_the_folder_has_them(folder, serving, tmp_path):
    tagger = opened(folder)
    tagger.path = tmp_path / "kernel.onnx"  # as if it had been loaded from there
    tagger.path.touch()
    answer = serving(tagger).post("/v1/support?label=red", content=picture())
    assert_refused(answer, 404, "no_support", "exported file", "serve its folder")


@pytest.mark.parametrize("damaged", [SUPPORT, WEIGHTS])
def test_a_damaged_file_is_refused_without_a_path_and_is_not_the_images_fault(
    own, serving, damaged
):
    client = serving(opened(own))
    (own / damaged).write_bytes(b"damaged")
    for _ in range(2):
        answer = client.post("/v1/support?label=red", content=picture())
        assert_refused(answer, 404, "no_support", "copy the whole folder again")
        assert str(own) not in answer.text


def test_it_wants_labels_and_one_image(folder, serving):
    client = serving(opened(folder))
    assert_refused(client.post("/v1/support", content=picture()), 422, "bad_parameter", "label")
    unknown = client.post("/v1/support?label=rde", content=picture())
    assert_refused(unknown, 422, "unknown_label", "did you mean 'red'")
    bad = client.post("/v1/support?label=red", content=b"text")
    assert_refused(bad, 415, "not_an_image")
    two = [("image", ("a.png", picture())), ("image", ("b.png", picture()))]
    refused = client.post("/v1/support?label=red", files=two)
    assert_refused(refused, 422, "too_many_images")


def test_another_sites_page_may_not_ask(folder, serving):
    client = serving(opened(folder))
    answer = client.post(
        "/v1/support?label=red", content=picture(), headers={"origin": "http://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert "support" not in answer.json()


def test_the_answer_is_what_the_description_says(folder, serving):
    client = serving(opened(folder))
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    red = client.post("/v1/support?label=red", content=picture()).json()["support"]["red"]
    assert set(red) == set(schemas["SupportItem"]["required"])
    assert set(red["for"][0]) == set(schemas["SupportImageItem"]["required"])
    assert "example" in schemas["SupportAnswer"]
