"""A tagger of random numbers for the server's tests, and ways to ask it."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from imlgcn.data.decode_pool import DecodePool
from imlgcn.serve import ServeSettings, create_app
from imlgcn.serve.run import make_server

HOME = "http://127.0.0.1:8000"


def picture(size=(40, 30), kind="PNG", seed=0) -> bytes:
    """Return an encoded image of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


@dataclass
class MeanColour:
    """An engine that scores an image by its mean colour, and can be made to wait."""

    name: str = "mean"
    streams: int = 1
    takes_known: bool = False
    num_labels: int = 5
    metadata: dict = field(default_factory=dict)
    map_kind: str | None = None
    gate: object = None  # an event that scoring waits for
    batches: list = field(default_factory=list)

    @contextmanager
    def streaming(self):
        yield self.streams

    def logits(self, pixels, known=None):
        if self.gate is not None:
            self.gate.wait(10)
        self.batches.append((len(pixels), known))
        means = pixels.reshape(len(pixels), -1).mean(axis=1, keepdims=True) / 255  # (B, 1)
        return (means * np.arange(1, self.num_labels + 1) - 1).astype(np.float32)

    def maps(self, pixels, known=None):
        shape = (len(pixels), self.num_labels, 3, 3)
        ramp = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 9
        return self.logits(pixels, known), ramp


@pytest.fixture
def quick(tagger):
    """The trained tagger's folder with an engine that costs nothing."""
    from imlgcn.tagger import Tagger

    copy = Tagger.load(tagger.path)
    copy.engine = MeanColour(num_labels=len(copy.labels))
    return copy


class SharedPool(DecodePool):
    """One pool for the apps of all tests: a process takes half a second to start."""

    def open(self) -> None:
        """Start a process when the first image comes."""

    def close(self) -> None:
        """Leave it to the next."""


@pytest.fixture(scope="session")
def decoders():
    pool = SharedPool(2)
    yield pool
    DecodePool.close(pool)


@pytest.fixture(autouse=True)
def _shared_decoders(decoders, monkeypatch):
    monkeypatch.setattr("imlgcn.serve.app.DecodePool", lambda *_, **__: decoders)


@pytest.fixture
def serving():
    """Return a function that opens a client on a tagger; all are closed at the end."""
    opened = []

    def serve(tagger, *, reopen=None, sender="127.0.0.1", **settings) -> TestClient:
        app = create_app(tagger, ServeSettings(**settings), reopen=reopen)
        about = {"base_url": HOME, "raise_server_exceptions": False, "client": (sender, 50000)}
        client = TestClient(app, **about)
        opened.append(client.__enter__())
        return client

    yield serve
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def listening(quick):
    """Return a function that starts a real server in a thread and returns its port."""
    opened = []

    def start(**given) -> int:
        settings = ServeSettings(port=0, **given)
        own = socket.create_server(("127.0.0.1", 0))
        server = make_server(create_app(quick, settings), settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        opened.append((server, thread, own))
        while not server.started:
            time.sleep(0.01)
        return own.getsockname()[1]

    yield start
    for server, thread, own in opened:
        server.should_exit = server.force_exit = True
        thread.join(10)
        own.close()
        assert not thread.is_alive()


def assert_refused(answer, status: int, code: str, *words: str) -> None:
    """The one shape of every error, a sentence with these words, no path and no trace."""
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["code"] == code
    assert "Traceback" not in error["message"]
    assert str(Path.home()) not in error["message"]
    for word in words:
        assert word in error["message"]


def counts(client) -> dict[str, float]:
    """Return what `/metrics` tells, by name and labels in alphabetical order."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        " ".join([item.name, *(f"{k}={v}" for k, v in sorted(item.labels.items()))]): item.value
        for family in families
        for item in family.samples
    }


class Written:
    """The files that this process opens for writing, while `is_on`."""

    is_on = False
    paths: ClassVar[list[Path]] = []

    @classmethod
    def note(cls, event: str, given: tuple) -> None:
        if cls.is_on and event == "open":
            path, _, flags = given
            if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                cls.paths.append(Path(os.fsdecode(path)))


@pytest.fixture(scope="session")
def _written():
    sys.addaudithook(Written.note)  # for good: a hook cannot be taken away
    return Written


@pytest.fixture
def written(_written):
    """Return the paths of files opened for writing since, of this process's threads."""
    Written.paths.clear()
    Written.is_on = True
    yield Written.paths
    Written.is_on = False


# a server whose engine takes its time and needs no torch
SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from serve.conftest import MeanColour
from imlgcn.progress import TerminalProgress
from imlgcn.serve import ServeSettings, run_server
from imlgcn.tagger import Tagger
class Slow(MeanColour):
    def logits(self, pixels, known=None):
        time.sleep(0.3)
        return super().logits(pixels, known)
def load():
    tagger = Tagger.load({path!r})
    tagger.engine = Slow(num_labels=len(tagger.labels))
    return tagger
settings = ServeSettings(port=0, max_batch=2)
run_server(load(), settings, reopen=load, progress=TerminalProgress())
assert not [name for name in ("torch", "timm", "lightning") if name in sys.modules]
"""


@pytest.fixture
def script(own_tagger, request):
    return SCRIPT.format(tests=str(request.path.parents[1]), path=str(own_tagger))


def start(script):
    """Run a script that serves."""
    return subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def port_of(process) -> int:
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    assert found, line + process.stderr.read()
    return int(found[1])
