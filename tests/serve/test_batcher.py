"""The batcher alone: images in, rows out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("fastapi")

from imlgcn.serve.batcher import Batcher, ClosedError, QueueFullError


def decode(data: bytes):
    if data == b"bad":
        raise ValueError("not an image")
    return np.full((2, 2, 3), int(data), np.uint8)


class Scorer:
    """Returns each image's own number, and remembers the batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, pixels, known):
        assert len(pixels) == len(known)
        self.go.wait(10)
        self.sizes.append(len(pixels))
        return pixels[:, 0, 0, :1].astype(float)


@pytest.fixture
def make():
    opened: list[Batcher] = []

    def build(score: Callable, **options) -> Batcher:
        given = {"streams": 1, "workers": 2, "max_batch": 4, "max_wait_ms": 5, "queue": 8}
        opened.append(Batcher(options.pop("decode", decode), score, **(given | options)))
        return opened[-1]

    yield build
    for batcher in opened:
        batcher.close()


def value(future) -> float:
    return float(future.result(timeout=10)[0])


@pytest.mark.parametrize("streams", [1, 3])
def test_every_image_gets_its_own_row_however_they_are_batched(make, streams):
    batcher = make(Scorer(), streams=streams, workers=3)
    futures = [batcher.submit(str(number).encode()) for number in range(100)]
    assert [value(future) for future in futures] == list(range(100))


def test_images_that_wait_are_scored_together_and_never_more_than_a_batch(make):
    scorer = Scorer()
    batcher = make(scorer)
    scorer.go.clear()
    futures = [batcher.submit(b"1") for _ in range(9)]
    while len(batcher._ready) + batcher._max_batch < len(futures) and not scorer.sizes:
        time.sleep(0.005)
    time.sleep(0.05)
    scorer.go.set()
    assert [value(future) for future in futures] == [1] * 9
    assert max(scorer.sizes) == 4
    assert len(scorer.sizes) <= 4


def test_a_batch_waits_for_an_image_that_is_being_decoded(make):
    slow = threading.Event()

    def decode_slowly(data: bytes):
        if data == b"2":
            slow.wait(10)
        return decode(data)

    scorer = Scorer()
    batcher = make(scorer, decode=decode_slowly, max_wait_ms=5000)
    late, early = batcher.submit(b"2"), batcher.submit(b"1")
    time.sleep(0.05)
    assert not early.done()
    slow.set()
    assert (value(early), value(late)) == (1, 2)
    assert scorer.sizes == [2]


def test_a_lone_image_never_waits(make):
    batcher = make(Scorer(), max_wait_ms=10_000)
    started = time.monotonic()
    assert value(batcher.submit(b"7")) == 7
    assert time.monotonic() - started < 2


def test_a_bad_image_fails_alone(make):
    batcher = make(Scorer())
    good, bad, other = batcher.submit(b"1"), batcher.submit(b"bad"), batcher.submit(b"3")
    assert (value(good), value(other)) == (1, 3)
    with pytest.raises(ValueError, match="not an image"):
        bad.result(timeout=10)


def test_an_engine_that_fails_fails_its_batch_and_the_next_one_is_scored(make):
    def score(pixels, known):
        if pixels[0, 0, 0, 0] == 0:
            raise RuntimeError("out of memory")
        return pixels[:, 0, 0, :1].astype(float)

    batcher = make(score, max_batch=1)
    bad, good = batcher.submit(b"0"), batcher.submit(b"4")
    assert value(good) == 4
    with pytest.raises(RuntimeError, match="memory"):
        bad.result(timeout=10)


def test_an_image_nobody_waits_for_any_more_is_not_scored(make):
    scorer = Scorer()
    batcher = make(scorer, max_batch=1)
    scorer.go.clear()
    first = batcher.submit(b"1")
    while not first.running():
        time.sleep(0.001)
    second, third = batcher.submit(b"2"), batcher.submit(b"3")
    assert second.cancel()
    scorer.go.set()
    assert (value(first), value(third)) == (1, 3)
    assert scorer.sizes == [1, 1]


def test_room_is_bounded_and_given_back(make):
    batcher = make(Scorer(), queue=3)
    with batcher.reserve(2):
        with pytest.raises(QueueFullError), batcher.reserve(2):
            pass
        assert batcher.accepted == 2
        with batcher.reserve(1):
            assert batcher.accepted == 3
    assert batcher.accepted == 0


def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(make):
    scorer = Scorer()
    batcher = make(scorer)
    scorer.go.clear()
    futures = [batcher.submit(b"5") for _ in range(8)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    scorer.go.set()
    closing.join(10)
    assert not closing.is_alive()
    assert all(future.done() for future in futures)
    with pytest.raises(ClosedError), batcher.reserve(1):
        pass
