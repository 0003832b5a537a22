"""What a server tells about its tagger: labels, thresholds, graph and model."""

from __future__ import annotations

import numpy as np

from .conftest import assert_refused, picture


def test_labels_stand_in_the_order_of_the_probabilities(quick, serving):
    labels = serving(quick).get("/v1/labels").json()["labels"]
    assert [item["label"] for item in labels] == list(quick.labels)
    np.testing.assert_allclose([i["threshold"] for i in labels], quick.thresholds, atol=1e-6)


def test_thresholds_go_from_finding_more_to_being_surer(quick, serving):
    content = serving(quick).get("/v1/thresholds").json()
    steps, middle = content["steps"], content["default"]
    assert steps[middle]["goal"] == "f1"
    assert (content["split"], content["images"]) == ("test", 12)
    for step in steps:
        expected = quick.thresholds_for(step["goal"])
        np.testing.assert_allclose(step["thresholds"], expected, atol=1e-6)


def test_the_graph_has_a_place_for_every_label_with_an_edge(quick, serving):
    graph = serving(quick).get("/v1/graph").json()
    nodes = {node["label"] for node in graph["nodes"]}
    assert nodes | set(graph["isolated"]) == set(quick.labels)
    assert {edge["source"] for edge in graph["edges"]} <= nodes
    for node in graph["nodes"]:
        assert 0 <= node["x"] <= graph["size"][0]
        assert 0 <= node["y"] <= graph["size"][1]


def test_the_model_says_what_it_is_and_can_and_no_path(quick, serving):
    answer = serving(quick).get("/v1/model")
    model = answer.json()
    assert model["head"] == "iml_gcn"
    assert model["metrics"]["protocol"] == "default"
    assert model["can"]["graph"] is True
    assert (model["can"]["known"], model["known_by"]) == (True, "counts")
    assert str(quick.path.parent) not in answer.text


def test_a_tagger_without_scores_or_counts_says_so(quick, serving, own_tagger):
    from imlgcn.tagger import Tagger

    (own_tagger / "predictions.parquet").unlink()
    (own_tagger / "model.safetensors").unlink()
    bare = Tagger.load(own_tagger)
    bare.engine = quick.engine
    client = serving(bare)
    can = client.get("/v1/model").json()["can"]
    assert (can["graph"], can["thresholds"], can["known"]) == (False, False, False)
    assert_refused(client.get("/v1/known"), 404, "not_there", "counts of label pairs")
    known = client.post("/v1/tags", params={"known": '{"red":1}'}, content=picture())
    assert_refused(known, 422, "known_not_used", "no counts of label pairs")
    assert_refused(client.get("/v1/graph"), 404, "not_there", "label graph")
    assert_refused(client.get("/v1/thresholds"), 404, "not_there", "held-out scores")
    assert client.post("/v1/tags", content=picture()).status_code == 200
    answer = client.post("/v1/tags?threshold=precision=0.9", content=picture())
    assert_refused(answer, 422, "bad_threshold", "no held-out scores", "0.5")
    assert str(own_tagger) not in answer.text
