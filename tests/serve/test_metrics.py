"""`/metrics` counts requests, images and batches of one server."""

from __future__ import annotations

from .conftest import counts, picture


def test_metrics_count_requests_images_and_batches_of_this_server_alone(quick, serving):
    serving(quick).post("/v1/tags", content=picture())
    client = serving(quick)
    for content in (picture(), picture(), b"no image"):
        client.post("/v1/tags", content=content)
    client.get("/somewhere/unheard/of")
    expected = {
        "imlgcn_requests_total path=/v1/tags status=200": 2,
        "imlgcn_requests_total path=/v1/tags status=415": 1,
        "imlgcn_requests_total path=other status=404": 1,
        "imlgcn_images_total outcome=tagged": 2,
        "imlgcn_images_total outcome=refused": 1,
        "imlgcn_batch_images_sum": 2,
        "imlgcn_batch_images_bucket le=1.0": 2,
        "imlgcn_tag_seconds_count": 3,
        "imlgcn_tag_seconds_bucket le=30.0": 3,
        "imlgcn_batch_seconds_count": 2,
        "imlgcn_queue_images": 0,
    }
    found = counts(client)
    assert {name: found[name] for name in expected} == expected


def test_the_queue_is_counted_when_somebody_asks(quick, serving):
    client = serving(quick)
    with client.app.state.service.batcher.reserve(3):
        assert counts(client)["imlgcn_queue_images"] == 3
    assert counts(client)["imlgcn_queue_images"] == 0
