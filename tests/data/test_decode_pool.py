"""Images decoded in other processes, and what a killer image or a kill from outside costs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.decode_pool import (
    MEMORY,
    ClosedPoolError,
    DecodePool,
    LimitError,
    RefusedError,
)
from imlgcn.data.image_input import as_image
from imlgcn.data.transforms import EvalTransform
from imlgcn.image_settings import ImageSettings

SETTINGS = ImageSettings(size=32)
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def encoded(size=(50, 40), kind="PNG", seed=0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def expected(data: bytes) -> tuple[np.ndarray, tuple[int, int]]:
    image = as_image(data, size=SETTINGS.size, fit=SETTINGS.fit)
    return EvalTransform(SETTINGS)(image), image.size


def decode(pool: DecodePool, data: bytes, max_pixels=10**8):
    return pool(data, SETTINGS, max_pixels=max_pixels)


@pytest.fixture(scope="module")
def pool():
    opened = DecodePool(1, seconds=1.0)
    yield opened
    opened.close()


@pytest.mark.parametrize("data", [encoded(), encoded((900, 300), "JPEG"), encoded((32, 32))])
def test_the_pixels_are_those_of_this_process(pool, data):
    pixels, size = expected(data)
    found = decode(pool, data)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.size == size
    assert found.pixels.flags.writeable  # torch needs it


def test_a_refusal_says_the_same_and_what_the_header_says(pool):
    with pytest.raises(RefusedError, match="image: is not an image of a known format") as refused:
        decode(pool, b"hello")
    assert refused.value.info is None
    with pytest.raises(RefusedError, match="more than the limit") as refused:
        decode(pool, encoded(), max_pixels=10)
    assert refused.value.info == (50, 40, "PNG")


@posix
def test_an_image_that_takes_too_long_costs_its_process_and_no_other_image(pool):
    decode(pool, encoded())
    (before,) = pool.processes
    os.kill(before, signal.SIGSTOP)  # as far as one can see from outside, a decoder that hangs
    started = time.monotonic()
    with pytest.raises(LimitError, match="more than 1 seconds"):
        decode(pool, encoded())
    assert time.monotonic() - started < 3
    assert before not in pool.processes
    decode(pool, encoded())


@posix
def test_a_process_that_is_killed_from_outside_costs_nothing(pool):
    data = encoded(seed=3)
    decode(pool, data)
    os.kill(pool.processes[0], signal.SIGKILL)  # while it has nothing to do
    decode(pool, data)
    (busy,) = pool.processes
    os.kill(busy, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (busy, signal.SIGKILL)).start()
    np.testing.assert_array_equal(decode(pool, data).pixels, expected(data)[0])


@posix
def test_an_image_that_ends_every_process_is_given_up(pool, monkeypatch):
    decode(pool, encoded())
    monkeypatch.setattr("imlgcn.data.decode_pool._Worker.ask", lambda *_: None)
    with pytest.raises(LimitError, match="ended each time"):
        decode(pool, encoded())
    monkeypatch.undo()
    decode(pool, encoded())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces the limit")
def test_an_image_that_takes_too_much_memory_is_refused_and_the_next_is_decoded():
    file = io.BytesIO()
    Image.new("RGB", (6000, 5000)).save(file, "PNG", compress_level=1)  # 115 MiB
    pool = DecodePool(1, memory=64 * 2**20)
    try:
        with pytest.raises(LimitError, match="more than 64 MiB"):
            decode(pool, file.getvalue())
        decode(pool, encoded())
    finally:
        pool.close()


def test_closing_ends_what_is_being_decoded():
    pool = DecodePool(1)
    decode(pool, encoded())
    if os.name == "posix":
        os.kill(pool.processes[0], signal.SIGSTOP)
        threading.Timer(0.2, pool.close).start()
    else:
        pool.close()
    started = time.monotonic()
    with pytest.raises(ClosedPoolError):
        decode(pool, encoded())
    with pytest.raises(ClosedPoolError):
        decode(pool, encoded())
    assert time.monotonic() - started < 5


def test_a_process_is_lean_and_may_write_nothing():
    code = (
        "import json, sys, resource\n"
        "from imlgcn.data import decode_worker\n"
        f"decode_worker._limit({MEMORY})\n"
        "heavy = {'torch', 'fastapi', 'uvicorn', 'sklearn', 'matplotlib', 'pandas'}\n"
        "limits = [resource.getrlimit(resource.RLIMIT_FSIZE)[0]]\n"
        "print(json.dumps([sorted(heavy & set(sys.modules)), limits]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [0]]
