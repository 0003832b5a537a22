"""What is asked and answered, over HTTP as a client sees it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from .conftest import assert_refused, counts, picture

JPEG = {"content-type": "image/jpeg"}


def test_a_raw_image_gets_the_tags_that_the_tagger_gives_it(tagger, serving):
    image = picture(kind="JPEG")
    answer = serving(tagger).post("/v1/tags", content=image, headers=JPEG)
    expected = [
        {
            "label": t.label,
            "probability": round(t.probability, 6),
            "threshold": round(t.threshold, 6),
        }
        for t in tagger(image)
    ]
    assert answer.status_code == 200
    (found,) = answer.json()["images"]
    assert [tag["label"] for tag in found["tags"]] == [tag["label"] for tag in expected]
    for got, wanted in zip(found["tags"], expected, strict=True):
        assert got["probability"] == pytest.approx(wanted["probability"], abs=2e-5)


@pytest.mark.parametrize("size", [(64, 64), (900, 300), (2000, 1500)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_is_fitted_as_the_tagger_does_it_whatever_its_size(quick, serving, size, kind):
    image = picture(size=size, kind=kind)
    answer = serving(quick).post("/v1/tags?all=1", content=image)
    expected = quick.probabilities(quick.load_input(image)[None])[0]
    (found,) = answer.json()["images"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    pixels = serving(quick).app.state.service.decode(image)
    np.testing.assert_array_equal(pixels, quick.load_input(image))


def test_several_images_of_a_form_come_back_in_order_with_their_names(quick, serving):
    files = [("image", (f"{n}.png", picture(seed=n), "image/png")) for n in range(5)]
    answer = serving(quick).post("/v1/tags?all=true", files=files)
    images = answer.json()["images"]
    assert [image["name"] for image in images] == [f"{n}.png" for n in range(5)]
    for number, image in enumerate(images):
        row = quick.probabilities(quick.load_input(picture(seed=number))[None])[0]
        np.testing.assert_allclose(image["probabilities"], row, atol=1e-5)


def test_a_large_image_of_a_form_never_touches_the_disk(quick, serving, monkeypatch):
    client = serving(quick)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", lambda _: 1 / 0)
    image = picture(size=(900, 900))
    assert len(image) > 2_000_000
    assert client.post("/v1/tags", files=[("image", ("a.png", image))]).status_code == 200


def test_a_bad_image_among_good_ones_costs_only_itself(quick, serving):
    files = [("a", ("a.png", picture())), ("b", ("b.txt", b"hello")), ("c", ("c.png", picture()))]
    images = serving(quick).post("/v1/tags", files=files).json()["images"]
    assert ["error" in image for image in images] == [False, True, False]
    assert images[1]["error"]["code"] == "not_an_image"
    assert images[1]["error"]["message"].startswith("b.txt: ")


@pytest.mark.parametrize("goal", ["f1", "0.3", "precision=0.8", "recall=0.9"])
def test_a_goal_moves_the_thresholds_as_in_predict(quick, serving, goal):
    answer = serving(quick).post(f"/v1/tags?all=1&threshold={goal}", content=picture())
    (image,) = answer.json()["images"]
    limits = quick.thresholds_for(goal)
    expected = {
        name
        for name, p, t in zip(quick.labels, image["probabilities"], limits, strict=True)
        if p >= t
    }
    assert {tag["label"] for tag in image["tags"]} == expected


def test_requests_that_come_together_are_scored_together(quick, serving):
    quick.engine.gate = threading.Event()
    quick.engine.gate.set()
    client = serving(quick, max_batch=4, max_wait_ms=200)
    quick.engine.batches.clear()
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda n: client.post("/v1/tags", content=picture(seed=n)), range(12))
        )
    assert all(answer.status_code == 200 for answer in answers)
    sizes = [size for size, _ in quick.engine.batches]
    assert sum(sizes) == 12
    assert max(sizes) <= 4


# refusals


@pytest.mark.parametrize(
    ("content", "status", "code", "word"),
    [
        (b"", 422, "no_image", "one as the body"),
        (b"just some words", 415, "not_an_image", "known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not_an_image", "known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "not_an_image", "known format"),
        (picture(kind="JPEG", size=(300, 200))[:900], 422, "damaged_image", "truncated"),
        (picture(kind="PNG", size=(300, 200))[:900], 422, "damaged_image", "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, 415, "not_an_image", "PNG"),
    ],
    ids=["empty", "text", "svg", "eps", "cut jpeg", "cut png", "no png"],
)
def test_what_is_no_usable_image_is_refused_with_a_reason(
    quick, serving, content, status, code, word
):
    assert_refused(serving(quick).post("/v1/tags", content=content), status, code, word)


def test_limits_of_bytes_pixels_and_images_have_their_own_answers(quick, serving):
    client = serving(quick, max_bytes=20_000, max_pixels=4_000, max_files=2)
    assert_refused(client.post("/v1/tags", content=bytes(20_001)), 413, "too_large", "0.02 MB")
    unannounced = client.post("/v1/tags", content=(bytes(5_000) for _ in range(9)))
    assert_refused(unannounced, 413, "too_large")
    form = {"image": ("big.png", bytes(30_000))}
    assert_refused(client.post("/v1/tags", files=form), 413, "too_large")
    wide = picture(size=(100, 41))
    assert_refused(client.post("/v1/tags", content=wide), 422, "too_many_pixels", "100 x 41")
    many = [("image", (f"{n}.png", picture())) for n in range(3)]
    assert_refused(client.post("/v1/tags", files=many), 422, "too_many_images", "2 images")
    assert client.post("/v1/tags", files=many[:2]).status_code == 200


def test_a_bomb_of_pixels_is_refused_before_it_is_decoded(quick, serving):
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000)))
    answer = serving(quick).post("/v1/tags", content=bomb)
    assert_refused(answer, 422, "too_many_pixels", "60000 x 60000")


@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ("threshold=often", "bad_threshold", "precision=0.9"),
        ("threshold=precision%3D7", "bad_threshold", "from 0 to 1"),
        ("known=red", "bad_known", "JSON object"),
        ("known=%7B%22red%22%3A7%7D", "bad_known", "got 'red': 7"),
        ("known=" + "%5B" * 5_000, "bad_known", "known nests deeper than 8"),
        ("known=" + "%5B" * 20_000, "too_long", "16,384"),
        ("all=perhaps", "bad_parameter", "all"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(quick, serving, query, code, word):
    answer = serving(quick).post(f"/v1/tags?{query}", content=picture())
    assert_refused(answer, 422, code, word)


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\nrubbish", b"--x\r\nContent-Disposition: form-data\r\n\r\n"]
)
def test_a_form_that_is_none_is_refused(quick, serving, body):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = serving(quick).post("/v1/tags", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert_refused(answer, answer.status_code, answer.json()["error"]["code"])


def test_known_labels_reach_a_head_that_can_use_them(quick, serving):
    quick.engine.takes_known = True
    quick = quick.with_known_by("head")
    client = serving(quick)
    known = json.dumps({"red": 1, "dark": 0})
    answer = client.post("/v1/tags", params={"known": known, "all": 1}, content=picture())
    scores = dict(zip(quick.labels, answer.json()["images"][0]["probabilities"], strict=True))
    assert (scores["red"], scores["dark"]) == (1, 0)
    assert 0 < scores["blue"] < 1
    _, rows = quick.engine.batches[-1]
    assert dict(zip(quick.labels, rows[0].tolist(), strict=True)) == {
        "blue": -1, "circle": -1, "dark": 0, "red": 1, "square": -1
    }  # fmt: skip
    wrong = client.post("/v1/tags", params={"known": '{"rde":1}'}, content=picture())
    assert_refused(wrong, 422, "bad_known", "did you mean 'red'")
    assert client.get("/v1/model").json()["known_by"] == "head"
    assert_refused(client.get("/v1/known"), 404, "not_there")


def test_known_labels_move_the_others_of_any_head(quick, serving):
    client = serving(quick)
    query = {"known": json.dumps({"red": 1, "dark": 0}), "all": 1}
    told = client.post("/v1/tags", params=query, content=picture()).json()["images"][0]
    free = client.post("/v1/tags?all=1", content=picture()).json()["images"][0]
    scores = dict(zip(quick.labels, told["probabilities"], strict=True))
    before = dict(zip(quick.labels, free["probabilities"], strict=True))
    assert (scores["red"], scores["dark"]) == (1, 0)
    assert all(scores[name] != before[name] for name in ("blue", "circle", "square"))
    assert told["known"] == {"red": 1, "dark": 0}
    assert told["tags"][0]["label"] == "red"
    assert "known" not in free
    assert all(rows is None for _, rows in quick.engine.batches), "the network is not asked"


def test_the_counts_and_logits_of_the_server_give_its_own_numbers(quick, serving):
    from imlgcn.labels.known import KnownLabels, PairCounts

    client = serving(quick)
    facts = client.get("/v1/known").json()
    counts = PairCounts.from_text(json.dumps(facts), len(quick.labels))
    settings = {key: facts[key] for key in ("beta", "surprise", "smoothing")}
    free = client.post("/v1/tags?logits=1", content=picture()).json()["images"][0]
    row = quick.known_row({"red": 1})
    ranked = KnownLabels(counts, **settings).update(free["logits"], row)
    expected = 1 / (1 + np.exp(-(facts["slope"][1] * ranked + facts["offset"][1])))
    query = {"known": '{"red":1}', "all": 1}
    told = client.post("/v1/tags", params=query, content=picture()).json()["images"][0]
    np.testing.assert_allclose(np.where(row >= 0, row, expected), told["probabilities"], atol=1e-4)
    assert "probabilities" not in free


def test_our_own_mistake_is_one_sentence_and_its_trace_stays_in_the_log(quick, serving, caplog):
    client = serving(quick)

    def fail(pixels, known=None):
        raise RuntimeError("secret detail in /srv/models")

    quick.engine.logits = fail
    answer = client.post("/v1/tags", content=picture())
    assert_refused(answer, 500, "internal", "log has the details")
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert counts(client)["imlgcn_requests_total path=/v1/tags status=500"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/static/../../tagger.py", 404, "not_found"),
        ("GET", "/static/%2e%2e/app.py", 404, "not_found"),
        ("GET", "/v1/tags", 405, "method_not_allowed"),
        ("DELETE", "/v1/labels", 405, "method_not_allowed"),
    ],
)
def test_an_address_that_is_none_is_answered_in_the_same_shape(
    quick, serving, method, path, status, code
):
    assert_refused(serving(quick).request(method, path), status, code, "/docs")


def test_maps_say_where_in_the_square_the_image_is_and_how_strong_each_place(quick, serving):
    quick.engine.map_kind = "score"
    client = serving(quick)
    assert client.get("/v1/model").json()["can"]["maps"] is True
    content = client.post("/v1/maps", content=picture(size=(60, 30))).json()
    assert content["maps"].keys() == set(quick.labels)
    assert content["region"] == [0, 0.25, 1, 0.75]
    assert content["maps"]["red"][2][2] == 1  # the strongest place
    assert content["maps"]["red"][0] == [0, 0.125, 0.25]
    assert content["where"].keys() == set(quick.labels)
    assert content["where"]["red"].endswith("% of the image")
    one = client.post("/v1/maps?label=red&label=dark", content=picture()).json()
    assert one["maps"].keys() == {"red", "dark"}
    unknown = client.post("/v1/maps?label=rde", content=picture())
    assert_refused(unknown, 422, "unknown_label", "did you mean 'red'")
    assert_refused(client.post("/v1/maps", content=b"text"), 415, "not_an_image")
    two = [("image", ("a.png", picture())), ("image", ("b.png", picture()))]
    assert_refused(client.post("/v1/maps", files=two), 422, "too_many_images")


def test_a_head_without_maps_says_so(quick, serving):
    client = serving(quick)
    assert client.get("/v1/model").json()["can"]["maps"] is False
    assert_refused(client.post("/v1/maps", content=picture()), 404, "no_maps", "no activation maps")


def test_the_description_of_the_api_has_examples_and_every_error(quick, serving):
    description = serving(quick).get("/openapi.json").json()
    post = description["paths"]["/v1/tags"]["post"]
    assert {"200", "413", "415", "422", "503", "504"} <= post["responses"].keys()
    assert {"multipart/form-data", "image/*"} <= post["requestBody"]["content"].keys()
    assert "example" in description["components"]["schemas"]["TagsAnswer"]
    assert "example" in description["components"]["schemas"]["ErrorAnswer"]
    paths = {"/v1/tags", "/v1/labels", "/v1/graph", "/v1/model", "/healthz", "/readyz", "/metrics"}
    assert paths <= description["paths"].keys()
