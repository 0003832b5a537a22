"""Another tagger takes over while the server runs, and no request notices."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlgcn.errors import InputError
from imlgcn.growing import rename_label
from imlgcn.tagger import Tagger

from .conftest import MeanColour, assert_refused, counts, picture


def opened(path) -> Tagger:
    """Return a tagger with an engine that costs nothing."""
    tagger = Tagger.load(path)
    tagger.engine = MeanColour(num_labels=len(tagger.labels))
    return tagger


@pytest.fixture
def two(own_tagger, tmp_path):
    """A tagger and the same with a label renamed."""
    other = shutil.copytree(own_tagger, tmp_path / "other")
    rename_label(other, "red", "crimson")
    return opened(own_tagger), opened(other)


def names(client) -> list[str]:
    return [item["label"] for item in client.get("/v1/labels").json()["labels"]]


def test_a_reload_exchanges_every_fact_and_goes_on_counting(two, serving):
    old, new = two
    client = serving(old, reopen=lambda: new)
    client.post("/v1/tags", content=picture())
    before = client.get("/v1/model").json()
    answer = client.post("/v1/reload")
    assert answer.json() == {"labels": 5, "sha256": new.info.sha256}
    assert names(client) == list(new.labels) != list(old.labels)
    assert client.get("/v1/model").json()["sha256"] != before["sha256"]
    assert client.post("/v1/tags", content=picture()).status_code == 200
    assert counts(client)["imlgcn_requests_total path=/v1/tags status=200"] == 2
    assert counts(client)["imlgcn_images_total outcome=tagged"] == 2


def test_requests_under_way_are_answered_by_the_tagger_they_began_with(two, serving):
    old, new = two
    client = serving(old, reopen=lambda: new)
    old.engine.gate = threading.Event()  # now: the server tries the engine once as it starts
    first = client.app.state.service
    closed = []
    close = first.close
    first.close = lambda: (closed.append(True), close())
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(client.post, "/v1/tags?threshold=0&all=1", content=picture())
        while not first.batcher.accepted:
            time.sleep(0.01)
        assert client.post("/v1/reload").status_code == 200
        assert client.post("/v1/tags", content=picture()).status_code == 200
        assert not closed
        old.engine.gate.set()
        answer = waiting.result()
    assert answer.status_code == 200
    assert "red" in {tag["label"] for tag in answer.json()["images"][0]["tags"]}
    while not closed:
        time.sleep(0.01)
    assert new.engine.batches


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (lambda path: InputError(f"{path.resolve()}: no model.json in it"), "no model.json in it"),
        (lambda path: ValueError(f"header of {path} too large"), "log has the details"),
    ],
)
def test_a_tagger_that_cannot_be_opened_leaves_the_old_one_in_service(
    two, serving, caplog, error, words
):
    old, _ = two

    def fail():
        raise error(old.path)

    client = serving(old, reopen=fail)
    answer = client.post("/v1/reload")
    assert_refused(answer, 409, "not_reloaded", "the one before it stays in service", words)
    assert str(old.path) not in answer.text
    assert str(old.path) in caplog.text
    assert client.post("/v1/tags", content=picture()).status_code == 200
    assert names(client) == list(old.labels)


def test_one_whose_network_fails_leaves_the_old_one_too(two, serving):
    old, new = two
    new.engine = None
    client = serving(old, reopen=lambda: new)
    assert_refused(client.post("/v1/reload"), 409, "not_reloaded")
    assert client.post("/v1/tags", content=picture()).status_code == 200


def test_only_this_machine_may_ask_for_it(two, serving):
    old, new = two
    client = serving(old, reopen=lambda: new, sender="192.168.1.9")
    assert_refused(client.post("/v1/reload"), 403, "not_local", "own machine")
    assert names(client) == list(old.labels)
    here = serving(old, reopen=lambda: new)
    evil = here.post("/v1/reload", headers={"origin": "https://evil.example"})
    assert_refused(evil, 403, "foreign_origin")
