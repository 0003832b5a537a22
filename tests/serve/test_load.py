"""A server with more to do than it can says so at once, and recovers."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlgcn.engines.base import cores
from imlgcn.serve.service import Service

from .conftest import assert_refused, picture


def test_a_full_queue_says_when_to_come_again_and_then_takes_images_again(quick, serving):
    quick.engine.gate = gate = threading.Event()
    gate.set()  # for the warm-up
    client = serving(quick, queue=2)
    gate.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.post, "/v1/tags", content=picture()) for _ in range(2)]
        batcher = client.app.state.service.batcher
        while batcher.accepted < 2:
            pass
        refused = client.post("/v1/tags", content=picture())
        assert_refused(refused, 503, "busy", "2 images")
        assert int(refused.headers["retry-after"]) >= 1
        assert_refused(client.get("/readyz"), 503, "busy")
        assert client.get("/healthz").status_code == 200
        gate.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/tags", content=picture()).status_code == 200


def test_what_takes_too_long_is_given_up(quick, serving):
    quick.engine.gate = gate = threading.Event()
    gate.set()
    client = serving(quick, timeout=0.2)
    gate.clear()
    answer = client.post("/v1/tags", content=picture())
    gate.set()
    assert_refused(answer, 504, "too_slow", "0.2 seconds")
    assert client.app.state.service.batcher.accepted == 0


def test_bodies_are_held_up_to_a_limit(quick, serving):
    client = serving(quick, max_held=20_000)
    large = client.post("/v1/tags", content=bytes(20_001))
    assert_refused(large, 503, "busy")
    assert large.headers["retry-after"] == "1"
    for _ in range(20):  # what was held is given back
        assert client.post("/v1/tags", content=picture()).status_code == 200


def test_more_images_than_the_queue_ever_holds_are_not_told_to_come_again(quick, serving):
    files = [("image", (f"{n}.png", picture())) for n in range(4)]
    answer = serving(quick, queue=3).post("/v1/tags", files=files)
    assert_refused(answer, 422, "too_many_images", "3 images at once")


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_image_whose_decoder_hangs_costs_one_request(quick, serving, decoders, monkeypatch):
    client = serving(quick)
    assert client.post("/v1/tags", content=picture()).status_code == 200
    monkeypatch.setattr(decoders, "_seconds", 0.5)
    for process in decoders.processes:
        os.kill(process, signal.SIGSTOP)
    refused = client.post("/v1/tags", content=picture())
    assert_refused(refused, 422, "too_costly", "more than 0.5 seconds")
    for process in decoders.processes:
        os.kill(process, signal.SIGCONT)
    monkeypatch.undo()
    assert client.post("/v1/tags", content=picture()).status_code == 200


def test_no_more_maps_are_made_at_once_than_there_are_cores(quick, serving, monkeypatch):
    quick.engine.map_kind = "score"
    running, most = [], []
    made = Service._maps

    def slowly(self, data, chosen):
        running.append(None)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return made(self, data, chosen)

    monkeypatch.setattr(Service, "_maps", slowly)
    client = serving(quick)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.post("/v1/maps", content=picture()), range(8)))
    assert all(answer.status_code == 200 for answer in found)
    assert max(most) <= cores()
