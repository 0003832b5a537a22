"""A server of very many labels answers with what a page can hold; here three are very many."""

from __future__ import annotations

import json

import pytest

from imlgcn.serve import about, knowledge, known

from .conftest import assert_refused, picture


@pytest.fixture
def many(monkeypatch):
    for module in (about, knowledge, known):
        monkeypatch.setattr(module, "MANY_LABELS", 3)


def test_facts_are_made_once_packed_and_not_sent_twice(quick, serving, monkeypatch):
    monkeypatch.setattr("imlgcn.serve.answers.WORTH_PACKING", 10)
    client = serving(quick)
    for address in ("/v1/labels", "/v1/thresholds", "/v1/graph", "/v1/known"):
        plain = client.get(address, headers={"accept-encoding": "identity"})
        packed = client.get(address, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.json() == packed.json()
        again = client.get(address, headers={"if-none-match": plain.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_known_labels_of_very_many_are_moved_by_the_server(quick, serving, many):
    client = serving(quick)
    can = client.get("/v1/model").json()["can"]
    assert (can["known"], can["known_here"]) == (True, False)
    assert_refused(client.get("/v1/known"), 404, "not_there", "counts of label pairs")
    asked = {"all": "true", "known": json.dumps({quick.labels[0]: 1})}
    found = client.post("/v1/tags", params=asked, content=picture()).json()["images"][0]
    free = client.post("/v1/tags", params={"all": "true"}, content=picture()).json()["images"][0]
    assert found["probabilities"][0] == 1
    assert found["probabilities"][1:] != free["probabilities"][1:]


def test_the_trade_off_of_very_many_labels_has_few_steps_without_a_list_for_each(
    quick, serving, many
):
    content = serving(quick).get("/v1/thresholds").json()
    assert 1 <= len(content["steps"]) <= 5
    assert content["steps"][content["default"]]["goal"] == "f1"
    assert all(step["per_label"] is None for step in content["steps"])
    own = content["steps"][content["default"]]["thresholds"]
    assert own == pytest.approx(quick.thresholds.tolist(), abs=1e-6)


def test_the_graph_of_very_many_labels_lists_the_first_and_counts_all(
    quick, serving, many, monkeypatch
):
    whole = knowledge.graph(quick)
    monkeypatch.setattr(knowledge, "MOST_EDGES", 0)
    monkeypatch.setattr(knowledge, "MOST_ISOLATED", 0)
    monkeypatch.setattr("imlgcn.views.label_graph.MOST_LABELS", 2)
    content = serving(quick).get("/v1/graph").json()
    drawn = {node["label"] for node in content["nodes"]}
    assert len(drawn) == 2
    assert {edge["source"] for edge in content["edges"]} <= drawn
    assert content["isolated"] == []
    assert content["num_edges"] == len(whole["edges"]) > len(content["edges"])
    assert content["num_isolated"] == len(whole["isolated"])


def test_the_graph_around_a_label_is_of_it_and_its_partners(quick, serving):
    client = serving(quick)
    label = client.get("/v1/graph").json()["edges"][0]["source"]
    content = client.get("/v1/graph", params={"label": label}).json()
    assert content["around"] == label
    assert label in {node["label"] for node in content["nodes"]}
    wrong = client.get("/v1/graph", params={"label": "no such label"})
    assert_refused(wrong, 422, "unknown_label", "no such label")
